//! The two files of a home's ledger, damaged in every usual way: each case with its exit code, its message
//! and its remedy.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{Home, Server, copy, number},
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const USAGE: i32 = 2;
const MISSING: i32 = 3;
const INVALID: i32 = 4;
const DENIED: i32 = 5;
const CORRUPT: i32 = 7;
/// The tag of a root in an envelope.
const ROOT: u8 = 1;

/// A mirror that has pulled twice, and its origin, which serves.
struct Stage {
    pair: Pair,
    server: Server,
    /// The mirror's ledger as it was after the first pull.
    old: PathBuf,
    cases: u32,
}

impl Stage {
    fn new() -> Result<Self> {
        let pair = Pair::new()?;
        media::library(&pair.library, 1, 200_000, 3)?;
        pair.publish()?;
        let server = pair.connect()?;
        pair.pull()?;
        let old = pair.scratch().join("old");
        copy(&ledger(&pair.mirror), &old)?;
        fs::write(pair.library.join("second.txt"), "the second release")?;
        pair.publish()?;
        pair.pull()?;
        Ok(Self { pair, server, old, cases: 0 })
    }

    /// A copy of the mirror's home, to be damaged.
    fn home(&mut self) -> Result<Home> {
        self.cases += 1;
        let path = self.pair.scratch().join(format!("case-{}", self.cases));
        copy(&self.pair.mirror.path, &path)?;
        Home::at(path)
    }

    /// Checks that everything is present, without a warning.
    fn is_whole(&self, home: &Home, what: &str) -> Result<()> {
        let verified = home.output(["verify", "--deep"])?;
        ensure!(verified.status.success(), "{what}: {}", String::from_utf8_lossy(&verified.stdout));
        let error = String::from_utf8_lossy(&verified.stderr);
        ensure!(!error.contains("ledger"), "{what}: {error}");
        let target = home.path.with_extension("restored");
        home.run(["restore".as_ref(), "films".as_ref(), target.as_os_str()])?;
        let difference = media::difference(&self.pair.library, &target)?;
        ensure!(difference.is_none(), "{what}: {difference:?}");
        ensure!(read(home, "a")? == read(home, "b")?, "{what}: the files differ");
        let shown = home.json(["ledger", "show"])?;
        ensure!(text(&shown, "verdict") == "sound", "{what}: {shown}");
        Ok(())
    }

    /// Checks that any command reports the damage and repairs it, without a warning afterwards.
    fn is_mended(&self, home: &Home, what: &str, named: &str) -> Result<()> {
        let output = home.output(["ledger", "show"])?;
        ensure!(output.status.code() == Some(CORRUPT), "{what}: `ledger show` ends with {}", output.status);
        let error = warning(home, what)?;
        ensure!(error.contains(named), "{what}: {named} is not named: {error}");
        self.is_whole(home, what)
    }
}

fn ledger(home: &Home) -> PathBuf {
    home.path.join("ledger")
}

fn file(home: &Home, name: &str) -> PathBuf {
    ledger(home).join(name)
}

fn read(home: &Home, name: &str) -> Result<Vec<u8>> {
    let path = file(home, name);
    fs::read(&path).with_context(|| format!("read {}", path.display()))
}

fn replace(home: &Home, with: &Path) -> Result<()> {
    for name in ["a", "b"] {
        fs::copy(with.join(name), file(home, name))?;
    }
    Ok(())
}

/// Standard error of a command that must succeed with a warning.
fn warning(home: &Home, what: &str) -> Result<String> {
    let output = home.output(["status"])?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{what}: {}: {error}", output.status);
    ensure!(!error.is_empty(), "{what}: there is no warning");
    Ok(error)
}

/// The exit code of `verify`, and its output.
fn verify(home: &Home) -> Result<(Option<i32>, String)> {
    let output = home.output(["verify"])?;
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Ok((output.status.code(), text.concat()))
}

