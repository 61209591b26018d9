//! The promises that hold after a fault, seen through the program as a user sees it.

use std::{collections::BTreeSet, ffi::OsString, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{
    point::{Fault, Job},
    stage::{Case, Stage, restore},
    tracer::End,
};
use crate::{
    media,
    program::{final_object, number},
};

/// `chuan` found no library of this name.
const MISSING: i32 = 3;
/// `chuan` found no space.
const FULL: i32 = 9;
/// The system refused to read or write.
const IO: i32 = 10;
/// Some paths could not be restored.
const GAPS: i32 = 12;

/// The answer of the command, if it acknowledged its work; fails if it ended as no command may.
pub(super) fn acknowledged(
    (job, fault): (Job, Fault),
    end: End,
    out: &Path,
    err: &Path,
) -> Result<Option<Value>> {
    let text = fs::read_to_string(out)?;
    let answer = final_object(&text).ok().filter(|answer| answer.get("error").is_none());
    let errors = fs::read_to_string(err)?;
    ensure!(!errors.contains("panicked at"), "the command panicked: {errors}");
    match (end, fault) {
        (End::Exit(0), _) => Ok(Some(answer.with_context(|| format!("no answer in {text:?}"))?)),
        (End::Exit(IO), Fault::Eio) | (End::Exit(FULL), Fault::Enospc | Fault::Edquot) => Ok(None),
        // One file fails, the others are restored.
        (End::Exit(GAPS), Fault::Eio) if job == Job::Restore => Ok(None),
        // The answer may be out before the process is gone.
        (End::Signal(_), Fault::Kill | Fault::After | Fault::Power | Fault::Torn) => Ok(answer),
        _ => bail!("the command ended with {end:?}: {text}{errors}"),
    }
}

/// Checks a home after a fault: it opens, what was acknowledged is there, the command repeated completes, and
/// everything verifies then. `scratch` does not exist yet.
pub(super) fn after(
    stage: &Stage,
    (case, fault): (&Case, Fault),
    answer: Option<&Value>,
    scratch: &Path,
) -> Result<()> {
    let home = &case.home;
    home.run(["verify"]).context("the first `verify`")?;
    has_releases(case, releases_of(case.job, answer.is_some()))?;
    if let Some(answer) = answer {
        took_effect(stage, case, answer).context("what the command acknowledged")?;
    }
    let again = [OsString::from("--json")].into_iter().chain(stage.args(case));
    let again = final_object(&home.run(again).context("the command again")?)?;
    took_effect(stage, case, &again).context("the command again")?;
    home.run(["verify", "--deep"])?;
    home.run(["audit", "verify"])?;
    home.run(["ledger", "show"])?;
    let releases = releases_of(case.job, true);
    for number in 1..=releases {
        // Only the newest release of a first publish is made from the changed films.
        let films = stage.films(if case.job == Job::First { 2 } else { number });
        restore(home, &format!("films@{number}"), scratch)?;
        let difference = media::difference(&films, scratch)?;
        ensure!(difference.is_none(), "release {number}: {difference:?}");
        fs::remove_dir_all(scratch)?;
    }
    if matches!(fault, Fault::Enospc | Fault::Edquot) {
        keeps_its_index(stage, case)?;
    }
    Ok(())
}

/// A disk without room damages nothing, so the index is the one from before: a new one has the next number,
/// and costs hours in a large home.
fn keeps_its_index(stage: &Stage, case: &Case) -> Result<()> {
    if matches!(case.job, Job::First | Job::Rebuild) {
        return Ok(());
    }
    let (before, now) = (index_names(&stage.template(case.job))?, index_names(&case.home.path)?);
    ensure!(!before.is_empty() && before == now, "the index was {before:?}, and is {now:?}");
    Ok(())
}

/// The folders of the index of a home, and the notes about them.
fn index_names(home: &Path) -> Result<BTreeSet<OsString>> {
    let folder = home.join("store/index");
    let items = fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))?;
    items.map(|item| Ok(item?.file_name())).collect()
}

/// The number of releases that the home must hold.
const fn releases_of(job: Job, is_done: bool) -> usize {
    match job {
        Job::First => is_done as usize,
        Job::Publish | Job::Pull => 1 + is_done as usize,
        Job::Rotate => 1,
        Job::Restore | Job::Rebuild | Job::Compact => 2,
    }
}

fn has_releases(case: &Case, expected: usize) -> Result<()> {
    if expected == 0 {
        let output = case.home.output(["releases", "films"])?;
        let is_fine = output.status.success() || output.status.code() == Some(MISSING);
        ensure!(is_fine, "`releases`: {}", String::from_utf8_lossy(&output.stderr));
        return Ok(());
    }
    let listed = case.home.json(["releases", "films"])?;
    let releases = listed.get("releases").and_then(Value::as_array).context("no list of releases")?;
    let complete = releases.iter().filter(|release| release.get("complete") == Some(&Value::Bool(true)));
    let count = complete.count();
    ensure!(count >= expected, "{expected} releases were acknowledged, {count} are complete: {listed}");
    Ok(())
}

/// Checks the effect of the command that gave this answer.
fn took_effect(stage: &Stage, case: &Case, answer: &Value) -> Result<()> {
    match case.job {
        Job::First | Job::Publish | Job::Pull => has_releases(case, releases_of(case.job, true)),
        Job::Restore => {
            let difference = media::difference(&stage.films(2), &case.destination)?;
            ensure!(difference.is_none(), "{difference:?}");
            Ok(())
        }
        Job::Rotate => {
            let (now, given) = (case.home.json(["id"])?, answer.get("key"));
            ensure!(now.get("key") == given, "the key is {:?}, {given:?} was acknowledged", now.get("key"));
            Ok(())
        }
        Job::Rebuild => Ok(()),
        Job::Compact => {
            let listed = case.home.json(["channel", "list", "films"])?;
            let channels = listed.get("channels").and_then(Value::as_array).context("no channels")?;
            let is_canary = |channel: &&Value| channel.get("name").and_then(Value::as_str) == Some("canary");
            let canary = channels.iter().find(is_canary).context("the channel canary is gone")?;
            ensure!(number(canary, "here_sequence")? == 1, "canary is elsewhere: {canary}");
            Ok(())
        }
    }
}
