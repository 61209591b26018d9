//! The clock of a node: the only code that reads the clocks of the system. Times of the wall clock are
//! labels: no order of statements depends on them alone.

use std::time::{SystemTime, UNIX_EPOCH};

use chuan_engine::manifest::Timestamp;
use tokio::time::Instant;

/// The source of a node's time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Clock {
    /// The clock of the machine.
    #[default]
    System,
    /// A clock that a test sets, in milliseconds since 1970.
    #[cfg(test)]
    Manual(&'static std::sync::atomic::AtomicI64),
    /// The clock of the tokio runtime: virtual where the runtime is paused. Used by the simulator.
    #[cfg(test)]
    Runtime {
        /// The time at `origin`, in milliseconds since 1970.
        start_ms: i64,
        /// The instant at which the simulation began.
        origin: Instant,
    },
}

impl Clock {
    /// The time, in milliseconds since 1970.
    pub(crate) fn now_ms(self) -> i64 {
        match self {
            Clock::System => {
                i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX).saturating_add(shift_ms())
            }
            #[cfg(test)]
            Clock::Manual(time) => time.load(std::sync::atomic::Ordering::SeqCst),
            #[cfg(test)]
            Clock::Runtime { start_ms, origin } => {
                start_ms.saturating_add(i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// This moment by the monotonic clock of the tokio runtime, which is virtual where the runtime is paused:
    /// for deadlines, and to measure how long work takes.
    pub(crate) fn instant(self) -> Instant {
        Instant::now()
    }

    /// The time as a file system would store it.
    pub(crate) fn timestamp(self) -> Timestamp {
        match self {
            Clock::System => {
                let since = since_1970();
                let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
                Timestamp { seconds, nanos: since.subsec_nanos() }
            }
            #[cfg(test)]
            _ => Timestamp { seconds: self.now_ms().div_euclid(1000), nanos: 0 },
        }
    }
}

fn since_1970() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The offset that a test has set, from the file that `CHUAN_TEST_CLOCK` names. It is read at each call, so
/// that the clock of a running program can jump. Release builds do not have it.
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

#[cfg(test)]
impl Clock {
    /// A clock that stands at `now_ms` until it is set.
    pub(crate) fn manual(now_ms: i64) -> Self {
        Self::Manual(Box::leak(Box::new(now_ms.into())))
    }

    /// Sets a manual clock.
    pub(crate) fn set(self, now_ms: i64) {
        match self {
            Clock::Manual(time) => time.store(now_ms, std::sync::atomic::Ordering::SeqCst),
            _ => panic!("not a manual clock"),
        }
    }
}
