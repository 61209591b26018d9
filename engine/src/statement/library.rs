//! A library's statements and what follows from them: who may do what, which releases are real, where channels stand.
//! Pure state; it keeps nothing on disk and reads no clock.
//!
//! Statements that somebody entitled signed go into a set that only grows (`pool` has the table); what counts is derived from
//! that set anew (`state`), so it depends neither on the order in which statements came nor on who brought them.
//!
//! | kind | counts when |
//! | --- | --- |
//! | root | the first: its hash is the library's id and its own root role signed it. Version n + 1: the root roles of n and n + 1 both signed it, and no other of its version was known before |
//! | release | publishers of all classes signed it; or a publisher of some that left the others as in its parent; or a release that counts descends from it; or the root pins it |
//! | channel | its release counts, and an operator signed it, or the publisher that the operator's last word named (before any word: the only publisher there is) |
//! | policy | operators signed it, no newer one counts, and it is the only one of its sequence |
//! | ticket | an operator signed it |
//! | member | an operator signed it and no newer word of one stands; or it is one of no more uses of a ticket than it is for |
//! | revoke | a key that the root names as an operator's signed it, or the root pins it; unless it leaps further above what else is said of the node than anybody comes by honest work |
//!
//! Authority is always that of the newest root: what keys signed that it no longer names is set aside, and counts again only
//! where the root pins it or, of releases, where a later one vouches for it.

use std::sync::Arc;

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    statement::{
        Body, Statement, StatementKind,
        pool::{Entry, Pool, Subject},
        state::State,
    },
};

pub use super::author::{
    Founders, Proposed, channel, checkpoint, found, fresh, member, policy, release, release_of_classes,
    revoke, succession, ticket,
};

/// The statements of one library. See the module for the rules. Cheap to clone: statements are shared.
#[derive(Clone, Debug)]
pub struct Library {
    pub(super) id: LibraryId,
    pub(super) pool: Pool,
    pub(super) state: Arc<State>,
}

/// What became of an offered statement.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is known now and counts: keep it durably before anyone hears of it.
    New,
    /// It was known already.
    Known,
    /// A newer one of the same signer is known, or one that says the same, and only that is kept; or a root
    /// has removed its keys, and nothing that counts rests on it. No node needs it.
    Outdated,
    /// It is known now: keep it and pass it on, but it does not count, or not any more.
    Idle {
        /// Why, for people.
        reason: String,
    },
    /// Nothing known here entitles it, or what it names is unknown. Offer it again after the statements it needs.
    Unproved {
        /// What is missing, for people.
        reason: String,
    },
}

impl Accepted {
    /// Why a statement is [`Outdated`](Accepted::Outdated), for people.
    pub const OUTDATED: &'static str =
        "a newer one or one that says the same is known, or the root names its key no more";

    /// Whether the statement is known now and was not before.
    pub const fn is_news(&self) -> bool {
        matches!(self, Accepted::New | Accepted::Idle { .. })
    }
}

impl Library {
    /// A library of which only the id is known, as after reading a ticket: its first root is the one statement that
    /// can stand.
    pub fn new(id: LibraryId) -> Self {
        Self { id, pool: Pool::default(), state: Arc::default() }
    }

    /// Takes up statements as a store kept them, in any order, and verifies each again. One that no longer parses or
    /// verifies is left out with a warning; fails where the first root is not among them.
    pub fn load<B: AsRef<[u8]>>(
        id: LibraryId,
        kept: impl IntoIterator<Item = B>,
        now_ms: i64,
    ) -> Result<Self> {
        let mut statements = Vec::new();
        for bytes in kept {
            match Statement::decode(bytes.as_ref()) {
                Ok(statement) => statements.push(statement),
                Err(error) => tracing::warn!(library = %id.short(), %error, "a kept statement is left out"),
            }
        }
        Self::open(id, statements, now_ms)
    }

    /// Like [`Library::load`], of statements that are parsed.
    pub fn open(id: LibraryId, statements: impl IntoIterator<Item = Statement>, now_ms: i64) -> Result<Self> {
        let mut library = Self::new(id);
        let statements: Vec<_> = statements.into_iter().collect();
        for (statement, outcome) in statements.iter().zip(library.offer_all(&statements, now_ms)) {
            if let Err(error) = outcome {
                tracing::warn!(library = %id.short(), statement = %statement.id().short(), %error, "a kept statement is left out");
            }
        }
        if library.root().is_none() {
            return Err(Error::Missing(format!(
                "the first root of library {} is not held here; join it again with a ticket",
                id.short()
            )));
        }
        Ok(library)
    }

    /// Considers one statement from anybody. An error says that these bytes can never stand; it changes nothing.
    pub fn offer(&mut self, statement: &Statement, now_ms: i64) -> Result<Accepted> {
        let mut outcomes = self.offer_all(std::slice::from_ref(statement), now_ms);
        outcomes.pop().unwrap_or(Ok(Accepted::Known))
    }

    /// Whether [`offer_all`](Self::offer_all) would take up any of `statements`. Where none of them could be first, none can
    /// follow it: what nobody entitled has signed ends here, before the library is copied to be changed.
    pub fn would_take_any(&self, statements: &[Statement]) -> bool {
        let is_of_here = |statement: &&Statement| statement.library() == self.id;
        statements.iter().filter(is_of_here).any(|statement| self.pool.would_take(statement))
    }

