//! The log on a real disk, and on failing ones: `/dev/full` accepts no byte; `/dev/null` accepts all and
//! fails every sync.

use std::{fs, os::unix::fs::symlink, path::Path};

use chuan_engine::{
    audit::{Event, Point, Record, Verb},
    id::{LibraryId, RecordId},
    limits::AUDIT_TORN_BYTES,
    statement::{Body, Checkpoint, Header, Key, Statement},
};

use super::*;
use crate::exit::Exit;
use crate::limits::{AUDIT_CHECKPOINT_RECORDS, AUDIT_FILE_BYTES};

const NOW: i64 = 1_793_000_000_000;

fn open(dir: &Path) -> Log {
    Log::open(Files::at(dir.join("audit")), Event::new(Verb::Opened, "test"), NOW)
}

fn event(text: &str) -> Event {
    Event::new(Verb::Publish, text)
}

fn first_file(dir: &Path) -> std::path::PathBuf {
    dir.join("audit").join(format!("{:020}.log", 0))
}

/// The log's records, each as verb and subject.
fn records(log: &Log) -> Vec<(Verb, String)> {
    let mut records = Vec::new();
    let each = |record: &Record, _| {
        records.push((record.event.verb, record.event.subject.clone()));
        Ok(std::ops::ControlFlow::Continue(()))
    };
    log.files().records(0, each).unwrap();
    records
}

fn subjects(log: &Log) -> Vec<String> {
    records(log).into_iter().map(|(_, subject)| subject).collect()
}

fn finding(log: &Log) -> String {
    verify_files(log.files(), &[], None, |_| true).unwrap().finding
}

#[test]
fn a_log_continues_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert_eq!((log.at().count, finding(&log).as_str()), (0, "proved"));
    log.note_closed(NOW);
    assert_eq!(log.at().count, 0, "a process that only reads leaves no record");
    log.append(event("one"), NOW).unwrap();
    log.note(event("two"), NOW);
    assert_eq!(subjects(&log), ["test", "one", "two"]);
    assert_eq!(finding(&log), "unproved");
    let point = log.checkpoint(NOW).unwrap();
    assert_eq!((log.checkpoint(NOW).unwrap(), finding(&log).as_str()), (point, "proved"));
    drop(log);

    let log = open(dir.path());
    assert_eq!(log.at(), point);
    log.append(event("three"), NOW).unwrap();
    log.note_closed(NOW);
    assert_eq!(subjects(&log), ["test", "one", "two", "test", "three", ""]);
    assert_eq!(verify_files(log.files(), &[point], None, |_| true).unwrap().by, "home");
}

#[test]
fn a_checkpoint_is_due_after_a_privileged_event_and_after_many_records() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.note_opened(NOW);
    for n in 1..AUDIT_CHECKPOINT_RECORDS {
        assert!(!log.is_due(), "{n}");
        log.note(event("one of many"), NOW);
    }
    assert!(log.is_due());
    log.checkpoint(NOW).unwrap();
    assert!(!log.is_due());
    log.append(event("privileged"), NOW).unwrap();
    assert!(log.is_due());
}

/// A crash may have torn the end that no checkpoint covers: it is cut off, copied to a file and recorded.
#[test]
fn a_torn_tail_is_cut_off_at_every_byte() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(event("kept"), NOW).unwrap();
    log.checkpoint(NOW).unwrap();
    let covered = fs::read(first_file(dir.path())).unwrap().len();
    log.append(event("torn"), NOW).unwrap();
    drop(log);
    let whole = fs::read(first_file(dir.path())).unwrap();
    for len in covered + 1..whole.len() {
        for zeros in [0, whole.len() - len] {
            let torn = [&whole[..len], &vec![0; zeros]].concat();
            if torn == whole {
                continue;
            }
            fs::write(first_file(dir.path()), &torn).unwrap();
            let log = open(dir.path());
            assert_eq!(
                records(&log)[2..],
                [(Verb::Repaired, format!("{} bytes at the end", torn.len() - covered))]
            );
            let aside = dir.path().join("audit").join(format!("torn-{:020}", 2));
            assert_eq!(fs::read(aside).unwrap(), torn[covered..]);
            assert_eq!(finding(&log), "unproved");
        }
    }
}

