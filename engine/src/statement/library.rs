//! A library's statements and what follows from them: who may do what, which releases are real, where channels stand.
//! Pure state; it keeps nothing on disk and reads no clock.
//!
//! What stands depends on the set of statements offered, not on their order or on who brought them (two exceptions are
//! errors of a signer and wait for an operator: two different statements for one place, of which the first seen
//! stays, and a publisher that goes on after an operator replaced it, which who has not heard of that believes).
//!
//! | kind | stands when |
//! | --- | --- |
//! | root | the first: its hash is the library's id and its own root role signed it. Version n + 1: the root roles of n and n + 1 both signed it |
//! | release | publishers of all classes signed it, or a release that stands names it as a parent |
//! | channel | its release stands, and an operator signed it, or the publisher it names as active, which is the one the channel named before; its sequence is above the current one by no more than [`SEQUENCE_JUMP`] |
//! | ticket | an operator of its classes signed it |
//! | member | an operator of its classes signed it; or it names a ticket that stands, one of whose redeemers signed it before the ticket expired, it grants no more than the ticket, and the ticket's uses are not spent on earlier members |
//!
//! Authority is always that of the newest root: what keys signed that it no longer names is set aside with
//! their fast-forwarded sequences, and counts again only where a later statement vouches for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    statement::{
        Body, Member, Statement, StatementKind,
        standing::{Placed, Standings},
    },
};

pub use super::author::{Founders, channel, found, member, release, ticket};

#[cfg(doc)]
use crate::limits::SEQUENCE_JUMP;

/// The statements of one library that stand. See the module for the rules.
#[derive(Clone, Debug)]
pub struct Library {
    pub(super) id: LibraryId,
    /// By version, the first at 0.
    pub(super) roots: Vec<StatementId>,
    /// What stands, all with verified signatures.
    pub(super) held: BTreeMap<StatementId, Statement>,
    /// What stood once or would without another: verified, considered again when authority changes.
    aside: BTreeMap<StatementId, Statement>,
    /// Parents of the releases that stand.
    pub(super) vouched: BTreeSet<StatementId>,
    pub(super) channels: BTreeMap<String, StatementId>,
    pub(super) standings: Standings,
}

/// What became of an offered statement. Only [`Accepted::New`] is worth keeping and passing on.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It stands now and did not before: keep it durably before anyone hears of it.
    New,
    /// It stood already.
    Known,
    /// It is entitled to say what it says, and something newer (for a ticket's use: earlier) stands.
    Stale,
    /// Another statement has its place: its signer said two different things. The first seen stays.
    Conflict {
        /// The one that stays.
        stands: StatementId,
    },
    /// Nothing known here entitles it, or what it names is unknown. Offer it again after the statements it needs.
    Unproved {
        /// What is missing, for people.
        reason: String,
    },
}

impl Library {
    /// A library of which only the id is known, as after reading a ticket: its first root is the one statement that
    /// can stand.
    pub fn new(id: LibraryId) -> Self {
        Self {
            id,
            roots: Vec::new(),
            held: BTreeMap::new(),
            aside: BTreeMap::new(),
            vouched: BTreeSet::new(),
            channels: BTreeMap::new(),
            standings: Standings::default(),
        }
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
        if library.roots.is_empty() {
            return Err(Error::Missing(format!(
                "the first root of library {} is not held here; join it again with a ticket",
                id.short()
            )));
        }
        Ok(library)
    }

    /// Considers one statement from anybody. An error says that these bytes can never stand; it changes nothing.
    pub fn offer(&mut self, statement: &Statement, now_ms: i64) -> Result<Accepted> {
        self.check(statement)?;
        self.place(statement, now_ms)
    }

