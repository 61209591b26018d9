//! The one error type of the transport: what went wrong between two nodes, by what the caller can do about it.

use std::io;

use chuan_engine::id::NodeId;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another node than the one expected answers at an address.
    #[error(
        "the node at {address} proved another key (NodeId {proved}) than expected ({expected}); check the address, or ask its operator for a new ticket"
    )]
    WrongKey {
        /// Where.
        address: String,
        /// The id of the key it has.
        proved: NodeId,
        /// The id that was wanted.
        expected: NodeId,
    },
    /// No address of the node could be reached.
    #[error("cannot reach {peer}: {cause}; check that it runs (`chuan serve`) and that UDP gets through")]
    Unreachable {
        /// The node and its addresses.
        peer: String,
        /// What each attempt met.
        cause: String,
    },
    /// A peer that was connected is gone, or silent for too long.
    #[error(
        "lost {peer}: {cause}; what has arrived is kept, run the same command again or name another source with `--from`"
    )]
    Vanished {
        /// The node and its address.
        peer: String,
        /// How it ended.
        cause: String,
    },
    /// The peer will not, or has not; the source says why and what to do.
    #[error("{peer}: {source}")]
    Refused {
        /// The node and its address.
        peer: String,
        /// Its reason.
        #[source]
        source: chuan_engine::Error,
    },
    /// The peer has no room for another connection or request now.
    #[error("{0} is busy; try again later")]
    Busy(String),
    /// The peer broke the protocol.
    #[error("{peer} broke the protocol: {text}")]
    Protocol {
        /// The node and its address.
        peer: String,
        /// The rule it broke.
        text: String,
    },
    /// The caller asked for the work to stop.
    #[error("interrupted")]
    Cancelled,
    /// The local side cannot work so.
    #[error("{0}")]
    Local(String),
    /// The operating system refused; the text says what was being done.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The engine refused what arrived, or could not store or read.
    #[error(transparent)]
    Engine(#[from] chuan_engine::Error),
}

/// The transport's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn io(context: impl Into<String>, source: io::Error) -> Self {
        Error::Io { context: context.into(), source }
    }

    /// A TLS set-up that does not work at all: a bug or a build without what it needs.
    pub(crate) fn tls(error: rustls::Error) -> Self {
        Error::Local(format!("cannot set up TLS: {error}"))
    }
}