#[test]
fn nothing_before_the_checkpoint_is_ever_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.append(event("kept"), NOW).unwrap();
    log.checkpoint(NOW).unwrap();
    drop(log);
    let whole = fs::read(first_file(dir.path())).unwrap();
    let strange = [&whole[..], &vec![0; AUDIT_TORN_BYTES + 1]].concat();
    for altered in [&whole[..whole.len() - 1], &[], &strange] {
        fs::write(first_file(dir.path()), altered).unwrap();
        let log = open(dir.path());
        let failure = log.append(event("more"), NOW).unwrap_err();
        assert_eq!(failure.exit, Exit::Corrupt, "{failure}");
        assert!(failure.message.contains("chuan audit verify"), "{failure}");
        assert_eq!(fs::read(first_file(dir.path())).unwrap(), altered);
        assert_eq!(finding(&log), "altered");
    }
    fs::remove_file(first_file(dir.path())).unwrap();
    assert_eq!(open(dir.path()).append(event("more"), NOW).unwrap_err().exit, Exit::Corrupt);
    // Where the complete folder was moved away, a new log begins.
    fs::remove_dir_all(dir.path().join("audit")).unwrap();
    open(dir.path()).append(event("more"), NOW).unwrap();
}

/// Opening reads only the records after the checkpoint. `verify` also finds damage before it.
#[test]
fn verify_finds_damage_that_opening_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    for n in 0..10 {
        log.note(event(&n.to_string()), NOW);
    }
    let point = log.checkpoint(NOW).unwrap();
    let mut bytes = fs::read(first_file(dir.path())).unwrap();
    bytes[300] ^= 1;
    fs::write(first_file(dir.path()), bytes).unwrap();
    drop(log);
    let log = open(dir.path());
    log.append(event("more"), NOW).unwrap();
    let verified = verify_files(log.files(), &[point], None, |_| true).unwrap();
    assert!(verified.is_altered() && verified.at == Some(3) && verified.proved == 0, "{verified:?}");
}

#[test]
fn appends_succeed_once_a_full_disk_has_room_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("audit")).unwrap();
    symlink("/dev/full", first_file(dir.path())).unwrap();
    let log = open(dir.path());
    let failure = log.append(event("refused"), NOW).unwrap_err();
    assert_eq!(failure.exit, Exit::Full, "{failure}");
    for _ in 0..3 {
        log.note(event("counted"), NOW);
    }
    fs::remove_file(first_file(dir.path())).unwrap();
    log.append(event("written"), NOW).unwrap();
    assert_eq!(subjects(&log), ["test", "records that could not be written", "written"]);
    assert_eq!(finding(&log), "unproved");
}

#[test]
fn after_a_failed_sync_nothing_is_written_until_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("audit")).unwrap();
    symlink("/dev/null", first_file(dir.path())).unwrap();
    let log = open(dir.path());
    assert_eq!(log.append(event("refused"), NOW).unwrap_err().exit, Exit::Io);
    fs::remove_file(first_file(dir.path())).unwrap();
    assert_eq!(log.append(event("refused"), NOW).unwrap_err().exit, Exit::Io);
    log.note(event("counted"), NOW);
    assert!(!first_file(dir.path()).exists());
    drop(log);
    open(dir.path()).append(event("written"), NOW).unwrap();
}

/// The folder was synced only after a new file was made. Where that sync failed, the next append found the
/// file and acknowledged records in it. A power failure then lost the file with the records.
#[test]
fn after_a_failed_sync_of_the_folder_nothing_is_written_until_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("audit")).unwrap();
    fs::write(dir.path().join("audit").join(files::UNSYNCABLE), b"").unwrap();
    let log = open(dir.path());
    for _ in 0..2 {
        assert_eq!(log.append(event("refused"), NOW).unwrap_err().exit, Exit::Io);
    }
    log.note(event("counted"), NOW);
    assert_eq!(fs::read(first_file(dir.path())).unwrap(), b"");
    drop(log);
    open(dir.path()).append(event("written"), NOW).unwrap();
}