fn in_status(home: &Home, name: &str) -> Result<Value> {
    let status = home.json(["status"])?;
    let ledger = status.get("ledger").context("no `ledger` in the status")?;
    Ok(ledger.get(name).cloned().unwrap_or_default())
}

/// Any damage to one copy costs nothing but a warning.
#[test]
fn one_damaged_file_is_mended_from_the_other() -> Result<()> {
    let mut stage = Stage::new()?;
    for name in ["a", "b"] {
        let named = format!("ledger/{name}");
        let home = stage.home()?;
        fs::remove_file(file(&home, name))?;
        stage.is_mended(&home, &format!("{name} deleted"), &named)?;

        let sound = read(&stage.pair.mirror, name)?;
        // The header, the first frame, a record in the middle, the end.
        for at in [9, 20, 100, 150, sound.len() / 2, sound.len() - 100, sound.len() - 1] {
            let home = stage.home()?;
            let mut bad = sound.clone();
            if let Some(byte) = bad.get_mut(at) {
                *byte ^= 0x10;
            }
            fs::write(file(&home, name), bad)?;
            stage.is_mended(&home, &format!("{name} flipped at {at}"), &named)?;
        }
        // An older copy of one.
        let home = stage.home()?;
        fs::copy(stage.old.join(name), file(&home, name))?;
        stage.is_mended(&home, &format!("{name} is older"), &named)?;
        // A torn tail of one.
        for len in [1, 10, 70] {
            let home = stage.home()?;
            fs::write(file(&home, name), &sound[..sound.len() - len])?;
            stage.is_mended(&home, &format!("{name} torn by {len}"), &named)?;
        }
    }
    stage.server.stop()?;
    Ok(())
}

/// Both files are from another home: nothing is read from them, and nothing is lost.
#[test]
fn another_nodes_ledger_is_refused_and_there_is_a_way_out() -> Result<()> {
    let mut stage = Stage::new()?;
    let home = stage.home()?;
    let own = stage.pair.scratch().join("own");
    copy(&ledger(&home), &own)?;
    replace(&home, &ledger(&stage.pair.origin))?;
    for command in [&["status"] as &[&str], &["pull", "films"], &["verify"], &["rebuild"], &["serve"]] {
        let (code, error) = home.fails(command)?;
        ensure!(code == CORRUPT && error.contains("another node"), "{command:?}: {code}: {error}");
        ensure!(error.contains(" ledger show`") && error.contains("ledger keep"), "no remedy: {error}");
    }
    let output = home.output(["ledger", "show"])?;
    let shown = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(CORRUPT) && shown.contains("another node"), "{shown}");
    // After its own files are back, the home is as before.
    replace(&home, &own)?;
    stage.is_whole(&home, "put back")?;
    // One file of another home: the error names the right one, which is kept.
    fs::copy(file(&stage.pair.origin, "b"), file(&home, "b"))?;
    ensure!(home.fails(["status"])?.0 == CORRUPT, "one file of another node is taken");
    let (code, error) = home.fails(["ledger", "keep", "a"])?;
    ensure!(code == USAGE && error.contains("--yes"), "{code}: {error}");
    ensure!(home.fails(["status"])?.0 == CORRUPT, "it was done without being confirmed");
    let would = home.json(["ledger", "keep", "a", "--dry-run"])?;
    ensure!(would.get("done") == Some(&Value::Bool(false)), "{would}");
    ensure!(home.fails(["status"])?.0 == CORRUPT, "a dry run does it");
    let kept = home.json(["ledger", "keep", "a", "--yes"])?;
    ensure!(kept.get("done") == Some(&Value::Bool(true)), "{kept}");
    for aside in kept.get("set_aside").and_then(Value::as_array).context("no `set_aside`")? {
        ensure!(Path::new(aside.as_str().unwrap_or_default()).is_file(), "{aside} is not there");
    }
    stage.is_whole(&home, "kept")?;
    stage.pair.mirror.run(["pull", "films"])?;
    fs::remove_file(file(&home, "b"))?;
    ensure!(home.fails(["ledger", "keep", "b", "--yes"])?.0 == MISSING, "a missing file is kept");
    stage.server.stop()?;
    Ok(())
}

