//! One task owns one session: an accepted connection, from its hello to its end.
//!
//! This task makes no decision about a request. The engine makes the answer on a thread that may block, and
//! the task only moves its frames. A request is cancelled by stopping its stream; the thread notices that
//! with its next batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chuan_engine::{
    Error,
    id::{LibraryId, NodeId},
    limits::{HELLO_BYTES, UNKNOWN_PEER_REQUEST_BYTES},
    statement::{Kinds, PublicKey},
    sync::{
        frame::{Encoded, Frame},
        message::{ErrorCode, Hello, Refusal, Request, VERSION},
    },
};
use quinn::SendStream;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinSet,
    time::{Instant, Interval, interval_at, sleep_until, timeout},
};

use crate::{
    Counts,
    answer_slots::{AnswerSlots, Claim, Slot},
    connection::exporter,
    endpoint::{CloseCode, peer_name},
    frame::{self, FrameReader},
    identity::PeerKey,
    limits,
    serve::{Caller, Identified, PeerHandler, Refused},
    sink::{Sink, encode},
};

/// Shared state of all sessions.
#[derive(Clone)]
pub(crate) struct SessionContext {
    pub(crate) handler: Arc<dyn PeerHandler>,
    /// Slots for answers that read the store, which may take hours.
    pub(crate) answers: Arc<AnswerSlots>,
    /// Slots for all other answers, which are short: joins and exchanges of statements must not wait for the
    /// long ones.
    pub(crate) short_answers: Arc<AnswerSlots>,
    /// The permit for all work on behalf of unknown peers (members of no library here).
    pub(crate) unknown_peers: Arc<Semaphore>,
    pub(crate) counts: Arc<Counts>,
    /// Changes with every change of a library.
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) stopped: watch::Receiver<bool>,
}

impl SessionContext {
    /// A permit for the answer to `request`; waits until one is free. Cancel-safe.
    async fn permit(&self, request: &Request, incoming: &Incoming) -> Option<Permit> {
        if incoming.is_unknown {
            // Never closed: the semaphore lives as long as the server.
            return Arc::clone(&self.unknown_peers).acquire_owned().await.ok().map(Permit::Unknown);
        }
        let (library, peer) = (request.library(), &incoming.caller.peer);
        let is_known = incoming.member_of.borrow().contains(library);
        // It may have joined just now.
        let is_member = is_known || self.memberships(peer).await.contains(library);
        let slots = match request {
            Request::Pull(_) | Request::Pages { .. } | Request::Chunks { .. } => &self.answers,
            Request::Join(_) | Request::Exchange { .. } | Request::Peers { .. } => &self.short_answers,
        };
        let claim = Claim { library: is_member.then_some(*library), key: peer.key };
        slots.acquire(claim).await.map(Permit::Slot)
    }

    /// The permit for work on behalf of unknown peers. `None` if it is not free in time.
    async fn unknown_peer_permit(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.unknown_peers).acquire_owned();
        timeout(limits::REQUEST_TIMEOUT, place).await.ok()?.ok()
    }

    /// Identifies the holder of a key. `None` if the node shuts down.
    pub(crate) async fn look_up(&self, key: PublicKey) -> Option<LookedUp> {
        let handler = Arc::clone(&self.handler);
        blocking(move || {
            let Identified { node, bound, introduction } = handler.identify(&key);
            let peer = PeerKey { node, key };
            let member_of = handler.memberships(&peer);
            LookedUp { peer, bound, member_of, introduction }
        })
        .await
    }

    /// The libraries here in which a peer is a member.
    pub(crate) async fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let (handler, peer) = (Arc::clone(&self.handler), *peer);
        blocking(move || handler.memberships(&peer)).await.unwrap_or_default()
    }
}

/// A peer after its handshake.
pub(crate) struct LookedUp {
    pub(crate) peer: PeerKey,
    /// The libraries here that bind its key, each with the node.
    pub(crate) bound: Vec<(LibraryId, NodeId)>,
    /// The libraries here of which it is a member.
    pub(crate) member_of: Vec<LibraryId>,
    /// The introduction of this node to it.
    pub(crate) introduction: Option<Hello>,
}

/// The right to make an answer.
pub(crate) enum Permit {
    /// A slot.
    Slot(Slot),
    /// The permit for work on behalf of unknown peers.
    #[expect(dead_code, reason = "it is held, and freed when it is dropped")]
    Unknown(OwnedSemaphorePermit),
}

impl Permit {
    /// Notified where the answer must end, to make room for another one.
    fn yields(&self) -> Arc<Notify> {
        match self {
            Permit::Slot(slot) => slot.yields(),
            Permit::Unknown(_) => Arc::default(),
        }
    }
}

