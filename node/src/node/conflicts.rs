//! `conflicts`: what was said twice, with the statements that prove it.

use std::collections::BTreeSet;

use chuan_engine::statement::{Conflict, Library, Statement};
use data_encoding::HEXLOWER;

use super::{Node, channels::signers};
use crate::{
    command::Conflicts,
    exit::Result,
    outcome::{ConflictList, ConflictProof, ConflictRow},
};

impl Node {
    /// Every contradiction that is known here, those that nobody has decided first. Each comes with its statements, as they
    /// were signed: proof for anybody.
    pub async fn conflicts(&self, options: Conflicts) -> Result<ConflictList> {
        self.blocking(move |node| {
            let libraries = match &options.library {
                Some(name) => vec![node.libraries.named(name)?],
                None => node.libraries.all(),
            };
            let mut conflicts: Vec<_> = libraries
                .iter()
                .flat_map(|library| library.conflicts().iter().map(|conflict| row(library, conflict)))
                .collect();
            conflicts.sort_by_key(|conflict| conflict.settled);
            Ok(ConflictList { conflicts })
        })
        .await
    }
}

/// Conflicts of a library that nobody has decided.
pub(super) fn open(library: &Library) -> u64 {
    library.conflicts().iter().filter(|conflict| !conflict.settled).count() as u64
}

fn row(library: &Library, conflict: &Conflict) -> ConflictRow {
    let statements = conflict.statements.iter().filter_map(|id| library.statement(id));
    let statements: Vec<_> = statements.map(proof).collect();
    let signers: BTreeSet<_> = statements.iter().flat_map(|proof| proof.signers.clone()).collect();
    ConflictRow {
        library: library.id().to_string(),
        library_name: library.name().to_owned(),
        kind: conflict.kind.name().to_owned(),
        subject: conflict.subject.clone(),
        advice: conflict.kind.advice().to_owned(),
        settled: conflict.settled,
        signers: signers.into_iter().collect(),
        statements,
    }
}

fn proof(statement: &Statement) -> ConflictProof {
    ConflictProof {
        statement: statement.id().to_string(),
        sequence: statement.sequence(),
        time_ms: statement.time_ms(),
        signers: signers(statement),
        envelope: HEXLOWER.encode(statement.bytes()),
    }
}
