//! The log as it is written: one chain, one lock, and what happens where the disk refuses.
//!
//! A record that must be durable is synced before its append returns; the others wait for the next sync, which comes with the
//! next such record, after [`CHECKPOINT_RECORDS`] of them, or when the node says so. Where a write fails, the log is taken
//! up again from its files before the next append, so that a disk that has room again is all it takes. After a failed sync
//! nothing is written any more until the home is opened anew: what the disk then holds is not known. That goes for the folder, too:
//! it is synced whenever a file is opened, since one that is there already may be so only in memory.

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

use super::{CHECKPOINT_RECORDS, FILE_BYTES, files::Files, kept::Kept};
use crate::exit::{Exit, Failure, Result};

/// A node's audit log. All methods may block on the disk.
pub(crate) struct Log {
    files: Files,
    state: Mutex<State>,
    grown: Condvar,
    /// Whose highest arrival number every record names, once it is open.
    ledger: OnceLock<Arc<dyn Ledger>>,
}

#[derive(Debug)]
struct State {
    /// The records written, durable or not.
    at: Point,
    kept: Kept,
    tail: Tail,
    /// Told before the next other event: who looks and changes nothing leaves no record.
    opened: Option<Event>,
    /// Events that could not be written.
    lost: u32,
    /// Whether something was done with authority that no checkpoint covers.
    urgent: bool,
    /// The highest arrival number of the ledger that is known.
    arrival: u64,
}

/// Where the next record goes.
#[derive(Debug)]
enum Tail {
    /// To this file.
    Open { file: File, first: u64, len: u64, unsynced: usize },
    /// The files must be looked at first.
    Closed,
    /// Nowhere, as long as this home is open.
    Broken(Failure),
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Log {
    /// Takes up the log in `files`: walks it from its last checkpoint on, and cuts off what a crash has torn after it.
    /// Where it cannot be read or written, every append says so; `opened` is told before the first other event.
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
        if let Err(failure) = state.take_up(&files, now_ms) {
            tracing::error!(%failure, "the audit log cannot be written");
        }
        Self { files, state: Mutex::new(state), grown: Condvar::new(), ledger: OnceLock::new() }
    }

    /// The highest arrival number of the ledger that a record names.
    pub(crate) fn arrival(&self) -> u64 {
        self.lock().arrival
    }

    /// Names the highest arrival number of this ledger in every record from now on.
    pub(crate) fn follow(&self, ledger: Arc<dyn Ledger>) {
        let _ = self.ledger.set(ledger);
    }

    /// Where it lies.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// How far it goes.
    pub(crate) fn at(&self) -> Point {
        self.lock().at
    }

    /// Fails where an append would surely fail.
    pub(crate) fn check(&self, now_ms: i64) -> Result<()> {
        self.lock().take_up(&self.files, now_ms).map_err(|failure| unwritable(&failure))
    }

    /// Appends an event. It is durable when this returns; fails where it is not, and then it may or may not be in the log.
    pub(crate) fn append(&self, event: Event, now_ms: i64) -> Result<()> {
        let mut state = self.lock();
        let done = state.take_up(&self.files, now_ms).and_then(|()| {
            state.append_all(&self.files, event, now_ms)?;
            state.urgent = true;
            state.sync()
        });
        self.grown.notify_all();
        done.map_err(|failure| unwritable(&failure))
    }

    /// Appends an event that is worth no waiting; durable with the next one that is, or the next [`Log::checkpoint`]. One that
    /// cannot be written is counted, and the number is told when the log can be written again.
    pub(crate) fn note(&self, event: Event, now_ms: i64) {
        let mut state = self.lock();
        // A log that could not be written is tried again by what must be durable, and now and then by the node.
        let done = match state.tail {
            Tail::Open { .. } => state.append_all(&self.files, event, now_ms),
            Tail::Closed | Tail::Broken(_) => Err(Failure::internal("")),
        };
        if done.is_err() {
            state.lost = state.lost.saturating_add(1);
        }
        self.grown.notify_all();
    }