/// An older pair of files is consistent in itself: only data outside the ledger shows that it is old.
#[test]
fn an_older_pair_is_reported_until_a_pull_completes_it() -> Result<()> {
    let mut stage = Stage::new()?;
    let home = stage.home()?;
    replace(&home, &stage.old)?;
    let error = warning(&home, "older pair")?;
    ensure!(error.contains("audit log counts") && error.contains("chuan pull"), "{error}");
    let (code, said) = verify(&home)?;
    ensure!(code == Some(CORRUPT), "{code:?}: {said}");
    ensure!(in_status(&home, "lost")?.as_u64().is_some_and(|lost| lost > 0), "`status` says nothing");
    home.run(["pull", "films"])?;
    stage.is_whole(&home, "pulled")?;
    stage.server.stop()?;
    Ok(())
}

#[test]
fn both_files_lost_is_reported_and_peers_restore_everything() -> Result<()> {
    let mut stage = Stage::new()?;
    for junk in [None, Some(vec![0x5a; 5000])] {
        let home = stage.home()?;
        for name in ["a", "b"] {
            match &junk {
                None => fs::remove_file(file(&home, name))?,
                Some(junk) => fs::write(file(&home, name), junk)?,
            }
        }
        let error = warning(&home, "both gone")?;
        ensure!(error.contains("ledger"), "{error}");
        ensure!(in_status(&home, "state")? == "lost", "{}", in_status(&home, "state")?);
        let listed = home.run(["status"])?;
        ensure!(listed.contains("films"), "the library is not known any more: {listed}");
        let (code, said) = verify(&home)?;
        ensure!(code == Some(CORRUPT), "{code:?}: {said}");
        let rebuilt = home.output(["rebuild"])?;
        ensure!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        ensure!(verify(&home)?.0 == Some(CORRUPT), "a rebuild makes it right");
        home.run(["pull", "films"])?;
        stage.is_whole(&home, "both gone, pulled")?;
    }
    stage.server.stop()?;
    Ok(())
}

/// Symptom: an origin whose ledger was lost, or older, published a second release under a number that mirrors
/// already had, and the remedy in its message ended in "no source is known".
#[test]
fn an_origin_that_has_lost_its_ledger_does_not_publish_before_it_has_it_back() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 100_000, 1)?;
    pair.publish()?;
    let older = ["a", "b"].map(|name| fs::read(file(&pair.origin, name)));
    fs::write(pair.library.join("second.txt"), "two")?;
    pair.publish()?;
    let origin = pair.connect()?;
    pair.pull()?;
    origin.stop()?;
    let mirror = pair.mirror.serve()?;
    let from = mirror.address.to_string();
    let folder = pair.library.to_string_lossy().into_owned();
    fs::write(pair.library.join("third.txt"), "three")?;
    let [a, b] = older;
    for lost in [Some([a?, b?]), None] {
        for (name, bytes) in ["a", "b"].into_iter().zip(0..) {
            match &lost {
                Some(older) => fs::write(file(&pair.origin, name), &older[bytes])?,
                None => fs::remove_file(file(&pair.origin, name))?,
            }
        }
        let (code, error) = pair.origin.fails(["publish", &folder, "-l", "films"])?;
        // Once a mirror is known, the origin asks it, and the mirror's statements are newer than this home's.
        let refused = match lost.is_some() {
            true => code == CORRUPT && error.contains(" pull` with `--from") && error.contains("--force"),
            false => code == DENIED && error.contains(" pull films"),
        };
        ensure!(refused, "{code}: {error}");
        pair.origin.run(["pull", "films", "--from", &from])?;
        ensure!(verify(&pair.origin)?.0 == Some(0), "the peer has given everything back");
    }
    let published = pair.origin.json(["publish", &folder, "-l", "films"])?;
    ensure!(number(&published, "sequence")? == 3, "{published}");
    mirror.stop()?;
    Ok(())
}

