//! A hand-made peer, granted one class of two, sends every request that the protocol has. Every byte that it
//! receives is searched for data of the other class alone. All answers must also be the same where the other
//! class holds other data.

mod foreign;
mod requests;

use std::{
    collections::{BTreeMap, HashSet},
    ops::Range,
};

use bytes::Bytes;
use chuan_engine::{
    chunk::Profile,
    id::{ChunkId, Commitment, LibraryId, Salt, SaltKey, SetDigest, StatementId},
    manifest::{
        ChunkRef, ClassRules, Content, Entry, EntryKind, EntryPath, PageSink, PageSource, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        page::{Page, TreeKind},
        position::{PagePosition, ROOT_LEVEL},
        table::{ClassHeader, ClassTable},
    },
    statement::Classes,
    store::{Object, Objects, memory::MemoryObjectStores},
    sync::{
        exchange::Talk,
        frame::{Assembler, Frame},
        message::{Holding, Mode, Packing, Pull, Request, Scope, Want},
    },
    verify,
};

use self::requests::{by_position, requests};
use super::{
    films::{Cinema, Films, Sink, live},
    pair::{self, Origin, join},
};

const CHUNK: usize = 512;
/// Chunks of a film, enough for a tree of chunks of two levels.
const FILM: u64 = 700;
const MASTERS: u8 = 0;
const TRAILERS: u8 = 1;

/// A file: its path, and the numbers of its chunks.
pub(super) type File = (String, Vec<u64>);

/// A chunk's bytes by its number: incompressible, and all different.
fn chunk(number: u64) -> Bytes {
    let mut state = number.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5851_f42d_4c95_7f2d;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    });
    // Of many lengths, so that the sums of bytes are unique.
    let len = CHUNK + usize::try_from(number % 89).expect("small");
    words.flat_map(u64::to_le_bytes).take(len).collect::<Vec<u8>>().into()
}

fn numbers(range: Range<u64>) -> Vec<u64> {
    range.collect()
}

/// A library of masters and trailers at an origin, with the commitments of each version.
struct World {
    /// Seed of the masters' content.
    seed: u64,
    origin: Origin<Cinema>,
    /// Two versions, the older first: (masters, trailers).
    versions: Vec<(Commitment, Commitment)>,
    releases: Vec<StatementId>,
}

impl World {
    /// Two releases. The trailers are the same in every world, and share chunks with the masters; the rest of
    /// the masters depends on `seed`.
    fn open(seed: u64) -> Self {
        Self::open_beside(seed, "films", &MemoryObjectStores::new())
    }

    /// The same in a library of this name, beside the other libraries of a store.
    fn open_beside(seed: u64, name: &str, stores: &MemoryObjectStores) -> Self {
        let classes = Classes::new(vec!["trailers".into()]).expect("is a grant");
        let (films, _) = Films::found_beside(name, &classes, stores);
        let (mut versions, mut releases) = (Vec::new(), Vec::new());
        for version in 0..2 {
            let masters = masters(seed, version);
            let masters = publish(&films, MASTERS, "masters", &masters);
            let trailers = publish(&films, TRAILERS, "trailers", &trailers(version));
            let table = ClassTable { classes: vec![(MASTERS, masters), (TRAILERS, trailers)] };
            Sink(&*films.store)
                .put(table.id(&films.store.library()).as_page(), table.encode().into())
                .expect("puts");
            films.store.commit().expect("commits");
            releases.push(films.announce(&table));
            versions.push((masters, trailers));
        }
        Self { seed, origin: Origin::start(Cinema::new(films)), versions, releases }
    }

    fn library(&self) -> LibraryId {
        self.origin.host.films.library().id()
    }

    fn header(&self, commitment: &Commitment) -> ClassHeader {
        ClassHeader::load(&*self.origin.host.films.store, commitment).expect("is held")
    }
}

/// Files that only the masters have, and chunks 0 to 300, which the trailers also have.
fn masters(seed: u64, version: u64) -> Vec<File> {
    let own = 1_000_000 * seed;
    let mut files = vec![
        (format!("masters/secret-{seed}/reel-one.mov"), numbers(own..own + FILM + 100 * seed)),
        (format!("masters/secret-{seed}/shared.mov"), numbers(0..300)),
        (format!("masters/secret-{seed}/inline.mov"), numbers(own + 5000..own + 5003)),
    ];
    let many = (0..80 * seed).map(|n| (format!("masters/take-{seed}-{n:03}.mov"), vec![own + 6000 + n]));
    files.extend(many);
    // Chunks that the masters have in this version, and the trailers in the next one.
    files.push((format!("masters/secret-{seed}/next.mov"), numbers(40_000..40_000 + 100 * (1 + version))));
    files
}