fn signed(point: Point) -> Statement {
    let key = Key::from_seed([7; 32]);
    let body = Checkpoint { node: key.public().node(), count: point.count, head: point.head };
    let header = Header { library: Some(LibraryId::of(b"x")), sequence: point.count, time_ms: 1 };
    Statement::sign(header, &Body::Checkpoint(body), &[&key]).unwrap()
}

/// A log with a gap is opened like any other, also where the file with its durable point is damaged.
#[test]
fn a_log_continues_after_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    log.append(event("before"), NOW).unwrap();
    let to = Point { count: 5_000, head: RecordId::of(b"a record that peers know") };
    log.jump(&signed(to), NOW).unwrap();
    log.jump(&signed(to), NOW).unwrap();
    assert_eq!((log.at().count, log.checkpoint(NOW).unwrap().count), (5_001, 5_001));
    log.append(event("behind"), NOW).unwrap();
    for is_damaged in [false, true] {
        if is_damaged {
            fs::write(dir.path().join("audit/checkpoint"), b"damaged").unwrap();
        }
        let at = log.at();
        drop(log);
        log = open(dir.path());
        assert_eq!(log.at(), at);
        log.append(event("more"), NOW).unwrap();
        assert_eq!(finding(&log), "gap");
        assert!(verify_files(log.files(), &[], None, |_| false).unwrap().is_altered());
    }
    let subjects = subjects(&log);
    assert_eq!(subjects.len(), 8, "{subjects:?}");
    assert!(subjects[2].contains("counts 5000 records, and the log had 2"), "{subjects:?}");
    // A checkpoint that counts no more records than the log changes nothing.
    for wrong in [1, 2, 5_000] {
        log.jump(&signed(Point { count: wrong, head: to.head }), NOW).unwrap();
    }
    drop(log);
    let files = Files::at(dir.path().join("audit"));
    fs::rename(files.path(5_000), files.path(4_000)).unwrap();
    assert!(verify_files(&files, &[], None, |_| true).unwrap().is_altered());
    assert_eq!(open(dir.path()).append(event("more"), NOW).unwrap_err().exit, Exit::Corrupt);
}

#[test]
fn a_folder_that_cannot_be_made_refuses_every_append() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("audit"), b"a file").unwrap();
    let log = open(dir.path());
    let failure = log.append(event("refused"), NOW).unwrap_err();
    assert!(failure.message.contains("nothing was done") && failure.exit == Exit::Io, "{failure}");
    fs::remove_file(dir.path().join("audit")).unwrap();
    log.append(event("written"), NOW).unwrap();
}

/// A full file is followed by the next. All files are one chain, also when it is opened in the middle.
#[test]
fn a_file_ends_at_its_size_limit_and_none_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let long = "x".repeat(1024);
    for _ in 0..AUDIT_FILE_BYTES / 1024 + 10 {
        log.note(event(&long), NOW);
    }
    log.checkpoint(NOW).unwrap();
    let firsts = log.files().list().unwrap();
    assert_eq!(firsts.len(), 2);
    assert!(firsts.iter().all(|first| log.files().len(*first).unwrap() <= AUDIT_FILE_BYTES));
    let at = log.at();
    assert_eq!((finding(&log).as_str(), log.files().list().unwrap()[0]), ("proved", 0));
    drop(log);
    let log = open(dir.path());
    log.append(event("one more"), NOW).unwrap();
    let mut last = Vec::new();
    let each = |record: &Record, _| {
        last.push(record.index);
        Ok(std::ops::ControlFlow::Continue(()))
    };
    log.files().records(at.count, each).unwrap();
    assert_eq!(last, [at.count, at.count + 1]);
    fs::remove_file(log.files().path(0)).unwrap();
    assert_eq!(finding(&log), "altered");
}