    /// Considers a set of statements, in the order in which they can prove each other, until no more are taken up. The
    /// outcomes are in the order given, and are those of the whole set.
    pub fn offer_all(&mut self, statements: &[Statement], now_ms: i64) -> Vec<Result<Accepted>> {
        let mut outcomes: Vec<(&Statement, Result<Entry>)> =
            statements.iter().map(|statement| (statement, self.check(statement))).collect();
        let mut order: Vec<_> = outcomes.iter_mut().collect();
        // Of two roots of one version, the one that is given first stands.
        order.sort_by_key(|(statement, _)| match statement.kind() {
            StatementKind::Root => (0, statement.sequence(), 0, StatementId::from_bytes([0; 32])),
            // Of those that say the same the one that is kept comes first, so that none of a set displaces another.
            _ if Subject::is_kept_by_id(statement) => (place_in_order(statement).0, 0, 0, statement.id()),
            _ => place_in_order(statement),
        });
        let (mut changed, mut progress) = (false, true);
        while progress {
            progress = false;
            for (statement, outcome) in &mut order {
                if matches!(outcome, Ok(Entry::Waits(_) | Entry::Unneeded)) {
                    *outcome = self.pool.add(statement);
                    progress |= matches!(outcome, Ok(Entry::Taken));
                    changed |= progress;
                }
            }
        }
        if changed {
            self.state = Arc::new(State::of(&self.pool));
            if self.root_expired(now_ms) {
                tracing::warn!(library = %self.id.short(), "the root should have been renewed; nothing stops for it");
            }
        }
        let told = |(statement, outcome): (&Statement, Result<Entry>)| {
            Ok(match outcome? {
                Entry::Known => Accepted::Known,
                Entry::Waits(reason) => Accepted::Unproved { reason },
                Entry::Outdated | Entry::Unneeded => Accepted::Outdated,
                // Another of the same set displaced it.
                Entry::Taken if self.pool.get(&statement.id()).is_none() => Accepted::Outdated,
                Entry::Taken => match self.why_idle(statement) {
                    None => Accepted::New,
                    Some(reason) => Accepted::Idle { reason },
                },
            })
        };
        outcomes.into_iter().map(told).collect()
    }

    /// What needs no look at what else is known: the wrong library, and what is known already.
    fn check(&self, statement: &Statement) -> Result<Entry> {
        if statement.library() != self.id {
            return Err(Error::Invalid(format!(
                "{} {} is of library {}, not of {}",
                statement.kind().name(),
                statement.id().short(),
                statement.library().short(),
                self.id.short()
            )));
        }
        if self.pool.get(&statement.id()).is_some_and(|known| **known == *statement) {
            return Ok(Entry::Known);
        }
        Ok(Entry::Waits(String::new()))
    }

    /// Why a statement that is known does not count now, for people; nothing where it does.
    pub fn why_idle(&self, statement: &Statement) -> Option<String> {
        let id = statement.id();
        let state = &*self.state;
        let lost = |conflict: &&super::Conflict| conflict.statements.contains(&id);
        let (counts, otherwise) = match statement.body() {
            Body::Root(_) => (state.roots.contains(&id), "another root has its version"),
            Body::Release(_) => {
                (state.releases.contains(&id), "its publisher may not change all that it changes")
            }
            Body::Channel(channel) => {
                let history = state.channels.get(&channel.name).map(|channel| channel.history.as_slice());
                match history.unwrap_or_default() {
                    [.., current] if *current == id => (true, ""),
                    history if history.contains(&id) => {
                        (false, "something newer stands already; pull the library and try again")
                    }
                    _ if self.release(&channel.release).is_none() => (false, "its release is not known yet"),
                    _ => (false, "its signer does not move the channel; an operator can switch to it"),
                }
            }
            Body::Ticket(_) => (state.tickets.contains(&id), "its operator is one no more"),
            Body::Policy(policy) => (
                state.policy.standing == Some(id),
                match policy.unknown_critical() {
                    Some(_) => "it has a critical field that this chuan does not know; update it",
                    None => "a newer policy stands, or its signers are operators no more",
                },
            ),
            Body::Member(member) => {
                let grants = state.nodes.get(&member.node).map(|node| node.grants.as_slice());
                (
                    grants.unwrap_or_default().contains(&id),
                    "a newer word of an operator stands, or its ticket is used up",
                )
            }
            Body::Succession(_) => {
                (!state.conflicts.iter().any(|c| lost(&c)), "the key has another successor")
            }
            Body::Revoke(_) => (
                state.revocations.contains(&id),
                "its signer is an operator no more, and the root does not pin it",
            ),
            Body::Fresh(_) | Body::Checkpoint(_) | Body::Pins(_) => (true, ""),
        };
        if counts {
            return None;
        }
        let conflict = state.conflicts.iter().find(lost);
        Some(conflict.map_or_else(
            || otherwise.to_owned(),
            |conflict| format!("{} was said twice: {}", conflict.subject, conflict.kind.advice()),
        ))
    }
}

/// The order in which statements prove each other.
pub(super) fn place_in_order(statement: &Statement) -> (u8, u64, i64, StatementId) {
    let kind = match statement.kind() {
        StatementKind::Root => 0,
        StatementKind::Release => 1,
        StatementKind::Channel => 2,
        // Tickets go before the members that were made of them, and those before what nodes say of themselves.
        StatementKind::Ticket => 3,
        StatementKind::Member => 4,
        StatementKind::Revoke => 5,
        StatementKind::Fresh => 6,
        StatementKind::Succession => 7,
        StatementKind::Checkpoint => 8,
        StatementKind::Policy => 9,
        StatementKind::Pins => 10,
    };
    (kind, statement.sequence(), statement.time_ms(), statement.id())
}