fn trailers(version: u64) -> Vec<File> {
    let mut long = numbers(0..FILM);
    if version == 1 {
        long.splice(10..15, 50_000..50_007);
        long.extend(40_000..40_100);
    }
    let many = (0..200).map(|n| (format!("trailers/teaser-{n:03}.mp4"), vec![20_000 + n, 30_000 + n]));
    let mut files: Vec<File> = many.collect();
    files.push(("trailers/long.mp4".into(), long));
    files
}

/// Builds a class and stores it completely.
pub(super) fn publish(films: &Films, slot: u8, name: &str, files: &[File]) -> Commitment {
    let store = &*films.store;
    let mut sink = Sink(store);
    let mut tree = EntryTreeBuilder::new(store.library(), slot).expect("begins");
    for (path, numbers) in files.iter().cloned().collect::<BTreeMap<_, _>>() {
        let mut content = ContentBuilder::new(store.library(), slot).expect("begins");
        let mut size = 0;
        for bytes in numbers.into_iter().map(chunk) {
            let (id, len) = (ChunkId::of(&bytes), u32::try_from(bytes.len()).expect("small"));
            size += u64::from(len);
            store.append(vec![Object::Chunk { id, bytes }]).expect("appends");
            content.push(ChunkRef { id, len }, &mut sink).expect("pushes");
        }
        let entry = Entry {
            kind: EntryKind::File,
            size,
            mtime: Timestamp::default(),
            mode: 0o644,
            profile: Profile::Video,
            content: content.finish(&mut sink).expect("finishes"),
            target: None,
            extensions: vec![],
        };
        tree.push(EntryPath::new(path).expect("is a path"), &entry, &mut sink).expect("pushes");
    }
    let tree = tree.finish(&mut sink).expect("finishes");
    let header = ClassHeader {
        name: name.into(),
        slot,
        salt: Salt::of_class(&SaltKey::from_bytes([7; 32]), &tree.root),
        root: tree.root,
        level: tree.level,
        sums: tree.sums,
        policy: ClassRules::of_paths([format!("{name}/**")]).encode(),
    };
    sink.put(header.id(&store.library()).as_page(), header.encode().into()).expect("puts");
    store.commit().expect("commits");
    verify::mark_full(store, &header.id(&store.library()), &mut verify::Missing::up_to(1)).expect("marks");
    header.id(&store.library())
}

/// The peer: a connection, and every byte that it received.
struct Peer {
    quic: quinn::Connection,
    received: Vec<u8>,
}

impl Peer {
    async fn open(world: &World) -> Self {
        let endpoint = pair::dialler();
        let quic =
            endpoint.dial(world.origin.address).expect("dials").await.expect("completes the handshake");
        let hello = Frame::Hello(pair::hello()).encode().expect("encodes");
        let mut stream = quic.open_uni().await.expect("opens");
        stream.write_all_chunks(&mut [hello.head, hello.payload]).await.expect("writes");
        stream.finish().expect("finishes");
        Self { quic, received: Vec::new() }
    }

    /// The bytes of the answer, as received.
    async fn ask(&mut self, request: &Request) -> Vec<u8> {
        let request = Frame::Request(request.clone()).encode().expect("encodes");
        let (mut send, mut receive) = self.quic.open_bi().await.expect("opens");
        send.write_all_chunks(&mut [request.head, request.payload]).await.expect("writes");
        send.finish().expect("finishes");
        let answer = receive.read_to_end(64 << 20).await.expect("reads");
        self.received.extend_from_slice(&answer);
        answer
    }

    /// Ends the connection, and reads the rest that the origin sent: streams of its own and the reason of its
    /// close.
    async fn close(mut self, world: World) -> Vec<u8> {
        drop(world.origin.stop().await);
        while let Ok(mut stream) = self.quic.accept_uni().await {
            self.received.extend(stream.read_to_end(64 << 20).await.unwrap_or_default());
        }
        if let quinn::ConnectionError::ApplicationClosed(close) = self.quic.closed().await {
            self.received.extend_from_slice(&close.reason);
        }
        self.received
    }
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut assembler = Assembler::default();
    assembler.push(Bytes::copy_from_slice(bytes));
    let mut frames = Vec::new();
    while let Some(frame) = assembler.next().expect("is well-formed") {
        frames.push(frame);
    }
    assert!(assembler.is_between());
    frames
}

fn random(number: u8) -> Commitment {
    Commitment::from_bytes([number; 32])
}

/// Data that a peer without a grant for the masters must not receive, with a description of each.
struct Secrets {
    needles: Vec<(String, Vec<u8>)>,
    /// Sixteen bytes at every sixteenth offset of chunks that only the masters have.
    windows: HashSet<[u8; 16]>,
}

