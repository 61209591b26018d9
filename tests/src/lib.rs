//! The harness of the integration tests, the demo, the kill test and the benchmarks.
//!
//! It runs the real `chuan` binary in homes of its own ([`program`]), makes data from seeds ([`media`], [`rng`]), and puts
//! a network of known badness between two nodes ([`relay`]), or a peer that keeps to no rule beside them ([`hostile`]). It must not look inside a home: what a user cannot see, a
//! test here cannot either.

pub mod attack;
pub mod clock;
pub mod flips;
pub mod hostile;
pub mod kill;
pub mod media;
pub mod page;
pub mod pair;
pub mod program;
pub mod relay;
pub mod rng;
