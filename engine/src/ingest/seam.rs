//! The parts of a large file and the seams between them: where one that several threads cut at once is whole again.
//!
//! A thread cuts its part from a place that is a guess: the part's first byte, or where the old version had a cut. It goes
//! on past its part's end until it comes to a place where the part that holds it has a cut, too: from there on both would
//! cut alike, for a cut depends on nothing before it. So the chunks up to there, and those of the other part from there
//! on, are what one thread alone would have found; what the other part cut before is thrown away. Where such a place never
//! comes (content of one byte over and over, out of step), one thread goes through to the end, and the work of the others
//! is lost, never the result.
//!
//! A part that nobody has begun is no guess: it begins where the first that came to it left off. Another that comes to it
//! elsewhere goes on, for whoever left off relies on it.

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
    /// Parts that were begun, but for those at the front of which nobody asks any more.
    begun: BTreeMap<u32, Begun>,
    /// Where parts begin that were not begun when another left off there.
    known: BTreeMap<u32, u64>,
    /// The first part that may be asked about.
    first: u32,
    /// Parts that have not ended.
    left: u32,
    /// Whether some part could not be read: the others need not go on.
    failed: bool,
}

#[derive(Debug)]
struct Begun {
    /// Where its chunks begin, and where the last one ends; ascending.
    cuts: Vec<u64>,
    ended: bool,
}

/// The file cannot be read as a whole any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

impl Seams {
    /// The seams of a file of `size` bytes between parts of `part_bytes`.
    pub(super) fn new(size: u64, part_bytes: u64) -> Self {
        let parts = u32::try_from(size.div_ceil(part_bytes)).unwrap_or(u32::MAX).max(1);
        let state = State { left: parts, ..State::default() };
        Self { size, part_bytes, state: Mutex::new(state), moved: Condvar::new() }
    }

    /// How many parts there are: one at least.
    pub(super) fn parts(&self) -> u32 {
        u32::try_from(self.size.div_ceil(self.part_bytes)).unwrap_or(u32::MAX).max(1)
    }

    /// The first byte of a part's own stretch.
    pub(super) fn front(&self, part: u32) -> u64 {
        (u64::from(part) * self.part_bytes).min(self.size)
    }

    /// Begins a part; `guess` is a place in its own stretch. Gives where to begin.
    pub(super) fn begin(&self, part: u32, guess: u64) -> u64 {
        let mut state = self.lock();
        let start = state.known.remove(&part).unwrap_or(guess);
        state.begun.insert(part, Begun { cuts: vec![start], ended: false });
        start
    }

    /// Takes note of where chunks of a part end.
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

    /// Whether `part`, which has a cut at `place`, is done there, because another part goes on from it, or the file ends.
    /// Waits until the part that holds the place has come so far.
    ///
    /// Nobody waits in a circle: a part is only waited for by those before it.
    pub(super) fn meets(&self, part: u32, place: u64) -> Result<bool, Broken> {
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

    /// Ends a part; `true` for the last of all to end.
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

    /// Takes note that the file cannot be read as a whole.
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
    fn a_part_that_nobody_began_begins_where_its_neighbour_came_to() {
        let seams = Seams::new(250, 100);
        assert_eq!((seams.parts(), seams.begin(0, 0)), (3, 0));
        assert_eq!(seams.meets(0, 90), Ok(false));
        assert_eq!(seams.meets(0, 105), Ok(true));
        assert_eq!(seams.begin(1, 100), 105);
        assert_eq!(seams.begin(2, 200), 200);
        assert_eq!(seams.cut(2, &[230, 250]), Ok(()));
        assert_eq!([202, 230, 250].map(|place| seams.meets(1, place)), [Ok(false), Ok(true), Ok(true)]);
        assert!(!seams.end(2) && !seams.end(1) && seams.end(0));
    }

    /// Which of the two is right is not known: what comes before the first may meet the second further on. Once the part
    /// was given to the one from further back, and the other's end led nowhere.
    #[test]
    fn of_two_that_come_to_a_part_that_nobody_began_the_second_goes_on() {
        let seams = Seams::new(400, 100);
        seams.begin(0, 0);
        seams.begin(1, 100);
        assert_eq!(seams.meets(1, 204), Ok(true));
        seams.cut(1, &[204]).unwrap();
        assert_eq!(seams.meets(0, 203), Ok(false));
        assert_eq!(seams.meets(0, 204), Ok(true));
        assert_eq!(seams.begin(2, 200), 204);
    }

    #[test]
    fn who_comes_to_a_part_waits_for_its_cuts() {
        let seams = Seams::new(300, 100);
        seams.begin(0, 0);
        seams.begin(1, 120);
        std::thread::scope(|scope| {
            let met = scope.spawn(|| (seams.meets(0, 110), seams.meets(0, 140), seams.meets(0, 150)));
            for end in [130, 150, 160] {
                seams.cut(1, &[end]).unwrap();
            }
            assert_eq!(met.join().unwrap(), (Ok(false), Ok(false), Ok(true)));
        });
    }

    #[test]
    fn who_waits_for_a_part_that_fails_is_told() {
        let seams = Seams::new(300, 100);
        seams.begin(0, 0);
        seams.begin(1, 100);
        std::thread::scope(|scope| {
            let met = scope.spawn(|| seams.meets(0, 150));
            seams.fail();
            assert_eq!(met.join().unwrap(), Err(Broken));
        });
        assert!(seams.failed());
        assert_eq!(seams.cut(0, &[40]), Err(Broken));
    }

    #[test]
    fn an_empty_file_is_one_part_that_ends_at_once() {
        let seams = Seams::new(0, 100);
        assert_eq!((seams.parts(), seams.begin(0, 0)), (1, 0));
        assert_eq!(seams.meets(0, 0), Ok(true));
        assert!(seams.end(0));
    }
}