impl Secrets {
    fn of(world: &World) -> Self {
        let store = &*world.origin.host.films.store;
        let mut needles: Vec<(String, Vec<u8>)> = Vec::new();
        let mut windows = HashSet::new();
        let open: HashSet<u64> = (0..2).flat_map(trailers).flat_map(|(_, numbers)| numbers).collect();
        for (version, (masters, _)) in world.versions.iter().enumerate() {
            let header = world.header(masters);
            needles.push(("the salt".into(), header.salt.as_bytes().to_vec()));
            // Counts are too small to search for; if an answer depended on them, the two worlds would differ.
            let bytes = header.sums.bytes;
            needles.push((format!("the bytes of version {version}"), bytes.to_le_bytes().to_vec()));
            let mut pages = vec![header.root];
            while let Some(id) = pages.pop() {
                needles.push(("a page's id".into(), id.as_bytes().to_vec()));
                let page = Page::decode(&store.page(&id).expect("is held")).expect("is a page");
                pages.extend(page.expects(None).into_iter().map(|(id, _)| id));
                if let chuan_engine::manifest::page::Items::Entries(entries) = &page.items {
                    for (path, entry) in entries {
                        needles.push((format!("path {path}"), path.as_str().as_bytes().to_vec()));
                        if let Content::Tree { root, .. } = &entry.content {
                            needles.push((format!("the size of {path}"), entry.size.to_le_bytes().to_vec()));
                            pages.push(*root);
                        }
                    }
                }
            }
        }
        for (_, numbers) in (0..2).flat_map(|version| masters(world.seed, version)) {
            for number in numbers.into_iter().filter(|number| !open.contains(number)) {
                let bytes = chunk(number);
                needles.push((format!("the id of chunk {number}"), ChunkId::of(&bytes).as_bytes().to_vec()));
                windows.extend(bytes.as_chunks::<16>().0.iter().copied());
            }
        }
        // A path after a similar path is encoded without their common beginning.
        for text in ["masters", "secret", "reel-one", "take-", "inline", ".mov"] {
            needles.push((format!("`{text}`"), text.as_bytes().to_vec()));
        }
        assert!(needles.len() > 1000 && windows.len() > 20_000);
        Self { needles, windows }
    }

    /// The first secret in `bytes`.
    fn found_in(&self, bytes: &[u8]) -> Option<String> {
        // By their first bytes: a search for each secret would take long.
        let mut heads = Heads::default();
        self.windows.iter().for_each(|window| heads.add(window));
        let mut by_head: BTreeMap<[u8; HEAD], Vec<&(String, Vec<u8>)>> = BTreeMap::new();
        for needle in &self.needles {
            heads.add(&needle.1);
            by_head.entry(*needle.1.first_chunk().expect("is longer")).or_default().push(needle);
        }
        for at in heads.places(bytes) {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.first_chunk::<16>().is_some_and(|part| self.windows.contains(part)) {
                return Some(format!("bytes of a chunk, at {at}"));
            }
            let needles = rest.first_chunk::<HEAD>().and_then(|head| by_head.get(head));
            if let Some((what, _)) = needles.into_iter().flatten().find(|(_, it)| rest.starts_with(it)) {
                return Some(format!("{what}, at {at}"));
            }
        }
        None
    }
}

/// Bytes of the beginning of a secret by which it is found.
const HEAD: usize = 3;

/// The set of the first [`HEAD`] bytes of all secrets, one bit for each value.
struct Heads(Vec<u64>);

impl Default for Heads {
    fn default() -> Self {
        Self(vec![0; 1 << (8 * HEAD - 6)])
    }
}

impl Heads {
    fn place(secret: &[u8]) -> (usize, u64) {
        let [a, b, c] = *secret.first_chunk::<HEAD>().expect("is longer");
        let value = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        (value >> 6, 1 << (value & 63))
    }

    fn add(&mut self, secret: &[u8]) {
        let (word, bit) = Self::place(secret);
        *self.0.get_mut(word).expect("has a bit for each value") |= bit;
    }

