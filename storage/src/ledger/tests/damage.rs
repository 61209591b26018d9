//! Files that are missing, damaged, old or another node's, and what an operator can do.

use std::{fs, os::unix::fs::MetadataExt, sync::Arc};

use chuan_engine::{Error, id::NodeId, ledger::Side, store::ledger::Ledger};

use super::{
    DiskLedger, NODE,
    disk::{Disk, Reached},
    founded, kept, open, sequences, statement, try_open,
};
use crate::{
    Poison,
    ledger::{Checked, open::create, repair},
};

fn stage() -> Arc<Disk> {
    let disk = founded();
    let ledger = open(&disk);
    for number in 1..=4 {
        ledger.append(vec![statement(number)]).unwrap();
    }
    drop(ledger);
    disk
}

#[test]
fn one_file_that_is_gone_or_damaged_is_rewritten() {
    let sound = stage();
    let bytes = sound.bytes("a").unwrap();
    for side in ["a", "b"] {
        for damage in [None, Some(Vec::new()), Some(bytes[..bytes.len() / 2].to_vec()), Some(vec![0; 500])] {
            let disk = Arc::new(sound.copy());
            disk.put(side, damage);
            let opened = try_open(&disk).unwrap();
            assert!(!opened.found.is_empty());
            assert_eq!(sequences(&opened.ledger), [1, 2, 3, 4]);
            assert_eq!((disk.bytes("a"), disk.bytes("b")), (Some(bytes.clone()), Some(bytes.clone())));
        }
    }
}

/// Symptom: a backup joined the equal files by a hard link, so only one copy was left, and nothing reported
/// it.
#[test]
fn two_names_of_one_file_are_one_copy() {
    type Join = fn(&std::path::Path, &std::path::Path) -> std::io::Result<()>;
    let joins: [Join; 3] = [
        |a, b| fs::hard_link(a, b),
        |a, b| std::os::unix::fs::symlink(a, b),
        |a, b| fs::rename(a, b).and_then(|()| std::os::unix::fs::symlink(b, a)),
    ];
    for join in joins {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), NODE).unwrap();
        let opened = DiskLedger::open(dir.path(), NODE, 0, Poison::default()).unwrap();
        opened.ledger.append(vec![statement(1)]).unwrap();
        drop(opened);
        let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
        fs::remove_file(&b).unwrap();
        join(&a, &b).unwrap();

        let opened = DiskLedger::open(dir.path(), NODE, 0, Poison::default()).unwrap();
        assert!(opened.damaged && opened.found[0].contains("second name"), "{:?}", opened.found);
        assert_eq!(sequences(&opened.ledger), [1]);
        let [a, b] = [a, b].map(|path| (fs::symlink_metadata(&path).unwrap(), fs::read(&path).unwrap()));
        assert!(
            a.0.is_file() && b.0.is_file() && a.0.ino() != b.0.ino() && a.1 == b.1,
            "both are there, apart"
        );
    }
}

/// Symptom: one copy on a bad sector closed the whole home, although the other copy was sound.
#[test]
fn an_unreadable_copy_is_rewritten_from_the_other() {
    for side in ["a", "b"] {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), NODE).unwrap();
        let opened = DiskLedger::open(dir.path(), NODE, 0, Poison::default()).unwrap();
        opened.ledger.append(vec![statement(1)]).unwrap();
        let path = dir.path().join(side);
        fs::remove_file(&path).unwrap();
        // A regular file whose first page is no memory of this process: reading it is an I/O error.
        std::os::unix::fs::symlink("/proc/self/mem", &path).unwrap();
        assert_eq!(sequences(&opened.ledger), [1], "the open home reads the other copy");
        drop(opened);
        let opened = DiskLedger::open(dir.path(), NODE, 0, Poison::default()).unwrap();
        assert!(opened.damaged, "{:?}", opened.found);
        opened.ledger.append(vec![statement(2)]).unwrap();
        assert_eq!(sequences(&opened.ledger), [1, 2]);
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{side}");
    }
}

/// A folder in place of a copy is kept under another name. Symptom: it could not be replaced, and the home
/// opened for reading only.
#[test]
fn a_folder_in_place_of_a_copy_is_moved_aside() {
    for side in ["a", "b"] {
        let dir = tempfile::tempdir().unwrap();
        create(dir.path(), NODE).unwrap();
        let opened = DiskLedger::open(dir.path(), NODE, 0, Poison::default()).unwrap();
        opened.ledger.append(vec![statement(1)]).unwrap();
        drop(opened);
        let path = dir.path().join(side);
        fs::remove_file(&path).unwrap();
        fs::create_dir_all(path.join("something")).unwrap();
        let opened = DiskLedger::open(dir.path(), NODE, 0, Poison::default()).unwrap();
        assert!(opened.damaged, "{:?}", opened.found);
        opened.ledger.append(vec![statement(2)]).unwrap();
        assert_eq!(sequences(&opened.ledger), [1, 2]);
        assert!(path.is_file() && dir.path().join(format!("{side}.damaged/something")).is_dir());
    }
}

