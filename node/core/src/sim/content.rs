//! Releases with content that is made in memory: no file is read, so that a run depends on its seed only.

use bytes::Bytes;
use chuan_engine::{
    chunk::Profile,
    id::{ChunkId, LibraryId, PageId, Salt, SaltKey},
    manifest::{
        ChunkRef, Entry, EntryKind, EntryPath, PageSink, Timestamp,
        builder::{ContentBuilder, EntryTreeBuilder},
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Channel, Key,
        library::{channel, release},
        publishing::LIVE,
    },
    store::{Object, Objects},
    verify,
};

use super::rng::Rng;
use crate::{exit::Result, services::Services};

/// Bytes of a chunk.
const CHUNK_BYTES: usize = 3000;

struct Sink<'a>(&'a dyn Objects);

impl PageSink for Sink<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> chuan_engine::Result<()> {
        self.0.append(vec![Object::Page { id, bytes }]).map(drop)
    }
}

/// Stores the content of a release: one film of `chunks` chunks, of which `changed` belong to this `edition`
/// only.
fn store(objects: &dyn Objects, chunks: u64, changed: u64, edition: u64) -> chuan_engine::Result<ClassTable> {
    let library = objects.library();
    let mut sink = Sink(objects);
    let mut content = ContentBuilder::new(library, 0)?;
    for number in 0..chunks {
        let mut rng = Rng::new(number ^ if number < changed { edition << 32 } else { 0 });
        let bytes: Bytes = std::iter::repeat_with(|| rng.next().to_le_bytes())
            .flatten()
            .take(CHUNK_BYTES)
            .collect::<Vec<u8>>()
            .into();
        let id = ChunkId::of(&bytes);
        objects.append(vec![Object::Chunk { id, bytes }])?;
        content.push(ChunkRef { id, len: u32::try_from(CHUNK_BYTES).unwrap() }, &mut sink)?;
    }
    let entry = Entry {
        kind: EntryKind::File,
        size: chunks * CHUNK_BYTES as u64,
        mtime: Timestamp::default(),
        mode: 0o644,
        profile: Profile::Video,
        content: content.finish(&mut sink)?,
        target: None,
        extensions: vec![],
    };
    let mut tree = EntryTreeBuilder::new(library, 0)?;
    tree.push(EntryPath::new("film.mp4")?, &entry, &mut sink)?;
    let tree = tree.finish(&mut sink)?;
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
    sink.put(header.id(&library).as_page(), header.encode().into())?;
    sink.put(table.id(&library).as_page(), table.encode().into())?;
    objects.commit()?;
    verify::mark_full(objects, &header.id(&library), &mut verify::Missing::up_to(1))?;
    Ok(table)
}

/// Publishes a release at the origin and moves `live` to it.
pub(super) fn publish(services: &Services, id: &LibraryId, publisher: &Key, edition: u64) -> Result<()> {
    let context = &services.context;
    let table = store(&*context.objects(id), 12, 3, edition)?;
    let now = context.now_ms();
    let mut made = None;
    services.library.change(id, |library| {
        let parents = library.channel(LIVE).map(|said| said.body.release).into_iter().collect();
        let said = release(library, publisher, parents, table.id(id), "", now)?;
        made = Some(said.id());
        Ok(vec![said])
    })?;
    let body = Channel {
        name: LIVE.to_owned(),
        release: made.expect("a release was made"),
        active: publisher.public(),
        follow: true,
        term: None,
    };
    services.library.change(id, |library| Ok(vec![channel(library, publisher, body, now)?]))?;
    services.library.follow_channels(id, &|_| false)
}