    /// The places in `bytes` at which a secret may begin.
    fn places<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let is_head = |part: &[u8]| {
            let (word, bit) = Self::place(part);
            self.0.get(word).is_some_and(|word| word & bit != 0)
        };
        bytes.windows(HEAD).enumerate().filter(move |(_, part)| is_head(part)).map(|(at, _)| at)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_learns_nothing_of_a_class_that_it_is_not_granted() {
    let mut answers = Vec::new();
    for seed in [1, 2] {
        let world = World::open(seed);
        let secrets = Secrets::of(&world);
        let mut peer = Peer::open(&world).await;
        let requests = requests(&world);
        let mut told = Vec::new();
        for request in &requests {
            let answer = peer.ask(request).await;
            check_answer(&world, request, &answer);
            told.push(answer);
        }
        let received = peer.close(world).await;
        println!("world {seed}: {} requests, {} bytes received", requests.len(), received.len());
        assert_eq!(secrets.found_in(&received), None);
        assert_sees(&received);
        answers.push((requests, told));
    }
    // The answers do not depend on the masters' content, except for the signed table and the statements that
    // name it.
    let [(requests, one), (_, other)] = &answers[..] else { panic!("two worlds") };
    for ((request, one), other) in requests.iter().zip(one).zip(other) {
        let [one, other] = [one, other].map(|answer| {
            let is_content =
                |frame: &Frame| !matches!(frame, Frame::Statement(_) | Frame::Table(_) | Frame::Inventory(_));
            frames(answer).into_iter().filter(is_content).map(without_ids).collect::<Vec<_>>()
        });
        assert!(one == other, "{request:?} is answered from the other class");
    }
}

/// A frame without the ids of statements, which depend on the content of the release.
fn without_ids(frame: Frame) -> Frame {
    let blank = |_| StatementId::from_bytes([0; 32]);
    match frame {
        Frame::Holding(Holding { heard, held }) => {
            Frame::Holding(Holding { heard: heard.map(blank), held: held.into_iter().map(blank).collect() })
        }
        other => other,
    }
}

/// Proves that the search finds data that is present: the trailers are there.
fn assert_sees(received: &[u8]) {
    for number in [0, 299, 50_003, 40_099, 20_100] {
        let bytes = chunk(number);
        assert!(received.windows(bytes.len()).any(|part| part == bytes), "chunk {number}");
    }
    for text in ["trailers/long.mp4", "trailers/**"] {
        assert!(received.windows(text.len()).any(|part| part == text.as_bytes()), "{text}");
    }
}

/// Checks that an answer holds only requested data, of the granted class.
fn check_answer(world: &World, request: &Request, answer: &[u8]) {
    let [_, (_, trailers)] = world.versions[..] else { panic!("two versions") };
    let own: Vec<Commitment> = world.versions.iter().map(|(_, trailers)| *trailers).collect();
    let chunks = world.header(&trailers).sums.chunks;
    for frame in frames(answer) {
        match frame {
            Frame::Header(bytes) => {
                assert!(own.contains(&Commitment::of(&world.library(), &bytes)), "a header of another class")
            }
            Frame::Page(bytes) => assert_eq!(Page::decode(&bytes).expect("is a page").slot, TRAILERS),
            // A chunk of both classes is a chunk of the trailers here.
            Frame::Chunk(chunk) => assert!(chunk.ordinal < chunks, "{request:?}: chunk {}", chunk.ordinal),
            Frame::Delta(delta) => {
                let named = match request {
                    Request::Pull(pull) => &pull.have,
                    Request::Chunks { have, .. } => have,
                    other => panic!("a delta answers {other:?}"),
                };
                let of = |have: u8| named.get(usize::from(have)).expect("was named");
                assert!(delta.base.iter().all(|run| own.contains(of(run.have))), "made from another class");
            }
            Frame::Holding(holding) => {
                assert!(holding.held.iter().all(|held| world.releases.contains(held)), "another library's");
            }
            Frame::Table(_) | Frame::Statement(_) | Frame::Inventory(_) | Frame::End(_) | Frame::Error(_) => {
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Also checks that deltas are made: else the test above would prove nothing about their bases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_that_is_not_granted_is_answered_like_missing_data() {
    let world = World::open(1);
    let mut peer = Peer::open(&world).await;
    let [(old_masters, old_trailers), (masters, _)] = world.versions[..] else { panic!("two versions") };
    let library = world.library();
    for present in [masters, old_masters] {
        for (granted, absent) in by_position(library, present).iter().zip(&by_position(library, random(77))) {
            assert_eq!(peer.ask(granted).await, peer.ask(absent).await, "{granted:?}");
        }
        let pull = |have: Vec<Commitment>, classes: &[&str]| {
            let classes = classes.iter().map(|class| (*class).to_owned()).collect();
            Request::Pull(Pull { classes, have, packing: Packing::Smallest, ..pair::whole(library) })
        };
        for others in [vec![], vec![old_trailers]] {
            let [present, absent] = [present, random(77)].map(|first| [vec![first], others.clone()].concat());
            let (one, other) = (peer.ask(&pull(present, &[])).await, peer.ask(&pull(absent, &[])).await);
            assert_eq!(one, other);
            let has_deltas = frames(&one).iter().any(|frame| matches!(frame, Frame::Delta(_)));
            assert_eq!(has_deltas, !others.is_empty());
        }
        let (one, other) = (pull(vec![], &["masters"]), pull(vec![], &["no-such-class"]));
        assert_eq!(peer.ask(&one).await, peer.ask(&other).await);
    }
    peer.close(world).await;
}
