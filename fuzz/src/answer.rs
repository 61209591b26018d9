//! The target `answer`: requests of one peer after another, to a node that holds a small library.

use std::{collections::HashSet, sync::Arc};

use chuan_engine::{
    error::Error,
    id::{ChunkId, Commitment, ManifestId, NodeId, PageId, StatementId},
    manifest::position::{PagePosition, ROOT_LEVEL},
    statement::{Key, Library, library::revoke},
    store::ObjectId,
    sync::{
        delta::{DeltaKind, Part},
        frame::Frame,
        message::{Mode, Packing, Pull, Refusal, Request, Scope, Want},
        session::Answer,
    },
};

use super::{
    input::Input,
    meter,
    world::{LIVE, NOW_MS, Recorder, World},
};

/// Requests in one input at most.
const REQUESTS: usize = 8;

/// A sequence of requests; returns the kinds of answers that ended.
///
/// An input is a sequence of: peer u8 | kind u8 | the request's fields | frames that the peer takes u8.
pub fn answer(bytes: &[u8]) -> Vec<&'static str> {
    let world = World::get();
    let mut library = world.library.clone();
    let mut input = Input::new(bytes);
    let mut ended = Vec::new();
    for _ in 0..REQUESTS {
        let Some(peer) = input.next() else { break };
        if peer == 255 {
            // An operator revokes the mirror.
            let made = revoke(&library, &Key::from_seed([2; 32]), world.mirror, "a test", NOW_MS);
            let _ = library.offer(&made.expect("an operator may revoke"), NOW_MS);
        }
        let peer = [world.mirror, world.limited, world.stranger].get(usize::from(peer % 3)).copied();
        let peer = peer.unwrap_or(world.stranger);
        let Some(request) = request(world, &mut input) else { continue };
        ended.extend(reply(world, &library, &peer, &request, input.u8()));
    }
    ended
}

/// A request: raw bytes, or fields that the input chooses.
fn request(world: &World, input: &mut Input<'_>) -> Option<Request> {
    let library = world.library.id();
    let commitments: Vec<Commitment> = world.classes.iter().flatten().copied().collect();
    let commitment = |input: &mut Input<'_>| match input.u8() {
        255 => Some(Commitment::from_bytes([255; 32])),
        at => commitments.get(usize::from(at) % commitments.len()).copied(),
    };
    let made = match input.u8() % 4 {
        0 => return Request::decode(input.bytes(4096)).ok(),
        1 => Request::Pull(pull(world, &commitments, input)),
        2 => {
            let commitment = commitment(input)?;
            let positions = (0..=input.u8() % 32).map(|_| position(input)).collect();
            Request::Pages { library, commitment, positions }
        }
        _ => {
            let commitment = commitment(input)?;
            let scope = scope(input);
            let have = (0..input.u8() % 5).filter_map(|_| input.one(&commitments).copied()).collect();
            Request::Chunks { library, commitment, scope, have, packing: packing(input) }
        }
    };
    // A request that the decoder refuses never reaches an answer.
    let payload = Frame::Request(made).encode().ok()?.payload;
    Request::decode(&payload).ok()
}

fn pull(world: &World, commitments: &[Commitment], input: &mut Input<'_>) -> Pull {
    let bits = input.u8();
    let bit = |at: u8| bits >> at & 1 == 1;
    let release = |input: &mut Input<'_>| match input.u8() {
        255 => Some(StatementId::from_bytes([255; 32])),
        at => world.releases.get(usize::from(at) % world.releases.len()).copied(),
    };
    let want = match (bit(0), release(input)) {
        (true, Some(release)) => Want::Release(release),
        _ => Want::Channel(if bit(7) { "other".into() } else { LIVE.into() }),
    };
    let names = ["default", "trailers", "empty", "absent"].map(str::to_owned);
    let known: Vec<_> = world.statements.iter().map(chuan_engine::statement::Statement::id).collect();
    Pull {
        library: world.library.id(),
        want,
        classes: if bit(1) { input.some(&names) } else { Vec::new() },
        have: if bit(2) { input.some(commitments) } else { Vec::new() },
        known: if bit(3) { input.some(&known) } else { Vec::new() },
        scope: bit(4).then(|| scope(input)),
        mode: if bit(5) { Mode::Pages } else { Mode::All },
        budget: if bit(6) { input.number() } else { u64::MAX },
        packing: packing(input),
        announced: if bit(7) { release(input) } else { None },
    }
}

fn packing(input: &mut Input<'_>) -> Packing {
    match input.u8() % 3 {
        0 => Packing::Smallest,
        1 => Packing::Fastest,
        _ => Packing::Auto,
    }
}

/// Ascending ranges, or any ranges.
fn scope(input: &mut Input<'_>) -> Scope {
    let how = input.u8();
    let mut next = 0u64;
    let ranges = (0..=how % 32).map(|_| {
        let (gap, count) = (input.number(), input.number().max(1));
        let first = if how & 128 == 0 { next.saturating_add(gap) } else { gap };
        next = first.saturating_add(count).saturating_add(1);
        (first, count)
    });
    Scope(ranges.collect())
}

fn position(input: &mut Input<'_>) -> PagePosition {
    let bits = input.u8();
    PagePosition {
        tree: match bits & 1 {
            0 => chuan_engine::manifest::TreeKind::Entries,
            _ => chuan_engine::manifest::TreeKind::Content,
        },
        level: if bits & 2 == 0 { ROOT_LEVEL } else { bits >> 2 & 7 },
        ordinal: input.number(),
    }
}

