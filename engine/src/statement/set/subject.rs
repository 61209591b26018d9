//! The subject of a statement, for kinds of which only some statements on a subject are kept.

use crate::{
    id::{NodeId, StatementId},
    statement::{Body, PublicKey, Statement},
};

/// The subjects of which only some statements are kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::statement) enum Subject {
    Fresh(String),
    Checkpoint(NodeId),
    Claim(StatementId, NodeId),
    Succession(NodeId, PublicKey),
}

impl Subject {
    pub(in crate::statement) fn of(statement: &Statement) -> Option<Self> {
        Some(match statement.body() {
            Body::Fresh(fresh) => Subject::Fresh(fresh.channel.clone()),
            Body::Checkpoint(checkpoint) => Subject::Checkpoint(checkpoint.node),
            Body::Member(member) => Subject::Claim(member.ticket?, member.node),
            Body::Succession(next) => Subject::Succession(next.node, next.old),
            _ => return None,
        })
    }

    /// Whether it may be equivalent to others, of which the ones with the lowest ids are kept.
    pub(in crate::statement) fn is_kept_by_id(statement: &Statement) -> bool {
        !statement.kind().is_passing() && Self::of(statement).is_some()
    }
}
