//! The times of [`schedule`](crate::schedule).

/// The time in ms between two fetches of a class of which content is added over time, where its policy names
/// none.
pub const FOLLOW_INCREMENTAL_EVERY: u64 = 10 * 60 * 1000;
/// The time in ms between two fetches of a class that hardly ever changes, where its policy names none.
pub const FOLLOW_STATIC_EVERY: u64 = 24 * 60 * 60 * 1000;
/// The part of an interval by which a fetch is delayed at most, by a random number: one in this many.
pub const FOLLOW_SPREAD_SHARE: u64 = 10;
/// The time in ms before the second attempt of a fetch that failed, at most; it doubles with each failure.
pub const FOLLOW_RETRY_FIRST: u64 = 2_000;
/// The time in ms between two attempts of a fetch, at most.
pub const FOLLOW_RETRY_LONGEST: u64 = 5 * 60 * 1000;
