//! A running command as its caller sees it: events out, a request to stop in. Says nothing about how events are shown
//! or carried.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::{
    exit::{Failure, Result},
    outcome::Row,
};

pub use chuan_api::event::{Event, Progress};

/// Events that wait for a slow reader, at most; rows and data wait for room, progress is dropped instead.
const EVENT_QUEUE: usize = 64;

/// A request to stop, shared by whoever may make it and whoever must heed it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    flag: Arc<AtomicBool>,
    notify: Notify,
}

impl Cancel {
    /// Asks to stop; idempotent.
    pub fn cancel(&self) {
        self.0.flag.store(true, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.flag.load(Ordering::SeqCst)
    }

    /// Whether both are the same request.
    pub fn is(&self, other: &Cancel) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The flag itself, for code that polls it on threads of its own.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.0.flag
    }

    /// Returns once a stop is asked for. Cancel-safe.
    pub async fn cancelled(&self) {
        let notified = self.0.notify.notified();
        tokio::pin!(notified);
        // Registered before the flag is read: a stop between the two is not missed.
        notified.as_mut().enable();
        if !self.is_cancelled() {
            notified.await;
        }
    }
}

/// What a command is given to talk to its caller.
#[derive(Clone, Debug, Default)]
pub struct Job {
    events: Option<mpsc::Sender<Event>>,
    cancel: Cancel,
}

impl Job {
    /// A job nobody watches; it still can be cancelled.
    pub fn silent() -> Self {
        Self::default()
    }

    /// A job and the receiver of its events. The receiver must be read: rows and data wait for it.
    pub fn watched(cancel: Cancel) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        (Self { events: Some(sender), cancel }, receiver)
    }

    /// A job that tells `events` and heeds `cancel`.
    pub fn new(events: mpsc::Sender<Event>, cancel: Cancel) -> Self {
        Self { events: Some(events), cancel }
    }

    /// The request to stop.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Fails if a stop was asked for.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Failure::interrupted()) } else { Ok(()) }
    }

    /// Tells how far the command is; dropped when nobody reads fast enough. Never blocks.
    pub fn progress(&self, progress: Progress) {
        if let Some(events) = &self.events {
            let _ = events.try_send(Event::Progress(progress));
        }
    }

    /// Tells something to people. Blocks while the queue is full: not for async code.
    pub fn note(&self, note: impl Into<String>) {
        let _ = self.send(Event::Note(note.into()));
    }

    /// Tells something to people, from async code.
    pub async fn say(&self, note: impl Into<String>) {
        if let Some(events) = &self.events {
            let _ = events.send(Event::Note(note.into())).await;
        }
    }

    /// Passes on what another job said; waits for room. Fails when the reader is gone.
    pub(crate) async fn pass(&self, event: Event) -> Result<()> {
        match &self.events {
            Some(events) => events.send(event).await.map_err(|_| Failure::interrupted()),
            None => Ok(()),
        }
    }

    /// Hands out one line of a listing. Blocks while the queue is full: not for async code. Fails when a stop was
    /// asked for or the reader is gone.
    pub fn row(&self, row: Row) -> Result<()> {
        self.check()?;
        self.send(Event::Row(row))
    }

    /// Hands out content. Blocks while the queue is full: not for async code. Fails like [`Job::row`].
    pub fn data(&self, data: Bytes) -> Result<()> {
        self.check()?;
        self.send(Event::Data(data))
    }

    fn send(&self, event: Event) -> Result<()> {
        match &self.events {
            Some(events) => events.blocking_send(event).map_err(|_| Failure::interrupted()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancelled_returns_before_and_after_the_fact() {
        let cancel = Cancel::default();
        let waiting = tokio::spawn({
            let cancel = cancel.clone();
            async move { cancel.cancelled().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        cancel.cancel();
        waiting.await.unwrap();
        cancel.cancelled().await;
        assert_eq!(Job { events: None, cancel }.check().unwrap_err().exit, crate::Exit::Interrupted);
    }

    #[test]
    fn progress_never_blocks_and_rows_fail_when_the_reader_is_gone() {
        let (job, receiver) = Job::watched(Cancel::default());
        for _ in 0..10 * EVENT_QUEUE {
            job.progress(Progress::default());
        }
        drop(receiver);
        let row = Row::Change { path: "a".into(), change: "added".into(), size_old: None, size_new: Some(1) };
        assert!(job.row(row).is_err());
    }
}
