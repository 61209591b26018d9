//! When a node fetches a release that was announced on a channel that it follows. Pure: the caller passes
//! times and random numbers, and runs the fetch.

use crate::{
    limits::{
        FOLLOW_INCREMENTAL_EVERY, FOLLOW_RETRY_FIRST, FOLLOW_RETRY_LONGEST, FOLLOW_SPREAD_SHARE,
        FOLLOW_STATIC_EVERY,
    },
    statement::{ClassPolicy, Mirror},
};

/// How a library is followed: of each setting, the most demanding one of the rows of its classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// The time between the end of a fetch and the next fetch, in ms. 0: a fetch begins at once.
    pub every_ms: u64,
    /// The time after an announcement within which the release shall be here, in ms. 0: not set.
    pub complete_by_ms: u64,
    /// The library with the higher priority is fetched first.
    pub priority: u8,
}

impl Pace {
    /// The pace for the rows of the followed classes; `None` is a class without a row, which is followed at
    /// once. Without any class, the library is followed at once.
    pub fn of<'a>(rows: impl IntoIterator<Item = Option<&'a ClassPolicy>>) -> Self {
        let all = rows.into_iter().map(|row| row.map_or_else(Self::default, Self::of_row));
        all.reduce(Self::and).unwrap_or_default()
    }

    fn of_row(row: &ClassPolicy) -> Self {
        let every_ms = match (row.mirror, row.every_ms) {
            (Some(Mirror::Dynamic), _) => 0,
            (Some(Mirror::Incremental), 0) => FOLLOW_INCREMENTAL_EVERY,
            (Some(Mirror::Static), 0) => FOLLOW_STATIC_EVERY,
            (_, every_ms) => every_ms,
        };
        // A copy may be behind by `rpo`: it shall be complete within that time, too.
        let complete_by_ms = shorter(row.complete_by_ms, row.rpo_ms);
        Self { every_ms, complete_by_ms, priority: row.priority }
    }

    fn and(self, other: Self) -> Self {
        Self {
            every_ms: self.every_ms.min(other.every_ms),
            complete_by_ms: shorter(self.complete_by_ms, other.complete_by_ms),
            priority: self.priority.max(other.priority),
        }
    }
}

/// The shorter of two times, of which 0 is not set.
fn shorter(one: u64, other: u64) -> u64 {
    match (one, other) {
        (0, time) | (time, 0) => time,
        (one, other) => one.min(other),
    }
}

/// The state of a followed library. Times are in ms since 1970, by the node's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// When the newest release was announced, if it is not here.
    pub announced_ms: Option<i64>,
    /// When the last fetch ended that brought what was announced.
    pub fetched_ms: Option<i64>,
    /// When the last fetch ended that did not.
    pub failed_ms: i64,
    /// The number of such fetches since the last success or the last announcement.
    pub failures: u32,
    /// A random number, drawn anew after each fetch: many mirrors shall not fetch at the same moment.
    pub random: u64,
}

impl Track {
    /// When the next fetch begins; `None` while nothing is announced that is not here.
    ///
    /// An interval is kept unless the release would then come later than half of the time within which it
    /// shall be complete. After a failure the next attempt waits, each time twice as long.
    pub fn due_ms(&self, pace: &Pace) -> Option<i64> {
        let announced = self.announced_ms?;
        let mut due = announced;
        if let Some(fetched) = self.fetched_ms.filter(|_| pace.every_ms > 0) {
            let spread = part(pace.every_ms / FOLLOW_SPREAD_SHARE, self.random);
            due = due.max(later(fetched, pace.every_ms.saturating_add(spread)));
        }
        if pace.complete_by_ms > 0 {
            due = due.min(later(announced, pace.complete_by_ms / 2));
        }
        Some(due.max(self.retry_ms()))
    }

    /// The earliest time of the next attempt after failures; in the past where there was none.
    pub fn retry_ms(&self) -> i64 {
        if self.failures == 0 {
            return i64::MIN;
        }
        let doubled =
            FOLLOW_RETRY_FIRST.saturating_mul(1_u64.checked_shl(self.failures - 1).unwrap_or(u64::MAX));
        let half = doubled.min(FOLLOW_RETRY_LONGEST) / 2;
        later(self.failed_ms, half + part(half, self.random))
    }

    /// Notes the end of a fetch.
    pub fn ended(&mut self, now_ms: i64, is_done: bool, random: u64) {
        self.random = random;
        if is_done {
            (self.fetched_ms, self.failures) = (Some(now_ms), 0);
        } else {
            (self.failed_ms, self.failures) = (now_ms, self.failures.saturating_add(1));
        }
    }

