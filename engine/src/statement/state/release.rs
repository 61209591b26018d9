//! The effective releases: those of current publishers, those that the root pins, and the releases from which
//! these descend.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, ConflictKind, View};
use crate::{
    id::StatementId,
    limits::SEQUENCE_JUMP,
    statement::{
        Body, Classes, PublicKey, Release, ReleaseClass, Role, RoleKind, Root, Statement, set::StatementSet,
    },
};

/// The releases that would be effective if `root` were the newest.
pub(in crate::statement) fn releases_under(set: &StatementSet, root: &Root) -> BTreeSet<StatementId> {
    Releases::of(&View { set, root }, &mut Vec::new()).effective
}

/// The state that follows from all releases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::statement) struct Releases {
    /// The effective releases.
    pub(in crate::statement) effective: BTreeSet<StatementId>,
    /// The releases that are effective only because their limited publishers left the other classes as they
    /// were.
    pub(in crate::statement) limited: BTreeSet<StatementId>,
}

impl Releases {
    /// Settles all releases, and adds their contradictions to `conflicts`.
    pub(super) fn of(view: &View<'_>, conflicts: &mut Vec<Conflict>) -> Self {
        let mut settled = Self::default();
        let mut releases: BTreeMap<StatementId, (&Statement, &Release)> = BTreeMap::new();
        for statement in view.set.iter() {
            if let Body::Release(body) = statement.body() {
                releases.insert(statement.id(), (statement, body));
            }
        }
        // Those of limited publishers, by the release that must be effective before each of them can be.
        let mut limited: BTreeMap<StatementId, Vec<StatementId>> = BTreeMap::new();
        for (id, (statement, release)) in &releases {
            let signers: Vec<_> = statement.signers().copied().collect();
            if view.pinned(statement) || view.root.allows(RoleKind::Publisher, &Classes::all(), &signers) {
                settled.vouch(*id, &releases);
            } else if let [parent] = release.parents.as_slice()
                && let Some((above, before)) = releases.get(parent)
                && statement.sequence() <= above.sequence().saturating_add(SEQUENCE_JUMP)
                && changes_only(&met_roles(view, &signers), before, release)
            {
                limited.entry(*parent).or_default().push(*id);
            }
        }
        let mut open: Vec<_> = settled.effective.iter().copied().collect();
        while let Some(parent) = open.pop() {
            let next = limited.remove(&parent).unwrap_or_default();
            for id in next.into_iter().filter(|id| settled.effective.insert(*id)) {
                settled.limited.insert(id);
                open.push(id);
            }
        }
        settled.find_rivals(&releases, conflicts);
        settled
    }

    /// Marks a release as effective, and with it its known ancestors.
    fn vouch(&mut self, id: StatementId, releases: &BTreeMap<StatementId, (&Statement, &Release)>) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if let Some((_, release)) = releases.get(&id)
                && self.effective.insert(id)
            {
                open.extend(&release.parents);
            }
        }
    }

    /// Only among effective releases: other releases by the thief of a removed key contradict nothing.
    fn find_rivals(
        &self,
        releases: &BTreeMap<StatementId, (&Statement, &Release)>,
        conflicts: &mut Vec<Conflict>,
    ) {
        let mut by_place: BTreeMap<(Vec<PublicKey>, u64), BTreeSet<StatementId>> = BTreeMap::new();
        for (id, (statement, _)) in releases.iter().filter(|(id, _)| self.effective.contains(id)) {
            let signers = statement.signers().copied().collect();
            by_place.entry((signers, statement.sequence())).or_default().insert(*id);
        }
        for ((signers, sequence), rivals) in by_place.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
            let signer = signers.first().map(PublicKey::short).unwrap_or_default();
            conflicts.push(Conflict {
                kind: ConflictKind::Release,
                subject: format!("release {sequence} of publisher {signer}"),
                statements: rivals.into_iter().collect(),
                settled: false,
            });
        }
    }
}

/// The publisher roles whose thresholds `signers` meet.
fn met_roles<'a>(view: &View<'a>, signers: &[PublicKey]) -> Vec<&'a Role> {
    let roles = view.root.roles.iter().filter(|role| role.kind == RoleKind::Publisher);
    roles.filter(|role| role.is_met_by(signers)).collect()
}

/// Whether all classes outside `roles` are byte for byte as before, and every class has the slot and the name
/// that it had: other publishers rely on these.
fn changes_only(roles: &[&Role], before: &Release, after: &Release) -> bool {
    if roles.is_empty() || before.classes.is_empty() || after.classes.is_empty() {
        return false;
    }
    let is_foreign = |name: &str| !roles.iter().any(|role| role.classes.covers(name));
    let kept = |release: &Release| {
        let foreign = release.classes.iter().filter(|class| is_foreign(&class.name));
        foreign.cloned().collect::<Vec<_>>()
    };
    let stays =
        |old: &ReleaseClass| after.classes.iter().any(|new| (new.slot, &new.name) == (old.slot, &old.name));
    kept(before) == kept(after) && before.classes.iter().all(stays)
}