/// Answers a request and checks the answer; returns its kind if it was sent to its end.
fn reply(
    world: &World,
    library: &Library,
    peer: &NodeId,
    request: &Request,
    takes: u8,
) -> Option<&'static str> {
    let store = Arc::new(Recorder::new(world.objects.clone()));
    let answer = Answer::new(Arc::clone(&store) as _, &world.ledger, library, request.clone(), peer, NOW_MS);
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return refused(world, library, peer, request, &error),
    };
    assert!(library.is_member(peer, NOW_MS), "only a member is answered");
    let most = if takes == 0 { usize::MAX } else { usize::from(takes) };
    let mut frames = Vec::new();
    let mut take = |frame: Frame| {
        meter::received(frame.encode().expect("a frame within its bounds").len() + 64);
        frames.push(frame);
        frames.len() < most
    };
    let went = answer.run(&mut take);
    match (&went, frames.len() < most) {
        (Ok(()), _) => {}
        (Err(Error::Cancelled), false) => {}
        (Err(error), _) => panic!("an answer from a sound store failed: {error}"),
    }
    check_frames(world, library, peer, request, &frames);
    assert!(store.take().is_empty(), "an answer stores nothing");
    let is_whole = matches!(frames.last(), Some(Frame::End(_)));
    let has = |kind: fn(&Frame) -> bool| frames.iter().any(kind);
    match request {
        _ if !is_whole => Some("cut"),
        Request::Pull(_) if has(|frame| matches!(frame, Frame::Holding(_))) => Some("holding"),
        Request::Pull(_) if has(|frame| matches!(frame, Frame::Delta(_))) => Some("pull with deltas"),
        Request::Pull(_) => Some("pull"),
        Request::Pages { .. } => Some("pages"),
        _ if has(|frame| matches!(frame, Frame::Delta(_))) => Some("chunks as deltas"),
        _ => Some("chunks"),
    }
}

/// A node that is no member gets one refusal for every request, and a revoked one the time of its revocation;
/// a member gets one for absent data and for data that it is not granted.
fn refused(
    world: &World,
    library: &Library,
    peer: &NodeId,
    request: &Request,
    error: &Error,
) -> Option<&'static str> {
    let refusal = Refusal::of(error);
    if !library.is_member(peer, NOW_MS) || *request.library() != world.library.id() {
        let is_revoked = library.revocation(peer).is_some() && *request.library() == world.library.id();
        let expected =
            if is_revoked { Error::Revoked { at_ms: NOW_MS } } else { Error::Denied(String::new()) };
        assert_eq!(refusal, Refusal::of(&expected), "a node that is no member learns nothing else");
        return Some("denied");
    }
    let is_other = matches!(request, Request::Join(_) | Request::Exchange { .. } | Request::Peers { .. });
    let absent = Refusal::of(&Error::Missing(String::new()));
    assert!(is_other || refusal == absent, "{refusal:?} for {request:?}");
    Some("absent")
}

/// Checks that the frames are an answer, that nothing is sent twice and that the peer is granted everything
/// in them.
fn check_frames(world: &World, library: &Library, peer: &NodeId, request: &Request, frames: &[Frame]) {
    let id = library.id();
    let is_limited = *peer == world.limited;
    let mut seen = HashSet::new();
    let (mut chunks, mut chunk_bytes) = (0, 0);
    let mut sees = |object: ObjectId| {
        assert!(world.ids.contains(&object), "only objects of the library are sent");
        assert!(!is_limited || !world.private.contains(&object), "an object that is not granted was sent");
        assert!(seen.insert(object), "an object is sent once");
    };
    for (at, frame) in frames.iter().enumerate() {
        match frame {
            Frame::Page(bytes) => sees(ObjectId::Page(PageId::of(&id, bytes))),
            Frame::Table(bytes) => sees(ObjectId::Page(ManifestId::of(&id, bytes).as_page())),
            Frame::Header(bytes) => sees(ObjectId::Page(Commitment::of(&id, bytes).as_page())),
            Frame::Chunk(chunk) => {
                chunks += 1;
                chunk_bytes += u64::from(chunk.raw_len);
                if let Request::Chunks { scope, .. } | Request::Pull(Pull { scope: Some(scope), .. }) =
                    request
                {
                    assert!(scope.contains(chunk.ordinal), "a chunk outside the scope was sent");
                }
                if chunk.data.len() == chunk.raw_len as usize {
                    sees(ObjectId::Chunk(ChunkId::of(&chunk.data)));
                }
            }
            Frame::Delta(delta) => {
                if delta.kind == DeltaKind::Chunks {
                    chunks += delta.lens.len() as u64;
                    chunk_bytes += delta.raw_len() as u64;
                }
                let is_chunks = |part: &Part| matches!(part, Part::Chunks { .. });
                assert!(
                    delta.base.iter().all(|run| is_chunks(&run.part) == (delta.kind == DeltaKind::Chunks))
                );
            }
            Frame::End(end) => {
                assert_eq!(at + 1, frames.len(), "an end is the last frame");
                assert_eq!((end.chunks, end.chunk_bytes), (chunks, chunk_bytes), "an end counts the chunks");
            }
            Frame::Statement(_) | Frame::Holding(_) => {}
            other => panic!("{:?} in an answer", other.kind()),
        }
    }
    let objects = world.contents.iter().map(Vec::len).sum::<usize>();
    let most = objects + world.statements.len() + 2;
    assert!(frames.len() <= most, "{} frames, of {objects} objects", frames.len());
}
