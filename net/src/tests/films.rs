//! A small library in memory, and a host that serves it as a node does.

use std::sync::{
    Arc, RwLock,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use bytes::Bytes;
use chuan_engine::{
    chunk::Profile,
    id::{ChunkId, LibraryId, NodeId, Salt, SaltKey, StatementId},
    manifest::{
        ChunkRef, Entry, EntryKind, EntryPath, PageSink, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Channel, Classes, Key, Kinds, Library, Member, NodeRole, PublicKey, Statement, StatementKind, Verbs,
        library::{Founders, channel, found, member, release},
    },
    store::{
        Ledger, Object, Objects, Record, RefMove, Shelves,
        memory::{MemoryLedger, MemoryObjects, MemoryShelves},
    },
    sync::message::{Hello, Join, Want},
    verify,
};

use tokio::sync::watch;

use super::pair::{self, CHUNK_LEN};
use crate::{Identity, PeerKey, serve::Host};

pub(super) const NOW_MS: i64 = 1_800_000_000_000;
const LIVE: &str = "live";

pub(super) fn live() -> Want {
    Want::Channel(LIVE.into())
}

/// What one node has.
pub(super) struct Films {
    pub(super) store: Arc<MemoryObjects>,
    pub(super) ledger: Arc<MemoryLedger>,
    library: RwLock<Library>,
}

impl Films {
    /// An origin that has nothing published, and a mirror that is a member.
    pub(super) fn found() -> (Self, Self) {
        Self::found_with(&Classes::all())
    }

    /// The same, with a mirror that is granted `classes`.
    pub(super) fn found_with(classes: &Classes) -> (Self, Self) {
        Self::found_beside("films", classes, &MemoryShelves::new())
    }

    /// The same, of a library of this name, with an origin that keeps it beside the other libraries of a store.
    pub(super) fn found_beside(name: &str, classes: &Classes, shelves: &MemoryShelves) -> (Self, Self) {
        let (root, operator) = (Key::from_seed([11; 32]), Self::operator());
        let publisher = Self::publisher();
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found(name, keys, Salt::from_bytes([9; 32]), NOW_MS).expect("founds");
        let mut library = Library::new(id);
        assert!(library.offer(&first, NOW_MS).is_ok());
        let granted = [(pair::ORIGIN, Classes::all()), (pair::MIRROR, classes.clone())];
        let members = granted.map(|(seed, classes)| {
            let key = Key::from_seed(seed);
            let body = Member {
                node: key.node(),
                key: key.public(),
                name: "node".into(),
                role: NodeRole::Mirror,
                region: None,
                classes,
                verbs: Verbs::PULL,
                expires_ms: 0,
                ticket: None,
            };
            member(&library, &operator, body, NOW_MS).expect("admits")
        });
        let statements = [vec![first], members.to_vec()].concat();
        let node = |shelves: &MemoryShelves| {
            let films = Self {
                store: Arc::new(shelves.objects(&id)),
                ledger: Arc::default(),
                library: RwLock::new(Library::new(id)),
            };
            films.learn(&statements);
            films
        };
        (node(shelves), node(&MemoryShelves::new()))
    }

    pub(super) fn operator() -> Key {
        Key::from_seed([12; 32])
    }

    /// Takes envelopes from anybody.
    pub(super) fn take(&self, envelopes: &[Bytes]) {
        let statements: Vec<_> = envelopes.iter().filter_map(|bytes| Statement::decode(bytes).ok()).collect();
        let _ = self.library.write().expect("unpoisoned").offer_all(&statements, NOW_MS);
    }

    fn publisher() -> Key {
        Key::from_seed([13; 32])
    }

    pub(super) fn library(&self) -> Library {
        self.library.read().expect("unpoisoned").clone()
    }

    /// Takes statements up and keeps them.
    pub(super) fn learn(&self, statements: &[Statement]) {
        let outcomes = self.library.write().expect("unpoisoned").offer_all(statements, NOW_MS);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        self.ledger.append(statements.iter().map(Record::from).collect()).expect("appends");
    }

    /// Knows what its ledger holds, as after a restart.
    pub(super) fn reload(&self) {
        let id = self.library().id();
        let kept: Vec<Bytes> = StatementKind::ALL
            .into_iter()
            .flat_map(|kind| self.ledger.statements(Some(&id), kind).expect("reads"))
            .map(|kept| kept.bytes)
            .collect();
        *self.library.write().expect("unpoisoned") = Library::load(id, kept, NOW_MS).expect("loads");
    }

    /// Publishes one film of `chunks` chunks, of which the first `changed` differ from those of another `edition`.
    pub(super) fn publish(&self, chunks: u64, changed: u64, edition: u64) -> StatementId {
        let library = self.store.library();
        let mut sink = Sink(&*self.store);
        let mut content = ContentBuilder::new(library, 0).expect("begins");
        for number in 0..chunks {
            let salt = if number < changed { edition } else { 0 };
            let bytes = film(number, salt);
            let id = ChunkId::of(&bytes);
            let len = u32::try_from(bytes.len()).expect("small");
            self.store.append(vec![Object::Chunk { id, bytes }]).expect("appends");
            content.push(ChunkRef { id, len }, &mut sink).expect("pushes");
        }
        let entry = Entry {
            kind: EntryKind::File,
            size: chunks * CHUNK_LEN as u64,
            mtime: Timestamp::default(),
            mode: 0o644,
            profile: Profile::Video,
            content: content.finish(&mut sink).expect("finishes"),
            target: None,
            extensions: vec![],
        };
        let mut tree = EntryTreeBuilder::new(library, 0).expect("begins");
        tree.push(EntryPath::new("film.mp4").expect("is a path"), &entry, &mut sink).expect("pushes");
        let tree = tree.finish(&mut sink).expect("finishes");
        let header = ClassHeader {
            name: "default".into(),
            slot: 0,
            salt: Salt::of_class(&SaltKey::of_publisher(&[7; 32]), &tree.root),
            root: tree.root,
            level: tree.level,
            sums: tree.sums,
            policy: vec![],
        };
        let table = ClassTable { classes: vec![(0, header.id(&library))] };
        sink.put(header.id(&library).as_page(), header.encode().into()).expect("puts");
        sink.put(table.id(&library).as_page(), table.encode().into()).expect("puts");
        self.store.commit().expect("commits");
        verify::mark_full(&*self.store, &header.id(&library), &mut verify::Missing::up_to(1)).expect("marks");
        self.announce(&table)
    }

    /// Signs a release of `table`, whose data is held, and moves the channel to it.
    pub(super) fn announce(&self, table: &ClassTable) -> StatementId {
        let publisher = Self::publisher();
        let library = self.library();
        let parents = library.channel(LIVE).map(|said| said.body.release).into_iter().collect();
        let made =
            release(&library, &publisher, parents, table.id(&library.id()), "", NOW_MS).expect("signs");
        self.learn(std::slice::from_ref(&made));
        let body = Channel {
            name: LIVE.into(),
            release: made.id(),
            active: publisher.public(),
            follow: true,
            term: None,
        };
        let moved = channel(&self.library(), &publisher, body, NOW_MS).expect("signs");
        self.learn(std::slice::from_ref(&moved));
        let at = RefMove {
            library: library.id(),
            channel: LIVE.into(),
            statement: moved.id(),
            release: made.id(),
            sequence: moved.sequence(),
        };
        self.ledger.append(vec![Record::Ref(at)]).expect("appends");
        made.id()
    }

    /// Where the channel stands here.
    pub(super) fn current(&self) -> Option<StatementId> {
        self.ledger.refs().expect("reads").first().map(|at| at.release)
    }
}

/// Puts pages into a store.
pub(super) struct Sink<'a>(pub(super) &'a dyn Objects);

