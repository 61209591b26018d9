//! One task owns one session: a connection that was accepted, from its hello to its end.
//!
//! Makes no decision about a request: the engine's answer does, on a thread that may block, and this task only moves
//! its frames. A request is cancelled by stopping its stream; the thread notices with its next batch.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use chuan_engine::{
    Error,
    id::LibraryId,
    limits::{HELLO_BYTES, STRANGER_REQUEST_BYTES},
    statement::{Kinds, PublicKey},
    sync::{
        frame::{Encoded, Frame},
        message::{End, ErrorCode, Hello, Join, Refusal, Request, VERSION},
    },
};
use quinn::SendStream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, Interval, interval_at, sleep_until, timeout},
};

use crate::{
    Counts,
    connection::exporter,
    endpoint::{CloseCode, peer_name},
    frame::{self, FrameReader},
    identity::PeerKey,
    limits,
    patience::Patience,
    serve::{Host, Refused},
    sink::{Sink, encode},
};

/// What every session uses.
#[derive(Clone)]
pub(crate) struct Lent {
    pub(crate) host: Arc<dyn Host>,
    /// Places for answers that read the store, which may take hours.
    pub(crate) answers: Arc<Semaphore>,
    /// Places for all others, which are short: joins and what is said of libraries must not wait for the former.
    pub(crate) short_answers: Arc<Semaphore>,
    /// The place for whatever is done for nodes that are members of nothing here.
    pub(crate) strangers: Arc<Semaphore>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl Lent {
    /// A place for the answer to `request`; waits where there is none. Cancel-safe.
    async fn permit(&self, request: &Request, is_stranger: bool) -> Option<OwnedSemaphorePermit> {
        let places = match request {
            _ if is_stranger => &self.strangers,
            Request::Pull(_) | Request::Pages { .. } | Request::Chunks { .. } => &self.answers,
            Request::Join(_) | Request::Exchange { .. } | Request::Peers { .. } => &self.short_answers,
        };
        // Closed never: they live as long as the server.
        Arc::clone(places).acquire_owned().await.ok()
    }

    /// The place for strangers, once it is free. `None` where that takes too long.
    async fn stranger_place(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.strangers).acquire_owned();
        timeout(limits::REQUEST_TIMEOUT, place).await.ok()?.ok()
    }

    /// Whose key this is, and whether that is a member of anything. `None` where the node is going down.
    pub(crate) async fn look_up(&self, key: PublicKey) -> Option<(PeerKey, bool)> {
        let host = Arc::clone(&self.host);
        blocking(move || {
            let peer = PeerKey { node: host.node_of(&key), key };
            (peer, !host.memberships(&peer).is_empty())
        })
        .await
    }

    /// The libraries here of which a peer is a member.
    pub(crate) async fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let (host, peer) = (Arc::clone(&self.host), *peer);
        blocking(move || host.memberships(&peer)).await.unwrap_or_default()
    }
}

/// What a session says of its peer to whoever counts places.
pub(crate) struct Presence {
    /// Whether it is a member of anything here.
    pub(crate) known: watch::Sender<bool>,
    /// Requests of it that are being answered.
    pub(crate) asking: Arc<AtomicUsize>,
}

/// Serves a peer until it leaves, breaks a rule, or the node stops.
pub(crate) async fn session(quic: quinn::Connection, peer: PeerKey, presence: Presence, lent: Lent) {
    let began = Instant::now();
    let name = peer_name(&peer.node, quic.remote_address());
    // Who takes no introduction must not keep its place by that.
    let introduced = timeout(limits::REQUEST_TIMEOUT, introduce(&quic, &lent));
    let is_stranger = !*presence.known.borrow();
    if !is_stranger {
        quic.set_receive_window(limits::ACCEPT_WINDOW_BYTES.into());
    }
    let (greeted, _) = tokio::join!(greet(&quic, peer, is_stranger, &lent), introduced);
    let (peer, kinds) = match greeted {
        Ok(greeted) => greeted,
        Err(rule) => {
            lent.counts.hello_refused();
            tracing::debug!(peer = name, rule, "no hello");
            lent.host.refused(Some(&peer), quic.remote_address(), Refused::Hello, rule);
            return quic.close(CloseCode::Protocol.varint(), rule.as_bytes());
        }
    };
    tracing::debug!(peer = name, "connected");
    let code = serve(&quic, (peer, kinds), began + limits::STRANGER_LIFETIME, &presence, &lent).await;
    quic.close(code.varint(), b"");
    tracing::debug!(peer = name, ?code, "disconnected");
}

