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

/// The remaining time without progress, where progress is a total that may fall again: useful bytes, and the
/// bytes of frames that have arrived in part. Only a total that is higher than ever before is progress, so
/// junk that arrives and is then found useless adds time once, and never again.
#[derive(Debug)]
pub(crate) struct Progress {
    patience: Patience,
    highest: u64,
}

impl Progress {
    /// For a peer that may be silent for `most`; the total is `reached` now.
    pub(crate) const fn of(most: Duration, reached: u64) -> Self {
        Self { patience: Patience::of(most), highest: reached }
    }

    /// How long to wait before the total is looked at again; zero where the peer has used up its time.
    pub(crate) const fn left(&self) -> Duration {
        self.patience.left()
    }

    /// Records that the total is `reached` after `waited`.
    pub(crate) fn note(&mut self, waited: Duration, reached: u64) {
        self.patience.note(waited, reached.saturating_sub(self.highest));
        self.highest = self.highest.max(reached);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use chuan_engine::limits::{FETCH_REQUESTS, FRAME_CHUNK_BYTES};

    use super::*;

    /// A link in virtual time: each step brings one datagram for one of the answers in turn.
    struct SlowLink {
        /// Bytes that the answers have received of their present frames.
        parts: Vec<u64>,
        useful: u64,
        turn: usize,
    }

    impl SlowLink {
        fn new(answers: usize) -> Self {
            Self { parts: vec![0; answers], useful: 0, turn: 0 }
        }

        /// Receives a datagram; returns whether it completed a frame of the largest size.
        fn receive(&mut self, is_useful: bool) -> bool {
            self.turn = (self.turn + 1) % self.parts.len();
            let part = &mut self.parts[self.turn];
            *part += u64::from(limits::DATAGRAM_BYTES);
            let is_whole = *part >= FRAME_CHUNK_BYTES as u64;
            if is_whole {
                self.useful += if is_useful { *part } else { 0 };
                *part = 0;
            }
            is_whole
        }

        fn reached(&self) -> u64 {
            self.useful + self.parts.iter().sum::<u64>()
        }
    }

    /// The time that a datagram takes at this many bytes a second.
    fn at_rate(rate: u64) -> Duration {
        Duration::from_micros(u64::from(limits::DATAGRAM_BYTES) * 1_000_000 / rate)
    }

    /// Symptom: over a link of less than 4.4 kB/s, and of 8.7 kB/s where two answers shared it, no chunk ever
    /// arrived. Cause: the puller took only whole frames for progress, and a frame of the largest size takes
    /// longer than the time without progress; each of two answers was given a time of its own, though they
    /// shared the link.
    #[test]
    fn frames_of_the_largest_size_arrive_at_the_least_rate() {
        let step = at_rate(limits::PROGRESS_BYTES + limits::PROGRESS_BYTES / 50);
        let mut link = SlowLink::new(FETCH_REQUESTS);
        let mut progress = Progress::of(limits::SILENCE_TIMEOUT, link.reached());
        let (mut frames, mut waited) = (0, Duration::ZERO);
        while frames < 20 {
            frames += u32::from(link.receive(true));
            waited += step;
            // The total is looked at when the time is over, and with every frame.
            if waited + step >= progress.left() {
                progress.note(waited, link.reached());
                waited = Duration::ZERO;
            }
            assert!(progress.left() > step, "given up after {frames} frames: {progress:?}");
        }
    }

    /// A source that sends whole frames of junk at any speed has no more time than a silent one, but for the
    /// frames under way.
    #[test]
    fn junk_and_silence_end_in_bounded_time() {
        for rate in [limits::PROGRESS_BYTES, 100 * limits::PROGRESS_BYTES] {
            let mut link = SlowLink::new(FETCH_REQUESTS);
            let mut progress = Progress::of(limits::SILENCE_TIMEOUT, 0);
            let mut total = Duration::ZERO;
            while progress.left() > at_rate(rate) {
                link.receive(false);
                progress.note(at_rate(rate), link.reached());
                total += at_rate(rate);
                assert!(total < Duration::from_secs(600), "junk at {rate} bytes a second goes on");
            }
        }
        let mut silent = Progress::of(limits::SILENCE_TIMEOUT, 0);
        silent.note(Duration::ZERO, 10_000_000);
        silent.note(limits::SILENCE_TIMEOUT, 10_000_000);
        assert_eq!(silent.left(), Duration::ZERO);
    }

    /// Two answers share a connection at the least rate: the bytes that the peer takes of either are progress
    /// of both.
    #[test]
    fn answers_that_share_a_connection_share_its_progress() {
        let step = at_rate(limits::PROGRESS_BYTES);
        let mut taken = 0;
        let mut answers: VecDeque<_> = [(); 2].map(|()| Progress::of(limits::STALL_TIMEOUT, 0)).into();
        let mut waits = [Duration::ZERO; 2];
        for _ in 0..10_000 {
            taken += u64::from(limits::DATAGRAM_BYTES);
            waits.iter_mut().for_each(|wait| *wait += step);
            for (answer, wait) in answers.iter_mut().zip(&mut waits) {
                if *wait + step >= answer.left() {
                    answer.note(std::mem::take(wait), taken);
                }
                assert!(answer.left() > step, "given up after {taken} bytes: {answer:?}");
            }
        }
    }

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
