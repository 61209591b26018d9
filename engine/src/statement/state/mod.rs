//! The state that follows from a statement set: the rights of keys and nodes, the effective releases, the
//! current statements of channels. It is a function of the set and of nothing else, so nodes with the same
//! set have the same state, whatever the order of arrival. The only exception are two roots of one version,
//! of which the first known is effective.
//!
//! Authority is that of the newest root. A statement by a key that the root no longer names is ineffective,
//! unless the root pins it; for revocations of a removed key a root may also name lists. One statement
//! outlives its signer's authority: a release from which an effective release descends.

mod channel;
mod conflict;
mod node;
mod policy;
mod release;

use std::collections::BTreeMap;

use crate::{
    id::StatementId,
    statement::{Body, Classes, RoleKind, Root, Statement, inventory::Inventory, set::StatementSet},
};

use channel::ChannelState;
pub(super) use channel::channel_under;
pub use conflict::{Conflict, ConflictKind};
use node::Nodes;
use policy::PolicyState;
use release::Releases;
pub(super) use release::releases_under;

/// The state derived from a statement set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The chain of effective roots, by version.
    pub(super) roots: Vec<StatementId>,
    pub(super) releases: Releases,
    pub(super) channels: BTreeMap<String, ChannelState>,
    pub(super) policy: PolicyState,
    pub(super) nodes: Nodes,
    /// All contradictions of the statements, ascending.
    pub(super) conflicts: Vec<Conflict>,
    /// The names of all known statements.
    pub(super) inventory: Inventory,
}

/// A statement set under the authority of its newest root.
struct View<'a> {
    set: &'a StatementSet,
    root: &'a Root,
}

impl View<'_> {
    fn pinned(&self, statement: &Statement) -> bool {
        self.root.pins.binary_search(&statement.id()).is_ok()
    }

    /// Whether it is an authorized revocation: any one current operator signed it, or the root pins it. Where
    /// the root names a list for a removed key and the list is not known, every revocation by that key is
    /// authorized: a revocation too many is undone by a grant.
    fn is_revocation(&self, statement: &Statement) -> bool {
        let mut signers = statement.signers();
        if self.pinned(statement) || signers.any(|key| self.root.names(RoleKind::Operator, key)) {
            return true;
        }
        let of_signers =
            self.root.lists.iter().filter(|(key, _)| statement.signers().any(|signer| signer == key));
        of_signers.into_iter().any(|(_, list)| match self.set.get(list).map(|said| said.body()) {
            Some(Body::Pins(pins)) => pins.statements.binary_search(&statement.id()).is_ok(),
            _ => true,
        })
    }

    /// Whether operators signed it: those of the newest root, or earlier ones if the root pins it.
    fn is_operators(&self, statement: &Statement) -> bool {
        let signers: Vec<_> = statement.signers().copied().collect();
        let allows = |root: &Root| root.allows(RoleKind::Operator, &Classes::all(), &signers);
        allows(self.root) || (self.pinned(statement) && self.set.roots().any(allows))
    }
}

impl State {
    /// Derives the state of a statement set.
    pub(super) fn of(set: &StatementSet) -> Self {
        let mut state = State { inventory: Inventory::of(set), ..State::default() };
        let Some(root) = state.chain(set) else { return state };
        let (view, conflicts) = (View { set, root }, &mut state.conflicts);
        state.releases = Releases::of(&view, conflicts);
        state.channels = channel::settle(&view, &state.releases.effective, conflicts);
        state.policy = PolicyState::of(&view, conflicts);
        state.nodes = Nodes::of(&view, conflicts);
        state.conflicts.sort();
        state
    }

    /// The effective roots, and those that contradict them. A contradiction is settled once a next version is
    /// effective.
    fn chain<'a>(&mut self, set: &'a StatementSet) -> Option<&'a Root> {
        let effective = set.root_statements();
        self.roots = effective.iter().map(|statement| statement.id()).collect();
        for (version, rival) in set.rivals() {
            let stands =
                usize::try_from(*version).ok().and_then(|version| self.roots.get(version.checked_sub(1)?));
            let mut statements: Vec<_> = stands.copied().into_iter().chain([*rival]).collect();
            statements.sort_unstable();
            self.conflicts.push(Conflict {
                kind: ConflictKind::Root,
                subject: format!("root version {version}"),
                statements,
                settled: *version < effective.len() as u64,
            });
        }
        set.roots().last()
    }
}
