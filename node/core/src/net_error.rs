//! Converts an error of the transport into a [`Failure`].
//!
//! It is a function and not `From`: both types belong to other crates, and `chuan-api` must not see the
//! transport.

use std::error::Error as _;

use chuan_engine::Error as EngineError;
use chuan_net::Error as NetError;

use crate::{
    exit::{Exit, Failure},
    human::time,
};

/// The failure of a command after this error of the transport.
pub(crate) fn net_failure(error: NetError) -> Failure {
    let exit = match &error {
        NetError::WrongKey { .. }
        | NetError::Unreachable { .. }
        | NetError::Vanished { .. }
        | NetError::Protocol { .. } => Exit::Peer,
        NetError::Refused { source: EngineError::Revoked { at_ms }, peer } => {
            let message = format!("{peer}: {}", revoked_text(*at_ms));
            return Failure::denied(message).caused_by(error);
        }
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

/// The message to a revoked node: when it was revoked, and the remedy.
pub(crate) fn revoked_text(at_ms: i64) -> String {
    let at = if at_ms > 0 { format!(" on {} UTC", time(at_ms)) } else { String::new() };
    format!(
        "an operator of the library revoked this node{at}; a ticket does not admit it again: ask an operator, who can grant it \
         anew with `chuan grant`"
    )
}

/// The refusal of a peer that is behind a failure, if that is why the command failed.
pub(crate) fn refusal_of(failure: &Failure) -> Option<&'static str> {
    match failure.source()?.downcast_ref()? {
        NetError::Refused { source: EngineError::Revoked { .. }, .. } => Some("revoked"),
        NetError::Refused { source: EngineError::Denied(_), .. } => Some("denied"),
        _ => None,
    }
}
