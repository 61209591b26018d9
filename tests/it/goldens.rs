//! Compares the hex blocks of `docs/format.md` and `docs/protocol.md` with the output of the code.
//!
//! `CHUAN_BLESS=1` rewrites them; a change here is a change of the format or protocol and needs a new version
//! number.

#![expect(
    clippy::unwrap_used,
    reason = "a failure here is a golden that cannot be made, and so a failed test"
)]

use std::{collections::BTreeMap, env, fs, path::Path};

use bytes::Bytes;
use chuan_engine::{
    audit::{Actor, Event, Record, Verb},
    chunk::Profile,
    id::{ChunkId, Commitment, LibraryId, ManifestId, NodeId, PageId, RecordId, Salt, SaltKey, StatementId},
    ledger::{FrameId, Header as LedgerHeader, Identity, LedgerId, LedgerRecord, frame},
    manifest::{
        ChunkRef, Content, Entry, EntryKind, EntryPath, Sums, Timestamp,
        page::{ChunkChild, EntryChild, Items, Page, TreeKind},
        policy::ClassRules,
        position::PagePosition,
        table::{ClassHeader, ClassTable},
    },
    segment::{
        Codec, Footer, FooterEntry, Marker, RecordAddress, RecordHeader, RecordKey, SegmentHeader, SegmentId,
        SegmentName,
    },
    statement::{
        Body, Channel, ClassPolicy, Classes, Header, Key, Kinds, Member, NodeRole, Policy, Release, RoleKind,
        Statement, Verbs,
    },
    sync::{
        delta::{Delta, DeltaKind, Part, Run},
        frame::{ChunkCodec, ChunkFrame, Frame},
        message::{
            End, ErrorCode, Hello, Holding, Mode, Packing, Pull, Refusal, Request, Scope, VERSION, Want,
        },
    },
};

#[test]
fn the_format_page_shows_what_the_code_writes() {
    check("docs/format.md", &[pages(), tables(), statements(), segments(), ledger(), records()].concat());
}

#[test]
fn the_protocol_page_shows_what_the_code_sends() {
    check("docs/protocol.md", &frames());
}

/// A golden's name and bytes.
type Golden = (&'static str, Vec<u8>);

fn check(page: &str, goldens: &[Golden]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let text = fs::read_to_string(&path).unwrap();
    let wanted = render(&text, &goldens.iter().cloned().collect());
    if env::var_os("CHUAN_BLESS").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        assert!(
            text == wanted,
            "{page} no longer shows what the code writes: CHUAN_BLESS=1 writes it anew, then read the diff"
        );
    }
}

/// The page with the current hex block of every golden. Fails on a name without a golden, and on a golden
/// without a name.
fn render(text: &str, goldens: &BTreeMap<&str, Vec<u8>>) -> String {
    let mut out = Vec::new();
    let mut lines = text.lines().peekable();
    let mut left = goldens.clone();
    while let Some(line) = lines.next() {
        out.push(line.to_owned());
        let Some(name) = line.strip_prefix("<!-- golden: ").and_then(|rest| rest.strip_suffix(" -->")) else {
            continue;
        };
        if lines.peek().is_some_and(|next| next.starts_with("```text golden")) {
            lines.by_ref().take_while(|line| *line != "```").for_each(drop);
        }
        let bytes =
            left.remove(name).unwrap_or_else(|| panic!("no golden is named `{name}`, or it stands twice"));
        out.push(format!("```text golden {name}"));
        out.extend(dump(&bytes));
        out.push("```".to_owned());
    }
    assert!(left.is_empty(), "goldens that no page shows: {:?}", left.keys());
    out.join("\n") + "\n"
}

/// Sixteen bytes a line; a run of equal lines is shown once.
fn dump(bytes: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    let mut last: Option<&[u8]> = None;
    for (index, line) in bytes.chunks(16).enumerate() {
        if last == Some(line) && (index + 1) * 16 < bytes.len() {
            if out.last().is_none_or(|line| line != "*") {
                out.push("*".to_owned());
            }
            continue;
        }
        last = Some(line);
        let hex: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push(format!("{:04x}  {}", index * 16, hex.join(" ")));
    }
    out
}

fn page(level: u8, items: Items) -> Vec<u8> {
    let bytes = Page { slot: 0, level, items: items.clone() }.encode();
    assert_eq!(Page::decode(&bytes).unwrap().items, items);
    bytes
}

fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

fn chunk(text: &str) -> ChunkRef {
    ChunkRef { id: ChunkId::of(text.as_bytes()), len: u32::try_from(text.len()).unwrap() }
}

