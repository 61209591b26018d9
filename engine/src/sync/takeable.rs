//! Chooses the releases to which a channel may move on this node where the newest release is not available.
//!
//! A pure choice over statements. Owns the rule that a node which cannot get the newest release takes the
//! newest of its ancestors, and never a release that a rollback abandoned. Must not know which nodes have the
//! data.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use crate::{
    id::StatementId,
    limits::TAKEABLE_ANCESTORS,
    statement::{Body, Library, Statement},
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
    Choices::new(library).takeable(channel, here)
}

/// The choices for all channels of a library: its statements are searched once for all of them.
#[derive(Debug)]
pub struct Choices<'a> {
    library: &'a Library,
    /// The statements about each channel.
    by_channel: OnceCell<BTreeMap<&'a str, Vec<ChannelStatement<'a>>>>,
}

/// A statement about a channel, and the release that it names.
type ChannelStatement<'a> = (&'a Statement, StatementId);

impl<'a> Choices<'a> {
    /// The choices in the state of `library`.
    pub fn new(library: &'a Library) -> Self {
        Self { library, by_channel: OnceCell::new() }
    }

    /// See [`takeable`].
    pub fn takeable(&self, channel: &str, here: Option<&RefMove>) -> Vec<Takeable> {
        let library = self.library;
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
        let newest = self.newest_statements(channel);
        let older = line.iter().rev().filter_map(|release| {
            let statement = newest.get(release)?;
            let (id, sequence) = (statement.id(), statement.sequence());
            after.comes(release, &id).then_some(Takeable { release: *release, statement: id, sequence })
        });
        std::iter::once(announced).chain(older).collect()
    }

    /// The last statement for each release to which the channel ever pointed.
    fn newest_statements(&self, channel: &str) -> BTreeMap<StatementId, &'a Statement> {
        let library = self.library;
        let all = self.by_channel.get_or_init(|| by_channel(library)).get(channel);
        let mut newest: BTreeMap<StatementId, &Statement> = BTreeMap::new();
        for (statement, release) in all.into_iter().flatten() {
            let is_newer = |known: &Statement| {
                let (new, old) = (statement.id(), known.id());
                match (is_ranked(library, channel, &new), is_ranked(library, channel, &old)) {
                    (true, true) => library.is_after(channel, &new, &old),
                    (false, false) => statement.sequence() > known.sequence(),
                    (is_ranked, _) => is_ranked,
                }
            };
            if newest.get(release).is_none_or(|known| is_newer(known)) {
                newest.insert(*release, *statement);
            }
        }
        newest
    }
}

/// The statements about the channels of a library, by the channel's name.
fn by_channel(library: &Library) -> BTreeMap<&str, Vec<ChannelStatement<'_>>> {
    let mut by_channel: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for statement in library.statements() {
        #[cfg(test)]
        tests::count_step();
        if let Body::Channel(body) = statement.body() {
            by_channel.entry(&body.name).or_default().push((statement, body.release));
        }
    }
    by_channel
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

/// The known and effective releases from which `release` descends, parents first: the newest
/// [`TAKEABLE_ANCESTORS`] of them.
fn ancestors(library: &Library, release: &StatementId) -> Vec<StatementId> {
    let (mut found, mut seen, mut open) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut next = Some(*release);
    while let Some(said) = next.and_then(|next| library.release(&next)) {
        #[cfg(test)]
        tests::count_step();
        for parent in said.body.parents.iter().filter_map(|parent| library.release(parent)) {
            let rank = (parent.statement.sequence(), parent.statement.time_ms(), parent.statement.id());
            if seen.insert(rank) {
                open.insert(rank);
            }
        }
        // A release has a higher sequence than its parents: the newest ancestor is known by now.
        let newest = if found.len() < TAKEABLE_ANCESTORS { open.pop_last() } else { None };
        next = newest.map(|(_, _, release)| release);
        found.extend(next);
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{
        id::{ManifestId, Salt},
        statement::{
            Channel, Header, Key, Release,
            library::{Founders, found},
        },
    };

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_step() {
        STEPS.with(|steps| steps.set(steps.get() + 1));
    }

    /// A library whose releases are a line, and that has as many channels, each on one of them.
    fn library(releases: usize, channels: usize) -> Library {
        let key = |seed| Key::from_seed([seed; 32]);
        let (operator, publisher) = (key(2), key(3));
        let keys = Founders { root: &key(1), operator: &operator, publisher: &publisher };
        let (id, root) = found("films", keys, Salt::from_bytes([9; 32]), 1).unwrap();
        let sign = |body, sequence, key| {
            let header = Header { library: Some(id), sequence, time_ms: 1 };
            Statement::sign(header, &body, &[key]).unwrap()
        };
        let mut said: Vec<Statement> = vec![root];
        let mut line: Vec<StatementId> = Vec::new();
        for sequence in (1u64..).take(releases) {
            let parents = line.last().copied().into_iter().collect();
            let manifest = ManifestId::from_bytes([1; 32]);
            let body = Release { parents, manifest, message: String::new(), classes: Vec::new() };
            said.push(sign(Body::Release(body), sequence, &publisher));
            line.extend(said.last().map(Statement::id));
        }
        for n in 0..channels {
            let release = line[releases - 1 - n % releases];
            let active = publisher.public();
            let body = Channel { name: format!("c{n}"), release, active, follow: true, term: None };
            said.push(sign(Body::Channel(body), 1, &operator));
        }
        let mut library = Library::new(id);
        assert!(library.offer_all(&said, 1).into_iter().all(|outcome| outcome.unwrap().is_news()));
        library
    }

    /// Symptom: every exchange about a library, and every start of a node that has it, took minutes. Cause:
    /// for each of its channels, all its statements were sorted and searched.
    #[test]
    fn many_channels_search_the_statements_once() {
        let library = library(8, 200);
        let choices = Choices::new(&library);
        STEPS.with(|steps| steps.set(0));
        let found: usize = library.channels().map(|said| choices.takeable(&said.body.name, None).len()).sum();
        assert_eq!(found, 200, "each has the release that it points to");
        let (steps, statements) = (STEPS.with(Cell::get), library.statements().len());
        assert!(steps <= 10 * statements, "{steps} steps for {statements} statements");
    }

    #[test]
    fn the_newest_ancestors_are_found_and_no_more_than_the_limit() {
        let library = library(TAKEABLE_ANCESTORS + 50, 1);
        let top = library.channel("c0").unwrap().body.release;
        let line = ancestors(&library, &top);
        let sequences: Vec<_> =
            line.iter().map(|id| library.release(id).unwrap().statement.sequence()).collect();
        assert_eq!(sequences, (50..50 + TAKEABLE_ANCESTORS as u64).collect::<Vec<_>>());
        STEPS.with(|steps| steps.set(0));
        ancestors(&library, &top);
        assert_eq!(STEPS.with(Cell::get), TAKEABLE_ANCESTORS + 1);
    }
}