/// Says who this node is, where its key alone does not.
async fn introduce(quic: &quinn::Connection, lent: &Lent) {
    let host = Arc::clone(&lent.host);
    let Some(hello) = blocking(move || host.introduction()).await.flatten() else { return };
    let Some(encoded) = encode(&Frame::Hello(hello)) else { return };
    // A dialler that takes no introduction has no use for one.
    if let Ok(mut stream) = quic.open_uni().await {
        let _ = frame::write(&mut stream, vec![encoded], Patience::endless()).await;
        let _ = stream.finish();
    }
}

/// Takes the peer's hello, and the statements in it, before anything is answered, and says who the peer is and which kinds of
/// statements it knows. The error is the rule that was broken.
async fn greet(
    quic: &quinn::Connection,
    peer: PeerKey,
    is_stranger: bool,
    lent: &Lent,
) -> Result<(PeerKey, Kinds), &'static str> {
    let hello = timeout(limits::REQUEST_TIMEOUT, hello(quic))
        .await
        .map_err(|_| "the hello did not come in time")??;
    if hello.version != VERSION {
        return Err("the hello speaks another version");
    }
    let (peer, kinds) = (PeerKey { node: hello.node, ..peer }, hello.kinds);
    let host = Arc::clone(&lent.host);
    let place = match is_stranger {
        true => Some(lent.stranger_place().await.ok_or("too many strangers are here; try again")?),
        false => None,
    };
    let recognised = blocking(move || {
        let _place = place;
        if !hello.statements.is_empty() {
            host.offer(hello.statements.into_iter().map(Bytes::from).collect());
        }
        let recognised = host.recognises(&peer);
        if recognised {
            host.met(&peer, &hello.name, &hello.addresses);
        }
        recognised
    });
    match recognised.await {
        Some(true) => Ok((peer, kinds)),
        _ => Err("the hello names another node than the handshake proved"),
    }
}

async fn hello(quic: &quinn::Connection) -> Result<Hello, &'static str> {
    let stream = quic.accept_uni().await.map_err(|_| "the connection ended before the hello")?;
    match FrameReader::up_to(stream, HELLO_BYTES).next().await {
        Ok(Some(Frame::Hello(hello))) => Ok(hello),
        _ => Err("the first stream is no hello"),
    }
}

