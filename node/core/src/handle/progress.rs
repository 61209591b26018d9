//! [`Progress`]: a running command, as a stream of its events and a future of its answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::task::JoinHandle;

use super::Error;
use crate::{
    exit::{self, Failure},
    job::{Cancel, Event, Events, Job},
};

pub use chuan_api::event::Progress as Counts;

/// A command that begins to work, not started yet.
type Work<T> = Pin<Box<dyn Future<Output = exit::Result<T>> + Send>>;

/// A running command. It starts when it is first polled, and runs as a task of the tokio runtime. If it is
/// dropped before that, it does nothing.
///
/// As a future it returns the answer. [`next`](Self::next) returns its events, one after the other: reports
/// of progress, or the entries of a listing. Reading them is optional: the future drops them. If the caller
/// polls neither, the command waits as soon as the queue of events is full.
///
/// Dropping it cancels the command: finished parts are kept, and the same command continues from there. The
/// command may work for a moment after that, until it sees the request.
///
/// ```no_run
/// # async fn example(films: chuan::Library) -> Result<(), chuan::Error> {
/// use chuan::handle::{Channel, Update};
///
/// let mut pull = films.pull(Channel::LIVE);
/// while let Some(update) = pull.next().await {
///     if let Update::Counts(counts) = update {
///         println!("{} bytes", counts.bytes_done);
///     }
/// }
/// let pulled = pull.await?;
/// println!("release {} is here", pulled.sequence);
/// # Ok(())
/// # }
/// ```
#[must_use = "a command starts when it is awaited"]
pub struct Progress<T, I = Update> {
    work: Option<Work<T>>,
    running: Option<JoinHandle<exit::Result<T>>>,
    events: Events,
    cancel: Cancel,
    /// The event as an item, if it is one.
    item: fn(Event) -> Option<I>,
}

/// A report of a running command.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Update {
    /// The work done so far.
    Counts(Counts),
    /// A line for people: a skipped item, a wait, a warning.
    Note(String),
}

impl Update {
    /// The report in an event.
    pub(super) fn of(event: Event) -> Option<Self> {
        match event {
            Event::Progress(counts) => Some(Update::Counts(counts)),
            Event::Note(note) => Some(Update::Note(note)),
            Event::Row(_) | Event::Data(_) => None,
        }
    }
}

impl<T: Send + 'static, I> Progress<T, I> {
    /// The command that `work` makes, whose events become items by `item`.
    pub(super) fn new<F>(item: fn(Event) -> Option<I>, work: impl FnOnce(Job) -> F) -> Self
    where
        F: Future<Output = exit::Result<T>> + Send + 'static,
    {
        let cancel = Cancel::default();
        let (job, events) = Job::watched(cancel.clone());
        Self { work: Some(Box::pin(work(job))), running: None, events, cancel, item }
    }

    /// The next event; `None` once the command has ended. Cancel-safe: no event is lost where the future is
    /// dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn next(&mut self) -> Option<I> {
        self.start();
        while let Some(event) = self.events.next().await {
            if let Some(item) = (self.item)(event) {
                return Some(item);
            }
        }
        None
    }

    fn start(&mut self) {
        if let Some(work) = self.work.take() {
            self.running = Some(tokio::spawn(work));
        }
    }
}

impl<T, I> Progress<T, I> {
    /// Asks the command to stop. Its answer is then [`Error::Interrupted`], if it has not ended yet.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }
}

impl<T: Send + 'static, I> Future for Progress<T, I> {
    type Output = Result<T, Error>;

    /// Drops the events that were not read.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.start();
        while let Poll::Ready(Some(_)) = this.events.poll_next(context) {}
        let Some(running) = &mut this.running else {
            return Poll::Ready(Err(Failure::invalid("the answer was taken already").into()));
        };
        let Poll::Ready(ended) = Pin::new(running).poll(context) else { return Poll::Pending };
        this.running = None;
        let result = ended.unwrap_or_else(|error| match error.is_cancelled() {
            // The runtime is shut down.
            true => Err(Failure::interrupted()),
            false => Err(Failure::internal(format!("a command failed: {error}"))),
        });
        Poll::Ready(result.map_err(Error::from))
    }
}

impl<T, I> Drop for Progress<T, I> {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl<T, I> fmt::Debug for Progress<T, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_running = self.running.is_some();
        f.debug_struct("Progress").field("is_running", &is_running).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(to: u64) -> Progress<u64> {
        Progress::new(Update::of, move |job| async move {
            for number in 0..to {
                job.say(number.to_string()).await;
            }
            job.check()?;
            Ok(to)
        })
    }

    #[tokio::test]
    async fn events_come_before_the_answer() {
        let mut progress = counted(3);
        for number in 0..3 {
            assert_eq!(progress.next().await, Some(Update::Note(number.to_string())));
        }
        assert_eq!(progress.next().await, None);
        assert_eq!((&mut progress).await.unwrap(), 3);
        assert!(matches!(progress.await, Err(Error::Invalid(_))));
    }

    /// Notes wait for room: more of them than the queue has must not stop a command without a reader.
    #[tokio::test]
    async fn events_without_a_reader_are_dropped() {
        assert_eq!(counted(1000).await.unwrap(), 1000);
    }

    #[tokio::test]
    async fn a_dropped_command_is_cancelled() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut progress = Progress::<(), _>::new(Update::of, |job| async move {
            job.say("begun").await;
            job.cancel().cancelled().await;
            let _ = sender.send(job.check().unwrap_err().exit);
            job.check()
        });
        assert_eq!(progress.next().await, Some(Update::Note("begun".into())));
        drop(progress);
        assert_eq!(receiver.await.unwrap(), exit::Exit::Interrupted);
    }

    #[tokio::test]
    async fn a_cancelled_command_is_interrupted() {
        let progress = counted(1);
        progress.cancel();
        assert!(matches!(progress.await, Err(Error::Interrupted(_))));
    }

    #[tokio::test]
    async fn a_command_that_panics_is_an_error() {
        let progress = Progress::<(), _>::new(Update::of, |_| async { panic!("by the test") });
        assert!(matches!(progress.await, Err(Error::Internal(_))));
    }
}
