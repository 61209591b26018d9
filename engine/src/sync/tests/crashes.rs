//! A mirror that crashes at every write of an update, and is then told what was said long ago: it takes nothing old for what
//! is current, and the update goes through when it is repeated.

use crate::{
    statement::{Statement, StatementKind},
    store::{Ledger, Record, RefMove},
    sync::{
        fetch::Options,
        frame::Frame,
        message::Want,
        pair::{Files, LIVE, MIRROR, NOW_MS, Node, Pair, fetch_from, to_bytes},
        tests::film,
    },
};

/// How many old statements there are.
const OLD: usize = 100;

/// An origin whose channel has moved so often and one time more.
struct Told {
    pair: Pair,
    /// What was said of the channel, in order, and the places it stood at.
    said: Vec<(Statement, RefMove)>,
    root_and_members: Vec<Statement>,
}

impl Told {
    /// The last word is a new release, or a rollback to the one in the middle.
    fn new(is_rollback: bool) -> Self {
        let pair = Pair::new();
        let root_and_members = pair.mirror.library.statements().into_iter().cloned().collect();
        let mut told = Self { pair, said: Vec::new(), root_and_members };
        let mut releases = Vec::new();
        for n in 0..OLD as u64 {
            let files: Files = [("film.mkv".to_owned(), film(n + 1, 300))].into();
            releases.push(told.pair.publish(&files));
            told.note();
        }
        match is_rollback {
            true => told.pair.roll_back(releases[OLD / 2]),
            false => drop(told.pair.publish(&[("film.mkv".to_owned(), film(77, 5000))].into())),
        }
        told.note();
        told
    }

    fn note(&mut self) {
        let origin = &self.pair.origin;
        let said = origin.library.channel(LIVE).unwrap().statement.clone();
        self.said.push((said, origin.channel().unwrap()));
    }

    /// Lets the origin's channel stand where it stood when this was said of it.
    fn stand_at(&self, number: usize) {
        self.pair.origin.ledger.append(vec![Record::Ref(self.said[number].1.clone())]).unwrap();
    }

    /// A new mirror that stands at the newest of the old statements.
    fn start_mirror(&mut self) {
        self.pair.mirror = Node::new(MIRROR, self.pair.origin.library.id(), &self.root_and_members);
        self.stand_at(OLD - 1);
        self.pair.pull().unwrap();
        assert_eq!(self.current(), OLD - 1);
    }

    /// The number of the statement at which the mirror stands, and which it takes for current.
    fn current(&self) -> usize {
        let mirror = &self.pair.mirror;
        let number = |id| self.said.iter().position(|(said, _)| said.id() == id).unwrap();
        let at = number(mirror.channel().unwrap().statement);
        let taken = number(mirror.library.channel(LIVE).unwrap().statement.id());
        assert!(taken >= at, "it stands at {at}, and takes {taken} for current");
        at
    }

    /// A node that has heard of nothing newer than this of the channel, and whose channel stands there.
    fn source(&self, number: usize) -> Node {
        let origin = &self.pair.origin.library;
        let is_news = |statement: &&Statement| {
            statement.kind() == StatementKind::Channel
                && self.said[number + 1..].iter().any(|(said, _)| said.id() == statement.id())
        };
        let heard: Vec<_> = origin.statements().into_iter().filter(|said| !is_news(said)).cloned().collect();
        let source = Node::new(4, origin.id(), &heard);
        source.ledger.append(vec![Record::Ref(self.said[number].1.clone())]).unwrap();
        source
    }

    /// Shows the mirror everything old: by a source that stands at an old place and sends all the rest along, and from a stick.
    fn replay(&mut self, source_at: usize) {
        let current = self.pair.mirror.library.channel(LIVE).unwrap().statement.id();
        let old: Vec<_> = self.said[..OLD].iter().map(|(said, _)| said.clone()).collect();
        let served = old.iter().filter(|said| said.id() != current);
        let served: Vec<_> = served.map(|said| to_bytes(&Frame::Statement(said.bytes().clone()))).collect();
        let source = self.source(source_at);
        let want = Want::Channel(LIVE.into());
        let mirror = &mut self.pair.mirror;
        let pulled = fetch_from(&source, mirror, want, Options::default(), &mut |id, mut frames| {
            if id == 0 {
                frames.splice(0..0, served.iter().cloned());
            }
            frames
        });
        let behind = pulled.unwrap().report.is_source_behind;
        assert!(behind, "an old place passed for a new one");
        drop(mirror.library.offer_all(&old, NOW_MS));
        mirror.ledger.append(old.iter().map(Record::from).collect()).unwrap();
        mirror.restart();
    }
}

/// Every append and every commit of a pull fails once, for a new release and for a rollback; the process is started again, and
/// a hundred old statements of the channel are shown to it, one of them by a source that stands there.
#[test]
fn a_hundred_old_statements_at_every_write_of_an_update_change_nothing() {
    for is_rollback in [false, true] {
        let mut told = Told::new(is_rollback);
        let mut crashes = 0;
        for writes in 0.. {
            let context = format!("rollback {is_rollback}, {writes} writes");
            told.start_mirror();
            told.stand_at(OLD);
            *told.pair.mirror.disk.writes_left.lock().unwrap() = Some(writes);
            let updated = told.pair.pull();
            *told.pair.mirror.disk.writes_left.lock().unwrap() = None;
            let before = told.current();
            assert!(before >= OLD - 1, "{context}");
            told.replay(writes * 13 % (OLD - 1));
            assert_eq!(told.current(), before, "{context}: an old statement moved the channel");
            told.stand_at(OLD);
            told.pair.pull().unwrap();
            assert_eq!(told.current(), OLD, "{context}: the update did not go through");
            let at = told.pair.mirror.channel().unwrap().release;
            assert_eq!(
                told.pair.mirror.files(&at).unwrap(),
                told.pair.origin.files(&at).unwrap(),
                "{context}"
            );
            told.replay(OLD - 1);
            assert_eq!(told.current(), OLD, "{context}: an old statement moved the channel back");
            if updated.is_ok() {
                break;
            }
            crashes += 1;
        }
        assert!(crashes >= if is_rollback { 2 } else { 4 }, "{crashes} writes are no update");
    }
}
