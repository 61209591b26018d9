//! What the two benchmark programs share: `bench`, which holds Chuan against the machine's limits, and `peers`, which
//! holds it against what users would pick instead.

pub mod cache;
pub mod process;
pub mod sample;
