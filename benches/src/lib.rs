//! Common parts of the two benchmark programs: `bench`, which compares Chuan with the machine's limits, and
//! `peers`, which compares it with alternative tools.

pub mod cache;
pub mod film;
pub mod process;
pub mod sample;
