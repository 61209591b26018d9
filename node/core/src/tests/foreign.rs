//! Two libraries on one mirror, over real homes and sockets: whoever signs for one of them gets nothing of the other, also after
//! a rebuild, without the index, and after a crash in a pull. What is the same in a machine without sockets is shown in the
//! engine (`sync/tests/foreign.rs`), byte for byte.

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
    /// The library `other`, and what was published there honestly.
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
        let films = origin.0.libraries.named("films").unwrap();
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
        let other = owner.0.libraries.named("other").unwrap().id();

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

    /// The owner of `other` signs a release of this manifest, moves the channel to it, and tells the mirror so.
    fn sign(&self, manifest: ManifestId) {
        let now = now_ms();
        let keyring = Keyring::of_home(self.owner.0.home.clone());
        let library = self.owner.0.libraries.get(&self.other).unwrap();
        let key = keyring.role_keys(&library, RoleKind::Publisher).unwrap().remove(0);
        let parents = vec![library.channel(LIVE).unwrap().body.release];
        let made = release(&library, &key, parents, manifest, "", now).unwrap();
        let library = self.owner.0.libraries.change(&self.other, now, |_| Ok(vec![made.clone()])).unwrap();
        let active = key.public();
        let body = Channel { name: LIVE.into(), release: made.id(), active, follow: true, term: None };
        let moved = channel(&library, &key, body, now).unwrap();
        self.owner.0.libraries.change(&self.other, now, |_| Ok(vec![moved.clone()])).unwrap();
        self.mirror.0.hear(&[made.bytes().clone(), moved.bytes().clone()]);
    }

    /// A manifest of `other`, held by its owner, that names the chunks of `films`, of which the owner has none.
    fn forge(&self) -> ManifestId {
        let objects = self.owner.0.objects(&self.other);
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

    /// The mirror cannot be made to take what was signed for whole, and its members of `other` get the honest release only.
    async fn check(&self, context: &str) {
        let failure = pull_of(&self.mirror, "other", None).await.unwrap_err();
        assert!(matches!(failure.exit, Exit::Missing | Exit::Peer), "{context}: {failure}");
        let library = self.mirror.0.libraries.get(&self.other).unwrap();
        let here = self.mirror.0.here(&library, LIVE).unwrap().unwrap().statement.id();
        assert_eq!(here.to_string(), self.honest, "{context}: the mirror took it for whole");
        let from = self.mirror.listening().unwrap().to_string();
        let pulled = pull_of(&self.viewer, "other", Some(from)).await;
        assert!(pulled.is_err() || pulled.unwrap().release == self.honest, "{context}");
        for node in [&self.mirror, &self.viewer] {
            assert_eq!(self.held(node, &self.other), 0, "{context}: chunks crossed over");
        }
        let films = self.mirror.0.libraries.named("films").unwrap().id();
        assert_eq!(self.held(&self.mirror, &films), self.chunks.len(), "{context}: the mirror lost its own");
    }

    /// How many of the chunks of `films` a node has in a library.
    fn held(&self, node: &Node, library: &LibraryId) -> usize {
        let ids: Vec<ChunkId> = self.chunks.iter().map(|chunk| chunk.id).collect();
        node.0.objects(library).has_chunks(&ids).unwrap().into_iter().filter(|held| *held).count()
    }

    /// The mirror is started again, after `change` on its closed home.
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

/// Bytes that no two stretches of are alike, as text.
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
    let objects = node.0.objects(library);
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

/// See the engine's test of the same name for the story.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_one_library_gets_nothing_of_another() {
    let mut world = World::open().await;
    world.mirror.serve(Some("127.0.0.1:0")).await.unwrap();
    world.sign(world.manifest);
    world.check("a release that names the manifest").await;
    world.sign(world.forge());
    world.check("pages that name the chunks").await;

    // The pull above was cut short; the process goes on, is started again, and has its index made anew.
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

    // And all that is somebody's own is there as before.
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

/// Pulls that are killed, and how much later each is killed than the one before. A source refuses a node as busy that left
/// many more connections open within ten seconds.
const KILLS: u32 = 3;
const KILL_STEP: Duration = Duration::from_millis(24);
/// Where the process that is to be killed finds its home and its source.
const HOME: &str = "CHUAN_TEST_PULL_HOME";
const SOURCE: &str = "CHUAN_TEST_PULL_SOURCE";

/// Pulls `other` from `source` into a closed home in a process of its own, again and again, and kills it `after` it has begun.
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
    // The moment is arbitrary: nothing is waited for.
    std::thread::sleep(after);
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert!(began && ended.code().is_none(), "it was not killed in a pull: {ended}");
}

/// The process of [`kill_a_pull`]; in any other it does nothing.
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
