//! [`Error`]: the reason for which a call failed, as a value to branch on.

use std::{error, fmt, sync::Arc};

use chuan_engine::Error as EngineError;

use crate::exit::{Exit, Failure};

/// The reason for which a call failed. There is one variant for each reaction that the caller can choose;
/// each has a message for people, with the cause and the remedy.
///
/// [`source`](error::Error::source) is the error of the operating system or of the transport, where there is
/// one. The message includes its text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A named or needed thing is not here: a home, a library, a release, a path, or content that was never
    /// fetched.
    Missing(Reason),
    /// An argument, a file or other input breaks a rule.
    Invalid(Reason),
    /// A key, signature or membership does not allow it.
    Denied(Reason),
    /// Another process or command uses it; try again later.
    Busy(Reason),
    /// Stored bytes are damaged. A pull fetches chunks and pages again, if a peer has them.
    Corrupt(Reason),
    /// A peer cannot be reached, or broke the protocol.
    Peer(Reason),
    /// A newer release is announced and no node that answered has it; or the release is older than the policy
    /// of its class allows.
    Stale(Reason),
    /// No space is left.
    Full(Reason),
    /// The operating system refused to read or write.
    Io(Reason),
    /// The work was cancelled. Finished parts are kept; the same call continues from there.
    Interrupted(Reason),
    /// A defect in Chuan itself.
    Internal(Reason),
}

/// The message of an [`Error`], and the error that led to it.
#[derive(Clone, Debug)]
pub struct Reason(Arc<Failure>);

impl Error {
    /// The cause and the remedy, for people: one line, lowercase, without a full stop.
    pub fn message(&self) -> &str {
        &self.failure().message
    }

    fn failure(&self) -> &Failure {
        match self {
            Error::Missing(reason)
            | Error::Invalid(reason)
            | Error::Denied(reason)
            | Error::Busy(reason)
            | Error::Corrupt(reason)
            | Error::Peer(reason)
            | Error::Stale(reason)
            | Error::Full(reason)
            | Error::Io(reason)
            | Error::Interrupted(reason)
            | Error::Internal(reason) => &reason.0,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.failure().source.error()
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let exit = failure.exit;
        let reason = Reason(Arc::new(failure));
        match exit {
            Exit::Missing => Error::Missing(reason),
            Exit::Usage | Exit::Invalid => Error::Invalid(reason),
            Exit::Denied => Error::Denied(reason),
            Exit::Busy => Error::Busy(reason),
            Exit::Corrupt => Error::Corrupt(reason),
            Exit::Peer => Error::Peer(reason),
            Exit::Stale => Error::Stale(reason),
            Exit::Full => Error::Full(reason),
            Exit::Io => Error::Io(reason),
            Exit::Interrupted => Error::Interrupted(reason),
            // The last two are codes of answers, not of failures.
            Exit::Internal | Exit::Ok | Exit::Gaps => Error::Internal(reason),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.failure().clone()
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Failure::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error as _, io};

    use super::*;

    #[test]
    fn each_exit_has_its_variant() {
        let of = |exit| Error::from(Failure::new(exit, "why"));
        assert!(matches!(of(Exit::Missing), Error::Missing(_)));
        assert!(matches!(of(Exit::Usage), Error::Invalid(_)));
        assert!(matches!(of(Exit::Invalid), Error::Invalid(_)));
        assert!(matches!(of(Exit::Denied), Error::Denied(_)));
        assert!(matches!(of(Exit::Busy), Error::Busy(_)));
        assert!(matches!(of(Exit::Corrupt), Error::Corrupt(_)));
        assert!(matches!(of(Exit::Peer), Error::Peer(_)));
        assert!(matches!(of(Exit::Stale), Error::Stale(_)));
        assert!(matches!(of(Exit::Full), Error::Full(_)));
        assert!(matches!(of(Exit::Io), Error::Io(_)));
        assert!(matches!(of(Exit::Interrupted), Error::Interrupted(_)));
        for exit in [Exit::Internal, Exit::Ok, Exit::Gaps] {
            assert!(matches!(of(exit), Error::Internal(_)));
        }
        assert_eq!(of(Exit::Busy).to_string(), "why");
    }

    #[test]
    fn the_source_is_the_error_of_the_system() {
        let refused = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Error::from(EngineError::io("read x", refused));
        assert!(matches!(error, Error::Io(_)));
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert_eq!(source.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied));
        assert!(Error::from(Failure::missing("x")).source().is_none());
    }
}
