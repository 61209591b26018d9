//! The harness of the integration tests, the demo, the kill test and the benchmarks.
//!
//! It runs the real `chuan` binary in homes of its own ([`program`]), makes data from seeds ([`media`],
//! [`rng`]), and puts a bad network between two nodes ([`relay`]), or adds a peer that breaks the protocol
//! ([`hostile`]). It must not look inside a home: a test sees only what a user can see.

pub mod attack;
pub mod clock;
#[cfg(target_arch = "x86_64")]
pub mod crash;
pub mod flips;
pub mod hostile;
pub mod kill;
pub mod media;
pub mod page;
pub mod pair;
pub mod program;
pub mod relay;
pub mod rng;
