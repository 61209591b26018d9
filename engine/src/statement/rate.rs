//! Rate limits for statements that keys repeat. Only the newest are kept, but each one that is accepted costs
//! a write here and a message to every peer. Without a limit, one member's key makes every node write as fast
//! as the network delivers.
//!
//! A key has a burst for each subject, and one more statement each period, by the clock of the receiving
//! node. It also has a limit for each kind, whatever the subjects, since it could invent subjects. Statements
//! beyond the limit are left to a later exchange; of those that come together, the newest are accepted. A
//! refused statement uses up nothing, so no other key can use up a key's allowance. Where as many keys as are
//! remembered have used up a part of theirs, no statement of a further key is accepted for the moment: a key
//! that is forgotten would have its full allowance again, and any number of keys would have no limit.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    limits::{PASSING_BURST, PASSING_PERIODS_MS, RATED_SUBJECTS, SIGNER_BURST, SIGNER_PERIODS_MS},
    statement::{PublicKey, Statement, StatementKind, set::Subject},
};

/// The remaining allowances of the keys of one library.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// By signer and subject; one without an entry has its full allowance.
    left: BTreeMap<Place, Left>,
    /// By signer and kind; one without an entry has its full allowance.
    signers: BTreeMap<Signer, Left>,
}

/// The kind of a statement, and its signer.
type Signer = (StatementKind, PublicKey);

/// The kind of a statement, its signer, and its subject.
type Place = (StatementKind, PublicKey, Subject);

/// The remaining allowance of a key.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// The number of statements, at `at_ms`.
    count: u32,
    at_ms: i64,
    period_ms: i64,
    /// The highest number of statements.
    burst: u32,
}

impl Rates {
    /// Of statements that are not known yet, returns those to consider now, in their order: for each signer
    /// and subject, and each signer and kind, the newest within the allowance. Reads only headers, and does
    /// not check whether the statements are effective.
    pub fn admit(&mut self, offered: Vec<Statement>, now_ms: i64) -> Vec<Statement> {
        let mut rooms = Rooms::of(&mut self.left, |place| place.0, now_ms);
        let offered = within(offered, place_of, |place| {
            let known = self.left.get_mut(place).map(|left| left.refill(now_ms));
            known.unwrap_or_else(|| rooms.take(place.0, PASSING_BURST))
        });
        let mut rooms = Rooms::of(&mut self.signers, |signer| signer.0, now_ms);
        within(offered, signer_of, |signer| {
            let known = self.signers.get_mut(signer).map(|left| left.refill(now_ms));
            known.unwrap_or_else(|| rooms.take(signer.0, SIGNER_BURST))
        })
    }

    /// Records that a statement was accepted.
    pub fn spend(&mut self, statement: &Statement, now_ms: i64) {
        let (Some(place), Some(signer)) = (place_of(statement), signer_of(statement)) else { return };
        let kind = statement.kind();
        let all =
            |burst, periods| Left { count: burst, at_ms: now_ms, period_ms: period_ms(kind, periods), burst };
        spend_one(&mut self.left, place, all(PASSING_BURST, PASSING_PERIODS_MS), now_ms);
        spend_one(&mut self.signers, signer, all(SIGNER_BURST, SIGNER_PERIODS_MS), now_ms);
    }
}

/// Of `offered`, in its order: the statements without a place, and of each place the newest within its
/// allowance.
fn within<P: Ord>(
    offered: Vec<Statement>,
    place_of: impl Fn(&Statement) -> Option<P>,
    mut left: impl FnMut(&P) -> u32,
) -> Vec<Statement> {
    let mut by_place: BTreeMap<P, Vec<(Reverse<u64>, usize)>> = BTreeMap::new();
    for (index, statement) in offered.iter().enumerate() {
        if let Some(place) = place_of(statement) {
            by_place.entry(place).or_default().push((Reverse(statement.sequence()), index));
        }
    }
    let mut beyond = Vec::new();
    for (place, mut said) in by_place {
        said.sort_unstable();
        let taken = usize::try_from(left(&place)).unwrap_or(usize::MAX);
        beyond.extend(said.into_iter().skip(taken).map(|(_, index)| index));
    }
    beyond.sort_unstable();
    let is_within = |index: &usize| beyond.binary_search(index).is_err();
    let kept = offered.into_iter().enumerate().filter(|(index, _)| is_within(index));
    kept.map(|(_, statement)| statement).collect()
}

/// Takes one from the allowance of a place; `all` is the allowance of a place without an entry.
fn spend_one<P: Ord>(places: &mut BTreeMap<P, Left>, place: P, all: Left, now_ms: i64) {
    let left = places.entry(place).or_insert(all);
    left.refill(now_ms);
    left.count = left.count.saturating_sub(1);
}

