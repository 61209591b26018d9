//! Every bound of the transport, by name, with the relations that must hold between them.
//!
//! Bounds of the protocol itself (frames, requests) are the engine's; these are of sockets, windows and time.

use std::time::Duration;

use chuan_engine::limits as engine;

/// The handshake must be over by then.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// The hello, and the body of a request on a stream that was opened, must be here by then.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection on which nothing came for this long is dead.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The dialler lets itself be heard this often. A vanished peer is noticed after at most this and [`IDLE_TIMEOUT`]:
/// the last keep-alive sent moves the deadline once.
pub const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// An answer of which nothing came for this long will not come. Its connection may live on: the peer hangs, not the path.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// So many bytes of an answer let it be waited for a second longer, up to [`SILENCE_TIMEOUT`]: 16 KiB in ten seconds go on for ever,
/// less ends.
pub const PROGRESS_BYTES: u64 = 1638;
/// A ticket is taken, or not, by then.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
/// A name of a node's host is looked up by then.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A node that is a member of nothing here is shown out when it has asked nothing for this long.
pub const STRANGER_TIMEOUT: Duration = Duration::from_secs(5);
/// The same, whatever it has asked: time enough to join.
pub const STRANGER_LIFETIME: Duration = Duration::from_secs(10);
/// A stranger of which no request is being answered keeps its place for this long whoever comes: time for a join to arrive
/// with the hello. After that it makes room for the next stranger, where there is no place left.
pub const STRANGER_GRACE: Duration = Duration::from_secs(1);
/// A dialler that takes nothing of an answer for this long, or less than [`PROGRESS_BYTES`] a second for longer, loses the answer:
/// it holds memory and a thread.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// A grant, or the grace of a key, that ends by itself ends the answers that go on by it within this time.
pub const STANDING_TICK: Duration = Duration::from_secs(1);
/// A membership that ends by itself ends the peer's connections within this time.
pub const MEMBERSHIP_TICK: Duration = Duration::from_secs(10);
/// How long a closing server lets answers finish.
pub const CLOSE_GRACE: Duration = Duration::from_secs(3);
/// How long a dialler that is done stays for its notice to go out: QUIC would have it wait three times its time-out, which
/// is a second where a round trip takes 200 ms.
pub const HANG_UP_GRACE: Duration = Duration::from_millis(20);
/// A node that has another key than its first introduces itself by then, or within three round trips.
pub const INTRODUCTION_TIMEOUT: Duration = Duration::from_secs(1);
/// The next address of a node is tried when the one before has not answered for this long.
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);

/// Requests a peer may have open on one connection.
pub const STREAMS_BIDI: u32 = 64;
/// One-way streams a peer may have open on one connection: the hello, and room for gossip.
pub const STREAMS_UNI: u32 = 16;
/// Bytes on their way to a dialler, over all streams, that it has not read yet, where the path is short; and what an acceptor may have written to one dialler that is near and not yet seen acknowledged.
pub const WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// The same where the path is long. Of so many bytes no loss leaves a thousand gaps.
pub const WINDOW_SAFE_BYTES: u32 = 45 * 64 * 1024;
/// The same at most, once the path has shown that it holds so much: enough for 200 Mbit/s over 400 ms, or 1 Gbit/s over 80 ms.
pub const WINDOW_MAX_BYTES: u32 = 16 * 1024 * 1024;
/// Bytes a second at most that an acceptor reads ahead for.
pub const WINDOW_RATE: u64 = 1_250_000_000;
/// A window is looked at once a round trip, but not more often than this.
pub const WINDOW_TICK: Duration = Duration::from_millis(10);
/// Bytes on their way to an acceptor that it has not read yet: hellos and requests only.
pub const ACCEPT_WINDOW_BYTES: u32 = 256 * 1024;
/// The same of a node that is a member of nothing here.
pub const STRANGER_WINDOW_BYTES: u32 = 32 * 1024;
/// Bytes an acceptor may have written to all dialers and not yet seen acknowledged. Shared out over the connections.
pub const SEND_POOL_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes in flight before the first acknowledgement: an answer of this size takes one round trip.
pub const INITIAL_WINDOW_BYTES: u64 = 1024 * 1024;
/// Bytes asked of the kernel for a socket's receive buffer: a burst of [`INITIAL_WINDOW_BYTES`] and its bookkeeping.
pub const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The UDP payload that path discovery tries, once: what Ethernet carries over IPv4 and IPv6.
pub const DATAGRAM_BYTES: u16 = 1452;

