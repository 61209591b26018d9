//! What follows from the pool: who may do what, which releases are real, where channels stand. A function of the set of
//! statements and of nothing else, so that whoever knows the same set sees the same state, in whichever order it came; but for
//! two roots of one version, of which the pool knows the first.
//!
//! Authority is that of the newest root. What a key said that the root no longer names does not count, unless the root pins
//! it; of a removed key's revocations a root may also name lists. One thing outlives its signer: a release from which a release
//! that stands descends.

mod channel;
mod conflict;
mod node;
mod policy;
mod release;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{NodeId, StatementId},
    statement::{Body, Classes, PublicKey, RoleKind, Root, Statement, inventory::Inventory, pool::Pool},
};

pub(super) use channel::ChannelState;
pub use conflict::{Conflict, ConflictKind};
pub(super) use node::NodeState;
pub(super) use policy::PolicyState;
pub(super) use release::releases_under;

/// What a pool comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The chain of roots that stands, by version.
    pub(super) roots: Vec<StatementId>,
    pub(super) releases: BTreeSet<StatementId>,
    /// Those of them that stand only because their limited publishers left the other classes as they were.
    pub(super) limited: BTreeSet<StatementId>,
    pub(super) channels: BTreeMap<String, ChannelState>,
    pub(super) tickets: BTreeSet<StatementId>,
    /// Who joined with a ticket, the earliest first.
    pub(super) joined: BTreeMap<StatementId, Vec<(NodeId, StatementId)>>,
    pub(super) policy: PolicyState,
    /// Revocations that count, but for those that leap.
    pub(super) revocations: BTreeSet<StatementId>,
    pub(super) nodes: BTreeMap<NodeId, NodeState>,
    /// Whose key it is; an old one until a time in ms since 1970.
    pub(super) keys: BTreeMap<PublicKey, (NodeId, Option<i64>)>,
    pub(super) conflicts: Vec<Conflict>,
    /// The names of everything.
    pub(super) inventory: Inventory,
}

/// A pool under the authority of its newest root.
struct View<'a> {
    pool: &'a Pool,
    root: &'a Root,
}

impl View<'_> {
    fn pinned(&self, statement: &Statement) -> bool {
        self.root.pins.binary_search(&statement.id()).is_ok()
    }

    /// Whether it counts as a revocation: any one operator of today signed it, or the root pins it. Of a removed key of which the
    /// root names a list that is not here, every revocation counts: too much caution is undone by a grant.
    fn is_revocation(&self, statement: &Statement) -> bool {
        let mut signers = statement.signers();
        if self.pinned(statement) || signers.any(|key| self.root.names(RoleKind::Operator, key)) {
            return true;
        }
        let of_signers =
            self.root.lists.iter().filter(|(key, _)| statement.signers().any(|signer| signer == key));
        of_signers.into_iter().any(|(_, list)| match self.pool.get(list).map(|said| said.body()) {
            Some(Body::Pins(pins)) => pins.statements.binary_search(&statement.id()).is_ok(),
            _ => true,
        })
    }

    /// Whether an operator said it: one of today, or one of earlier whose word is pinned.
    fn is_operators(&self, statement: &Statement) -> bool {
        let signers: Vec<_> = statement.signers().copied().collect();
        let allows = |root: &Root| root.allows(RoleKind::Operator, &Classes::all(), &signers);
        allows(self.root) || (self.pinned(statement) && self.pool.roots().any(allows))
    }
}

impl State {
    /// Derives the state of a pool.
    pub(super) fn of(pool: &Pool) -> Self {
        let mut state = State { inventory: Inventory::of(pool), ..State::default() };
        let Some(root) = state.chain(pool) else { return state };
        let view = View { pool, root };
        state.settle_releases(&view);
        state.settle_channels(&view);
        state.settle_policy(&view);
        state.settle_nodes(&view);
        state.settle_checkpoints(&view);
        state.conflicts.sort();
        state
    }

    /// The roots that stand, and those that contradict them. A quorum that goes on to the next has decided.
    fn chain<'a>(&mut self, pool: &'a Pool) -> Option<&'a Root> {
        let standing = pool.standing_roots();
        self.roots = standing.iter().map(|statement| statement.id()).collect();
        for (version, rival) in pool.rivals() {
            let stands =
                usize::try_from(*version).ok().and_then(|version| self.roots.get(version.checked_sub(1)?));
            let mut statements: Vec<_> = stands.copied().into_iter().chain([*rival]).collect();
            statements.sort_unstable();
            self.conflicts.push(Conflict {
                kind: ConflictKind::Root,
                subject: format!("root version {version}"),
                statements,
                settled: *version < standing.len() as u64,
            });
        }
        pool.roots().last()
    }
}