/// The number of further entries, by kind of statement: no kind takes the entries of another one.
struct Rooms(BTreeMap<StatementKind, usize>);

impl Rooms {
    /// Counts the entries, where there are many; those with a full allowance are removed.
    fn of<P: Ord>(
        places: &mut BTreeMap<P, Left>,
        kind_of: impl Fn(&P) -> StatementKind,
        now_ms: i64,
    ) -> Self {
        if places.len() >= RATED_SUBJECTS / 2 {
            places.retain(|_, left| left.refill(now_ms) < left.burst);
        }
        let mut taken: BTreeMap<_, usize> = BTreeMap::new();
        places.keys().for_each(|place| *taken.entry(kind_of(place)).or_default() += 1);
        Self(taken)
    }

    /// The allowance of a place without an entry: `burst`, or nothing where no entry is left.
    fn take(&mut self, kind: StatementKind, burst: u32) -> u32 {
        let taken = self.0.entry(kind).or_default();
        if *taken >= RATED_SUBJECTS {
            return 0;
        }
        *taken += 1;
        burst
    }
}

impl Left {
    /// Adds one for each period that has passed. If the clock went back, the period begins again.
    fn refill(&mut self, now_ms: i64) -> u32 {
        if now_ms < self.at_ms || self.count >= self.burst {
            self.at_ms = now_ms;
            return self.count;
        }
        let periods = now_ms.saturating_sub(self.at_ms) / self.period_ms.max(1);
        let gained = u32::try_from(periods).unwrap_or(u32::MAX);
        self.at_ms = self.at_ms.saturating_add(periods.saturating_mul(self.period_ms));
        self.count = self.count.saturating_add(gained).min(self.burst);
        self.count
    }
}

/// The signer and subject by which a statement is limited; `None` for a kind that is not repeated.
fn place_of(statement: &Statement) -> Option<Place> {
    if !statement.kind().is_passing() {
        return None;
    }
    Some((statement.kind(), *statement.signers().next()?, Subject::of(statement)?))
}

/// The signer and kind by which a statement is limited; `None` for a kind that is not repeated.
fn signer_of(statement: &Statement) -> Option<Signer> {
    place_of(statement).map(|(kind, key, _)| (kind, key))
}

