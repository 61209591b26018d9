//! A small library with content, the same in every run: what the targets of the sync machines answer from and
//! fetch. It has two releases of three classes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use chuan_engine::{
    Result,
    chunk::Profile,
    id::{ChunkId, Commitment, LibraryId, NodeId, PageId, Salt, StatementId},
    manifest::{
        ChunkRef, Entry, EntryKind, EntryPath, PageSink, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Channel, Classes, Key, Library, Member, NodeRole, ReleaseClass, Statement, Verbs,
        library::{Founders, channel, found, member, release_of_classes},
    },
    store::{
        Appended, Check, Ledger, Object, ObjectId, Objects, PageState, Record, RefMove,
        memory::{MemoryLedger, MemoryObjects},
    },
    sync::{
        frame::Frame,
        message::{Refusal, Request},
        session::Answer,
    },
    verify::{self, Missing},
};

use super::meter;

/// The time of all runs, in milliseconds since 1970.
pub const NOW_MS: i64 = 1_793_000_000_000;
/// The channel.
pub const LIVE: &str = "live";

/// The files of a class by path.
type Files = BTreeMap<String, Vec<u8>>;

/// The library, and everything that its origin holds.
pub struct World {
    /// The origin's objects.
    pub objects: MemoryObjects,
    /// The origin's ledger.
    pub ledger: MemoryLedger,
    /// All statements, at the origin.
    pub library: Library,
    /// The statements, in the order in which they were made.
    pub statements: Vec<Statement>,
    /// The two releases.
    pub releases: Vec<StatementId>,
    /// The classes of each release.
    pub classes: Vec<Vec<Commitment>>,
    /// All objects of each release.
    pub contents: Vec<Vec<Object>>,
    /// The ids of all objects.
    pub ids: HashSet<ObjectId>,
    /// The ids of the objects that only the first class has.
    pub private: HashSet<ObjectId>,
    /// A node that is granted all classes.
    pub mirror: NodeId,
    /// A node that is granted the class `trailers`.
    pub limited: NodeId,
    /// A node that is no member.
    pub stranger: NodeId,
    /// The frames of the answers to pulls.
    pub frames: Vec<Frame>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    /// The only one. It is made at the first call, which is not counted.
    pub fn get() -> &'static Self {
        static WORLD: LazyLock<World> = LazyLock::new(|| World::make().expect("the world is valid"));
        meter::uncounted(|| &*WORLD)
    }

    /// The frames of the origin's answer to a request of `peer`; a refusal is a frame too.
    pub fn answer(&self, peer: &NodeId, request: Request) -> Vec<Frame> {
        let mut frames = Vec::new();
        let store = Arc::new(self.objects.clone());
        let answer = Answer::new(store, &self.ledger, &self.library, request, peer, NOW_MS);
        let mut keep = |frame| {
            frames.push(frame);
            true
        };
        if let Err(error) = answer.and_then(|answer| answer.run(&mut keep)) {
            frames.push(Frame::Error(Refusal::of(&error)));
        }
        frames
    }

    /// The library at a node that knows only the first `count` statements.
    pub fn library_after(&self, count: usize) -> Library {
        let mut library = Library::new(self.library.id());
        let known = self.statements.get(..count).unwrap_or(&self.statements);
        let _ = library.offer_all(known, NOW_MS);
        library
    }

    fn make() -> Result<Self> {
        let [root, operator, publisher] = [1, 2, 3].map(|seed| Key::from_seed([seed; 32]));
        let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
        let (id, first) = found("films", keys, Salt::from_bytes([9; 32]), NOW_MS)?;
        let mut world = Self {
            objects: MemoryObjects::new(id),
            ledger: MemoryLedger::new(),
            library: Library::new(id),
            statements: Vec::new(),
            releases: Vec::new(),
            classes: Vec::new(),
            contents: Vec::new(),
            ids: HashSet::new(),
            private: HashSet::new(),
            mirror: Key::from_seed([5; 32]).node(),
            limited: Key::from_seed([6; 32]).node(),
            stranger: Key::from_seed([7; 32]).node(),
            frames: Vec::new(),
        };
        world.learn(first)?;
        for (seed, classes) in [(5, vec![]), (6, vec!["trailers".to_owned()])] {
            let body = membership(&Key::from_seed([seed; 32]), classes)?;
            let said = member(&world.library, &operator, body, NOW_MS)?;
            world.learn(said)?;
        }
        for edition in [0, 1] {
            world.publish(&publisher, edition)?;
        }
        world.frames = frames_of_pulls(&world);
        Ok(world)
    }

    fn learn(&mut self, statement: Statement) -> Result<()> {
        let _ = self.library.offer(&statement, NOW_MS)?;
        self.ledger.append(vec![Record::from(&statement)])?;
        self.statements.push(statement);
        Ok(())
    }

    /// Publishes an edition and moves the channel.
    fn publish(&mut self, publisher: &Key, edition: u8) -> Result<()> {
        let library = self.library.id();
        let all = Recorder::new(self.objects.clone());
        let mut table = ClassTable { classes: Vec::new() };
        let mut listed = Vec::new();
        for (slot, name) in (0..).zip(["default", "trailers", "empty"]) {
            let own = Recorder::new(self.objects.clone());
            let commitment = class(&own, slot, name, &files(name, edition))?;
            let objects = own.take();
            if slot == 0 {
                self.private.extend(objects.iter().map(Object::id));
            } else {
                self.private.retain(|id| objects.iter().all(|object| object.id() != *id));
            }
            all.append(objects)?;
            table.classes.push((slot, commitment));
            listed.push(ReleaseClass { slot, name: name.to_owned(), commitment });
        }
        let manifest = table.id(&library);
        Sink(&all).put(manifest.as_page(), table.encode().into())?;
        all.commit()?;
        for (_, commitment) in &table.classes {
            let _ = verify::mark_full(&self.objects, commitment, &mut Missing::up_to(1))?;
        }
        let parents = self.releases.last().copied().into_iter().collect();
        let made = release_of_classes(&self.library, publisher, parents, (manifest, listed), "", NOW_MS)?;
        let release = made.id();
        self.learn(made)?;
        let active = publisher.public();
        let body = Channel { name: LIVE.into(), release, active, follow: true, term: None };
        let moved = channel(&self.library, publisher, body, NOW_MS)?;
        let (statement, sequence) = (moved.id(), moved.sequence());
        self.learn(moved)?;
        let at = RefMove { library, channel: LIVE.into(), statement, release, sequence };
        self.ledger.append(vec![Record::Ref(at)])?;
        let objects = all.take();
        self.ids.extend(objects.iter().map(Object::id));
        self.contents.push(objects);
        self.releases.push(release);
        self.classes.push(table.classes.into_iter().map(|(_, commitment)| commitment).collect());
        Ok(())
    }
}

