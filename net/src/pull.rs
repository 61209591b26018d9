//! The requesting side of a session: sends the requests of the engine's machine and feeds it every frame of
//! their answers, on a thread of its own that may block on the store.
//!
//! ```text
//!             orders                        streams
//! machine ──────────────► task ──► request ─────────► machine's thread ──► machine
//! ```
//!
//! The thread reads the streams itself: while the store is slow nothing is read, the windows fill, and the
//! source waits. There is no stage between, so that a frame is assembled, hashed and handed to the store
//! while it is in the cache. This module makes no decision: the machine chooses the requests and checks the
//! answers.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
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
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    Connection, Error, Result,
    frame::{FrameReader, Partial, StreamError},
    limits, link,
    patience::Progress,
};

/// Interval at which the cancel flag is checked, which a signal handler sets.
const CANCEL_TICK: Duration = Duration::from_millis(100);

impl Connection {
    /// Runs `fetch` against this source until the release is complete here, durable, and its channel has
    /// moved.
    ///
    /// `progress` is called on the fetch's thread after every few frames, and once at the end, whatever the
    /// result. Setting `cancel`, or dropping the future, stops the pull. In that case, and on every error,
    /// the received data is made durable and the library stays as it was.
    ///
    /// # Errors
    ///
    /// [`Error::Vanished`] for a source that is gone, [`Error::Refused`] for one that refuses or lacks data,
    /// [`Error::Protocol`] for one that sent data that is not allowed, [`Error::Cancelled`], and
    /// [`Error::Engine`] for a failure of this node.
    pub async fn pull(
        &self,
        fetch: Fetch,
        progress: impl FnMut(&Report) + Send + 'static,
        cancel: &Arc<AtomicBool>,
    ) -> Result<Report> {
        let (machine, went) = drive(self, Pull { fetch, progress }, cancel).await;
        went.map_err(|error| link::blame(self.name().to_owned(), error))?;
        // A machine without an error came back.
        machine.map(|machine| machine.fetch.report().clone()).ok_or(Error::Cancelled)
    }
}

/// A fetch, and its progress callback.
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

    fn poll_stop(&mut self) -> Option<u64> {
        self.fetch.poll_stop()
    }

    fn useful_bytes(&self) -> u64 {
        self.fetch.report().useful_bytes()
    }

    fn stop(&mut self, failed: bool) {
        if failed && let Err(error) = self.fetch.suspend() {
            // The first error says what happened; the data that is lost here is fetched again.
            tracing::debug!(%error, "the last received data was not kept");
        }
        (self.progress)(self.fetch.report());
    }
}

/// The source of the requests: a state machine without I/O except to a store.
pub(crate) trait Machine: Send + 'static {
    /// The next request that may be sent now, and a number for its answer.
    fn poll_request(&mut self) -> chuan_engine::Result<Option<(u64, Request)>>;

    /// Frames of the answer to request `id`, in order.
    fn handle_frames(&mut self, id: u64, frames: Vec<Frame>) -> chuan_engine::Result<()>;

    /// The stream of the answer to request `id` has ended without an error.
    fn handle_end(&mut self, id: u64) -> chuan_engine::Result<()>;

    /// An answer of which the rest is of no use.
    fn poll_stop(&mut self) -> Option<u64> {
        None
    }

    /// Number of useful bytes received. A source that does not increase it times out.
    fn useful_bytes(&self) -> u64;

    /// No more frames come; the machine may store the data that it has.
    fn stop(&mut self, failed: bool);
}

/// Runs `machine` over `connection` until it has no more requests, and returns it with the result.
///
/// Setting `cancel`, or dropping the future, stops the streams; the machine then ends with
/// [`Error::Cancelled`]. Its stored data stays. The machine is lost only if it panics.
pub(crate) async fn drive<M: Machine>(
    connection: &Connection,
    mut machine: M,
    cancel: &Arc<AtomicBool>,
) -> (Option<M>, Result<()>) {
    let (orders, wanted) = mpsc::channel(limits::PULL_REQUESTS);
    let (opened, streams) = mpsc::channel(limits::PULL_REQUESTS);
    let (runtime, flag) = (Handle::current(), Arc::clone(cancel));
    let mut thread = tokio::task::spawn_blocking(move || {
        let went = run(&mut machine, &orders, Answers::new(streams), &flag, &runtime);
        machine.stop(went.is_err());
        (machine, went)
    });
    let mut failure = None;
    let ended = tokio::select! {
        ended = &mut thread => ended,
        error = carry(connection, wanted, opened, cancel) => {
            failure = error;
            // The machine finishes its current work, then finds its channels closed.
            thread.await
        }
        never = connection.widen() => match never {},
    };
    match ended {
        Ok((machine, Err(Broken::Cancelled))) => (Some(machine), Err(failure.unwrap_or(Error::Cancelled))),
        Ok((machine, Err(Broken::Engine(error)))) => (Some(machine), Err(error.into())),
        Ok((machine, Err(Broken::Stream(error)))) => (Some(machine), Err(connection.broken(error))),
        Ok((machine, Ok(()))) => (Some(machine), Ok(())),
        Err(error) => (None, Err(Error::Local(format!("the thread that reads the answers failed: {error}")))),
    }
}

/// Why the machine's thread ended early.
enum Broken {
    Cancelled,
    Engine(EngineError),
    Stream(StreamError),
}

