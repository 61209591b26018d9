//! A rebuild of the index while the store is read and written.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use chuan_engine::store::{
    Check,
    objects::{Object, Objects},
};

use super::support::{
    FILMS, chunk, contents, copy_dir, films, library_id, page, put, read_back, scratch, scrub, small,
};
use crate::{DiskStore, Error};

fn objects() -> Vec<Object> {
    (0..150).map(|seed| chunk(seed, 4000)).chain((0..10).map(page)).collect()
}

/// The generations of the index that are on the disk.
fn generations(dir: &std::path::Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        fs::read_dir(dir.join("index")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

#[test]
fn reads_and_writes_continue_during_a_rebuild() {
    const REBUILDS: u64 = 5;
    let home = scratch();
    let dir = home.path();
    let store = DiskStore::open(dir, small()).unwrap();
    let kept = objects();
    put(&films(&store), &kept);
    let done = AtomicBool::new(false);
    let (reads, writes) = (AtomicU64::new(0), AtomicU64::new(0));
    let count = |counter: &AtomicU64| {
        counter.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for reader in 0..2 {
            let (store, kept, reads, done) = (&store, &kept, &reads, &done);
            scope.spawn(move || {
                let mut at = reader;
                while !done.load(Ordering::Relaxed) {
                    at = (at + 7) % 150;
                    let Object::Chunk { id, bytes } = &kept[at] else { panic!() };
                    let read = films(store).read_chunks(&[*id], Check::Verify).unwrap();
                    assert_eq!(read, [Some(bytes.clone())], "a held chunk was not seen during a rebuild");
                    count(reads);
                }
            });
        }
        for library in 1..=2 {
            let (store, writes, done) = (&store, &writes, &done);
            scope.spawn(move || {
                let handle = store.library(library_id(library));
                for seed in 1000.. {
                    put(&handle, &[chunk(seed, 3000)]);
                    assert_eq!(
                        read_back(&handle, &[chunk(seed, 3000)]).0.len(),
                        1,
                        "not seen after its commit"
                    );
                    count(writes);
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for _ in 0..REBUILDS {
            // Each rebuild runs together with reads and writes, not after them.
            let (seen_reads, seen_writes) = (reads.load(Ordering::Relaxed), writes.load(Ordering::Relaxed));
            store.rebuild(&|_, _| {}).unwrap();
            while reads.load(Ordering::Relaxed) == seen_reads || writes.load(Ordering::Relaxed) == seen_writes
            {
                thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let (a, b) = (store.library_stats(&library_id(1)).unwrap(), store.library_stats(&library_id(2)).unwrap());
    assert_eq!(a.chunks + b.chunks, writes.load(Ordering::Relaxed), "a rebuild missed written objects");
    assert_eq!(store.library_stats(&FILMS).unwrap().chunks, 150);
    assert!(scrub(&store).unwrap().is_clean());
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    drop(store);
    assert_eq!(generations(dir).len(), 1, "{:?}", generations(dir));
    let store = DiskStore::open(dir, small()).unwrap();
    assert_eq!(read_back(&films(&store), &kept).0, contents(&kept));
    assert_eq!(store.library_stats(&library_id(1)).unwrap(), a);
}

#[test]
fn a_rebuild_interrupted_by_a_crash_loses_nothing() {
    let home = scratch();
    let (dir, copy) = (home.path().join("a"), home.path().join("b"));
    let store = DiskStore::open(&dir, small()).unwrap();
    let kept = objects();
    put(&films(&store), &kept);
    put(&store.library(library_id(1)), &kept[..150]);
    let segments = store.stats().unwrap().segments;
    assert!(segments > 4);
    for at in 0..segments {
        let taken = Mutex::new(false);
        store
            .rebuild(&|done, _| {
                // A copy of the disk at this moment; the new index is only partly flushed.
                if done == at && !std::mem::replace(&mut *taken.lock().unwrap(), true) {
                    copy_dir(&dir, &copy);
                }
            })
            .unwrap();
        assert!(*taken.lock().unwrap());
        assert_eq!(generations(&copy).len(), 2, "no rebuild was under way");
        let after = DiskStore::open(&copy, small()).unwrap();
        assert_eq!(read_back(&films(&after), &kept).0, contents(&kept));
        let other = after.library(library_id(1));
        assert_eq!(read_back(&other, &kept[..150]).0, contents(&kept[..150]));
        assert!(scrub(&after).unwrap().is_clean());
        drop(after);
        assert_eq!(generations(&copy).len(), 1);
        fs::remove_dir_all(&copy).unwrap();
    }
}

#[test]
fn one_rebuild_at_a_time() {
    let home = scratch();
    let store = DiskStore::open(home.path(), small()).unwrap();
    put(&films(&store), &objects());
    let second = Mutex::new(None);
    store
        .rebuild(&|_, _| {
            second.lock().unwrap().get_or_insert_with(|| store.rebuild(&|_, _| {}));
        })
        .unwrap();
    assert!(matches!(second.into_inner().unwrap(), Some(Err(Error::Busy(_)))));
    store.rebuild(&|_, _| {}).unwrap();
}

/// Symptom: one open that failed for lack of descriptors removed a healthy index. That cost hours of rebuild
/// for a large library, and room that a full disk lacks. The limit belongs to the process, so the open runs
/// in a process of its own.
#[test]
fn too_many_open_files_do_not_cost_the_index() {
    const DIR: &str = "CHUAN_FEW_FILES_DIR";
    const NAME: &str = "tests::rebuilding::too_many_open_files_do_not_cost_the_index";
    if let Some(dir) = std::env::var_os(DIR) {
        let opened = DiskStore::open(dir.as_ref(), small());
        match opened {
            Ok(_) => println!("opened"),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    let home = scratch();
    let dir = home.path();
    let kept = objects();
    for objects in kept.chunks(20) {
        put(&films(&DiskStore::open(dir, small()).unwrap()), objects);
    }
    let mut refused = 0;
    for limit in 5..60 {
        let script = format!("ulimit -n {limit} && exec \"$0\" --exact {NAME} --nocapture");
        let output = Command::new("sh")
            .args(["-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(DIR, dir)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_refused = output.contains("refused");
        assert!(!output.contains("rebuilt"), "{limit} files: {output}");
        assert!(!dir.join("index/00000001.damaged").exists(), "{limit} files: {output}");
        // A rebuilt index has the next number. Its tables prove nothing: compaction makes new ones too.
        assert!(dir.join("index/00000001").exists() && !dir.join("index/00000002").exists(), "{limit} files");
        refused += u32::from(is_refused);
    }
    assert!(refused > 0, "no limit was too low");
    assert_eq!(read_back(&films(&DiskStore::open(dir, small()).unwrap()), &kept).0, contents(&kept));
}
