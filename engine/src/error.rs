//! The only error type of the engine: small, and made for callers to branch on.

use std::io;

/// An error, by the reaction that it allows the caller.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Stored bytes that were verified before are no longer valid. The text names the file or object.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// External bytes (a file, a peer, a ticket) break a rule. The text names the thing and the rule.
    #[error("{0}")]
    Invalid(String),
    /// A needed object is not held. The text names it and a place to get it from.
    #[error("{0}")]
    Missing(String),
    /// A peer broke the protocol, or sent bytes that do not match the request.
    #[error("peer: {0}")]
    Peer(String),
    /// A signature, key or membership does not permit the request.
    #[error("not permitted: {0}")]
    Denied(String),
    /// An operator revoked the membership of the node that asks.
    #[error(
        "an operator revoked the membership of this node; only a new grant by an operator ends that, no ticket"
    )]
    Revoked {
        /// When the revocation was signed, in milliseconds since 1970, by the signer's clock.
        at_ms: i64,
    },
    /// A release contains a path that its publisher's key is not authorized for. Every node that sees this
    /// refuses the release, from any source.
    #[error("not permitted: {0}")]
    Trespass(String),
    /// Another process or task holds a needed resource.
    #[error("{0}")]
    Busy(String),
    /// An earlier write failed. The store accepts no more writes until it is reopened.
    #[error("the store refuses writes since an earlier one failed ({0}); fix the cause and reopen it")]
    Poisoned(String),
    /// No space is left.
    #[error("no space left: {0}")]
    Full(String),
    /// The caller cancelled the work.
    #[error("interrupted")]
    Cancelled,
    /// The operating system returned an error. The text names the operation.
    #[error("{context}: {source}")]
    Io {
        /// The operation, with the path.
        context: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether an object cannot be read from the store: it is not held, or it was held and is damaged. Where
    /// the object is only useful, both are one.
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Error::Missing(_) | Error::Corrupt(_))
    }

    /// Whether writes are refused: the file system is full, over a quota, or read-only, or a file or folder
    /// is another user's. The content can perhaps still be read.
    pub fn is_unwritable(&self) -> bool {
        let refusals = [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::PermissionDenied];
        match self {
            Error::Full(_) => true,
            Error::Io { source, .. } => refusals.contains(&source.kind()),
            _ => false,
        }
    }

    /// Wraps an I/O error with the operation that failed. A full disk becomes [`Error::Full`].
    pub fn io(context: impl Into<String>, source: io::Error) -> Self {
        let context = context.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Error::Full(format!("{context}: {source}"))
            }
            _ => Error::Io { context, source },
        }
    }
}