    /// Considers a set of statements, in the order in which they can prove each other, until nothing more stands.
    /// The outcomes are in the order given.
    pub fn offer_all(&mut self, statements: &[Statement], now_ms: i64) -> Vec<Result<Accepted>> {
        let mut outcomes: Vec<(&Statement, Result<Accepted>)> = statements
            .iter()
            .map(|statement| {
                (statement, self.check(statement).map(|()| Accepted::Unproved { reason: String::new() }))
            })
            .collect();
        let mut order: Vec<_> = outcomes.iter_mut().collect();
        order.sort_by_key(|(statement, _)| place_in_order(statement));
        let mut progress = true;
        while progress {
            progress = false;
            for (statement, outcome) in &mut order {
                if matches!(outcome, Ok(Accepted::Unproved { .. })) {
                    *outcome = self.place(statement, now_ms);
                    progress |= matches!(outcome, Ok(Accepted::New));
                }
            }
        }
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Whatever would fail whichever other statements are known: the wrong library, a bad signature.
    fn check(&self, statement: &Statement) -> Result<()> {
        if statement.library() != self.id {
            return Err(Error::Invalid(format!(
                "{} {} is of library {}, not of {}",
                statement.kind().name(),
                statement.id().short(),
                statement.library().short(),
                self.id.short()
            )));
        }
        statement.verify_signatures().map(drop)
    }

    /// Puts a statement whose signatures verify where it belongs.
    fn place(&mut self, statement: &Statement, now_ms: i64) -> Result<Accepted> {
        let id = statement.id();
        if self.held.contains_key(&id) {
            return Ok(Accepted::Known);
        }
        let outcome = self.judge(statement)?;
        match &outcome {
            Accepted::New => {}
            Accepted::Stale => {
                self.aside.insert(id, statement.clone());
                return Ok(outcome);
            }
            _ => return Ok(outcome),
        }
        if !self.take_in(statement) {
            self.aside.insert(id, statement.clone());
            return Ok(Accepted::Stale);
        }
        self.aside.remove(&id);
        match statement.body() {
            Body::Root(root) => {
                if root.expires_ms != 0 && root.expires_ms <= now_ms {
                    tracing::warn!(library = %self.id.short(), version = root.version, "this root should have been renewed");
                }
                self.reconsider_all();
            }
            Body::Release(release) if release.parents.iter().any(|id| self.aside.contains_key(id)) => {
                let aside = std::mem::take(&mut self.aside);
                self.settle(aside.into_values().collect());
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Records a statement that stands; false where the ticket or node it is about has a better one.
    fn take_in(&mut self, statement: &Statement) -> bool {
        let id = statement.id();
        let replaced = match statement.body() {
            Body::Root(_) => {
                self.roots.push(id);
                None
            }
            Body::Release(release) => {
                self.vouched.extend(&release.parents);
                None
            }
            Body::Channel(channel) => self.channels.insert(channel.name.clone(), id),
            Body::Ticket(_) => None,
            Body::Member(member) => match self.take_in_member(statement, member) {
                Placed::Stands(replaced) => replaced,
                Placed::Behind(_) => return false,
            },
        };
        self.held.insert(id, statement.clone());
        if let Some(old) = replaced.and_then(|old| self.held.remove(&old)) {
            self.aside.insert(old.id(), old);
        }
        true
    }

    fn take_in_member(&mut self, statement: &Statement, member: &Member) -> Placed {
        let (id, node, time_ms) = (statement.id(), member.node, statement.time_ms());
        match member.ticket {
            None => self.standings.appoint(node, statement.sequence(), time_ms, id),
            Some(ticket) => {
                let uses = self.ticket(&ticket).map_or(0, |said| said.body.uses);
                self.standings.claim(ticket, uses, node, time_ms, id)
            }
        }
    }

    /// After a change of authority: everything but the roots, from nothing.
    fn reconsider_all(&mut self) {
        let (roots, others) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(_, statement)| statement.kind() == StatementKind::Root);
        self.held = roots;
        let aside = std::mem::take(&mut self.aside);
        self.vouched.clear();
        self.channels.clear();
        self.standings = Standings::default();
        self.settle(others.into_values().chain(aside.into_values()).collect());
    }

    /// Places statements whose signatures were verified before, until no more of them stand; the rest stays aside.
    fn settle(&mut self, mut open: Vec<Statement>) {
        open.sort_by_key(place_in_order);
        loop {
            let before = open.len();
            open.retain(|statement| {
                let stands = matches!(self.judge(statement), Ok(Accepted::New)) && self.take_in(statement);
                !stands
            });
            if open.len() == before {
                break;
            }
        }
        self.aside.extend(open.into_iter().map(|statement| (statement.id(), statement)));
    }
}

/// The order in which statements prove each other.
pub(super) fn place_in_order(statement: &Statement) -> (StatementKind, u64, i64, StatementId) {
    // Tickets go before the members that were made of them.
    let kind = match statement.kind() {
        StatementKind::Ticket => StatementKind::Member,
        StatementKind::Member => StatementKind::Ticket,
        other => other,
    };
    (kind, statement.sequence(), statement.time_ms(), statement.id())
}
