//! The recoveries that docs/trust.md shows, run as they stand there, one after the other on one library.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media, page,
    pair::{Pair, text},
    program::{Home, copy},
};

const PASSPHRASE: (&str, &str) = ("CHUAN_KEY_PASSPHRASE", "川流不息");

/// A library with two of three root keys, a standby publisher and a timekeeper, and where its keys lie.
struct Stage {
    pair: Pair,
    keys: PathBuf,
    /// The recoveries that were run.
    ran: Vec<String>,
}

impl Stage {
    fn path(&self, name: &str) -> String {
        self.keys.join(name).to_string_lossy().into_owned()
    }

    /// The public half of a key.
    fn public(&self, name: &str) -> Result<String> {
        Ok(text(&self.pair.origin.json(["key", "show", &self.path(name)])?, "key").to_owned())
    }

    fn new_key(&self, name: &str) -> Result<String> {
        self.pair.origin.run(["key", "new", "--plain", &self.path(name)])?;
        self.public(name)
    }

    /// Runs a recovery on `home` in a folder of its own, which it gives.
    fn recover(&mut self, name: &str, home: &Home, variables: &[(&str, &str)]) -> Result<PathBuf> {
        self.ran.push(name.to_owned());
        let dir = self.pair.scratch().join(format!("recovery-{}", self.ran.len()));
        fs::create_dir(&dir)?;
        let (root_1, root_2, operator) =
            (self.path("root.key"), self.path("root2.key"), self.path("operator.key"));
        let home = home.path.to_string_lossy().into_owned();
        let mut all = vec![
            PASSPHRASE,
            ("CHUAN_HOME", home.as_str()),
            ("FILMS", "films"),
            ("ROOT_1", &root_1),
            ("ROOT_2", &root_2),
        ];
        if !variables.iter().any(|(name, _)| *name == "OPERATOR") {
            all.push(("OPERATOR", &operator));
        }
        all.extend(variables);
        page::recover("trust.md", name, &dir, &all)?;
        Ok(dir)
    }
}

fn stage() -> Result<Stage> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 200_000, 5)?;
    let published = pair.publish()?;
    let held = pair.origin.path.join("keys").join(text(&published, "library"));
    let keys = pair.scratch().join("keys");
    fs::create_dir(&keys)?;
    for role in ["root", "operator", "publisher"] {
        let name = format!("{role}.key");
        copy(&held.join(&name), &keys.join(&name))?;
    }
    let stage = Stage { pair, keys, ran: Vec::new() };
    let file = stage.path("films.root");
    let root = |args: &[&str]| stage.pair.origin.run(["root"].iter().chain(args));
    root(&["export", "films", &file])?;
    for (name, role) in
        [("root2", "root"), ("root3", "root"), ("standby", "publisher"), ("clock", "timekeeper")]
    {
        root(&["add-key", &file, role, &stage.new_key(&format!("{name}.key"))?])?;
    }
    root(&["set-threshold", &file, "root", "2"])?;
    root(&["sign", &file, "--key", &stage.path("root.key"), "--key", &stage.path("root2.key"), "--yes"])?;
    root(&["apply", &file])?;
    Ok(stage)
}

fn node(home: &Home) -> Result<(String, String)> {
    let id = home.json(["id"])?;
    Ok((text(&id, "id").to_owned(), text(&id, "key").to_owned()))
}

/// Many operators read the Chinese page only: its commands are those that are run.
#[test]
fn both_languages_show_the_same_commands() -> Result<()> {
    let (english, chinese) = (page::commands("trust.md")?, page::commands("trust.zh-CN.md")?);
    ensure!(english.len() > 15, "{} blocks of commands", english.len());
    for (english, chinese) in english.iter().zip(&chinese) {
        ensure!(english == chinese, "{english}\n\nis in Chinese\n\n{chinese}");
    }
    ensure!(english.len() == chinese.len(), "{} blocks, in Chinese {}", english.len(), chinese.len());
    Ok(())
}