/// The library of the examples.
fn films() -> LibraryId {
    LibraryId::of(b"first root")
}

fn pages() -> Vec<Golden> {
    let note = Entry {
        kind: EntryKind::File,
        size: 5,
        mtime: Timestamp { seconds: 1_700_000_000, nanos: 5 },
        mode: 0o644,
        profile: Profile::Fine,
        content: Content::Inline(vec![chunk("river")]),
        target: None,
        extensions: Vec::new(),
    };
    let film = Entry {
        size: 1 << 30,
        profile: Profile::Video,
        content: Content::Tree { root: PageId::of(&films(), b"tree"), chunks: 16_384 },
        ..note.clone()
    };
    let child = PageId::of(&films(), b"child");
    let below = Sums { chunks: 64, bytes: 4 << 20, ..Sums::default() };
    let entries = Sums { entries: 64, files: 60, ..below };
    vec![
        (
            "page-entries",
            page(0, Items::Entries(vec![(path("films/川.mp4"), film), (path("films/川.txt"), note)])),
        ),
        ("page-chunks", page(0, Items::Chunks(vec![chunk("river"), chunk("bank")]))),
        (
            "page-chunk-index",
            page(
                1,
                Items::ChunkIndex(vec![
                    ChunkChild { id: child, sums: below },
                    ChunkChild { id: child, sums: below },
                ]),
            ),
        ),
        (
            "page-entry-index",
            page(
                1,
                Items::EntryIndex(vec![
                    EntryChild { last: path("films/m"), id: child, sums: entries },
                    EntryChild { last: path("films/z"), id: child, sums: entries },
                ]),
            ),
        ),
    ]
}

fn header() -> ClassHeader {
    let root = PageId::of(&films(), b"root");
    ClassHeader {
        name: "default".to_owned(),
        slot: 0,
        salt: Salt::of_class(&SaltKey::of_publisher(&[7; 32]), &root),
        root,
        level: 1,
        sums: Sums { entries: 128, files: 120, chunks: 128, bytes: 8 << 20 },
        policy: Vec::new(),
    }
}

fn tables() -> Vec<Golden> {
    let table = ClassTable { classes: vec![(0, header().id(&films()))] };
    let paths = ClassRules::of_paths(["masters/**", "**/*.mov"]);
    let policy = ClassRules { fallback: vec!["masters/closed.mov".into()], ..paths };
    vec![
        ("class-table", table.encode()),
        ("class-header", header().encode()),
        ("class-policy", policy.encode()),
    ]
}

