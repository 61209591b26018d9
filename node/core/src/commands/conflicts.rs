//! `conflicts`: contradicting statements, as proof.

use std::{collections::BTreeSet, sync::Arc};

use chuan_engine::{
    Error,
    statement::{Conflict, Library, Statement},
};
use data_encoding::HEXLOWER;

use crate::{
    command::Conflicts,
    context::Context,
    exit::Result,
    library::channels::signers,
    outcome::{ConflictList, ConflictProof, ConflictRow},
    services::Services,
};

/// Every contradiction that is known here, unsettled ones first. Each has its signed statements as proof.
pub(crate) async fn conflicts(services: &Arc<Services>, options: Conflicts) -> Result<ConflictList> {
    services
        .blocking(move |services| {
            let libraries = match &options.library {
                Some(name) => vec![services.library.named(name)?],
                None => services.library.all(),
            };
            let mut conflicts: Vec<_> = libraries
                .iter()
                .flat_map(|library| library.conflicts().iter().map(|conflict| row(library, conflict)))
                .collect();
            for library in &libraries {
                conflicts.extend(trespasses(&services.context, library)?);
            }
            conflicts.sort_by_key(|conflict| conflict.settled);
            Ok(ConflictList { conflicts })
        })
        .await
}

/// The releases of channels that this node refuses, since a class in them gains a path of another class.
fn trespasses(context: &Context, library: &Library) -> Result<Vec<ConflictRow>> {
    let releases: BTreeSet<_> = library.channels().map(|said| said.body.release).collect();
    let mut found = Vec::new();
    for release in releases {
        let why = match library.check_trespass(&*context.objects(&library.id()), &release) {
            Err(Error::Trespass(why)) => why,
            // Pages that are not here cannot be checked.
            Ok(()) => continue,
            Err(error) if error.is_unreadable() => continue,
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

/// The number of conflicts of a library that are not settled.
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
