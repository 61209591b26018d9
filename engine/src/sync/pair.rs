//! Test harness of this module: two nodes in memory, and a wire between them that can be made faulty.
//!
//! Requests and answers are encoded and decoded. The harness has no clock and no randomness.

mod recorder;
mod wire;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;

pub(super) use self::{
    recorder::Disk,
    wire::{Meddle, Pulled, answer, fetch_from, to_bytes},
};
use self::{
    recorder::{LedgerRecorder, Recorder},
    wire::fetch_noting,
};
use super::{
    fetch::{Fetch, Options, Report},
    frame::{Assembler, Frame},
    message::{Refusal, Request, Want},
    session::Answer,
    takeable::takeable,
};
use crate::{
    chunk::Profile,
    error::{Error, Result},
    id::{ChunkId, Commitment, LibraryId, ManifestId, NodeId, PageId, Salt, SaltKey, StatementId},
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, PageSink, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        cursor,
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Body, Channel, Classes, Header, Key, Member, NodeRole, ReleaseClass, RoleKind, Statement,
        StatementKind, Verbs,
        library::{Founders, Library, channel, found, member, release_of_classes, revoke},
    },
    store::{Check, Ledger, Object, Objects, PageState, Record, RefMove},
    verify,
};

pub(super) const NOW_MS: i64 = 1_800_000_000_000;
pub(super) const MIRROR: u8 = 5;
pub(super) const LIVE: &str = "live";

/// Cuts a file into chunks.
pub(super) type Cut = fn(&[u8]) -> Vec<&[u8]>;

/// A library's files.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A node.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) disk: Disk,
    pub(super) store: Arc<Recorder>,
    pub(super) ledger: Arc<LedgerRecorder>,
    pub(super) library: Library,
}

impl Node {
    pub(super) fn new(seed: u8, library: LibraryId, statements: &[Statement]) -> Self {
        Self::on(&Disk::default(), seed, library, statements)
    }

    /// A node with one library, on a disk that may have other libraries.
    pub(super) fn on(disk: &Disk, seed: u8, library: LibraryId, statements: &[Statement]) -> Self {
        let mut node = Self {
            id: Key::from_seed([seed; 32]).node(),
            disk: disk.clone(),
            store: Arc::new(Recorder::new(disk, &library)),
            ledger: Arc::new(LedgerRecorder::new(disk)),
            library: Library::new(library),
        };
        node.learn(statements);
        node
    }

    pub(super) fn learn(&mut self, statements: &[Statement]) {
        for outcome in self.library.offer_all(statements, NOW_MS) {
            let _ = outcome.unwrap();
        }
        self.ledger.append(statements.iter().map(Record::from).collect()).unwrap();
    }

    /// Learns all statements that another node knows.
    pub(super) fn learn_from(&mut self, other: &Node) {
        let news: Vec<_> = other.library.statements().into_iter().cloned().collect();
        self.learn(&news);
    }

    /// Restarts the node: it then knows the statements in its ledger.
    pub(super) fn restart(&mut self) {
        self.disk.crash();
        self.library = self.stored();
    }

    /// The library as its ledger has it.
    fn stored(&self) -> Library {
        let kept: Vec<Bytes> = StatementKind::ALL
            .into_iter()
            .flat_map(|kind| self.ledger.statements(Some(&self.library.id()), kind).unwrap())
            .map(|kept| kept.bytes)
            .collect();
        Library::load(self.library.id(), kept, NOW_MS).unwrap()
    }

    pub(super) fn channel(&self) -> Option<RefMove> {
        let mut refs = self.ledger.refs().unwrap().into_iter();
        refs.find(|at| at.library == self.library.id() && at.channel == LIVE)
    }

    pub(super) fn header(&self, release: &StatementId) -> Result<(Commitment, ClassHeader)> {
        self.header_of(release, 0)
    }

    fn header_of(&self, release: &StatementId, slot: usize) -> Result<(Commitment, ClassHeader)> {
        let manifest = self.library.release(release).unwrap().body.manifest;
        let table = ClassTable::load(&*self.store, &manifest)?;
        let named = table.classes.get(slot).ok_or_else(|| Error::Missing("a class".into()));
        let (_, commitment) = *named?;
        Ok((commitment, ClassHeader::load(&*self.store, &commitment)?))
    }

