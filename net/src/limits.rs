//! All limits of the transport, by name, with the relations that must hold between them.
//!
//! Limits of the protocol itself (frames, requests) are in the engine; these are limits of sockets, windows
//! and time.

use std::time::Duration;

use chuan_engine::limits as engine;

/// Time limit of a handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// A handshake that takes longer than this gives its place to another one from its address, where all places
/// of that are taken.
pub const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(1);
/// Time limit of the hello, and of the body of a request on an open stream. [`PROGRESS_BYTES`] of it add a
/// second.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that receives nothing for this long is closed.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of the dialler's keep-alives. A vanished peer is noticed after at most this and [`IDLE_TIMEOUT`]:
/// the last keep-alive sent moves the deadline once.
pub const KEEP_ALIVE: Duration = Duration::from_secs(4);
/// An answer that brings nothing for this long has failed. Its connection may live on: the peer hangs, not
/// the path.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// So many bytes of an answer extend the wait for it by a second, up to [`SILENCE_TIMEOUT`]: 16 KiB every ten
/// seconds continue without end, less ends.
pub const PROGRESS_BYTES: u64 = 1638;
/// Time limit for the answer to a join.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(60);
/// Time limit for the lookup of a host name.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that is a member of no library here (an unknown peer) is disconnected when it has sent no request
/// for this long. Where all places are taken, the oldest of those that are silent makes room for the next.
pub const UNKNOWN_PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest session of an unknown peer, whatever it requests: time enough to join.
pub const UNKNOWN_PEER_LIFETIME: Duration = Duration::from_secs(10);
/// A dialler that reads nothing of its answers for this long, or less than [`PROGRESS_BYTES`] a second for
/// longer, loses them: an answer holds memory and a thread. The answers of a connection share its link, so
/// what it reads of one counts for all.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// When a membership expires, the peer's connections end within this time.
pub const MEMBERSHIP_TICK: Duration = Duration::from_secs(10);
/// How long a closing server waits for answers to finish.
pub const CLOSE_GRACE: Duration = Duration::from_secs(3);
/// How long a dialler that is done waits for its close notice to be sent. QUIC's own wait is three times its
/// probe timeout: a second where a round trip takes 200 ms.
pub const HANG_UP_GRACE: Duration = Duration::from_millis(20);
/// A node whose key is not its first introduces itself within this time, or within three round trips.
pub const INTRODUCTION_TIMEOUT: Duration = Duration::from_secs(1);
/// The next address of a node is tried when the previous one has not answered for this long.
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);

/// Open requests of a peer on one connection.
pub const STREAMS_BIDI: u32 = 64;
/// Open one-way streams of a peer on one connection: the hello, and room for gossip.
pub const STREAMS_UNI: u32 = 16;
/// Bytes in flight to a dialler, over all streams, that it has not read yet, if the path is short. Also the
/// bytes that an acceptor has written to one nearby dialler without acknowledgement.
pub const WINDOW_BYTES: u32 = 2 * 1024 * 1024;
/// The same for a long path. Losses in a flight of this size leave fewer than 1024 gaps.
pub const WINDOW_SAFE_BYTES: u32 = 45 * 64 * 1024;
/// The largest window, after the path has shown that it holds so much: enough for 200 Mbit/s over 400 ms, or
/// 1 Gbit/s over 80 ms.
pub const WINDOW_MAX_BYTES: u32 = 16 * 1024 * 1024;
/// The highest rate, in bytes a second, for which an acceptor sizes its send window.
pub const WINDOW_RATE: u64 = 1_250_000_000;
/// A window is measured once a round trip, but not more often than this.
pub const WINDOW_TICK: Duration = Duration::from_millis(10);
/// Bytes in flight to an acceptor that it has not read yet: only hellos and requests.
pub const ACCEPT_WINDOW_BYTES: u32 = 256 * 1024;
/// The same from an unknown peer.
pub const UNKNOWN_PEER_WINDOW_BYTES: u32 = 32 * 1024;
/// Bytes that an acceptor has written to all diallers without acknowledgement. Shared between the
/// connections.
pub const SEND_POOL_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes in flight before the first acknowledgement: an answer of this size takes one round trip.
pub const INITIAL_WINDOW_BYTES: u64 = 1024 * 1024;
/// Bytes requested of the kernel for a socket's receive buffer: a burst of [`INITIAL_WINDOW_BYTES`] and its
/// bookkeeping.
pub const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The UDP payload that path discovery probes, once: the payload of Ethernet over IPv4 and IPv6.
pub const DATAGRAM_BYTES: u16 = 1452;

