//! Which releases a channel may go on to here, where the one on which it stands is not to be had.
//!
//! A pure choice over statements. Owns the rule that a node which cannot get the newest release takes the newest of its
//! ancestors, and never a release that a rollback left behind. Must not know who has the data.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::StatementId,
    statement::{Body, Library, Statement, StatementKind},
    store::RefMove,
};

/// A release that a channel may go on to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeable {
    /// The release.
    pub release: StatementId,
    /// The statement by which the channel stands, or stood, on it.
    pub statement: StatementId,
    /// The sequence of that statement.
    pub sequence: u64,
}

/// The releases to which `channel` may go on from `here`, the newest first: the one on which it stands by what is said,
/// and its ancestors, by parents, that come after what is here. Empty where the channel is up to date here.
///
/// An ancestor must have been a release of this channel, since a channel never stands where it was not set. It comes after
/// what is here if its statement does. Where one of the two statements has no place in the channel any more, because the
/// key that made it was removed, the ancestor comes after what is here if it descends from it.
pub fn takeable(library: &Library, channel: &str, here: Option<&RefMove>) -> Vec<Takeable> {
    let Some(current) = library.channel(channel) else { return Vec::new() };
    let announced = Takeable {
        release: current.body.release,
        statement: current.statement.id(),
        sequence: current.statement.sequence(),
    };
    let is_known = library.release(&announced.release).is_some();
    if !is_known || here.is_some_and(|here| !is_onward(library, channel, &announced.statement, here)) {
        return Vec::new();
    }
    let line = ancestors(library, &announced.release);
    let after = After::new(library, channel, here, &announced.release, &line);
    let said = newest_statements(library, channel);
    let older = line.iter().rev().filter_map(|release| {
        let statement = said.get(release)?;
        let (id, sequence) = (statement.id(), statement.sequence());
        after.comes(release, &id).then_some(Takeable { release: *release, statement: id, sequence })
    });
    std::iter::once(announced).chain(older).collect()
}

/// What comes after the release that is here.
struct After<'a> {
    library: &'a Library,
    channel: &'a str,
    here: Option<&'a RefMove>,
    /// Whether the announced release descends from the one that is here, or is it.
    is_in_line: bool,
    /// The releases of the line that descend from the one that is here.
    descendants: BTreeSet<StatementId>,
}

impl<'a> After<'a> {
    /// `line` are the ancestors of `announced`, parents first.
    fn new(
        library: &'a Library,
        channel: &'a str,
        here: Option<&'a RefMove>,
        announced: &StatementId,
        line: &[StatementId],
    ) -> Self {
        let from = here.map(|here| here.release);
        let mut descendants = BTreeSet::new();
        for release in line {
            let parents =
                library.release(release).map(|said| said.body.parents.as_slice()).unwrap_or_default();
            if parents.iter().any(|parent| from == Some(*parent) || descendants.contains(parent)) {
                descendants.insert(*release);
            }
        }
        let is_in_line = from.is_some_and(|from| from == *announced || line.contains(&from));
        Self { library, channel, here, is_in_line, descendants }
    }

    /// Whether `release`, on which `statement` set the channel last, does.
    fn comes(&self, release: &StatementId, statement: &StatementId) -> bool {
        let Some(here) = self.here else { return true };
        if here.release == *release {
            return false;
        }
        let is_ranked = |statement| is_ranked(self.library, self.channel, statement);
        if is_ranked(&here.statement) && is_ranked(statement) {
            return self.library.is_after(self.channel, statement, &here.statement);
        }
        self.descendants.contains(release)
            || (!self.is_in_line && is_onward(self.library, self.channel, statement, here))
    }
}

/// Whether a channel goes on from where it stands here to `statement`. Where the statement that moved it here is not known,
/// or its signer is not entitled any more, everything does.
pub fn is_onward(library: &Library, channel: &str, statement: &StatementId, here: &RefMove) -> bool {
    library.statement(&here.statement).is_none() || library.is_after(channel, statement, &here.statement)
}

/// Whether a statement has a place in the order of the channel: whether its signer is entitled now.
fn is_ranked(library: &Library, channel: &str, statement: &StatementId) -> bool {
    library.is_after(channel, statement, &StatementId::from_bytes([0; 32]))
}

/// For each release on which the channel ever stood, the last statement by which it did.
fn newest_statements<'a>(library: &'a Library, channel: &str) -> BTreeMap<StatementId, &'a Statement> {
    let mut newest: BTreeMap<StatementId, &Statement> = BTreeMap::new();
    let all = library.statements().into_iter().filter(|statement| statement.kind() == StatementKind::Channel);
    for statement in all {
        let Body::Channel(body) = statement.body() else { continue };
        if body.name != channel {
            continue;
        }
        let is_newer = |known: &Statement| {
            let (new, old) = (statement.id(), known.id());
            match (is_ranked(library, channel, &new), is_ranked(library, channel, &old)) {
                (true, true) => library.is_after(channel, &new, &old),
                (false, false) => statement.sequence() > known.sequence(),
                (is_ranked, _) => is_ranked,
            }
        };
        if newest.get(&body.release).is_none_or(|known| is_newer(known)) {
            newest.insert(body.release, statement);
        }
    }
    newest
}

/// The releases from which `release` descends, as far as they are known and stand; parents first.
fn ancestors(library: &Library, release: &StatementId) -> Vec<StatementId> {
    let mut found = BTreeSet::new();
    let mut open = vec![*release];
    while let Some(next) = open.pop() {
        let Some(said) = library.release(&next) else { continue };
        for parent in said.body.parents.iter().filter_map(|parent| library.release(parent)) {
            let place = (parent.statement.sequence(), parent.statement.time_ms(), parent.statement.id());
            if found.insert(place) {
                open.push(place.2);
            }
        }
    }
    // A release has a higher sequence than its parents.
    found.into_iter().map(|(_, _, release)| release).collect()
}
