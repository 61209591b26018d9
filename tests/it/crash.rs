//! The crash test, shortened: sixty points over all commands and faults, and two defects that it must find.
//! `make crash` runs every point.

use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, ensure};
use chuan_tests::{
    crash::{self, Call, Campaign, Fault, Job, Moment, Outcome, Planted, Point, Table},
    program::binary_named,
    rng::Rng,
};

/// Points of a test run.
const POINTS: usize = 60;
/// Bytes of a film: a chunk or two.
const FILM: u64 = 200_000;

fn campaign(dir: &std::path::Path, seed: u64) -> Result<Campaign> {
    Campaign::new(dir, FILM, seed, &binary_named("crash")?)
}

#[test]
fn what_was_acknowledged_is_there_after_a_fault_at_any_call() -> Result<()> {
    let dir = crash::folder()?;
    let seed = Rng::seed_from_env("CRASH_SEED");
    println!("CRASH_SEED={seed}");
    let campaign = campaign(dir.path(), seed)?;
    let points = spread(campaign.points()?);
    let table = Mutex::new(Table::default());
    let threads = std::thread::available_parallelism()?.get();
    campaign.run_all(&points, threads, &|| true, &|point, outcome| {
        table.lock().map_err(|_| anyhow!("a thread panicked"))?.add(point, &outcome);
        match &outcome {
            Outcome::Violated(why) => Err(anyhow!("{point} at {why}\n{}", campaign.replay(point))),
            Outcome::Missed => {
                println!("{point}: not reached");
                Ok(())
            }
            Outcome::Held => Ok(()),
        }
    })?;
    println!("{}", table.into_inner()?);
    Ok(())
}

/// At least one point of each command and fault.
fn spread(mut all: Vec<Point>) -> Vec<Point> {
    let mut chosen = Vec::new();
    while chosen.len() < POINTS && !all.is_empty() {
        for (job, fault) in Job::ALL.into_iter().flat_map(|job| Fault::ALL.map(|fault| (job, fault))) {
            let is_of = |point: &Point| point.job == job && point.fault == fault;
            if let Some(at) = all.iter().position(is_of).filter(|_| chosen.len() < POINTS) {
                chosen.push(all.swap_remove(at));
            }
        }
    }
    chosen
}

/// Symptom: one EDQUOT while the index was opened discarded it, healthy as it was.
#[test]
fn a_quota_that_is_reached_at_the_index_does_not_cost_it() -> Result<()> {
    let dir = crash::folder()?;
    let campaign = campaign(dir.path(), 1)?;
    let calls = campaign.calls(Job::Publish)?;
    let is_of_index = |call: &Call| call.path.to_string_lossy().contains("store/index/");
    let numbers: Vec<u64> =
        (1..).zip(&calls).filter(|(_, call)| is_of_index(call)).map(|(number, _)| number).collect();
    ensure!(numbers.len() > 2, "{} calls are of the index", numbers.len());
    for number in [numbers.first(), numbers.get(numbers.len() / 2), numbers.last()].into_iter().flatten() {
        let moment = Moment::Call(*number);
        let point = Point { job: Job::Publish, fault: Fault::Edquot, moment };
        let outcome = campaign.run(point, None, "point")?;
        ensure!(!matches!(outcome, Outcome::Violated(_)), "{point}: {outcome:?}");
    }
    Ok(())
}

/// A segment whose name is not durable is lost with its content, although its release was acknowledged.
#[test]
fn a_missing_sync_of_a_folder_is_found() -> Result<()> {
    let dir = crash::folder()?;
    let campaign = campaign(dir.path(), 1)?;
    let point = Point { job: Job::First, fault: Fault::Power, moment: Moment::End };
    is_found(&campaign, Planted::UnsyncedFolder, &[point])
}

/// Between the syncs of the ledger and those of the segments, a release is known whose content is not there.
#[test]
fn a_swapped_order_of_ledger_and_segments_is_found() -> Result<()> {
    let dir = crash::folder()?;
    let campaign = campaign(dir.path(), 1)?;
    let calls = campaign.calls(Job::Publish)?;
    let is_sync = |call: &Call| call.name == "fdatasync" && call.path.ends_with("ledger/b");
    let last = calls.iter().rposition(is_sync).context("the ledger was not synced")? as u64 + 1;
    // The order of calls differs a little from run to run.
    let points = [last + 1, last + 2, last].map(|number| {
        let moment = Moment::Call(number.min(calls.len() as u64));
        Point { job: Job::Publish, fault: Fault::Power, moment }
    });
    is_found(&campaign, Planted::LedgerFirst, &points)
}

/// Checks that the points hold for the right program, and that one of them does not with the defect.
fn is_found(campaign: &Campaign, planted: Planted, points: &[Point]) -> Result<()> {
    let mut found = None;
    for point in points {
        let sound = campaign.run(*point, None, "point")?;
        ensure!(!matches!(sound, Outcome::Violated(_)), "{point} without a defect: {sound:?}");
        if let Outcome::Violated(why) = campaign.run(*point, Some(planted), "point")? {
            found = Some(format!("{point} at {why}"));
            break;
        }
    }
    println!("{planted:?}: {}", found.with_context(|| format!("{planted:?} was not found at {points:?}"))?);
    Ok(())
}
