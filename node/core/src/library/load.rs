//! Reads the libraries of a home from its ledger at opening. Every statement is verified again.

use std::collections::BTreeMap;

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Library, Statement, StatementKind},
    store::{Ledger, Record},
};

use std::sync::Arc;

use crate::exit::Result;

/// The libraries that a ledger holds.
pub(super) struct Loaded {
    pub(super) known: BTreeMap<LibraryId, Arc<Library>>,
    /// Libraries that cannot be used, with the reason.
    pub(super) left_out: BTreeMap<LibraryId, String>,
    /// Roots from outside the ledger that the ledger does not have.
    pub(super) strays: Vec<Record>,
    /// Statements that the ledger still lists although newer ones supersede them.
    pub(super) superseded: Vec<StatementId>,
}

/// Loads every library of which the ledger or `roots` has the root.
pub(super) fn load(ledger: &dyn Ledger, roots: &[Statement], now_ms: i64) -> Result<Loaded> {
    let mut kept: BTreeMap<LibraryId, Vec<Statement>> = BTreeMap::new();
    let mut left_out = BTreeMap::new();
    let mut passing = Vec::new();
    for kind in StatementKind::ALL {
        for record in ledger.statements(None, kind)? {
            match Statement::decode(&record.bytes) {
                Ok(statement) => {
                    passing.extend(Library::may_pass(&statement).then(|| statement.clone()));
                    kept.entry(statement.library()).or_default().push(statement);
                }
                Err(error) => {
                    tracing::warn!(library = %record.library.short(), %error, "a kept statement is left out");
                    left_out.insert(record.library, format!("a statement of it does not parse: {error}"));
                }
            }
        }
    }
    let mut strays = Vec::new();
    for root in roots {
        let statements = kept.entry(root.library()).or_default();
        if statements.iter().all(|statement| statement.id() != root.id()) {
            strays.push(Record::from(root));
            statements.insert(0, root.clone());
        }
    }
    // Refs and lost records also name libraries without any statement left.
    let refs = ledger.refs()?.into_iter().map(|at| at.library);
    let lost = ledger.lost()?.into_iter().filter_map(|lost| lost.library);
    for library in refs.chain(lost) {
        kept.entry(library).or_default();
    }
    let mut known = BTreeMap::new();
    for (id, statements) in kept {
        match Library::open(id, statements, now_ms) {
            Ok(library) => {
                known.insert(id, Arc::new(library));
                left_out.remove(&id);
            }
            Err(error) => {
                tracing::error!(library = %id, %error, "a library is left out");
                left_out.insert(id, error.to_string());
            }
        }
    }
    // A succession or a claim may be unknown because a statement that it needs is damaged: then it stays
    // listed.
    let is_superseded = |said: &&Statement| {
        let is_gone = |library: &Arc<Library>| {
            let is_unknown = said.kind().is_passing() && library.statement(&said.id()).is_none();
            is_unknown || library.is_overtaken(said)
        };
        known.get(&said.library()).is_some_and(is_gone)
    };
    let superseded = passing.iter().filter(is_superseded).map(Statement::id).collect();
    Ok(Loaded { known, left_out, superseded, strays })
}
