//! Roots on plain files, through the program: the commands of the handbook, and commands that must be
//! refused.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media, page,
    pair::{Pair, text},
    program::Home,
};
use serde_json::Value;
use tempfile::TempDir;

const PASSPHRASE: (&str, &str) = ("CHUAN_KEY_PASSPHRASE", "川流不息");

/// A folder in which several people keep their files, without a home.
struct Table {
    dir: TempDir,
    program: Home,
}

impl Table {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        Ok(Self { program: Home::at(dir.path().join("no-home"))?, dir })
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    /// A key file without a passphrase, and its public half.
    fn key(&self, name: &str) -> Result<String> {
        let made = self.program.json(["key", "new", "--plain", &self.path(name)])?;
        Ok(text(&made, "key").to_owned())
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        self.program.json(args)
    }

    /// A library with one root key, which has signed.
    fn founded(&self) -> Result<String> {
        let [root, operator, publisher] =
            ["root.key", "operator.key", "publisher.key"].map(|name| self.key(name));
        let file = self.path("films.root");
        let (root, operator, publisher) = (root?, operator?, publisher?);
        let init = ["root", "init", &file, "--name", "films", "--root-key", &root];
        self.json(&[&init[..], &["--operator", &operator, "--publisher", &publisher]].concat())?;
        self.json(&["root", "sign", &file, "--key", &self.path("root.key"), "--yes"])?;
        Ok(file)
    }
}

fn proposal<'v>(shown: &'v Value, field: &str) -> Result<&'v Value> {
    shown
        .pointer(&format!("/proposal/{field}"))
        .with_context(|| format!("no {field} of a proposal in {shown}"))
}

