//! A library's statements and what follows from them: the rights of keys and nodes, the effective releases,
//! the current statements of channels. Pure state: it keeps nothing on disk and reads no clock.
//!
//! Statements that an authorized key signed go into a set that only grows (`set` has the table). The
//! effective state is derived from that set anew (`state`), so it depends neither on the order of arrival nor
//! on the senders.
//!
//! | kind | is effective when |
//! | --- | --- |
//! | root | version 1: its hash is the library's id and its own root role signed it. Version n + 1: the root roles of n and n + 1 both signed it, and no other of its version was known before |
//! | release | publishers of all classes signed it; or a publisher of some classes signed it and left the others as in its parent; or an effective release descends from it; or the root pins it |
//! | channel | its release is effective, and an operator signed it, or the publisher that the operator's last statement named (before any such statement: the only publisher) |
//! | policy | operators signed it, no newer policy is effective, and it is the only one of its sequence |
//! | ticket | an operator signed it |
//! | member | an operator signed it and no newer operator statement on the node is effective; or it is a use of a ticket that is not overused |
//! | revoke | a key that the root names as an operator's signed it, or the root pins it; unless its sequence is further above the node's other sequences than honest use can bring it |
//!
//! Authority is always that of the newest root. Statements of keys that it no longer names are ineffective;
//! they become effective again only where the root pins them or, for releases, where a later effective
//! release descends from them.

use std::sync::Arc;

use crate::{
    error::{Error, Result},
    id::{LibraryId, NodeId, StatementId},
    statement::{
        Body, Member, Statement, StatementKind,
        set::{Entry, StatementSet, Subject, batch::add_all},
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
    pub(super) set: StatementSet,
    pub(super) state: Arc<State>,
}

/// The outcome of offering a statement.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is stored now and effective: make it durable before any peer hears of it.
    New,
    /// It was known already.
    Known,
    /// A newer statement of the same signer or an equivalent one is known, and only that is kept; or a root
    /// has removed its keys, and no effective statement depends on it. No node needs it.
    Superseded,
    /// It is stored now and passed on, but it is not effective, or no longer.
    Ineffective {
        /// Why, for people.
        reason: String,
    },
    /// No known root authorizes it, or a statement that it names is unknown. Offer it again after the
    /// statements it needs.
    Unauthorized {
        /// The missing authority or statement, for people.
        reason: String,
    },
}

impl Accepted {
    /// The reason why a statement is [`Superseded`](Accepted::Superseded), for people.
    pub const SUPERSEDED: &'static str =
        "a newer or an equivalent statement is known, or the root no longer names its key";

    /// Whether the statement is known now and was not before.
    pub const fn is_news(&self) -> bool {
        matches!(self, Accepted::New | Accepted::Ineffective { .. })
    }
}

impl Library {
    /// A library of which only the id is known, as after reading a ticket: its first root is the only
    /// statement that can be accepted.
    pub fn new(id: LibraryId) -> Self {
        Self { id, set: StatementSet::default(), state: Arc::default() }
    }

    /// Loads statements from a store, in any order, and verifies each again. A statement that no longer
    /// parses or verifies is left out with a warning. Fails where the first root is not among them.
    pub fn load<B: AsRef<[u8]>>(
        id: LibraryId,
        kept: impl IntoIterator<Item = B>,
        now_ms: i64,
    ) -> Result<Self> {
        let mut statements = Vec::new();
        for bytes in kept {
            match Statement::decode(bytes.as_ref()) {
                Ok(statement) => statements.push(statement),
                Err(error) => tracing::warn!(library = %id.short(), %error, "a stored statement is left out"),
            }
        }
        Self::open(id, statements, now_ms)
    }

