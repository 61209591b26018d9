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
    /// The keys to which a path leads from a bound key, through keys with one successor only. The others
    /// descend from a disputed key. Kept, since it is asked for each statement whenever one is added.
    undisputed: BTreeSet<PublicKey>,
}

impl KeyChains {
    /// Whether `key` is or was a key of `node`.
    pub(super) fn has(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.0.get(node).is_some_and(|chain| chain.keys.contains_key(key))
    }

    /// Records that a member statement binds the key to the node.
    pub(super) fn bind(&mut self, node: NodeId, key: PublicKey) {
        let chain = self.0.entry(node).or_default();
        chain.keys.insert(key, 0);
        chain.spread(key);
    }

    /// Records a succession for which [`lacks`](Self::lacks) returned nothing.
    pub(super) fn succeed(&mut self, next: &Succession) {
        let chain = self.0.entry(next.node).or_default();
        let depth = chain.keys.get(&next.old).map_or(1, |depth| depth + 1);
        chain.keys.entry(next.new).or_insert(depth);
        let successors = chain.successors.entry(next.old).or_default();
        if !successors.insert(next.new) {
            return;
        }
        match successors.len() {
            1 if chain.undisputed.contains(&next.old) => chain.spread(next.new),
            // The key is disputed from now on, and so are those that were reached through it.
            KEY_SUCCESSORS => chain.settle(),
            _ => {}
        }
    }

    /// Removes a succession that is no longer kept.
    pub(super) fn forget(&mut self, next: &Succession) {
        let Some(chain) = self.0.get_mut(&next.node) else { return };
        if chain.successors.entry(next.old).or_default().remove(&next.new) {
            chain.settle();
        }
    }

    /// Whether a key of a node descends from a disputed key: no statement is valid by it.
    pub(super) fn is_quarantined(&self, node: &NodeId, key: &PublicKey) -> bool {
        self.0.get(node).is_some_and(|chain| chain.keys.contains_key(key) && !chain.undisputed.contains(key))
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
        if !chain.undisputed.contains(&next.old) {
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
    /// Finds the undisputed keys anew.
    fn settle(&mut self) {
        self.undisputed.clear();
        let bound: Vec<_> = self.keys.iter().filter(|(_, depth)| **depth == 0).map(|(key, _)| *key).collect();
        bound.into_iter().for_each(|key| self.spread(key));
    }

    /// Records that a key is undisputed, and so are the keys to which it leads.
    fn spread(&mut self, key: PublicKey) {
        let mut next = Some(key);
        while let Some(at) = next.filter(|at| self.undisputed.insert(*at)) {
            #[cfg(test)]
            tests::count_step();
            let successors = self.successors.get(&at).filter(|all| all.len() < KEY_SUCCESSORS);
            next = successors.and_then(|all| all.first().copied());
        }
    }
}

#[cfg(test)]
pub(in crate::statement) mod tests {
    use std::cell::Cell;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::statement::tests::{key, node};

    thread_local! {
        static STEPS: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count_step() {
        STEPS.set(STEPS.get() + 1);
    }

    /// The number of keys that `run` visits in chains.
    pub(in crate::statement) fn steps(run: impl FnOnce()) -> usize {
        let before = STEPS.get();
        run();
        STEPS.get() - before
    }

    /// Whether every path from a key up to a bound key passes a key with several successors.
    fn is_disputed_above(chain: &Chain, key: &PublicKey) -> bool {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![*key];
        while let Some(at) = waiting.pop() {
            if chain.keys.get(&at) == Some(&0) {
                return false;
            }
            if seen.insert(at) {
                let sole = chain.successors.iter().filter(|(_, new)| new.len() < KEY_SUCCESSORS);
                waiting.extend(sole.filter(|(_, new)| new.contains(&at)).map(|(old, _)| *old));
            }
        }
        true
    }

    #[derive(Clone, Debug)]
    enum Step {
        Bind(u8),
        Succeed(u8, u8),
        Forget(u8, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let n = || 1u8..9;
        prop_oneof![
            1 => n().prop_map(Step::Bind),
            6 => (n(), n()).prop_map(|(old, new)| Step::Succeed(old, new)),
            1 => (n(), n()).prop_map(|(old, new)| Step::Forget(old, new)),
        ]
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_the_chain_shows(steps in vec(step(), 0..30)) {
            let mut chains = KeyChains::default();
            let next = |old: u8, new: u8| {
                Succession { node: node(1), old: key(old).public(), new: key(new).public(), grace_ms: 0 }
            };
            for step in steps {
                match step {
                    Step::Bind(n) => chains.bind(node(1), key(n).public()),
                    Step::Succeed(old, new) => {
                        let next = next(old, new);
                        if matches!(chains.lacks(&next), Ok(None)) {
                            chains.succeed(&next);
                        }
                    }
                    Step::Forget(old, new) => chains.forget(&next(old, new)),
                }
                for chain in chains.0.values() {
                    for key in chain.keys.keys() {
                        prop_assert_eq!(!chain.undisputed.contains(key), is_disputed_above(chain, key));
                    }
                }
            }
        }
    }
}
