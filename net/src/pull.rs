//! The asking side of a session: requests go out as the engine's machine wants them, and every frame of their answers
//! goes back into it, on a thread of its own that may block on the store.
//!
//! ```text
//!             orders                        one reader per answer
//! machine ──────────────► task ──► streams ──────────────────────► events ──► machine
//! ```
//!
//! Both channels are bounded, so a slow store slows the streams and nothing piles up. Decides nothing: what to ask and what
//! an answer is worth is the machine's.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chuan_engine::{
    Error as EngineError,
    sync::{
        fetch::{Fetch, Report},
        frame::Frame,
        message::Request,
    },
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    Connection, Error, Result,
    frame::{FrameReader, StreamError},
    limits,
};

/// How often a flag that is set from a signal handler is looked at.
const CANCEL_TICK: Duration = Duration::from_millis(100);

impl Connection {
    /// Runs `fetch` against this source until the release is whole here, durably, and its channel has moved.
    ///
    /// `progress` is called on the fetch's thread after every few frames, and once at the end, whichever that is. Setting
    /// `cancel`, or dropping the future, stops the pull; either way, and on every error, what has come is made durable and
    /// the library stays as it was.
    ///
    /// # Errors
    ///
    /// [`Error::Vanished`] for a source that is gone, [`Error::Refused`] for one that will not or lacks something,
    /// [`Error::Protocol`] for one that sent what may not be, [`Error::Cancelled`], and [`Error::Engine`] for what failed
    /// here.
    pub async fn pull(
        &self,
        fetch: Fetch,
        progress: impl FnMut(&Report) + Send + 'static,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Report> {
        let (machine, went) = drive(self, Pull { fetch, progress }, cancel).await;
        went.map_err(|error| self.blame(error))?;
        // A machine that went well came back.
        machine.map(|machine| machine.fetch.report().clone()).ok_or(Error::Cancelled)
    }

    /// Names the peer in what the engine says of it.
    fn blame(&self, error: Error) -> Error {
        let peer = self.name().to_owned();
        match error {
            Error::Engine(EngineError::Peer(text) | EngineError::Invalid(text)) => {
                Error::Protocol { peer, text }
            }
            Error::Engine(
                source @ (EngineError::Denied(_) | EngineError::Missing(_) | EngineError::Busy(_)),
            ) => Error::Refused { peer, source },
            Error::Engine(EngineError::Cancelled) => Error::Cancelled,
            other => other,
        }
    }
}

/// A fetch, and who watches it.
struct Pull<P> {
    fetch: Fetch,
    progress: P,
}

impl<P: FnMut(&Report) + Send + 'static> Machine for Pull<P> {
    fn poll_request(&mut self) -> chuan_engine::Result<Option<(u64, Request)>> {
        self.fetch.poll_request()
    }

    fn handle_frames(&mut self, id: u64, frames: Vec<Frame>) -> chuan_engine::Result<()> {
        for frame in frames {
            self.fetch.handle(id, frame)?;
        }
        (self.progress)(self.fetch.report());
        Ok(())
    }

    fn handle_end(&mut self, id: u64) -> chuan_engine::Result<()> {
        self.fetch.handle_end(id)
    }

    fn stop(&mut self, failed: bool) {
        if failed && let Err(error) = self.fetch.suspend() {
            // The first error says what happened; what is lost here is fetched again.
            tracing::debug!(%error, "what came last was not kept");
        }
        (self.progress)(self.fetch.report());
    }
}

/// What asks: a machine without I/O of its own but for a store.
pub(crate) trait Machine: Send + 'static {
    /// The next request that may go out now, and a number for its answer.
    fn poll_request(&mut self) -> chuan_engine::Result<Option<(u64, Request)>>;

    /// Frames of the answer to request `id`, in order.
    fn handle_frames(&mut self, id: u64, frames: Vec<Frame>) -> chuan_engine::Result<()>;

    /// The stream of the answer to request `id` has ended well.
    fn handle_end(&mut self, id: u64) -> chuan_engine::Result<()>;

    /// Nothing more comes; the machine may keep what it has.
    fn stop(&mut self, failed: bool);
}