    /// Tells that the home was opened, if nothing has made it told yet.
    pub(crate) fn tell_opened(&self, now_ms: i64) {
        let opened = self.lock().opened.take();
        if let Some(opened) = opened {
            self.note(opened, now_ms);
        }
    }

    /// Tells that the home is closed, if it was told that it was opened.
    pub(crate) fn tell_closed(&self, now_ms: i64) {
        if self.lock().opened.is_none() {
            self.note(Event::new(Verb::Closed, ""), now_ms);
        }
    }

    /// Whether a checkpoint is due before its time: for what was done with authority, or for how much was written.
    pub(crate) fn is_due(&self) -> bool {
        let state = self.lock();
        state.urgent || state.at.count.saturating_sub(state.kept.point.count) >= CHECKPOINT_RECORDS
    }

    /// Makes all that was appended durable, keeps how far that is, and gives it.
    pub(crate) fn checkpoint(&self, now_ms: i64) -> Result<Point> {
        let mut state = self.lock();
        state.take_up(&self.files, now_ms).and_then(|()| state.checkpoint(&self.files))
    }

    /// Goes on from a checkpoint that counts more records than are here, and tells so. Durable when it returns.
    pub(crate) fn jump(&self, checkpoint: &Statement, now_ms: i64) -> Result<()> {
        let mut state = self.lock();
        let done =
            state.take_up(&self.files, now_ms).and_then(|()| state.jump(&self.files, checkpoint, now_ms));
        self.grown.notify_all();
        done
    }

    /// Waits until the log goes beyond `count`, at most so long.
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
    /// Looks at the files, if the log must be taken up from them, and mends its end.
    fn take_up(&mut self, files: &Files, now_ms: i64) -> Result<()> {
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
        let (file, len) = self.open_to_append(files, walked.first)?;
        // What a process that was killed had written need not be durable.
        let synced = if walked.first == kept.file { kept.offset } else { 0 };
        let unsynced = usize::try_from(len.saturating_sub(synced)).unwrap_or(usize::MAX);
        (self.at, self.kept) = (walked.at, kept);
        self.arrival = self.arrival.max(walked.arrival);
        self.tail = Tail::Open { file, first: walked.first, len, unsynced };
        if torn > 0 {
            tracing::warn!(bytes = torn, "the end of the audit log was torn and is cut off");
            self.append_one(files, Event::new(Verb::Repaired, format!("{torn} bytes at the end")), now_ms)?;
        }
        Ok(())
    }

    /// Appends an event, behind what is to be told before it.
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
            // A part of it may be there: the files are looked at again before the next one.
            self.tail = Tail::Closed;
            return Err(Failure::io(format!("append to {}", files.dir().display()), error));
        }
        *len += bytes.len() as u64;
        *unsynced = unsynced.saturating_add(bytes.len());
        self.at = Point { count: count.saturating_add(1), head: RecordId::of(&bytes) };
        Ok(())
    }

    /// Syncs where a crash could tear more than may be torn, and begins the next file where this one is full.
    fn make_room(&mut self, files: &Files, more: usize) -> Result<()> {
        let Tail::Open { len, unsynced, .. } = &self.tail else { return Ok(()) };
        let is_full = *len > 0 && *len + more as u64 > FILE_BYTES;
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

    /// Opens a file whose name is durable: what is acknowledged in it must be found again.
    fn open_to_append(&mut self, files: &Files, first: u64) -> Result<(File, u64)> {
        let opened = files.open_to_append(first)?;
        files.sync().map_err(|failure| self.poison(failure))?;
        Ok(opened)
    }

    /// Writes nothing any more: what the disk holds is not known.
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
        // Whatever becomes of the file: the log is taken up from what is there.
        self.tail = Tail::Closed;
        files.begin(count, &record.encode()?)?;
        self.urgent = true;
        self.take_up(files, now_ms)
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
    /// The last file, and how many of its bytes are whole records.
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
        return Ok(gone(&chain, format!("the file {} is gone", files.path(kept.file).display()), kept));
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
