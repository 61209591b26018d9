//! The commands of the audit log.

use std::path::PathBuf;

#[cfg(feature = "clap")]
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

/// Options of `audit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Audit {
    /// The command.
    #[cfg_attr(feature = "clap", command(subcommand))]
    pub verb: AuditVerb,
}

/// A command on the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Subcommand))]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub enum AuditVerb {
    /// List the last records
    Tail(Tail),
    /// List all records, or show one
    Show(Show),
    /// Check that no record was altered, as far as checkpoints reach
    Verify(Verify),
    /// Write all records as lines of JSON, with all that is needed to verify them elsewhere
    Export(Export),
    /// Write the newest checkpoint that is known here of a node's log; its operator verifies the log with it
    Checkpoint(Checkpoint),
}

/// Options of `audit tail`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Tail {
    /// How many records
    #[cfg_attr(feature = "clap", arg(short = 'n', long, default_value_t = 20, value_name = "N"))]
    pub number: u64,
    /// Continue with new records, until stopped
    #[cfg_attr(feature = "clap", arg(long, short))]
    #[serde(default)]
    pub follow: bool,
}

/// Options of `audit show`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Show {
    /// The record's number, from 0
    pub record: Option<u64>,
}

/// Options of `audit verify`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Verify {
    /// A peer's checkpoint of this log. Only a checkpoint that another node has kept is proof against the
    /// holder of this home
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    #[serde(default)]
    pub checkpoint: Option<PathBuf>,
    /// Verify a file of `chuan audit export`, instead of a home
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    #[serde(default)]
    pub export: Option<PathBuf>,
}

/// Options of `audit export`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Export {
    /// The file to write [default: standard output]; replaced if it exists
    pub file: Option<PathBuf>,
}

/// Options of `audit checkpoint`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
pub struct Checkpoint {
    /// The node: its id, the beginning of its id, or its name
    pub node: String,
    /// The file to write; replaced if it exists
    pub file: PathBuf,
}

impl Audit {
    /// The words on the command line.
    pub(super) const fn name(&self) -> &'static str {
        match self.verb {
            AuditVerb::Tail(_) => "audit tail",
            AuditVerb::Show(_) => "audit show",
            AuditVerb::Verify(_) => "audit verify",
            AuditVerb::Export(_) => "audit export",
            AuditVerb::Checkpoint(_) => "audit checkpoint",
        }
    }

    /// Whether the answer is bytes for standard output.
    pub(super) const fn answers_with_bytes(&self) -> bool {
        matches!(&self.verb, AuditVerb::Export(Export { file: None }))
    }

    /// The paths among the options.
    pub(super) fn paths(&mut self) -> Vec<&mut PathBuf> {
        match &mut self.verb {
            AuditVerb::Verify(verify) => verify.checkpoint.iter_mut().chain(&mut verify.export).collect(),
            AuditVerb::Export(export) => export.file.iter_mut().collect(),
            AuditVerb::Checkpoint(checkpoint) => vec![&mut checkpoint.file],
            AuditVerb::Tail(_) | AuditVerb::Show(_) => Vec::new(),
        }
    }
}
