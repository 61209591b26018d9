//! Old channel statements arrive again at every moment of an update: none is taken for the current one, and
//! the channel never moves back here. Only a newer statement moves a channel to an older release.

use std::sync::Arc;

use chuan_engine::{
    id::{ManifestId, Salt},
    statement::{
        Body, Channel, Key, Library, Statement,
        library::{Founders, channel, found, release},
    },
    store::{Ledger, Record, RefMove, memory::MemoryLedger},
};

use crate::{library::LibraryService, system::Clock, tests::in_memory};

/// The number of old statements.
const OLD: usize = 100;
const NOW: i64 = 1_700_000_000_000;

/// A library whose channel `live` has moved [`OLD`] times, and the next channel statement: a rollback.
struct ChannelHistory {
    library: Library,
    /// Roots and releases.
    others: Vec<Statement>,
    /// The channel statements, in order.
    old: Vec<Statement>,
    rollback: Statement,
}

impl ChannelHistory {
    fn new() -> Self {
        let key = |seed| Key::from_seed([seed; 32]);
        let (root_key, operator, publisher) = (key(1), key(2), key(3));
        let founders = Founders { root: &root_key, operator: &operator, publisher: &publisher };
        let (id, root) = found("films", founders, Salt::from_bytes([7; 32]), NOW).unwrap();
        let mut library = Library::new(id);
        let offer = |library: &mut Library, statement: &Statement| {
            assert!(library.offer(statement, NOW).unwrap().is_news());
        };
        offer(&mut library, &root);
        let (mut others, mut old) = (vec![root], Vec::new());
        let mut parents = Vec::new();
        for number in 0..OLD {
            let manifest = ManifestId::of(&id, &number.to_le_bytes());
            let made = release(&library, &publisher, parents, manifest, "", NOW).unwrap();
            parents = vec![made.id()];
            offer(&mut library, &made);
            // An operator signs every tenth statement: a promotion.
            let signer = if number % 10 == 5 { &operator } else { &publisher };
            let said = channel(&library, signer, live(&made, &publisher), NOW).unwrap();
            offer(&mut library, &said);
            others.push(made);
            old.push(said);
        }
        let rollback = channel(&library, &operator, live(&others[50], &publisher), NOW).unwrap();
        Self { library, others, old, rollback }
    }

    /// The ledger of a node whose channel was at the newest old statement, after a crash that follows this
    /// number of writes of an update. `knew_all`: whether the node knew every old statement, or only those
    /// that it needs.
    fn ledger(&self, knew_all: bool, writes: usize) -> Arc<MemoryLedger> {
        let last = self.old.last().unwrap();
        let Body::Channel(body) = last.body() else { panic!() };
        let needed = |said: &&Statement| knew_all || said.id() == last.id() || Some(said.id()) == body.term;
        let mut held: Vec<Record> = self.others.iter().map(Record::from).collect();
        held.extend(self.old.iter().filter(needed).map(Record::from));
        held.push(Record::Ref(reference(last)));
        let update = [Record::from(&self.rollback), Record::Ref(reference(&self.rollback))];
        held.extend(update.into_iter().take(writes));
        let ledger = MemoryLedger::default();
        ledger.append(held).unwrap();
        Arc::new(ledger)
    }
}

fn live(release: &Statement, publisher: &Key) -> Channel {
    let active = publisher.public();
    Channel { name: "live".into(), release: release.id(), active, follow: true, term: None }
}

fn reference(said: &Statement) -> RefMove {
    let Body::Channel(body) = said.body() else { panic!() };
    RefMove {
        library: said.library(),
        channel: body.name.clone(),
        statement: said.id(),
        release: body.release,
        sequence: said.sequence(),
    }
}

/// Offers every old statement again, in batches and in an order that `seed` decides, and tries to move the
/// channel to each.
fn replay(history: &ChannelHistory, libraries: &LibraryService, seed: u64) {
    let mut order: Vec<&Statement> = history.old.iter().collect();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for at in (1..order.len()).rev() {
        order.swap(at, next(at + 1));
    }
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let (some, others) = rest.split_at(rest.len().min(1 + next(7)));
        let bytes: Vec<_> = some.iter().map(|said| said.bytes().clone()).collect();
        libraries.offer(&bytes).unwrap();
        for said in some {
            let Body::Channel(body) = said.body() else { panic!() };
            libraries.move_here(said, &body.name).unwrap();
        }
        rest = others;
    }
}

#[test]
fn a_hundred_old_statements_at_every_moment_of_an_update_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let history = ChannelHistory::new();
    let id = history.library.id();
    for seed in 0..8 {
        for (knew_all, writes) in [(true, 0), (true, 1), (true, 2), (false, 0), (false, 1), (false, 2)] {
            let context = format!("seed {seed}, knew all {knew_all}, {writes} writes");
            let ledger = history.ledger(knew_all, writes);
            // Once on the ledger that the crash left, once more after another start.
            for _ in 0..2 {
                let libraries = in_memory(dir.path(), &ledger, Clock::manual(NOW)).unwrap();
                replay(&history, &libraries, seed);
                let said = if writes == 0 { history.old.last().unwrap() } else { &history.rollback };
                let current = libraries.get(&id).unwrap().channel("live").unwrap().statement.id();
                assert_eq!(current, said.id(), "{context}: an old statement is current");
                let here = if writes == 2 { &history.rollback } else { history.old.last().unwrap() };
                assert_eq!(ledger.refs().unwrap(), [reference(here)], "{context}: the channel went back");
            }
            // The repeated update succeeds, and is not undone.
            let libraries = in_memory(dir.path(), &ledger, Clock::manual(NOW)).unwrap();
            libraries.offer(&[history.rollback.bytes().clone()]).unwrap();
            let Body::Channel(body) = history.rollback.body() else { panic!() };
            libraries.move_here(&history.rollback, &body.name).unwrap();
            replay(&history, &libraries, seed);
            let library = libraries.get(&id).unwrap();
            assert_eq!(library.channel("live").unwrap().body.release, history.others[50].id(), "{context}");
            assert_eq!(ledger.refs().unwrap(), [reference(&history.rollback)], "{context}");
        }
    }
}
