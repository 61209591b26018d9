//! What waits between those who append and the one who writes: bounded in bytes, in order, each object once.
//!
//! It is a mutex over plain state. Nothing is written under it, and read no more than a second look into the index.

use std::{
    collections::{HashSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use chuan_engine::{
    Error, Result, limits,
    store::{Appended, LostId, Object},
};
use crossbeam_channel::Sender;

use crate::space::{self, Space};

/// What a queued object costs beyond its bytes: its header, its entry, its share of a block.
const OBJECT_COST: u64 = 128;

/// Why the store takes no more until it is opened again.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// A write failed: nobody knows what is on the disk.
    Poisoned(String),
    /// The disk ran full under a group: what was appended to it is dropped.
    Full(String),
}

/// Work for the writer.
#[derive(Debug)]
pub(crate) enum Job {
    /// New objects, to be written in order.
    Objects(Vec<Object>),
    /// Commit, then answer.
    Barrier(Sender<Result<(), Refusal>>),
}

/// Objects on their way to the log.
#[derive(Debug)]
pub(crate) struct Queue {
    dir: PathBuf,
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Cost of the objects in `jobs`.
    queued: u64,
    /// Cost of all objects that are not durable yet.
    unwritten: u64,
    /// Their ids.
    waiting: HashSet<LostId>,
    /// Counts commits: whoever looked into the index before one may have missed what it brought.
    epoch: u64,
    /// Bytes allocated to the open segment and not used.
    slack: u64,
    refusal: Option<Refusal>,
    closed: bool,
}

/// Objects with what the index knew of them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) objects: Vec<Object>,
    /// Whether the index holds each, as of `epoch`.
    pub(crate) held: Vec<bool>,
    pub(crate) epoch: u64,
}

impl Queue {
    pub(crate) fn new(dir: PathBuf, slack: u64) -> Self {
        Self {
            dir,
            state: Mutex::new(State { slack, ..State::default() }),
            work: Condvar::new(),
            room: Condvar::new(),
        }
    }

    /// The number of commits so far, to look into the index under; fails where the store takes no more.
    pub(crate) fn epoch(&self) -> Result<u64> {
        let state = self.lock();
        state.writable()?;
        Ok(state.epoch)
    }

    /// Queues what is new of a batch; waits while too much is queued. `look_again` asks the index once more, if there
    /// was a commit since.
    pub(crate) fn push(
        &self,
        batch: Batch,
        look_again: &dyn Fn(&[Object]) -> Result<Vec<bool>>,
    ) -> Result<Appended> {
        let cost: u64 = batch.objects.iter().map(cost).sum();
        let mut state = self.lock();
        while state.refusal.is_none() && state.queued > 0 && state.queued + cost > limits::APPEND_QUEUE_BYTES
        {
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writable()?;
        let held = if state.epoch == batch.epoch { batch.held } else { look_again(&batch.objects)? };
        self.check_space(&state, cost)?;
        let mut appended = Appended::default();
        let new: Vec<Object> = batch
            .objects
            .into_iter()
            .zip(held)
            .filter(|(object, held)| !held && object.held_as().is_none_or(|id| state.waiting.insert(id)))
            .map(|(object, _)| object)
            .collect();
        new.iter().for_each(|object| appended.count(object));
        let cost: u64 = new.iter().map(self::cost).sum();
        state.queued += cost;
        state.unwritten += cost;
        if !new.is_empty() {
            state.jobs.push_back(Job::Objects(new));
            self.work.notify_one();
        }
        Ok(appended)
    }

    /// Queues a barrier.
    pub(crate) fn push_barrier(&self, answer: Sender<Result<(), Refusal>>) -> Result<()> {
        let mut state = self.lock();
        state.writable()?;
        state.jobs.push_back(Job::Barrier(answer));
        self.work.notify_one();
        Ok(())
    }

    /// The next job, in order; waits for one. `None` once the queue is closed, where what is still in it is dropped, or
    /// refuses.
    pub(crate) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed || state.refusal.is_some() {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                if let Job::Objects(objects) = &job {
                    state.queued -= objects.iter().map(cost).sum::<u64>().min(state.queued);
                    self.room.notify_all();
                }
                return Some(job);
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes note that objects are durable and in the index.
    pub(crate) fn committed(&self, ids: impl Iterator<Item = LostId>, cost: u64, slack: u64) {
        let mut state = self.lock();
        ids.for_each(|id| {
            state.waiting.remove(&id);
        });
        state.unwritten = state.unwritten.saturating_sub(cost);
        state.slack = slack;
        state.epoch += 1;
    }

    /// Takes no more, drops what waits and tells everyone. The first refusal stands.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        let mut state = self.lock();
        if state.refusal.is_some() {
            return;
        }
        tracing::error!("the store takes no more: {}", Error::from(refusal.clone()));
        for job in std::mem::take(&mut state.jobs) {
            if let Job::Barrier(answer) = job {
                // Whoever asked may be gone.
                let _ = answer.send(Err(refusal.clone()));
            }
        }
        state.waiting.clear();
        (state.queued, state.unwritten) = (0, 0);
        state.refusal = Some(refusal);
        self.room.notify_all();
        self.work.notify_all();
    }

    /// Whether [`refuse`](Self::refuse) was called.
    pub(crate) fn is_refused(&self) -> bool {
        self.lock().refusal.is_some()
    }

    /// For a thread that others wait for: where it panics, nobody waits on.
    pub(crate) fn guard(self: &Arc<Self>) -> PanicGuard {
        PanicGuard(Arc::clone(self))
    }

    /// Ends the writer after the job it is at.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
    }

    /// Refuses a batch that would go into the reserve, before anything of it is taken.
    fn check_space(&self, state: &State, cost: u64) -> Result<()> {
        let usable = Space::of(&self.dir)?.usable().saturating_add(state.slack);
        if usable < state.unwritten + cost {
            return Err(space::full(&self.dir, "the disk is full up to the reserve"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn writable(&self) -> Result<()> {
        match &self.refusal {
            None => Ok(()),
            Some(refusal) => Err(refusal.clone().into()),
        }
    }
}

impl Refusal {
    /// What an error of one of the store's threads means for everyone.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Full(text) => Self::Full(format!("{text}; then start again")),
            other => Self::Poisoned(other.to_string()),
        }
    }
}

/// Nobody may wait for a thread that is gone.
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

/// What an object costs in queue and log.
pub(crate) fn cost(object: &Object) -> u64 {
    object.len() as u64 + OBJECT_COST
}