/// Connections of members that an acceptor holds. Where all are taken, the library with the most of them
/// leaves one to a library with fewer: its owner can make any number of nodes members.
pub const CONNECTIONS: usize = 256;
/// Connections of unknown peers that an acceptor holds beside those: keys cost nothing.
pub const UNKNOWN_PEER_CONNECTIONS: usize = 64;
/// Of [`UNKNOWN_PEER_CONNECTIONS`], the connections from one IP address.
pub const UNKNOWN_PEERS_PER_ADDRESS: usize = 16;
/// Connections of one node that an acceptor holds, over all keys that one library binds to it. Keys that
/// another library binds to it count apart.
pub const CONNECTIONS_PER_NODE: usize = 4;
/// Connections of one IP address (of IPv6: network of 64 bits) that an acceptor holds. Behind address
/// translation many nodes share one address.
pub const CONNECTIONS_PER_ADDRESS: usize = 128;
/// Number of handshakes under way from which on a dialler must prove its address first.
pub const HALF_OPEN_RETRY: usize = 32;
/// Most handshakes under way; more are ignored.
pub const HALF_OPEN: usize = 128;
/// Most handshakes under way with one IP address.
pub const HALF_OPEN_PER_ADDRESS: usize = 16;
/// Most first datagrams that wait for a decision.
pub const INCOMING: usize = 1024;
/// Bytes kept of one dialler that waits for a decision.
pub const INCOMING_BYTES: u64 = 64 * 1024;
/// The same over all waiting diallers.
pub const INCOMING_TOTAL_BYTES: u64 = 16 * 1024 * 1024;

/// Answers under way on one connection.
pub const ANSWERS_PER_CONNECTION: usize = 2;
/// Answers from the store under way in a process; more wait. Each holds a thread and up to 2 MiB.
pub const ANSWERS: usize = 32;
/// The same for all other answers: to joins, exchanges of statements and requests for peers.
pub const SHORT_ANSWERS: usize = 32;
/// Permits for all work on behalf of unknown peers: the statements of their hellos are checked and their
/// requests are answered one after the other. Any number of unknown peers keeps at most this many threads
/// busy.
pub const UNKNOWN_PEER_ANSWERS: usize = 1;
/// A request that waits longer than this for a slot ends an answer of a library or key that has more than its
/// share.
pub const ANSWER_YIELD_AFTER: Duration = Duration::from_secs(1);
/// A request that waits longer than this for its permit is refused as busy.
pub const ANSWER_WAIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of frames in one batch from an answering thread to its stream.
pub const ANSWER_BATCH_BYTES: usize = 256 * 1024;
/// Bytes of frames that wait between an answering thread and its stream.
pub const ANSWER_QUEUE_BYTES: usize = 512 * 1024;
/// Bytes that a pulling thread reads from a stream at a time, about.
pub const PULL_BATCH_BYTES: usize = 384 * 1024;
/// Requests of one pull in flight.
pub const PULL_REQUESTS: usize = engine::FETCH_REQUESTS;

const _: () = assert!(ANSWER_QUEUE_BYTES >= ANSWER_BATCH_BYTES);
// A killed puller fetches at most 16 MiB again, plus the data in flight: the receive window and one batch of
// each stream here, and a batch, the queue and two groups at the source.
const _: () = assert!(
    WINDOW_BYTES as u64
        + (PULL_REQUESTS * PULL_BATCH_BYTES + engine::APPEND_BYTES) as u64
        + engine::APPEND_QUEUE_BYTES
        + 2 * engine::GROUP_BYTES
        <= 16 * 1024 * 1024
);
// One node alone cannot use up the answers of all others. Some nodes together can: then they yield some.
const _: () = assert!(4 * CONNECTIONS_PER_NODE * ANSWERS_PER_CONNECTION <= ANSWERS);
const _: () = assert!(4 * CONNECTIONS_PER_NODE * ANSWERS_PER_CONNECTION <= SHORT_ANSWERS);
const _: () =
    assert!(engine::HELLO_BYTES + engine::UNKNOWN_PEER_REQUEST_BYTES <= UNKNOWN_PEER_WINDOW_BYTES as usize);
const _: () = assert!(ANSWER_WAIT_TIMEOUT.as_secs() < SILENCE_TIMEOUT.as_secs());
const _: () = assert!(2 * ANSWER_YIELD_AFTER.as_secs() < ANSWER_WAIT_TIMEOUT.as_secs());
const _: () = assert!(UNKNOWN_PEER_CONNECTIONS < CONNECTIONS && HALF_OPEN_RETRY < HALF_OPEN);
const _: () = assert!(4 * UNKNOWN_PEERS_PER_ADDRESS <= UNKNOWN_PEER_CONNECTIONS);
const _: () = assert!(HALF_OPEN_PER_ADDRESS <= HALF_OPEN_RETRY && 8 * HALF_OPEN_PER_ADDRESS <= HALF_OPEN);
const _: () = assert!(HANDSHAKE_PATIENCE.as_millis() < HANDSHAKE_TIMEOUT.as_millis());
const _: () = assert!(UNKNOWN_PEER_TIMEOUT.as_secs() < UNKNOWN_PEER_LIFETIME.as_secs());
const _: () = assert!(SEND_POOL_BYTES / CONNECTIONS as u64 >= 256 * 1024);
const _: () = assert!(INITIAL_WINDOW_BYTES < WINDOW_BYTES as u64 && WINDOW_BYTES < WINDOW_SAFE_BYTES);
const _: () =
    assert!(WINDOW_SAFE_BYTES < 2 * 1024 * DATAGRAM_BYTES as u32 && WINDOW_SAFE_BYTES < WINDOW_MAX_BYTES);
const _: () = assert!(KEEP_ALIVE.as_secs() + IDLE_TIMEOUT.as_secs() < 15);
// A puller that was killed again and again left as many connections behind as a node may have. It waits until
// the source has noticed that.
const _: () = assert!(IDLE_TIMEOUT.as_secs() * 2 < engine::BUSY_WAIT_TOTAL.as_secs());
