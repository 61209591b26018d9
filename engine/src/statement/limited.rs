//! The changes in a release by publishers that are limited to some classes. Statements alone show whether
//! they may change these classes. Whether they took another class's paths needs the trees, which only some
//! nodes have.

use std::collections::BTreeMap;

use crate::{
    error::{Error, Result},
    id::{Commitment, StatementId},
    manifest::{
        PageSource,
        table::ClassHeader,
        trespass::{self, Changed, Trespass},
    },
    statement::{Library, PublicKey, Release, Role, RoleKind, Statement},
};

/// The classes that limited publishers changed in a release, since the last release before it that publishers
/// of all classes authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedChanges {
    /// The release with which it is compared.
    pub base: StatementId,
    /// By slot.
    pub classes: BTreeMap<u8, LimitedChange>,
}

/// A class that limited publishers changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitedChange {
    /// Its header in the base; `None` for a new class.
    pub old: Option<Commitment>,
    /// Its header in the release.
    pub new: Commitment,
    /// The headers of the classes outside the limits of all publishers that changed it: in the base and in
    /// the release, by slot.
    pub others: Vec<(u8, Commitment)>,
}

impl Library {
    /// The changes by limited publishers in `release`; `None` where publishers of all classes signed it or a
    /// release that descends from it.
    pub fn limited_changes(&self, release: &StatementId) -> Option<LimitedChanges> {
        let last = self.release(release).filter(|_| self.state.releases.limited.contains(release))?;
        let mut changers: BTreeMap<u8, Vec<&Role>> = BTreeMap::new();
        let mut at = last;
        while self.state.releases.limited.contains(&at.statement.id()) {
            let before = self.release(at.body.parents.first()?)?;
            for class in at.body.classes.iter().filter(|class| !before.body.classes.contains(class)) {
                changers.entry(class.slot).or_default().extend(self.publisher_roles(at.statement));
            }
            at = before;
        }
        let commitment = |release: &Release, slot: u8| {
            release.classes.iter().find(|class| class.slot == slot).map(|class| class.commitment)
        };
        let others = |roles: &[&Role]| {
            let mut others: Vec<(u8, Commitment)> = Vec::new();
            for class in at.body.classes.iter().chain(&last.body.classes) {
                let is_foreign = !roles.iter().any(|role| role.classes.covers(&class.name));
                if is_foreign && !others.contains(&(class.slot, class.commitment)) {
                    others.push((class.slot, class.commitment));
                }
            }
            others
        };
        let changed = changers.into_iter().filter_map(|(slot, roles)| {
            let (old, new) = (commitment(at.body, slot), commitment(last.body, slot)?);
            (old != Some(new)).then(|| (slot, LimitedChange { old, new, others: others(&roles) }))
        });
        Some(LimitedChanges { base: at.statement.id(), classes: changed.collect() })
    }

    /// A path that a class gained in `release` although it belongs to a class outside the limits of its
    /// publishers: a node that holds both classes then refuses the release. Only classes whose headers
    /// `source` has are compared; where the earlier tree of a class is missing, every path counts as gained.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where a page of the release is not held.
    pub fn trespass<S: PageSource + ?Sized>(
        &self,
        source: &S,
        release: &StatementId,
    ) -> Result<Option<Trespass>> {
        let Some(changes) = self.limited_changes(release) else { return Ok(None) };
        let root = |commitment: &Commitment| match ClassHeader::load(source, commitment) {
            Ok(header) => Ok(Some(header.root)),
            Err(error) if error.is_unreadable() => Ok(None),
            Err(error) => Err(error),
        };
        let mut classes = Vec::new();
        for (slot, change) in &changes.classes {
            let Some(new) = root(&change.new)? else { continue };
            let mut others = Vec::new();
            for (other, commitment) in &change.others {
                others.extend(root(commitment)?.map(|root| (*other, root)));
            }
            let old = change.old.as_ref().map(root).transpose()?.flatten();
            classes.push(Changed { slot: *slot, old, new, others });
        }
        trespass::find(source, &classes)
    }

    /// Like [`Library::trespass`], as an error.
    ///
    /// # Errors
    ///
    /// [`Error::Trespass`] naming the path and both classes; else as [`Library::trespass`].
    pub fn check_trespass<S: PageSource + ?Sized>(&self, source: &S, release: &StatementId) -> Result<()> {
        let Some(found) = self.trespass(source, release)? else { return Ok(()) };
        let said = self.release(release);
        let name = |slot: u8| {
            let listed =
                said.into_iter().flat_map(|said| &said.body.classes).find(|class| class.slot == slot);
            listed.map_or_else(|| format!("in slot {slot}"), |class| format!("`{}`", class.name))
        };
        Err(Error::Trespass(format!(
            "release {} of {} is refused: in it class {} gains {}, which is in class {}, and its publisher's key is not for that \
             class; an operator can move the channel to another release, or a publisher of all classes publish anew",
            said.map_or(0, |said| said.statement.sequence()),
            self.name(),
            name(found.slot),
            found.path,
            name(found.other)
        )))
    }

    /// The publisher roles whose thresholds a statement's signers meet.
    fn publisher_roles<'a>(&'a self, statement: &Statement) -> impl Iterator<Item = &'a Role> {
        let signers: Vec<PublicKey> = statement.signers().copied().collect();
        let roles = self.root().into_iter().flat_map(|root| &root.roles);
        roles.filter(move |role| role.kind == RoleKind::Publisher && role.is_met_by(&signers))
    }
}
