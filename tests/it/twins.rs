//! A publisher's home that runs twice, and neither half knows of the other: both publish, and then they
//! exchange statements.

use std::{ffi::OsStr, fs, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{Home, copy, number, until},
};
use serde_json::Value;

/// Exit code: the channel does not move before an operator decides.
const STALE: i32 = 11;

/// Publishes with --force, although no peer can be reached.
fn publish(home: &Home, folder: &Path) -> Result<String> {
    let args = ["publish".as_ref(), folder.as_os_str(), "-l".as_ref(), "films".as_ref(), "--force".as_ref()];
    let published = home.json(args)?;
    ensure!(number(&published, "sequence")? == 2, "{published}");
    Ok(text(&published, "release").to_owned())
}

/// The local release of `live`.
fn here(home: &Home) -> Result<String> {
    let list = home.json(["channel", "list", "films"])?;
    let rows = list.get("channels").and_then(Value::as_array).cloned().unwrap_or_default();
    let live = rows.into_iter().find(|row| text(row, "name") == "live").context("no live")?;
    Ok(text(&live, "here").to_owned())
}

/// The conflicts that a home knows: their kinds, and whether an operator has settled them.
fn conflicts(home: &Home) -> Result<Vec<(String, bool)>> {
    let list = home.json(["conflicts", "films"])?;
    let rows = list.get("conflicts").and_then(Value::as_array).cloned().unwrap_or_default();
    let row = |row: &Value| (text(row, "kind").to_owned(), row.get("settled") == Some(&Value::Bool(true)));
    Ok(rows.iter().map(row).collect())
}

fn has(conflicts: &[(String, bool)], kind: &str, settled: bool) -> bool {
    conflicts.iter().any(|(found, is_settled)| found == kind && *is_settled == settled)
}

fn check_restored(home: &Home, release: &str, to: &Path, folder: &Path) -> Result<()> {
    let release = format!("films@{release}");
    home.run([OsStr::new("restore"), release.as_ref(), to.as_os_str()])?;
    let difference = media::difference(folder, to)?;
    ensure!(difference.is_none(), "{release}: {difference:?}");
    Ok(())
}

#[test]
fn two_homes_of_one_publisher_contradict_each_other_and_nothing_is_lost() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let (origin, mirror) = (&pair.origin, &pair.mirror);
    let serving = pair.connect()?;
    pair.pull()?;
    let mirror_serving = mirror.serve()?;
    until("the origin knows where the mirror is", || {
        Ok(origin.json(["status"])?.to_string().contains(&mirror_serving.address.to_string()))
    })?;
    let (origin_at, mirror_at) = (serving.address, mirror_serving.address);
    serving.stop()?;
    mirror_serving.stop()?;

    // Without a connection, each publishes a film of its own.
    let clone = Home::at(pair.scratch().join("clone"))?;
    copy(&origin.path, &clone.path)?;
    let other = pair.scratch().join("other");
    copy(&pair.library, &other)?;
    fs::write(pair.library.join("here.txt"), "published in the one home")?;
    fs::write(other.join("there.txt"), "published in the other")?;
    let (ours, theirs) = (publish(origin, &pair.library)?, publish(&clone, &other)?);
    ensure!(ours != theirs);

    // The mirror pulls the one release, and then receives the other one's statements.
    let _mirror = mirror.serve_again(mirror_at)?;
    let _origin = origin.serve_again(origin_at)?;
    pair.pull()?;
    ensure!(here(mirror)? == ours);
    let clone_serving = clone.serve()?;
    for home in [mirror, origin, &clone] {
        until("every node has the proof", || {
            let known = conflicts(home)?;
            Ok(has(&known, "release", false) && has(&known, "channel", false))
        })?;
    }
    // Both channels stay at their releases, also after a pull, which says so.
    let (code, _) = mirror.fails(["pull", "films"])?;
    ensure!(code == STALE, "{code}");
    for (home, stands) in [(mirror, &ours), (origin, &ours), (&clone, &theirs)] {
        ensure!(here(home)? == *stands, "the channel has moved");
    }
    check_restored(origin, &ours, &pair.scratch().join("ours"), &pair.library)?;
    check_restored(&clone, &theirs, &pair.scratch().join("theirs"), &other)?;

    // An operator decides for the clone's release; the other home needs no further action.
    clone.run(["channel", "set", "films", "live", &format!("films@{theirs}"), "--yes"])?;
    for home in [mirror, origin] {
        until("the decision is known", || Ok(has(&conflicts(home)?, "channel", true)))?;
    }
    mirror.json(["pull", "films", "--from", &clone_serving.address.to_string()])?;
    ensure!(here(mirror)? == theirs);
    check_restored(mirror, &theirs, &pair.scratch().join("theirs on the mirror"), &other)?;
    check_restored(mirror, &ours, &pair.scratch().join("ours on the mirror"), &pair.library)?;
    Ok(())
}
