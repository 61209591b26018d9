//! `conflicts`: what was said twice, with the statements that prove it.

use std::collections::BTreeSet;

use chuan_engine::{
    Error,
    statement::{Conflict, Library, Statement},
};
use data_encoding::HEXLOWER;

use super::{Inner, Node, channels::signers};
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
            for library in &libraries {
                conflicts.extend(node.trespasses(library)?);
            }
            conflicts.sort_by_key(|conflict| conflict.settled);
            Ok(ConflictList { conflicts })
        })
        .await
    }
}

impl Inner {
    /// The releases on which channels were said to stand and that this node refuses, since a class gains another's path in them.
    fn trespasses(&self, library: &Library) -> Result<Vec<ConflictRow>> {
        let releases: BTreeSet<_> = library.channels().map(|said| said.body.release).collect();
        let mut found = Vec::new();
        for release in releases {
            let why = match library.check_trespass(&*self.objects(&library.id()), &release) {
                Err(Error::Trespass(why)) => why,
                // Of what is not here, nothing is known.
                Ok(()) | Err(Error::Missing(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            let statements: Vec<_> = library.statement(&release).map(proof).into_iter().collect();
            found.push(ConflictRow {
                library: library.id().to_string(),
                library_name: library.name().to_owned(),
                kind: "class".to_owned(),
                subject: library
                    .release(&release)
                    .map_or_else(String::new, |said| format!("release {}", said.statement.sequence())),
                advice: why,
                settled: false,
                signers: statements.iter().flat_map(|proof| proof.signers.clone()).collect(),
                statements,
            });
        }
        Ok(found)
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