const fn period_ms(kind: StatementKind, [fresh, checkpoint]: [i64; 2]) -> i64 {
    match kind {
        StatementKind::Fresh => fresh,
        _ => checkpoint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{RecordId, StatementId},
        limits::CHECKPOINTS,
        statement::{
            Body, Checkpoint, Fresh, Key,
            tests::{NOW, World, key, node},
        },
    };

    fn checkpoint(world: &World, n: u8, count: u64) -> Statement {
        let body = Checkpoint { node: node(n), count, head: RecordId::from_bytes([n; 32]) };
        world.sign(Body::Checkpoint(body), count, &[&key(n)])
    }

    /// Symptom: a member's key wrote checkpoints as fast as it could. Every node kept all of them for a
    /// moment, wrote them, and sent them on to all others.
    #[test]
    fn a_key_has_a_burst_and_then_one_each_period() {
        let world = World::new();
        let mut rates = Rates::default();
        let (mut taken, mut count) = (0, 0);
        // A day with a batch of 50 every ten minutes; the clock is an argument.
        for second in 0..86_400i64 {
            let now = NOW + second * 1000;
            if second % 600 != 0 {
                continue;
            }
            let batch: Vec<_> = (0..50)
                .map(|_| {
                    count += 1;
                    checkpoint(&world, 10, count)
                })
                .collect();
            for said in rates.admit(batch, now) {
                rates.spend(&said, now);
                taken += 1;
            }
        }
        let [_, period] = PASSING_PERIODS_MS;
        let most = i64::from(PASSING_BURST) + 86_400_000 / period;
        assert!(taken <= most, "{taken} of {count} were taken, {most} are the most");
        assert!(taken > most / 2, "and an honest key is not held back for good: {taken}");
    }

    #[test]
    fn of_a_batch_the_newest_are_taken_in_their_order() {
        let world = World::new();
        let mut rates = Rates::default();
        let batch: Vec<_> = (1..=100).map(|count| checkpoint(&world, 10, count)).collect();
        let taken: Vec<_> = rates.admit(batch.clone(), NOW).iter().map(Statement::sequence).collect();
        assert_eq!(taken, (101 - u64::from(PASSING_BURST)..=100).collect::<Vec<_>>());
        assert!(taken.len() >= CHECKPOINTS, "what peers keep comes in one go to a node that is new");
        batch.iter().rev().take(taken.len()).for_each(|said| rates.spend(said, NOW));
        assert!(rates.admit(batch.clone(), NOW).is_empty());
        let [_, period] = PASSING_PERIODS_MS;
        let last = rates.admit(batch, NOW + period);
        assert_eq!(last.iter().map(Statement::sequence).collect::<Vec<_>>(), [100], "the last of the batch");
    }

    #[test]
    fn each_key_spends_its_own_and_nothing_else_is_rated() {
        let world = World::new();
        let mut rates = Rates::default();
        for count in 1..=100 {
            let said = checkpoint(&world, 10, count);
            if rates.admit(vec![said.clone()], NOW).len() == 1 {
                rates.spend(&said, NOW);
            }
        }
        assert_eq!(rates.admit(vec![checkpoint(&world, 11, 1)], NOW).len(), 1);
        // Admitting alone uses up nothing: a forged signature costs the key's owner nothing.
        for _ in 0..100 {
            assert_eq!(rates.admit(vec![checkpoint(&world, 12, 1)], NOW).len(), 1);
        }
        let root = world.said[0].clone();
        assert_eq!(rates.admit(vec![root; 100], NOW).len(), 100);
    }

    #[test]
    fn a_clock_that_goes_back_holds_no_key_for_good() {
        let world = World::new();
        let mut rates = Rates::default();
        let all: Vec<_> = (1..=100).map(|count| checkpoint(&world, 10, count)).collect();
        rates.admit(all.clone(), NOW).iter().for_each(|said| rates.spend(said, NOW));
        let [_, period] = PASSING_PERIODS_MS;
        let back = NOW - 365 * 86_400_000;
        assert!(rates.admit(all.clone(), back).is_empty());
        assert_eq!(rates.admit(all, back + period).len(), 1);
    }

    /// Symptom: a timekeeper's key signed for names of channels that it invented, and each name had an
    /// allowance of its own.
    #[test]
    fn a_key_has_one_limit_for_all_subjects() {
        let world = World::new();
        let mut rates = Rates::default();
        let fresh = |n: usize| {
            let body = Fresh { channel: format!("c{n}"), statement: StatementId::from_bytes([1; 32]) };
            world.sign(Body::Fresh(body), 1, &[&key(6)])
        };
        let mut taken = 0;
        for minute in 0..10i64 {
            let now = NOW + minute * 60_000;
            let batch = (0..400).map(|n| fresh(1000 * usize::try_from(minute).unwrap() + n)).collect();
            for said in rates.admit(batch, now) {
                rates.spend(&said, now);
                taken += 1;
            }
        }
        let [period, _] = SIGNER_PERIODS_MS;
        assert_eq!(taken, i64::from(SIGNER_BURST) + 9 * 60_000 / period);
        assert_eq!(rates.admit(vec![checkpoint(&world, 10, 1)], NOW).len(), 1, "another key has its own");
    }

    /// Symptom: with some thousand keys, checkpoints had no limit. Cause: of more keys than are remembered
    /// the oldest were forgotten, and had their full allowance again.
    #[test]
    fn more_keys_than_are_remembered_get_no_more_and_take_nothing_from_another_kind() {
        let world = World::new();
        let mut rates = Rates::default();
        let keys: Vec<_> = (0..RATED_SUBJECTS + 500)
            .map(|n| {
                let mut seed = [1; 32];
                seed[..8].copy_from_slice(&n.to_le_bytes());
                Key::from_seed(seed)
            })
            .collect();
        let mut taken = 0;
        for count in 1..4 {
            let said = keys.iter().map(|key| {
                let node = key.public().node();
                let body = Checkpoint { node, count, head: RecordId::from_bytes([1; 32]) };
                world.sign(Body::Checkpoint(body), count, &[key])
            });
            for said in rates.admit(said.collect(), NOW) {
                rates.spend(&said, NOW);
                taken += 1;
            }
        }
        assert_eq!(taken, 3 * RATED_SUBJECTS);
        assert!(rates.left.len() == RATED_SUBJECTS && rates.signers.len() == RATED_SUBJECTS);
        let body = Fresh { channel: "live".into(), statement: StatementId::from_bytes([1; 32]) };
        let fresh = world.sign(Body::Fresh(body), 1, &[&key(6)]);
        assert_eq!(rates.admit(vec![fresh], NOW).len(), 1);
        // The others have their turn when the first have their allowance again.
        let [_, period] = PASSING_PERIODS_MS;
        let body = Checkpoint { node: node(10), count: 1, head: RecordId::from_bytes([1; 32]) };
        let late = world.sign(Body::Checkpoint(body), 1, &[&key(10)]);
        assert!(rates.admit(vec![late.clone()], NOW).is_empty());
        assert_eq!(rates.admit(vec![late], NOW + 3 * period).len(), 1);
    }
}