    /// Reads all files of a release's first class.
    pub(super) fn files(&self, release: &StatementId) -> Result<Files> {
        self.files_of(release, 0)
    }

    /// Reads all files of the class in a slot.
    pub(super) fn files_of(&self, release: &StatementId, slot: usize) -> Result<Files> {
        let store = &*self.store;
        let (_, header) = self.header_of(release, slot)?;
        let mut files = Files::new();
        for item in cursor::entries(store, &header.root) {
            let (path, entry) = item?;
            let mut bytes = Vec::new();
            for chunk in cursor::chunks(store, &entry.content) {
                let chunk = store.read_chunks(&[chunk?.id], Check::Verify)?.pop().flatten();
                bytes.extend_from_slice(&chunk.ok_or_else(|| Error::Missing("a chunk".into()))?);
            }
            files.insert(path.as_str().to_owned(), bytes);
        }
        Ok(files)
    }
}

/// A publisher and a mirror.
pub(super) struct Pair {
    pub(super) origin: Node,
    pub(super) mirror: Node,
    /// The requests of the last pull, as bytes.
    pub(super) asked: Mutex<Vec<Bytes>>,
    /// How files are cut that are published.
    pub(super) cut: Cut,
    publisher: Key,
    operator: Key,
}

fn membership(library: &Library, operator: &Key, seed: u8, classes: &[&str], expires_ms: i64) -> Statement {
    member(library, operator, membership_body(seed, classes, expires_ms), NOW_MS).unwrap()
}

fn membership_body(seed: u8, classes: &[&str], expires_ms: i64) -> Member {
    let key = Key::from_seed([seed; 32]);
    Member {
        node: key.node(),
        key: key.public(),
        name: format!("node-{seed}"),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::new(classes.iter().map(|class| (*class).to_owned()).collect()).unwrap(),
        verbs: Verbs::PULL,
        expires_ms,
        ticket: None,
    }
}

struct Sink<'a>(&'a dyn Objects);

impl PageSink for Sink<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.0.append(vec![Object::Page { id, bytes }]).map(drop)
    }
}

impl Pair {
    pub(super) fn new() -> Self {
        Self::found("films", &Disk::default())
    }

    /// Founds a library of this name, with a mirror on a disk that may have other libraries.
    pub(super) fn found(name: &str, disk: &Disk) -> Self {
        let [root, operator, publisher] = [1, 2, 3].map(|seed| Key::from_seed([seed; 32]));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found(name, keys, Salt::from_bytes([9; 32]), NOW_MS).unwrap();
        let mut library = Library::new(id);
        assert!(library.offer(&first, NOW_MS).is_ok());
        let joined = [4, MIRROR].map(|seed| membership(&library, &operator, seed, &[], 0));
        let statements = [vec![first], joined.to_vec()].concat();
        let (origin, mirror) = (Node::new(4, id, &statements), Node::on(disk, MIRROR, id, &statements));
        Self { origin, mirror, asked: Mutex::default(), cut, publisher, operator }
    }

    /// Revokes a node's membership, at both nodes.
    pub(super) fn revoke(&mut self, node: NodeId) {
        let made = revoke(&self.origin.library, &self.operator, node, "a test", NOW_MS).unwrap();
        self.origin.learn(std::slice::from_ref(&made));
        self.mirror.learn(&[made]);
    }

    /// Makes a node a member that may do `verbs`, known at both nodes.
    pub(super) fn admit_to(&mut self, seed: u8, verbs: Verbs) -> NodeId {
        let body = Member { verbs, ..membership_body(seed, &[], 0) };
        let made = member(&self.origin.library, &self.operator, body, NOW_MS).unwrap();
        self.origin.learn(std::slice::from_ref(&made));
        self.mirror.learn(&[made]);
        Key::from_seed([seed; 32]).node()
    }

