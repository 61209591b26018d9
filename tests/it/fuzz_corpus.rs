//! Runs every committed fuzz input, and every seed, through the fuzz targets: a found bug stays found.

#[path = "../../fuzz/src/lib.rs"]
#[expect(clippy::expect_used, clippy::panic, reason = "a fuzz target reports by panicking")]
#[expect(unreachable_pub, reason = "the file is a crate of its own elsewhere")]
mod fuzz;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_engine::statement::StatementKind;

/// The committed inputs of a target.
fn corpus(name: &str) -> Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let items =
        fs::read_dir(&folder).with_context(|| format!("no corpus for {name} in {}", folder.display()))?;
    items.map(|item| Ok(fs::read(item?.path())?)).collect()
}

#[test]
fn every_corpus_input_is_clean() -> Result<()> {
    for target in fuzz::TARGETS {
        let name = target.name;
        let runs: Vec<_> = corpus(name)?.iter().map(|bytes| target.run(bytes)).collect();
        let taken = runs.iter().filter(|(is_taken, _)| *is_taken).count();
        // The measured use is the basis of the budgets in `fuzz/src/targets.rs`.
        for (what, of) in fuzz::targets::USED {
            let most = runs.iter().map(|(_, usage)| (of(usage), usage.input)).max().unwrap_or_default();
            println!("{name}: at most {} {what}, for {} bytes", most.0, most.1);
        }
        // Else the format has changed and the corpus has not: `cargo run -p chuan-tests --bin seeds`.
        ensure!(taken > 0, "nothing in the corpus of {name} is taken");
    }
    Ok(())
}

/// A fuzzer finds little behind a form of which it has no example.
#[test]
fn every_form_that_a_target_knows_is_in_its_corpus() -> Result<()> {
    let kinds = StatementKind::ALL.map(StatementKind::name);
    let taken: BTreeSet<_> = corpus("statement")?.iter().flat_map(|bytes| fuzz::statement(bytes)).collect();
    ensure!(taken == kinds.into_iter().chain(["pins", "classes", "term"]).collect(), "statement: {taken:?}");

    let talks = ["digest", "known", "offer", "answer to digest", "answer to known", "answer to offer"];
    let taken: BTreeSet<_> = corpus("exchange")?.iter().flat_map(|bytes| fuzz::exchange(bytes)).collect();
    ensure!(taken == talks.into(), "exchange: {taken:?}");

    let taken: BTreeSet<_> = corpus("root")?.iter().filter_map(|bytes| fuzz::root(bytes)).collect();
    ensure!(taken == ["bundle", "draft", "request"].into(), "root: {taken:?}");

    let taken: BTreeSet<_> = corpus("fetch")?.iter().flat_map(|bytes| fuzz::fetch(bytes)).collect();
    ensure!(taken == ["done", "dry run", "failed", "holding"].into(), "fetch: {taken:?}");

    let taken: BTreeSet<_> = corpus("answer")?.iter().flat_map(|bytes| fuzz::answer(bytes)).collect();
    let forms = ["pull", "pull with deltas", "pages", "chunks", "chunks as deltas"];
    let ends = ["absent", "cut", "denied", "holding"];
    ensure!(taken == forms.into_iter().chain(ends).collect(), "answer: {taken:?}");

    let taken: BTreeSet<_> = corpus("set")?.iter().flat_map(|bytes| fuzz::set(bytes)).collect();
    ensure!(taken == kinds.into(), "set: {taken:?}");

    let taken: BTreeSet<_> = corpus("ledgers")?.iter().flat_map(|bytes| fuzz::ledgers(bytes)).collect();
    let forms = ["sound", "cut", "copied from a", "copied from b", "renewed", "gone"];
    ensure!(taken == forms.into(), "ledgers: {taken:?}");

    let taken: BTreeSet<_> = corpus("points")?.iter().flat_map(|bytes| fuzz::points(bytes)).collect();
    ensure!(taken == ["altered", "proved", "torn", "unproved"].into(), "points: {taken:?}");

    let taken: BTreeSet<_> = corpus("index")?.iter().filter_map(|bytes| fuzz::index(bytes)).collect();
    ensure!(taken == ["meta", "chunks", "pages", "marks", "lost"].into(), "index: {taken:?}");

    let taken: BTreeSet<_> = corpus("segment")?.iter().flat_map(|bytes| fuzz::segment(bytes)).collect();
    let forms = ["header", "chunk", "page", "packed", "reserved", "footer"];
    ensure!(forms.iter().all(|form| taken.contains(form)), "segment: {taken:?}");
    Ok(())
}
