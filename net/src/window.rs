//! The flow-control window: the capacity of the path, which a dialler measures from the data that arrives.
//!
//! This module only decides; the reader measures and applies the window. Too small a window leaves a long
//! path half empty. A window that is much too large lets slow start overrun the path's queue; then every
//! other datagram of a long flight is lost, and QUIC gives up a stream with a thousand gaps.

use std::time::Duration;

use crate::limits::{WINDOW_BYTES, WINDOW_MAX_BYTES, WINDOW_RATE, WINDOW_SAFE_BYTES};

/// Bytes that an acceptor may have written to a dialler over a path of this round trip without
/// acknowledgement: the flight of the fastest pull. The dialler's own window limits how much of it may be
/// sent.
pub(crate) fn unacknowledged(rtt: Duration) -> u64 {
    let path = rtt.as_micros().saturating_mul(WINDOW_RATE.into()) / 1_000_000;
    u64::try_from(path).unwrap_or(u64::MAX).clamp(WINDOW_BYTES.into(), WINDOW_MAX_BYTES.into())
}

/// A window that grows with the data that arrives in a round trip.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: u32,
    /// The shortest round trip seen: a longer one includes time in queues, which the window must not fill.
    least_rtt: Duration,
}

impl Window {
    /// The initial window of a connection, by the round trip of its handshake.
    pub(crate) fn new(rtt: Duration) -> Self {
        let bytes = unacknowledged(rtt).min(WINDOW_SAFE_BYTES.into());
        Self { bytes: u32::try_from(bytes).unwrap_or(WINDOW_SAFE_BYTES), least_rtt: rtt }
    }

    /// The window now.
    pub(crate) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Records that `came` bytes arrived in the time `during`, and the current round trip. Returns the window
    /// if it grows: to one and a half times the bytes that arrive in a round trip, so that it doubles in two
    /// round trips where the path has room.
    pub(crate) fn measure(&mut self, came: u64, during: Duration, rtt: Duration) -> Option<u32> {
        self.least_rtt = self.least_rtt.min(rtt);
        let trip = self.least_rtt.as_micros().max(1);
        let held = u128::from(came) * trip / during.as_micros().max(trip);
        let wanted = u32::try_from(held * 3 / 2).unwrap_or(u32::MAX).min(WINDOW_MAX_BYTES);
        (wanted > self.bytes).then(|| {
            self.bytes = wanted;
            wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that delivers the window's bytes, up to its rate, once a round trip.
    fn settle(rate: u64, rtt: Duration) -> u32 {
        let mut window = Window::new(rtt);
        let mut bytes = window.bytes();
        for _ in 0..50 {
            // Bytes beyond the path's own product wait in its queue, and the round trip grows.
            let queued = u64::from(bytes).saturating_sub(delivered(rate, rtt));
            let during = rtt + Duration::from_micros(queued * 1_000_000 / rate);
            let came = u64::from(bytes).min(delivered(rate, during));
            bytes = window.measure(came, during, during).unwrap_or(bytes);
        }
        bytes
    }

    fn delivered(rate: u64, during: Duration) -> u64 {
        u64::try_from(u128::from(rate) * during.as_micros() / 1_000_000).unwrap()
    }

    #[test]
    fn a_long_path_gets_half_more_than_it_holds() {
        let product = 5_000_000;
        let window = settle(25_000_000, Duration::from_millis(200));
        assert!((product * 14 / 10..=product * 15 / 10).contains(&window), "{window}");
    }

    #[test]
    fn a_short_path_keeps_the_least_and_no_path_gets_more_than_the_most() {
        assert_eq!(settle(1_000_000_000, Duration::from_micros(200)), WINDOW_BYTES);
        assert_eq!(settle(1_250_000_000, Duration::from_millis(300)), WINDOW_MAX_BYTES);
    }

    #[test]
    fn time_in_a_queue_does_not_widen_the_window() {
        let rtt = Duration::from_millis(40);
        let mut window = Window::new(rtt);
        for queue_ms in [40, 100, 400] {
            let slow = rtt + Duration::from_millis(queue_ms);
            assert_eq!(window.measure(delivered(25_000_000, slow), slow, slow), None);
        }
    }
}