    /// Like [`Library::load`], for parsed statements.
    pub fn open(id: LibraryId, statements: impl IntoIterator<Item = Statement>, now_ms: i64) -> Result<Self> {
        let mut library = Self::new(id);
        let statements: Vec<_> = statements.into_iter().collect();
        for (statement, outcome) in statements.iter().zip(library.offer_all(&statements, now_ms)) {
            if let Err(error) = outcome {
                tracing::warn!(library = %id.short(), statement = %statement.id().short(), %error, "a stored statement is left out");
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

    /// Considers one untrusted statement. An error says that these bytes can never be accepted; the library
    /// is then unchanged.
    pub fn offer(&mut self, statement: &Statement, now_ms: i64) -> Result<Accepted> {
        let mut outcomes = self.offer_all(std::slice::from_ref(statement), now_ms);
        outcomes.pop().unwrap_or(Ok(Accepted::Known))
    }

    /// Whether [`offer_all`](Self::offer_all) would add any of `statements`. If none could be added first,
    /// none can follow it: statements that no authorized key signed are dropped here, before the library is
    /// copied to be changed.
    pub fn would_take_any(&self, statements: &[Statement]) -> bool {
        let is_of_here = |statement: &&Statement| statement.library() == self.id;
        statements.iter().filter(is_of_here).any(|statement| self.set.would_take(statement))
    }

    /// Considers a set of statements, in the order in which they prove each other, until no more can be
    /// added. The outcomes are in the order given, and describe the state after the whole set.
    pub fn offer_all(&mut self, statements: &[Statement], now_ms: i64) -> Vec<Result<Accepted>> {
        let mut outcomes: Vec<(&Statement, Result<Entry>)> =
            statements.iter().map(|statement| (statement, self.check(statement))).collect();
        let mut order: Vec<_> = outcomes.iter_mut().collect();
        // Of two roots of one version, the one that is given first becomes effective.
        order.sort_by_key(|(statement, _)| match statement.kind() {
            StatementKind::Root => (0, statement.sequence(), 0, StatementId::from_bytes([0; 32])),
            // Of equivalent statements the one that is kept comes first, so that none of a set displaces
            // another.
            _ if Subject::is_kept_by_id(statement) => (place_in_order(statement).0, 0, 0, statement.id()),
            _ => place_in_order(statement),
        });
        let work = add_all(&mut self.set, &mut order);
        tracing::trace!(library = %self.id.short(), tries = work.tries, added = work.added, "statements were considered");
        if work.added > 0 {
            self.state = Arc::new(State::of(&self.set));
            if self.root_expired(now_ms) {
                tracing::warn!(library = %self.id.short(), "the root should have been renewed; it stays effective");
            }
        }
        let told = |(statement, outcome): (&Statement, Result<Entry>)| {
            Ok(match outcome? {
                Entry::Known => Accepted::Known,
                Entry::Pending(reason) => Accepted::Unauthorized { reason },
                Entry::Superseded | Entry::Unneeded => Accepted::Superseded,
                // Another statement of the same set displaced it.
                Entry::Added if self.set.get(&statement.id()).is_none() => Accepted::Superseded,
                Entry::Added => match self.why_idle(statement) {
                    None => Accepted::New,
                    Some(reason) => Accepted::Ineffective { reason },
                },
            })
        };
        outcomes.into_iter().map(told).collect()
    }

    /// The checks that do not depend on other statements: the library, and whether the statement is known
    /// already.
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
        if self.set.get(&statement.id()).is_some_and(|known| **known == *statement) {
            return Ok(Entry::Known);
        }
        Ok(Entry::Pending(String::new()))
    }

    /// The reason, for people, why a member statement that grants nothing does not.
    fn why_no_grant(&self, statement: &Statement, member: &Member) -> &'static str {
        let Some(ticket) = member.ticket else {
            return "a newer operator statement is effective, or its signer is no longer an operator";
        };
        let Some(terms) = self.ticket(&ticket).map(|said| said.body) else {
            return "the signer of its ticket is no longer an operator";
        };
        let signed = |node: &NodeId| statement.signers().any(|key| self.has_had_key(node, key));
        match terms.redeemers.iter().any(|node| self.revocation(node).is_some() && signed(node)) {
            true => "the node that admitted it was revoked",
            false => "a newer operator statement is effective, or its ticket is used up",
        }
    }

    /// The reason, for people, why a known statement is not effective now; `None` where it is effective.
    pub fn why_idle(&self, statement: &Statement) -> Option<String> {
        let id = statement.id();
        let state = &*self.state;
        let lost = |conflict: &&super::Conflict| conflict.statements.contains(&id);
        let (counts, otherwise) = match statement.body() {
            Body::Root(_) => (state.roots.contains(&id), "another root has its version"),
            Body::Release(_) => {
                (state.releases.effective.contains(&id), "its publisher may not change all that it changes")
            }
            Body::Channel(channel) => {
                let history = state.channels.get(&channel.name).map(|channel| channel.history.as_slice());
                match history.unwrap_or_default() {
                    [.., current] if *current == id => (true, ""),
                    history if history.contains(&id) => {
                        (false, "the channel has a newer statement already; pull the library and try again")
                    }
                    _ if self.release(&channel.release).is_none() => (false, "its release is not known yet"),
                    _ => (false, "its signer does not move the channel; an operator can switch to it"),
                }
            }
            Body::Ticket(_) => (state.nodes.tickets.contains(&id), "its signer is no longer an operator"),
            Body::Policy(policy) => (
                state.policy.current == Some(id),
                match policy.unknown_critical() {
                    Some(_) => "it has a critical field that this chuan does not know; update it",
                    None => "a newer policy is effective, or its signers are no longer operators",
                },
            ),
            Body::Member(member) => {
                let grants = state.nodes.by_id.get(&member.node).map(|node| node.grants.as_slice());
                (grants.unwrap_or_default().contains(&id), self.why_no_grant(statement, member))
            }
            Body::Succession(_) => {
                (!state.conflicts.iter().any(|c| lost(&c)), "the key has another successor")
            }
            Body::Revoke(_) => (
                state.nodes.revocations.contains(&id),
                "its signer is no longer an operator, and the root does not pin it",
            ),
            Body::Fresh(_) | Body::Checkpoint(_) | Body::Pins(_) => (true, ""),
        };
        if counts {
            return None;
        }
        let conflict = state.conflicts.iter().find(lost);
        Some(conflict.map_or_else(
            || otherwise.to_owned(),
            |conflict| {
                format!("{} has contradicting statements: {}", conflict.subject, conflict.kind.advice())
            },
        ))
    }
}

/// The order in which statements prove each other.
pub(super) fn place_in_order(statement: &Statement) -> (u8, u64, i64, StatementId) {
    let kind = match statement.kind() {
        StatementKind::Root => 0,
        StatementKind::Release => 1,
        StatementKind::Channel => 2,
        // Tickets go before the members that were made from them, and those before the statements that nodes
        // sign for themselves.
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
