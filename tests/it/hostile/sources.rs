//! Attacks by the other end: a mirror pulls or exchanges, and an attacker that is a member answers.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use chuan_engine::{
    id::LibraryId,
    limits::{ANSWER_STATEMENTS, STATEMENT_BYTES},
    sync::{
        frame::{ChunkCodec, ChunkFrame, Frame},
        message::Request,
    },
};
use chuan_tests::{
    hostile::{self, Peer, Source, Usage, forge, source::Answer},
    program::Server,
};

use super::{Scene, pull_all};

/// Most bytes of junk that an attacker sends: if the attacked node reads them all, the test fails.
const JUNK: u64 = 320 << 20;
/// Bytes that a pull may read beyond useful data, and beyond the data in flight when it had enough.
const WASTE: u64 = (64 << 20) + (24 << 20);

/// The first frames of an honest source's answer, as the attacker received them.
struct Opening {
    frames: Vec<Frame>,
    library: LibraryId,
}

impl Opening {
    /// Becomes a member and pulls, up to the headers.
    async fn hear(scene: &Scene, peer: &Peer) -> Result<Self> {
        let session = peer.open(scene.address()).await?;
        let library = session.join(&scene.pair.origin.ticket("films")?).await?;
        let answer = session.ask(pull_all(library)).await?;
        session.close();
        let is_opening =
            |frame: &Frame| matches!(frame, Frame::Statement(_) | Frame::Table(_) | Frame::Header(_));
        let frames: Vec<_> = answer.into_iter().take_while(is_opening).collect();
        ensure!(frames.iter().any(|frame| matches!(frame, Frame::Header(_))), "{frames:?}");
        Ok(Self { frames, library })
    }
}

/// A mirror that serves, so that one process does the whole pull.
fn serving_mirror(scene: &Scene) -> Result<(Server, Usage)> {
    let server = scene.pair.mirror.serve()?;
    let before = Usage::of(server.process.child.id())?;
    Ok((server, before))
}

/// The mirror pulls from the attacker, which must end in an error.
fn pull_from(scene: &Scene, source: &Source) -> Result<String> {
    let address = source.address.to_string();
    let (code, error) =
        tokio::task::block_in_place(|| scene.pair.mirror.fails(["pull", "films", "--from", &address]))?;
    ensure!(code == 8, "a source of junk must give exit code 8, not {code}: {error}");
    ensure!(source.requests() > 0, "the attacker was not asked");
    Ok(error)
}

/// A3. Symptom: a pull read junk that a source sent at full speed for ever, 30 GB of it. Cause: any received
/// byte was progress, useful or not.
#[test]
fn a_source_of_junk_is_dropped_early() -> Result<()> {
    let scene = Scene::new()?;
    let (mirror, before) = serving_mirror(&scene)?;
    let taken = hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let opening = Arc::new(Opening::hear(&scene, &peer).await?.frames);
        let script = move |request: Request, mut answer: Answer| {
            let opening = Arc::clone(&opening);
            Box::pin(async move {
                if matches!(request, Request::Pull(_)) {
                    for frame in opening.iter() {
                        if !answer.send(frame).await {
                            return;
                        }
                    }
                }
                let mut sent = 0;
                let mut ordinal = 0;
                while sent < JUNK {
                    let data = Bytes::from(junk(ordinal));
                    let raw_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
                    let frame = ChunkFrame { ordinal: ordinal % 64, codec: ChunkCodec::Raw, raw_len, data };
                    if !answer.send(&Frame::Chunk(frame)).await {
                        return;
                    }
                    sent += u64::from(raw_len);
                    ordinal += 1;
                }
            }) as _
        };
        let source = Source::start(&peer.key, Arc::new(script))?;
        pull_from(&scene, &source)?;
        Ok(source.taken())
    })?;
    ensure!(taken < WASTE, "{taken} bytes of junk were taken");
    let used = Usage::of(mirror.process.child.id())?.since(before);
    ensure!(used.peak_bytes < 96 << 20, "{used:?}");
    ensure!(used.written_bytes < 4 << 20, "junk was kept: {used:?}");
    scene.check_honest()
}

/// 64 KiB that are no chunk of any release.
fn junk(number: u64) -> Vec<u8> {
    let mut bytes = vec![0x5a; 64 * 1024];
    if let Some(start) = bytes.first_chunk_mut() {
        *start = number.to_le_bytes();
    }
    bytes
}

/// A5. Symptom: a source answered a pull with 4,096 statements of any size, and the puller kept all of them:
/// 555 MiB and 87 seconds of CPU. Cause: the list was bounded by its number, not by its bytes.
#[test]
fn statements_in_an_answer_are_bounded_in_bytes() -> Result<()> {
    let scene = Scene::new()?;
    let (mirror, before) = serving_mirror(&scene)?;
    hostile::run(async {
        let peer = Peer::new(forge::key(1))?;
        let library = Opening::hear(&scene, &peer).await?.library;
        let script = move |_: Request, mut answer: Answer| {
            Box::pin(async move {
                for number in 0..ANSWER_STATEMENTS {
                    let number = u16::try_from(number).unwrap_or(u16::MAX);
                    let Ok(large) = forge::next_root(library, number) else { return };
                    if !answer.send(&Frame::Statement(large)).await {
                        return;
                    }
                }
            }) as _
        };
        let source = Source::start(&peer.key, Arc::new(script))?;
        pull_from(&scene, &source)?;
        ensure!(source.taken() < WASTE, "{} bytes of statements were taken", source.taken());
        Ok(())
    })?;
    let used = Usage::of(mirror.process.child.id())?.since(before);
    ensure!(used.peak_bytes < 64 << 20, "{used:?}");
    ensure!(used.cpu_seconds < 10.0, "{used:?}");
    const { assert!(STATEMENT_BYTES > 60_000) };
    scene.check_honest().context("afterwards")
}
