//! Chooses the releases to which a channel may move on this node where the newest release is not available.
//!
//! A pure choice over statements. Owns the rule that a node which cannot get the newest release takes the
//! newest of its ancestors, and never a release that a rollback abandoned. Must not know which nodes have the
//! data.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::StatementId,
    statement::{Body, Library, Statement, StatementKind},
    store::RefMove,
};

/// A release to which a channel may move on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeable {
    /// The release.
    pub release: StatementId,
    /// The statement by which the channel points, or pointed, to it.
    pub statement: StatementId,
    /// The sequence of that statement.
    pub sequence: u64,
}

/// The releases to which `channel` may move from `here`, its position on this node, newest first: the release
/// to which the channel points by the newest effective statement, and those ancestors of it (by parents) that
/// come after `here`. Empty where the channel is up to date here.
///
/// An ancestor must have been a release of this channel: a channel never moves to a release to which it was
/// not set. The ancestor comes after `here` if its channel statement does. One of the two statements may have
/// no rank in the channel any more, because the key that signed it was removed. Then the ancestor comes after
/// `here` if it descends from the release there.
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
    let newest = newest_statements(library, channel);
    let older = line.iter().rev().filter_map(|release| {
        let statement = newest.get(release)?;
        let (id, sequence) = (statement.id(), statement.sequence());
        after.comes(release, &id).then_some(Takeable { release: *release, statement: id, sequence })
    });
    std::iter::once(announced).chain(older).collect()
}

/// Decides which releases come after the release that is here.
struct After<'a> {
    library: &'a Library,
    channel: &'a str,
    here: Option<&'a RefMove>,
    /// Whether the announced release is the one that is here, or descends from it.
    is_in_line: bool,
    /// The releases in the line that descend from the one that is here.
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

    /// Whether `release` comes after the release that is here. `statement` is the last one that set the
    /// channel to `release`.
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

/// Whether `statement` moves a channel forward from its position here. Always true where the statement of
/// that position is not known, or its signer is no longer entitled.
pub fn is_onward(library: &Library, channel: &str, statement: &StatementId, here: &RefMove) -> bool {
    library.statement(&here.statement).is_none() || library.is_after(channel, statement, &here.statement)
}

/// Whether a statement has a rank in the channel: its signer is entitled now.
fn is_ranked(library: &Library, channel: &str, statement: &StatementId) -> bool {
    library.is_after(channel, statement, &StatementId::from_bytes([0; 32]))
}

/// The last statement for each release to which the channel ever pointed.
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

/// The known and effective releases from which `release` descends; parents first.
fn ancestors(library: &Library, release: &StatementId) -> Vec<StatementId> {
    let mut found = BTreeSet::new();
    let mut open = vec![*release];
    while let Some(next) = open.pop() {
        let Some(said) = library.release(&next) else { continue };
        for parent in said.body.parents.iter().filter_map(|parent| library.release(parent)) {
            let rank = (parent.statement.sequence(), parent.statement.time_ms(), parent.statement.id());
            if found.insert(rank) {
                open.push(rank.2);
            }
        }
    }
    // A release has a higher sequence than its parents.
    found.into_iter().map(|(_, _, release)| release).collect()
}