fn statements() -> Vec<Golden> {
    let key = Key::from_seed([1; 32]);
    let library = films();
    let sign = |sequence, body| {
        let header = Header { library: Some(library), sequence, time_ms: 1_700_000_000_000 };
        Statement::sign(header, &body, &[&key]).unwrap().bytes().to_vec()
    };
    let manifest = ManifestId::of(&films(), b"table");
    let release = Body::Release(Release {
        parents: Vec::new(),
        manifest,
        message: "first reels".to_owned(),
        classes: Vec::new(),
    });
    let release = sign(1, release);
    let named = Statement::decode(&release).unwrap().id();
    let live =
        Channel { name: "live".to_owned(), release: named, active: key.public(), follow: true, term: None };
    let member = Member {
        node: key.node(),
        key: key.public(),
        name: "mirror".to_owned(),
        role: NodeRole::Mirror,
        region: Some("eu".parse().unwrap()),
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    let row = ClassPolicy { priority: 200, max_stale_ms: 600_000, ..ClassPolicy::default() };
    let policy =
        Policy { excludes: vec!["*.part".to_owned()], classes: [(2, row)].into(), ..Policy::default() };
    vec![
        ("statement-release", release),
        ("statement-channel", sign(1, Body::Channel(live))),
        ("statement-member", sign(1, Body::Member(member))),
        ("statement-policy", sign(1, Body::Policy(policy))),
    ]
}

fn ledger() -> Vec<Golden> {
    let identity = Identity {
        node: NodeId::of(&[7; 32]),
        ledger: LedgerId::from_bytes(*b"0123456789abcdef"),
        generation: 3,
    };
    let header = LedgerHeader { identity, base: 40, records: 0 };
    let mut record = LedgerRecord::found(41, 12);
    record.library = Some(LibraryId::of(b"films"));
    let frame =
        |record| frame::encode(&identity, &FrameId::of(&header.encode()), &[record]).unwrap().to_vec();
    let (found, closing) = (frame(record), frame(LedgerRecord::closing(40, 0)));
    for bytes in [&found, &closing] {
        assert_eq!(frame::decode_front(&bytes.clone().into(), &identity).unwrap().records.len(), 1);
    }
    vec![("ledger-header", header.encode().to_vec()), ("ledger-frame", found), ("ledger-closing", closing)]
}

fn records() -> Vec<Golden> {
    let key = Key::from_seed([3; 32]).public();
    let event = Event::new(Verb::Channel, "live -> films@12")
        .by(Actor::Role { key, role: RoleKind::Publisher })
        .of(LibraryId::of(b"films"))
        .refused("a newer one stands");
    let prev = RecordId::of(b"the record before");
    let record = Record { index: 7, time_ms: 1_700_000_000_000, prev, arrival: 40, event };
    let bytes = record.encode().unwrap();
    assert_eq!(Record::decode_front(&bytes).unwrap(), Some((record, bytes.len())));
    vec![("audit-record", bytes)]
}

fn segments() -> Vec<Golden> {
    let segment = SegmentId::from_bytes([0xab; 16]);
    let place = |offset| RecordAddress { segment, offset };
    let key = RecordKey::Chunk(ChunkId::of(b"river"));
    let marker = RecordKey::Marker(Marker { segment, group: 9, records: 1, start: 4096 });
    let name = SegmentName { id: segment, library: LibraryId::from_bytes([0xcd; 32]) };
    let record = FooterEntry { key, codec: Codec::Raw, offset: 4096, raw_len: 5, stored_len: 5 };
    vec![
        ("segment-header", SegmentHeader { name, number: 3 }.encode()),
        ("record-header", RecordHeader::raw(key, b"river").encode(place(4096)).to_vec()),
        ("marker", RecordHeader::raw(marker, b"").encode(place(4157)).to_vec()),
        ("footer", Footer { segment: name, entries: vec![record] }.encode(8192)),
    ]
}

fn frames() -> Vec<Golden> {
    let library = films();
    let commitment = Commitment::of(&films(), b"header");
    let hello = Hello {
        version: VERSION,
        node: NodeId::of(Key::from_seed([2; 32]).public().as_bytes()),
        addresses: vec!["198.51.100.7:4040".to_owned()],
        name: "mirror".to_owned(),
        statements: Vec::new(),
        kinds: Kinds::from_bits(0x7be),
    };
    let pull = Pull {
        library,
        want: Want::Channel("live".to_owned()),
        classes: Vec::new(),
        have: vec![commitment],
        known: vec![StatementId::of(b"release")],
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Auto,
        announced: Some(StatementId::of(b"newer release")),
    };
    let position = PagePosition { tree: TreeKind::Content, level: 1, ordinal: 70_000 };
    let pages = Request::Pages { library, commitment, positions: vec![position] };
    let scope = Scope(vec![(0, 3), (70_000, 1)]);
    let have = vec![Commitment::of(&library, b"older header")];
    let chunks = Request::Chunks { library, commitment, scope, have, packing: Packing::Smallest };
    let holding =
        Holding { heard: Some(StatementId::of(b"channel")), held: vec![StatementId::of(b"release")] };
    let river = ChunkFrame {
        ordinal: 70_000,
        codec: ChunkCodec::Raw,
        raw_len: 5,
        data: Bytes::from_static(b"river"),
    };
    let delta = Delta {
        kind: DeltaKind::Chunks,
        base: vec![Run { have: 0, part: Part::Chunks { first: 70_000, count: 2 } }],
        lens: vec![65_536, 70_000],
        data: b"zstd".to_vec(),
    };
    let refusal = Refusal::new(ErrorCode::Denied, "");
    let send = |frame: Frame| {
        let encoded = frame.encode().unwrap();
        [encoded.head, encoded.payload].concat()
    };
    vec![
        ("frame-hello", send(Frame::Hello(hello))),
        ("frame-request-pull", send(Frame::Request(Request::Pull(pull)))),
        ("frame-request-pages", send(Frame::Request(pages))),
        ("frame-request-chunks", send(Frame::Request(chunks))),
        ("frame-chunk", send(Frame::Chunk(river))),
        ("frame-delta", send(Frame::Delta(delta))),
        ("frame-end", send(Frame::End(End { complete: true, chunks: 1, chunk_bytes: 5 }))),
        ("frame-error", send(Frame::Error(refusal))),
        ("frame-holding", send(Frame::Holding(holding))),
    ]
}