/// A record lost in both copies is named until it is appended again, and then has its old arrival number.
#[test]
fn a_record_lost_in_both_copies_is_named_until_it_comes_back() {
    let disk = stage();
    let mut bytes = disk.bytes("a").unwrap();
    let at = bytes.windows(11).position(|window| window == b"statement 2").unwrap();
    bytes[at] ^= 1;
    disk.put("a", Some(bytes.clone()));
    disk.put("b", Some(bytes));
    for _ in 0..2 {
        let ledger = try_open(&disk).unwrap().ledger;
        assert_eq!(kept(&ledger), [(1, 1), (3, 3), (4, 4)]);
        let lost = ledger.lost().unwrap();
        assert_eq!((lost.len(), lost[0].arrival), (1, 2));
        assert!(
            lost[0].place.contains("release") && lost[0].place.contains("ledger/a at"),
            "{}",
            lost[0].place
        );
    }
    let ledger = open(&disk);
    ledger.append(vec![statement(2)]).unwrap();
    for ledger in [ledger, open(&disk)] {
        assert_eq!(kept(&ledger), [(1, 1), (2, 2), (3, 3), (4, 4)]);
        assert!(ledger.lost().unwrap().is_empty());
    }
}

#[test]
fn loss_of_both_files_is_reported_and_numbers_continue() {
    let disk = stage();
    disk.put("a", None);
    disk.put("b", Some(vec![1; 3000]));
    let opened = DiskLedger::open_files(disk.clone(), NODE, 4, Poison::default()).unwrap();
    assert!(opened.gone && opened.damaged);
    let ledger = opened.ledger;
    assert!(sequences(&ledger).is_empty());
    assert_eq!(ledger.lost().unwrap()[0].arrival, 1);
    ledger.append(vec![statement(1)]).unwrap();
    assert_eq!(kept(&ledger), [(1, 5)], "a number is given twice");
    assert_eq!(disk.names(), ["a", "b", "b.damaged"], "the unreadable file is kept under another name");
    ledger.found(&[1, 99]).unwrap();
    for ledger in [ledger, open(&disk)] {
        assert!(ledger.lost().unwrap().is_empty());
        assert_eq!(ledger.highest_arrival(), 6);
    }
}

#[test]
fn an_older_pair_is_named() {
    let disk = founded();
    let ledger = open(&disk);
    ledger.append(vec![statement(1)]).unwrap();
    let old = Arc::new(disk.restart(Reached::All));
    ledger.append(vec![statement(2), statement(3)]).unwrap();
    let known = ledger.highest_arrival();
    let opened = DiskLedger::open_files(old.clone(), NODE, known, Poison::default()).unwrap();
    assert!(opened.damaged && opened.found[0].contains("older pair"), "{:?}", opened.found);
    let lost = opened.ledger.lost().unwrap();
    assert_eq!(lost.len(), 1);
    assert!(lost[0].place.contains("records 2 to 3"), "{}", lost[0].place);
    opened.ledger.append(vec![statement(2)]).unwrap();
    assert_eq!(kept(&opened.ledger), [(1, 1), (2, 4)]);
    let again = DiskLedger::open_files(old, NODE, known, Poison::default()).unwrap();
    assert!(again.found.is_empty() && again.ledger.lost().unwrap().len() == 1);
}

