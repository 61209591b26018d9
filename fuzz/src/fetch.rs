//! The target `fetch`: a whole fetch, against a source that answers as the input says.
//!
//! ```text
//! mirror's state u8 | library known u8 | options u8 | wanted u8, then one byte for each action and its fields
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use chuan_engine::{
    id::NodeId,
    manifest::position::PagePosition,
    statement::Library,
    store::{Object, Objects, PageState, memory::MemoryObjects},
    sync::{
        delta::{Delta, DeltaKind, Part, Run},
        fetch::{Fetch, Options},
        frame::{ChunkCodec, ChunkFrame, Frame, FrameKind},
        message::{End, Holding, Mode, Packing, Pull, Want},
    },
};

use super::{
    input::Input,
    meter,
    world::{LIVE, NOW_MS, Recorder, World},
};

/// Restarts of a fetch in one input at most.
const RESTARTS: usize = 3;
/// Bytes that a frame counts in addition to its payload: the work for one frame does not depend on its size
/// alone.
const FRAME_BYTES: usize = 512;

/// The answers that are under way: for each request the frames that an honest source would send next.
type Answers = BTreeMap<u64, VecDeque<Frame>>;

/// A fetch; returns the forms that were reached.
pub fn fetch(bytes: &[u8]) -> Vec<&'static str> {
    let world = World::get();
    let mut input = Input::new(bytes);
    let (store, library) = mirror(world, &mut input);
    let mut options = options(world, &mut input);
    let want = match input.u8() % 4 {
        0 => world.releases.get(1).copied().map_or(Want::Channel(LIVE.into()), Want::Release),
        _ => Want::Channel(LIVE.into()),
    };
    let mut reached = Vec::new();
    for _ in 0..=RESTARTS {
        let objects: Arc<dyn Objects> = Arc::new(store.clone());
        let mut fetch = Fetch::new(objects, library.clone(), want.clone(), NOW_MS, options.clone())
            .expect("a fetch into its own library");
        let went = drive(world, &mut fetch, &mut input);
        reached.push(match went {
            Ok(()) => check_done(world, &store, &fetch, &options),
            Err(()) => {
                fetch.suspend().expect("a store in memory takes what came");
                "failed"
            }
        });
        for object in store.take() {
            assert!(world.ids.contains(&object.id()), "an object that no verified object names was stored");
        }
        if went.is_ok() || input.rest().is_empty() {
            break;
        }
        options.resume = true;
    }
    reached
}

/// The mirror's objects and the statements that it knows.
fn mirror(world: &World, input: &mut Input<'_>) -> (Recorder, Library) {
    let objects = MemoryObjects::new(world.library.id());
    let held = input.u8();
    let put = |objects: &MemoryObjects, content: &[Object]| {
        objects.append(content.to_vec()).expect("valid objects");
        objects.commit().expect("a store in memory takes everything");
    };
    if let (1..=3, Some(old)) = (held % 6, world.contents.first()) {
        put(&objects, old);
        for commitment in world.classes.first().into_iter().flatten().filter(|_| held % 6 > 1) {
            let mut none = chuan_engine::verify::Missing::up_to(1);
            let walked = chuan_engine::verify::mark_full(&objects, commitment, &mut none);
            assert_eq!(walked.expect("a held class").state, PageState::Full);
        }
    }
    if let (3.., Some(new)) = (held % 6, world.contents.get(1)) {
        // Every object but some: a fetch that was interrupted, or damage.
        let step = usize::from(held / 6) + 2;
        let some: Vec<_> = new.iter().enumerate().filter(|(at, _)| at % step != 0).collect();
        put(&objects, &some.iter().map(|(_, object)| (*object).clone()).collect::<Vec<_>>());
        if held % 6 == 5 {
            for (_, object) in some.iter().step_by(step + 1) {
                assert!(objects.damage(object.id()), "a held object can be damaged");
            }
        }
    }
    let known = [3, 5, world.statements.len(), 1];
    let known = input.one(&known).copied().unwrap_or_default();
    (Recorder::new(objects), world.library_after(known))
}

