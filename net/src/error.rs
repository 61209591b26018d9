//! The one error type of the transport. Its variants are told apart by what the caller can do.

use std::io;

use chuan_engine::id::NodeId;

/// An error of the transport.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another node than the expected one answers at an address.
    #[error(
        "the node at {address} proved another key (NodeId {proved}) than expected ({expected}); check the address; if it is right, `chuan pull` with the option `from HOST:PORT` learns the new key, and so does `chuan join` with a new ticket of its operator"
    )]
    WrongKey {
        /// The address.
        address: String,
        /// The id of the key that the node proved.
        proved: NodeId,
        /// The id that was expected.
        expected: NodeId,
    },
    /// No address of the node could be reached.
    #[error(
        "cannot reach {peer}: {cause}; check that it runs (`chuan serve` there) and that UDP gets through"
    )]
    Unreachable {
        /// The node and its addresses.
        peer: String,
        /// The failure of each attempt.
        cause: String,
    },
    /// A connected peer has vanished, or was silent for too long.
    #[error(
        "lost {peer}: {cause}; what has arrived is kept, run the same command again or name another source with the option `from`"
    )]
    Vanished {
        /// The node and its address.
        peer: String,
        /// How it ended.
        cause: String,
    },
    /// The peer refused, or lacks the data; the source has the reason and the remedy.
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
    /// The local node cannot do this.
    #[error("{0}")]
    Local(String),
    /// The operating system refused; the context is the action that failed.
    #[error("{context}: {source}")]
    Io {
        /// The action that failed.
        context: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The engine refused the data, or could not store or read it.
    #[error(transparent)]
    Engine(#[from] chuan_engine::Error),
}

/// The transport's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with the action that failed.
    pub(crate) fn io(context: impl Into<String>, source: io::Error) -> Self {
        Error::Io { context: context.into(), source }
    }

    /// A TLS configuration that cannot work: a bug, or a build without a required feature.
    pub(crate) fn tls(error: rustls::Error) -> Self {
        Error::Local(format!("cannot set up TLS: {error}"))
    }
}
