//! A crash, a full disk and a failed sync at every step of a batch, of a compaction and of a repair.

use std::sync::Arc;

use chuan_engine::{
    Error, Result,
    store::ledger::{Ledger, Record},
};

use super::{
    DiskLedger,
    disk::{Disk, Fault, Reached},
    founded, kept, open, reference, sequences, statement, try_open,
};

/// An operation on an open ledger.
type Work = fn(&DiskLedger) -> Result<()>;

fn batch(ledger: &DiskLedger) -> Result<()> {
    ledger.append(vec![statement(10), statement(11), Record::Ref(reference(2))])
}

fn compaction(ledger: &DiskLedger) -> Result<()> {
    let mut end = ledger.lock();
    ledger.renew(&mut end)
}

/// A ledger with two acknowledged batches, whose files have no room to spare.
fn stage() -> Arc<Disk> {
    let disk = founded();
    let ledger = open(&disk);
    ledger.append(vec![statement(1), statement(2)]).unwrap();
    ledger.append(vec![statement(3), Record::Ref(reference(1))]).unwrap();
    drop(ledger);
    Arc::new(disk.restart(Reached::All))
}

/// Runs `work` with a fault at each of its steps. Returns each disk as it was then, and whether `work` had
/// succeeded.
fn at_every_step(fault: Fault, work: Work) -> Vec<(usize, Arc<Disk>, Result<()>, DiskLedger)> {
    let mut all = Vec::new();
    for step in 0.. {
        let disk = stage();
        let ledger = open(&disk);
        disk.set_fault(step, fault);
        let result = work(&ledger);
        if !disk.has_failed() {
            assert!(step > 3 && result.is_ok(), "{step} steps: {result:?}");
            return all;
        }
        all.push((step, disk, result, ledger));
    }
    all
}