impl From<EngineError> for Broken {
    fn from(error: EngineError) -> Self {
        Broken::Engine(error)
    }
}

/// The machine's thread.
fn run<M: Machine>(
    machine: &mut M,
    orders: &mpsc::Sender<(u64, Request)>,
    mut answers: Answers,
    cancel: &AtomicBool,
    runtime: &Handle,
) -> Result<(), Broken> {
    let mut in_flight = 0;
    // Only useful bytes are progress, and bytes of frames that may turn out useful: else a source could hold
    // a pull for ever with junk.
    let mut progress = Progress::of(limits::SILENCE_TIMEOUT, machine.useful_bytes());
    loop {
        while in_flight < limits::PULL_REQUESTS
            && let Some(order) = machine.poll_request()?
        {
            orders.blocking_send(order).map_err(|_| Broken::Cancelled)?;
            in_flight += 1;
        }
        if in_flight == 0 {
            return Ok(());
        }
        let (since, left) = (Instant::now(), progress.left());
        let next = runtime.block_on(async { timeout(left, answers.next()).await });
        let waited = since.elapsed();
        let Ok((id, frames)) = next else {
            progress.note(waited, machine.useful_bytes() + answers.partial.bytes());
            if progress.left().is_zero() {
                return Err(Broken::Stream(StreamError::Silent));
            }
            continue;
        };
        if cancel.load(Ordering::Relaxed) {
            return Err(Broken::Cancelled);
        }
        match frames {
            Ok(frames) if frames.is_empty() => {
                machine.handle_end(id)?;
                in_flight -= 1;
            }
            Ok(frames) => machine.handle_frames(id, frames)?,
            Err(error) => return Err(error),
        }
        while let Some(id) = machine.poll_stop() {
            in_flight -= usize::from(answers.stop(id));
        }
        progress.note(waited, machine.useful_bytes() + answers.partial.bytes());
    }
}

/// The streams of the answers under way.
struct Answers {
    /// Streams that were opened. Closed once no more requests are sent.
    opened: mpsc::Receiver<(u64, FrameReader)>,
    reading: Vec<(u64, Reading)>,
    /// Bytes of frames that have arrived in part.
    partial: Arc<Partial>,
}

/// The next frames of an answer, pending, and the reader of the rest.
type Reading = Pin<Box<dyn Future<Output = (u64, FrameReader, Result<Vec<Frame>, StreamError>)> + Send>>;

impl Answers {
    fn new(opened: mpsc::Receiver<(u64, FrameReader)>) -> Self {
        Self { opened, reading: Vec::new(), partial: Arc::default() }
    }

    /// Stops the stream of an answer; returns whether it was under way.
    fn stop(&mut self, id: u64) -> bool {
        let before = self.reading.len();
        self.reading.retain(|(other, _)| *other != id);
        self.reading.len() < before
    }

    /// The next frames of any answer. No frames mean that this answer has ended.
    async fn next(&mut self) -> (u64, Result<Vec<Frame>, Broken>) {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(u64, Result<Vec<Frame>, Broken>)> {
        while let Poll::Ready(opened) = self.opened.poll_recv(context) {
            match opened {
                Some((id, reader)) => {
                    let reader = reader.sharing(&self.partial);
                    self.reading.push((id, Box::pin(read(id, reader))));
                }
                None => return Poll::Ready((0, Err(Broken::Cancelled))),
            }
        }
        for at in 0..self.reading.len() {
            let Some((_, reading)) = self.reading.get_mut(at) else { continue };
            if let Poll::Ready((id, reader, frames)) = reading.as_mut().poll(context) {
                // The last entry takes its place, and the ready one goes to the end: a round robin.
                drop(self.reading.swap_remove(at));
                if frames.as_ref().is_ok_and(|frames| !frames.is_empty()) {
                    self.reading.push((id, Box::pin(read(id, reader))));
                }
                return Poll::Ready((id, frames.map_err(Broken::Stream)));
            }
        }
        Poll::Pending
    }
}

async fn read(id: u64, mut reader: FrameReader) -> (u64, FrameReader, Result<Vec<Frame>, StreamError>) {
    let frames = reader.batch().await;
    (id, reader, frames)
}

/// Sends requests and hands over the streams of their answers until a failure or until `cancel` is set;
/// returns that error. `None` once the machine has no more requests.
async fn carry(
    connection: &Connection,
    orders: mpsc::Receiver<(u64, Request)>,
    opened: mpsc::Sender<(u64, FrameReader)>,
    cancel: &AtomicBool,
) -> Option<Error> {
    tokio::select! {
        error = ask_all(connection, orders, opened) => error,
        () = cancelled(cancel) => Some(Error::Cancelled),
    }
}

async fn ask_all(
    connection: &Connection,
    mut orders: mpsc::Receiver<(u64, Request)>,
    opened: mpsc::Sender<(u64, FrameReader)>,
) -> Option<Error> {
    while let Some((id, request)) = orders.recv().await {
        match connection.ask(request).await {
            // If the machine has ended, the receiver is closed.
            Ok(reader) => drop(opened.send((id, reader)).await),
            Err(error) => return Some(error),
        }
    }
    None
}

/// Waits until the flag is set.
async fn cancelled(cancel: &AtomicBool) {
    let mut tick = tokio::time::interval(CANCEL_TICK);
    while !cancel.load(Ordering::Relaxed) {
        tick.tick().await;
    }
}