    /// Notes what is announced now, if anything. A newer announcement is fetched without the delay after
    /// failures with an older one.
    pub fn announced(&mut self, announced_ms: Option<i64>) {
        if self.announced_ms != announced_ms {
            (self.announced_ms, self.failures) = (announced_ms, 0);
        }
    }
}

fn later(time_ms: i64, by_ms: u64) -> i64 {
    time_ms.saturating_add(i64::try_from(by_ms).unwrap_or(i64::MAX))
}

/// A part of `whole`, from none to all of it, by a random number.
fn part(whole: u64, random: u64) -> u64 {
    random % (whole.saturating_add(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    fn row(mirror: Mirror, every_ms: u64) -> ClassPolicy {
        ClassPolicy { mirror: Some(mirror), every_ms, ..ClassPolicy::default() }
    }

    #[test]
    fn the_most_demanding_class_sets_the_pace() {
        let trailers =
            ClassPolicy { priority: 9, complete_by_ms: 4 * HOUR, ..row(Mirror::Incremental, HOUR) };
        let masters = ClassPolicy { rpo_ms: 2 * HOUR, ..row(Mirror::Static, 0) };
        let pace = Pace::of([Some(&trailers), Some(&masters)]);
        assert_eq!(pace, Pace { every_ms: HOUR, complete_by_ms: 2 * HOUR, priority: 9 });
        let subtitles = row(Mirror::Dynamic, HOUR);
        assert_eq!(Pace::of([Some(&trailers), Some(&subtitles)]).every_ms, 0);
        // A class without a row is followed at once, like a library of which nothing is known.
        assert_eq!(Pace::of([Some(&masters), None]).every_ms, 0);
        assert_eq!(Pace::of([]), Pace::default());
        assert_eq!(Pace::of([Some(&masters)]).every_ms, FOLLOW_STATIC_EVERY);
    }

    #[test]
    fn a_fetch_begins_at_once_or_after_the_interval() {
        let (at_once, hourly) = (Pace::default(), Pace { every_ms: HOUR, ..Pace::default() });
        let mut track = Track::default();
        assert_eq!(track.due_ms(&at_once), None);
        track.announced(Some(1_000));
        assert_eq!((track.due_ms(&at_once), track.due_ms(&hourly)), (Some(1_000), Some(1_000)));
        track.ended(2_000, true, 0);
        track.announced(Some(3_000));
        assert_eq!((track.due_ms(&at_once), track.due_ms(&hourly)), (Some(3_000), Some(2_000 + 3_600_000)));
        // The random share delays by at most a tenth.
        for random in [1, 77, u64::MAX] {
            let due = Track { random, ..track }.due_ms(&hourly).unwrap();
            assert!((2_000 + 3_600_000..=2_000 + 3_960_000).contains(&due), "{random}: {due}");
        }
        // An announcement after the interval is fetched at once.
        track.announced(Some(9_000_000));
        assert_eq!(track.due_ms(&hourly), Some(9_000_000));
    }

    #[test]
    fn a_time_to_be_complete_shortens_the_interval() {
        let pace = Pace { every_ms: 10 * HOUR, complete_by_ms: 2 * HOUR, priority: 0 };
        let track = Track { announced_ms: Some(5_000), fetched_ms: Some(4_000), ..Track::default() };
        assert_eq!(track.due_ms(&pace), Some(5_000 + 3_600_000));
    }

    #[test]
    fn attempts_after_failures_wait_longer_and_longer_and_a_new_announcement_does_not() {
        let pace = Pace { complete_by_ms: 1, ..Pace::default() };
        let mut track = Track { announced_ms: Some(0), ..Track::default() };
        let mut waits = Vec::new();
        for attempt in 0..64_u64 {
            let now = i64::try_from(attempt).unwrap() * 10_000_000;
            track.ended(now, false, attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            waits.push(u64::try_from(track.due_ms(&pace).unwrap() - now).unwrap());
        }
        assert!((FOLLOW_RETRY_FIRST / 2..=FOLLOW_RETRY_FIRST).contains(&waits[0]), "{waits:?}");
        let is_bounded = |wait: &u64| (FOLLOW_RETRY_LONGEST / 2..=FOLLOW_RETRY_LONGEST).contains(wait);
        assert!(waits[16..].iter().all(is_bounded), "{waits:?}");
        track.announced(Some(7));
        assert_eq!(track.due_ms(&pace), Some(7));
    }
}
