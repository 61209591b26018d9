//! The chain of keys of each node: which key may sign the next succession. The size is bounded, whatever a
//! thief of a key signs, and the thief cannot keep the owner from contradicting a succession.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::{KEY_SUCCESSORS, SUCCESSIONS},
    statement::{PublicKey, Succession},
};

/// Every key that a node has or had.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyChains(BTreeMap<NodeId, Chain>);

#[derive(Clone, Debug, Default)]
struct Chain {
    /// Every key, with the number of successions between it and a key that a member statement binds.
    keys: BTreeMap<PublicKey, usize>,
    /// The claimed successors of each key.
    successors: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// The claimed predecessors of each key.
    parents: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
}

impl KeyChains {
    /// Whether `key` is or was a key of `node`.
    pub(super) fn has(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.0.get(node).is_some_and(|chain| chain.keys.contains_key(key))
    }

    /// Records that a member statement binds the key to the node.
    pub(super) fn bind(&mut self, node: NodeId, key: PublicKey) {
        self.0.entry(node).or_default().keys.insert(key, 0);
    }

    /// Records a succession for which [`lacks`](Self::lacks) returned nothing.
    pub(super) fn succeed(&mut self, next: &Succession) {
        let chain = self.0.entry(next.node).or_default();
        let depth = chain.keys.get(&next.old).map_or(1, |depth| depth + 1);
        chain.keys.entry(next.new).or_insert(depth);
        chain.successors.entry(next.old).or_default().insert(next.new);
        chain.parents.entry(next.new).or_default().insert(next.old);
    }

    /// Removes a succession that is no longer kept.
    pub(super) fn forget(&mut self, next: &Succession) {
        let Some(chain) = self.0.get_mut(&next.node) else { return };
        chain.successors.entry(next.old).or_default().remove(&next.new);
        chain.parents.entry(next.new).or_default().remove(&next.old);
    }

    /// Whether a key of a node descends from a disputed key: no statement is valid by it.
    pub(super) fn is_quarantined(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.0.get(node).is_some_and(|chain| chain.keys.contains_key(key) && chain.is_disputed_above(key))
    }

    /// Whether exactly one key succeeded a key of a node: then the old key no longer signs for the node.
    pub(super) fn is_replaced(&self, node: &NodeId, key: &PublicKey) -> bool {
        let successors = self.0.get(node).and_then(|chain| chain.successors.get(key));
        successors.is_some_and(|successors| successors.len() == 1)
    }

    /// The condition that is missing before a succession can be added; `None` if it can be. An error says
    /// that it can never be added.
    pub(super) fn lacks(&self, next: &Succession) -> Result<Option<String>> {
        let unknown = || Ok(Some("the old key is not known as one of the node's".into()));
        let Some(chain) = self.0.get(&next.node) else { return unknown() };
        let Some(depth) = chain.keys.get(&next.old) else { return unknown() };
        let successors = chain.successors.get(&next.old);
        if successors.is_some_and(|successors| successors.contains(&next.new)) {
            return Ok(None);
        }
        if successors.is_some_and(|successors| {
            successors.len() >= KEY_SUCCESSORS && successors.last() < Some(&next.new)
        }) {
            return Err(Error::Denied(format!(
                "key {} of node {} has two successors already; no further one is kept",
                next.old.short(),
                next.node.short()
            )));
        }
        if chain.is_disputed_above(&next.old) {
            return Ok(Some("the old key descends from a disputed key".into()));
        }
        if *depth >= SUCCESSIONS {
            return Err(Error::Denied(format!(
                "node {} has had {SUCCESSIONS} keys since an operator bound one; ask an operator to bind its current key",
                next.node.short()
            )));
        }
        Ok(None)
    }
}

impl Chain {
    /// Whether every path from a key up to a bound key passes a key with several successors.
    fn is_disputed_above(&self, key: &PublicKey) -> bool {
        let is_bound = |key: &PublicKey| self.keys.get(key) == Some(&0);
        let mut seen = BTreeSet::new();
        let mut waiting = vec![*key];
        while let Some(at) = waiting.pop() {
            if is_bound(&at) {
                return false;
            }
            if seen.insert(at) {
                let is_sole = |old: &&PublicKey| {
                    self.successors.get(*old).is_some_and(|successors| successors.len() < KEY_SUCCESSORS)
                };
                waiting.extend(self.parents.get(&at).into_iter().flatten().filter(is_sole));
            }
        }
        true
    }
}
