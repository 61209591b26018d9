//! A small library in memory, and a host that serves it as a node does.

use std::{
    net::SocketAddr,
    sync::{
        Arc, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
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
        access::{Act, decide},
        library::{Founders, channel, found, member, release},
    },
    store::{
        Ledger, Object, ObjectStores, Objects, Record, RefMove,
        memory::{MemoryLedger, MemoryObjectStores, MemoryObjects},
    },
    sync::{
        fetch::Report,
        message::{Hello, Request, Want},
        respond::{Asker, Responder, respond},
        session::Outlet,
    },
    verify,
};

use tokio::sync::watch;

use super::pair::{self, CHUNK_LEN};
use crate::{
    Identity, PeerKey,
    serve::{Caller, Identified, PeerHandler, Refused},
};

pub(super) const NOW_MS: i64 = 1_800_000_000_000;
const LIVE: &str = "live";

pub(super) fn live() -> Want {
    Want::Channel(LIVE.into())
}

/// The store and the state of one node.
pub(super) struct Films {
    pub(super) store: Arc<MemoryObjects>,
    pub(super) ledger: Arc<MemoryLedger>,
    library: RwLock<Library>,
}

impl Films {
    /// An origin without a release, and a mirror that is a member.
    pub(super) fn found() -> (Self, Self) {
        Self::found_with(&Classes::all())
    }

    /// The same, with a mirror that is granted `classes`.
    pub(super) fn found_with(classes: &Classes) -> (Self, Self) {
        Self::found_beside("films", classes, &MemoryObjectStores::new())
    }

    /// The same, with a library of this name, and an origin that keeps it beside the other libraries of a
    /// store.
    pub(super) fn found_beside(name: &str, classes: &Classes, stores: &MemoryObjectStores) -> (Self, Self) {
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
        let node = |stores: &MemoryObjectStores| {
            let films = Self {
                store: Arc::new(stores.objects(&id)),
                ledger: Arc::default(),
                library: RwLock::new(Library::new(id)),
            };
            films.learn(&statements);
            films
        };
        (node(stores), node(&MemoryObjectStores::new()))
    }

    pub(super) fn operator() -> Key {
        Key::from_seed([12; 32])
    }

    /// Offers statements of any source to the library, and ignores the result.
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

    /// Adds statements, which must all be effective, and stores them.
    pub(super) fn learn(&self, statements: &[Statement]) {
        let outcomes = self.library.write().expect("unpoisoned").offer_all(statements, NOW_MS);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        self.ledger.append(statements.iter().map(Record::from).collect()).expect("appends");
    }

    /// Loads the library from its ledger, as a restart does.
    pub(super) fn reload(&self) {
        let id = self.library().id();
        let kept: Vec<Bytes> = StatementKind::ALL
            .into_iter()
            .flat_map(|kind| self.ledger.statements(Some(&id), kind).expect("reads"))
            .map(|kept| kept.bytes)
            .collect();
        *self.library.write().expect("unpoisoned") = Library::load(id, kept, NOW_MS).expect("loads");
    }

    /// Publishes one film of `chunks` chunks. The first `changed` chunks differ from those of another
    /// `edition`.
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

    /// Signs a release of `table`, whose data is stored, and moves the channel to it.
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
        self.follow();
        made.id()
    }

    /// Stores the statements of a pull that is done, and moves the channel, as a node does.
    pub(super) fn adopt(&self, report: &Report) {
        self.learn(&report.statements);
        self.follow();
    }

    /// Moves the channel here to the release to which it points.
    fn follow(&self) {
        let library = self.library();
        let said = library.channel(LIVE).expect("has a channel");
        let at = RefMove {
            library: library.id(),
            channel: LIVE.into(),
            statement: said.statement.id(),
            release: said.body.release,
            sequence: said.statement.sequence(),
        };
        self.ledger.append(vec![Record::Ref(at)]).expect("appends");
    }

    /// The release to which the channel points here.
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

/// Bytes of one chunk, incompressible (SplitMix64).
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

