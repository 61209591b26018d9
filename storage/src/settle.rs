//! The thread that makes groups durable, then visible, then answers waiters. While it syncs one, the next is
//! written.
//!
//! It takes groups in order and never syncs again after a failed sync.

use std::{sync::Arc, thread};

use chuan_engine::{Error, Result, id::LibraryId};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    entry::{Indexed, Location, Position},
    file::SyncHandle,
    index::Change,
    layout::{Layout, sync_dir},
    queue::{Queue, Refusal},
    slot::IndexSlot,
};

/// Answers the caller that waits for a commit.
pub(crate) type Answer = Sender<Result<(), Refusal>>;

/// The records that become visible when a group is durable.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) library: LibraryId,
    pub(crate) position: Position,
    pub(crate) records: Vec<(Indexed, Location)>,
    /// The cost of the records in the queue.
    pub(crate) cost: u64,
}

/// How a group is made durable.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) file: SyncHandle,
    /// Whether the directory entry of the file may not be durable yet.
    pub(crate) is_new: bool,
    /// Bytes allocated to the segment but not used.
    pub(crate) slack: u64,
}

enum Task {
    Group(Durable, Settled),
    Barrier(Answer),
}

/// The disk thread's handle to the thread.
#[derive(Debug)]
pub(crate) struct Settle {
    tasks: Option<Sender<Task>>,
    durable: Receiver<()>,
    /// Whether a group was handed over and is not known to be durable. There is at most one.
    pending: bool,
    thread: Option<thread::JoinHandle<()>>,
}

impl Settle {
    /// Starts the thread.
    pub(crate) fn start(layout: Layout, index: Arc<IndexSlot>, queue: Arc<Queue>) -> Result<Self> {
        let (tasks, tasks_in) = bounded(1);
        let (told, durable) = bounded(1);
        let settler = Settler { layout, index, queue, durable: told };
        let thread = thread::Builder::new()
            .name("chuan-settle".to_owned())
            .spawn(move || settler.run(&tasks_in))
            .map_err(|error| Error::io("start the store's syncing thread", error))?;
        Ok(Self { tasks: Some(tasks), durable, pending: false, thread: Some(thread) })
    }

    /// Blocks until every group handed over is durable.
    pub(crate) fn wait(&mut self) -> Result<()> {
        if std::mem::take(&mut self.pending) {
            self.durable.recv().map_err(|_| gone())?;
        }
        Ok(())
    }

    /// Hands over a group that is written. The group before it must be durable.
    pub(crate) fn group(&mut self, durable: Durable, settled: Settled) -> Result<()> {
        self.send(Task::Group(durable, settled))?;
        self.pending = true;
        Ok(())
    }

    /// Answers once every group handed over is durable and visible.
    pub(crate) fn barrier(&self, answer: Answer) -> Result<()> {
        self.send(Task::Barrier(answer))
    }

    fn send(&self, task: Task) -> Result<()> {
        self.tasks.as_ref().ok_or_else(gone)?.send(task).map_err(|_| gone())
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        self.tasks = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's syncing thread panicked");
        }
    }
}

/// The thread has reported to the queue why it ended.
fn gone() -> Error {
    Error::Poisoned("the store's syncing thread is gone".to_owned())
}

struct Settler {
    layout: Layout,
    index: Arc<IndexSlot>,
    queue: Arc<Queue>,
    durable: Sender<()>,
}

impl Settler {
    fn run(self, tasks: &Receiver<Task>) {
        let _guard = self.queue.guard();
        for task in tasks {
            match task {
                Task::Group(durable, settled) => {
                    if let Err(error) = self.settle(&durable, settled) {
                        // Set before the thread ends: a caller that waits for an answer then finds the
                        // reason.
                        self.queue.refuse(Refusal::of(&error));
                        return;
                    }
                }
                // The caller may be gone.
                Task::Barrier(answer) => drop(answer.send(Ok(()))),
            }
        }
        // An orderly end: the next open finds the index up to date.
        if !self.queue.is_refused()
            && let Err(error) = self.index.get().and_then(|index| index.flush())
        {
            tracing::warn!("the index was not flushed and is brought up to date at the next start: {error}");
        }
    }

    fn settle(&self, durable: &Durable, settled: Settled) -> Result<()> {
        durable.file.sync()?;
        if durable.is_new {
            sync_dir(&self.layout.segments())?;
        }
        // The disk thread may have ended for a reason of its own.
        let _ = self.durable.send(());
        let Settled { library, position, records, cost } = settled;
        self.index.apply(&Change { library, records: &records, fresh: true, damaged: &[], position })?;
        let ids = records.iter().map(|(indexed, _)| indexed.id());
        self.queue.committed(&library, ids, cost, durable.slack);
        Ok(())
    }
}
