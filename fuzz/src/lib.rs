//! The bodies of the fuzz targets: one function each, without libFuzzer, so that the ordinary tests replay
//! the committed corpora through the same code.
//!
//! Each target decodes bytes that may come from a disk or a peer. It must not panic, hang or allocate beyond
//! its limit. Input that it accepts must, if the form is canonical, be encoded to exactly the same bytes.
//! Each target returns whether it accepted anything, so that a test notices a corpus of which nothing is
//! accepted.

use std::collections::BTreeSet;

use bytes::Bytes;
use chuan_engine::{
    audit::{Chain, Finding, Point, Record},
    id::{LibraryId, NodeId, Salt},
    ledger::{self, Mend, Outcome},
    manifest::{
        ClassRules,
        classifier::{Class, Classifier},
        page::Page,
        path::{EntryPath, collision_key},
        table::{ClassHeader, ClassTable},
    },
    segment::{
        Codec, Footer, Item, RecordKey, Scanner, SegmentHeader, SegmentId, SegmentName, Step, Tail, Trailer,
        footer,
    },
    statement::{
        Body, Bundle, Classes, Draft, Key, Kinds, Library, Member, NodeRole, Request as ActRequest, Root,
        Statement, Verbs,
        library::{self, Founders, found},
        ticket::Ticket,
    },
    sync::{
        delta::Delta,
        exchange::{self, Exchange, Talk},
        frame::{Assembler, Frame},
        message::{End, Hello, Refusal, Request},
    },
};

mod answer;
mod fetch;
mod home;
mod input;
mod ledgers;
pub mod meter;
mod points;
mod sets;
pub mod targets;
mod world;

use self::fetch::pull;
pub use self::{
    answer::answer, fetch::fetch, home::index, ledgers::ledgers, points::points, sets::set, targets::TARGETS,
};

/// An audit log, read in pieces and whole: the first byte is the length of the pieces.
pub fn audit(bytes: &[u8]) -> bool {
    let Some((step, log)) = bytes.split_first() else { return false };
    let mut rest = log;
    while let Ok(Some((record, len))) = Record::decode_front(rest) {
        let (whole, after) = rest.split_at(len);
        assert_eq!(record.encode().ok().as_deref(), Some(whole), "a record has one form");
        rest = after;
    }
    let walk = |step: usize| {
        let mut chain = Chain::new(Point::START, []);
        log.chunks(step).for_each(|piece| chain.push(piece, |_, _| {}));
        chain.finish()
    };
    let whole = walk(log.len().max(1));
    assert_eq!(whole, walk(usize::from(*step) + 1), "how a log is cut into buffers must not matter");
    // Checked against its own end, the whole log is proved; checked against any other point, nothing is.
    let held = |point: Point| {
        let mut chain = Chain::new(Point::START, [point]);
        chain.push(log, |_, _| {});
        chain.finish()
    };
    assert_eq!(held(whole.at).proved, whole.at.count);
    let longer = Point { count: whole.at.count + 1, ..whole.at };
    assert!(matches!(held(longer).finding, Finding::Altered { .. }), "a shortened log is found");
    whole.at.count > 0
}

/// Two copies of a ledger: the first two bytes are the length of the first one. The valid records are written
/// anew, and the result is read back unchanged.
pub fn ledger(bytes: &[u8]) -> bool {
    let Some((len, rest)) = bytes.split_first_chunk::<2>() else { return false };
    let (a, b) = rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()));
    let [a, b] = [a, b].map(Bytes::copy_from_slice);
    let node = NodeId::from_bytes([7; 32]);
    let Outcome::Open(plan) = ledger::plan(&node, [Some(&a), Some(&b)]) else { return false };
    let carried = plan.carried();
    let Ok(image) = ledger::image::image(plan.identity, plan.highest, &carried) else { return false };
    let image = Bytes::from(image.bytes);
    let Outcome::Open(again) = ledger::plan(&node, [Some(&image), Some(&image)]) else {
        panic!("a ledger that was written is not accepted");
    };
    assert_eq!(again.mend, Mend::None);
    assert_eq!(again.highest, plan.highest);
    assert_eq!(again.carried(), carried);
    !carried.is_empty()
}

/// A stream of frames, arriving in pieces: the first byte is the length of the pieces.
pub fn frame(bytes: &[u8]) -> bool {
    let Some((step, stream)) = bytes.split_first() else { return false };
    let whole = frames(stream, stream.len().max(1));
    let pieces = frames(stream, usize::from(*step) + 1);
    assert_eq!(whole, pieces, "how a stream is cut into buffers must not matter");
    let taken = !whole.is_empty();
    for frame in whole {
        let encoded = frame.encode().expect("an accepted frame can be sent");
        let stream = [encoded.head, encoded.payload].concat();
        assert_eq!(frames(&stream, stream.len()), [frame]);
    }
    taken
}

