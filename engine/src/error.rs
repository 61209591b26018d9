//! The one error type of the engine: small, and made to be branched on.

use std::io;

/// What went wrong, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that were verified once no longer are what they must be. The text names the file or object.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// Bytes from outside (a file, a peer, a ticket) break a rule. The text names the thing and the rule.
    #[error("{0}")]
    Invalid(String),
    /// Something that is needed is not held. The text names it and where it may be had.
    #[error("{0}")]
    Missing(String),
    /// A peer broke the protocol or sent bytes that do not match what was asked for.
    #[error("peer: {0}")]
    Peer(String),
    /// A signature, key or membership does not allow what was asked.
    #[error("not permitted: {0}")]
    Denied(String),
    /// A release has what its publisher's key is not for: nodes that see it refuse the release, whichever source has it.
    #[error("not permitted: {0}")]
    Trespass(String),
    /// Someone else holds what is needed.
    #[error("{0}")]
    Busy(String),
    /// An earlier write failed; the store takes no more until it is reopened.
    #[error("the store refuses writes since an earlier one failed ({0}); reopen it once the cause is mended")]
    Poisoned(String),
    /// No room is left.
    #[error("no space left: {0}")]
    Full(String),
    /// The caller asked for the work to stop.
    #[error("interrupted")]
    Cancelled,
    /// The operating system refused; the text says what was being done.
    #[error("{context}: {source}")]
    Io {
        /// What was being done, with the path.
        context: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with what was being done; a full disk becomes [`Error::Full`].
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