/// Serves the data of a node, and counts the calls.
pub(super) struct Cinema {
    pub(super) films: Films,
    pub(super) libraries_asked: AtomicU64,
    /// How often the memberships of a peer were read.
    pub(super) looked: AtomicU64,
    pub(super) clock_ms: AtomicI64,
    pub(super) identity: RwLock<Identity>,
    /// The kinds of statements that this node knows.
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

    /// Learns statements that were made at another node.
    pub(super) fn hear(&self, statements: &[Statement]) {
        self.films.learn(statements);
        self.changes.send_modify(|change| *change += 1);
    }
}

impl PeerHandler for Cinema {
    fn identify(&self, key: &PublicKey) -> Identified {
        let now_ms = self.clock_ms.load(Ordering::Relaxed);
        let library = self.films.library();
        let bound = library.node_of(key, now_ms).map(|node| (library.id(), node));
        let node = bound.map_or_else(|| key.node(), |(_, node)| node);
        Identified { node, bound: bound.into_iter().collect(), introduction: self.introduction() }
    }

    fn memberships(&self, peer: &PeerKey) -> Vec<LibraryId> {
        let library = self.films.library();
        let now_ms = self.clock_ms.load(Ordering::Relaxed);
        let decision = decide(&library, &peer.node, Some(&peer.key), Act::Exchange, now_ms);
        self.looked.fetch_add(1, Ordering::Release);
        decision.is_allowed().then(|| library.id()).into_iter().collect()
    }

    fn greet(&self, peer: &PeerKey, hello: Hello) -> bool {
        if !hello.statements.is_empty() {
            self.take(&hello.statements.into_iter().map(Bytes::from).collect::<Vec<_>>());
        }
        self.films.library().holds_key(&peer.node, &peer.key, NOW_MS)
    }

    fn answer(&self, caller: &Caller, request: Request, out: &mut dyn Outlet) -> chuan_engine::Result<()> {
        if let Request::Join(_) = request {
            return Err(chuan_engine::Error::Denied("this host admits no member".into()));
        }
        let kinds = self.kinds.common(caller.kinds);
        let asker = Asker { node: caller.peer.node, key: caller.peer.key, kinds };
        respond(&mut Answering { cinema: self, changes: self.changes.subscribe() }, &asker, request, out)
    }

    fn ended(&self, _: &PeerKey) {}

    fn refused(&self, _: Option<&PeerKey>, _: SocketAddr, _: Refused, _: &str) {}
}

impl pair::Host for Cinema {
    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Cinema {
    fn introduction(&self) -> Option<Hello> {
        let identity = self.identity.read().expect("unpoisoned").clone();
        let library = self.films.library();
        let shown = library.credentials(&identity.node());
        let statements = shown.into_iter().map(|statement| statement.bytes().to_vec()).collect();
        let hello = Hello { node: identity.node(), statements, ..pair::hello() };
        (!identity.is_first_key()).then_some(hello)
    }

    fn take(&self, statements: &[Bytes]) {
        self.films.take(statements);
        self.changes.send_modify(|change| *change += 1);
    }
}

/// One answer under way.
struct Answering<'a> {
    cinema: &'a Cinema,
    changes: watch::Receiver<u64>,
}

impl Responder for Answering<'_> {
    fn library(&self, id: &LibraryId) -> Option<Arc<Library>> {
        self.cinema.libraries_asked.fetch_add(1, Ordering::Relaxed);
        let library = self.cinema.films.library();
        (library.id() == *id).then(|| Arc::new(library))
    }

    fn objects(&self, library: &LibraryId) -> Arc<dyn Objects> {
        self.cinema.films.store.stores().of(library)
    }

    fn ledger(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.cinema.films.ledger) as _
    }

    fn now_ms(&self) -> i64 {
        self.cinema.clock_ms.load(Ordering::Relaxed)
    }

    fn peers(&self, _: &Library) -> Vec<Hello> {
        Vec::new()
    }

    fn take_offered(&self, _: &LibraryId, _: &NodeId, statements: Vec<Bytes>) {
        self.cinema.take(&statements);
    }

    fn has_changed(&mut self) -> bool {
        let changed = self.changes.has_changed().unwrap_or(false);
        if changed {
            self.changes.mark_unchanged();
        }
        changed
    }
}