/// The frames of a stream up to its first fault.
fn frames(stream: &[u8], step: usize) -> Vec<Frame> {
    let mut assembler = Assembler::default();
    let mut found = Vec::new();
    for piece in stream.chunks(step) {
        assembler.push(Bytes::copy_from_slice(piece));
        loop {
            match assembler.next() {
                Ok(Some(frame)) => found.push(frame),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

/// A control message: the first byte is its kind.
pub fn message(bytes: &[u8]) -> bool {
    let Some((kind, bytes)) = bytes.split_first() else { return false };
    match kind % 4 {
        0 => Hello::decode(bytes).is_ok(),
        1 => {
            let request = Request::decode(bytes);
            if let Ok(Request::Chunks { scope, .. }) = &request {
                let mut end = 0;
                for range in scope.ranges() {
                    assert!(range.start >= end && range.end > range.start, "ranges ascend and are not empty");
                    end = range.end;
                }
            }
            request.is_ok()
        }
        2 => End::decode(bytes).is_ok(),
        _ => {
            let Ok(refusal) = Refusal::decode(bytes) else { return false };
            let text = refusal.into_error().to_string();
            assert!(!text.contains('\u{1b}'), "a peer's text reaches a terminal without control characters");
            true
        }
    }
}

/// A delta, made from bytes that both sides have: here, its own encoding twice.
pub fn delta(bytes: &[u8]) -> bool {
    let Ok(delta) = Delta::decode(bytes) else { return false };
    let prefix = [bytes, bytes].concat();
    if let Ok(made) = delta.apply(&prefix) {
        assert_eq!(made.len(), delta.raw_len(), "a delta makes as much as it declares");
    }
    true
}

/// A page of a tree.
pub fn page(bytes: &[u8]) -> bool {
    let Ok(page) = Page::decode(bytes) else { return false };
    assert_eq!(page.encode(), bytes, "a page has one form");
    assert!(page.sums().is_ok(), "an accepted page can be summed");
    true
}

/// A class table, or a class header.
pub fn table(bytes: &[u8]) -> bool {
    if let Ok(table) = ClassTable::decode(bytes) {
        assert_eq!(table.encode(), bytes, "a class table has one form");
        return true;
    }
    let Ok(header) = ClassHeader::decode(bytes) else { return false };
    assert_eq!(header.encode(), bytes, "a class header has one form");
    true
}

/// A class's policy, and the result of its patterns for some paths.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(policy) = ClassRules::decode(bytes) else { return false };
    assert_eq!(policy.encode(), bytes, "a class policy has one form");
    let class = Class { slot: 1, name: "films".into(), policy, is_ours: true };
    let Ok(classifier) = Classifier::new(vec![Class::default_class(), class]) else { return true };
    for text in ["a", "films/a.mov", "films/长江/a.b.srt"] {
        let path = EntryPath::new(text).expect("a path");
        assert!(classifier.class_of(&path).is_ok(), "where one class has patterns, none contradict");
        assert!(classifier.class_of_folder(&path).is_some(), "every folder has a class");
    }
    true
}

/// A statement's envelope and body, and the signatures if both are well-formed. Returns its kind, and the
/// optional tail of its body.
pub fn statement(bytes: &[u8]) -> Vec<&'static str> {
    let Ok(statement) = Statement::decode(bytes) else { return Vec::new() };
    assert_eq!(statement.bytes().as_ref(), bytes, "a statement is kept as received");
    let signers = statement.signers().count();
    if let Ok(keys) = statement.verify_signatures() {
        assert!(!keys.is_empty() && keys.len() <= signers, "each key is counted once");
    }
    let tail = match statement.body() {
        Body::Root(root) => (!root.pins.is_empty()).then_some("pins"),
        Body::Release(release) => (!release.classes.is_empty()).then_some("classes"),
        Body::Channel(channel) => channel.term.map(|_| "term"),
        _ => None,
    };
    [statement.kind().name()].into_iter().chain(tail).collect()
}

/// One request of an exchange, which a small library answers for its member; or the answers to all requests
/// of an exchange. The first byte selects the side. Returns the kind of the answered request, or the kinds of
/// the requests whose answers were complete.
pub fn exchange(bytes: &[u8]) -> Vec<&'static str> {
    let Some((side, bytes)) = bytes.split_first() else { return Vec::new() };
    let library = small_library();
    let member = Key::from_seed([4; 32]).node();
    if side % 2 == 0 {
        let Ok(Request::Exchange { talk, .. }) = Request::decode(bytes) else { return Vec::new() };
        let name = name_of(&talk).0;
        let answer = |talk, peer: NodeId| exchange::answer(&library, Kinds::KNOWN, talk, &peer, 1);
        assert!(answer(talk.clone(), NodeId::from_bytes([0; 32])).is_err());
        let reply = answer(talk, member).expect("a member is answered");
        assert!(matches!(reply.frames.last(), Some(Frame::End(_))), "an answer ends");
        let mut library = library;
        for envelope in &reply.offered {
            if let Ok(statement) = Statement::decode(envelope) {
                let _ = library.offer(&statement, 1);
            }
        }
        return vec![name];
    }
    let mut asking = Exchange::new(library, Kinds::KNOWN);
    let mut answers = Assembler::default();
    answers.push(Bytes::copy_from_slice(bytes));
    let mut taken = Vec::new();
    while let Some(Request::Exchange { talk, .. }) = asking.poll_request() {
        if !take_answer(&mut asking, &mut answers) {
            break;
        }
        taken.push(name_of(&talk).1);
    }
    let received = asking.take_received();
    assert!(
        received.iter().all(|envelope| Statement::decode(envelope).is_ok()),
        "a kept statement can be read"
    );
    taken
}

/// Handles frames up to the end of an answer; returns whether the end arrived.
fn take_answer(asking: &mut Exchange, answers: &mut Assembler) -> bool {
    while let Ok(Some(frame)) = answers.next() {
        let ends = matches!(frame, Frame::End(_));
        if asking.handle(frame).is_err() {
            return false;
        }
        if ends {
            return true;
        }
    }
    false
}

/// The name of an answered request, and the name of a received answer.
fn name_of(talk: &Talk) -> (&'static str, &'static str) {
    match talk {
        Talk::Digest(_) => ("digest", "answer to digest"),
        Talk::Known { .. } => ("known", "answer to known"),
        Talk::Offer(_) => ("offer", "answer to offer"),
    }
}

/// A library with a root and one member, the node of key 4.
fn small_library() -> Library {
    let [root, operator, publisher, node] = [1, 2, 3, 4].map(|seed| Key::from_seed([seed; 32]));
    let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
    let (id, first) = found("films", keys, Salt::from_bytes([5; 32]), 1).expect("a first root");
    let member = Member {
        node: node.node(),
        key: node.public(),
        name: "mirror".into(),
        role: NodeRole::Mirror,
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    let mut library = Library::new(id);
    let _ = library.offer(&first, 1);
    let member = library::member(&library, &operator, member, 1).expect("a member");
    let _ = library.offer(&member, 1);
    library
}

/// A file of roots, or a bundle of statements, as people exchange them on a USB stick. Returns which one it
/// is.
pub fn root(bytes: &[u8]) -> Option<&'static str> {
    if let Ok(mut draft) = Draft::decode(bytes) {
        assert_eq!(draft.encode().ok().as_deref(), Some(bytes), "a file of roots has one form");
        let library = draft.library();
        let complete = draft.complete().expect("an accepted proposal can become a statement");
        let roots = draft.statements().expect("and so can all");
        assert_eq!(complete.is_some(), draft.proposal().is_some() && draft.waiting_for().is_empty());
        if !roots.is_empty() {
            let known =
                Library::open(library, roots, 1).expect("the roots of the file are those of its library");
            let newest = draft.newest().expect("there is a root");
            let next = Root { expires_ms: newest.expires_ms ^ 1, ..newest.clone() };
            let version = known.root().map_or(0, |root| root.version);
            draft.propose(next, 2).expect("a root can be followed");
            assert_eq!(draft.newest().map(|root| root.version), Some(version + 1), "no version is skipped");
        }
        return Some("draft");
    }
    if let Ok(request) = ActRequest::decode(bytes) {
        assert_eq!(request.encode().ok().as_deref(), Some(bytes), "a request file has one form");
        let complete = request.complete().expect("an act that enough keys signed can become a statement");
        assert_eq!(complete.is_some(), request.waiting_for().is_empty());
        return Some("request");
    }
    let Ok(bundle) = Bundle::decode(bytes) else { return None };
    assert_eq!(bundle.encode().ok().as_deref(), Some(bytes), "a bundle has one form");
    let _ = Library::open(bundle.library, bundle.statements, 1);
    Some("bundle")
}

/// A ticket's text.
pub fn ticket(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(ticket) = text.parse::<Ticket>() else { return false };
    let again = ticket.to_text().expect("an accepted ticket can be passed on");
    let parsed: Ticket = again.parse().expect("and read again");
    assert_eq!(parsed.to_text().ok(), Some(again), "and is the same then");
    true
}

/// A path of a manifest.
pub fn path(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(path) = EntryPath::new(text) else { return false };
    assert_eq!(path.as_str(), text, "a path is kept byte for byte");
    assert!(path.components().all(|part| !matches!(part, "" | "." | "..") && !part.contains('/')));
    assert!(!text.contains('\0') && !text.starts_with('/'));
    let key = collision_key(path.as_str());
    assert_eq!(key.split('/').count(), path.components().count(), "folding keeps the components");
    true
}

/// A segment: its header, records and footer. The name is fixed, as if the file's own header had been read.
/// Returns the accepted parts.
pub fn segment(bytes: &[u8]) -> BTreeSet<&'static str> {
    let mut taken = scan(bytes);
    let block = bytes.get(..4096).unwrap_or(bytes);
    let header = SegmentHeader::decode(block);
    assert!(header.is_err() || SegmentHeader::other_version(block).is_none(), "a header has one version");
    taken.extend(header.is_ok().then_some("header"));
    let footer = bytes
        .last_chunk::<{ footer::TRAILER_BYTES }>()
        .and_then(|trailer| Trailer::decode(trailer, bytes.len() as u64).ok())
        .is_some_and(|trailer| check_footer(bytes, trailer));
    taken.extend(footer.then_some("footer"));
    taken
}

