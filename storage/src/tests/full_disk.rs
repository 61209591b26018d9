//! A full disk: a small tmpfs, if this process may mount one.

use std::{path::Path, process::Command};

use chuan_engine::{Error, store::objects::Objects};

use super::support::{chunk, contents, films, put, read_back, scrub};
use crate::{DiskStore, Options};

struct Mount(tempfile::TempDir);

impl Mount {
    /// `None` if mounting is not allowed.
    fn tmpfs(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .status()
            .is_ok_and(|status| status.success());
        done.then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_an_error_that_names_it_and_loses_nothing() {
    let Some(mount) = Mount::tmpfs("64m") else {
        println!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let dir = mount.path().join("store");
    let store = DiskStore::open(&dir, Options::default()).unwrap();
    let mut kept = Vec::new();
    let error = loop {
        let objects: Vec<_> = (0..8).map(|at| chunk(kept.len() as u64 + at, 100_000)).collect();
        match films(&store).append(objects.clone()).and_then(|_| films(&store).commit()) {
            Ok(()) => kept.extend(objects),
            Err(error) => break error,
        }
        assert!(kept.len() < 700, "64 MiB took more than 64 MiB");
    };
    let Error::Full(text) = &error else { panic!("{error:?}") };
    assert!(text.contains(dir.to_str().unwrap()) && text.contains("ree some space"), "{text}");
    assert!(kept.len() > 400, "only {} chunks fit", kept.len());
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept), "a full store does not read");
    assert!(scrub(&store).unwrap().is_clean());
    drop(store);
    let store = DiskStore::open(&dir, Options::default()).unwrap();
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    assert!(matches!(
        films(&store).append(vec![chunk(100_000, 100_000), chunk(100_001, 100_000)]),
        Err(Error::Full(_)) | Ok(_)
    ));
}

#[test]
fn a_disk_filled_by_others_is_an_error_and_stored_objects_stay() {
    let Some(mount) = Mount::tmpfs("64m") else {
        println!("skipped: mounting a tmpfs is not allowed here");
        return;
    };
    let dir = mount.path().join("store");
    let kept = vec![chunk(1, 100_000), chunk(2, 100_000)];
    let store = DiskStore::open(&dir, Options::default()).unwrap();
    put(&films(&store), &kept);
    // Queued while there was room; then another program fills the disk.
    let late: Vec<_> = (10..70).map(|seed| chunk(seed, 100_000)).collect();
    films(&store).append(late).unwrap();
    let filler = mount.path().join("filler");
    let _ =
        Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", filler.display())).output();
    let library = films(&store);
    let error = library.commit().and_then(|()| library.append(vec![chunk(100, 100_000)])).unwrap_err();
    assert!(matches!(error, Error::Full(_)), "{error:?}");
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    drop(store);
    std::fs::remove_file(filler).unwrap();
    let store = DiskStore::open(&dir, Options::default()).unwrap();
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    put(&films(&store), &[chunk(200, 100_000)]);
}
