//! The age of a channel: shown wherever a channel is read, and limited only for a class with `max_stale`. The
//! age of a root: a note.

use std::fs;

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    clock::Clock,
    media,
    pair::{Pair, text},
    program::{Home, number},
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const INVALID: i32 = 4;
const STALE: i32 = 11;

const HOUR_MS: i64 = 3600 * 1000;

const POLICY: &str = r#"
[[class]]
name = "news"
paths = ["news/**"]
max_stale = "1h"
"#;

/// The names in a list of a JSON object.
fn names(object: &Value, list: &str) -> Vec<String> {
    let list = object.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Adds a new timekeeper to the library's root, and returns the file with its key.
fn appoint_timekeeper(pair: &Pair) -> Result<String> {
    let list = pair.origin.json(["releases", "films"])?;
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let (file, key) = (path("films.root"), path("timekeeper.key"));
    let made = pair.origin.json(["key", "new", "--plain", &key])?;
    let root_key = pair.origin.path.join("keys").join(text(&list, "library")).join("root.key");
    pair.origin.run(["root", "export", "films", &file])?;
    pair.origin.run(["root", "add-key", &file, "timekeeper", text(&made, "key")])?;
    pair.origin.run(["root", "sign", &file, "--key", &root_key.to_string_lossy(), "--yes"])?;
    pair.origin.run(["root", "apply", &file])?;
    Ok(key)
}

/// The output of a mirror for `films`: the listing of `ls`, and the exit code of `cat` of the news.
fn read(home: &Home) -> Result<(Value, Option<i32>)> {
    let listed = home.json(["ls", "films"])?;
    let news = home.output(["cat", "films", "news/today.txt"])?;
    Ok((listed, news.status.code()))
}

#[test]
fn only_a_class_with_max_stale_is_withheld_for_its_age() -> Result<()> {
    let mut pair = Pair::new()?;
    let Some(clock) = Clock::of(&mut pair)? else { return Ok(()) };
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    fs::create_dir(pair.library.join("news"))?;
    fs::write(pair.library.join("news/today.txt"), "the river rises")?;
    let policy = pair.scratch().join("policy.toml");
    fs::write(&policy, POLICY)?;
    let publish = ["publish".as_ref(), pair.library.as_os_str(), "-l".as_ref(), "films".as_ref()];
    let publish = publish.into_iter().chain(["--policy".as_ref(), policy.as_os_str()]);

    // No timekeeper exists to vouch for such a class, so the policy cannot be set yet.
    pair.origin.run(publish)?;
    let set = ["policy".as_ref(), "set".as_ref(), "films".as_ref(), policy.as_os_str()];
    let (code, error) = pair.origin.fails(set)?;
    ensure!(code == INVALID && error.contains("timekeeper"), "{code}: {error}");
    let timekeeper = appoint_timekeeper(&pair)?;
    let done = pair.origin.json(set)?;
    ensure!(
        done.get("set") == Some(&Value::Bool(true)) && done.to_string().contains("the paths of class"),
        "{done}"
    );
    let _server = pair.connect()?;
    pair.pull()?;

    // The release has just become current: it needs no voucher yet.
    let (listed, news) = read(&pair.mirror)?;
    ensure!(names(&listed, "classes_stale").is_empty() && news == Some(0), "{listed}, {news:?}");

    // Not vouched for since then: the class cannot be read by the channel's name; everything else can.
    clock.set(HOUR_MS + 60_000)?;
    let (listed, news) = read(&pair.mirror)?;
    ensure!(names(&listed, "classes_stale") == ["news"] && news == Some(STALE), "{listed}, {news:?}");
    ensure!(listed.get("fresh_age_seconds") == Some(&Value::Null) && text(&listed, "channel") == "live");
    ensure!(pair.mirror.run(["cat", "films@2", "news/today.txt"])? == "the river rises");

    // Vouched for: everything is readable, with its age wherever a channel is read.
    pair.origin.run(["fresh", "films", "--key", &timekeeper])?;
    let told = pair.origin.run(["audit", "tail"])?;
    ensure!(told.lines().any(|line| line.contains("  fresh ") && line.contains("by timekeeper")), "{told}");
    let pulled = pair.pull()?;
    let (listed, news) = read(&pair.mirror)?;
    ensure!(names(&listed, "classes_stale").is_empty() && news == Some(0), "{listed}, {news:?}");
    ensure!(number(&pulled, "fresh_age_seconds")? < 60 && number(&listed, "fresh_age_seconds")? < 60);
    pair.check_restored()?;

    // An hour and more later it is too old again. Classes without `max_stale` are not affected, peers are
    // served as before, and a restore does not touch files of the stale class that it restored before.
    clock.set(2 * HOUR_MS + 120_000)?;
    let (listed, news) = read(&pair.mirror)?;
    ensure!(names(&listed, "classes_stale") == ["news"] && news == Some(STALE), "{listed}, {news:?}");
    let (_, error) = pair.mirror.fails(["cat", "films", "news/today.txt"])?;
    ensure!(error.contains("max_stale") && error.contains("films@2"), "{error}");
    let target = pair.scratch().join("restored");
    for target in [&target, &pair.scratch().join("elsewhere")] {
        let restore = ["restore".as_ref(), "films".as_ref(), target.as_os_str()];
        ensure!(pair.mirror.fails(restore)?.0 == STALE, "a class was left out without an exit code");
    }
    ensure!(media::difference(&pair.library, &target)?.is_none(), "a restored file was touched");
    let elsewhere = pair.scratch().join("elsewhere");
    let restore = ["--json".as_ref(), "restore".as_ref(), "films".as_ref(), elsewhere.as_os_str()];
    let output = pair.mirror.output(restore)?;
    let restored = chuan_tests::program::final_object(&String::from_utf8(output.stdout)?)?;
    ensure!(names(&restored, "classes_stale") == ["news"] && !elsewhere.join("news").exists(), "{restored}");
    ensure!(number(&restored, "fresh_age_seconds")? > 3600 && number(&restored, "files")? > 0, "{restored}");
    let releases = pair.mirror.json(["releases", "films"])?;
    let age = releases.pointer("/releases/0/fresh_ages_seconds/live").and_then(Value::as_u64);
    ensure!(age > Some(3600), "{releases}");
    let text = pair.mirror.run(["releases", "films"])?;
    ensure!(text.contains("live (vouched for 1 h "), "{text}");
    let differed = pair.mirror.json(["diff", "films@2", "films@live"])?;
    ensure!(number(&differed, "new_fresh_age_seconds")? > 3600, "{differed}");
    ensure!(differed.get("old_channel") == Some(&Value::Null), "a release has no age: {differed}");
    let text = pair.mirror.run(["diff", "films@2", "films@live"])?;
    ensure!(text.contains("live is vouched for 1 h "), "{text}");
    let edge = clock.read_by(Home::init(pair.scratch().join("edge"), "edge", "edge")?);
    edge.run(["join", &pair.origin.ticket("films")?])?;
    ensure!(edge.json(["pull", "films"])?.get("changed") == Some(&Value::Bool(true)));
    ensure!(edge.run(["cat", "films@2", "news/today.txt"])? == "the river rises");

    let text = pair.origin.run(["channel", "set", "films", "canary", "films@2"])?;
    ensure!(text.contains("canary is not vouched for"), "{text}");

    // Fresh again, by nothing but a timekeeper's statement.
    pair.origin.run(["fresh", "films", "--key", &timekeeper])?;
    pair.pull()?;
    ensure!(pair.mirror.run(["cat", "films", "news/today.txt"])? == "the river rises");

    // A newer release is known, and its data is not here yet: the release here becomes stale with time, not
    // at once.
    let file = pair.scratch().join("newer.statements").to_string_lossy().into_owned();
    fs::write(pair.library.join("news/today.txt"), "the river falls")?;
    pair.publish()?;
    pair.origin.run(["statements", "export", "films", &file])?;
    pair.mirror.run(["statements", "import", &file])?;
    ensure!(pair.mirror.run(["cat", "films", "news/today.txt"])? == "the river rises");
    clock.set(4 * HOUR_MS)?;
    ensure!(pair.mirror.fails(["cat", "films", "news/today.txt"])?.0 == STALE);
    Ok(())
}

/// A root that one key decides, and a root that is due for renewal, are reported; neither stops anything. The
/// fingerprint that is read aloud before signing is the one that all nodes show afterwards.
#[test]
fn a_root_that_should_have_been_renewed_is_shown_and_stops_nothing() -> Result<()> {
    let mut pair = Pair::new()?;
    let Some(clock) = Clock::of(&mut pair)? else { return Ok(()) };
    media::library(&pair.library, 1, 300_000, 1)?;
    let published = pair.publish()?;
    let library = |home: &Home| -> Result<Value> {
        let status = home.json(["status"])?;
        status.pointer("/libraries/0").cloned().with_context(|| format!("no library in {status}"))
    };
    let at_first = library(&pair.origin)?;
    ensure!(text(&at_first, "root") == "1 of 1", "{at_first}");
    ensure!(text(&at_first, "trust").contains("one lost or stolen key decides"), "{at_first}");

    let file = pair.scratch().join("films.root").to_string_lossy().into_owned();
    let fingerprints = || pair.origin.json(["root", "fingerprint", &file]);
    pair.origin.run(["root", "export", "films", &file])?;
    let shown = pair.origin.json(["root", "show", &file])?;
    let before = fingerprints()?;
    ensure!(text(&before, "library") == text(&shown, "library_fingerprint"), "{before}, {shown}");
    ensure!(before.get("proposed") == Some(&Value::Null) && number(&before, "version")? == 1, "{before}");
    pair.origin.run(["root", "set-expiry", &file, "24h"])?;
    let proposed = fingerprints()?;
    let read_aloud = text(&proposed, "proposed");
    ensure!(!read_aloud.is_empty() && text(&proposed, "root") == text(&before, "root"), "{proposed}");
    let root_key = pair.origin.path.join("keys").join(text(&published, "library")).join("root.key");
    pair.origin.run(["root", "sign", &file, "--key", &root_key.to_string_lossy(), "--yes"])?;
    pair.origin.run(["root", "apply", &file])?;
    let after = pair.scratch().join("after.root").to_string_lossy().into_owned();
    pair.origin.run(["root", "export", "films", &after])?;
    let signed = pair.origin.json(["root", "fingerprint", &after])?;
    ensure!(text(&signed, "root") == read_aloud && number(&signed, "version")? == 2, "{signed}");
    ensure!(pair.origin.run(["root", "fingerprint", &after])?.contains(read_aloud));

    let _server = pair.connect()?;
    ensure!(!text(&library(&pair.origin)?, "trust").contains("renewed"));
    clock.set(73 * HOUR_MS)?;
    let late = library(&pair.origin)?;
    let note = "the root should have been renewed 2 days ago; nothing stops";
    ensure!(text(&late, "trust").contains(note), "{late}");
    pair.pull()?;
    let late = library(&pair.mirror)?;
    ensure!(text(&late, "trust").contains(note) && text(&late, "root") == "1 of 1", "{late}");
    pair.check_restored()
}