/// Decodes the footer that a trailer describes; returns whether it, or its tail, is valid.
fn check_footer(bytes: &[u8], trailer: Trailer) -> bool {
    let tail_at = bytes.len() - usize::try_from(trailer.tail_len()).expect("a tail that is in memory");
    let tail = Tail::decode(bytes.get(tail_at..).expect("a trailer fits its file"), trailer);
    let bytes = bytes.get(trailer.footer_offset as usize..).expect("a trailer fits its file");
    let Ok(mut footer) = Footer::decode(bytes, trailer) else { return tail.is_ok() };
    assert_eq!(footer.encode(trailer.footer_offset), bytes, "a footer has one form");
    assert_eq!(tail.expect("the tail of a footer that was taken").trailer, trailer);
    true
}

/// Scans the bytes to their end; returns the kinds of records found.
fn scan(bytes: &[u8]) -> BTreeSet<&'static str> {
    let end = bytes.len() as u64;
    let name = SegmentName { id: SegmentId::from_bytes([7; 16]), library: LibraryId::from_bytes([8; 32]) };
    let mut scanner = Scanner::new(name, 0, end);
    let mut records = BTreeSet::new();
    let mut want = 0;
    // Every step either advances, or asks for more than it had.
    for _ in 0..=4 * bytes.len() + 16 {
        let from = usize::try_from(scanner.offset()).expect("a segment's offset");
        let left = bytes.get(from..).expect("a scan stays within its segment");
        match scanner.step(left.get(..want).unwrap_or(left)) {
            Step::Need(more) => {
                assert!(
                    more <= left.len() || scanner.offset() > from as u64,
                    "it asks for more than there is"
                );
                want = more;
            }
            Step::Found(item) => {
                records.extend(check_item(&item, end));
                want = 0;
            }
            Step::End => return records,
        }
    }
    panic!("a scan does not end");
}

/// Checks that an item lies within the segment; returns its kind if it is complete.
fn check_item(item: &Item<'_>, end: u64) -> Option<&'static str> {
    match item {
        Item::Record { offset, header, payload } => {
            assert!(offset + header.total_len() <= end, "a record lies within its segment");
            let bytes = header.unpack((*payload)?).expect("a whole payload unpacks");
            assert!(bytes.len() == header.raw_len as usize || matches!(header.codec, Codec::Reserved(_)));
            Some(match (header.key, header.codec) {
                (_, Codec::Zstd) => "packed",
                (RecordKey::Reserved(..), _) => "reserved",
                (RecordKey::Chunk(_), _) => "chunk",
                (RecordKey::Page(_), _) => "page",
                (RecordKey::Marker(_), _) => "other",
            })
        }
        Item::Marker { offset, .. } => {
            assert!(*offset < end);
            None
        }
        Item::Gap { from, to, .. } => {
            assert!(from < to && *to <= end, "a gap is not empty");
            None
        }
    }
}
