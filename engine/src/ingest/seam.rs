//! The parts of a large file and the seams between them. A seam is the offset at which one part ends and the
//! next part continues, such that the chunks are the same as those of one scan.
//!
//! Each thread starts to cut its part at a guess: the first byte of the part, or a cut of the old version. It
//! continues past the end of its part until one of its cuts is also a cut of the part that it has reached.
//! From there on both parts cut alike, because a cut depends on nothing before the previous cut. So the
//! chunks before this offset, and the chunks of the other part after it, are the chunks that one thread would
//! find. The earlier chunks of the other part are dropped. If no common cut is found (for example in one byte
//! repeated over and over), one thread reads through to the end. Then the work of the other threads is lost,
//! but the result is right.
//!
//! A part that has not begun needs no guess: it begins where the first part that reached it stopped. A second
//! part that reaches it at another offset continues, because the first part relies on that start.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// The seams of one file.
#[derive(Debug)]
pub(super) struct Seams {
    size: u64,
    part_bytes: u64,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Parts that have begun, without the leading parts that have all ended.
    begun: BTreeMap<u32, Begun>,
    /// The starts of parts that had not begun when an earlier part stopped there.
    known: BTreeMap<u32, u64>,
    /// All parts before this one have ended.
    first: u32,
    /// Number of parts that have not ended.
    left: u32,
    /// Whether some part could not be read: the others need not continue.
    failed: bool,
}

#[derive(Debug)]
struct Begun {
    /// The offsets at which its chunks begin, and at which the last chunk ends; ascending.
    cuts: Vec<u64>,
    ended: bool,
}

/// The file can no longer be read consistently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Seams {
    /// The seams of a file of `size` bytes between parts of `part_bytes`.
    pub(super) fn new(size: u64, part_bytes: u64) -> Self {
        let parts = u32::try_from(size.div_ceil(part_bytes)).unwrap_or(u32::MAX).max(1);
        let state = State { left: parts, ..State::default() };
        Self { size, part_bytes, state: Mutex::new(state), moved: Condvar::new() }
    }

    /// The number of parts; at least one.
    pub(super) fn parts(&self) -> u32 {
        u32::try_from(self.size.div_ceil(self.part_bytes)).unwrap_or(u32::MAX).max(1)
    }

    /// The first byte of a part.
    pub(super) fn front(&self, part: u32) -> u64 {
        (u64::from(part) * self.part_bytes).min(self.size)
    }

    /// Begins a part; `guess` is an offset in the part. Returns the offset to begin at.
    pub(super) fn begin(&self, part: u32, guess: u64) -> u64 {
        let mut state = self.lock();
        let start = state.known.remove(&part).unwrap_or(guess);
        state.begun.insert(part, Begun { cuts: vec![start], ended: false });
        start
    }

    /// Records the offsets at which chunks of a part end.
    pub(super) fn cut(&self, part: u32, ends: &[u64]) -> Result<(), Broken> {
        let mut state = self.lock();
        if let Some(begun) = state.begun.get_mut(&part) {
            begun.cuts.extend_from_slice(ends);
        }
        let failed = state.failed;
        drop(state);
        self.moved.notify_all();
        if failed { Err(Broken) } else { Ok(()) }
    }

    /// Whether `part`, which has a cut at `place`, ends there, because another part continues from this
    /// offset or the file ends. Waits until the part that contains the offset has reached it.
    ///
    /// There is no deadlock: only earlier parts wait for a part.
    pub(super) fn ends_at(&self, part: u32, place: u64) -> Result<bool, Broken> {
        if place >= self.size {
            return Ok(true);
        }
        let other = u32::try_from(place / self.part_bytes).unwrap_or(u32::MAX);
        if other <= part {
            return Ok(false);
        }
        let mut state = self.lock();
        loop {
            if state.failed {
                return Err(Broken);
            }
            let Some(begun) = state.begun.get(&other) else {
                return Ok(*state.known.entry(other).or_insert(place) == place);
            };
            if begun.cuts.last().is_some_and(|last| *last >= place) {
                return Ok(begun.cuts.binary_search(&place).is_ok());
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a part; `true` if it is the last one to end.
    pub(super) fn end(&self, part: u32) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        if let Some(begun) = state.begun.get_mut(&part) {
            begun.ended = true;
        }
        while state.begun.get(&state.first).is_some_and(|begun| begun.ended) {
            let first = state.first;
            state.begun.remove(&first);
            state.first += 1;
        }
        state.left = state.left.saturating_sub(1);
        state.left == 0
    }

    /// Records that the file cannot be read consistently.
    pub(super) fn fail(&self) {
        self.lock().failed = true;
        self.moved.notify_all();
    }

    /// Whether [`fail`](Self::fail) was called.
    pub(super) fn failed(&self) -> bool {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unstarted_part_begins_where_an_earlier_part_ended() {
        let seams = Seams::new(250, 100);
        assert_eq!((seams.parts(), seams.begin(0, 0)), (3, 0));
        assert_eq!(seams.ends_at(0, 90), Ok(false));
        assert_eq!(seams.ends_at(0, 105), Ok(true));
        assert_eq!(seams.begin(1, 100), 105);
        assert_eq!(seams.begin(2, 200), 200);
        assert_eq!(seams.cut(2, &[230, 250]), Ok(()));
        assert_eq!([202, 230, 250].map(|place| seams.ends_at(1, place)), [Ok(false), Ok(true), Ok(true)]);
        assert!(!seams.end(2) && !seams.end(1) && seams.end(0));
    }

    /// Neither cut is known to be right: the two parts may still agree on a cut further on. Symptom: a part
    /// ended at an offset where no part began. Cause: the start of the third part was changed to the cut of
    /// the part further back.
    #[test]
    fn a_part_passes_a_start_that_another_part_has_fixed() {
        let seams = Seams::new(400, 100);
        seams.begin(0, 0);
        seams.begin(1, 100);
        assert_eq!(seams.ends_at(1, 204), Ok(true));
        seams.cut(1, &[204]).unwrap();
        assert_eq!(seams.ends_at(0, 203), Ok(false));
        assert_eq!(seams.ends_at(0, 204), Ok(true));
        assert_eq!(seams.begin(2, 200), 204);
    }

    #[test]
    fn a_part_waits_for_the_cuts_of_the_next_part() {
        let seams = Seams::new(300, 100);
        seams.begin(0, 0);
        seams.begin(1, 120);
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| (seams.ends_at(0, 110), seams.ends_at(0, 140), seams.ends_at(0, 150)));
            for end in [130, 150, 160] {
                seams.cut(1, &[end]).unwrap();
            }
            assert_eq!(waiting.join().unwrap(), (Ok(false), Ok(false), Ok(true)));
        });
    }

    #[test]
    fn a_waiting_part_is_woken_when_another_part_fails() {
        let seams = Seams::new(300, 100);
        seams.begin(0, 0);
        seams.begin(1, 100);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| seams.ends_at(0, 150));
            seams.fail();
            assert_eq!(waiting.join().unwrap(), Err(Broken));
        });
        assert!(seams.failed());
        assert_eq!(seams.cut(0, &[40]), Err(Broken));
    }

    #[test]
    fn an_empty_file_is_one_part_that_ends_at_once() {
        let seams = Seams::new(0, 100);
        assert_eq!((seams.parts(), seams.begin(0, 0)), (1, 0));
        assert_eq!(seams.ends_at(0, 0), Ok(true));
        assert!(seams.end(0));
    }
}
