//! The sync protocol (ALPN `chuan/2`) without I/O: the messages by which a node gets a release from another
//! node.
//!
//! # Purpose
//!
//! - **First data after one round trip.** The requester names the data that it holds, not the data that it
//!   lacks: the commitments of the classes that it holds whole. A source that knows one of these commitments
//!   compares the two versions and sends the difference at once.
//! - **All received data is verified.** A release is a signed statement. It names a class table by hash, the
//!   table names class headers, a header names a root page, and pages name pages and chunks. A received
//!   object is accepted only if a verified object names it. A source can be slow, incomplete or silent; it
//!   cannot make the requester store a wrong byte.
//! - **False claims cost round trips, never correctness.** After the first answer the requester walks the
//!   data that it holds and requests the missing parts by position, until no part is missing.
//! - **An interruption costs only the data that was not yet durable.** The walk finds all data that arrived
//!   before.
//! - **Grants can be enforced.** A request names positions in a class of a release, never bare hashes. A peer
//!   that is not authorized to read a class cannot even ask whether a chunk exists.
//!
//! The protocol does not find peers, choose among peers or announce news. It does not push data. It does not
//! hide from a source which data the requester already has.
//!
//! # An exchange
//!
//! A mirror holds release 7 of `films`. At the origin, the sound track of one film was replaced and release 8
//! was published.
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
//!                                            ◄── chunk …     chunks of those pages that the old film lacks
//!                                            ◄── end         complete
//!   signatures by the keys of root 1; each
//!   page and chunk named by one before it;
//!   commit; walk: no data missing; mark
//!   pages whole; keep the statements; move
//!   the channel; commit
//! ```
//!
//! After a broken connection the mirror would send a pull with an empty `have` and mode *pages*. The answer
//! is the root page. The walk over the held pages gives the next requests, for pages one level at a time and
//! for chunks in large runs:
//!
//! ```text
//!   pages: class c8, [(content, level 0, chunk 5120) …]  ──►
//!   chunks: class c8, [5123 + 61, 5190 + 7 …]            ──►
//! ```
//!
//! A source that does not have the announced release answers with the releases that it holds, and sends no
//! data. The mirror may then request an older release of the same line ([`takeable`](mod@takeable)).
//!
//! A node without a common version sends a pull with an empty `have` and mode *all*, and gets the release
//! depth-first. A node that is up to date gets only an end.
//!
//! # Parts
//!
//! [`frame`] encodes frames on a stream, [`message`] the messages in them. [`session`] answers requests.
//! [`fetch`] makes requests and takes the answers. [`takeable`](mod@takeable) chooses a release where the
//! newest one is not available. [`exchange`] is for statements. Each of these runs on a thread of its own,
//! which may block on the store; the driver (the caller) owns streams, timeouts and the memory between them.
//! `place` is the walk over a class that both sides share. `send` and `pack` read and pack chunks. `changes`
//! compares versions, `origin`, `likeness` and `shingles` choose the base of new chunks, [`delta`] encodes
//! them. `recent` is a bounded set of recent keys.
//!
//! Rules for the drivers: a hello comes first on a connection, on a unidirectional stream of its own. Each
//! request has a bidirectional stream of its own. An answer ends with [`End`](message::End) or
//! [`Refusal`](message::Refusal); a stream that ends without either was cut. Stopping a stream cancels the
//! request.

pub mod busy;
mod changes;
pub mod delta;
pub mod dials;
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
pub mod respond;
mod send;
pub mod session;
mod shingles;
pub mod takeable;
#[cfg(test)]
mod tests;