fn options(world: &World, input: &mut Input<'_>) -> Options {
    let bits = input.u8();
    let bit = |at: u8| bits >> at & 1 == 1;
    let node: Option<NodeId> = if bit(2) { Some(world.limited) } else { Some(world.mirror) };
    Options {
        resume: bit(0),
        classes: if bit(1) { vec!["trailers".into()] } else { Vec::new() },
        node: node.filter(|_| !bit(3)),
        budget: if bit(4) { 2000 } else { u64::MAX },
        packing: if bit(5) { Packing::Fastest } else { Packing::Smallest },
        is_dry_run: bit(6),
        usable_bytes: None,
    }
}

/// Plays the source until the fetch is over or the input ends. After the end of the input the source is
/// honest if the last action asks for it; else the connection is lost.
fn drive(world: &World, fetch: &mut Fetch, input: &mut Input<'_>) -> Result<(), ()> {
    let mut answers = Answers::new();
    loop {
        while let Some((id, request)) = fetch.poll_request().map_err(drop)? {
            let honest = world.answer(&world.mirror, request);
            let repeated = answers.insert(id, honest.into());
            assert!(repeated.is_none(), "each request has its own number");
        }
        let ids: Vec<_> = answers.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let action = input.next().ok_or(())?;
        let id = match action >> 4 & 3 {
            0 => input.one(&ids).copied(),
            _ => ids.first().copied(),
        };
        play(world, fetch, &mut answers, id.unwrap_or_default(), action, input)?;
        while let Some(stopped) = fetch.poll_stop() {
            answers.remove(&stopped);
        }
    }
}

/// One action of the source on the answer to request `id`.
fn play(
    world: &World,
    fetch: &mut Fetch,
    answers: &mut Answers,
    id: u64,
    action: u8,
    input: &mut Input<'_>,
) -> Result<(), ()> {
    let honest = answers.entry(id).or_default();
    match action & 15 {
        many @ 0..=3 => {
            // One frame; some; the rest of this answer.
            let count = [1, 4, 24, usize::MAX].get(usize::from(many)).copied().unwrap_or(1);
            for _ in 0..count {
                let Some(frame) = answers.get_mut(&id).and_then(VecDeque::pop_front) else { break };
                give(fetch, answers, id, frame)?;
            }
            Ok(())
        }
        4 => {
            drop(honest.pop_front());
            Ok(())
        }
        5 => match honest.front().cloned() {
            Some(frame) => give(fetch, answers, id, frame),
            None => Ok(()),
        },
        6 => match honest.pop_front().and_then(|frame| altered(&frame, input)) {
            Some(frame) => give(fetch, answers, id, frame),
            None => Ok(()),
        },
        7 => match input.one(&world.frames) {
            Some(frame) => give(fetch, answers, id, frame.clone()),
            None => Ok(()),
        },
        8 => {
            answers.remove(&id);
            fetch.handle_end(id).map_err(drop)
        }
        9 => match input.one(&world.statements) {
            Some(statement) => give(fetch, answers, id, Frame::Statement(statement.bytes().clone())),
            None => Ok(()),
        },
        10 => give(fetch, answers, id, Frame::Delta(delta(input).ok_or(())?)),
        11 => {
            let holding =
                Holding { heard: input.one(&world.releases).copied(), held: input.some(&world.releases) };
            give(fetch, answers, id, Frame::Holding(holding))
        }
        12 => give(fetch, answers, u64::from(input.u8()), Frame::End(End::default())),
        13 => give(fetch, answers, id, raw_chunk(input)),
        _ => {
            let end = End { complete: input.u8() & 1 == 1, chunks: input.number(), chunk_bytes: 0 };
            give(fetch, answers, id, Frame::End(end))
        }
    }
}

/// Gives a frame to the fetch; after the last one the stream ends.
fn give(fetch: &mut Fetch, answers: &mut Answers, id: u64, frame: Frame) -> Result<(), ()> {
    let encoded = frame.encode().map_err(drop)?;
    meter::received(encoded.len() + FRAME_BYTES);
    let is_last = frame.is_last();
    let stopped_before = fetch.report().wasted_bytes;
    fetch.handle(id, frame).map_err(drop)?;
    assert!(fetch.report().wasted_bytes >= stopped_before);
    if is_last {
        answers.remove(&id);
        fetch.handle_end(id).map_err(drop)?;
    }
    Ok(())
}

