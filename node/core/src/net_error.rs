//! Converts an error of the transport into a [`Failure`].
//!
//! It is a function and not `From`: both types belong to other crates, and `chuan-api` must not see the
//! transport.

use chuan_engine::Error as EngineError;
use chuan_net::Error as NetError;

use crate::exit::{Exit, Failure};

/// The failure of a command after this error of the transport.
pub(crate) fn net_failure(error: NetError) -> Failure {
    let exit = match &error {
        NetError::WrongKey { .. }
        | NetError::Unreachable { .. }
        | NetError::Vanished { .. }
        | NetError::Protocol { .. } => Exit::Peer,
        NetError::Refused { source: EngineError::Denied(_), .. } => Exit::Denied,
        NetError::Refused { source: EngineError::Missing(_), .. } => Exit::Missing,
        NetError::Refused { source: EngineError::Busy(_), .. } | NetError::Busy(_) => Exit::Busy,
        NetError::Refused { .. } => Exit::Peer,
        NetError::Cancelled => return Failure::interrupted(),
        NetError::Io { .. } => Exit::Io,
        NetError::Engine(_) => {
            return match error {
                NetError::Engine(error) => error.into(),
                other => Failure::internal(other.to_string()),
            };
        }
        _ => Exit::Internal,
    };
    Failure::new(exit, error.to_string()).caused_by(error)
}
