//! The ids of a sequence, and their positions in it. A comparison remembers the old side with it.
//!
//! Two versions have most of the differing items in the same order. So an id is first compared with the one
//! after the last match, which costs one comparison. Only if they differ is the id looked up in a table.

/// Ids by their first eight bytes, in order. Two ids with the same first eight bytes are taken as equal. An
/// id is forgotten if all its slots in the table are taken. Both cost a comparison a few more bytes, and
/// neither makes its result wrong.
#[derive(Default)]
pub(super) struct Seen {
    heads: Vec<u64>,
    /// Open addressing: an index into `heads` plus one, or 0 if the slot is free. At most half of the slots
    /// are used.
    slots: Vec<u32>,
    /// The index after the last match.
    next: usize,
}

/// The number of slots that an id may be in. Without this limit, ids that are made to collide would make a
/// comparison quadratic.
const PROBES: usize = 32;

impl Seen {
    /// Reserves space for `more` ids. Without reserved space no id is added.
    pub(super) fn reserve(&mut self, more: usize) {
        self.heads.reserve_exact(more);
        let room = self.heads.len().saturating_add(more).saturating_mul(2).next_power_of_two();
        if room > self.slots.len() {
            self.slots = vec![0; room];
            (0..self.heads.len()).for_each(|at| self.index(at));
        }
    }

    /// The number of ids.
    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Adds an id after all others.
    pub(super) fn push(&mut self, id: &[u8; 32]) {
        if 2 * self.heads.len() < self.slots.len()
            && u32::try_from(self.heads.len()).is_ok_and(|at| at < u32::MAX)
        {
            self.heads.push(head(id));
            self.index(self.heads.len() - 1);
        }
    }

    /// The index of an id: the expected index, or else the first one in the table.
    pub(super) fn find(&mut self, id: &[u8; 32]) -> Option<usize> {
        let head = head(id);
        let at = if self.heads.get(self.next) == Some(&head) { self.next } else { self.first(head)? };
        self.next = at + 1;
        Some(at)
    }

    /// Whether an id is present.
    pub(super) fn contains(&self, id: &[u8; 32]) -> bool {
        self.first(head(id)).is_some()
    }

    fn first(&self, head: u64) -> Option<usize> {
        for slot in self.probe(head) {
            let at = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            if self.heads.get(at) == Some(&head) {
                return Some(at);
            }
        }
        None
    }

    /// Adds the id at index `at` to the table, unless the table has it.
    fn index(&mut self, at: usize) {
        let Some(head) = self.heads.get(at).copied() else { return };
        for slot in self.probe(head) {
            let Some(slot) = self.slots.get_mut(slot) else { return };
            match (*slot as usize).checked_sub(1) {
                None => {
                    *slot = u32::try_from(at + 1).unwrap_or(0);
                    return;
                }
                Some(other) if self.heads.get(other) == Some(&head) => return,
                Some(_) => {}
            }
        }
    }

    /// The slots that an id may be in. Ids are hashes, so their bits need no mixing.
    fn probe(&self, head: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        let start = usize::try_from(head & 0xffff_ffff).unwrap_or(0);
        (0..PROBES).map(move |step| start.wrapping_add(step) & mask)
    }
}

fn head(id: &[u8; 32]) -> u64 {
    id.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::testing::Rng;

    fn id(n: u64) -> [u8; 32] {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        id
    }

    #[test]
    fn finds_added_ids_in_any_order_and_no_others() {
        let mut rng = Rng(5);
        let numbers: Vec<u64> = (0..10_000).map(|_| rng.next()).collect();
        let mut seen = Seen::default();
        for part in numbers.chunks(3_000) {
            seen.reserve(part.len());
            part.iter().for_each(|n| seen.push(&id(*n)));
        }
        for (at, n) in numbers.iter().enumerate().rev().chain(numbers.iter().enumerate()) {
            assert_eq!(seen.find(&id(*n)), Some(at));
            assert!(seen.contains(&id(*n)));
        }
        assert!((0..10_000).all(|_| seen.find(&id(rng.next())).is_none()));
    }

    #[test]
    fn a_repeated_id_is_found_at_the_expected_index() {
        let mut seen = Seen::default();
        seen.reserve(6);
        [1, 2, 1, 3, 1, 4].iter().for_each(|n| seen.push(&id(*n)));
        assert_eq!([2, 1, 3, 1, 4, 1].map(|n| seen.find(&id(n))), [1, 2, 3, 4, 5, 0].map(Some));
    }

    #[test]
    fn ids_made_to_collide_are_forgotten_and_take_no_longer() {
        let mut seen = Seen::default();
        seen.reserve(100_000);
        (0..100_000).for_each(|n| seen.push(&id(n << 32)));
        assert_eq!((0..100_000).filter(|n| seen.contains(&id(n << 32))).count(), PROBES);
        assert_eq!(seen.find(&id(0)), Some(0));
        assert_eq!(seen.find(&id(1 << 32)), Some(1));
    }

    #[test]
    fn without_reserved_space_no_id_is_added() {
        let mut seen = Seen::default();
        seen.push(&id(1));
        assert_eq!(seen.find(&id(1)), None);
    }
}
