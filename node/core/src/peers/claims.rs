//! How often a peer may change its own addresses in the address book. A member that names new addresses at
//! each connection would otherwise keep the disk busy.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chuan_engine::id::NodeId;
use tokio::time::Instant;

use crate::limits::{CLAIM_PERIOD, CLAIMS};

/// The changes of the last [`CLAIM_PERIOD`] by each node. At most one entry for each member.
#[derive(Debug, Default)]
pub(super) struct ClaimLimiter(Mutex<BTreeMap<NodeId, Claims>>);

/// The changes by one node.
#[derive(Clone, Copy, Debug)]
struct Claims {
    since: Instant,
    made: u32,
}

impl ClaimLimiter {
    /// Whether `node` may change its addresses at `now`.
    pub(super) fn allows(&self, node: &NodeId, now: Instant) -> bool {
        let mut all = self.lock();
        all.retain(|_, claims| now.saturating_duration_since(claims.since) < CLAIM_PERIOD);
        all.get(node).is_none_or(|claims| claims.made < CLAIMS)
    }

    /// Counts a change by `node` at `now`.
    pub(super) fn count(&self, node: &NodeId, now: Instant) {
        self.lock().entry(*node).or_insert(Claims { since: now, made: 0 }).made += 1;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Claims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
