//! Statements in and out of a home: all that is known of a library, and finished ones from whoever reaches the home. The
//! node signs nothing here; it verifies, keeps, and says what became of each.

use bytes::Bytes;
use chuan_engine::statement::{Accepted, Bundle, Statement};

use super::{Node, now_ms};
use crate::{
    command::{Offer, Statements},
    exit::{Failure, Result},
    job::Job,
    outcome::{Carried, Offered, OfferedRow},
};

/// Bytes of a bundle that are handed out at once.
const PIECE_BYTES: usize = 64 * 1024;

impl Node {
    /// All statements of a library that are known here, as a bundle among the data of `job`.
    pub async fn statements(&self, options: Statements, job: &Job) -> Result<Carried> {
        // Who serves hears of everything as it is said.
        if options.newest && self.listening().is_none() {
            let library = self.0.libraries.named_or_only(options.library.as_deref())?;
            if let Err(failure) = self.ask_everybody(&library.id()).await {
                tracing::warn!(%failure, "peers were not asked what they know");
            }
        }
        let job = job.clone();
        self.blocking(move |node| {
            let library = node.libraries.named_or_only(options.library.as_deref())?;
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

    /// Takes finished statements from anybody, and says what became of each. What is known then is durable when it
    /// returns, and what counts is in effect; a channel moves here only onto a release whose data is here.
    pub async fn offer(&self, options: Offer) -> Result<Offered> {
        let id = options.library.parse()?;
        let statements = self.blocking(move |node| {
            let mut parsed = Vec::new();
            for envelope in &options.statements {
                parsed.push(Statement::decode(&envelope.0)?);
            }
            let outcomes =
                node.libraries.take(&id, &parsed, options.unopposed, now_ms(), |library, news| {
                    node.audit_statements(library, news)
                })?;
            node.follow_channels(&id, &parsed)?;
            for (statement, outcome) in parsed.iter().zip(&outcomes) {
                if matches!(outcome, Err(_) | Ok(Accepted::Unproved { .. }))
                    && let Err(error) = statement.verify_signatures()
                {
                    node.forged(&error.to_string());
                }
            }
            let rows = parsed.iter().zip(outcomes).map(|(statement, outcome)| row(statement, outcome));
            Ok(rows.collect())
        });
        let statements = statements.await?;
        // First, so that the checkpoint over what was just done goes along.
        self.settle_audit_if_due().await;
        let spread = self.pass_on(&id).await;
        let (peers, told) = (spread.known as u64, spread.reached as u64);
        Ok(Offered { library: id.to_string(), statements, peers, told })
    }
}

fn row(statement: &Statement, outcome: chuan_engine::Result<Accepted>) -> OfferedRow {
    let (result, reason) = match outcome {
        Ok(Accepted::New) => ("new", String::new()),
        Ok(Accepted::Known) => ("known", String::new()),
        Ok(Accepted::Outdated) => ("outdated", Accepted::OUTDATED.to_owned()),
        Ok(Accepted::Idle { reason }) => ("idle", reason),
        Ok(Accepted::Unproved { reason }) => ("unproved", reason),
        Err(error) => ("refused", Failure::from(error).message),
    };
    OfferedRow {
        statement: statement.id().to_string(),
        kind: statement.kind().name().to_owned(),
        result: result.to_owned(),
        reason,
    }
}
