//! The main job of a user: publish, pull, edit, publish, pull, restore; and the bytes that are transferred.

use std::{collections::HashSet, fs};

use anyhow::{Context, Result, ensure};
use chuan_engine::{
    chunk::{Profile, cut},
    id::ChunkId,
};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::number,
};

const FILM_BYTES: u64 = 24_000_000;

#[test]
fn every_edit_transfers_only_its_new_chunks() -> Result<()> {
    let pair = Pair::new()?;
    let film = pair.library.join("长江.mp4");
    media::film(&film, FILM_BYTES, 1)?;
    fs::write(pair.library.join("长江.zh.srt"), "1\n00:00:01,000 --> 00:00:02,000\n川流不息\n")?;
    let published = pair.publish()?;
    ensure!(number(&published, "bytes_read")? >= FILM_BYTES);
    let _server = pair.connect()?;
    let pulled = pair.pull()?;
    ensure!(text(&pulled, "release") == text(&published, "release"));
    ensure!(number(&pulled, "chunk_bytes_fetched")? == number(&published, "chunk_bytes_new")?);
    pair.check_restored()?;

    for (edit, seed) in media::EDITS.into_iter().zip(10..) {
        let before = fs::read(&film)?;
        media::edit(&film, edit, seed)?;
        let predicted = new_bytes(&before, &fs::read(&film)?);
        let published = pair.publish()?;
        let pulled = pair.pull()?;
        let fetched = number(&pulled, "chunk_bytes_fetched")?;
        ensure!(
            fetched.abs_diff(predicted) * 20 <= predicted,
            "{edit:?}: {fetched} chunk bytes travelled, FastCDC predicts {predicted}"
        );
        ensure!(number(&published, "chunk_bytes_new")? == fetched, "{edit:?}: {published} but {pulled}");
        pair.check_restored().with_context(|| format!("after {edit:?}"))?;
    }
    Ok(())
}

#[test]
fn a_pull_with_nothing_new_is_one_round_trip_and_a_few_datagrams() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 2, 3_000_000, 2)?;
    pair.publish()?;
    let _server = pair.connect()?;
    pair.pull()?;
    let again = pair.pull()?;
    ensure!(number(&again, "round_trips")? == 1, "{again}");
    ensure!(number(&again, "chunks_fetched")? == 0 && number(&again, "page_bytes")? == 0, "{again}");
    for name in ["wire_bytes_in", "wire_bytes_out"] {
        let bytes = number(&again, name)?;
        ensure!((1..8192).contains(&bytes), "{name}: {again}");
    }
    Ok(())
}

#[test]
fn a_removed_file_is_gone_a_renamed_one_costs_no_chunk_and_both_can_be_had_back() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 3, 2_000_000, 3)?;
    let first = pair.publish()?;
    let _server = pair.connect()?;
    pair.pull()?;
    fs::remove_dir_all(pair.library.join("The River (1951)"))?;
    fs::rename(pair.library.join("长江 (2019)"), pair.library.join("長江"))?;
    // Two thirds of the files are no longer at their old paths.
    let args = ["publish".as_ref(), pair.library.as_os_str(), "--library".as_ref(), "films".as_ref()];
    let (code, error) = pair.origin.fails(args)?;
    ensure!(code == 4 && error.contains("8 of 12 published files"), "{code}: {error}");
    pair.origin.run(args.into_iter().chain(["--max-delete".as_ref(), "70%".as_ref()]))?;
    let pulled = pair.pull()?;
    ensure!(number(&pulled, "chunks_fetched")? == 0, "a rename fetched chunks: {pulled}");
    pair.check_restored()?;

    let old = pair.scratch().join("old");
    let spec = format!("films@{}", number(&first, "sequence")?);
    pair.mirror.run(["restore".as_ref(), spec.as_ref(), old.as_os_str()])?;
    ensure!(old.join("The River (1951)/The River (1951).mp4").exists());
    let changes = pair.mirror.json(["diff", &spec, "films@live"])?;
    // Two folders with four files each are removed, and one is added.
    ensure!(number(&changes, "removed")? == 10 && number(&changes, "added")? == 5, "{changes}");
    Ok(())
}

#[test]
fn a_range_of_a_film_is_those_bytes_of_it() -> Result<()> {
    let pair = Pair::new()?;
    let film = pair.library.join("a.mp4");
    media::film(&film, 1_000_000, 4)?;
    pair.publish()?;
    let whole = fs::read(&film)?;
    for (range, expected) in [("0-0", 0..1), ("70000-199999", 70_000..200_000), ("-5", 999_995..1_000_000)] {
        let output = pair.origin.output(["cat", "films", "a.mp4", "--range", range])?;
        ensure!(
            output.status.success() && Some(output.stdout.as_slice()) == whole.get(expected),
            "range {range}"
        );
    }
    Ok(())
}

/// Bytes of the chunks of `new` that `old` does not have, each counted once.
fn new_bytes(old: &[u8], new: &[u8]) -> u64 {
    let mut known: HashSet<ChunkId> = chunks(old).into_iter().map(|(id, _)| id).collect();
    chunks(new).into_iter().filter(|(id, _)| known.insert(*id)).map(|(_, len)| len).sum()
}

fn chunks(mut data: &[u8]) -> Vec<(ChunkId, u64)> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let (chunk, rest) = data.split_at(cut::next(Profile::Video, data));
        found.push((ChunkId::of(chunk), chunk.len() as u64));
        data = rest;
    }
    found
}