/// Connections an acceptor holds.
pub const CONNECTIONS: usize = 256;
/// Of [`CONNECTIONS`], those that nodes which are members of nothing here may hold: keys cost nothing.
pub const CONNECTIONS_OF_STRANGERS: usize = 64;
/// Of [`CONNECTIONS_OF_STRANGERS`], those that may come from one IP address.
pub const STRANGERS_PER_ADDRESS: usize = 16;
/// Connections of one node an acceptor holds, under whichever of its keys.
pub const CONNECTIONS_PER_NODE: usize = 4;
/// Connections of one IP address (of IPv6: network of 64 bits) an acceptor holds. Many nodes may share one behind address
/// translation.
pub const CONNECTIONS_PER_ADDRESS: usize = 128;
/// Handshakes under way from which on a dialler must prove its address first.
pub const HALF_OPEN_RETRY: usize = 32;
/// Handshakes under way at most; more are ignored.
pub const HALF_OPEN: usize = 128;
/// Handshakes under way with one IP address at most.
pub const HALF_OPEN_PER_ADDRESS: usize = 16;
/// First datagrams waiting for a decision at most.
pub const INCOMING: usize = 1024;
/// Bytes kept of one dialler that waits for a decision.
pub const INCOMING_BYTES: u64 = 64 * 1024;
/// The same over all that wait.
pub const INCOMING_TOTAL_BYTES: u64 = 16 * 1024 * 1024;

/// Answers in the making on one connection.
pub const ANSWERS_PER_CONNECTION: usize = 2;
/// Answers from the store in the making in a process; more wait. Each holds a thread and up to 2 MiB.
pub const ANSWERS: usize = 32;
/// The same of all other answers: to joins, exchanges of statements and questions about peers.
pub const SHORT_ANSWERS: usize = 32;
/// Places for all that is done for nodes that are members of nothing here: what their hellos show is looked at, and their
/// requests are answered, one after the other. However many come, they keep one thread busy at most.
pub const STRANGER_ANSWERS: usize = 1;
/// A request that has no turn for so long is refused as too much.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of frames that an answering thread hands to its stream at once.
pub const ANSWER_BATCH_BYTES: usize = 256 * 1024;
/// Bytes of frames that wait between an answering thread and its stream.
pub const ANSWER_QUEUE_BYTES: usize = 512 * 1024;
/// Bytes that a pulling thread takes from a stream at once, about.
pub const PULL_BATCH_BYTES: usize = 384 * 1024;
/// Requests of one pull in flight.
pub const PULL_REQUESTS: usize = engine::FETCH_REQUESTS;

const _: () = assert!(ANSWER_QUEUE_BYTES >= ANSWER_BATCH_BYTES);
// A killed puller fetches at most 16 MiB again, and what was on its way: what is in a window here, in a batch of each
// stream, and in batch, queue and two groups there.
const _: () = assert!(
    WINDOW_BYTES as u64
        + (PULL_REQUESTS * PULL_BATCH_BYTES + engine::APPEND_BYTES) as u64
        + engine::APPEND_QUEUE_BYTES
        + 2 * engine::GROUP_BYTES
        <= 16 * 1024 * 1024
);
// No node alone keeps all others from their answers.
const _: () = assert!(4 * CONNECTIONS_PER_NODE * ANSWERS_PER_CONNECTION <= ANSWERS);
const _: () = assert!(4 * CONNECTIONS_PER_NODE * ANSWERS_PER_CONNECTION <= SHORT_ANSWERS);
const _: () = assert!(engine::HELLO_BYTES + engine::STRANGER_REQUEST_BYTES <= STRANGER_WINDOW_BYTES as usize);
const _: () = assert!(ANSWER_PATIENCE.as_secs() < SILENCE_TIMEOUT.as_secs());
const _: () = assert!(CONNECTIONS_OF_STRANGERS < CONNECTIONS && HALF_OPEN_RETRY < HALF_OPEN);
const _: () = assert!(4 * STRANGERS_PER_ADDRESS <= CONNECTIONS_OF_STRANGERS);
const _: () = assert!(HALF_OPEN_PER_ADDRESS <= HALF_OPEN_RETRY && 8 * HALF_OPEN_PER_ADDRESS <= HALF_OPEN);
const _: () = assert!(STRANGER_GRACE.as_secs() < STRANGER_TIMEOUT.as_secs());
const _: () = assert!(STRANGER_TIMEOUT.as_secs() < STRANGER_LIFETIME.as_secs());
const _: () = assert!(SEND_POOL_BYTES / CONNECTIONS as u64 >= 256 * 1024);
const _: () = assert!(INITIAL_WINDOW_BYTES < WINDOW_BYTES as u64 && WINDOW_BYTES < WINDOW_SAFE_BYTES);
const _: () =
    assert!(WINDOW_SAFE_BYTES < 2 * 1024 * DATAGRAM_BYTES as u32 && WINDOW_SAFE_BYTES < WINDOW_MAX_BYTES);
const _: () = assert!(KEEP_ALIVE.as_secs() + IDLE_TIMEOUT.as_secs() < 15);
