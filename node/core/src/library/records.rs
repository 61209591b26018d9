//! The records that a change of a library adds to the ledger: pure choices.

use std::collections::BTreeSet;

use chuan_engine::{
    statement::{Body, Library, Statement},
    store::{Record, RefMove},
};

/// The statements of `heard` that are in `after` and not in `before`, with all signatures known by then. In
/// the given order: of two roots of one version the first is effective.
pub(super) fn added(before: Option<&Library>, after: &Library, heard: &[Statement]) -> Vec<Record> {
    let stored = heard.iter().filter_map(|heard| after.statement(&heard.id()));
    let record = |statement: &Statement| match before.and_then(|before| before.statement(&statement.id())) {
        None => Some(Record::from(statement)),
        Some(known) => (known != statement).then(|| Record::countersigned(statement)),
    };
    stored.filter_map(record).collect()
}

/// Whether `after` contains a contradiction that `before` does not.
pub(super) fn contradicts(after: &Library, before: &Library) -> bool {
    let known: BTreeSet<_> = before.conflicts().iter().map(|conflict| &conflict.statements).collect();
    after.conflicts().iter().any(|conflict| !known.contains(&conflict.statements))
}

/// The ref that a channel statement sets; empty for other statements.
pub(super) fn ref_move(statement: &Statement) -> Vec<Record> {
    match statement.body() {
        Body::Channel(channel) => vec![Record::Ref(RefMove {
            library: statement.library(),
            channel: channel.name.clone(),
            statement: statement.id(),
            release: channel.release,
            sequence: statement.sequence(),
        })],
        _ => Vec::new(),
    }
}
