//! The sync protocol (ALPN `chuan/1`), without I/O: what two nodes say to each other so that one of them ends up with a
//! release that the other has.
//!
//! # What it is for
//!
//! - **First data after one round trip.** The requester says what it has, not what it lacks: class commitments that it
//!   holds whole. A source that knows one of them compares the two versions and sends the difference at once.
//! - **Nothing is believed.** A release is a signed statement; it names a class table by hash, that the class headers,
//!   these the root pages, pages name pages and chunks. Whatever arrives was named by something that was verified
//!   before, or is refused. A source can be slow, incomplete or silent; it cannot make the requester keep a wrong byte.
//! - **A lie costs round trips, never correctness.** After the first answer the requester walks what it holds and asks
//!   for what is missing by position, until nothing is.
//! - **Interruptions cost what was not yet durable.** The walk finds everything that came before.
//! - **Grants can be enforced.** A request names places in a class of a release, never bare hashes: who may not read a
//!   class cannot even ask whether a chunk exists.
//!
//! It is not for finding peers, for choosing among them, or for telling them of news. It does not push, and it does not
//! hide from a source what the requester already has.
//!
//! # An exchange
//!
//! A mirror holds release 7 of `films`; at the origin somebody has replaced the sound of one film and published 8.
//!
//! ```text
//! mirror                                                     origin
//!   hello: node 5f…, its membership          ── stream 1 ──►
//!   pull: channel live, have [c7],
//!         known [root 1, channel 7, release 7],
//!         mode all                           ── stream 2 ──►
//!                                                            is 5f… a member, may it read `default`? yes.
//!                                                            c7 is a class of release 7: compare with 8
//!                                            ◄── statement   release 8
//!                                            ◄── statement   channel live: release 8
//!                                            ◄── table       [slot 0: c8]
//!                                            ◄── header      c8: root page, sums
//!                                            ◄── page        the root; then the path of pages to the film's entry
//!                                            ◄── page        pages of the film's chunk tree that are new
//!                                            ◄── chunk …     chunks of those pages that the old film has not
//!                                            ◄── end         complete
//!   signatures by the keys of root 1; each
//!   page and chunk named by one before it;
//!   commit; walk: nothing is missing; mark
//!   pages whole; keep the statements; move
//!   the channel; commit
//! ```
//!
//! Had the connection broken, the mirror would ask again with no `have` and mode *pages*: the answer is the root page,
//! and the walk below what is held gives the next requests, pages a level at a time and chunks in large runs:
//!
//! ```text
//!   pages: class c8, [(content, level 0, chunk 5120) …]  ──►
//!   chunks: class c8, [5123 + 61, 5190 + 7 …]            ──►
//! ```
//!
//! A source that has not got the release that is announced says so, with what it has, and sends no data: the mirror may then
//! ask for an older release of that line ([`takeable`](mod@takeable)).
//!
//! A node without a common version sends a pull with an empty `have` and mode *all*, and gets everything depth-first.
//! One that is up to date gets an end and nothing else.
//!
//! # The parts
//!
//! [`frame`] has the bytes on a stream and [`message`] the messages in them. [`session`] answers a request, [`fetch`]
//! makes requests and takes the answers; [`takeable`](mod@takeable) says which release is taken where the newest is not to be
//! had; [`exchange`] is for statements. Each runs on a thread of its own that may block on the store; whoever drives
//! them owns streams, timeouts and memory between the two. `place` is the walk over a class that both share, `send`
//! and `pack` get chunks out, `changes` compares versions, `origin` and `likeness` say what new chunks are made from,
//! [`delta`] makes them, `recent` is a bounded memory.
//!
//! Rules that the drivers keep: a hello comes first on a connection, on a unidirectional stream of its own; each request
//! has a bidirectional stream of its own; an answer ends with [`End`](message::End) or [`Refusal`](message::Refusal), and
//! a stream that ends without was cut; stopping a stream cancels the request.

mod changes;
pub mod delta;
pub mod exchange;
pub mod fetch;
pub mod frame;
mod likeness;
pub mod message;
mod origin;
mod pack;
#[cfg(test)]
mod pair;
mod place;
mod recent;
mod send;
pub mod session;
pub mod takeable;
#[cfg(test)]
mod tests;