/// The ledger has everything acknowledged, has the batch completely or not at all, and accepts writes.
fn is_whole(disk: &Arc<Disk>, was_acknowledged: bool, context: &str) {
    let opened = try_open(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert!(!opened.damaged && !opened.gone, "{context}: {:?}", opened.found);
    let ledger = opened.ledger;
    assert_eq!(ledger.read_only(), None, "{context}");
    assert!(ledger.lost().unwrap().is_empty(), "{context}");
    let all = [(1, 1), (2, 2), (3, 3), (10, 5), (11, 6)];
    let found = kept(&ledger);
    if found.len() == all.len() {
        assert_eq!(found, all, "{context}");
        assert_eq!(ledger.refs().unwrap(), [reference(2)], "{context}: half a batch");
    } else {
        assert!(!was_acknowledged, "{context}: an acknowledged batch is gone");
        assert_eq!(found, all[..3], "{context}");
        assert_eq!(ledger.refs().unwrap(), [reference(1)], "{context}: half a batch");
    }
    batch(&ledger).unwrap();
    ledger.append(vec![statement(20)]).unwrap();
    drop(ledger);
    assert_eq!(disk.bytes("a"), disk.bytes("b"), "{context}");
    assert_eq!(disk.names(), ["a", "b"], "{context}");
    assert_eq!(sequences(&open(disk)), [1, 2, 3, 10, 11, 20], "{context}");
}

#[test]
fn a_crash_at_every_step_of_a_batch_leaves_all_of_it_or_nothing() {
    let steps = at_every_step(Fault::Crash, batch);
    assert!(steps.len() >= 6, "room, write and sync of both files: {}", steps.len());
    for (step, disk, result, _) in steps {
        for reached in Reached::ALL {
            is_whole(&Arc::new(disk.restart(reached)), result.is_ok(), &format!("step {step}, {reached:?}"));
        }
    }
}

#[test]
fn a_crash_at_every_step_of_a_compaction_leaves_everything() {
    let steps = at_every_step(Fault::Crash, compaction);
    assert!(steps.len() >= 12, "{}", steps.len());
    for (step, disk, _, _) in steps {
        for reached in Reached::ALL {
            is_whole(&Arc::new(disk.restart(reached)), false, &format!("step {step}, {reached:?}"));
        }
    }
}

/// A crash during the repair of a copy, at every step, for each kind of repair.
#[test]
fn a_crash_at_every_step_of_a_repair_loses_nothing() {
    let sound = stage();
    let bytes = sound.bytes("a").unwrap();
    let torn = bytes[..bytes.len() - 5].to_vec();
    let damaged = |at: usize| {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        bad
    };
    let cases = [
        ("missing", None, Some(bytes.clone())),
        ("damaged", Some(bytes.clone()), Some(damaged(bytes.len() / 2))),
        ("completed", Some(bytes.clone()), Some(torn)),
        ("both", Some(damaged(120)), Some(damaged(bytes.len() - 100))),
    ];
    for (name, a, b) in cases {
        for step in 0.. {
            let disk = Arc::new(sound.copy());
            disk.put("a", a.clone());
            disk.put("b", b.clone());
            disk.set_fault(step, Fault::Crash);
            // If its files were not repaired, the ledger is read-only.
            if let Ok(opened) = try_open(&disk) {
                assert_eq!(sequences(&opened.ledger), [1, 2, 3], "{name}, step {step}");
                assert_eq!(opened.ledger.read_only().is_some(), disk.has_failed(), "{name}, step {step}");
            }
            if !disk.has_failed() {
                assert!(step > 2, "{name}: {step} steps");
                break;
            }
            for reached in Reached::ALL {
                let disk = Arc::new(disk.restart(reached));
                let ledger = try_open(&disk).unwrap().ledger;
                assert_eq!(sequences(&ledger), [1, 2, 3], "{name}, step {step}, {reached:?}");
                assert_eq!(ledger.refs().unwrap(), [reference(1)], "{name}, step {step}, {reached:?}");
                drop(ledger);
                assert_eq!(disk.bytes("a"), disk.bytes("b"), "{name}, step {step}, {reached:?}");
            }
        }
    }
}

#[test]
fn a_full_disk_at_every_step_of_a_batch_loses_nothing() {
    for (step, disk, result, ledger) in at_every_step(Fault::Full, batch) {
        assert_eq!(sequences(&ledger).len(), if result.is_ok() { 5 } else { 3 }, "step {step}");
        match result {
            // The room was allocated already.
            Ok(()) => {}
            Err(Error::Full(text)) => {
                assert!(text.contains("H/ledger") && text.contains("ree some space"), "step {step}: {text}");
                if step < 2 {
                    // Nothing was written: it continues once there is room.
                    disk.set_full(false);
                    batch(&ledger).unwrap();
                    is_whole(&Arc::new(disk.restart(Reached::Nothing)), true, &format!("step {step}"));
                    continue;
                }
                // As on a file system that cannot allocate: the process must not continue.
                assert!(refuses_as_full(&ledger), "step {step}");
                assert_eq!(sequences(&ledger), [1, 2, 3], "a poisoned ledger still reads");
            }
            Err(other) => panic!("step {step}: {other}"),
        }
        // Started while the disk is still full: a torn batch is cut off. If a copy cannot be completed, the
        // ledger is read-only.
        let still_full = Arc::new(disk.restart(Reached::All));
        still_full.set_full(true);
        let opened = try_open(&still_full).unwrap().ledger;
        assert_eq!(sequences(&opened)[..3], [1, 2, 3], "step {step}");
        if opened.read_only().is_some() {
            assert!(matches!(opened.append(vec![statement(30)]), Err(Error::Full(_))));
        }
        is_whole(&Arc::new(disk.restart(Reached::All)), false, &format!("step {step}"));
    }
}

#[test]
fn a_full_disk_at_every_step_of_a_compaction_only_delays_it() {
    for (step, disk, result, ledger) in at_every_step(Fault::Full, compaction) {
        if let Err(error) = &result {
            assert!(matches!(error, Error::Full(_)), "step {step}: {error}");
            assert_eq!(disk.names(), ["a", "b"], "step {step}: the new files are removed");
        }
        disk.set_full(false);
        batch(&ledger).unwrap_or_else(|error| panic!("step {step}: {error}"));
        is_whole(&Arc::new(disk.restart(Reached::Nothing)), true, &format!("step {step}"));
    }
}

/// After a failed sync no write is acknowledged, and the file is not synced again.
#[test]
fn a_failed_sync_at_every_step_poisons() {
    let mut seen = 0;
    for work in [batch as Work, compaction] {
        for (step, disk, result, ledger) in at_every_step(Fault::Sync, work) {
            let Err(error) = result else { continue };
            seen += 1;
            assert!(error.to_string().contains("sync") || error.to_string().contains("replace"), "{error}");
            assert!(matches!(ledger.append(vec![statement(40)]), Err(Error::Poisoned(_))), "step {step}");
            assert!(matches!(ledger.supersede(&[]), Err(Error::Poisoned(_))), "step {step}");
            assert_eq!(sequences(&ledger), [1, 2, 3], "a poisoned ledger still reads");
            for reached in Reached::ALL {
                is_whole(&Arc::new(disk.restart(reached)), false, &format!("step {step}, {reached:?}"));
            }
        }
    }
    assert_eq!(seen, 2 + 4, "both files of a batch; both files and their names of a compaction");
}

/// Symptom: a disk without room for the rename of a compaction ended the command with "the system refused to
/// read or write", as its next write then did. Cause: the poison kept the text of the error, and not its
/// kind.
#[test]
fn no_room_for_a_sync_or_a_rename_is_a_full_disk_for_later_writes_too() {
    let mut seen = 0;
    for work in [batch as Work, compaction] {
        for (step, disk, result, ledger) in at_every_step(Fault::SyncFull, work) {
            let Err(error) = result else { continue };
            seen += 1;
            assert!(matches!(error, Error::Full(_)), "step {step}: {error}");
            assert!(refuses_as_full(&ledger), "step {step}");
            assert_eq!(sequences(&ledger), [1, 2, 3], "a poisoned ledger still reads");
            for reached in Reached::ALL {
                is_whole(&Arc::new(disk.restart(reached)), false, &format!("step {step}, {reached:?}"));
            }
        }
    }
    assert_eq!(seen, 2 + 6, "both files of a batch; both files, their renames and names of a compaction");
}

/// Whether writes are refused since an earlier one found no room.
fn refuses_as_full(ledger: &DiskLedger) -> bool {
    let refused = ledger.append(vec![statement(40)]);
    matches!(refused, Err(Error::Full(text)) if text.contains("since an earlier one failed"))
}

/// All files of a home share one poison.
#[test]
fn another_file_of_the_home_poisons_the_ledger() {
    let disk = stage();
    let poison = crate::Poison::default();
    let opened = DiskLedger::open_files(disk, super::NODE, 0, poison.clone()).unwrap();
    poison.set("sync store/segments/00000001.seg: a test's fault");
    let Err(Error::Poisoned(cause)) = opened.ledger.append(vec![statement(9)]) else { panic!() };
    assert!(cause.contains("00000001.seg"));
    assert_eq!(sequences(&opened.ledger), [1, 2, 3]);
}
