//! A library of millions of chunks, and the cost of every command on it: its time, and the peak resident
//! memory of each process that takes part.
//!
//! It is made without millions of files and hundreds of gigabytes: its chunks hold a few dozen bytes each and
//! are written directly into the origin's store, with ordinary pages, a release and a channel. Manifests,
//! indexes and walks are as large as those of a real library; only the bytes of the content are missing.

use std::{
    fmt, fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chuan_benches::process;
use chuan_engine::{
    id::{ChunkId, LibraryId, NodeId, PageId, Salt, SaltKey},
    manifest::{
        ChunkRef, Content, EntryPath, PageSink,
        builder::{ContentBuilder, EntryTreeBuilder, Tree},
        table::{ClassHeader, ClassTable, DEFAULT_CLASS},
    },
    statement::{
        Channel, Key, Library, Statement, StatementKind,
        library::{channel, release},
    },
    store::{Ledger, Object, ObjectStores, Objects, Record, RefMove},
    verify,
};
use chuan_storage::{DiskStore, Options, Poison, ledger::DiskLedger};
use chuan_tests::{
    pair::text,
    program::{self, Home},
    rng::Rng,
};

use crate::diff::entry;

/// Chunks of a film. The chunks that do not fill whole films, a fifth of all, are small files of one chunk.
const FILM: u64 = 2_000;
/// Limit of the peak resident memory of any process.
const MEMORY_BYTES: u64 = 256 << 20;

/// Makes a library of `chunks` chunks in `work` and runs every command on it.
pub(crate) fn run(work: &Path, chunks: u64) -> Result<Table> {
    let origin = Home::init(work.join("origin"), "origin", "origin")?;
    let extra = work.join("extra");
    fs::create_dir(&extra)?;
    let publish = |name: &str, seed: u64| -> Result<process::Cost> {
        let file = extra.join(name);
        fs::write(&file, Rng::new(seed).bytes(1 << 20))?;
        process::run(origin.command(["-q", "publish"]).arg(file).args(["--library", "films"]))
    };
    publish("first.mp4", 1)?;
    let begun = Instant::now();
    fill(&origin, chunks)?;
    eprintln!("  made {chunks} chunks in {:.1} s", begun.elapsed().as_secs_f64());

    let mut table = Table { chunks, rows: Vec::new() };
    let run = |home: &Home, args: &[&str]| process::run(&mut home.command(args));
    table.add("open: status", run(&origin, &["status"])?);
    // A process that is killed loses what the index had in memory.
    let mut server = origin.serve()?;
    publish("before-kill.mp4", 5)?;
    server.process.kill()?;
    table.add("open after a kill", run(&origin, &["status"])?);
    table.add("publish one more file", publish("second.mp4", 2)?);
    table.add("publish another", publish("third.mp4", 3)?);
    table.add("verify", run(&origin, &["-q", "verify"])?);
    table.add("verify --deep", run(&origin, &["-q", "verify", "--deep"])?);

    let mirror = Home::init(work.join("mirror"), "mirror", "mirror")?;
    let server = origin.serve()?;
    mirror.run(["join", &origin.ticket("films")?])?;
    table.add("pull all", run(&mirror, &["-q", "pull", "films"])?);
    table.peak("serve it", process::peak(server.process.child.id()));
    table.add("pull nothing new", run(&mirror, &["-q", "pull", "films"])?);
    publish("second.mp4", 4)?;
    table.add("pull an edit", run(&mirror, &["-q", "pull", "films"])?);
    table.peak("serve all of this", process::peak(server.process.child.id()));
    server.stop()?;

    let target = work.join("restored");
    let target = target.to_str().context("a path in UTF-8")?;
    table.add("restore one file", run(&mirror, &["-q", "restore", "films", target, "--path", "second.mp4"])?);
    ensure!(
        fs::read(work.join("restored/second.mp4"))? == Rng::new(4).bytes(1 << 20),
        "other bytes came back"
    );
    table.add("rebuild", run(&mirror, &["-q", "rebuild"])?);
    table.add("open after it", run(&mirror, &["status"])?);
    let verified = mirror.json(["verify"])?;
    ensure!(program::number(&verified, "missing")? == 0, "something is missing: {verified}");
    Ok(table)
}

/// Writes a release of `chunks` chunks into the home of an origin that has published `films` once.
fn fill(origin: &Home, chunks: u64) -> Result<()> {
    let dir = origin.path.join("ledger");
    let ledger = DiskLedger::open(&dir, node_id(origin)?, 0, Poison::default())?.ledger;
    let kept: Vec<Bytes> = StatementKind::ALL
        .into_iter()
        .map(|kind| ledger.statements(None, kind))
        .collect::<chuan_engine::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .map(|kept| kept.bytes)
        .collect();
    let root = Statement::decode(kept.first().context("the library has no statement")?)?;
    let now_ms = root.time_ms() + 1;
    let mut library = Library::load(root.library(), &kept, now_ms)?;
    let publisher = publisher(origin, &library.id())?;

    let store = DiskStore::open(&origin.path.join("store"), Options::default())?;
    let store = store.of(&library.id());
    let mut objects = Batch { store: &*store, waiting: Vec::new() };
    let tree = tree(chunks, &mut objects)?;
    let (slot, name) = DEFAULT_CLASS;
    let header = ClassHeader {
        name: name.to_owned(),
        slot,
        salt: Salt::of_class(&SaltKey::of_publisher(publisher.seed()), &tree.root),
        root: tree.root,
        level: tree.level,
        sums: tree.sums,
        policy: Vec::new(),
    };
    let table = ClassTable { classes: vec![(slot, header.id(&library.id()))] };
    objects.add(Object::Page { id: header.id(&library.id()).as_page(), bytes: header.encode().into() })?;
    objects.add(Object::Page { id: table.id(&library.id()).as_page(), bytes: table.encode().into() })?;

    let parents: Vec<_> = library.releases().into_iter().map(|said| said.statement.id()).collect();
    let release = release(&library, &publisher, parents, table.id(&library.id()), "", now_ms)?;
    let _ = library.offer(&release, now_ms)?;
    let body = Channel {
        name: "live".into(),
        release: release.id(),
        active: publisher.public(),
        follow: true,
        term: None,
    };
    let channel = channel(&library, &publisher, body, now_ms)?;
    objects.flush()?;
    store.commit()?;
    // As a publish does before it signs.
    verify::mark_full(&*store, &header.id(&library.id()), &mut verify::Missing::up_to(1))?;
    let moved = RefMove {
        library: library.id(),
        channel: "live".into(),
        statement: channel.id(),
        release: release.id(),
        sequence: channel.sequence(),
    };
    Ok(ledger.append(vec![Record::from(&release), Record::from(&channel), Record::Ref(moved)])?)
}

/// The node that owns the ledger.
fn node_id(origin: &Home) -> Result<NodeId> {
    Ok(text(&origin.json(["id"])?, "id").parse()?)
}

fn publisher(origin: &Home, library: &LibraryId) -> Result<Key> {
    let text = fs::read_to_string(origin.path.join(format!("keys/{library}/publisher.key")))?;
    let digits = text.split_whitespace().last().context("an empty key file")?;
    Ok(Key::from_seed(*digits.parse::<Salt>()?.as_bytes()))
}

/// Chunks and pages of films, and of small files.
fn tree(chunks: u64, objects: &mut Batch<'_>) -> Result<Tree> {
    let films = chunks * 4 / 5 / FILM;
    let mut tree = EntryTreeBuilder::new(objects.store.library(), DEFAULT_CLASS.0)?;
    let mut rng = Rng::new(9);
    for film in 0..films {
        let mut content = ContentBuilder::new(objects.store.library(), DEFAULT_CLASS.0)?;
        let mut size = 0;
        for _ in 0..FILM {
            let chunk = objects.chunk(&mut rng)?;
            size += u64::from(chunk.len);
            content.push(chunk, objects)?;
        }
        let content = content.finish(objects)?;
        tree.push(EntryPath::new(format!("films/{film:06}.mp4"))?, &entry(content, size), objects)?;
    }
    for file in 0..chunks - films * FILM {
        let chunk = objects.chunk(&mut rng)?;
        let path = EntryPath::new(format!("posters/{:04}/{file:08}.jpg", file / 1000))?;
        tree.push(path, &entry(Content::Inline(vec![chunk]), chunk.len.into()), objects)?;
    }
    Ok(tree.finish(objects)?)
}

/// Passes objects to a store in batches.
struct Batch<'a> {
    store: &'a dyn Objects,
    waiting: Vec<Object>,
}

