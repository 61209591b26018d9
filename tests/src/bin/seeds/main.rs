//! `seeds`: writes the seed corpora of the fuzz targets, made by the real encoders: `cargo run -p chuan-tests
//! --bin seeds`.
//!
//! Run it again when a format gains something; inputs that the fuzzer has found beside the seeds stay.

mod audit;
mod exchange;
mod home;
mod ledger;
mod machines;
mod segment;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use chuan_engine::{
    chunk::Profile,
    id::{ChunkId, Commitment, LibraryId, NodeId, PageId, RecordId, Salt, StatementId},
    manifest::{
        PageSink,
        builder::{ContentBuilder, EntryTreeBuilder},
        entry::{ChunkRef, Content, Entry, EntryKind, Extension, Timestamp},
        page::TreeKind,
        path::{EntryPath, LinkTarget},
        policy::ClassRules,
        position::PagePosition,
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Body, Bundle, Channel, Checkpoint, ClassPolicy, Classes, Draft, Field, Fresh, Header, Key, Kinds,
        Member, Mirror, NodeRole, Pins, Policy, Release, ReleaseClass, Request as ActRequest, Revoke, Role,
        RoleKind, Root, Statement, Succession, TicketTerms, Verbs,
        library::{Library, Proposed},
        ticket::Ticket,
    },
    sync::{
        delta::{Delta, DeltaKind, Part, Run},
        frame::{ChunkCodec, ChunkFrame, Frame, FrameKind},
        message::{
            End, ErrorCode, Hello, Holding, Join, Mode, Packing, Pull, Refusal, Request, Scope, VERSION, Want,
        },
    },
};
use chuan_tests::rng::Rng;

fn main() -> Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let statements = statements()?;
    let pages = pages()?;
    let frames = frames(&statements, &pages)?;
    let write = |target: &str, seeds: Vec<Vec<u8>>| -> Result<()> {
        let dir = corpus.join(target);
        fs::create_dir_all(&dir)?;
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(dir.join(format!("seed-{number:02}")), seed)?;
        }
        println!("{target}: {} seeds", seeds.len());
        Ok(())
    };
    write("message", frames.iter().filter_map(as_message).collect::<Result<_>>()?)?;
    write("delta", vec![delta()?.into()])?;
    write("frame", frames.iter().map(as_stream).collect::<Result<_>>()?)?;
    write("statement", statements.iter().map(|statement| statement.bytes().to_vec()).collect())?;
    write("exchange", exchange::seeds(&statements)?)?;
    write("root", roots(&statements)?)?;
    write("ticket", vec![ticket()?.to_text()?.into_bytes()])?;
    write("table", tables())?;
    write("policy", policies())?;
    write("segment", vec![segment::seed(&pages)?])?;
    write("page", pages)?;
    write("audit", audit::seeds()?)?;
    write("ledger", ledger::seeds(&statements)?)?;
    for (target, seeds) in [
        ("fetch", machines::fetch()),
        ("answer", machines::answer()),
        ("set", machines::set()),
        ("ledgers", machines::ledgers()),
        ("points", machines::points()),
        ("scan", home::scan()),
        ("index", home::index()),
        ("peers", home::peers()),
    ] {
        write(target, seeds)?;
    }
    write("path", paths().iter().map(|path| path.as_bytes().to_vec()).collect())?;
    Ok(())
}

fn paths() -> [&'static str; 8] {
    [
        "a",
        "长江 (2019)/长江.mp4",
        "été/川流不息.srt",
        "a/../b",
        "a//b",
        ".hidden/..still a name/...",
        "CON/aux.txt",
        "ＡＢＣ/ﬁ/İ/ß",
    ]
}

/// The library of the pages.
const LIBRARY: LibraryId = LibraryId::from_bytes([1; 32]);

/// Collects pages for the corpus.
#[derive(Default)]
struct Pages(Vec<Vec<u8>>);

