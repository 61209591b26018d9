//! The moves of a channel over time, with those that the removal of a key made ineffective: an operator must
//! see where a channel has been.

use std::collections::BTreeMap;

use super::{Channel, Library, RoleKind, Root, Signed, Statement, state::channel_under};
use crate::id::StatementId;

/// A statement on a channel that is effective now, or was under an earlier root.
#[derive(Clone, Copy, Debug)]
pub struct ChannelMove<'a> {
    /// The statement.
    pub said: Signed<'a, Channel>,
    /// Whether it is effective now. A statement of a removed key is not, unless the root pins it.
    pub is_effective: bool,
    /// Whether its signer is an operator by the newest root that gives the signer a role; else it is a
    /// publisher.
    pub by_operator: bool,
}

/// The statements of a channel that are effective, or were under an earlier root, the oldest first; the
/// last is current. Settles the channel under every root.
pub(super) fn channel_moves<'a>(library: &'a Library, name: &str) -> Vec<ChannelMove<'a>> {
    let effective = library.channel_history(name);
    let is_effective = |id: &StatementId| effective.iter().any(|said| said.statement.id() == *id);
    let mut ranks = BTreeMap::new();
    for root in library.set.roots() {
        let under = channel_under(&library.set, root, name);
        ranks.extend(under.history.iter().filter_map(|id| Some((*id, *under.ranks.get(id)?))));
    }
    let current = effective.last().map(|said| said.statement.id());
    let mut ids: Vec<_> = ranks.into_iter().collect();
    ids.sort_by_key(|(id, rank)| (Some(*id) == current, *rank));
    let moves = ids.iter().filter_map(|(id, _)| library.channel_statement(id)).map(|said| ChannelMove {
        said,
        is_effective: is_effective(&said.statement.id()),
        by_operator: is_or_was_operators(library, said.statement),
    });
    moves.collect()
}

/// Whether the newest root that names a signer of a channel statement as operator or publisher names one
/// as operator.
pub(super) fn is_or_was_operators(library: &Library, statement: &Statement) -> bool {
    let roots: Vec<_> = library.set.roots().collect();
    let names = |root: &Root, kind| statement.signers().any(|key| root.names(kind, key));
    let newest = roots
        .into_iter()
        .rev()
        .find(|root| names(root, RoleKind::Operator) || names(root, RoleKind::Publisher));
    newest.is_some_and(|root| names(root, RoleKind::Operator))
}
