//! The simulator: many nodes with their real services, in one thread and in virtual time, from a seed that
//! replays exactly. Only the network, the clock, the randomness and the stores are simulated; the seam to the
//! network is `chuan_net::link`.
//!
//! A run is a function of its seed: blocking work runs in the calling task, every `select!` is biased, and
//! keys, delays, losses, partitions and restarts come from the seed. A failing run prints its seed and the
//! end of its trace:
//!
//! ```text
//! SIM_SEED=17 cargo test -p chuan sim::tests::every_seed
//! ```
//!
//! `turmoil` simulates sockets below a protocol; QUIC brings its own timers and randomness there, so a run
//! would not replay. This seam is above QUIC.

mod asking;
mod content;
mod dialling;
mod following;
mod network;
mod planted;
mod rng;
mod scenarios;
mod tests;
mod trace;
mod vouching;
mod world;

pub(crate) use planted::{Bug, Planted};