/// Each way out of a refusal, interrupted at no step and at every step: the kept copy is valid afterwards.
#[test]
fn keep_rewrites_both_files_from_one() {
    let node = NodeId::from_bytes([8; 32]);
    let ours = stage();
    let foreign = stage();
    let other = founded();
    open(&other).append(vec![statement(7), statement(8)]).unwrap();
    let cases = [
        ("two ledgers", ours.bytes("a"), other.bytes("a"), NODE),
        ("another node's", foreign.bytes("a"), foreign.bytes("b"), node),
    ];
    for (name, a, b, node) in cases {
        for (side, expected) in [(Side::A, vec![1, 2, 3, 4]), (Side::B, vec![7, 8])] {
            let expected = if node == NODE { expected } else { vec![1, 2, 3, 4] };
            for step in 0.. {
                let disk = Arc::new(Disk::default());
                disk.put("a", a.clone());
                disk.put("b", b.clone());
                let open =
                    |disk: &Arc<Disk>| DiskLedger::open_files(disk.clone(), node, 0, Poison::default());
                let Err(Error::Corrupt(text)) = open(&disk) else { panic!("{name}: opened") };
                assert!(text.contains("chuan ledger show") && text.contains("chuan ledger keep"), "{text}");
                disk.set_fault(step, super::disk::Fault::Crash);
                let kept = repair::keep_files(disk.clone(), node, side);
                let is_done = !disk.has_failed();
                if is_done {
                    assert_eq!(kept.unwrap().len(), 2);
                }
                for reached in Reached::ALL {
                    let disk = Arc::new(disk.restart(reached));
                    // After an interruption it is refused as before, or the chosen copy is valid.
                    if open(&disk).is_err() {
                        assert!(!is_done, "{name}");
                        repair::keep_files(disk.clone(), node, side).unwrap();
                    }
                    let opened = open(&disk).unwrap();
                    assert_eq!(
                        sequences(&opened.ledger),
                        expected,
                        "{name}, {side}, step {step}, {reached:?}"
                    );
                }
                if is_done {
                    break;
                }
            }
        }
    }
}

#[test]
fn damage_under_a_running_node_is_found_by_a_check() {
    let disk = stage();
    let ledger = open(&disk);
    assert_eq!(ledger.check().unwrap(), Checked::default());
    let bytes = disk.bytes("b").unwrap();
    for side in ["a", "b"] {
        for at in [20, bytes.len() / 2, bytes.len() - 1] {
            let mut bad = disk.bytes(side).unwrap();
            let at = at.min(bad.len() - 1);
            bad[at] ^= 1;
            disk.put(side, Some(bad));
            let Checked { found, is_mended } = ledger.check().unwrap();
            assert!(is_mended && found[0].contains(&format!("ledger/{side}")), "{found:?}");
            assert_eq!(ledger.check().unwrap(), Checked::default(), "it is mended");
            assert_eq!(sequences(&ledger), [1, 2, 3, 4]);
        }
    }
    // Both at once: a record that is readable in no copy is lost, and reported.
    let mut bad = disk.bytes("a").unwrap();
    let at = bad.windows(11).position(|window| window == b"statement 3").unwrap();
    bad[at] ^= 1;
    disk.put("a", Some(bad.clone()));
    disk.put("b", Some(bad));
    assert!(ledger.statements(None, chuan_engine::statement::StatementKind::Release).is_err());
    assert!(ledger.check().unwrap().is_mended);
    assert_eq!(ledger.lost().unwrap().len(), 1);
    assert_eq!(sequences(&ledger), [1, 2, 4]);
    drop(ledger);
    assert_eq!(open(&disk).lost().unwrap().len(), 1);
}

/// Files that are removed or swapped under a running node are not overwritten from its memory.
#[test]
fn files_swapped_under_a_running_node_are_left_alone() {
    let (disk, other) = (stage(), founded());
    let ledger = open(&disk);
    for (a, b) in [(None, None), (other.bytes("a"), disk.bytes("b"))] {
        disk.put("a", a.clone());
        disk.put("b", b.clone());
        let Checked { found, is_mended } = ledger.check().unwrap();
        assert!(!is_mended && !found.is_empty());
        assert_eq!((disk.bytes("a"), disk.bytes("b")), (a, b));
    }
    // Both cut back to an older state: records acknowledged since are named as lost.
    let disk = founded();
    let ledger = open(&disk);
    ledger.append(vec![statement(1)]).unwrap();
    let old = disk.bytes("a");
    ledger.append(vec![statement(2)]).unwrap();
    disk.put("a", old.clone());
    disk.put("b", old);
    assert!(ledger.check().unwrap().is_mended);
    assert_eq!((sequences(&ledger), ledger.lost().unwrap()[0].arrival), (vec![1], 2));
}

#[test]
fn on_a_full_or_read_only_disk_the_ledger_can_be_read() {
    for is_full in [true, false] {
        let disk = stage();
        let bytes = disk.bytes("a").unwrap();
        disk.put("b", Some(bytes[..bytes.len() - 30].to_vec()));
        if is_full {
            disk.set_full(true)
        } else {
            disk.set_read_only()
        }
        let ledger = try_open(&disk).unwrap().ledger;
        assert_eq!(sequences(&ledger), [1, 2, 3, 4]);
        assert!(ledger.read_only().is_some_and(|why| why.contains("cannot be mended")));
        let error = ledger.append(vec![statement(5)]).unwrap_err();
        assert!(matches!(error, Error::Full(_)) && error.to_string().contains("reading only"), "{error}");
    }
}
