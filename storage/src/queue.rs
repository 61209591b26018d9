//! The queue between appending callers and the one thread that packs: bounded in bytes, in order, each object
//! once.
//!
//! Libraries share the bound and the order and nothing else: objects that wait for one library are unknown to
//! another. The queue is a mutex over plain state. No file is written under the lock, and at most a second
//! look-up in the index is read.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use chuan_engine::{
    Error, Result,
    id::LibraryId,
    limits,
    store::{Appended, ObjectId},
};
use crossbeam_channel::Sender;

use crate::{
    Poison,
    entry::Incoming,
    space::{self, Space},
};

/// The cost of a queued object beyond its bytes: its header, its entry, its share of a block.
const OBJECT_COST: u64 = 128;

/// Why the store accepts no more writes until it is opened again.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A write failed: the state on the disk is not known.
    Poisoned(String),
    /// The disk became full while a group was written: the objects appended to it are dropped.
    Full(String),
}

/// Work for the writer.
#[derive(Debug)]
pub(crate) enum Job {
    /// New objects of a library, to be written in order.
    Objects(LibraryId, Vec<Incoming>),
    /// Commit what was appended to a library, then answer.
    Barrier(LibraryId, Sender<Result<(), Refusal>>),
    /// Drop what was appended to a library and is not committed, close its segment, then answer.
    Release(LibraryId, Sender<Result<(), Refusal>>),
}

/// Objects on their way to the log.
#[derive(Debug)]
pub(crate) struct Queue {
    dir: PathBuf,
    /// Shared with the other files of the home.
    poison: Poison,
    state: Mutex<QueueState>,
    work: Condvar,
    room: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    jobs: VecDeque<Job>,
    /// Cost of the objects in `jobs`.
    queued: u64,
    /// Cost of all objects that are not durable yet.
    unwritten: u64,
    libraries: BTreeMap<LibraryId, LibraryQueue>,
    refusal: Option<Refusal>,
    closed: bool,
}

/// The queue's state of one library.
#[derive(Debug, Default)]
struct LibraryQueue {
    /// Ids of objects that are not durable yet.
    ids: HashSet<ObjectId>,
    /// Counts commits. A look-up in the index before a commit may have missed the objects of that commit.
    epoch: u64,
    /// Bytes allocated to the library's open segment but not used.
    slack: u64,
}

/// Objects, and whether the index held them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) library: LibraryId,
    pub(crate) objects: Vec<Incoming>,
    /// Whether the index held each object, as of `epoch`.
    pub(crate) held: Vec<bool>,
    pub(crate) epoch: u64,
}

impl Queue {
    pub(crate) fn new(dir: PathBuf, poison: Poison) -> Self {
        Self { dir, poison, state: Mutex::default(), work: Condvar::new(), room: Condvar::new() }
    }

    /// A queue that takes nothing, for this reason.
    pub(crate) fn refusing(dir: PathBuf, refusal: Refusal) -> Self {
        let state = QueueState { refusal: Some(refusal), ..QueueState::default() };
        Self { state: Mutex::new(state), ..Self::new(dir, Poison::default()) }
    }

    /// The number of the library's commits so far, to be read before a look-up in the index; fails if the
    /// store accepts no more writes.
    pub(crate) fn epoch(&self, library: &LibraryId) -> Result<u64> {
        let state = self.lock();
        self.check_writable(&state)?;
        Ok(state.libraries.get(library).map_or(0, |waiting| waiting.epoch))
    }

    /// Queues the new objects of a batch; blocks while the queue is full. `recheck` asks the index again if
    /// there was a commit since the batch's epoch.
    pub(crate) fn push(
        &self,
        batch: Batch,
        recheck: &dyn Fn(&[Incoming]) -> Result<Vec<bool>>,
    ) -> Result<Appended> {
        let cost: u64 = batch.objects.iter().map(cost).sum();
        let mut state = self.lock();
        while state.refusal.is_none() && state.queued > 0 && state.queued + cost > limits::APPEND_QUEUE_BYTES
        {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.check_writable(&state)?;
        self.check_space(&state, &batch.library, cost)?;
        let waiting = state.libraries.entry(batch.library).or_default();
        let held = if waiting.epoch == batch.epoch { batch.held } else { recheck(&batch.objects)? };
        let mut appended = Appended::default();
        let new: Vec<Incoming> = batch
            .objects
            .into_iter()
            .zip(held)
            .filter(|(object, held)| !held && waiting.ids.insert(object.key.id()))
            .map(|(object, _)| object)
            .collect();
        new.iter().for_each(|object| object.count(&mut appended));
        let cost: u64 = new.iter().map(self::cost).sum();
        state.queued += cost;
        state.unwritten += cost;
        if !new.is_empty() {
            state.jobs.push_back(Job::Objects(batch.library, new));
            self.work.notify_one();
        }
        Ok(appended)
    }

    /// Fails if no writes are accepted.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_writable(&self.lock())
    }

    /// Queues a barrier.
    pub(crate) fn push_barrier(&self, library: LibraryId, answer: Sender<Result<(), Refusal>>) -> Result<()> {
        let mut state = self.lock();
        self.check_writable(&state)?;
        state.jobs.push_back(Job::Barrier(library, answer));
        self.work.notify_one();
        Ok(())
    }