/// Damage to one record in both files. A library was once lost because of one bit in its root.
#[test]
fn a_record_that_both_have_lost_comes_back_from_a_peer() -> Result<()> {
    let mut stage = Stage::new()?;
    let sound = read(&stage.pair.mirror, "a")?;
    // Every statement begins with its magic.
    let places: Vec<_> = (0..sound.len()).filter(|at| sound[*at..].starts_with(b"CHST")).collect();
    ensure!(places.len() > 4, "{} statements", places.len());
    for at in places {
        let home = stage.home()?;
        let kind = sound.get(at + 5).copied().unwrap_or_default();
        for name in ["a", "b"] {
            let mut bad = sound.clone();
            if let Some(byte) = bad.get_mut(at + 50) {
                *byte ^= 1;
            }
            fs::write(file(&home, name), bad)?;
        }
        let what = format!("statement of kind {kind} at {at}");
        let error = warning(&home, &what)?;
        ensure!(error.contains("ledger/a at") && error.contains("ledger/b at"), "{what}: {error}");
        let (code, said) = verify(&home)?;
        if kind == ROOT {
            // The root is also stored beside the keys, and the first start restored it from there.
            ensure!(code == Some(0), "{what}: {code:?}: {said}");
        } else {
            ensure!(code == Some(CORRUPT) && said.contains("lost"), "{what}: {code:?}: {said}");
            home.run(["pull", "films"])?;
        }
        stage.is_whole(&home, &what)?;
    }
    stage.server.stop()?;
    Ok(())
}

#[test]
fn another_version_is_reported() -> Result<()> {
    let pair = Pair::new()?;
    for name in ["a", "b"] {
        let mut newer = read(&pair.mirror, name)?;
        let header = newer.get_mut(..96).context("no header")?;
        header[8] = 3;
        let crc = crc32c::crc32c(&header[..92]).to_le_bytes();
        header[92..].copy_from_slice(&crc);
        fs::write(file(&pair.mirror, name), newer)?;
    }
    let (code, error) = pair.mirror.fails(["status"])?;
    ensure!(code == INVALID && error.contains("version 3"), "{code}: {error}");
    Ok(())
}

/// The ledger can be shown while the home is open, and repaired with `keep` only when it is not.
#[test]
fn a_served_home_is_shown_and_not_changed() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 100_000, 4)?;
    pair.publish()?;
    let server = pair.origin.serve()?;
    let shown = pair.origin.json(["ledger", "show"])?;
    ensure!(text(&shown, "verdict") == "sound", "{shown}");
    for copy in shown.get("copies").and_then(Value::as_array).context("no copies")? {
        ensure!(number(copy, "records")? > 3 && text(copy, "node") == text(&shown, "node"), "{copy}");
    }
    let (code, error) = pair.origin.fails(["ledger", "keep", "a", "--yes"])?;
    ensure!(code == 6 && error.contains("in use"), "{code}: {error}");
    // Damage under a running node is found by `verify`, which repairs it.
    let mut bad = read(&pair.origin, "b")?;
    if let Some(byte) = bad.get_mut(200) {
        *byte ^= 4;
    }
    fs::write(file(&pair.origin, "b"), bad)?;
    let (_, said) = verify(&pair.origin)?;
    ensure!(said.contains("ledger/b at"), "{said}");
    ensure!(text(&pair.origin.json(["ledger", "show"])?, "verdict") == "sound", "it is not mended");
    ensure!(verify(&pair.origin)?.0 == Some(0), "it is still damaged");
    server.stop()?;
    Ok(())
}