#[test]
fn the_walk_through_of_two_of_three_works() -> Result<()> {
    let table = Table::new()?;
    page::run("trust.md", "two-of-three", table.dir.path(), &[PASSPHRASE])?;
    let shown = table.json(&["root", "show", &table.path("films.root")])?;
    ensure!(proposal(&shown, "complete")? == true && proposal(&shown, "version")? == 2, "{shown}");
    ensure!(shown.to_string().contains(r#""threshold":2"#), "{shown}");
    let text = table.program.run(["root", "show", &table.path("films.root")])?;
    ensure!(text.contains("removes root key") && text.contains("complete"), "{text}");
    Ok(())
}

#[test]
fn the_threshold_of_both_roots_is_asked_for() -> Result<()> {
    let table = Table::new()?;
    let file = table.founded()?;
    let (second, third) = (table.key("second.key")?, table.key("third.key")?);
    table.json(&["root", "add-key", &file, "root", &second])?;
    table.json(&["root", "add-key", &file, "root", &third])?;
    let shown = table.json(&["root", "set-threshold", &file, "root", "2"])?;
    ensure!(proposal(&shown, "version")? == 2, "several changes are one version: {shown}");
    let words = proposal(&shown, "changes")?.to_string();
    ensure!(words.contains("root threshold: 1 of 1 -> 2 of 3"), "{words}");

    let sign =
        |file: &str, key: &str| table.json(&["root", "sign", file, "--key", &table.path(key), "--yes"]);
    let copy = table.path("copy.root");
    fs::copy(&file, &copy)?;
    sign(&file, "second.key")?;
    let two = sign(&file, "third.key")?;
    ensure!(proposal(&two, "complete")? == false, "two new keys and no old one: {two}");
    sign(&copy, "root.key")?;
    let all = table.json(&["root", "import", &file, &copy])?;
    ensure!(proposal(&all, "complete")? == true, "{all}");
    ensure!(proposal(&all, "signed_by")?.as_array().map(Vec::len) == Some(3), "{all}");

    // The copies diverge: a copy that no longer follows is refused with an error.
    table.json(&["root", "rename", &file, "movies"])?;
    let (code, error) = table.program.fails(["root", "import", &copy, &file])?;
    ensure!(code == 4 && error.contains("follow each other"), "{code}: {error}");
    Ok(())
}

#[test]
fn nothing_is_signed_unconfirmed_or_by_a_foreign_key() -> Result<()> {
    let table = Table::new()?;
    let file = table.founded()?;
    let key = table.path("root.key");
    table.json(&["root", "set-expiry", &file, "30d"])?;
    let before = fs::read(&file)?;
    let (code, error) = table.program.fails(["root", "sign", &file, "--key", &key])?;
    ensure!(code == 2 && error.contains("--yes"), "{code}: {error}");
    let (code, error) = table.program.fails(["root", "sign", &file, "--yes"])?;
    ensure!(code == 2 && error.contains("--key"), "{code}: {error}");
    let stranger = table.path("operator.key");
    let (code, error) = table.program.fails(["root", "sign", &file, "--yes", "--key", &stranger])?;
    ensure!(code == 5 && error.contains("root key neither"), "{code}: {error}");
    ensure!(fs::read(&file)? == before, "a refusal changed the file");
    Ok(())
}

#[test]
fn a_removed_key_is_not_dropped_by_mistake() -> Result<()> {
    let table = Table::new()?;
    let file = table.founded()?;
    let operator = table.key("other.key")?;
    table.json(&["root", "add-key", &file, "operator", &operator])?;
    table.json(&["root", "sign", &file, "--key", &table.path("root.key"), "--yes"])?;
    let (code, error) = table.program.fails(["root", "remove-key", &file, "operator", &operator])?;
    ensure!(code == 2 && error.contains("--drop"), "{code}: {error}");
    let shown = table.json(&["root", "remove-key", &file, "operator", &operator, "--drop"])?;
    ensure!(proposal(&shown, "version")? == 3, "{shown}");
    Ok(())
}

/// Symptom: `root show` showed the proposed roles under the version of the current root.
#[test]
fn the_current_and_the_proposed_root_are_shown_apart() -> Result<()> {
    let table = Table::new()?;
    let file = table.founded()?;
    let operators = |shown: &Value, at: &str| -> usize {
        let roles = shown.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default();
        let found = roles.iter().find(|role| text(role, "role") == "operator");
        found.and_then(|role| role.get("keys")?.as_array().map(Vec::len)).unwrap_or_default()
    };
    let other = table.key("other.key")?;
    table.json(&["root", "set-expiry", &file, "30d"])?;
    let shown = table.json(&["root", "add-key", &file, "operator", &other])?;
    ensure!(operators(&shown, "/roles") == 1 && operators(&shown, "/proposal/roles") == 2, "{shown}");
    ensure!(
        shown.get("expires_ms") == Some(&Value::Null)
            && shown.pointer("/proposal/expires_ms").is_some_and(Value::is_i64)
    );
    let shown = table.program.run(["root", "show", &file])?;
    let (now, proposed) = shown.split_once("proposed ").context("no proposed root")?;
    ensure!(now.contains("operator     1 of 1") && proposed.contains("operator     1 of 2"), "{shown}");
    ensure!(!now.contains("renew by") && proposed.contains("renew by"), "{shown}");
    Ok(())
}

#[test]
fn damaged_files_end_in_an_error() -> Result<()> {
    let table = Table::new()?;
    let file = table.founded()?;
    let whole = fs::read(&file)?;
    let bad = |bytes: &[u8]| -> Result<()> {
        fs::write(Path::new(&file), bytes)?;
        let (code, error) = table.program.fails(["root", "show", &file])?;
        ensure!([4, 5].contains(&code) && error.contains("films.root"), "{code}: {error}");
        Ok(())
    };
    for at in [0, 1, 9, whole.len() / 2, whole.len() - 1] {
        bad(whole.get(..at).unwrap_or_default())?;
        let mut altered = whole.clone();
        altered.get_mut(at).into_iter().for_each(|byte| *byte ^= 1);
        bad(&altered)?;
    }
    Ok(())
}

/// A publisher's key is replaced: its earlier releases stay effective, and its later statements do not become
/// effective.
#[test]
fn a_removed_publishers_releases_stay_where_the_root_pins_them() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let first = pair.publish()?;
    let keys = pair.origin.path.join("keys").join(text(&first, "library"));
    let role = |role: &str| keys.join(format!("{role}.key")).to_string_lossy().into_owned();
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let old = pair.origin.json(["key", "show", &role("publisher")])?;
    let new = pair.origin.json(["key", "new", "--plain", &path("new.key")])?;

    let (roots, statements) = (path("films.root"), path("films.statements"));
    pair.origin.run(["root", "export", "films", &roots])?;
    pair.origin.run(["root", "add-key", &roots, "publisher", text(&new, "key")])?;
    let (code, error) = pair.origin.fails(["root", "apply", &roots])?;
    ensure!(code == 5 && error.contains("root sign"), "an unsigned root was taken: {code}: {error}");
    let remove = ["root", "remove-key", &roots, "publisher", text(&old, "key")];
    pair.origin.run(["statements", "export", "films", &statements])?;
    let shown = pair.origin.json([&remove[..], &["--statements", &statements]].concat())?;
    let words = proposal(&shown, "changes")?.to_string();
    ensure!(proposal(&shown, "version")? == 2 && words.contains("pins 2 statements"), "{words}");
    pair.origin.run(["root", "sign", &roots, "--yes", "--key", &role("root")])?;
    pair.origin.run(["root", "apply", &roots])?;

    let status = pair.origin.json(["status"])?;
    ensure!(status.pointer("/libraries/0/root_version").and_then(Value::as_u64) == Some(2), "{status}");
    let listed = pair.origin.json(["ls", "films"])?;
    ensure!(text(&listed, "release") == text(&first, "release"), "the pinned release is gone: {listed}");
    media::film(&pair.library.join("new.mp4"), 200_000, 2)?;
    let source = pair.library.to_string_lossy().into_owned();
    let (code, error) = pair.origin.fails(["publish", &source, "--library", "films"])?;
    ensure!(code == 5, "the old key published: {code}: {error}");
    Ok(())
}

/// Symptom: with two of two publishers, a publish changed nothing and reported no error. Cause: the move of
/// the channel was signed by the first publisher alone, was not effective, and was dropped silently; and the
/// classes that the two may publish were looked up by the first key alone, which may publish none.
#[test]
fn a_channel_follows_publishers_with_a_threshold_of_two() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let mut public = Vec::new();
    for name in ["root", "operator", "one", "two"] {
        let made = pair.origin.json(["key", "new", "--plain", &path(name)])?;
        public.push(text(&made, "key").to_owned());
    }
    let [root, operator, one, two] = public.as_slice() else { anyhow::bail!("{public:?}") };
    let file = path("films.root");
    let init = ["root", "init", &file, "--name", "films", "--root-key", root, "--operator", operator];
    pair.origin.run([&init[..], &["--publisher", one, "--publisher", two]].concat())?;
    pair.origin.run(["root", "set-threshold", &file, "publisher", "2"])?;
    pair.origin.run(["root", "sign", &file, "--yes", "--key", &path("root")])?;
    pair.origin.run(["found", &file, "--key", &path("operator")])?;

    let source = pair.library.to_string_lossy().into_owned();
    let publish = ["publish", &source, "--library", "films", "--key"];
    let both = |first: &str, second: &str| {
        pair.origin.json([&publish[..], &[&path(first), "--key", &path(second)]].concat())
    };
    let (code, error) = pair.origin.fails([&publish[..], &[&path("one")]].concat())?;
    ensure!(code == 5, "one of two published: {code}: {error}");
    let first = both("one", "two")?;
    ensure!(first.get("files").and_then(Value::as_u64) > Some(0), "{first}");
    // With several publishers an operator decides which of them moves a new channel.
    let list = pair.origin.json(["channel", "list", "films"])?;
    ensure!(list.get("channels") == Some(&Value::Array(Vec::new())), "{list}");
    let set = ["channel", "set", "films", "live", "films@1", "--follow", "--publisher", two];
    pair.origin.run([&set[..], &["--key", &path("operator")]].concat())?;

    media::film(&pair.library.join("second.mp4"), 200_000, 2)?;
    let second = both("one", "two")?;
    ensure!(second.get("side") == Some(&Value::Bool(false)), "{second}");
    let listed = pair.origin.json(["ls", "films"])?;
    ensure!(text(&listed, "release") == text(&second, "release"), "live did not follow: {listed}");
    Ok(())
}