    /// Queues the release of a library's segment.
    pub(crate) fn push_release(&self, library: LibraryId, answer: Sender<Result<(), Refusal>>) -> Result<()> {
        let mut state = self.lock();
        self.check_writable(&state)?;
        state.jobs.push_back(Job::Release(library, answer));
        self.work.notify_one();
        Ok(())
    }

    /// Forgets the objects of a library that were not committed; `cost` is theirs. Earlier look-ups in the
    /// index are outdated from now on.
    pub(crate) fn forget(&self, library: &LibraryId, cost: u64) {
        let mut state = self.lock();
        state.unwritten = state.unwritten.saturating_sub(cost);
        let waiting = state.libraries.entry(*library).or_default();
        waiting.ids.clear();
        waiting.slack = 0;
        waiting.epoch += 1;
    }

    /// The next job, in order; blocks until there is one. `None` once the queue is closed (jobs that still
    /// wait are dropped) or refuses writes.
    pub(crate) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed || state.refusal.is_some() {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                if let Job::Objects(_, objects) = &job {
                    state.queued -= objects.iter().map(cost).sum::<u64>().min(state.queued);
                    self.room.notify_all();
                }
                return Some(job);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that objects of a library are durable and in the index.
    pub(crate) fn committed(
        &self,
        library: &LibraryId,
        ids: impl Iterator<Item = ObjectId>,
        cost: u64,
        slack: u64,
    ) {
        let mut state = self.lock();
        state.unwritten = state.unwritten.saturating_sub(cost);
        let waiting = state.libraries.entry(*library).or_default();
        ids.for_each(|id| {
            waiting.ids.remove(&id);
        });
        waiting.slack = slack;
        waiting.epoch += 1;
    }

    /// Notes how many bytes are allocated to a library's open segment but not used.
    pub(crate) fn set_slack(&self, library: &LibraryId, slack: u64) {
        self.lock().libraries.entry(*library).or_default().slack = slack;
    }

    /// How many bytes are allocated to open segments but not used.
    pub(crate) fn slack(&self) -> u64 {
        self.lock().libraries.values().map(|waiting| waiting.slack).sum()
    }

    /// Accepts no more writes, drops waiting jobs and wakes all waiting threads. The first refusal is kept.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let mut state = self.lock();
        if state.refusal.is_some() {
            return;
        }
        tracing::error!("the store accepts no more writes: {}", Error::from(refusal.clone()));
        for job in std::mem::take(&mut state.jobs) {
            if let Job::Barrier(_, answer) | Job::Release(_, answer) = job {
                // The caller may be gone.
                let _ = answer.send(Err(refusal.clone()));
            }
        }
        state.libraries.values_mut().for_each(|waiting| waiting.ids.clear());
        (state.queued, state.unwritten) = (0, 0);
        if let Refusal::Poisoned(cause) = &refusal {
            self.poison.set(cause);
        }
        state.refusal = Some(refusal);
        self.room.notify_all();
        self.work.notify_all();
    }

    /// Why no writes are accepted, after [`refuse`](Self::refuse).
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.lock().refusal.clone()
    }

    /// Whether [`refuse`](Self::refuse) was called.
    pub(crate) fn is_refused(&self) -> bool {
        self.lock().refusal.is_some()
    }

    /// A guard for a thread that others wait for: if the thread panics, the queue refuses writes and nothing
    /// waits forever.
    pub(crate) fn guard(self: &Arc<Self>) -> PanicGuard {
        PanicGuard(Arc::clone(self))
    }

    /// Ends the writer after its current job. Later appends are refused.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Refuses a batch that would go into the reserve, before any of it is queued.
    fn check_space(&self, state: &QueueState, library: &LibraryId, cost: u64) -> Result<()> {
        let slack = state.libraries.get(library).map_or(0, |waiting| waiting.slack);
        if Space::of(&self.dir)?.usable().saturating_add(slack) < state.unwritten + cost {
            return Err(space::full(&self.dir, "the disk is full up to the reserve"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails if nothing is accepted any more, because of the store or of another file of the home.
    fn check_writable(&self, state: &QueueState) -> Result<()> {
        state.writable().and_then(|()| self.poison.check())
    }
}

impl QueueState {
    fn writable(&self) -> Result<()> {
        match &self.refusal {
            Some(refusal) => Err(refusal.clone().into()),
            None if self.closed => Err(Error::Busy("the store is closed".to_owned())),
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// The refusal that follows from an error of one of the store's threads.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Full(text) => Self::Full(format!("{text}; then start again")),
            other => Self::Poisoned(other.to_string()),
        }
    }
}

/// Refuses further writes if its thread panics: no caller may wait for a thread that is gone.
#[derive(Debug)]
pub(crate) struct PanicGuard(Arc<Queue>);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.refuse(Refusal::Poisoned("a thread of the store panicked".to_owned()));
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Poisoned(cause) => Error::Poisoned(cause),
            Refusal::Full(text) => Error::Full(text),
        }
    }
}

/// The cost of an object in queue and log.
pub(crate) fn cost(object: &Incoming) -> u64 {
    object.payload.len() as u64 + OBJECT_COST
}