/// Answers requests, a few at a time; more wait in their streams. Who is a member of nothing must be that by `deadline`.
/// Gives the reason for the end.
async fn serve(
    quic: &quinn::Connection,
    (peer, kinds): (PeerKey, Kinds),
    deadline: Instant,
    presence: &Presence,
    lent: &Lent,
) -> CloseCode {
    let mut stopped = lent.stopped.clone();
    let mut changes = lent.host.changes();
    let mut answers = JoinSet::new();
    let mut member_of = lent.memberships(&peer).await;
    let mut tick = interval_at(Instant::now() + limits::MEMBERSHIP_TICK, limits::MEMBERSHIP_TICK);
    let mut idle_since = Instant::now();
    loop {
        let is_stranger = member_of.is_empty();
        if presence.known.send_replace(!is_stranger) == is_stranger && !is_stranger {
            quic.set_receive_window(limits::ACCEPT_WINDOW_BYTES.into());
        }
        let patience = if answers.is_empty() { idle_since + limits::STRANGER_TIMEOUT } else { deadline };
        tokio::select! {
            () = sleep_until(patience.min(deadline)), if member_of.is_empty() => return CloseCode::Busy,
            stream = quic.accept_bi(), if answers.len() < limits::ANSWERS_PER_CONNECTION => match stream {
                Ok((send, receive)) => {
                    // It may have joined just now.
                    let is_stranger = is_stranger && lent.memberships(&peer).await.is_empty();
                    let caller =
                        Caller {
                            peer,
                            kinds,
                            is_stranger,
                            asking: Arc::clone(&presence.asking),
                            exporter: exporter(quic),
                            quic: quic.clone(),
                        };
                    let reader = match is_stranger {
                        true => FrameReader::up_to(receive, STRANGER_REQUEST_BYTES),
                        false => FrameReader::new(receive),
                    };
                    answers.spawn(answer(send, reader, caller, lent.clone()));
                }
                // The streams went with the connection; the threads behind them end with their next batch.
                Err(_) => return CloseCode::Done,
            },
            Some(_) = answers.join_next() => idle_since = Instant::now(),
            () = looks_again(&mut changes, &mut tick) => {
                // A join, or what somebody said, may have made it a member since.
                let now = lent.memberships(&peer).await;
                if !member_of.iter().all(|library| now.contains(library)) {
                    // Answers under way are dropped with the connection.
                    return CloseCode::Revoked;
                }
                member_of = now;
            }
            () = stop(&mut stopped) => break,
        }
    }
    while answers.join_next().await.is_some() {}
    CloseCode::Stopping
}

/// Waits until the server stops, or is gone, which is as good a reason.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Waits until memberships may have changed: something was said, or one may have ended by itself.
async fn looks_again(changes: &mut Option<watch::Receiver<u64>>, tick: &mut Interval) {
    tokio::select! {
        () = changed(changes) => {}
        _ = tick.tick() => {}
    }
}

