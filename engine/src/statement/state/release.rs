//! Which releases stand: those of today's publishers, those the root pins, and what they descend from.

use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, ConflictKind, State, View};
use crate::{
    id::StatementId,
    statement::{Body, Classes, PublicKey, Release, Role, RoleKind, Statement},
};

impl State {
    pub(super) fn settle_releases(&mut self, view: &View<'_>) {
        let mut releases: BTreeMap<StatementId, (&Statement, &Release)> = BTreeMap::new();
        for statement in view.pool.iter() {
            if let Body::Release(body) = statement.body() {
                releases.insert(statement.id(), (statement, body));
            }
        }
        let mut limited = Vec::new();
        for (id, (statement, release)) in &releases {
            let signers: Vec<_> = statement.signers().copied().collect();
            if view.pinned(statement) || view.root.allows(RoleKind::Publisher, &Classes::all(), &signers) {
                self.vouch(*id, &releases);
            } else if let Some(role) = limited_role(view, &signers)
                && let [parent] = release.parents.as_slice()
                && let Some((_, before)) = releases.get(parent)
                && changes_only(role, before, release)
            {
                limited.push((*id, *parent));
            }
        }
        // Each may follow another one.
        loop {
            let before = limited.len();
            limited.retain(|(id, parent)| {
                let stands = self.releases.contains(parent);
                if stands {
                    self.releases.insert(*id);
                }
                !stands
            });
            if limited.len() == before {
                break;
            }
        }
        self.find_rivals(&releases);
    }

    /// A release stands, and with it what it descends from, as far as that is known.
    fn vouch(&mut self, id: StatementId, releases: &BTreeMap<StatementId, (&Statement, &Release)>) {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if let Some((_, release)) = releases.get(&id)
                && self.releases.insert(id)
            {
                open.extend(&release.parents);
            }
        }
    }

    fn find_rivals(&mut self, releases: &BTreeMap<StatementId, (&Statement, &Release)>) {
        let mut by_place: BTreeMap<(Vec<PublicKey>, u64), BTreeSet<StatementId>> = BTreeMap::new();
        for (id, (statement, _)) in releases {
            let signers = statement.signers().copied().collect();
            by_place.entry((signers, statement.sequence())).or_default().insert(*id);
        }
        for ((signers, sequence), rivals) in by_place.into_iter().filter(|(_, rivals)| rivals.len() > 1) {
            let signer = signers.first().map(PublicKey::short).unwrap_or_default();
            self.conflicts.push(Conflict {
                kind: ConflictKind::Release,
                subject: format!("release {sequence} of publisher {signer}"),
                statements: rivals.into_iter().collect(),
                settled: false,
            });
        }
    }
}

/// The publisher role, for some classes only, that `signers` fill.
fn limited_role<'a>(view: &View<'a>, signers: &[PublicKey]) -> Option<&'a Role> {
    let mut roles = view.root.roles.iter().filter(|role| role.kind == RoleKind::Publisher);
    roles.find(|role| role.is_met_by(signers))
}

/// Whether all that `role` has no say in is byte for byte as before.
fn changes_only(role: &Role, before: &Release, after: &Release) -> bool {
    if before.classes.is_empty() || after.classes.is_empty() {
        return false;
    }
    let kept = |release: &Release| {
        let foreign = release.classes.iter().filter(|class| !role.classes.covers(&class.name));
        foreign.cloned().collect::<Vec<_>>()
    };
    kept(before) == kept(after)
}
