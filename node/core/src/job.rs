//! A running command as its caller sees it: events out, a request to stop in. The display and transport of
//! events are elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::{
    exit::{Failure, Result},
    outcome::Row,
};

pub use chuan_api::event::{Event, Progress};

/// The maximum number of events that wait for a slow reader. Rows and data wait for room; progress is
/// dropped.
const EVENT_QUEUE: usize = 64;

/// A request to stop, shared by the callers that may make it and the tasks that must obey it.
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

/// The handle by which a command reports to its caller.
#[derive(Clone, Debug, Default)]
pub struct Job {
    events: Option<mpsc::Sender<Event>>,
    cancel: Cancel,
}

impl Job {
    /// A job whose events are dropped; it can still be cancelled.
    pub fn silent() -> Self {
        Self::default()
    }

    /// A job that obeys `cancel`, and whose events are dropped.
    pub(crate) fn quiet(cancel: Cancel) -> Self {
        Self { events: None, cancel }
    }

    /// A job that obeys `cancel`, and its events. They must be read: rows and data wait for room.
    pub fn watched(cancel: Cancel) -> (Self, Events) {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        (Self { events: Some(sender), cancel }, Events(receiver))
    }

    /// The request to stop.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Fails if a stop was asked for.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Failure::interrupted()) } else { Ok(()) }
    }

    /// Reports the progress of the command. Dropped if the reader is too slow. Never blocks.
    pub fn progress(&self, progress: Progress) {
        if let Some(events) = &self.events {
            let _ = events.try_send(Event::Progress(progress));
        }
    }

    /// Sends a note for people. Blocks while the queue is full: not for async code.
    pub fn note(&self, note: impl Into<String>) {
        let _ = self.send(Event::Note(note.into()));
    }

    /// Sends a note for people, from async code.
    pub async fn say(&self, note: impl Into<String>) {
        if let Some(events) = &self.events {
            let _ = events.send(Event::Note(note.into())).await;
        }
    }

    /// Passes on the event of another job; waits for room. Fails when the receiver is dropped.
    pub(crate) async fn pass(&self, event: Event) -> Result<()> {
        match &self.events {
            Some(events) => events.send(event).await.map_err(|_| Failure::interrupted()),
            None => Ok(()),
        }
    }

    /// Sends one row of a listing. Blocks while the queue is full: not for async code. Fails after a request
    /// to stop, or when the receiver is dropped.
    pub fn row(&self, row: Row) -> Result<()> {
        self.check()?;
        self.send(Event::Row(row))
    }

    /// Sends content. Blocks while the queue is full: not for async code. Fails like [`Job::row`].
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

/// The events of a [`Job`], for one reader. Dropping them makes the job's rows and data fail.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` once every clone of the job is dropped and all events are read. Cancel-safe: no
    /// event is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        self.0.try_recv().ok()
    }

    /// Like [`Events::next`], for a future that is written by hand.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cancelled_returns_once_a_stop_is_asked_for() {
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
    fn progress_never_blocks_and_rows_fail_without_a_receiver() {
        let (job, receiver) = Job::watched(Cancel::default());
        for _ in 0..10 * EVENT_QUEUE {
            job.progress(Progress::default());
        }
        drop(receiver);
        let row = Row::Change { path: "a".into(), change: "added".into(), size_old: None, size_new: Some(1) };
        assert!(job.row(row).is_err());
    }
}