/// A frame with one byte of its payload changed, if it is still one.
fn altered(frame: &Frame, input: &mut Input<'_>) -> Option<Frame> {
    let encoded = frame.encode().ok()?;
    let fields = encoded.head.get(chuan_engine::sync::frame::HEADER_LEN..)?;
    let mut payload = [fields, encoded.payload.as_ref()].concat();
    let at = usize::from(input.u16()).checked_rem(payload.len())?;
    if let Some(byte) = payload.get_mut(at) {
        *byte ^= input.u8().max(1);
    }
    Frame::decode(frame.kind(), payload.into()).ok()
}

/// A delta whose base and lengths the input chooses; its data is a zstd frame of bytes of the input.
fn delta(input: &mut Input<'_>) -> Option<Delta> {
    let kind = if input.u8() & 1 == 0 { DeltaKind::Pages } else { DeltaKind::Chunks };
    let runs = input.u8() % 16 + 1;
    let repeated = input.u8() & 1 == 1;
    let mut base: Vec<Run> = Vec::new();
    for _ in 0..runs {
        let run = match base.last().filter(|_| repeated) {
            Some(run) => *run,
            None => Run { have: input.u8() % 16, part: part(kind, input)? },
        };
        base.push(run);
    }
    let raw = input.bytes(64).repeat(usize::from(input.u8()) + 1);
    let len = u32::try_from(raw.len()).ok()?;
    let room = raw.len().saturating_sub(1);
    let made = Delta::make(kind, base, &[], vec![len], &raw, room)?;
    let Frame::Delta(delta) =
        Frame::decode(FrameKind::Delta, Frame::Delta(made).encode().ok()?.payload).ok()?
    else {
        return None;
    };
    Some(delta)
}

fn part(kind: DeltaKind, input: &mut Input<'_>) -> Option<Part> {
    Some(match kind {
        DeltaKind::Chunks => Part::Chunks { first: input.number(), count: input.number() },
        DeltaKind::Pages => {
            let tree = match input.u8() & 1 {
                0 => chuan_engine::manifest::TreeKind::Entries,
                _ => chuan_engine::manifest::TreeKind::Content,
            };
            let level = input.u8().wrapping_sub(1);
            Part::Pages {
                first: PagePosition { tree, level, ordinal: input.number() },
                count: input.number(),
            }
        }
    })
}

/// A chunk of the input's own bytes.
fn raw_chunk(input: &mut Input<'_>) -> Frame {
    let ordinal = input.number();
    let codec = if input.u8() & 1 == 0 { ChunkCodec::Raw } else { ChunkCodec::Zstd };
    let data = Bytes::copy_from_slice(input.bytes(255));
    let raw_len = match codec {
        ChunkCodec::Raw => u32::try_from(data.len()).unwrap_or(u32::MAX),
        ChunkCodec::Zstd => u32::from(input.u16()) * 4,
    };
    Frame::Chunk(ChunkFrame { ordinal, codec, raw_len, data })
}

/// Checks the result of a fetch that is over; returns its form.
fn check_done(world: &World, store: &Recorder, fetch: &Fetch, options: &Options) -> &'static str {
    let report = fetch.report();
    if !report.done {
        assert!(
            report.holding.is_some() || options.is_dry_run,
            "a fetch without a request is done, or its source has other releases"
        );
        return if report.holding.is_some() { "holding" } else { "dry run" };
    }
    let release = report.release.expect("a fetch that is done has a release");
    let at = world.releases.iter().position(|known| *known == release).expect("a release of the library");
    let classes = world.classes.get(at).expect("the classes of a release");
    let is_wanted = |slot: usize| match (slot, options.classes.is_empty(), options.node) {
        (1, ..) => true,
        (_, false, _) => false,
        (_, true, node) => node != Some(world.limited),
    };
    for (_, commitment) in classes.iter().enumerate().filter(|(slot, _)| is_wanted(*slot)) {
        let states = store.inner.page_states(&[commitment.as_page()]).expect("a store in memory");
        assert_eq!(states, [PageState::Full], "a class of a fetch that is done is whole");
    }
    "done"
}

/// The pull of a node that knows the first statements and holds nothing.
pub fn pull(world: &World, known: usize) -> Pull {
    Pull {
        library: world.library.id(),
        want: Want::Channel(LIVE.into()),
        classes: Vec::new(),
        have: Vec::new(),
        known: world.statements.iter().take(known).map(chuan_engine::statement::Statement::id).collect(),
        scope: None,
        mode: Mode::All,
        budget: u64::MAX,
        packing: Packing::Smallest,
        announced: None,
    }
}