    /// Grants classes to a node, known at the origin only. The node is given by the seed of its key; the
    /// mirror's seed is [`MIRROR`].
    pub(super) fn admit(&mut self, seed: u8, classes: &[&str], expires_ms: i64) -> NodeId {
        let made = membership(&self.origin.library, &self.operator, seed, classes, expires_ms);
        self.origin.learn(&[made]);
        Key::from_seed([seed; 32]).node()
    }

    /// Publishes `files` at the origin and moves the channel.
    pub(super) fn publish(&mut self, files: &Files) -> StatementId {
        self.publish_classes(&[("default", files)])
    }

    /// Publishes classes by name, in slots from 0 on, and moves the channel.
    pub(super) fn publish_classes(&mut self, classes: &[(&str, &Files)]) -> StatementId {
        self.publish_listed(classes, &[])
    }

    /// Publishes classes with the names in their headers; the release lists them by the names in `listed`.
    pub(super) fn publish_listed(&mut self, classes: &[(&str, &Files)], listed: &[&str]) -> StatementId {
        let publisher = self.publisher.clone();
        let release = self.publish_as(&publisher, classes, listed);
        self.move_channel(release, &publisher);
        release
    }

    /// Publishes with any publisher's key, and does not move the channel.
    pub(super) fn publish_as(
        &mut self,
        publisher: &Key,
        classes: &[(&str, &Files)],
        listed: &[&str],
    ) -> StatementId {
        let store = &*self.origin.store;
        let commit =
            |(slot, (name, files)): (u8, &(&str, &Files))| (slot, class(store, slot, name, files, self.cut));
        let table = ClassTable { classes: (0..).zip(classes).map(commit).collect() };
        Sink(store).put(table.id(&store.library()).as_page(), table.encode().into()).unwrap();
        store.commit().unwrap();
        let list = |(name, (slot, commitment)): (&&str, &(u8, Commitment))| ReleaseClass {
            slot: *slot,
            name: (*name).to_owned(),
            commitment: *commitment,
        };
        let listed = listed.iter().zip(&table.classes).map(list).collect();
        self.sign_release(publisher, table.id(&store.library()), listed)
    }

    /// Adds a publisher of one class to the root, and returns the publisher's key.
    pub(super) fn limit(&mut self, class: &str) -> Key {
        let publisher = Key::from_seed([40; 32]);
        let classes = Classes::new(vec![class.to_owned()]).unwrap();
        let mut root = self.origin.library.root().unwrap().clone();
        root.version += 1;
        root.add_key(RoleKind::Publisher, &classes, publisher.public()).unwrap();
        let header =
            Header { library: Some(self.origin.library.id()), sequence: root.version, time_ms: NOW_MS };
        let signer = Key::from_seed([1; 32]);
        let next = Statement::sign(header, &Body::Root(root), &[&signer]).unwrap();
        self.origin.learn(&[next]);
        publisher
    }

    /// Signs a release of any `manifest`, and moves the channel.
    pub(super) fn announce(&mut self, manifest: ManifestId, listed: Vec<ReleaseClass>) -> StatementId {
        let publisher = self.publisher.clone();
        let release = self.sign_release(&publisher, manifest, listed);
        self.move_channel(release, &publisher);
        release
    }

    fn sign_release(
        &mut self,
        publisher: &Key,
        manifest: ManifestId,
        listed: Vec<ReleaseClass>,
    ) -> StatementId {
        let library = &self.origin.library;
        let parents = library.channel(LIVE).map(|said| said.body.release).into_iter().collect();
        let made = release_of_classes(library, publisher, parents, (manifest, listed), "", NOW_MS).unwrap();
        self.origin.learn(std::slice::from_ref(&made));
        made.id()
    }

    /// An operator moves the channel back to a release.
    pub(super) fn roll_back(&mut self, to: StatementId) {
        self.move_channel(to, &self.operator.clone());
    }

    fn move_channel(&mut self, release: StatementId, signer: &Key) {
        let active = self.publisher.public();
        let body = Channel { name: LIVE.into(), release, active, follow: true, term: None };
        let moved = channel(&self.origin.library, signer, body, NOW_MS).unwrap();
        self.origin.learn(std::slice::from_ref(&moved));
        let at = RefMove {
            library: self.origin.library.id(),
            channel: LIVE.into(),
            statement: moved.id(),
            release,
            sequence: moved.sequence(),
        };
        self.origin.ledger.append(vec![Record::Ref(at)]).unwrap();
    }

