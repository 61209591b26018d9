//! The time limit for a slow peer: a pure account of the time that waiting uses up and that bytes add, the
//! same on both sides of an answer.

use std::time::Duration;

use crate::limits;

/// The remaining time without progress. Waiting reduces it, and bytes refill it:
/// [`PROGRESS_BYTES`](limits::PROGRESS_BYTES) add a second, so a peer at that speed never runs out of it,
/// however large the transfer.
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

    /// Without a limit, for work that another timeout bounds.
    pub(crate) const fn endless() -> Self {
        Self::of(Duration::MAX)
    }

    /// How long to wait for the next bytes.
    pub(crate) const fn left(&self) -> Duration {
        self.left
    }

    /// Records `bytes` that were received or sent after `waited`.
    pub(crate) fn note(&mut self, waited: Duration, bytes: u64) {
        let earned = Duration::from_millis(1000 * bytes / limits::PROGRESS_BYTES);
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a source that sent one byte a minute kept its dialler waiting for days. Cause: any byte was
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
        // Bytes in plenty restore no more than the initial time.
        patience.note(Duration::ZERO, u64::from(u32::MAX));
        assert_eq!(patience.left(), limits::SILENCE_TIMEOUT);
        // Of a pull, only useful bytes are recorded: junk, however much of it, leaves as little time as
        // silence.
        patience.note(limits::SILENCE_TIMEOUT, 0);
        assert_eq!(patience.left(), Duration::ZERO);
    }

    /// Symptom: over a link of less than 8.7 kB/s no chunk ever arrived, though 1.6 kB/s is the promised
    /// minimum. Cause: the answering node gave a whole batch 30 seconds, however large it was and however
    /// steadily it was read.
    #[test]
    fn the_time_limit_of_both_sides_does_not_depend_on_the_size() {
        for most in [limits::STALL_TIMEOUT, limits::SILENCE_TIMEOUT] {
            let mut patience = Patience::of(most);
            // Two kilobytes a second, a datagram at a time, for the duration of ten batches.
            let datagram = u64::from(limits::DATAGRAM_BYTES);
            let mut taken = 0;
            while taken < 10 * limits::ANSWER_BATCH_BYTES as u64 {
                let waited = Duration::from_millis(datagram / 2);
                assert!(waited < patience.left(), "given up after {taken} bytes: {patience:?}");
                patience.note(waited, datagram);
                taken += datagram;
            }
            // Half of the promised speed ends, though some data moves all the time.
            let waited = Duration::from_millis(2 * 1000 * datagram / limits::PROGRESS_BYTES);
            let mut slow = 0;
            while waited < patience.left() {
                patience.note(waited, datagram);
                slow += 1;
                assert!(slow < 1000, "a trickle never times out");
            }
        }
    }
}
