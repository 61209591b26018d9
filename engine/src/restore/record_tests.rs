//! The record of a restored folder: written entries are read back, and a damaged record is ignored.

use std::{fs, path::Path};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode};

use super::{
    record::{Files, Remembered},
    stat::Mark,
};
use crate::{
    id::ChunkId,
    manifest::{EntryKind, Timestamp},
};

const FOLDER: &[u8] = "/srv/电影".as_bytes();

fn entry(path: &str, n: u64) -> Remembered {
    let time = |seconds: u64| Timestamp { seconds: seconds.cast_signed(), nanos: 7 };
    let kind = [EntryKind::File, EntryKind::Folder, EntryKind::Symlink][usize::try_from(n % 3).unwrap()];
    let mark = Mark { size: n, mtime: time(n), ctime: time(n + 1), inode: n + 2 };
    let content = ChunkId::of(&n.to_le_bytes());
    Remembered { path: path.to_owned(), kind, mark, content, is_linked: n.is_multiple_of(5) }
}

fn entries(count: u64) -> Vec<Remembered> {
    (0..count).map(|n| entry(&format!("目录{:04}/文件{n:06}.mkv", n / 100), n)).collect()
}

fn write(files: &Files, entries: &[Remembered]) {
    let mut writer = files.begin().unwrap();
    entries.iter().for_each(|entry| writer.push(entry).unwrap());
    files.finish(writer, std::iter::empty(), None, &mut |entry| entry).unwrap();
}

fn files(dir: &Path) -> Files {
    Files::at(&dir.join("record"), FOLDER).unwrap()
}

fn read(files: &Files) -> Vec<Remembered> {
    files.read().collect()
}

#[test]
fn entries_are_read_back_over_many_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    assert_eq!(read(&files), []);
    for count in [0, 1, 5000] {
        write(&files, &entries(count));
        assert_eq!(read(&files), entries(count));
    }
    assert!(fs::metadata(dir.path().join("record")).unwrap().len() > 5 * 64 * 1024);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_record_of_another_folder_is_none() {
    let dir = tempfile::tempdir().unwrap();
    write(&files(dir.path()), &entries(3));
    let other = Files::at(&dir.path().join("record"), b"/srv/other").unwrap();
    assert_eq!(read(&other), []);
}

#[test]
fn a_flipped_bit_anywhere_leaves_nothing_of_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    write(&files, &entries(4));
    let path = dir.path().join("record");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            fs::write(&path, bytes).unwrap();
            assert_eq!(read(&files), [], "byte {at}, bit {bit}");
        }
    }
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        assert_eq!(read(&files), [], "cut to {len} bytes");
    }
    fs::write(&path, [whole.as_slice(), b"x"].concat()).unwrap();
    assert_eq!(read(&files), []);
}

/// Symptom: a restore hung forever. Cause: it opened a pipe and waited for a writer.
#[test]
fn a_pipe_is_no_record_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["record", "record.part", "record.new"] {
        let files = files(dir.path());
        write(&files, &entries(3));
        let path = dir.path().join(name);
        let _ = fs::remove_file(&path);
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read(&files).len(), if name == "record" { 0 } else { 3 });
        write(&files, &entries(5));
        assert_eq!(read(&files), entries(5), "{name}");
        assert!(fs::symlink_metadata(dir.path().join("record")).unwrap().is_file());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

/// A killed restore: its entries are valid up to the path that it reached, and the previous record's entries
/// after it.
#[test]
fn the_part_of_a_killed_restore_is_merged_into_the_record() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let old = entries(4000);
    write(&files, &old);
    let new: Vec<_> = old.iter().map(|one| entry(&one.path, one.mark.size + 1000)).collect();
    let mut writer = files.begin().unwrap();
    new.iter().take(3000).for_each(|one| writer.push(one).unwrap());
    // Complete blocks are on the disk; the rest is lost with the process.
    std::mem::forget(writer);
    let check = |found: Vec<Remembered>| {
        let reached = found.iter().zip(&new).take_while(|(a, b)| a == b).count();
        assert!((1000..3000).contains(&reached), "{reached}");
        assert_eq!(found[reached..], old[reached..]);
    };
    check(read(&files));
    // The next restore merges both before it begins its own record.
    drop(files.begin().unwrap());
    check(read(&files));
}

#[test]
fn a_restore_that_ended_early_keeps_what_it_did_not_reach() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let old = entries(300);
    write(&files, &old);
    let mut writer = files.begin().unwrap();
    let one = entry(&old[100].path, 9999);
    writer.push(&one).unwrap();
    let late = entry("目录0001/a", 8888);
    let mut restat = |mut entry: Remembered| {
        entry.mark.inode += u64::from(entry.path.ends_with("/a"));
        entry
    };
    files.finish(writer, std::iter::once(late.clone()), Some(&one.path), &mut restat).unwrap();
    let found = read(&files);
    assert_eq!(found.len(), 201);
    assert_eq!(found[1..], [&[one][..], &old[101..]].concat());
    assert_eq!(found[0], Remembered { mark: Mark { inode: late.mark.inode + 1, ..late.mark }, ..late });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// For any bytes of a record, reading ends, in path order, and does not panic.
    #[test]
    fn any_bytes_are_read_to_an_end(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        at in 0usize..400,
        is_part: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let files = files(dir.path());
        write(&files, &entries(5));
        let path = dir.path().join("record");
        let mut whole = fs::read(&path).unwrap();
        let at = at.min(whole.len());
        whole.splice(at.., bytes);
        fs::write(if is_part { dir.path().join("record.part") } else { path }, whole).unwrap();
        let found = read(&files);
        prop_assert!(found.is_sorted_by(|a, b| a.path < b.path));
    }
}
