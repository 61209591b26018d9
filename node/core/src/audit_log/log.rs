//! Writing the log: one chain under one lock, and the handling of disk errors.
//!
//! A record that must be durable is synced before its append returns. Other records wait for the next sync:
//! with the next durable record, after [`AUDIT_CHECKPOINT_RECORDS`] records, or at a checkpoint of the node.
//!
//! After a failed write, the log is opened again from its files before the next append. So after a full disk,
//! appends succeed as soon as there is room again. After a failed sync, nothing is written until the home is
//! opened again: the content of the disk is unknown then. The same holds for a failed sync of the folder. The
//! folder is synced whenever a file is opened, since a file that exists may exist only in memory.

use std::{
    fmt,
    fs::File,
    io::Write,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use chuan_engine::{
    audit::{Chain, Event, Finding, Jump, Point, Record, Verb},
    id::RecordId,
    limits::AUDIT_TORN_BYTES,
    statement::Statement,
    store::ledger::Ledger,
};

use super::{files::Files, kept::Kept};
use crate::exit::{Exit, Failure, Result};
use crate::limits::{AUDIT_CHECKPOINT_RECORDS, AUDIT_FILE_BYTES};

/// A node's audit log. All methods may block on the disk.
pub(crate) struct Log {
    files: Files,
    state: Mutex<State>,
    grown: Condvar,
    /// The ledger whose highest arrival number every record names, once it is open.
    ledger: OnceLock<Arc<dyn Ledger>>,
}

#[derive(Debug)]
struct State {
    /// The end of the written records, durable or not.
    at: Point,
    kept: Kept,
    tail: Tail,
    /// The event of the opening of the home. It is appended before the next other event, so that a process
    /// that changes nothing leaves no record.
    opened: Option<Event>,
    /// The number of events that could not be written.
    lost: u32,
    /// Whether the last privileged event ([`Log::append`], [`Log::jump`]) has no checkpoint yet.
    urgent: bool,
    /// The highest arrival number of the ledger that is known.
    arrival: u64,
}

/// The end of the log, to which records are appended.
#[derive(Debug)]
enum Tail {
    /// Records are appended to this file.
    Open { file: File, first: u64, len: u64, unsynced: usize },
    /// The files must be read first.
    Closed,
    /// Nothing is written any more while this home is open.
    Broken(Failure),
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log in `files`: walks it from its last checkpoint on, and cuts off the torn end that a crash
    /// left. Where the log cannot be read or written, every append fails. `opened` is appended before the
    /// first other event.
    pub(crate) fn open(files: Files, opened: Event, now_ms: i64) -> Self {
        let mut state = State {
            at: Point::START,
            kept: Kept::START,
            tail: Tail::Closed,
            opened: Some(opened),
            lost: 0,
            urgent: false,
            arrival: 0,
        };
        if let Err(failure) = state.ensure_open(&files, now_ms) {
            match failure.is_unwritable() {
                // Whether the home takes writes is known, and said, once its store is open.
                true => tracing::debug!(%failure, "the audit log cannot be written"),
                false => tracing::error!(%failure, "the audit log cannot be written"),
            }
        }
        Self { files, state: Mutex::new(state), grown: Condvar::new(), ledger: OnceLock::new() }
    }

    /// The highest arrival number of the ledger that a record names.
    pub(crate) fn arrival(&self) -> u64 {
        self.lock().arrival
    }

    /// Puts the highest arrival number of this ledger into every record from now on.
    pub(crate) fn follow(&self, ledger: Arc<dyn Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// The files of the log.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The end of the log.
    pub(crate) fn at(&self) -> Point {
        self.lock().at
    }

    /// Fails where an append would certainly fail.
    pub(crate) fn check(&self, now_ms: i64) -> Result<()> {
        self.lock().ensure_open(&self.files, now_ms).map_err(|failure| unwritable(&failure))
    }

    /// Appends an event; durable when it returns. After a failure, the event may or may not be in the log.
    pub(crate) fn append(&self, event: Event, now_ms: i64) -> Result<()> {
        let mut state = self.lock();
        let done = state.ensure_open(&self.files, now_ms).and_then(|()| {
            state.append_all(&self.files, event, now_ms)?;
            state.urgent = true;
            state.sync()
        });
        self.grown.notify_all();
        done.map_err(|failure| unwritable(&failure))
    }

    /// Appends an event without a sync. It is durable after the next [`Log::append`] or [`Log::checkpoint`].
    /// Events that cannot be written are counted; the count is recorded once the log can be written again.
    pub(crate) fn note(&self, event: Event, now_ms: i64) {
        let mut state = self.lock();
        // A log that is not open is opened again by durable events and by the node's checkpoints, not here.
        let done = match state.tail {
            Tail::Open { .. } => state.append_all(&self.files, event, now_ms),
            Tail::Closed | Tail::Broken(_) => Err(Failure::internal("")),
        };
        if done.is_err() {
            state.lost = state.lost.saturating_add(1);
        }
        self.grown.notify_all();
    }

    /// Records that the home was opened, if no other event has recorded it yet.
    pub(crate) fn note_opened(&self, now_ms: i64) {
        let opened = self.lock().opened.take();
        if let Some(opened) = opened {
            self.note(opened, now_ms);
        }
    }

    /// Records that the home is closed, if its opening is recorded.
    pub(crate) fn note_closed(&self, now_ms: i64) {
        if self.lock().opened.is_none() {
            self.note(Event::new(Verb::Closed, ""), now_ms);
        }
    }

    /// Whether a checkpoint is due before its time: after a privileged event, or after
    /// [`AUDIT_CHECKPOINT_RECORDS`] records.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.lock();
        state.urgent || state.at.count.saturating_sub(state.kept.point.count) >= AUDIT_CHECKPOINT_RECORDS
    }

    /// Makes all appended records durable, writes the point up to which they are, and returns it.
    pub(crate) fn checkpoint(&self, now_ms: i64) -> Result<Point> {
        let mut state = self.lock();
        state.ensure_open(&self.files, now_ms).and_then(|()| state.checkpoint(&self.files))
    }

    /// Continues the log from a checkpoint that counts more records than the log has, and records this.
    /// Durable when it returns.
    pub(crate) fn jump(&self, checkpoint: &Statement, now_ms: i64) -> Result<()> {
        let mut state = self.lock();
        let done =
            state.ensure_open(&self.files, now_ms).and_then(|()| state.jump(&self.files, checkpoint, now_ms));
        self.grown.notify_all();
        done
    }

    /// Waits until the log has more than `count` records, or until `at_most` is over.
    pub(crate) fn wait_beyond(&self, count: u64, at_most: Duration) {
        let state = self.lock();
        let waited = self.grown.wait_timeout_while(state, at_most, |state| state.at.count <= count);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = self.ledger.get() {
            state.arrival = state.arrival.max(ledger.highest_arrival());
        }
        state
    }
}

impl State {
    /// Opens the log from its files if it is not open, and repairs its end.
    fn ensure_open(&mut self, files: &Files, now_ms: i64) -> Result<()> {
        match &self.tail {
            Tail::Open { .. } => return Ok(()),
            Tail::Broken(failure) => return Err(failure.clone()),
            Tail::Closed => {}
        }
        files.make()?;
        let kept = Kept::read(files.dir())?;
        let walked = walk(files, kept)?;
        if let Finding::Altered { at, why } = walked.finding {
            let failure = altered(files, at, &why);
            self.tail = Tail::Broken(failure.clone());
            return Err(failure);
        }
        let torn = match walked.finding {
            Finding::Torn { bytes } => bytes,
            _ => 0,
        };
        if torn > 0 {
            files.keep_torn(walked.first, walked.len, walked.at.count)?;
            files.cut(walked.first, walked.len).map_err(|failure| self.poison(failure))?;
        }
        // Also where nothing can be appended: an older pair of ledger files is found by this number.
        self.arrival = self.arrival.max(walked.arrival);
        let (file, len) = self.open_to_append(files, walked.first)?;
        // Records that a killed process wrote may not be durable.
        let synced = if walked.first == kept.file { kept.offset } else { 0 };
        let unsynced = usize::try_from(len.saturating_sub(synced)).unwrap_or(usize::MAX);
        (self.at, self.kept) = (walked.at, kept);
        self.tail = Tail::Open { file, first: walked.first, len, unsynced };
        if torn > 0 {
            tracing::warn!(bytes = torn, "the end of the audit log was torn and is cut off");
            self.append_one(files, Event::new(Verb::Repaired, format!("{torn} bytes at the end")), now_ms)?;
        }
        Ok(())
    }

    /// Appends an event, after the events that are due before it.
    fn append_all(&mut self, files: &Files, event: Event, now_ms: i64) -> Result<()> {
        if let Some(opened) = self.opened.clone() {
            self.append_one(files, opened, now_ms)?;
            self.opened = None;
        }
        if self.lost > 0 {
            let lost = Event::new(Verb::Lost, "records that could not be written").times(self.lost, 0);
            self.append_one(files, lost, now_ms)?;
            self.lost = 0;
        }
        self.append_one(files, event, now_ms)
    }

    fn append_one(&mut self, files: &Files, event: Event, now_ms: i64) -> Result<()> {
        let Point { count, head } = self.at;
        let (time_ms, arrival) = (now_ms.max(0), self.arrival);
        let record = Record { index: count, time_ms, prev: head, arrival, event };
        let bytes = record.encode()?;
        self.make_room(files, bytes.len())?;
        let Tail::Open { file, len, unsynced, .. } = &mut self.tail else {
            return Err(Failure::internal("the audit log is not open"));
        };
        if let Err(error) = file.write_all(&bytes) {
            // A part of the record may be in the file: the files are read again before the next append.
            self.tail = Tail::Closed;
            return Err(Failure::io(format!("append to {}", files.dir().display()), error));
        }
        *len += bytes.len() as u64;
        *unsynced = unsynced.saturating_add(bytes.len());
        self.at = Point { count: count.saturating_add(1), head: RecordId::of(&bytes) };
        Ok(())
    }

    /// Syncs before the unsynced bytes exceed [`AUDIT_TORN_BYTES`], and begins the next file where this one
    /// is full.
    fn make_room(&mut self, files: &Files, more: usize) -> Result<()> {
        let Tail::Open { len, unsynced, .. } = &self.tail else { return Ok(()) };
        let is_full = *len > 0 && *len + more as u64 > AUDIT_FILE_BYTES;
        if is_full || unsynced.saturating_add(more) > AUDIT_TORN_BYTES {
            self.sync()?;
        }
        if is_full {
            let first = self.at.count;
            let (file, len) = self.open_to_append(files, first)?;
            self.tail = Tail::Open { file, first, len, unsynced: 0 };
        }
        Ok(())
    }

    /// Opens a file and makes its name durable: a crash must not lose the file with its acknowledged records.
    fn open_to_append(&mut self, files: &Files, first: u64) -> Result<(File, u64)> {
        let opened = files.open_to_append(first)?;
        files.sync().map_err(|failure| self.poison(failure))?;
        Ok(opened)
    }

    /// Stops all writes: the content of the disk is unknown.
    fn poison(&mut self, failure: Failure) -> Failure {
        self.tail = Tail::Broken(failure.clone());
        failure
    }

    fn jump(&mut self, files: &Files, checkpoint: &Statement, now_ms: i64) -> Result<()> {
        if checkpoint.sequence() <= self.at.count {
            return Ok(());
        }
        self.sync()?;
        let jump = Jump::new(self.at, checkpoint)?;
        let Point { count, head } = jump.to;
        let (time_ms, arrival, event) = (now_ms.max(0), self.arrival, jump.event());
        let record = Record { index: count, time_ms, prev: head, arrival, event };
        // Whether or not the file is written, the log is opened again from its files.
        self.tail = Tail::Closed;
        files.begin(count, &record.encode()?)?;
        self.urgent = true;
        self.ensure_open(files, now_ms)
    }

    fn sync(&mut self) -> Result<()> {
        let Tail::Open { file, unsynced, .. } = &mut self.tail else { return Ok(()) };
        if *unsynced == 0 {
            return Ok(());
        }
        if let Err(error) = file.sync_data() {
            return Err(self.poison(Failure::io("sync the audit log", error)));
        }
        *unsynced = 0;
        Ok(())
    }

    fn checkpoint(&mut self, files: &Files) -> Result<Point> {
        self.sync()?;
        if let Tail::Open { first, len, .. } = self.tail
            && self.kept.point != self.at
        {
            let kept = Kept { point: self.at, file: first, offset: len, arrival: self.arrival };
            kept.write(files.dir())?;
            (self.kept, self.urgent) = (kept, false);
        }
        Ok(self.kept.point)
    }
}

/// The end of a log's files.
struct Walked {
    at: Point,
    finding: Finding,
    /// The last file, and the length of its complete records in bytes.
    first: u64,
    len: u64,
    /// The highest arrival number that a record names.
    arrival: u64,
}

/// Walks a log from `kept` on.
fn walk(files: &Files, kept: Kept) -> Result<Walked> {
    let mut chain = Chain::new(kept.point, []);
    let mut arrival = kept.arrival;
    let (mut first, mut len) = (kept.file, kept.offset);
    let firsts = files.list()?;
    if kept != Kept::START && !firsts.contains(&kept.file) {
        return Ok(gone(&chain, format!("the file {} is missing", files.path(kept.file).display()), kept));
    }
    for next in firsts.into_iter().filter(|first| *first >= kept.file) {
        let mut offset = 0;
        if next == kept.file {
            offset = kept.offset;
        } else {
            files.enter(&mut chain, next)?;
            if chain.at().count != next {
                let name = files.path(next);
                return Ok(gone(&chain, format!("the file {} is not the next one", name.display()), kept));
            }
        }
        let before = chain.whole_bytes();
        if files.len(next)? < offset {
            return Ok(gone(&chain, format!("{} is cut short", files.path(next).display()), kept));
        }
        files.read(next, offset, |piece| {
            chain.push(piece, |record, _| arrival = arrival.max(record.arrival))
        })?;
        (first, len) = (next, offset + chain.whole_bytes() - before);
    }
    let verdict = chain.finish();
    Ok(Walked { at: verdict.at, finding: verdict.finding, first, len, arrival })
}

fn gone(chain: &Chain, why: String, kept: Kept) -> Walked {
    let at = chain.at();
    let finding = Finding::Altered { at: at.count, why };
    Walked { at, finding, first: kept.file, len: kept.offset, arrival: kept.arrival }
}

fn altered(files: &Files, at: u64, why: &str) -> Failure {
    let dir = files.dir().display();
    Failure::new(
        Exit::Corrupt,
        format!(
            "{dir} was altered at record {at}: {why}; see `chuan audit verify`, keep a copy, and move the folder away \
             to begin a new log"
        ),
    )
}

fn unwritable(failure: &Failure) -> Failure {
    let why = &failure.message;
    Failure::new(failure.exit, format!("the audit log cannot be written, so nothing was done: {why}"))
}
