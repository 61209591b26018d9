//! The recoveries of docs/trust.md and of a lost origin in docs/operations.md, run as written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media, page,
    pair::{Pair, text},
    program::{Home, Server, copy, until},
};

/// Exit codes of the command line's contract.
const DENIED: i32 = 5;
const PEER: i32 = 8;

const PASSPHRASE: (&str, &str) = ("CHUAN_KEY_PASSPHRASE", "川流不息");

/// A library with two of three root keys, a standby publisher and a timekeeper, and the folder with its keys.
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

    /// Runs a recovery on `home` in a folder of its own; returns that folder. Texts for people are Chinese: a
    /// recovery that reads one of them fails.
    fn recover(&mut self, name: &str, home: &Home, variables: &[(&str, &str)]) -> Result<PathBuf> {
        self.recover_by("trust.zh-CN.md", name, home, variables)
    }

    /// Runs a recovery of a page on `home` in a folder of its own; returns that folder.
    fn recover_by(
        &mut self,
        page: &str,
        name: &str,
        home: &Home,
        variables: &[(&str, &str)],
    ) -> Result<PathBuf> {
        self.ran.push(name.to_owned());
        let dir = self.pair.scratch().join(format!("recovery-{}", self.ran.len()));
        fs::create_dir(&dir)?;
        let (root_1, root_2, operator) =
            (self.path("root.key"), self.path("root2.key"), self.path("operator.key"));
        let home = home.path.to_string_lossy().into_owned();
        let mut all = vec![
            PASSPHRASE,
            ("LC_ALL", "zh_CN.UTF-8"),
            ("CHUAN_HOME", home.as_str()),
            ("FILMS", "films"),
            ("ROOT_1", &root_1),
            ("ROOT_2", &root_2),
        ];
        if !variables.iter().any(|(name, _)| *name == "OPERATOR") {
            all.push(("OPERATOR", &operator));
        }
        all.extend(variables);
        page::recover(page, name, &dir, &all)?;
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

fn name_in(dir: &Path, name: &str) -> String {
    dir.join(name).to_string_lossy().into_owned()
}

fn run_with_passphrase(home: &Home, args: &[&str]) -> Result<()> {
    let output = home.command(args).env(PASSPHRASE.0, PASSPHRASE.1).output()?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Lets two nodes join at the origin with a ticket for one. The origin does not know of the first join when
/// the second comes, like two redeemers without a connection. Afterwards it knows both.
fn use_twice(stage: &Stage, server: Server, ticket: &str, joiners: [&Home; 2]) -> Result<Server> {
    let (origin, address) = (&stage.pair.origin, server.address);
    let [twin, real] = ["origin.twin", "origin.real"].map(|name| stage.pair.scratch().join(name));
    server.stop()?;
    copy(&origin.path, &twin)?;
    let server = origin.serve_on(address)?;
    joiners[0].run(["join", ticket])?;
    server.stop()?;
    fs::rename(&origin.path, &real)?;
    fs::rename(&twin, &origin.path)?;
    let server = origin.serve_on(address)?;
    joiners[1].run(["join", ticket])?;
    let file = stage.path("twin.statements");
    origin.run(["statements", "export", "films", &file])?;
    server.stop()?;
    fs::remove_dir_all(&origin.path)?;
    fs::rename(&real, &origin.path)?;
    let server = origin.serve_on(address)?;
    origin.run(["statements", "import", &file])?;
    Ok(server)
}

/// Many operators read only the Chinese page: it must show the same commands, which are the tested ones.
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

/// The blocks of a lost origin have the same commands in both languages, with comments of their own.
#[test]
fn both_languages_recover_a_lost_origin_by_the_same_commands() -> Result<()> {
    let blocks = |page: &str| -> Result<Vec<String>> {
        let blocks = page::commands(page)?.into_iter().filter(|block| block.starts_with("```sh recovery "));
        let plain = |block: String| {
            let commands = block.lines().map(|line| line.split(" # ").next().unwrap_or_default().trim_end());
            commands.collect::<Vec<_>>().join("\n")
        };
        Ok(blocks.map(plain).collect())
    };
    let english = blocks("operations.md")?;
    ensure!(english.len() == 3 && english == blocks("operations.zh-CN.md")?, "{english:?}");
    Ok(())
}

/// Symptom: the page ended where the statement of the origin's last release had reached the mirrors and its
/// data had not. `publish` named a pull as the remedy, which cannot help then, its dry run ended with another
/// code, and with `--force` an unchanged folder made no release.
#[test]
fn a_lost_origin_whose_last_release_reached_no_mirror() -> Result<()> {
    let mut stage = stage()?;
    let (origin, mirror) = (stage.pair.origin.clone(), stage.pair.mirror.clone());
    let operator = stage.path("operator.key");
    let server = stage.pair.connect_with(&["--key".as_ref(), operator.as_ref()])?;
    let other = Home::init(stage.pair.scratch().join("other"), "other", "mirror")?;
    other.run(["join", &origin.ticket("films")?])?;
    let homes = [&mirror, &other];
    homes.iter().try_for_each(|home| home.run(["pull", "films"]).map(drop))?;
    let [mirror_server, other_server] = [mirror.serve()?, other.serve()?];
    fs::write(stage.pair.library.join("last.txt"), "no mirror gets this")?;
    let last = stage.pair.publish()?;
    let is_known = |home: &Home, published: &serde_json::Value| {
        Ok(home.run(["history", "films", "--json"])?.contains(text(published, "release")))
    };
    for home in homes {
        until("the news reaches the mirrors", || is_known(home, &last))?;
    }
    let origin_id = node(&origin)?.0;
    server.stop()?;
    fs::remove_dir_all(&origin.path)?;

    let folder = name_in(stage.pair.scratch(), "folder");
    let publisher = stage.path("publisher.key");
    let variables = [("FOLDER", folder.as_str()), ("PUBLISHER", &publisher), ("RELEASE", "films@1")];
    stage.recover_by("operations.md", "origin-lost", &mirror, &variables)?;
    let status = mirror.json(["status"])?;
    let unfinished = status.pointer("/libraries/0/pull_unfinished");
    ensure!(unfinished == Some(&serde_json::Value::Bool(false)), "nothing was transferred: {status}");
    let publish = ["publish", &folder, "--library", "films", "--key", &publisher];
    for more in [&["--dry-run"][..], &[]] {
        let (code, error) = mirror.fails(publish.iter().chain(more))?;
        let remedy = "channel set films live 1";
        ensure!(code == DENIED && error.contains(remedy) && error.contains("--follow"), "{code}: {error}");
    }
    stage.recover_by("operations.md", "origin-lost-release", &mirror, &variables)?;
    fs::write(Path::new(&folder).join("new.txt"), "from the mirror")?;
    stage.recover_by("operations.md", "origin-lost-publish", &mirror, &variables)?;
    other.json(["pull", "films"])?;
    let copy = name_in(stage.pair.scratch(), "copy");
    other.run(["restore", "films", &copy])?;
    ensure!(media::difference(Path::new(&folder), Path::new(&copy))?.is_none(), "the mirror's release");

    // The mirrors joined through the origin. They are granted before it is revoked, and stay.
    let invited = mirror.run(["invite", "-l", "films", "--key", &operator])?;
    let fresh = name_in(stage.pair.scratch(), "fresh");
    let lost = [
        ("NODE", origin_id.as_str()),
        ("HOME_NEW", &fresh),
        ("NAME", "fresh"),
        ("TICKET", invited.lines().last().context("no ticket")?),
        ("KEPT_NODES", "mirror other"),
    ];
    stage.recover("home-lost", &mirror, &lost)?;
    let members = mirror.json(["members", "films"])?;
    let members = members.get("members").and_then(serde_json::Value::as_array).context("no members")?;
    let mut states: Vec<_> = members.iter().map(|row| (text(row, "name"), text(row, "state"))).collect();
    states.sort_unstable();
    let expected = [("fresh", "member"), ("mirror", "member"), ("origin", "revoked"), ("other", "member")];
    ensure!(states == expected, "{members:?}");

    // The new origin is lost in the same way, and the folder is as it was published last.
    fs::write(Path::new(&folder).join("newer.txt"), "no mirror gets this either")?;
    let last = mirror.json(publish)?;
    until("the news reaches the other mirror", || is_known(&other, &last))?;
    mirror_server.stop()?;
    let forced = other.json(["publish", &copy, "--library", "films", "--key", &publisher, "--force"])?;
    let flag = |name: &str| forced.get(name).and_then(serde_json::Value::as_bool);
    ensure!((flag("changed"), flag("side")) == (Some(true), Some(false)), "{forced}");
    let status = other.json(["status"])?;
    ensure!(status.pointer("/libraries/0/channels/0/release") == forced.get("release"), "{status}");
    drop(other_server);
    Ok(())
}

/// Symptom: `NEW_KEY=$(chuan id | awk '$1 == "key" …')` was empty in Chinese, where that line begins with
/// 密钥.
#[test]
fn no_command_of_a_page_reads_a_text_for_people() -> Result<()> {
    let mut piped = 0;
    for name in ["trust", "operations", "../README"] {
        for page in [format!("{name}.md"), format!("{name}.zh-CN.md")] {
            for block in page::commands(&page)? {
                let lines = block.lines().filter(|line| line.contains("chuan "));
                let pipes = lines
                    .filter_map(|line| line.rsplit_once("chuan "))
                    .filter(|(_, after)| after.contains(" | "));
                for (_, command) in pipes {
                    piped += 1;
                    // The first line of `key show` is the key alone.
                    let is_read =
                        command.contains("--json") || command.starts_with("key show \"$1\" | head -n 1");
                    ensure!(is_read, "{page}: use `--json` in: {command}");
                }
            }
        }
    }
    ensure!(piped >= 6, "only {piped} pipes found, this test reads the pages wrong");
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

    // Nodes: each key is really stolen or lost, and the thief's key is worthless afterwards.
    let (id, first) = node(&mirror)?;
    stage.recover("node-key-worn", &mirror, &[])?;
    ensure!(node(&mirror)?.1 != first && node(&mirror)?.0 == id, "another key of the same node");
    let mirror_home = mirror.path.to_string_lossy().into_owned();
    let thief = Home::at(stage.pair.scratch().join("thief"))?;
    copy(&mirror.path, &thief.path)?;
    thief.run(["pull", "films"])?;
    stage.recover("node-key-stolen", &origin, &[("NODE", &id), ("STOLEN_HOME", &mirror_home)])?;
    mirror.run(["pull", "films"])?;
    let (code, error) = thief.fails(["pull", "films"])?;
    ensure!([DENIED, PEER].contains(&code), "the thief is out: {code}: {error}");
    mirror_server.stop()?;
    let stolen = node(&mirror)?;
    fs::remove_file(mirror.path.join("keys/node.key"))?;
    ensure!(mirror.fails(["pull", "films"])?.0 == 3, "a node without its key pulled");
    stage.recover("node-key-lost", &origin, &[("NODE", &id), ("LOST_HOME", &mirror_home)])?;
    ensure!(node(&mirror)?.0 == id && node(&mirror)?.1 != stolen.1, "another key of the same node");
    mirror.run(["pull", "films"])?;
    let mirror_server = mirror.serve()?;

    // A ticket for one that two nodes have used.
    let copied = ticket(&stage)?;
    let [wanted, stranger] = ["wanted", "stranger"].map(|name| stage.pair.scratch().join(name));
    let wanted = Home::init(wanted, "wanted", "mirror")?;
    let stranger = Home::init(stranger, "stranger", "mirror")?;
    mirror_server.stop()?;
    let server = use_twice(&stage, server, &copied, [&wanted, &stranger])?;
    let mirror_server = mirror.serve()?;
    let (wanted_id, stranger_id) = (node(&wanted)?.0, node(&stranger)?.0);
    ensure!(
        wanted.fails(["pull", "films"])?.0 == DENIED,
        "a node that joined with a copied ticket is not suspended"
    );
    stage.recover("ticket", &origin, &[("WANTED", &wanted_id), ("STRANGER", &stranger_id)])?;
    wanted.run(["pull", "films"])?;
    ensure!(stranger.fails(["pull", "films"])?.0 == DENIED, "the stranger is out");

    let gone = node(&other)?.0;
    fs::remove_dir_all(&other.path)?;
    let fresh = stage.pair.scratch().join("fresh").to_string_lossy().into_owned();
    let lost = [
        ("NODE", gone.as_str()),
        ("HOME_NEW", &fresh),
        ("NAME", "fresh"),
        ("TICKET", &ticket(&stage)?),
        ("KEPT_NODES", ""),
    ];
    stage.recover("home-lost", &origin, &lost)?;
    let clone = stage.pair.scratch().join("clone");
    copy(Path::new(&fresh), &clone)?;
    Home::at(&clone)?.run(["pull", "films"])?;
    Home::at(&fresh)?.run(["pull", "films"])?;
    let clone = clone.to_string_lossy().into_owned();
    let cloned = [("CLONE", clone.as_str()), ("NAME", "clone"), ("TICKET", &ticket(&stage)?)];
    stage.recover("home-cloned", &origin, &cloned)?;
    ensure!(node(&Home::at(&clone)?)?.0 != node(&Home::at(&fresh)?)?.0, "the clone is a node of its own");

    // A backup of the origin, and the statements that it signed since.
    let folder = stage.pair.library.to_string_lossy().into_owned();
    let (backup, address) = (stage.pair.scratch().join("backup"), server.address);
    server.stop()?;
    copy(&origin.path, &backup)?;
    fs::write(stage.pair.library.join("since.txt"), "since the backup")?;
    let since = stage.pair.publish()?;
    let server = origin.serve_on(address)?;
    mirror.run(["pull", "films"])?;
    server.stop()?;
    fs::remove_dir_all(&origin.path)?;
    fs::rename(&backup, &origin.path)?;
    let server = origin.serve_on(address)?;
    fs::write(stage.pair.library.join("later.txt"), "and later")?;
    ensure!(
        origin.fails(["publish", &folder, "--library", "films"])?.0 == DENIED,
        "it lacks its own latest statements"
    );
    stage.recover("home-restored", &origin, &[("FILMS_FOLDER", &folder)])?;
    ensure!(
        origin.run(["releases", "films", "--json"])?.contains(text(&since, "release")),
        "nothing is lost"
    );

    // Roles: the lost key is not effective any more, and its successor is.
    stage.recover("root-key", &origin, &[("LOST_ROOT", &stage.public("root3.key")?)])?;
    let clock = stage.path("clock.key");
    origin.run(["fresh", "films", "--key", &clock])?;
    let lost = stage.public("clock.key")?;
    let dir = stage.recover("timekeeper-key", &origin, &[("LOST_TIMEKEEPER", &lost)])?;
    ensure!(
        origin.fails(["fresh", "films", "--key", &clock])?.0 == DENIED,
        "the lost timekeeper key vouched"
    );
    run_with_passphrase(&origin, &["fresh", "films", "--key", &name_in(&dir, "timekeeper-new.key")])?;
    let (standby, publisher) = (stage.public("standby.key")?, stage.public("publisher.key")?);
    let lost = [("STANDBY", standby.as_str()), ("GOOD_RELEASE", "films@2"), ("LOST_PUBLISHER", &publisher)];
    stage.recover("publisher-key", &origin, &lost)?;
    let publish = ["publish", &folder, "--library", "films", "--key"];
    let (old, new) = (stage.path("publisher.key"), stage.path("standby.key"));
    ensure!(
        origin.fails(publish.into_iter().chain([old.as_str()]))?.0 == DENIED,
        "the lost publisher key published"
    );
    let published = origin.json(publish.into_iter().chain([new.as_str()]))?;
    ensure!(
        published.get("side") == Some(&serde_json::Value::Bool(false)),
        "the standby is live: {published}"
    );
    let operator = stage.public("operator.key")?;
    let dir = stage.recover("operator-key", &origin, &[("LOST_OPERATOR", &operator)])?;

    let shown = page::commands("trust.md")?;
    let shown = shown.iter().filter_map(|block| block.lines().next()?.strip_prefix("```sh recovery "));
    let missed: Vec<_> = shown.filter(|name| !stage.ran.iter().any(|ran| ran == name)).collect();
    ensure!(missed.is_empty(), "recoveries that were not run: {missed:?}");

    // Statements signed by the lost keys are still effective, and so are those of the new operator.
    let releases = origin.json(["releases", "films"])?;
    ensure!(releases.pointer("/releases/1").is_some(), "{releases}");
    let status = origin.json(["status"])?;
    let version = status.pointer("/libraries/0/root_version");
    ensure!(version.and_then(serde_json::Value::as_u64) == Some(6), "{status}");
    mirror.run(["pull", "films"])?;
    let old = ["revoke", &id, "--library", "films", "--key", &stage.path("operator.key")];
    ensure!(origin.fails(old)?.0 == DENIED, "the lost operator key revoked");
    let new = name_in(&dir, "operator-new.key");
    run_with_passphrase(&origin, &["revoke", &id, "--library", "films", "--key", &new])?;
    ensure!(mirror.fails(["pull", "films"])?.0 == DENIED, "the new operator's revocation is not effective");
    drop((server, mirror_server));
    Ok(())
}