/// The state of a session that its acceptor reads to count connections.
pub(crate) struct Presence {
    /// The libraries here of which the peer is a member.
    pub(crate) member_of: watch::Sender<Vec<LibraryId>>,
    /// Number of its requests that are being answered.
    pub(crate) asking: Arc<AtomicUsize>,
}

/// Serves a peer until it closes the connection, breaks a rule, or the node stops.
pub(crate) async fn session(
    quic: quinn::Connection,
    looked_up: LookedUp,
    presence: Presence,
    context: SessionContext,
) {
    let LookedUp { peer, introduction, .. } = looked_up;
    let began = Instant::now();
    let name = peer_name(&peer.node, quic.remote_address());
    // A peer that does not read the introduction must not keep its place by that.
    let introduced = timeout(limits::REQUEST_TIMEOUT, introduce(&quic, introduction));
    let is_unknown = presence.member_of.borrow().is_empty();
    if !is_unknown {
        quic.set_receive_window(limits::ACCEPT_WINDOW_BYTES.into());
    }
    let (greeted, _) = tokio::join!(greet(&quic, peer, is_unknown, &presence.asking, &context), introduced);
    let (peer, kinds) = match greeted {
        Ok(greeted) => greeted,
        Err(rule) => {
            context.counts.hello_refused();
            tracing::debug!(peer = name, rule, "no hello");
            context.handler.refused(Some(&peer), quic.remote_address(), Refused::Hello, rule);
            return quic.close(CloseCode::Protocol.varint(), rule.as_bytes());
        }
    };
    tracing::debug!(peer = name, "connected");
    let code = serve(&quic, (peer, kinds), began + limits::UNKNOWN_PEER_LIFETIME, &presence, &context).await;
    quic.close(code.varint(), b"");
    tracing::debug!(peer = name, ?code, "disconnected");
    context.handler.ended(&peer);
}

/// Sends the introduction of this node, if its key is not its first one.
async fn introduce(quic: &quinn::Connection, introduction: Option<Hello>) {
    let Some(hello) = introduction else { return };
    let Some(encoded) = encode(&Frame::Hello(hello)) else { return };
    // A dialler that reads no introduction has no use for one.
    if let Ok(mut stream) = quic.open_uni().await {
        let _ = frame::write(&mut stream, vec![encoded], Duration::MAX, &AtomicU64::new(0)).await;
        let _ = stream.finish();
    }
}

/// Reads the peer's hello, and offers the statements in it to the host, before anything is answered. Returns
/// the peer's key with its node, and the kinds of statements that it knows. The error is the rule that was
/// broken.
async fn greet(
    quic: &quinn::Connection,
    peer: PeerKey,
    is_unknown: bool,
    asking: &Arc<AtomicUsize>,
    context: &SessionContext,
) -> Result<(PeerKey, Kinds), &'static str> {
    let hello = hello(quic).await?;
    // From here on its place is not given to another peer before the hello is judged.
    let _asking = Asking::begin(asking);
    if hello.version != VERSION {
        return Err("the hello speaks another version");
    }
    let (peer, kinds) = (PeerKey { node: hello.node, ..peer }, hello.kinds);
    let handler = Arc::clone(&context.handler);
    let place = match is_unknown {
        true => Some(context.unknown_peer_permit().await.ok_or("too many strangers are here; try again")?),
        false => None,
    };
    let recognised = blocking(move || {
        let _place = place;
        handler.greet(&peer, hello)
    });
    match recognised.await {
        Some(true) => Ok((peer, kinds)),
        _ => Err("the hello names another node than the handshake proved"),
    }
}

async fn hello(quic: &quinn::Connection) -> Result<Hello, &'static str> {
    let late = "the hello did not come in time";
    let stream = timeout(limits::REQUEST_TIMEOUT, quic.accept_uni()).await.map_err(|_| late)?;
    let stream = stream.map_err(|_| "the connection ended before the hello")?;
    match FrameReader::up_to(stream, HELLO_BYTES).within(limits::REQUEST_TIMEOUT).next().await {
        Ok(Some(Frame::Hello(hello))) => Ok(hello),
        Err(frame::StreamError::Silent) => Err(late),
        _ => Err("the first stream is no hello"),
    }
}