    /// Pulls the channel over a faultless wire, and restarts the mirror.
    pub(super) fn pull(&mut self) -> Result<Pulled> {
        self.pull_with(Options::default(), &mut |_, frames| frames)
    }

    /// Pulls the channel over a wire that `meddle` changes. It gets the number of a request and the frames of
    /// its answer, encoded, and returns the frames that arrive.
    pub(super) fn pull_with(&mut self, options: Options, meddle: Meddle<'_>) -> Result<Pulled> {
        self.pull_want(Want::Channel(LIVE.into()), options, meddle)
    }

    /// Pulls `want`; see [`Pair::pull_with`].
    pub(super) fn pull_want(&mut self, want: Want, options: Options, meddle: Meddle<'_>) -> Result<Pulled> {
        let pulled = self.drive(want, options, meddle);
        self.mirror.restart();
        pulled
    }

    fn drive(&mut self, want: Want, options: Options, meddle: Meddle<'_>) -> Result<Pulled> {
        let mut asked = self.asked.lock().unwrap();
        asked.clear();
        let pulled = fetch_noting(&self.origin, &self.mirror, want, options, meddle, &mut asked)?;
        match (pulled.report.done, &pulled.report.holding) {
            (true, _) => Ok(pulled),
            (false, Some(holding)) => {
                Err(Error::Missing(format!("the source has other releases: {holding:?}")))
            }
            (false, None) => panic!("the fetch ended without an outstanding answer, and is not done"),
        }
    }

    /// The frames of the origin's answer, encoded.
    pub(super) fn answer(&self, request: Bytes) -> Result<Vec<Vec<u8>>> {
        let request = Request::decode(&request)?;
        Ok(answer(&self.origin, &self.mirror.id, request).iter().map(to_bytes).collect())
    }
}

/// Builds a class in a publisher's store.
fn class(store: &dyn Objects, slot: u8, name: &str, files: &Files, cut: Cut) -> Commitment {
    let mut sink = Sink(store);
    let mut tree = EntryTreeBuilder::new(store.library(), slot).unwrap();
    for (path, bytes) in files {
        let entry = entry(store, slot, &cut(bytes));
        tree.push(EntryPath::new(path.as_str()).unwrap(), &entry, &mut sink).unwrap();
    }
    let tree = tree.finish(&mut sink).unwrap();
    let header = ClassHeader {
        name: name.into(),
        slot,
        salt: Salt::of_class(&SaltKey::of_publisher(&[7; 32]), &tree.root),
        root: tree.root,
        level: tree.level,
        sums: tree.sums,
        policy: vec![],
    };
    sink.put(header.id(&store.library()).as_page(), header.encode().into()).unwrap();
    store.commit().unwrap();
    let walked =
        verify::mark_full(store, &header.id(&store.library()), &mut verify::Missing::up_to(1)).unwrap();
    assert_eq!(walked.state, PageState::Full);
    header.id(&store.library())
}

/// Cuts after every byte below 4. So content of a few kilobytes has many chunks, and an edit moves few cuts.
pub(super) fn cut(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte < 4).flat_map(|run| run.chunks(512)).collect()
}

fn entry(store: &dyn Objects, slot: u8, chunks: &[&[u8]]) -> Entry {
    let mut builder = ContentBuilder::new(store.library(), slot).unwrap();
    let mut sink = Sink(store);
    for chunk in chunks {
        let id = ChunkId::of(chunk);
        store.append(vec![Object::Chunk { id, bytes: Bytes::copy_from_slice(chunk) }]).unwrap();
        builder.push(ChunkRef { id, len: u32::try_from(chunk.len()).unwrap() }, &mut sink).unwrap();
    }
    let content: Content = builder.finish(&mut sink).unwrap();
    Entry {
        kind: EntryKind::File,
        size: chunks.iter().map(|chunk| chunk.len() as u64).sum(),
        mtime: Timestamp::default(),
        mode: 0o644,
        profile: Profile::Video,
        content,
        target: None,
        extensions: vec![],
    }
}