impl PageSink for Sink<'_> {
    fn put(&mut self, id: chuan_engine::id::PageId, bytes: Bytes) -> chuan_engine::Result<()> {
        self.0.append(vec![Object::Page { id, bytes }]).map(drop)
    }
}

/// A chunk's worth of bytes that no compression shrinks (SplitMix64).
fn film(number: u64, salt: u64) -> Bytes {
    let mut state = (number << 20) ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    words.flat_map(u64::to_le_bytes).take(CHUNK_LEN).collect::<Vec<u8>>().into()
}

/// Serves what a node has, and counts what it is asked.
pub(super) struct Cinema {
    pub(super) films: Films,
    pub(super) libraries_asked: AtomicU64,
    /// How often somebody looked who is a member.
    pub(super) looked: AtomicU64,
    pub(super) clock_ms: AtomicI64,
    pub(super) identity: RwLock<Identity>,
    /// The kinds of statements that it knows.
    kinds: Kinds,
    changes: watch::Sender<u64>,
}

impl Cinema {
    pub(super) fn new(films: Films) -> Self {
        let identity = RwLock::new(pair::identity(pair::ORIGIN));
        Self {
            films,
            libraries_asked: AtomicU64::new(0),
            looked: AtomicU64::new(0),
            clock_ms: AtomicI64::new(NOW_MS),
            identity,
            kinds: Kinds::KNOWN,
            changes: watch::Sender::new(0),
        }
    }

    /// The same node in a version that knows these kinds of statements.
    pub(super) fn of_version(self, kinds: Kinds) -> Self {
        Self { kinds, ..self }
    }

    /// Learns what somebody said elsewhere.
    pub(super) fn hear(&self, statements: &[Statement]) {
        self.films.learn(statements);
        self.changes.send_modify(|change| *change += 1);
    }
}

impl Host for Cinema {
    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.films.store.shelves().of(library)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.films.ledger) as _
    }

    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.libraries_asked.fetch_add(1, Ordering::Relaxed);
        let library = self.films.library();
        (library.id() == *id).then(|| Arc::new(library))
    }

    fn now_ms(&self) -> i64 {
        self.clock_ms.load(Ordering::Relaxed)
    }

    fn node_of(&self, key: &PublicKey) -> NodeId {
        self.films.library().node_of(key, self.now_ms()).unwrap_or_else(|| key.node())
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let library = self.films.library();
        let now_ms = self.now_ms();
        let member =
            library.is_member(&peer.node, now_ms) && library.holds_key(&peer.node, &peer.key, now_ms);
        self.looked.fetch_add(1, Ordering::Release);
        member.then(|| library.id()).into_iter().collect()
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.changes.subscribe())
    }

    fn kinds(&self) -> Kinds {
        self.kinds
    }

    fn introduction(&self) -> Option<Hello> {
        let identity = self.identity.read().expect("unpoisoned").clone();
        let library = self.films.library();
        let shown = library.credentials(&identity.node());
        let statements = shown.into_iter().map(|statement| statement.bytes().to_vec()).collect();
        let hello = Hello { node: identity.node(), statements, ..pair::hello() };
        (!identity.is_first_key()).then_some(hello)
    }

    fn recognises(&self, peer: &PeerKey) -> bool {
        self.films.library().holds_key(&peer.node, &peer.key, NOW_MS)
    }

    fn offer(&self, statements: Vec<Bytes>) {
        self.films.take(&statements);
        self.changes.send_modify(|change| *change += 1);
    }

    fn join(&self, _: &PeerKey, _: &[u8; 32], _: &Join) -> chuan_engine::Result<Vec<Bytes>> {
        Err(chuan_engine::Error::Denied("nobody is admitted here".into()))
    }
}
