//! Tests of the whole trust model; tests of one file's own rules are in that file.

mod conformance;
mod cost;
mod forgeries;
mod form;
mod goldens;
mod limited;
mod policy;
mod removed;
mod rotation;
mod rules;
mod thieves;

use crate::{
    id::{LibraryId, ManifestId, NodeId, Salt, StatementId},
    statement::{
        Accepted, Body, Channel, Classes, Header, Key, Library, Member, NodeRole, Statement, TicketTerms,
        Verbs,
        library::{self, Founders},
    },
};

/// A time in 2026.
pub(super) const NOW: i64 = 1_793_000_000_000;
pub(super) const DAY: i64 = 86_400_000;

pub(super) fn key(n: u8) -> Key {
    Key::from_seed([n; 32])
}

/// A library with keys 1 (root), 2 (operator) and 3 (publisher), and the statements made so far.
pub(super) struct World {
    pub(super) library: Library,
    pub(super) said: Vec<Statement>,
}

impl World {
    pub(super) fn new() -> Self {
        let (id, root) = found();
        let mut world = Self { library: Library::new(id), said: Vec::new() };
        world.take(root);
        world
    }

    /// Offers a statement that must be effective.
    pub(super) fn take(&mut self, statement: Statement) -> StatementId {
        assert_eq!(self.library.offer(&statement, NOW).unwrap(), Accepted::New);
        let id = statement.id();
        self.said.push(statement);
        id
    }

    pub(super) fn release(&mut self, parents: Vec<StatementId>, n: u8) -> StatementId {
        let manifest = ManifestId::from_bytes([n; 32]);
        let made = library::release(&self.library, &key(3), parents, manifest, "a version", NOW).unwrap();
        self.take(made)
    }

    pub(super) fn channel(&mut self, signer: &Key, release: StatementId, active: &Key) -> StatementId {
        let body =
            Channel { name: "live".into(), release, active: active.public(), follow: true, term: None };
        let made = library::channel(&self.library, signer, body, NOW).unwrap();
        self.take(made)
    }

    pub(super) fn ticket(&mut self, uses: u32) -> StatementId {
        let made = library::ticket(&self.library, &key(2), terms(uses), NOW).unwrap();
        self.take(made)
    }

    /// Node 10 redeems `ticket` for node `n`.
    pub(super) fn join(&mut self, n: u8, ticket: StatementId) -> StatementId {
        let made = library::member(&self.library, &key(10), member(n, Some(ticket)), NOW).unwrap();
        self.take(made)
    }

    /// Signs any body for this library, authorized or not.
    pub(super) fn sign(&self, body: Body, sequence: u64, keys: &[&Key]) -> Statement {
        sign(self.library.id(), body, sequence, NOW, keys)
    }
}

pub(super) fn sign(library: LibraryId, body: Body, sequence: u64, time_ms: i64, keys: &[&Key]) -> Statement {
    Statement::sign(Header { library: Some(library), sequence, time_ms }, &body, keys).unwrap()
}

pub(crate) fn found() -> (LibraryId, Statement) {
    let (root, operator, publisher) = (key(1), key(2), key(3));
    let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
    library::found("films", keys, Salt::from_bytes([9; 32]), NOW).unwrap()
}

/// A ticket with key 20 that node 10 may redeem.
pub(super) fn terms(uses: u32) -> TicketTerms {
    TicketTerms {
        key: key(20).public(),
        redeemers: vec![key(10).node()],
        classes: Classes::all(),
        verbs: Verbs::PULL,
        role: None,
        region: None,
        expires_ms: NOW + DAY,
        uses,
    }
}

pub(super) fn member(n: u8, ticket: Option<StatementId>) -> Member {
    Member {
        node: key(n).node(),
        key: key(n).public(),
        name: format!("node-{n}"),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket,
    }
}

pub(super) fn node(n: u8) -> NodeId {
    key(n).node()
}

#[track_caller]
pub(super) fn check_unauthorized(library: &mut Library, statement: &Statement) {
    let outcome = library.offer(statement, NOW).unwrap();
    assert!(matches!(outcome, Accepted::Unauthorized { .. }), "{outcome:?}");
}

/// Checks that a statement is stored and not effective.
#[track_caller]
pub(super) fn check_ineffective(library: &mut Library, statement: &Statement, text: &str) {
    match library.offer(statement, NOW).unwrap() {
        Accepted::Ineffective { reason } => {
            assert!(reason.contains(text), "`{reason}` does not say `{text}`")
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[track_caller]
pub(super) fn check_refused(library: &mut Library, statement: &Statement, text: &str) {
    let error = library.offer(statement, NOW).unwrap_err().to_string();
    assert!(error.contains(text), "`{error}` does not say `{text}`");
}