impl PageSink for Pages {
    fn put(&mut self, _id: PageId, bytes: Bytes) -> chuan_engine::Result<()> {
        self.0.push(bytes.to_vec());
        Ok(())
    }
}

/// A small and a large page of each kind.
fn pages() -> Result<Vec<Vec<u8>>> {
    let mut sink = Pages::default();
    let mut rng = Rng::new(1);
    let mut content = ContentBuilder::new(LIBRARY, 0)?;
    for _ in 0..600 {
        content.push(chunk(&mut rng), &mut sink)?;
    }
    let content = content.finish(&mut sink)?;
    let mut entries = EntryTreeBuilder::new(LIBRARY, 0)?;
    for number in 0..300u32 {
        let path = EntryPath::new(format!("films/{number:04}/第{number}集.mp4"))?;
        let entry = entry(number, &path, &content, &mut rng)?;
        entries.push(path, &entry, &mut sink)?;
    }
    entries.finish(&mut sink)?;
    EntryTreeBuilder::new(LIBRARY, 3)?.finish(&mut sink)?;
    let mut pages = sink.0;
    pages.sort_by_key(|page| (page.get(5).copied(), page.len()));
    // The smallest and the largest of each kind: byte 5 is the kind.
    let ends = |(index, page): (usize, &Vec<u8>)| {
        let kind = |at: Option<usize>| at.and_then(|at| pages.get(at)).and_then(|page| page.get(5).copied());
        let own = page.get(5).copied();
        (kind(index.checked_sub(1)) != own || kind(Some(index + 1)) != own).then(|| page.clone())
    };
    Ok(pages.iter().enumerate().filter_map(ends).collect())
}

fn chunk(rng: &mut Rng) -> ChunkRef {
    ChunkRef { id: ChunkId::of(&rng.next_u64().to_le_bytes()), len: 65_536 }
}

fn entry(number: u32, path: &EntryPath, tree: &Content, rng: &mut Rng) -> Result<Entry> {
    let (kind, content) = match number % 4 {
        0 if number.is_multiple_of(8) => (EntryKind::Symlink, Content::Inline(Vec::new())),
        0 => (EntryKind::Folder, Content::Inline(Vec::new())),
        1 => (EntryKind::File, tree.clone()),
        count => (EntryKind::File, Content::Inline((0..count).map(|_| chunk(rng)).collect())),
    };
    let is_link = kind == EntryKind::Symlink;
    let mut extensions = Vec::new();
    if kind == EntryKind::File && number.is_multiple_of(3) {
        extensions.push(Extension::link_group("films/0000"));
        extensions.extend(Extension::holes(vec![0..4096, 8192..65_536]));
    }
    if number % 7 == 1 {
        extensions.push(Extension { tag: 9, critical: false, bytes: b"kept as it is".to_vec() });
    }
    Ok(Entry {
        kind,
        size: content.chunks() * 65_536,
        mtime: Timestamp { seconds: 1_700_000_000 + i64::from(number), nanos: number },
        mode: if is_link { Entry::LINK_MODE } else { 0o644 },
        profile: Profile::Video,
        content,
        target: is_link.then(|| LinkTarget::new("../../films/./0001", path)).transpose()?,
        extensions,
    })
}

fn tables() -> Vec<Vec<u8>> {
    let header = ClassHeader {
        name: "default".into(),
        slot: 0,
        salt: Salt::from_bytes([1; 32]),
        root: PageId::from_bytes([2; 32]),
        level: 1,
        sums: chuan_engine::manifest::entry::Sums { entries: 3, files: 2, chunks: 40, bytes: 2_000_000 },
        policy: b"keep".to_vec(),
    };
    let table = ClassTable { classes: vec![(0, header.id(&LIBRARY)), (5, Commitment::from_bytes([9; 32]))] };
    vec![header.encode(), table.encode()]
}

