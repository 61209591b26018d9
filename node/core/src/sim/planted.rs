//! Bugs that a test plants in the services, to show that the simulator finds them.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use chuan_engine::{
    id::{NodeId, StatementId},
    statement::Heading,
};

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The statements that a peer sends after a reconnect are noted as known before they are stored, and
    /// dropped.
    DropOnReconnect,
    /// A channel moves to its newest release before the data of that is complete.
    MoveEarly,
    /// The loop that passes statements on does not wake up on a change, only at its period.
    LostWakeUp,
    /// A node that lacks the newest release of a channel shows the freshness of that release for the older
    /// one that it has.
    FreshElsewhere,
}

/// The bug of a node, if one is planted.
#[derive(Debug, Default)]
pub(crate) struct Planted {
    bug: Option<Bug>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Peers that were unreachable before the exchange that begins now.
    reconnected: BTreeSet<NodeId>,
    /// Statements that [`Bug::DropOnReconnect`] has dropped.
    dropped: BTreeSet<StatementId>,
}

impl Planted {
    pub(super) fn new(bug: Option<Bug>) -> Self {
        Self { bug, state: Mutex::default() }
    }

    /// Whether this bug is planted.
    pub(crate) fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Notes whether a peer was unreachable before the exchange that begins now.
    pub(crate) fn note_dial(&self, peer: NodeId, was_unreachable: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match was_unreachable {
            true => state.reconnected.insert(peer),
            false => state.reconnected.remove(&peer),
        };
    }

    /// Marks the statements of a peer as known, where [`Bug::DropOnReconnect`] is planted and the peer was
    /// unreachable before.
    pub(crate) fn mark(&self, peer: &NodeId, statements: &[Bytes]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is(Bug::DropOnReconnect) && state.reconnected.contains(peer) {
            let ids = statements.iter().filter_map(|bytes| Some(Heading::read(bytes).ok()?.id()));
            state.dropped.extend(ids);
        }
    }

    /// The statements that are not marked.
    pub(crate) fn unmarked(&self, statements: &[Bytes]) -> Vec<Bytes> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_marked =
            |bytes: &Bytes| Heading::read(bytes).is_ok_and(|heading| state.dropped.contains(&heading.id()));
        statements.iter().filter(|bytes| !is_marked(bytes)).cloned().collect()
    }
}