impl Batch<'_> {
    fn chunk(&mut self, rng: &mut Rng) -> chuan_engine::Result<ChunkRef> {
        let bytes = Bytes::from(rng.bytes(32));
        let chunk = ChunkRef { id: ChunkId::of(&bytes), len: 32 };
        self.add(Object::Chunk { id: chunk.id, bytes })?;
        Ok(chunk)
    }

    fn add(&mut self, object: Object) -> chuan_engine::Result<()> {
        self.waiting.push(object);
        if self.waiting.len() >= 1_024 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> chuan_engine::Result<()> {
        self.store.append(std::mem::take(&mut self.waiting)).map(drop)
    }
}

impl PageSink for Batch<'_> {
    fn put(&mut self, id: PageId, bytes: Bytes) -> chuan_engine::Result<()> {
        self.add(Object::Page { id, bytes })
    }
}

/// The cost of every command.
#[derive(Debug)]
pub(crate) struct Table {
    chunks: u64,
    rows: Vec<(&'static str, Option<Duration>, u64)>,
}

impl Table {
    fn add(&mut self, name: &'static str, cost: process::Cost) {
        eprintln!("  {name:24} {:8.2} s {:6} MiB", cost.took.as_secs_f64(), cost.peak_bytes >> 20);
        self.rows.push((name, Some(cost.took), cost.peak_bytes));
    }

    fn peak(&mut self, name: &'static str, bytes: u64) {
        eprintln!("  {name:24} {:10} {:6} MiB", "", bytes >> 20);
        self.rows.push((name, None, bytes));
    }

    /// Whether a process exceeded the memory limit.
    pub(crate) fn missed(&self) -> bool {
        self.rows.iter().any(|(.., peak)| *peak > MEMORY_BYTES)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\na library of {} chunks (goal: at most {} MiB)\n", self.chunks, MEMORY_BYTES >> 20)?;
        writeln!(f, "{:24} {:>9}   {:>9}", "", "s", "peak MiB")?;
        for (name, took, peak) in &self.rows {
            let took = took.map_or_else(String::new, |took| format!("{:.2}", took.as_secs_f64()));
            let verdict = if *peak > MEMORY_BYTES { "MISSED" } else { "reached" };
            writeln!(f, "{name:24} {took:>9}   {:9}   {verdict}", peak >> 20)?;
        }
        Ok(())
    }
}
