//! Exit codes and the error type of this crate. The numbers are part of the interface of the command line:
//! scripts branch on them, so a number never changes its meaning.

use std::{error::Error, fmt, sync::Arc};

use chuan_engine::Error as EngineError;
use serde::{Deserialize, Serialize};

use crate::json::{self, ErrorBody, ErrorObject};

/// How a command ended. There is one code for each kind of reaction that the caller can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A defect in chuan itself.
    Internal = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A named or needed thing does not exist here: home, library, release, path, or data that was never
    /// fetched.
    Missing = 3,
    /// Input breaks a rule: a ticket, a file, a configuration, a manifest.
    Invalid = 4,
    /// A key, signature or membership does not allow it.
    Denied = 5,
    /// Another process or command uses the resource.
    Busy = 6,
    /// Stored bytes are damaged.
    Corrupt = 7,
    /// A peer cannot be reached, or broke the protocol.
    Peer = 8,
    /// No space is left.
    Full = 9,
    /// The operating system refused to read or write.
    Io = 10,
    /// This node is behind: a newer release is announced and no node that answered has it. Or the last vouch
    /// for a channel is older than the policy of a class allows (`max_stale`).
    Stale = 11,
    /// Published (and `live` moved) or restored, but some items could not be taken or written. The answer
    /// lists them.
    Gaps = 12,
    /// Stopped by Ctrl-C or SIGTERM. Finished work is kept; the same command continues from there.
    Interrupted = 130,
}

/// The table of exit codes, for `--help`.
pub const EXIT_HELP: &str = "\
Exit codes:
  0  done                     6  busy: in use by another process
  1  defect in chuan          7  corrupt data
  2  wrong command line       8  peer unreachable or faulty
  3  not found, not held      9  no space left
  4  invalid input           10  the system refused to read or write
  5  not permitted           11  behind: newer is announced and no node asked has
                                 it, or older than its class allows (max_stale)
                             12  published or restored, but for some items
                            130  interrupted; run it again to continue";

impl Exit {
    /// The exit status of the process.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word in `--json` errors.
    pub const fn code(self) -> &'static str {
        match self {
            Exit::Ok => "ok",
            Exit::Internal => "internal",
            Exit::Usage => "usage",
            Exit::Missing => "missing",
            Exit::Invalid => "invalid",
            Exit::Denied => "denied",
            Exit::Busy => "busy",
            Exit::Corrupt => "corrupt",
            Exit::Peer => "peer",
            Exit::Full => "full",
            Exit::Io => "io",
            Exit::Stale => "stale",
            Exit::Gaps => "gaps",
            Exit::Interrupted => "interrupted",
        }
    }
}

/// Why a command failed: the exit code to branch on, and a message that names the cause and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The exit code of the process.
    pub exit: Exit,
    /// For people; one line, lowercase, without a full stop.
    pub message: String,
    /// Whether it is useless to ask another node.
    #[serde(skip)]
    pub is_final: bool,
    /// The error that led to it.
    #[serde(skip)]
    pub source: Source,
}

/// The error of another part that led to a [`Failure`], as long as the failure stays in its process. The
/// message of the failure includes its text, so two failures with different sources may be equal.
#[derive(Clone, Debug, Default)]
pub struct Source(Option<Arc<dyn Error + Send + Sync>>);

impl Source {
    /// The error, if there is one.
    pub fn error(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|error| error as &(dyn Error + 'static))
    }
}

impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Source {}

/// The result of everything a node does.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), is_final: false, source: Source::default() }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A named thing does not exist here.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Exit::Missing, message)
    }

    /// Input breaks a rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Exit::Invalid, message)
    }

    /// A key or membership does not allow it.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Exit::Denied, message)
    }

    /// Another process or command uses it.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Exit::Busy, message)
    }

    /// A peer cannot be reached or is faulty.
    pub fn peer(message: impl Into<String>) -> Self {
        Self::new(Exit::Peer, message)
    }

    /// A defect in chuan.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// Stopped on request.
    pub fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted; run the command again to continue from here")
    }

    /// The operating system refused. `context` names the operation and the path.
    pub fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        EngineError::io(context, source).into()
    }

    /// Whether the file system takes no writes: it is full, over a quota, or read-only.
    pub fn is_unwritable(&self) -> bool {
        let system = self.source.error().and_then(|error| error.downcast_ref::<std::io::Error>());
        let is_read_only = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem;
        self.exit == Exit::Full || system.is_some_and(is_read_only)
    }

    /// The same failure, with the error that led to it.
    pub fn caused_by(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self { source: Source(Some(Arc::new(source))), ..self }
    }

    /// The same failure, with the file name before the message.
    pub fn about(self, path: &std::path::Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }

    /// The object printed under `--json`.
    pub fn object(&self) -> serde_json::Value {
        let error =
            ErrorBody { code: self.exit.code(), exit: self.exit.number(), message: self.message.clone() };
        json::object(&ErrorObject { error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.error()
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let exit = match &error {
            EngineError::Corrupt(_) => Exit::Corrupt,
            EngineError::Invalid(_) => Exit::Invalid,
            EngineError::Missing(_) => Exit::Missing,
            EngineError::Peer(_) => Exit::Peer,
            EngineError::Denied(_) | EngineError::Revoked { .. } => Exit::Denied,
            EngineError::Trespass(_) => {
                return Failure { is_final: true, ..Failure::denied(error.to_string()) };
            }
            EngineError::Busy(_) => Exit::Busy,
            EngineError::Full(_) => Exit::Full,
            EngineError::Cancelled => return Failure::interrupted(),
            EngineError::Poisoned(_) => Exit::Io,
            EngineError::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => Exit::Missing,
                _ => Exit::Io,
            },
            _ => Exit::Internal,
        };
        let failure = Failure::new(exit, error.to_string());
        match error {
            EngineError::Io { source, .. } => failure.caused_by(source),
            _ => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_errors_carry_code_number_and_message() {
        let failure = Failure::from(EngineError::Denied("no".into()));
        assert_eq!(
            failure.object().to_string(),
            r#"{"error":{"code":"denied","exit":5,"message":"not permitted: no"},"schema":2}"#
        );
    }

    #[test]
    fn every_number_is_in_the_help() {
        for exit in [Exit::Ok, Exit::Internal, Exit::Usage, Exit::Missing, Exit::Invalid, Exit::Denied] {
            assert!(EXIT_HELP.contains(&format!("  {}  ", exit.number())), "{exit:?}");
        }
        for exit in
            [Exit::Busy, Exit::Corrupt, Exit::Peer, Exit::Full, Exit::Io, Exit::Stale, Exit::Interrupted]
        {
            assert!(EXIT_HELP.contains(&format!(" {}  ", exit.number())), "{exit:?}");
        }
    }

    #[test]
    fn a_full_disk_is_told_apart_from_other_refusals() {
        let full = Failure::io("write x", std::io::Error::from(std::io::ErrorKind::StorageFull));
        let refused = Failure::io("write x", std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        assert_eq!((full.exit, refused.exit), (Exit::Full, Exit::Io));
    }

    #[test]
    fn a_failure_keeps_the_error_of_the_system() {
        let failure = Failure::io("read x", std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        let source = failure.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::PermissionDenied));
        assert!(failure.message.contains(&source.unwrap().to_string()));
        assert!(Failure::missing("x").source().is_none());
    }
}