/// Waits for a change of what is known of libraries; for ever where nobody tells.
async fn changed(changes: &mut Option<watch::Receiver<u64>>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// Who asks.
struct Caller {
    peer: PeerKey,
    /// The kinds of statements that it knows.
    kinds: Kinds,
    /// Whether it was a member of nothing here when it asked.
    is_stranger: bool,
    /// Its requests that are being answered, this one among them once it was read.
    asking: Arc<AtomicUsize>,
    exporter: Option<[u8; 32]>,
    quic: quinn::Connection,
}

/// Counts a request for as long as it is being answered.
struct Asking(Arc<AtomicUsize>);

impl Asking {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads one request and writes its answer.
async fn answer(mut send: SendStream, mut receive: FrameReader, caller: Caller, lent: Lent) {
    let request = match timeout(limits::REQUEST_TIMEOUT, receive.next()).await {
        Ok(Ok(Some(Frame::Request(request)))) => {
            lent.counts.request();
            Ok(request)
        }
        Ok(Err(frame::StreamError::Malformed(Error::Denied(_)))) => {
            lent.counts.request_unread();
            let why = "a request that is longer than a stranger's may be";
            lent.host.refused(Some(&caller.peer), caller.quic.remote_address(), Refused::Request, why);
            Err(Refusal::new(ErrorCode::Denied, ""))
        }
        Ok(Err(frame::StreamError::Malformed(error))) => {
            Err(Refusal::new(ErrorCode::Invalid, error.to_string()))
        }
        Ok(Ok(Some(_))) => Err(Refusal::new(ErrorCode::Invalid, "a stream must begin with a request")),
        Ok(Ok(None) | Err(_)) | Err(_) => return abandon(&mut send),
    };
    // An answer may take hours: what the request came in must not wait for that. The stream itself is kept, since to drop it
    // before its end was read would tell the peer to stop.
    let _asked = receive.into_stream();
    let asking = Asking::begin(&caller.asking);
    let written = match request {
        Ok(request) => relay(&mut send, request, caller, &lent).await,
        Err(refusal) => refuse(&mut send, refusal).await,
    };
    drop(asking);
    if written.is_err() {
        return abandon(&mut send);
    }
    // Closing the connection drops what is not acknowledged, so the answer ends when all of it is.
    let _ = send.finish();
    let _ = timeout(limits::STALL_TIMEOUT, send.stopped()).await;
}

/// Carries the frames of an answer from the thread that makes them to the stream.
async fn relay(send: &mut SendStream, request: Request, caller: Caller, lent: &Lent) -> Result<(), Stalled> {
    let stopped = send.stopped();
    tokio::pin!(stopped);
    let permit = tokio::select! {
        permit = timeout(limits::ANSWER_PATIENCE, lent.permit(&request, caller.is_stranger)) => permit,
        _ = &mut stopped => return Err(Stalled),
    };
    let Ok(Some(permit)) = permit else {
        return refuse(send, Refusal::new(ErrorCode::Busy, "")).await;
    };
    let (frames, mut batches) = mpsc::channel(limits::ANSWER_QUEUE_BYTES / limits::ANSWER_BATCH_BYTES);
    let host = Arc::clone(&lent.host);
    let sink = Sink::new(frames, caller.quic.clone(), permit);
    tokio::task::spawn_blocking(move || produce(&*host, request, &caller, sink));
    loop {
        let batch = tokio::select! {
            batch = batches.recv() => batch,
            _ = &mut stopped => return Err(Stalled),
        };
        match batch {
            Some(batch) => write(send, batch).await?,
            None => return Ok(()),
        }
    }
}

async fn refuse(send: &mut SendStream, refusal: Refusal) -> Result<(), Stalled> {
    write(send, encode(&Frame::Error(refusal)).into_iter().collect()).await
}

/// The peer takes nothing more.
struct Stalled;

async fn write(send: &mut SendStream, frames: Vec<Encoded>) -> Result<(), Stalled> {
    frame::write(send, frames, Patience::of(limits::STALL_TIMEOUT)).await.map_err(|_| Stalled)
}

fn abandon(send: &mut SendStream) {
    // A stream that has ended needs no reset.
    let _ = send.reset(CloseCode::Stopping.varint());
}

/// Makes the frames of an answer; blocks on the store and on the peer.
fn produce(host: &dyn Host, request: Request, caller: &Caller, mut sink: Sink) {
    let what = if matches!(request, Request::Join(_)) { Refused::Join } else { Refused::Request };
    let refused = match request {
        Request::Join(join) => {
            redeem(host, &join, caller, &mut sink).err().map(|error| (refuse_join(&error), error))
        }
        request => host
            .answer(&caller.peer, caller.kinds, request, &mut sink)
            .err()
            .map(|error| (Refusal::of(&error), error)),
    };
    if let Some((refusal, error)) = refused {
        let peer = caller.peer.node.short();
        match error {
            Error::Denied(_) | Error::Missing(_) | Error::Invalid(_) | Error::Busy(_) | Error::Cancelled => {
                tracing::debug!(peer, %error, "a request was refused");
            }
            _ => tracing::warn!(peer, %error, "a request failed here"),
        }
        if matches!(error, Error::Denied(_)) {
            host.refused(Some(&caller.peer), caller.quic.remote_address(), what, &error.to_string());
        }
        sink.push(Frame::Error(refusal));
    }
    sink.flush();
}

/// What a joiner is told. It holds a ticket, so it may know what is wrong with it.
fn refuse_join(error: &Error) -> Refusal {
    match error {
        Error::Denied(text) => Refusal::new(ErrorCode::Denied, text.as_str()),
        other => Refusal::of(other),
    }
}

fn redeem(host: &dyn Host, join: &Join, caller: &Caller, sink: &mut Sink) -> chuan_engine::Result<()> {
    let exporter = caller.exporter.ok_or_else(|| Error::Busy("no keying material".into()))?;
    for statement in host.join(&caller.peer, &exporter, join)? {
        sink.push(Frame::Statement(statement));
    }
    sink.push(Frame::End(End { complete: true, ..End::default() }));
    Ok(())
}

/// Runs what may block on a thread that may. `None` where it panicked or the runtime is going down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.inspect_err(|error| tracing::error!(%error, "a task failed")).ok()
}
