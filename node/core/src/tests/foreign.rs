//! Two libraries on one mirror, with real homes and sockets: the owner of one library gets no content of the
//! other, also after a rebuild, without the index, and after a crash in a pull. The engine's test
//! `sync/tests/foreign.rs` compares the messages of such a mirror, byte for byte, with those of a mirror that
//! has one library only.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chuan_engine::{
    chunk::Profile,
    id::{ChunkId, LibraryId, ManifestId, PageId, Salt},
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        cursor,
        table::{ClassHeader, ClassTable, DEFAULT_CLASS},
    },
    statement::{
        Channel, RoleKind,
        library::{channel, release},
    },
    store::Object,
};

use super::*;
use crate::{command::Restore, keyring::Keyring, spec::LIVE};

/// An origin of `films`, the owner of `other`, a mirror of both, and a member of `other`.
struct World {
    place: Place,
    origin: Node,
    owner: Node,
    mirror: Node,
    viewer: Node,
    /// The library `other`, and its release with the owner's own content.
    other: LibraryId,
    honest: String,
    /// The manifest and chunks of `films`.
    manifest: ManifestId,
    chunks: Vec<ChunkRef>,
}

impl World {
    async fn open() -> Self {
        let place = Place::new();
        for number in 0..4u8 {
            place.write(&format!("film {number}.mp4"), &text(number, 300_000));
        }
        let origin = place.origin().await;
        let films = origin.library_service().named("films").unwrap();
        let manifest = films.channel(LIVE).unwrap().body.release;
        let manifest = films.release(&manifest).unwrap().body.manifest;
        let chunks = chunks(&origin, &films.id(), &manifest);
        assert!(chunks.len() > 8, "{} chunks", chunks.len());

        let owner = place.node("owner").await;
        let source = place.path("own");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("own.txt"), "the owner's own").unwrap();
        let publish = Publish { source, library: "other".to_owned(), ..Publish::default() };
        let honest = owner.publish(publish, &Job::silent()).await.unwrap().release;
        owner.serve(Some("127.0.0.1:0")).await.unwrap();
        let other = owner.library_service().named("other").unwrap().id();

