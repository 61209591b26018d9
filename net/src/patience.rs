//! How long a slow peer is waited for: a pure count of what waiting uses up and what bytes earn, the same on both sides of an
//! answer.

use std::time::Duration;

use crate::limits;

/// What is left of the time that nothing may come, or be taken. Waiting uses it up, and bytes fill it again:
/// [`PROGRESS_BYTES`](limits::PROGRESS_BYTES) buy a second, so that a peer of that speed is waited for without end, however
/// large what it is sent.
#[derive(Debug)]
pub(crate) struct Patience {
    left: Duration,
    most: Duration,
}

impl Patience {
    /// For a peer that may be silent for `most`.
    pub(crate) const fn of(most: Duration) -> Self {
        Self { left: most, most }
    }

    /// For work that something else gives up.
    pub(crate) const fn endless() -> Self {
        Self::of(Duration::MAX)
    }

    /// How long the next bytes are waited for.
    pub(crate) const fn left(&self) -> Duration {
        self.left
    }

    /// Takes note of `bytes` that came, or were taken, after `waited`.
    pub(crate) fn note(&mut self, waited: Duration, bytes: u64) {
        let earned = Duration::from_millis(1000 * bytes / limits::PROGRESS_BYTES);
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a source that sent one byte a minute kept whoever had asked it waiting for days. Cause: any byte counted as
    /// progress.
    #[test]
    fn a_trickle_uses_patience_up_and_a_slow_answer_does_not() {
        let mut patience = Patience::of(limits::SILENCE_TIMEOUT);
        patience.note(Duration::from_secs(50), 1);
        assert!(patience.left() <= Duration::from_secs(10), "{patience:?}");
        let mut patience = Patience::of(limits::SILENCE_TIMEOUT);
        for _ in 0..10_000 {
            patience.note(Duration::from_secs(10), 16 * 1024);
        }
        assert!(patience.left() > Duration::from_secs(50), "{patience:?}");
        // What came in plenty before buys no more than what is given at first.
        patience.note(Duration::ZERO, u64::from(u32::MAX));
        assert_eq!(patience.left(), limits::SILENCE_TIMEOUT);
        // Of a pull, only what is of use counts: junk, however much of it, leaves as little as silence.
        patience.note(limits::SILENCE_TIMEOUT, 0);
        assert_eq!(patience.left(), Duration::ZERO);
    }

    /// Symptom: over a link of less than 8.7 kB/s no chunk ever arrived, though 1.6 kB/s are promised. Cause: the answerer gave a
    /// whole batch 30 seconds, however large it was and however steadily it was taken.
    #[test]
    fn what_both_sides_wait_for_does_not_depend_on_its_size() {
        for most in [limits::STALL_TIMEOUT, limits::SILENCE_TIMEOUT] {
            let mut patience = Patience::of(most);
            // Two kilobytes a second, a datagram at a time, for as long as ten batches take.
            let datagram = u64::from(limits::DATAGRAM_BYTES);
            let mut taken = 0;
            while taken < 10 * limits::ANSWER_BATCH_BYTES as u64 {
                let waited = Duration::from_millis(datagram / 2);
                assert!(waited < patience.left(), "given up after {taken} bytes: {patience:?}");
                patience.note(waited, datagram);
                taken += datagram;
            }
            // Half of what is promised ends, though something is taken all the time.
            let waited = Duration::from_millis(2 * 1000 * datagram / limits::PROGRESS_BYTES);
            let mut slow = 0;
            while waited < patience.left() {
                patience.note(waited, datagram);
                slow += 1;
                assert!(slow < 1000, "a trickle is waited for without end");
            }
        }
    }
}