fn policies() -> Vec<Vec<u8>> {
    let paths =
        ClassRules::of_paths(["films/**", "**/*.{mov,mxf}", "新闻/[!a-c]?.srt", "[", "{a,{b,c}}/**/"]);
    let all = ClassRules { fallback: vec!["films/替.mp4".into(), "a".into()], ..ClassRules::default() };
    vec![ClassRules::of_paths(["films/**"]).encode(), all.encode(), paths.encode()]
}

fn statements() -> Result<Vec<Statement>> {
    let [root, operator, publisher, node] = [1, 2, 3, 4].map(|seed| Key::from_seed([seed; 32]));
    let founding = Body::Root(Root {
        version: 1,
        nonce: Salt::from_bytes([5; 32]),
        name: "films".into(),
        expires_ms: 0,
        roles: vec![
            Role::any_of(RoleKind::Root, [root.public()]),
            Role::any_of(RoleKind::Operator, [operator.public()]),
            Role::any_of(RoleKind::Publisher, [publisher.public()]),
        ],
        pins: Vec::new(),
        lists: Vec::new(),
    });
    let first = Statement::sign(Header { library: None, sequence: 1, time_ms: 1 }, &founding, &[&root])?;
    let library = Some(first.library());
    let sign = |sequence, body: &Body, keys: &[&Key]| {
        Statement::sign(Header { library, sequence, time_ms: 1_700_000_000_000 }, body, keys)
    };
    let manifest = chuan_engine::id::ManifestId::from_bytes([6; 32]);
    let release = sign(
        2,
        &Body::Release(Release {
            parents: vec![first.id()],
            manifest,
            message: "第二版".into(),
            classes: Vec::new(),
        }),
        &[&publisher],
    )?;
    let channel = Channel {
        name: "live".into(),
        release: release.id(),
        active: publisher.public(),
        follow: true,
        term: None,
    };
    let channel = sign(3, &Body::Channel(channel), &[&publisher, &operator])?;
    let terms = TicketTerms {
        key: Key::from_seed([8; 32]).public(),
        redeemers: vec![node.node()],
        classes: Classes::all(),
        verbs: Verbs::PULL,
        role: None,
        region: None,
        expires_ms: 1_900_000_000_000,
        uses: 1,
    };
    let ticket = sign(1, &Body::Ticket(terms), &[&operator])?;
    let member = Member {
        node: node.node(),
        key: node.public(),
        name: "镜像".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::new(vec!["news*".into(), "default".into()])?,
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: Some(ticket.id()),
    };
    let member = sign(1, &Body::Member(member), &[&node])?;
    let mut all = vec![first, release, channel, ticket, member];
    all.extend(later_kinds(&all, [&root, &operator, &publisher, &node])?);
    Ok(all)
}

