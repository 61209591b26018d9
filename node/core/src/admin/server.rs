//! The server of the admin socket: accepts commands, has the [`Runner`] run them, and streams their events.

use std::{convert::Infallible, io, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::{
    net::{UnixListener, UnixStream, unix::SocketAddr},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;

use super::{BYTES_TYPE, COMMANDS_PATH, END_TRAILER, End, HOLDER_PATH, Holder, LINES_TYPE, Line, socket};
use crate::{
    command::Command,
    exit::{Failure, Result},
    job::{Cancel, Event, Events, Job},
    limits::ADMIN_REQUEST_BYTES,
    outcome::Outcome,
};

/// Pause after a failed accept: the usual cause is a temporary lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The maximum number of frames of an answer that wait for a slow client.
const FRAME_QUEUE: usize = 16;

/// A future that may cross threads.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs the commands that arrive on the socket.
pub(crate) trait Runner: Send + Sync + 'static {
    /// The process that holds the home.
    fn holder(&self) -> Holder;

    /// Runs one command to its end.
    fn run(&self, command: Command, job: Job) -> BoxFuture<Result<Outcome>>;
}

/// Serves `listener` until `stop` is cancelled; then takes no more connections, and returns when all answers
/// under way have been sent.
pub(crate) async fn run(listener: UnixListener, runner: Arc<dyn Runner>, stop: CancellationToken) {
    let router = Router::new()
        .route(HOLDER_PATH, get(holder))
        .route(COMMANDS_PATH, post(command))
        .layer(DefaultBodyLimit::max(ADMIN_REQUEST_BYTES))
        .with_state(runner);
    let served = axum::serve(OwnerOnly(listener), router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the admin socket failed");
    }
}

/// Closes connections of other users' processes before they can send a request.
struct OwnerOnly(UnixListener);

impl axum::serve::Listener for OwnerOnly {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => match socket::check_peer(&stream) {
                    Ok(()) => return (stream, address),
                    Err(error) => tracing::warn!(%error, "admin connection refused"),
                },
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

async fn holder(State(runner): State<Arc<dyn Runner>>) -> Json<Holder> {
    Json(runner.holder())
}

async fn command(State(runner): State<Arc<dyn Runner>>, Json(command): Json<Command>) -> Response {
    let raw = command.answers_with_bytes();
    let cancel = Cancel::default();
    let (job, events) = Job::watched(cancel.clone());
    let running = tokio::spawn(runner.run(command, job));
    let (frames, stream) = mpsc::channel(FRAME_QUEUE);
    tokio::spawn(forward(events, running, frames, raw, cancel));

    let body = Body::new(StreamBody::new(infallible(ReceiverStream::new(stream))));
    let content_type = if raw { BYTES_TYPE } else { LINES_TYPE };
    ([(header::CONTENT_TYPE, content_type), (header::TRAILER, END_TRAILER)], body).into_response()
}

/// Turns the events of a command into frames of the answer. When the client disconnects, cancels the command
/// and waits for its end: no command continues without a client.
async fn forward(
    mut events: Events,
    running: JoinHandle<Result<Outcome>>,
    frames: mpsc::Sender<Frame<Bytes>>,
    raw: bool,
    cancel: Cancel,
) {
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = frames.closed() => None,
        };
        let Some(event) = event else { break };
        let frame = match event {
            Event::Data(data) if raw => Frame::data(data),
            _ if raw => continue,
            event => Frame::data(line(&Line::Event(event))),
        };
        if frames.send(frame).await.is_err() {
            break;
        }
    }
    if frames.is_closed() {
        cancel.cancel();
    }
    // A command that waits for room in its event queue must see that the receiver is dropped.
    drop(events);
    let result =
        running.await.unwrap_or_else(|error| Err(Failure::internal(format!("command failed: {error}"))));
    let end = End::from(result);
    let frame = if raw { trailer(&end) } else { Frame::data(line(&Line::End(end))) };
    let _ = frames.send(frame).await;
}

fn line(line: &Line) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_else(|error| unencodable(&error).into_bytes());
    text.push(b'\n');
    text.into()
}

fn trailer(end: &End) -> Frame<Bytes> {
    let text = serde_json::to_string(end).unwrap_or_else(|error| unencodable(&error));
    let mut trailers = HeaderMap::new();
    // DEL is the only control character that JSON strings contain unescaped, and the only byte of them that a
    // header value must not contain.
    let text = text.replace('\u{7f}', "\\u007f");
    if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
        trailers.insert(HeaderName::from_static(END_TRAILER), value);
    }
    Frame::trailers(trailers)
}

fn unencodable(error: &serde_json::Error) -> String {
    let failure = Failure::internal(format!("cannot encode the answer: {error}"));
    serde_json::json!({ "failure": failure }).to_string()
}

fn infallible<S: Stream<Item = Frame<Bytes>>>(
    stream: S,
) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> {
    use tokio_stream::StreamExt;
    stream.map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A failure with a DEL character in a file's name was valid JSON but no valid header value. The trailer
    /// was dropped, and the client reported that the holder of the home had ended.
    #[test]
    fn a_trailer_carries_every_text() {
        let all: String = (0..=0x250).filter_map(char::from_u32).collect();
        let end = End::Failure(Failure::missing(all));
        let trailers = trailer(&end).into_trailers().unwrap();
        let value = trailers.get(END_TRAILER).unwrap();
        assert_eq!(serde_json::from_slice::<End>(value.as_bytes()).unwrap(), end);
    }
}