fn membership(key: &Key, classes: Vec<String>) -> Result<Member> {
    Ok(Member {
        node: key.node(),
        key: key.public(),
        name: "mirror".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: if classes.is_empty() { Classes::all() } else { Classes::new(classes)? },
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    })
}

/// Answers to pulls with and without a version to compare with.
fn frames_of_pulls(world: &World) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (known, have) in [(3, false), (world.statements.len(), true)] {
        let mut pull = super::pull(world, known);
        if have {
            pull.have = world.classes.first().cloned().unwrap_or_default();
        }
        frames.extend(world.answer(&world.mirror, Request::Pull(pull)));
    }
    frames
}

/// The files of a class in an edition. The second edition changes the middle of some files, removes one and
/// adds a similar one.
fn files(class: &str, edition: u8) -> Files {
    let mut files = Files::new();
    match class {
        "default" => {
            for number in 0..90u16 {
                let mut bytes = text(u32::from(number), 24 + usize::from(number % 5) * 16);
                if number % 30 == 7 && edition > 0 {
                    bytes.insert(9, edition);
                }
                files.insert(format!("films/{number:03}/第{number}集.srt"), bytes);
            }
            let mut film = text(1000, 6000);
            if edition > 0 {
                film.splice(2000..2010, *b"a new sound");
            }
            files.insert(if edition > 0 { "films/长江.mp4" } else { "films/river.mp4" }.into(), film.clone());
            files.insert("films/copy.mp4".into(), film);
        }
        "trailers" => {
            for number in 0..3u32 {
                files.insert(format!("t{number}"), text(2000 + number + u32::from(edition), 700));
            }
        }
        _ => {}
    }
    files
}

