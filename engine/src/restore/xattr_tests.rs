//! Extended attributes of restored files.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path};

use rustix::io::Errno;

use super::{tests::Case, *};
use crate::{
    ingest::{self, Ingest},
    manifest::Timestamp,
    xattr::{self, Xattrs},
};

fn attributes(path: &Path) -> Xattrs {
    xattr::read(fs::File::open(path).unwrap(), 4096).unwrap().0
}

/// New files, unchanged files and read-only files get the attributes of the release, and lose others. Without
/// the option nothing is set or removed.
#[test]
fn attributes_come_back_if_requested_and_else_are_counted() {
    let case = Case::new(&[]);
    let source = tempfile::tempdir().unwrap();
    let wanted: BTreeMap<&str, Xattrs> = [("a.mkv", "x"), ("b.mkv", "y"), ("plain", "")]
        .map(|(name, value)| {
            let value = Some(value.as_bytes().to_vec()).filter(|value| !value.is_empty());
            (name, value.map(|value| (b"tags".to_vec(), value)).into_iter().collect())
        })
        .into();
    for (name, xattrs) in &wanted {
        let path = source.path().join(name);
        fs::write(&path, name).unwrap();
        match xattr::set(fs::File::open(&path).unwrap(), xattrs) {
            Err(Errno::OPNOTSUPP) => {
                eprintln!("skipped: no extended attributes in {}", source.path().display());
                return;
            }
            done => done.unwrap(),
        }
    }
    fs::set_permissions(source.path().join("b.mkv"), fs::Permissions::from_mode(0o444)).unwrap();
    let began = Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let ingest = Ingest { xattrs: true, ..Ingest::new(source.path(), began) };
    let report = ingest::publish(&case.store, &ingest, &mut (), &AtomicBool::new(false)).unwrap();
    let trees: Vec<_> = report.trees.iter().map(|(slot, tree)| (*slot, tree.root)).collect();
    let records = Some(source.path().join("records"));
    fs::create_dir(source.path().join("records")).unwrap();
    let without = Restore { trees, records, ..case.options() };
    let with = Restore { xattrs: true, ..without.clone() };

    let report = case.run(&without).unwrap();
    assert_eq!((report.xattrs_left, report.failures_total), (2, 0));
    assert!(wanted.keys().all(|name| attributes(&case.path(name)).is_empty()));
    fs::set_permissions(case.path("a.mkv"), fs::Permissions::from_mode(0o644)).unwrap();
    xattr::set(fs::File::open(case.path("plain")).unwrap(), &wanted["a.mkv"]).unwrap();

    let dry = case.run(&Restore { dry_run: true, ..with.clone() }).unwrap();
    assert_eq!(dry.bytes_written, 0);
    for _ in 0..2 {
        let report = case.run(&with).unwrap();
        assert_eq!((report.xattrs_left, report.files_unchanged, report.failures_total), (0, 3, 0));
        for (name, xattrs) in &wanted {
            assert_eq!(attributes(&case.path(name)), *xattrs, "{name}");
        }
    }
    assert_eq!(fs::metadata(case.path("b.mkv")).unwrap().permissions().mode() & 0o777, 0o444);

    fs::remove_file(case.path("a.mkv")).unwrap();
    fs::write(case.path("b.mkv.new"), "b").unwrap();
    fs::rename(case.path("b.mkv.new"), case.path("b.mkv")).unwrap();
    case.run(&with).unwrap();
    for (name, xattrs) in &wanted {
        assert_eq!(attributes(&case.path(name)), *xattrs, "{name}");
    }
}