/// What came of an answer.
enum Event {
    Frames(u64, Vec<Frame>),
    End(u64),
}

/// Runs `machine` over `connection` until it wants nothing more, and gives it back with how it went.
///
/// Setting `cancel`, or dropping the future, stops the streams; the machine then ends with [`Error::Cancelled`]. What it
/// has stored stays. The machine is lost only if it panics.
pub(crate) async fn drive<M: Machine>(
    connection: &Connection,
    mut machine: M,
    cancel: &Arc<AtomicBool>,
) -> (Option<M>, Result<()>) {
    let (orders, wanted) = mpsc::channel(limits::PULL_REQUESTS);
    let (events, happened) = mpsc::channel(limits::PULL_QUEUE_BYTES / limits::PULL_BATCH_BYTES);
    let flag = Arc::clone(cancel);
    let mut thread = tokio::task::spawn_blocking(move || {
        let went = run(&mut machine, &orders, happened, &flag);
        machine.stop(went.is_err());
        (machine, went)
    });
    let mut failure = None;
    let ended = tokio::select! {
        ended = &mut thread => ended,
        // The machine first takes what has arrived, then finds its channels closed.
        error = carry(connection, wanted, events, cancel) => {
            failure = error;
            thread.await
        }
    };
    match ended {
        Ok((machine, Err(Error::Cancelled))) => (Some(machine), Err(failure.unwrap_or(Error::Cancelled))),
        Ok((machine, went)) => (Some(machine), went),
        Err(error) => (None, Err(Error::Local(format!("the thread that takes the answers failed: {error}")))),
    }
}

/// The machine's thread.
fn run<M: Machine>(
    machine: &mut M,
    orders: &mpsc::Sender<(u64, Request)>,
    mut events: mpsc::Receiver<Event>,
    cancel: &AtomicBool,
) -> Result<()> {
    let mut in_flight = 0;
    let mut carried = true;
    loop {
        while carried
            && in_flight < limits::PULL_REQUESTS
            && let Some(order) = machine.poll_request()?
        {
            carried = orders.blocking_send(order).is_ok();
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(());
        }
        // The channel closes only when nobody carries any more.
        let event = events.blocking_recv().ok_or(Error::Cancelled)?;
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        match event {
            Event::Frames(id, frames) => machine.handle_frames(id, frames)?,
            Event::End(id) => {
                machine.handle_end(id)?;
                in_flight -= 1;
            }
        }
    }
}

/// Sends requests and reads their answers until something fails or `cancel` is set; the error is what failed.
async fn carry(
    connection: &Connection,
    mut orders: mpsc::Receiver<(u64, Request)>,
    events: mpsc::Sender<Event>,
    cancel: &AtomicBool,
) -> Option<Error> {
    let mut readers = JoinSet::new();
    let mut tick = tokio::time::interval(CANCEL_TICK);
    loop {
        tokio::select! {
            Some((id, request)) = orders.recv() => match connection.ask(request).await {
                Ok(reader) => {
                    readers.spawn(read(reader, id, events.clone()));
                }
                Err(error) => return Some(error),
            },
            Some(ended) = readers.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(connection.broken(error)),
                Err(error) => return Some(Error::Local(format!("a reader failed: {error}"))),
            },
            _ = tick.tick() => {
                if cancel.load(Ordering::Relaxed) {
                    return Some(Error::Cancelled);
                }
            }
        }
    }
}

/// Reads one answer to its end.
async fn read(mut reader: FrameReader, id: u64, events: mpsc::Sender<Event>) -> Result<(), StreamError> {
    loop {
        let frames = reader.batch(limits::PULL_BATCH_BYTES).await?;
        let event = if frames.is_empty() { Event::End(id) } else { Event::Frames(id, frames) };
        let last = matches!(event, Event::End(_));
        // Nobody takes events once the machine has ended, and then nobody asks how the stream ended either.
        if events.send(event).await.is_err() || last {
            return Ok(());
        }
    }
}