/// Bytes that do not compress well and are the same in every run.
fn text(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

/// Writes a class; returns the id of its header.
fn class(store: &dyn Objects, slot: u8, name: &str, files: &Files) -> Result<Commitment> {
    let library = store.library();
    let mut sink = Sink(store);
    let mut tree = EntryTreeBuilder::new(library, slot)?;
    for (path, bytes) in files {
        let mut content = ContentBuilder::new(library, slot)?;
        for chunk in bytes.split_inclusive(|byte| *byte < 4) {
            let id = ChunkId::of(chunk);
            store.append(vec![Object::Chunk { id, bytes: Bytes::copy_from_slice(chunk) }])?;
            content.push(ChunkRef { id, len: u32::try_from(chunk.len()).unwrap_or(u32::MAX) }, &mut sink)?;
        }
        let entry = Entry {
            kind: EntryKind::File,
            size: bytes.len() as u64,
            mtime: Timestamp::default(),
            mode: 0o644,
            profile: Profile::Video,
            content: content.finish(&mut sink)?,
            target: None,
            extensions: vec![],
        };
        tree.push(EntryPath::new(path.as_str())?, &entry, &mut sink)?;
    }
    let tree = tree.finish(&mut sink)?;
    let header = ClassHeader {
        name: name.into(),
        slot,
        salt: Salt::from_bytes([slot; 32]),
        root: tree.root,
        level: tree.level,
        sums: tree.sums,
        policy: vec![],
    };
    sink.put(header.id(&library).as_page(), header.encode().into())?;
    Ok(header.id(&library))
}

struct Sink<'a>(&'a dyn Objects);

impl PageSink for Sink<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> Result<()> {
        self.0.append(vec![Object::Page { id, bytes }]).map(drop)
    }
}

/// Objects that count each look-up as a step and keep what was appended.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// The objects.
    pub inner: MemoryObjects,
    appended: Arc<std::sync::Mutex<Vec<Object>>>,
}

impl Recorder {
    /// Records what is appended to `inner`.
    pub fn new(inner: MemoryObjects) -> Self {
        Self { inner, appended: Arc::default() }
    }

    /// The objects that were appended since the last call.
    pub fn take(&self) -> Vec<Object> {
        std::mem::take(&mut *self.appended.lock().expect("no thread panics with the lock"))
    }
}

impl Objects for Recorder {
    fn library(&self) -> LibraryId {
        self.inner.library()
    }

    fn has_chunks(&self, ids: &[ChunkId]) -> Result<Vec<bool>> {
        meter::step(ids.len() + 1);
        self.inner.has_chunks(ids)
    }

    fn read_chunks(&self, ids: &[ChunkId], check: Check) -> Result<Vec<Option<Bytes>>> {
        meter::step(ids.len() + 1);
        self.inner.read_chunks(ids, check)
    }

    fn read_pages(&self, ids: &[PageId]) -> Result<Vec<Option<Bytes>>> {
        meter::step(ids.len() + 1);
        self.inner.read_pages(ids)
    }

    fn page_states(&self, ids: &[PageId]) -> Result<Vec<PageState>> {
        meter::step(ids.len() + 1);
        self.inner.page_states(ids)
    }

    fn append(&self, objects: Vec<Object>) -> Result<Appended> {
        meter::step(objects.len() + 1);
        self.appended.lock().expect("no thread panics with the lock").extend(objects.iter().cloned());
        self.inner.append(objects)
    }

    fn commit(&self) -> Result<()> {
        meter::step(1);
        self.inner.commit()
    }

    fn mark(&self, marks: &[(PageId, PageState)]) -> Result<()> {
        meter::step(marks.len() + 1);
        self.inner.mark(marks)
    }

    fn keep_marks(&self) -> Result<()> {
        meter::step(1);
        self.inner.keep_marks()
    }

    fn lost(&self) -> Result<Vec<ObjectId>> {
        meter::step(1);
        self.inner.lost()
    }

    fn are_lost(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        meter::step(ids.len() + 1);
        self.inner.are_lost(ids)
    }
}