        let (mirror, viewer) = (place.node("mirror").await, place.node("viewer").await);
        for from in [&origin, &owner] {
            mirror.join(ticket(from).await).await.unwrap();
        }
        viewer.join(ticket(&owner).await).await.unwrap();
        for library in ["films", "other"] {
            pull_of(&mirror, library, None).await.unwrap();
        }
        Self { place, origin, owner, mirror, viewer, other, honest, manifest, chunks }
    }

    /// The owner of `other` signs a release with this manifest, moves the channel to it, and sends both
    /// statements to the mirror.
    fn sign(&self, manifest: ManifestId) {
        let now = now_ms();
        let keyring = Keyring::of_home(self.owner.context().home.clone());
        let library = self.owner.library_service().get(&self.other).unwrap();
        let key = keyring.role_keys(&library, RoleKind::Publisher).unwrap().remove(0);
        let parents = vec![library.channel(LIVE).unwrap().body.release];
        let made = release(&library, &key, parents, manifest, "", now).unwrap();
        let library = self.owner.library_service().change(&self.other, |_| Ok(vec![made.clone()])).unwrap();
        let active = key.public();
        let body = Channel { name: LIVE.into(), release: made.id(), active, follow: true, term: None };
        let moved = channel(&library, &key, body, now).unwrap();
        self.owner.library_service().change(&self.other, |_| Ok(vec![moved.clone()])).unwrap();
        self.mirror.hear(&[made.bytes().clone(), moved.bytes().clone()]);
    }

    /// Makes a manifest of `other` that names the chunks of `films`. The owner holds its pages, but none of
    /// the chunks.
    fn forge(&self) -> ManifestId {
        let objects = self.owner.context().objects(&self.other);
        let mut pages = Vec::new();
        let mut content = ContentBuilder::new(self.other, DEFAULT_CLASS.0).unwrap();
        for chunk in &self.chunks {
            content.push(*chunk, &mut pages).unwrap();
        }
        let entry = Entry {
            kind: EntryKind::File,
            size: self.chunks.iter().map(|chunk| u64::from(chunk.len)).sum(),
            mtime: Timestamp::default(),
            mode: 0o644,
            profile: Profile::Video,
            content: content.finish(&mut pages).unwrap(),
            target: None,
            extensions: Vec::new(),
        };
        let mut tree = EntryTreeBuilder::new(self.other, DEFAULT_CLASS.0).unwrap();
        tree.push(EntryPath::new("stolen.mp4").unwrap(), &entry, &mut pages).unwrap();
        let tree = tree.finish(&mut pages).unwrap();
        let header = ClassHeader {
            name: DEFAULT_CLASS.1.to_owned(),
            slot: DEFAULT_CLASS.0,
            salt: Salt::from_bytes([1; 32]),
            root: tree.root,
            level: tree.level,
            sums: tree.sums,
            policy: Vec::new(),
        };
        let table = ClassTable { classes: vec![(header.slot, header.id(&self.other))] };
        let page = |id: PageId, bytes: Vec<u8>| Object::Page { id, bytes: bytes.into() };
        let mut kept: Vec<_> = pages.into_iter().map(|(id, bytes)| Object::Page { id, bytes }).collect();
        kept.push(page(header.id(&self.other).as_page(), header.encode()));
        kept.push(page(table.id(&self.other).as_page(), table.encode()));
        objects.append(kept).unwrap();
        objects.commit().unwrap();
        table.id(&self.other)
    }

    /// Checks that the mirror does not take the signed release for whole, and that a member of `other` gets
    /// only the honest release from it.
    async fn check(&self, context: &str) {
        let failure = pull_of(&self.mirror, "other", None).await.unwrap_err();
        assert!(matches!(failure.exit, Exit::Missing | Exit::Peer), "{context}: {failure}");
        let library = self.mirror.library_service().get(&self.other).unwrap();
        let here = self.mirror.library_service().here(&library, LIVE).unwrap().unwrap().statement.id();
        assert_eq!(here.to_string(), self.honest, "{context}: the mirror took the release for whole");
        let from = self.mirror.listening().unwrap().to_string();
        let pulled = pull_of(&self.viewer, "other", Some(from)).await;
        assert!(pulled.is_err() || pulled.unwrap().release == self.honest, "{context}");
        for node in [&self.mirror, &self.viewer] {
            assert_eq!(self.held(node, &self.other), 0, "{context}: `other` has chunks of `films`");
        }
        let films = self.mirror.library_service().named("films").unwrap().id();
        assert_eq!(self.held(&self.mirror, &films), self.chunks.len(), "{context}: the mirror lost chunks");
    }

    /// How many chunks of `films` a node holds in a library.
    fn held(&self, node: &Node, library: &LibraryId) -> usize {
        let ids: Vec<ChunkId> = self.chunks.iter().map(|chunk| chunk.id).collect();
        node.context().objects(library).has_chunks(&ids).unwrap().into_iter().filter(|held| *held).count()
    }

    /// Restarts the mirror. `change` runs while the home is closed.
    async fn restart(&mut self, change: impl FnOnce(&Path)) {
        let home = self.place.path("mirror");
        self.mirror.close().await;
        self.mirror = {
            let closed = std::mem::replace(&mut self.mirror, self.viewer.clone());
            drop(closed);
            change(&home);
            Node::open(&home).await.unwrap()
        };
        self.mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    }
}

/// Pseudo-random letters, so that no two chunks are equal.
fn text(seed: u8, len: usize) -> String {
    let mut state = u64::from(seed) + 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from((state >> 40) % 26).unwrap())
    };
    std::iter::repeat_with(&mut next).take(len).collect()
}

async fn pull_of(node: &Node, library: &str, from: Option<String>) -> Result<Pulled> {
    let options = Pull { library: Some(library.to_owned()), from, ..Pull::default() };
    node.pull(options, &Job::silent()).await
}

