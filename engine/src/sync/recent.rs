//! A bounded set of the keys seen most recently.
//!
//! Owns only keys and their weights. A forgotten key may cost its caller time, but must not cost correctness.

use std::{
    collections::{HashSet, VecDeque},
    hash::Hash,
};

/// The keys seen last, up to a total weight of `capacity`.
#[derive(Debug)]
pub(super) struct Recent<K> {
    seen: HashSet<K>,
    order: VecDeque<(K, u64)>,
    weight: u64,
    capacity: u64,
}

impl<K: Copy + Eq + Hash> Recent<K> {
    pub(super) fn new(capacity: u64) -> Self {
        Self { seen: HashSet::new(), order: VecDeque::new(), weight: 0, capacity }
    }

    /// Adds `key`, and forgets the oldest keys beyond the capacity. Returns whether the key was new.
    pub(super) fn insert(&mut self, key: K, weight: u64) -> bool {
        if !self.seen.insert(key) {
            return false;
        }
        self.order.push_back((key, weight));
        self.weight += weight;
        while self.weight > self.capacity
            && let Some((oldest, weight)) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
            self.weight -= weight;
        }
        true
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.order.clear();
        self.weight = 0;
    }

    pub(super) fn contains(&self, key: &K) -> bool {
        self.seen.contains(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_beyond_its_capacity() {
        let mut recent = Recent::new(10);
        assert!(recent.insert(1, 4) && recent.insert(2, 4) && !recent.insert(1, 4));
        assert!(recent.contains(&1) && recent.contains(&2));
        assert!(recent.insert(3, 4));
        assert!(!recent.contains(&1) && recent.contains(&2) && recent.contains(&3));
        assert!(recent.insert(1, 2));
        assert!(recent.contains(&2));
    }
}