/// Statements of the kinds that revoke, vouch and replace, and the optional tails of the earlier kinds.
fn later_kinds(said: &[Statement], [root, operator, publisher, node]: [&Key; 4]) -> Result<Vec<Statement>> {
    let [first, release, channel, ..] = said else { bail!("too few statements to go on from") };
    let (Body::Root(founding), Body::Channel(live)) = (first.body(), channel.body()) else {
        bail!("the statements are not in their order")
    };
    let library = Some(first.library());
    let sign = |sequence, body: &Body, keys: &[&Key]| {
        Statement::sign(Header { library, sequence, time_ms: 1_700_000_000_000 }, body, keys)
    };
    let mut pins = vec![release.id(), channel.id()];
    pins.sort_unstable();
    let pinning = Root { version: 2, pins, ..founding.clone() };
    let commitments = [Commitment::from_bytes([8; 32]), Commitment::from_bytes([9; 32])];
    let table = ClassTable { classes: (0..).zip(commitments).collect() };
    let class = |(slot, name): (u8, &str)| ReleaseClass {
        slot,
        name: name.to_owned(),
        commitment: commitments.get(usize::from(slot)).copied().unwrap_or(Commitment::from_bytes([0; 32])),
    };
    let classes = (0..).zip(["default", "trailers"]).map(class).collect();
    let listing = Release {
        parents: vec![release.id()],
        manifest: table.id(&first.library()),
        message: String::new(),
        classes,
    };
    let under = Channel { term: Some(channel.id()), ..live.clone() };
    let revoke = Revoke { node: node.node(), up_to: 7, reason: "lost 丢失".into() };
    let fresh = Fresh { channel: "live".into(), statement: channel.id() };
    let next = Key::from_seed([14; 32]);
    let succession =
        Succession { node: node.node(), old: node.public(), new: next.public(), grace_ms: 3_600_000 };
    let row = ClassPolicy {
        mirror: Some(Mirror::Incremental),
        replicas: 3,
        regions: vec!["cn-north".parse()?, "eu".parse()?],
        unknown: vec![Field { number: 77, critical: false, value: b"later".to_vec() }],
        ..ClassPolicy::default()
    };
    let unknown = vec![Field { number: 700, critical: true, value: Vec::new() }];
    let excludes = vec!["*.part".into(), "!值/".into()];
    let policy = Policy { junk: false, excludes, classes: [(0, row)].into(), unknown };
    let list = Pins { signer: next.public(), key: operator.public(), statements: vec![release.id()] };
    let checkpoint = Checkpoint { node: node.node(), count: 40, head: RecordId::from_bytes([6; 32]) };
    Ok(vec![
        sign(2, &Body::Root(pinning), &[root])?,
        sign(3, &Body::Release(listing), &[publisher])?,
        sign(4, &Body::Channel(under), &[publisher])?,
        sign(7, &Body::Revoke(revoke), &[operator])?,
        sign(1, &Body::Fresh(fresh), &[operator])?,
        sign(1, &Body::Succession(succession), &[node, &next])?,
        sign(40, &Body::Checkpoint(checkpoint), &[node])?,
        sign(1, &Body::Policy(policy), &[operator])?,
        sign(1, &Body::Pins(list), &[&next])?,
    ])
}

/// Files of roots at every stage of a change, and a bundle.
fn roots(statements: &[Statement]) -> Result<Vec<Vec<u8>>> {
    let first = statements.first().context("no root")?;
    let Body::Root(founding) = first.body() else { bail!("the first statement is no root") };
    let [root, second] = [1, 11].map(|seed| Key::from_seed([seed; 32]));
    let mut seeds = vec![Draft::found(founding.clone(), 1)?.encode()?];
    let mut draft = Draft::of(vec![first.clone()])?;
    seeds.push(draft.encode()?);
    let mut next = founding.clone();
    next.add_key(RoleKind::Root, &Classes::all(), second.public())?;
    next.set_threshold(RoleKind::Root, &Classes::all(), 2)?;
    draft.propose(next, 2)?;
    for key in [&root, &second] {
        seeds.push(draft.encode()?);
        draft.sign(key)?;
    }
    seeds.push(draft.encode()?);
    draft.settle()?;
    seeds.push(draft.encode()?);
    let library = Library::open(first.library(), [first.clone()], 1)?;
    let proposed = Proposed::revoke(&library, Key::from_seed([4; 32]).node(), "lost", 1);
    let mut request = ActRequest::new(&library, proposed)?;
    seeds.push(request.encode()?);
    request.sign(&Key::from_seed([2; 32]), 1)?;
    seeds.push(request.encode()?);
    seeds.push(Bundle { library: first.library(), statements: statements.to_vec() }.encode()?);
    Ok(seeds)
}

fn ticket() -> Result<Ticket> {
    Ok(Ticket {
        addresses: vec!["192.0.2.7:4433".into(), "[2001:db8::1]:4433".into()],
        issuer: NodeId::from_bytes([1; 32]),
        library: LibraryId::from_bytes([2; 32]),
        label: "films".into(),
        root_version: 1,
        expires_ms: 1_900_000_000_000,
        redeemers: vec![NodeId::from_bytes([1; 32])],
        key: Key::from_seed([9; 32]),
        statement: StatementId::from_bytes([3; 32]),
    })
}

