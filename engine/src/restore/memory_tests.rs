//! The record of a restored folder and its effects, and the walk of the destination.

use std::{fs, path::Path, sync::atomic::AtomicBool};

use super::{
    locks::Locks,
    record::{Files, Remembered},
    stat::Stat,
    sync_tests::{Case, check_failed, file, folder, keep},
    temp::TempNames,
    tests::keep_entries,
    *,
};
use crate::{chunk::testing::noise, id::ChunkId, manifest::testing::LIBRARY, store::memory::MemoryObjects};

/// The only record of a home.
fn record(case: &Case) -> PathBuf {
    let mut records = fs::read_dir(case.dir.path().join("records")).unwrap();
    records.next().unwrap().unwrap().path()
}

/// Unchanged files are not read: a store that lost their chunks is not asked.
#[test]
fn unchanged_files_are_not_read() {
    let case = Case::new();
    let items = [file("f", &noise(1, 100_000))];
    case.restore(&items, keep);
    let record = record(&case);
    let root = keep_entries(&case.store, items.to_vec());
    let mut entries = crate::manifest::cursor::entries(&case.store, &root);
    let (_, entry) = entries.next().unwrap().unwrap();
    // This store has no chunks: a file that is not read causes no failure.
    let none = MemoryObjects::new(LIBRARY);
    keep_entries(&none, vec![(String::from("f"), entry.clone(), noise(1, 100_000))]);
    for chunk in crate::manifest::cursor::chunks(&case.store, &entry.content) {
        none.lose(crate::store::ObjectId::Chunk(chunk.unwrap().id));
    }
    let mut order = Restore::new(vec![(0, root)], case.path(""));
    order.records = record.parent().map(Path::to_owned);
    let report = restore(&none, &order, &mut (), &AtomicBool::new(false)).unwrap();
    assert_eq!((report.files_unchanged, report.failures_total), (1, 0));
}

/// With a damaged record, content is compared, and a file is not replaced by a folder.
#[test]
fn a_damaged_record_is_as_good_as_none() {
    let case = Case::new();
    let one = [file("a", b"one"), file("b", b"b")];
    case.restore(&one, keep);
    let record = record(&case);
    let mut bytes = fs::read(&record).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&record, bytes).unwrap();
    let report = case.restore(&[folder("a", 0o755), file("a/x", b"x"), file("b", b"b")], keep);
    check_failed(&report, "a", "in the way");
    assert_eq!((report.files_unchanged, case.read("a")), (1, "one".into()));
    assert_eq!(case.restore(&one, keep).files_unchanged, 2);
    let names: Vec<_> =
        fs::read_dir(record.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1);
    assert_eq!(
        names[0].to_str().unwrap().parse::<ChunkId>().unwrap().to_string(),
        names[0].to_str().unwrap()
    );
}

/// Damage below the file system leaves size, times and inode unchanged. A test cannot cause such damage, but
/// it can write a record that says that a changed file is unchanged.
#[test]
fn check_finds_damage_that_changes_no_mark() {
    let case = Case::new();
    let items = [file("f", b"as it was")];
    case.restore(&items, keep);
    fs::write(case.path("f"), b"as it is!").unwrap();
    let stat = Stat::of(fs::File::open(case.path("f")).unwrap()).unwrap();
    let files =
        Files::at(&record(&case), case.path("").canonicalize().unwrap().as_os_str().as_bytes()).unwrap();
    let remembered: Vec<_> = files.read().map(|one| Remembered { mark: stat.mark, ..one }).collect();
    assert_eq!(remembered.len(), 1);
    let mut writer = files.begin().unwrap();
    remembered.iter().for_each(|one| writer.push(one).unwrap());
    files.finish(writer, std::iter::empty(), None, &mut |one| one).unwrap();

    assert_eq!((case.restore(&items, keep).files_unchanged, case.read("f")), (1, "as it is!".into()));
    let report = case.restore(&items, |order| order.check = true);
    assert_eq!((report.files_unchanged, case.read("f")), (0, "as it was".into()));
    assert_eq!(case.restore(&items, |order| order.check = true).files_unchanged, 1);
}

/// A folder with more names than are listed at a time, and with folders among them: the walk gives each name
/// once, in order.
#[test]
fn a_large_folder_is_listed_in_parts() {
    use super::action::{Disk, Lookup};
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for n in 0..150 {
        let name = format!("n{n:03}");
        if n % 7 == 0 {
            fs::create_dir(dir.path().join(&name)).unwrap();
            fs::write(dir.path().join(&name).join("in"), b"").unwrap();
            fs::write(dir.path().join(format!("{name}.x")), b"").unwrap();
            expected.extend([name.clone(), format!("{name}.x"), format!("{name}/"), format!("{name}/in")]);
        } else {
            fs::write(dir.path().join(&name), b"").unwrap();
            expected.push(name);
        }
    }
    for names in [1, 2, 7, 1000] {
        let mut walk = DiskWalk::with_names(
            dir.path(),
            &TempNames::new(".chuan-restore-0.tmp"),
            &Locks::default(),
            Box::new(|_: &str| Ok(false)),
            names,
        )
        .unwrap();
        let mut found = Vec::new();
        while let Some(lookup) = walk.next().unwrap() {
            found.push(match lookup {
                Lookup::Item(item) => String::from_utf8(item.path).unwrap(),
                Lookup::Inside(path) => String::from_utf8(path).unwrap() + "/",
                Lookup::Unknown { path, reason } => panic!("{path:?}: {reason}"),
                Lookup::Closed { path, reason } => panic!("{path:?}: {reason:?}"),
            });
        }
        assert_eq!(found, expected, "{names} names at a time");
    }
}