#[test]
fn every_recovery_works_as_it_is_written() -> Result<()> {
    let mut stage = stage()?;
    let (origin, mirror) = (stage.pair.origin.clone(), stage.pair.mirror.clone());
    let server = stage.pair.connect_with(&["--key".as_ref(), stage.keys.join("operator.key").as_os_str()])?;
    let other = Home::init(stage.pair.scratch().join("other"), "other", "mirror")?;
    other.run(["join", &origin.ticket("films")?])?;
    let ticket = |stage: &Stage| {
        let made = origin.run(["invite", "-l", "films", "--key", &stage.path("operator.key")])?;
        Ok::<_, anyhow::Error>(made.lines().last().context("no ticket")?.to_owned())
    };
    mirror.run(["pull", "films"])?;
    let mirror_server = mirror.serve()?;

    // Nodes.
    stage.recover("node-key-worn", &mirror, &[])?;
    mirror.run(["rotate"])?;
    let (id, key) = node(&mirror)?;
    stage.recover("node-key-stolen", &origin, &[("NODE", &id), ("NEW_KEY", &key)])?;
    mirror.run(["pull", "films"])?;
    mirror.run(["rotate"])?;
    let (id, key) = node(&mirror)?;
    stage.recover("node-key-lost", &origin, &[("NODE", &id), ("NEW_KEY", &key)])?;
    mirror.run(["pull", "films"])?;
    let stranger = node(&other)?.0;
    stage.recover("ticket", &origin, &[("WANTED", &id), ("STRANGER", &stranger)])?;
    ensure!(other.fails(["pull", "films"])?.0 == 5, "the stranger is out");
    mirror.run(["pull", "films"])?;
    let fresh = stage.pair.scratch().join("fresh").to_string_lossy().into_owned();
    let lost =
        [("NODE", stranger.as_str()), ("HOME_NEW", &fresh), ("NAME", "fresh"), ("TICKET", &ticket(&stage)?)];
    stage.recover("home-lost", &origin, &lost)?;
    let clone = stage.pair.scratch().join("clone");
    copy(Path::new(&fresh), &clone)?;
    let clone = clone.to_string_lossy().into_owned();
    let cloned = [("CLONE", clone.as_str()), ("NAME", "clone"), ("TICKET", &ticket(&stage)?)];
    stage.recover("home-cloned", &origin, &cloned)?;

    // Homes and roles.
    let folder = stage.pair.library.to_string_lossy().into_owned();
    fs::write(stage.pair.library.join("since.txt"), "since the backup")?;
    stage.recover("home-restored", &origin, &[("FILMS_FOLDER", &folder)])?;
    stage.recover("root-key", &origin, &[("LOST_ROOT", &stage.public("root3.key")?)])?;
    stage.recover("timekeeper-key", &origin, &[("LOST_TIMEKEEPER", &stage.public("clock.key")?)])?;
    let (standby, publisher) = (stage.public("standby.key")?, stage.public("publisher.key")?);
    let lost = [("STANDBY", standby.as_str()), ("GOOD_RELEASE", "films@2"), ("LOST_PUBLISHER", &publisher)];
    stage.recover("publisher-key", &origin, &lost)?;
    let operator = stage.public("operator.key")?;
    let dir = stage.recover("operator-key", &origin, &[("LOST_OPERATOR", &operator)])?;

    let shown = page::commands("trust.md")?;
    let shown = shown.iter().filter_map(|block| block.lines().next()?.strip_prefix("```sh recovery "));
    let missed: Vec<_> = shown.filter(|name| !stage.ran.iter().any(|ran| ran == name)).collect();
    ensure!(missed.is_empty(), "recoveries that nobody ran: {missed:?}");

    // What was said by keys that are gone still stands, and the new operator's word counts.
    let releases = origin.json(["releases", "films"])?;
    ensure!(releases.pointer("/releases/1").is_some(), "{releases}");
    let status = origin.json(["status"])?;
    let version = status.pointer("/libraries/0/root_version");
    ensure!(version.and_then(serde_json::Value::as_u64) == Some(6), "{status}");
    mirror.run(["pull", "films"])?;
    let new = dir.join("operator-new.key").to_string_lossy().into_owned();
    let mut revoke = origin.command(["revoke", &id, "--library", "films", "--key", &new]);
    let output = revoke.env(PASSPHRASE.0, PASSPHRASE.1).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(mirror.fails(["pull", "films"])?.0 == 5, "the new operator revokes");
    drop((server, mirror_server));
    Ok(())
}
