//! Seeds of the target `exchange`: requests to its small library, and answers to it.

use anyhow::{Context, Result};
use chuan_engine::{
    id::{EnvelopeId, LibraryId, SetDigest},
    limits::EXCHANGE_BUCKETS,
    statement::{Kinds, Statement},
    sync::{
        exchange::{Inventory, Talk},
        frame::Frame,
        message::{End, Request},
    },
};

/// Each seed follows the byte of the target's side: requests to it, and answers to all of its own requests.
pub(super) fn seeds(statements: &[Statement]) -> Result<Vec<Vec<u8>>> {
    let mut seeds = Vec::new();
    for talk in talks(statements) {
        let request = Request::Exchange { library: LibraryId::from_bytes([2; 32]), talk };
        let payload = Frame::Request(request).encode()?.payload;
        seeds.push([&[0], payload.as_ref()].concat());
    }
    for answers in answers(statements)? {
        let frames: Vec<_> = answers.into_iter().map(stream).collect::<Result<_>>()?;
        seeds.push([vec![1], frames.concat()].concat());
    }
    Ok(seeds)
}

fn talks(statements: &[Statement]) -> Vec<Talk> {
    let ids = |bucket: u8| {
        let [low, high] = [0, 0xff].map(|rest| std::array::from_fn(|at| if at == 0 { bucket } else { rest }));
        [EnvelopeId::from_bytes(low), EnvelopeId::from_bytes(high)]
    };
    let offer = |some: &[Statement]| Talk::Offer(some.iter().map(|said| said.bytes().to_vec()).collect());
    let mut known: Vec<_> = statements.iter().map(Statement::envelope_id).collect();
    known.sort_unstable();
    vec![
        Talk::Digest(SetDigest::default()),
        Talk::Known { buckets: (0..=u8::MAX).collect(), ids: Vec::new() },
        Talk::Known { buckets: vec![3, 200], ids: [ids(3), ids(200)].concat() },
        offer(statements),
        Talk::Known { buckets: (0..=u8::MAX).collect(), ids: known },
        offer(statements.get(..2).unwrap_or_default()),
        Talk::Offer(Vec::new()),
    ]
}

/// Complete exchanges: nothing new; everything new, in one answer and in two; and one in which the peer lacks
/// the root, which is that of the target's library.
fn answers(statements: &[Statement]) -> Result<Vec<Vec<Frame>>> {
    let end = |complete| Frame::End(End { complete, ..End::default() });
    let differs = || Frame::Inventory(inventory(vec![1; EXCHANGE_BUCKETS], Vec::new()));
    let lacks = |lacks| Frame::Inventory(inventory(Vec::new(), lacks));
    let bring = |some: &[Statement]| some.iter().map(|said| Frame::Statement(said.bytes().clone())).collect();
    let root = statements.first().context("no root")?.envelope_id();
    let (some, others) = statements.split_at(statements.len() / 2);
    let [all, some, others]: [Vec<Frame>; 3] = [bring(statements), bring(some), bring(others)];
    Ok(vec![
        vec![end(true)],
        [vec![differs(), end(true)], all, vec![lacks(vec![]), end(true)]].concat(),
        [vec![differs(), end(true)], some, vec![end(false)], others, vec![lacks(vec![]), end(true)]].concat(),
        vec![differs(), end(true), lacks(vec![root]), end(true), end(true)],
    ])
}

fn inventory(buckets: Vec<u64>, lacks: Vec<EnvelopeId>) -> Inventory {
    Inventory { buckets, lacks, kinds: Kinds::KNOWN }
}

fn stream(frame: Frame) -> Result<Vec<u8>> {
    let encoded = frame.encode()?;
    Ok([encoded.head, encoded.payload].concat())
}