/// The chunks of all files of a manifest.
fn chunks(node: &Node, library: &LibraryId, manifest: &ManifestId) -> Vec<ChunkRef> {
    let objects = node.context().objects(library);
    let mut chunks = Vec::new();
    for (_, commitment) in ClassTable::load(&*objects, manifest).unwrap().classes {
        let header = ClassHeader::load(&*objects, &commitment).unwrap();
        for entry in cursor::entries(&*objects, &header.root) {
            let content: Content = entry.unwrap().1.content;
            chunks.extend(cursor::chunks(&*objects, &content).map(|chunk| chunk.unwrap()));
        }
    }
    chunks
}

/// Symptom, cause and fix are described in the engine's test `sync/tests/foreign.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_one_library_gets_nothing_of_another() {
    let mut world = World::open().await;
    world.mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    world.sign(world.manifest);
    world.check("a release that names the manifest").await;
    world.sign(world.forge());
    world.check("pages that name the chunks").await;

    // The pull above failed. Then the index is rebuilt, the process is restarted, and the index is deleted.
    world.mirror.rebuild(&Job::silent()).await.unwrap();
    world.check("after a rebuild").await;
    world.restart(|_| {}).await;
    world.check("after a restart").await;
    world.restart(|home| std::fs::remove_dir_all(home.join("store/index")).unwrap()).await;
    world.check("without an index").await;

    // Another process pulls into the mirror's home and is killed, each time a little later.
    let source = world.owner.listening().unwrap().to_string();
    for kill in 0..KILLS {
        world.restart(|home| kill_a_pull(home, &source, KILL_STEP * kill)).await;
        world.check(&format!("after kill {kill} in a pull")).await;
    }

    // The origin and the mirror still hold all of `films`.
    world.origin.rebuild(&Job::silent()).await.unwrap();
    for (node, name) in [(&world.origin, "origin"), (&world.mirror, "mirror")] {
        let out = world.place.path(&format!("restored by the {name}"));
        let restore = Restore::all("films".parse().unwrap(), out.clone());
        node.restore(restore, &Job::silent()).await.unwrap();
        for number in 0..4 {
            let file = format!("film {number}.mp4");
            let [was, is] =
                [world.place.path("films"), out.clone()].map(|dir| std::fs::read(dir.join(&file)));
            assert_eq!(was.unwrap(), is.unwrap(), "{name}: {file}");
        }
    }
    assert!(world.mirror.verify(Verify { deep: true }, &Job::silent()).await.unwrap().ok);
}

/// The number of pulls that are killed, and the time by which each is killed later than the one before. Many
/// more killed pulls within ten seconds would leave so many open connections that the source refuses the node
/// as busy.
const KILLS: u32 = 3;
const KILL_STEP: Duration = Duration::from_millis(24);
/// Environment variables that give the killed process its home and its source.
const HOME: &str = "CHUAN_TEST_PULL_HOME";
const SOURCE: &str = "CHUAN_TEST_PULL_SOURCE";

/// Starts a process that pulls `other` from `source` into a closed home, again and again. Kills it this long
/// `after` the first pull has begun.
fn kill_a_pull(home: &Path, source: &str, after: Duration) {
    let name = format!("{}::pulls_until_it_is_killed", module_path!().split_once("::").unwrap().1);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(HOME, home)
        .env(SOURCE, source)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let began = lines.any(|line| line.unwrap().contains("the pull begins"));
    // The moment of the kill is arbitrary: the test waits for no state of the pull.
    std::thread::sleep(after);
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert!(began && ended.code().is_none(), "it was not killed in a pull: {ended}");
}

/// The process that [`kill_a_pull`] starts. In a normal test run it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn pulls_until_it_is_killed() {
    let (Some(home), Ok(source)) = (std::env::var_os(HOME), std::env::var(SOURCE)) else { return };
    let node = Node::open(Path::new(&home)).await.unwrap();
    println!("the pull begins");
    loop {
        let pulled = pull_of(&node, "other", Some(source.clone())).await;
        assert!(pulled.is_err(), "{pulled:?}");
    }
}
