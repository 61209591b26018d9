//! [`ReachedPeers`]: the peers that answered their last exchange, over any socket of the node. Owns the
//! comparison with the time before, so that a change is reported once.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use chuan_engine::id::{LibraryId, NodeId};

/// A peer and a library: there is at most one exchange for each at a time over one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExchangeKey {
    pub(super) library: LibraryId,
    pub(super) node: NodeId,
}

/// A change of whether a peer is reachable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noted {
    Unchanged,
    /// It was not reachable before.
    Reached,
    /// It was reachable before.
    Lost {
        /// Whether no other peer of its library is reachable.
        was_last: bool,
    },
}

/// The peers that were reached the last time.
#[derive(Debug, Default)]
pub(super) struct ReachedPeers(Mutex<BTreeSet<ExchangeKey>>);

impl ReachedPeers {
    /// Remembers whether a peer was reached, and compares that with the last time.
    pub(super) fn note(&self, key: ExchangeKey, is_reached: bool) -> Noted {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_reached {
            return if reached.insert(key) { Noted::Reached } else { Noted::Unchanged };
        }
        if !reached.remove(&key) {
            return Noted::Unchanged;
        }
        Noted::Lost { was_last: !reached.iter().any(|other| other.library == key.library) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_the_last_peer_of_a_library_is_reported_once() {
        let key = |library: &[u8], node| ExchangeKey {
            library: LibraryId::of(library),
            node: NodeId::of(&[node; 32]),
        };
        let reached = ReachedPeers::default();
        assert_eq!(reached.note(key(b"l", 1), false), Noted::Unchanged, "no peer was reachable before");
        for peer in [key(b"l", 1), key(b"l", 2), key(b"m", 1)] {
            assert_eq!(reached.note(peer, true), Noted::Reached);
            assert_eq!(reached.note(peer, true), Noted::Unchanged);
        }
        assert_eq!(reached.note(key(b"l", 1), false), Noted::Lost { was_last: false });
        assert_eq!(reached.note(key(b"l", 2), false), Noted::Lost { was_last: true });
        assert_eq!(reached.note(key(b"l", 2), false), Noted::Unchanged, "it is reported once");
        assert_eq!(reached.note(key(b"m", 1), false), Noted::Lost { was_last: true });
    }
}
