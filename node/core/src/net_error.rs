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
    outcome::UNVERIFIED,
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

/// The messages of several failures, each cause once: sources often fail for the same one, and nodes that
/// cannot be reached for one cause are listed.
pub(crate) fn causes(failures: &[Failure]) -> String {
    let mut messages: Vec<String> = Vec::new();
    let mut unreachable: Vec<(&str, Vec<&str>)> = Vec::new();
    for failure in failures {
        let source = failure.source().and_then(|source| source.downcast_ref());
        if let Some(NetError::Unreachable { peer, cause }) = source {
            match unreachable.iter_mut().find(|(other, _)| other == cause) {
                Some((_, peers)) if peers.contains(&peer.as_str()) => {}
                Some((_, peers)) => peers.push(peer),
                None => unreachable.push((cause, vec![peer])),
            }
        } else if !messages.contains(&failure.message) {
            messages.push(failure.message.clone());
        }
    }
    let unreachable = unreachable.into_iter().map(|(cause, peers)| {
        NetError::Unreachable { peer: peers.join(", "), cause: cause.to_owned() }.to_string()
    });
    messages.into_iter().chain(unreachable).collect::<Vec<_>>().join("; ")
}

/// The message to a revoked node: when it was revoked, and the remedy.
pub(crate) fn revoked_text(at_ms: i64) -> String {
    let at = if at_ms > 0 { format!(" on {} UTC", time(at_ms)) } else { String::new() };
    format!(
        "an operator of the library revoked this node{at}; a ticket does not admit it again: ask an operator, who can grant it \
         anew with `chuan grant`"
    )
}

/// The refusal that is behind a failure, if that is why the command failed: of a peer, or of this node, which
/// talks to no peer that proves an unknown key.
pub(crate) fn refusal_of(failure: &Failure) -> Option<&'static str> {
    match failure.source()?.downcast_ref()? {
        NetError::WrongKey { .. } => Some(UNVERIFIED),
        NetError::Refused { source: EngineError::Revoked { .. }, .. } => Some("revoked"),
        NetError::Refused { source: EngineError::Denied(_), .. } => Some("denied"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a pull that reached none of four nodes printed one sentence four times.
    #[test]
    fn nodes_that_fail_for_one_cause_are_listed_in_one_sentence() {
        let unreachable = |peer: &str, cause: &str| {
            net_failure(NetError::Unreachable { peer: peer.into(), cause: cause.into() })
        };
        let failures = [
            unreachable("node a", "no answer"),
            Failure::missing("node d has no release"),
            unreachable("node b", "no answer"),
            unreachable("node a", "no answer"),
            unreachable("node c", "it restarted"),
            Failure::missing("node d has no release"),
        ];
        let remedy = "check that it runs (`chuan serve` there) and that UDP gets through";
        assert_eq!(
            causes(&failures),
            format!(
                "node d has no release; cannot reach node a, node b: no answer; {remedy}; cannot reach node c: it restarted; \
                 {remedy}"
            )
        );
    }
}
