//! Counters of a listener, for operators, metrics and tests. No decision depends on them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one listener. They only increase.
#[derive(Debug, Default)]
pub struct Counts {
    handshakes_failed: AtomicU64,
    sessions: AtomicU64,
    strangers: AtomicU64,
    hellos_refused: AtomicU64,
    requests: AtomicU64,
    requests_unread: AtomicU64,
}

/// [`Counts`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Handshakes that failed or timed out, or for which there was no room.
    pub handshakes_failed: u64,
    /// Peers that proved a key and got a session.
    pub sessions: u64,
    /// Sessions of peers that were members of no library here.
    pub strangers: u64,
    /// Hellos that were late, broke a rule, or named another node than the handshake proved.
    pub hellos_refused: u64,
    /// Requests that were read.
    pub requests: u64,
    /// Requests of unknown peers that were refused by their length, unread.
    pub requests_unread: u64,
}

impl Counts {
    /// The numbers now.
    pub fn now(&self) -> Counted {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counted {
            handshakes_failed: of(&self.handshakes_failed),
            sessions: of(&self.sessions),
            strangers: of(&self.strangers),
            hellos_refused: of(&self.hellos_refused),
            requests: of(&self.requests),
            requests_unread: of(&self.requests_unread),
        }
    }

    pub(crate) fn handshake_failed(&self) {
        add(&self.handshakes_failed);
    }

    pub(crate) fn session(&self, is_known: bool) {
        add(&self.sessions);
        if !is_known {
            add(&self.strangers);
        }
    }

    pub(crate) fn hello_refused(&self) {
        add(&self.hellos_refused);
    }

    pub(crate) fn request(&self) {
        add(&self.requests);
    }

    pub(crate) fn request_unread(&self) {
        add(&self.requests_unread);
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
