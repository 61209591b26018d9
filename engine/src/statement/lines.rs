//! The keys of nodes, as they follow one another: who may sign the next succession. Bounded whatever a thief of a key signs, and
//! without a way to keep its owner from contradicting it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::{Error, Result},
    id::NodeId,
    limits::SUCCESSIONS,
    statement::{PublicKey, Succession},
};

/// Heirs of one key that are kept, the smallest: enough to prove that one of them is a thief's.
pub(super) const HEIRS: usize = 2;

/// Every key that a node has or had.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(BTreeMap<NodeId, Line>);

#[derive(Clone, Debug, Default)]
struct Line {
    /// Every key, with how many successions lie between it and one that a member statement binds.
    keys: BTreeMap<PublicKey, usize>,
    /// By key, what is said to succeed it.
    heirs: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
    /// By key, what it is said to succeed.
    parents: BTreeMap<PublicKey, BTreeSet<PublicKey>>,
}

impl Lines {
    /// Whether `key` is, or was once, one of `node`'s.
    pub(super) fn has(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.0.get(node).is_some_and(|line| line.keys.contains_key(key))
    }

    /// A member statement says that the node has the key.
    pub(super) fn bind(&mut self, node: NodeId, key: PublicKey) {
        self.0.entry(node).or_default().keys.insert(key, 0);
    }

    /// A succession that lacks nothing is taken up.
    pub(super) fn succeed(&mut self, next: &Succession) {
        let line = self.0.entry(next.node).or_default();
        let depth = line.keys.get(&next.old).map_or(1, |depth| depth + 1);
        line.keys.entry(next.new).or_insert(depth);
        line.heirs.entry(next.old).or_default().insert(next.new);
        line.parents.entry(next.new).or_default().insert(next.old);
    }

    /// A succession is kept no more.
    pub(super) fn forget(&mut self, next: &Succession) {
        let Some(line) = self.0.get_mut(&next.node) else { return };
        line.heirs.entry(next.old).or_default().remove(&next.new);
        line.parents.entry(next.new).or_default().remove(&next.old);
    }

    /// Whether a key of a node comes of one that is in dispute: nothing rests on it.
    pub(super) fn is_aside(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.0.get(node).is_some_and(|line| line.keys.contains_key(key) && line.is_disputed_above(key))
    }

    /// Whether one other key succeeded a key of a node: then it speaks for the node no more.
    pub(super) fn is_replaced(&self, node: &NodeId, key: &PublicKey) -> bool {
        let heirs = self.0.get(node).and_then(|line| line.heirs.get(key));
        heirs.is_some_and(|heirs| heirs.len() == 1)
    }

    /// What is missing before a succession can be taken up; nothing if it can. An error says that it never will be.
    pub(super) fn lacks(&self, next: &Succession) -> Result<Option<String>> {
        let unknown = || Ok(Some("the old key is not known as one of the node's".into()));
        let Some(line) = self.0.get(&next.node) else { return unknown() };
        let Some(depth) = line.keys.get(&next.old) else { return unknown() };
        let heirs = line.heirs.get(&next.old);
        if heirs.is_some_and(|heirs| heirs.contains(&next.new)) {
            return Ok(None);
        }
        if heirs.is_some_and(|heirs| heirs.len() >= HEIRS && heirs.last() < Some(&next.new)) {
            return Err(Error::Denied(format!(
                "key {} of node {} has two successors already, which is proof enough",
                next.old.short(),
                next.node.short()
            )));
        }
        if line.is_disputed_above(&next.old) {
            return Ok(Some("the old key comes of one that is in dispute".into()));
        }
        if *depth >= SUCCESSIONS {
            return Err(Error::Denied(format!(
                "node {} has had {SUCCESSIONS} keys since an operator bound one; let one bind the key that it has",
                next.node.short()
            )));
        }
        Ok(None)
    }
}

impl Line {
    /// Whether a key comes of one with several heirs, on every way up to a key that is bound.
    fn is_disputed_above(&self, key: &PublicKey) -> bool {
        let is_bound = |key: &PublicKey| self.keys.get(key) == Some(&0);
        let mut seen = BTreeSet::new();
        let mut waiting = vec![*key];
        while let Some(at) = waiting.pop() {
            if is_bound(&at) {
                return false;
            }
            if seen.insert(at) {
                let is_sole =
                    |old: &&PublicKey| self.heirs.get(*old).is_some_and(|heirs| heirs.len() < HEIRS);
                waiting.extend(self.parents.get(&at).into_iter().flatten().filter(is_sole));
            }
        }
        true
    }
}
