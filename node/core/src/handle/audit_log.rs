//! [`AuditLog`]: the record of each action in a home, and its actor.

use std::{path::PathBuf, sync::Arc};

use chuan_engine::id::NodeId;

use super::{Error, Progress, answer};
use crate::{
    audit_log::verify_export,
    command::{Audit, AuditCheckpoint, AuditVerb, AuditVerify, Command, Export, Show, Tail},
    context::Threads,
    exit::{self, Failure},
    job::{Event, Job},
    open_home::OpenHome,
    outcome::{AuditRecord, AuditVerified, Audited, CheckpointShown, Outcome, Row},
};

/// The audit log of an open home.
#[derive(Clone, Debug)]
pub struct AuditLog(pub(super) Arc<OpenHome>);

impl AuditLog {
    /// All records, the oldest first.
    pub fn records(&self) -> Progress<Audited, AuditRecord> {
        self.read(AuditVerb::Show(Show { record: None }))
    }

    /// The record with this number; the first one has the number 0.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where the log has no such record.
    pub async fn record(&self, number: u64) -> Result<AuditRecord, Error> {
        let mut found = self.read(AuditVerb::Show(Show { record: Some(number) }));
        let record = found.next().await;
        found.await?;
        Ok(record.ok_or_else(|| Failure::missing(format!("no record {number} in the audit log")))?)
    }

    /// The last `number` records.
    pub fn tail(&self, number: u64) -> Progress<Audited, AuditRecord> {
        self.read(AuditVerb::Tail(Tail { number, follow: false }))
    }

    /// The last `number` records, and each new one as soon as it is written. It ends when it is dropped.
    pub fn follow(&self, number: u64) -> Progress<Audited, AuditRecord> {
        self.read(AuditVerb::Tail(Tail { number, follow: true }))
    }

    /// Checks that no record was altered, as far as checkpoints reach. `checkpoint` is the file of a
    /// checkpoint that another node has kept.
    pub async fn verify(&self, checkpoint: Option<PathBuf>) -> Result<AuditVerified, Error> {
        let verb = AuditVerb::Verify(AuditVerify { checkpoint, export: None });
        Ok(answer!(AuditVerify)(self.run(verb, Job::silent()).await?)?)
    }

    /// Writes all records to a file as lines of JSON, with all that is needed to verify them elsewhere.
    pub async fn export(&self, file: impl Into<PathBuf>) -> Result<Audited, Error> {
        let verb = AuditVerb::Export(Export { file: Some(file.into()) });
        Ok(answer!(AuditExport)(self.run(verb, Job::silent()).await?)?)
    }

    /// Checks the file of [`AuditLog::export`], which may be of another node, like [`AuditLog::verify`].
    /// Needs no home.
    pub async fn verify_export(
        file: impl Into<PathBuf>,
        checkpoint: Option<PathBuf>,
    ) -> Result<AuditVerified, Error> {
        let options = AuditVerify { checkpoint, export: Some(file.into()) };
        Ok(Threads::default().run(move || verify_export(&options)).await?)
    }

    /// Writes the newest checkpoint that is known here of a node's log to a file, for its operator.
    pub async fn checkpoint(&self, node: NodeId, file: impl Into<PathBuf>) -> Result<CheckpointShown, Error> {
        let verb = AuditVerb::Checkpoint(AuditCheckpoint { node: node.to_string(), file: file.into() });
        Ok(answer!(AuditCheckpoint)(self.run(verb, Job::silent()).await?)?)
    }

    fn read(&self, verb: AuditVerb) -> Progress<Audited, AuditRecord> {
        let log = self.clone();
        let record = |event: Event| match event {
            Event::Row(Row::Record(record)) => Some(*record),
            _ => None,
        };
        Progress::new(record, move |job| async move { answer!(Audit)(log.run(verb, job).await?) })
    }

    async fn run(&self, verb: AuditVerb, job: Job) -> exit::Result<Outcome> {
        self.0.run(Command::Audit(Audit { verb }).absolute()?, job).await
    }
}
