//! How long a puller waits for a source that is busy, before it asks it again. Pure: the caller sleeps.
//!
//! A source refuses a node that has too many connections there. A node that was killed leaves its connections
//! behind, and the source notices that only when they have been silent for a while.

use std::time::Duration;

use crate::limits::{BUSY_WAIT_FIRST, BUSY_WAIT_LONGEST, BUSY_WAIT_TOTAL};

/// The waits for one source: each about twice as long as the one before, with a random share, so that many
/// pullers do not come back together; in all no longer than [`BUSY_WAIT_TOTAL`].
#[derive(Clone, Debug)]
pub struct BusyWaits {
    next: Duration,
    left: Duration,
}

impl Default for BusyWaits {
    fn default() -> Self {
        Self { next: BUSY_WAIT_FIRST, left: BUSY_WAIT_TOTAL }
    }
}

impl BusyWaits {
    /// The next wait, between half of its length and all of it by the number `random`; `None` where the
    /// source has been waited for long enough.
    pub fn next(&mut self, random: u64) -> Option<Duration> {
        if self.left.is_zero() {
            return None;
        }
        let half = self.next / 2;
        let share = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let wait = (half + Duration::from_millis(random % share)).min(self.left);
        self.next = (2 * self.next).min(BUSY_WAIT_LONGEST);
        self.left -= wait;
        Some(wait)
    }

    /// How long all waits together may take from now on.
    pub const fn left(&self) -> Duration {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_whatever_the_random_numbers() {
        for random in [0, 1, 249, 12_345, u64::MAX] {
            let mut waits = BusyWaits::default();
            let all: Vec<Duration> = std::iter::from_fn(|| waits.next(random)).take(1000).collect();
            assert_eq!(all.iter().sum::<Duration>(), BUSY_WAIT_TOTAL);
            assert!(all[0] <= BUSY_WAIT_FIRST && all.iter().all(|wait| *wait <= BUSY_WAIT_LONGEST));
            assert!(all.len() < 32, "{} attempts", all.len());
        }
    }
}