/// Answers requests, a few at a time; more wait in their streams. A peer that is a member of no library is
/// disconnected at `deadline`. Returns the reason for the end.
async fn serve(
    quic: &quinn::Connection,
    (peer, kinds): (PeerKey, Kinds),
    deadline: Instant,
    presence: &Presence,
    context: &SessionContext,
) -> CloseCode {
    let mut stopped = context.stopped.clone();
    let mut changes = context.changes.clone();
    changes.mark_unchanged();
    let mut answers = JoinSet::new();
    let taken: Arc<AtomicU64> = Arc::default();
    let mut member_of = context.memberships(&peer).await;
    let mut tick = interval_at(Instant::now() + limits::MEMBERSHIP_TICK, limits::MEMBERSHIP_TICK);
    let mut idle_since = Instant::now();
    loop {
        let is_unknown = member_of.is_empty();
        if presence.member_of.borrow().is_empty() && !is_unknown {
            quic.set_receive_window(limits::ACCEPT_WINDOW_BYTES.into());
        }
        presence.member_of.send_if_modified(|known| {
            let is_changed = *known != member_of;
            known.clone_from(&member_of);
            is_changed
        });
        let patience = if answers.is_empty() { idle_since + limits::UNKNOWN_PEER_TIMEOUT } else { deadline };
        tokio::select! {
            () = sleep_until(patience.min(deadline)), if member_of.is_empty() => return CloseCode::Busy,
            stream = quic.accept_bi(), if answers.len() < limits::ANSWERS_PER_CONNECTION => match stream {
                Ok((send, receive)) => {
                    // The peer may have joined just now.
                    let is_unknown = is_unknown && context.memberships(&peer).await.is_empty();
                    let incoming = Incoming {
                        caller: Caller { peer, kinds, exporter: exporter(quic) },
                        is_unknown,
                        member_of: presence.member_of.subscribe(),
                        asking: Arc::clone(&presence.asking),
                        taken: Arc::clone(&taken),
                        quic: quic.clone(),
                    };
                    let reader = match is_unknown {
                        true => FrameReader::up_to(receive, UNKNOWN_PEER_REQUEST_BYTES),
                        false => FrameReader::new(receive),
                    };
                    answers.spawn(answer(send, reader, incoming, context.clone()));
                }
                // The streams ended with the connection; the threads behind them end with their next batch.
                Err(_) => return CloseCode::Done,
            },
            Some(_) = answers.join_next() => idle_since = Instant::now(),
            () = looks_again(&mut changes, &mut tick) => {
                // A join or a new statement may have made the peer a member meanwhile.
                let now = context.memberships(&peer).await;
                if now.is_empty() && !member_of.is_empty() {
                    // Answers under way are dropped with the connection. Where the peer stays a member of
                    // another library, only the answers of the lost one end: see `relay`.
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

/// Waits until the server stops or is gone.
async fn stop(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Waits until memberships may have changed: a statement has arrived, or a membership may have expired.
async fn looks_again(changes: &mut watch::Receiver<u64>, tick: &mut Interval) {
    tokio::select! {
        () = changed(changes) => {}
        _ = tick.tick() => {}
    }
}

/// Waits for a change of any library; for ever if none can come any more.
async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending().await
    }
}

/// The request of a peer, as far as its session knows it.
struct Incoming {
    caller: Caller,
    /// Whether the peer was a member of no library here when it sent the request.
    is_unknown: bool,
    /// The libraries here of which the peer is a member.
    member_of: watch::Receiver<Vec<LibraryId>>,
    /// Number of its requests that are being answered. This one is counted once it has been read.
    asking: Arc<AtomicUsize>,
    /// Bytes of answers that the peer has taken, over all streams of the connection.
    taken: Arc<AtomicU64>,
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
async fn answer(mut send: SendStream, receive: FrameReader, incoming: Incoming, context: SessionContext) {
    let mut receive = receive.within(limits::REQUEST_TIMEOUT);
    let request = match receive.next().await {
        Ok(Some(Frame::Request(request))) => {
            context.counts.request();
            Ok(request)
        }
        Err(frame::StreamError::Malformed(Error::Denied(_))) => {
            context.counts.request_unread();
            let why = "a request longer than a peer without membership may send";
            let address = incoming.quic.remote_address();
            context.handler.refused(Some(&incoming.caller.peer), address, Refused::Request, why);
            Err(Refusal::new(ErrorCode::Denied, ""))
        }
        Err(frame::StreamError::Malformed(error)) => Err(Refusal::new(ErrorCode::Invalid, error.to_string())),
        Ok(Some(_)) => Err(Refusal::new(ErrorCode::Invalid, "a stream must begin with a request")),
        Ok(None) | Err(_) => {
            let _ = send.reset(CloseCode::Stopping.varint());
            return;
        }
    };
    // An answer may take hours: the buffers of the request are freed before it. The stream itself is kept:
    // dropping it before its end was read would tell the peer to stop.
    let _asked = receive.into_stream();
    let asking = Asking::begin(&incoming.asking);
    let taken = Arc::clone(&incoming.taken);
    let written = match request {
        Ok(request) => relay(&mut send, request, incoming, &context).await,
        Err(refusal) => refuse(&mut send, refusal, &taken).await,
    };
    drop(asking);
    if let Err(code) = written {
        // A stream that has ended needs no reset.
        let _ = send.reset(code.varint());
        return;
    }
    // Closing the connection drops unacknowledged data, so the answer ends when all of it is acknowledged.
    let _ = send.finish();
    let _ = timeout(limits::STALL_TIMEOUT, send.stopped()).await;
}

/// Moves the frames of an answer from the thread that makes them to the stream. The error is the code with
/// which the stream is reset.
async fn relay(
    send: &mut SendStream,
    request: Request,
    incoming: Incoming,
    context: &SessionContext,
) -> Result<(), CloseCode> {
    let stopped = send.stopped();
    tokio::pin!(stopped);
    let permit = tokio::select! {
        permit = timeout(limits::ANSWER_WAIT_TIMEOUT, context.permit(&request, &incoming)) => permit,
        _ = &mut stopped => return Err(CloseCode::Stopping),
    };
    let Ok(Some(permit)) = permit else {
        return refuse(send, Refusal::new(ErrorCode::Busy, ""), &incoming.taken).await;
    };
    let (frames, mut batches) = mpsc::channel(limits::ANSWER_QUEUE_BYTES / limits::ANSWER_BATCH_BYTES);
    let (handler, yields) = (Arc::clone(&context.handler), permit.yields());
    let sink = Sink::new(frames, incoming.quic.clone(), permit);
    let taken = Arc::clone(&incoming.taken);
    let (member_of, library) = (incoming.member_of.clone(), *request.library());
    tokio::task::spawn_blocking(move || produce(&*handler, request, &incoming, sink));
    let relayed = async {
        while let Some(batch) = batches.recv().await {
            write(send, batch, &taken).await?;
        }
        Ok(())
    };
    // The thread ends with its next batch, since no batch is received any more.
    tokio::select! {
        relayed = relayed => relayed,
        _ = &mut stopped => Err(CloseCode::Stopping),
        () = yields.notified() => Err(CloseCode::Busy),
        () = leaves(member_of, library) => Err(CloseCode::Revoked),
    }
}

/// Waits until a member of `library` is one no more; for ever if it never becomes one.
async fn leaves(mut member_of: watch::Receiver<Vec<LibraryId>>, library: LibraryId) {
    let has_joined = member_of.wait_for(|now| now.contains(&library)).await.is_ok();
    if !has_joined || member_of.wait_for(|now| !now.contains(&library)).await.is_err() {
        std::future::pending().await
    }
}

async fn refuse(send: &mut SendStream, refusal: Refusal, taken: &AtomicU64) -> Result<(), CloseCode> {
    write(send, encode(&Frame::Error(refusal)).into_iter().collect(), taken).await
}

/// The error is for a peer that reads nothing more.
async fn write(send: &mut SendStream, frames: Vec<Encoded>, taken: &AtomicU64) -> Result<(), CloseCode> {
    frame::write(send, frames, limits::STALL_TIMEOUT, taken).await.map_err(|_| CloseCode::Stopping)
}

/// Makes the frames of an answer; blocks on the store and on the peer.
fn produce(handler: &dyn PeerHandler, request: Request, incoming: &Incoming, mut sink: Sink) {
    let is_join = matches!(request, Request::Join(_));
    let caller = &incoming.caller;
    if let Err(error) = handler.answer(caller, request, &mut sink) {
        let peer = caller.peer.node.short();
        match error {
            Error::Denied(_)
            | Error::Revoked { .. }
            | Error::Missing(_)
            | Error::Invalid(_)
            | Error::Busy(_)
            | Error::Cancelled => {
                tracing::debug!(peer, %error, "a request was refused");
            }
            _ => tracing::warn!(peer, %error, "a request failed here"),
        }
        if matches!(error, Error::Denied(_) | Error::Revoked { .. }) {
            let stage = if is_join { Refused::Join } else { Refused::Request };
            let address = incoming.quic.remote_address();
            handler.refused(Some(&caller.peer), address, stage, &error.to_string());
        }
        sink.push(Frame::Error(if is_join { refuse_join(&error) } else { Refusal::of(&error) }));
    }
    sink.flush();
}

/// The refusal of a join. The joining node holds a ticket, so it may learn why the ticket is refused.
fn refuse_join(error: &Error) -> Refusal {
    match error {
        Error::Denied(text) => Refusal::new(ErrorCode::Denied, text.as_str()),
        other => Refusal::of(other),
    }
}

/// Runs blocking work on a thread for it. `None` if it panicked or the runtime shuts down.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.inspect_err(|error| tracing::error!(%error, "a task failed")).ok()
}
