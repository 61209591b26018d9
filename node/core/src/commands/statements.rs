//! `statements` and `offer`: reads all statements of a library from a home, and stores signed ones in it. The
//! node signs nothing here: it verifies, stores, and reports the outcome of each.

use std::sync::Arc;

use bytes::Bytes;
use chuan_engine::statement::{Accepted, Bundle, Statement};

use crate::{
    command::{Offer, Statements},
    exit::{Failure, Result},
    job::Job,
    outcome::{Carried, Offered, OfferedRow},
    services::Services,
};

/// Bytes of a bundle in one event.
const PIECE_BYTES: usize = 64 * 1024;

/// All statements of a library that are known here, as a bundle among the data of `job`.
pub(crate) async fn statements(services: &Arc<Services>, options: Statements, job: &Job) -> Result<Carried> {
    // A node that listens gets statements as they are made.
    if options.newest && services.context.listening().is_none() {
        let library = services.library.named_or_only(options.library.as_deref())?;
        if let Err(failure) = services.exchange.ask_all(&library.id(), job).await {
            tracing::warn!(%failure, "peers were not asked for statements");
        }
    }
    let job = job.clone();
    services
        .blocking(move |services| {
            let library = services.library.named_or_only(options.library.as_deref())?;
            let statements: Vec<Statement> = library.statements().into_iter().cloned().collect();
            let bundle = Bundle { library: library.id(), statements };
            let bytes = Bytes::from(bundle.encode()?);
            for start in (0..bytes.len()).step_by(PIECE_BYTES) {
                job.data(bytes.slice(start..bytes.len().min(start + PIECE_BYTES)))?;
            }
            Ok(Carried {
                library: library.id().to_string(),
                file: String::new(),
                statements: bundle.statements.len() as u64,
                bytes: bytes.len() as u64,
            })
        })
        .await
}

/// Verifies and stores signed statements; returns the outcome of each.
pub(crate) async fn offer(services: &Arc<Services>, options: Offer, job: &Job) -> Result<Offered> {
    let id = options.library.parse()?;
    let statements = services.blocking(move |services| {
        let mut parsed = Vec::new();
        for envelope in &options.statements {
            parsed.push(Statement::decode(&envelope.0)?);
        }
        let outcomes = services.library.take_audited(&id, &parsed, options.unopposed)?;
        services.library.follow_channels(&id, &|moved| parsed.iter().any(|said| said.id() == moved.id()))?;
        for (statement, outcome) in parsed.iter().zip(&outcomes) {
            if matches!(outcome, Err(_) | Ok(Accepted::Unauthorized { .. }))
                && let Err(error) = statement.verify_signatures()
            {
                services.audit.forged(&error.to_string());
            }
        }
        let rows = parsed.iter().zip(outcomes).map(|(statement, outcome)| row(statement, outcome));
        Ok(rows.collect())
    });
    let statements = statements.await?;
    // Before statements are sent to peers, so that peers also get the checkpoint of this act.
    services.audit.settle_if_due().await;
    let reach = services.exchange.pass_on(&id, job).await;
    Ok(Offered {
        library: id.to_string(),
        statements,
        peers: reach.known as u64,
        told: reach.reached as u64,
        asked_seconds: reach.waited.as_secs_f64(),
    })
}

fn row(statement: &Statement, outcome: chuan_engine::Result<Accepted>) -> OfferedRow {
    let (result, reason) = match outcome {
        Ok(Accepted::New) => ("new", String::new()),
        Ok(Accepted::Known) => ("known", String::new()),
        Ok(Accepted::Superseded) => ("outdated", Accepted::SUPERSEDED.to_owned()),
        Ok(Accepted::Ineffective { reason }) => ("idle", reason),
        Ok(Accepted::Unauthorized { reason }) => ("unproved", reason),
        Err(error) => ("refused", Failure::from(error).message),
    };
    OfferedRow {
        statement: statement.id().to_string(),
        kind: statement.kind().name().to_owned(),
        result: result.to_owned(),
        reason,
    }
}
