//! How often a peer may change its own addresses in the address book. A member that names new addresses at
//! each connection would otherwise keep the disk busy.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chuan_engine::id::{LibraryId, NodeId};
use tokio::time::Instant;

use crate::limits::{CLAIM_PERIOD, CLAIMS};

/// A node, as a member of a library: another library may bind another key to it.
type Member = (LibraryId, NodeId);

/// The changes of the last [`CLAIM_PERIOD`] by each member. At most one entry for each member.
#[derive(Debug, Default)]
pub(super) struct ClaimLimiter(Mutex<BTreeMap<Member, Claims>>);

/// The changes by one member.
#[derive(Clone, Copy, Debug)]
struct Claims {
    since: Instant,
    made: u32,
}

impl ClaimLimiter {
    /// Whether a member may change its addresses at `now`.
    pub(super) fn allows(&self, member: &Member, now: Instant) -> bool {
        let mut all = self.lock();
        all.retain(|_, claims| now.saturating_duration_since(claims.since) < CLAIM_PERIOD);
        all.get(member).is_none_or(|claims| claims.made < CLAIMS)
    }

    /// Counts a change by a member at `now`.
    pub(super) fn count(&self, member: Member, now: Instant) {
        self.lock().entry(member).or_insert(Claims { since: now, made: 0 }).made += 1;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Member, Claims>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
