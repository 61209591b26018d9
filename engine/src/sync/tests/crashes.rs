//! A mirror crashes at every write of an update, and then gets old statements. It never takes an old
//! statement for the current one, and the repeated update succeeds.

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

/// The number of old statements.
const OLD: usize = 100;

/// An origin whose channel has moved `OLD` times, and once more.
struct ChannelHistory {
    pair: Pair,
    /// The channel statements in order, each with the channel's position at the origin after it.
    statements: Vec<(Statement, RefMove)>,
    root_and_members: Vec<Statement>,
}

impl ChannelHistory {
    /// The last channel statement names a new release, or rolls back to the release in the middle.
    fn new(is_rollback: bool) -> Self {
        let pair = Pair::new();
        let root_and_members = pair.mirror.library.statements().into_iter().cloned().collect();
        let mut history = Self { pair, statements: Vec::new(), root_and_members };
        let mut releases = Vec::new();
        for n in 0..OLD as u64 {
            let files: Files = [("film.mkv".to_owned(), film(n + 1, 300))].into();
            releases.push(history.pair.publish(&files));
            history.note();
        }
        match is_rollback {
            true => history.pair.roll_back(releases[OLD / 2]),
            false => drop(history.pair.publish(&[("film.mkv".to_owned(), film(77, 5000))].into())),
        }
        history.note();
        history
    }

    fn note(&mut self) {
        let origin = &self.pair.origin;
        let said = origin.library.channel(LIVE).unwrap().statement.clone();
        self.statements.push((said, origin.channel().unwrap()));
    }

    /// Moves the origin's channel back to its position after this statement.
    fn reset_origin(&self, number: usize) {
        self.pair.origin.ledger.append(vec![Record::Ref(self.statements[number].1.clone())]).unwrap();
    }

    /// Replaces the mirror by a new one whose channel is at the newest of the old statements.
    fn start_mirror(&mut self) {
        self.pair.mirror = Node::new(MIRROR, self.pair.origin.library.id(), &self.root_and_members);
        self.reset_origin(OLD - 1);
        self.pair.pull().unwrap();
        assert_eq!(self.current(), OLD - 1);
    }

    /// The number of the statement at which the mirror's channel is. Checks that the library does not take an
    /// older one for current.
    fn current(&self) -> usize {
        let mirror = &self.pair.mirror;
        let number = |id| self.statements.iter().position(|(said, _)| said.id() == id).unwrap();
        let at = number(mirror.channel().unwrap().statement);
        let taken = number(mirror.library.channel(LIVE).unwrap().statement.id());
        assert!(taken >= at, "the channel is at {at}, the library takes {taken} for current");
        at
    }

    /// A node that knows no newer channel statement than this one, and whose channel is at it.
    fn source(&self, number: usize) -> Node {
        let origin = &self.pair.origin.library;
        let is_news = |statement: &&Statement| {
            statement.kind() == StatementKind::Channel
                && self.statements[number + 1..].iter().any(|(said, _)| said.id() == statement.id())
        };
        let known: Vec<_> = origin.statements().into_iter().filter(|said| !is_news(said)).cloned().collect();
        let source = Node::new(4, origin.id(), &known);
        source.ledger.append(vec![Record::Ref(self.statements[number].1.clone())]).unwrap();
        source
    }

    /// Gives the mirror all old statements: from a source whose channel is at an old one and that sends all
    /// others along, and from a medium.
    fn replay(&mut self, source_at: usize) {
        let current = self.pair.mirror.library.channel(LIVE).unwrap().statement.id();
        let old: Vec<_> = self.statements[..OLD].iter().map(|(said, _)| said.clone()).collect();
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
        assert!(behind, "an old channel statement was taken for a new one");
        drop(mirror.library.offer_all(&old, NOW_MS));
        mirror.ledger.append(old.iter().map(Record::from).collect()).unwrap();
        mirror.restart();
    }
}

/// Every append and every commit of a pull fails once, for a new release and for a rollback. The process is
/// restarted and gets a hundred old statements of the channel, among them one at which a source's channel is.
#[test]
fn a_hundred_old_statements_at_every_write_of_an_update_change_nothing() {
    for is_rollback in [false, true] {
        let mut history = ChannelHistory::new(is_rollback);
        let mut crashes = 0;
        for writes in 0.. {
            let context = format!("rollback {is_rollback}, {writes} writes");
            history.start_mirror();
            history.reset_origin(OLD);
            *history.pair.mirror.disk.writes_left.lock().unwrap() = Some(writes);
            let updated = history.pair.pull();
            *history.pair.mirror.disk.writes_left.lock().unwrap() = None;
            let before = history.current();
            assert!(before >= OLD - 1, "{context}");
            history.replay(writes * 13 % (OLD - 1));
            assert_eq!(history.current(), before, "{context}: an old statement moved the channel");
            history.reset_origin(OLD);
            history.pair.pull().unwrap();
            assert_eq!(history.current(), OLD, "{context}: the update did not go through");
            let at = history.pair.mirror.channel().unwrap().release;
            assert_eq!(
                history.pair.mirror.files(&at).unwrap(),
                history.pair.origin.files(&at).unwrap(),
                "{context}"
            );
            history.replay(OLD - 1);
            assert_eq!(history.current(), OLD, "{context}: an old statement moved the channel back");
            if updated.is_ok() {
                break;
            }
            crashes += 1;
        }
        assert!(crashes >= if is_rollback { 2 } else { 4 }, "{crashes} writes are no update");
    }
}