/// Two chunks made from others, as a payload.
fn delta() -> Result<Bytes> {
    let (old, new) = (vec![b'o'; 3000], vec![b'n'; 3000]);
    let runs = vec![
        Run { have: 0, part: Part::Chunks { first: 70_000, count: 3 } },
        Run { have: 1, part: Part::Pages { first: PagePosition::ROOT, count: 1 } },
    ];
    let delta =
        Delta::make(DeltaKind::Chunks, runs, &old, vec![1000, 2000], &new, 3000).context("make a delta")?;
    Ok(Frame::Delta(delta).encode()?.payload)
}

fn frames(statements: &[Statement], pages: &[Vec<u8>]) -> Result<Vec<Frame>> {
    let (library, commitment) = (LibraryId::from_bytes([2; 32]), Commitment::from_bytes([3; 32]));
    let pull = Pull {
        library,
        want: Want::Channel("live".into()),
        classes: vec!["default".into()],
        have: vec![commitment],
        known: vec![StatementId::from_bytes([4; 32])],
        scope: Some(Scope(vec![(0, 10), (20, 5)])),
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Auto,
        announced: Some(StatementId::from_bytes([8; 32])),
    };
    let positions = vec![PagePosition { tree: TreeKind::Content, level: 1, ordinal: 77 }];
    let mut frames = vec![
        Frame::Hello(Hello {
            version: VERSION,
            node: NodeId::from_bytes([1; 32]),
            addresses: vec!["192.0.2.7:4433".into()],
            name: "镜像".into(),
            statements: statements.iter().map(|statement| statement.bytes().to_vec()).collect(),
            kinds: Kinds::KNOWN,
        }),
        Frame::Request(Request::Pull(pull)),
        Frame::Request(Request::Pages { library, commitment, positions }),
        Frame::Request(Request::Chunks {
            library,
            commitment,
            scope: Scope::of([1, 2, 9]),
            have: vec![commitment],
            packing: Packing::Smallest,
        }),
        Frame::Holding(Holding {
            heard: Some(StatementId::from_bytes([6; 32])),
            held: vec![StatementId::from_bytes([7; 32])],
        }),
        Frame::Request(Request::Join(Join {
            library,
            ticket: StatementId::from_bytes([4; 32]),
            name: "n".into(),
            role: 2,
            proof: [5; 64],
        })),
        Frame::Chunk(ChunkFrame {
            ordinal: 7,
            codec: ChunkCodec::Raw,
            raw_len: 5,
            data: Bytes::from_static(b"chunk"),
        }),
        Frame::decode(FrameKind::Delta, delta()?)?,
        Frame::End(End { complete: true, chunks: 1, chunk_bytes: 5 }),
        Frame::Error(Refusal::new(ErrorCode::Denied, "ask for a ticket\u{1b}[2J")),
    ];
    frames.extend(statements.first().map(|statement| Frame::Statement(statement.bytes().clone())));
    frames.extend(pages.first().map(|page| Frame::Page(Bytes::copy_from_slice(page))));
    Ok(frames)
}

/// For the target `frame`: in pieces of eight bytes.
fn as_stream(frame: &Frame) -> Result<Vec<u8>> {
    let encoded = frame.encode()?;
    Ok([&[7], encoded.head.as_ref(), encoded.payload.as_ref()].concat())
}

/// For the target `message`: the kind, and the payload without a frame around it.
fn as_message(frame: &Frame) -> Option<Result<Vec<u8>>> {
    let kind = match frame {
        Frame::Hello(_) => 0,
        Frame::Request(_) => 1,
        Frame::End(_) => 2,
        Frame::Error(_) => 3,
        _ => return None,
    };
    let seed = frame.encode().map(|encoded| {
        let whole = [encoded.head, encoded.payload].concat();
        [&[kind], whole.get(chuan_engine::sync::frame::HEADER_LEN..).unwrap_or_default()].concat()
    });
    Some(seed.map_err(Into::into))
}
