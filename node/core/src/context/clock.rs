//! The clock. Times are labels: nothing is served less for them, and no order of statements rests on them alone.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time by this machine's clock, in ms since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX).saturating_add(shift_ms())
}

/// By how much a test has set the clock: the milliseconds in the file that `CHUAN_TEST_CLOCK` names, read anew each time, so
/// that the clock of a program that runs can jump. Programs that are shipped have no such thing.
#[cfg(debug_assertions)]
fn shift_ms() -> i64 {
    let file = std::env::var_os("CHUAN_TEST_CLOCK");
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(not(debug_assertions))]
const fn shift_ms() -> i64 {
    0
}
