//! Acts that take something away: they say what, and ask before they take more than the command names. And
//! names that stand for nothing, or for several things.

use std::{ffi::OsStr, fs, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{copy, number},
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const USAGE: i32 = 2;
const DENIED: i32 = 5;
const PEER: i32 = 8;

/// The strings of a field in the rows of a list.
fn column(object: &Value, list: &str, field: &str) -> Vec<String> {
    let rows = object.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    rows.iter().map(|row| text(row, field).to_owned()).collect()
}

/// A pair whose mirror has joined through the origin, which serves.
fn joined() -> Result<(Pair, chuan_tests::program::Server)> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let server = pair.connect()?;
    pair.pull()?;
    Ok((pair, server))
}

/// Symptom: `revoke` of the own origin succeeded at once, and removed all nodes that had joined through it.
#[test]
fn a_revocation_names_every_node_that_it_removes() -> Result<()> {
    let (pair, _server) = joined()?;
    let ids = [&pair.origin, &pair.mirror].map(|home| home.json(["id"]).map(|id| text(&id, "id").to_owned()));
    let [origin, mirror] = ids;
    let (origin, mirror) = (origin?, mirror?);

    let preview = pair.origin.json(["revoke", "origin", "--dry-run"])?;
    let mut fall = column(&preview, "nodes", "node");
    fall.sort();
    let mut both = vec![origin.clone(), mirror.clone()];
    both.sort();
    ensure!(fall == both && column(&preview, "nodes", "name").contains(&"mirror".to_owned()), "{preview}");
    ensure!(preview.get("this_node") == Some(&Value::Bool(true)), "{preview}");
    let shown = pair.origin.run(["revoke", "origin", "--dry-run"])?;
    ensure!(shown.contains(&mirror) && shown.contains(&origin), "{shown}");

    for (args, option) in
        [(&["revoke", "origin", "--yes"][..], "--this-node"), (&["revoke", "origin", "--this-node"], "--yes")]
    {
        let (code, error) = pair.origin.fails(args)?;
        ensure!(code == USAGE && error.contains(option), "{args:?}: {code}: {error}");
    }
    let members = pair.origin.json(["members"])?;
    ensure!(column(&members, "members", "state").iter().all(|state| state == "member"), "{members}");
    pair.pull()?;

    // A node through which none joined is revoked at once, as scripts do it.
    let preview = pair.origin.json(["revoke", "mirror", "--dry-run"])?;
    ensure!(preview.get("confirm") == Some(&Value::Bool(false)), "{preview}");
    ensure!(preview.get("dry_run") == Some(&Value::Bool(true)), "{preview}");
    // A preview checks the key that the run would take.
    let nothing = pair.scratch().join("no.key").to_string_lossy().into_owned();
    for act in [&["revoke", "mirror"][..], &["grant", "mirror"], &["channel", "set", "films", "live", "1"]] {
        let mut codes = Vec::new();
        for more in [&["--dry-run"][..], &["--yes"]] {
            codes.push(pair.origin.fails(act.iter().chain(&["--key", nothing.as_str()]).chain(more))?.0);
        }
        ensure!(codes == [3, 3], "{act:?}: {codes:?}");
    }
    pair.origin.run(["revoke", "mirror"])?;
    ensure!(pair.mirror.fails(["pull", "films"])?.0 == DENIED);
    let revoked = pair.origin.json(["revoke", "origin", "--this-node", "--yes"])?;
    ensure!(text(&revoked, "state") == "revoked", "{revoked}");
    Ok(())
}

/// Symptom: `grant X --class nosuch` replaced "all classes" by a class that does not exist, exit 0, and the
/// mirror was told to try another source.
#[test]
fn a_grant_names_classes_that_exist_and_does_not_narrow_unasked() -> Result<()> {
    let (pair, _server) = joined()?;
    for act in [&["grant", "mirror", "--class", "nosuch"][..], &["invite", "--class", "nosuch"]] {
        let (code, error) = pair.origin.fails(act)?;
        ensure!(
            code == USAGE && error.contains("nosuch") && error.contains("--new-class"),
            "{code}: {error}"
        );
    }
    let narrow = ["grant", "mirror", "--class", "default"];
    let (code, error) = pair.origin.fails(narrow)?;
    ensure!(code == USAGE && error.contains("mirror") && error.contains("--yes"), "{code}: {error}");
    let preview = pair.origin.json(narrow.into_iter().chain(["--dry-run"]))?;
    ensure!(column(&preview, "nodes", "before") == ["pull in all classes"], "{preview}");
    let narrowed = pair.origin.json(narrow.into_iter().chain(["--yes"]))?;
    ensure!(narrowed.pointer("/before/classes") == Some(&Value::Array(vec!["*".into()])), "{narrowed}");
    ensure!(narrowed.pointer("/classes/0").and_then(Value::as_str) == Some("default"), "{narrowed}");

    // A class that is still to come: the pull names it.
    let wider = ["grant", "mirror", "--class", "default", "--class", "later", "--new-class"];
    let shown = pair.origin.run(wider)?;
    ensure!(shown.contains("before: ") && shown.contains("later"), "{shown}");
    fs::write(pair.library.join("new.txt"), "new")?;
    pair.publish()?;
    let pulled = pair.pull()?;
    let missing = pulled.pointer("/classes_not_in_release/0").and_then(Value::as_str);
    ensure!(missing == Some("later"), "{pulled}");
    pair.origin.run(["grant", "mirror", "--class", "later", "--new-class", "--yes"])?;
    fs::write(pair.library.join("newer.txt"), "newer")?;
    pair.publish()?;
    let (code, error) = pair.mirror.fails(["pull", "films"])?;
    ensure!(code == 3 && error.contains("later") && error.contains("no such class"), "{code}: {error}");
    Ok(())
}

/// A channel that moves back says which releases its readers lose, and needs a confirmation.
#[test]
fn a_channel_that_moves_back_is_shown() -> Result<()> {
    let (pair, _server) = joined()?;
    for name in ["two.txt", "three.txt"] {
        fs::write(pair.library.join(name), name)?;
        pair.publish()?;
    }
    let set = ["channel", "set", "films", "live", "films@1"];
    let preview = pair.origin.json(set.into_iter().chain(["--dry-run"]))?;
    ensure!(preview.pointer("/channels/0/releases").and_then(Value::as_u64) == Some(2), "{preview}");
    let rolled = pair.origin.json(["rollback", "films", "--dry-run"])?;
    ensure!(rolled.pointer("/channels/0/sequence_after").and_then(Value::as_u64) == Some(2), "{rolled}");
    ensure!(
        pair.origin.json(["channel", "list", "films"])?.pointer("/channels/0/sequence") == Some(&3.into())
    );
    let (code, error) = pair.origin.fails(set)?;
    ensure!(
        code == USAGE && error.contains("leaves releases 2–3, which 1 does not contain"),
        "{code}: {error}"
    );
    let shown = pair.origin.run(["rollback", "films", "--dry-run"])?;
    ensure!(shown.contains("! channel live moves from 3 to 2: it leaves release 3, which 2"), "{shown}");
    let moved = pair.origin.json(set.into_iter().chain(["--yes"]))?;
    ensure!(number(&moved, "releases_back")? == 2, "{moved}");
    let moved = pair.origin.json(["channel", "set", "films", "live", "films@3"])?;
    ensure!(number(&moved, "releases_back")? == 0, "{moved}");
    Ok(())
}

/// Symptom: `status`, `restore` and `ls` did not tell that the home was behind, and the age in `status` was
/// that of a release which was not here.
#[test]
fn a_home_that_is_behind_says_so_wherever_a_channel_is_read() -> Result<()> {
    let (pair, _server) = joined()?;
    for name in ["two.txt", "three.txt"] {
        fs::write(pair.library.join(name), name)?;
        pair.publish()?;
    }
    let newer = pair.scratch().join("newer.statements");
    pair.origin.run(["statements".as_ref(), "export".as_ref(), "films".as_ref(), newer.as_os_str()])?;
    pair.mirror.run(["statements".as_ref(), "import".as_ref(), newer.as_os_str()])?;

    let status = pair.mirror.json(["status"])?;
    let channel = status.pointer("/libraries/0/channels/0").context("no channel")?;
    ensure!(number(channel, "behind")? == 2 && number(channel, "sequence")? == 3, "{channel}");
    ensure!(number(channel, "here_time_ms")? <= number(channel, "time_ms")?, "{channel}");
    let shown = pair.mirror.run(["status"])?;
    ensure!(shown.contains("2 behind") && shown.contains("HERE"), "{shown}");
    let target = pair.scratch().join("behind");
    let restore = ["restore".as_ref(), "films".as_ref(), target.as_os_str()];
    for args in [&["ls".as_ref(), "films".as_ref()][..], &restore] {
        ensure!(number(&pair.mirror.json(args)?, "behind")? == 2, "{args:?}");
        ensure!(pair.mirror.run(args)?.contains("live is 2 behind here"), "{args:?}");
    }
    let named = pair.mirror.json(["ls", "films@1"])?;
    ensure!(named.get("behind").is_none(), "a release is not behind: {named}");
    pair.pull()?;
    ensure!(number(&pair.mirror.json(["ls", "films"])?, "behind")? == 0);
    Ok(())
}

/// Symptom: two publishes that found one name made two libraries, and every command by name failed from then
/// on.
#[test]
fn publishes_of_one_new_name_found_one_library() -> Result<()> {
    let pair = Pair::new()?;
    let _server = pair.origin.serve()?;
    let films = ["one.mp4", "two.mp4", "three.mp4"].map(|name| pair.scratch().join(name));
    for (seed, film) in (1..).zip(&films) {
        media::film(film, 400_000, seed)?;
    }
    std::thread::scope(|scope| {
        let publish = |film: &Path| {
            let args = ["publish".as_ref(), film.as_os_str(), "--library".as_ref(), "films".as_ref()];
            pair.origin.run(args)
        };
        let runs: Vec<_> = films.iter().map(|film| scope.spawn(move || publish(film))).collect();
        runs.into_iter().try_for_each(|run| match run.join() {
            Ok(result) => result.map(drop),
            Err(_) => anyhow::bail!("a command panicked"),
        })
    })?;
    let status = pair.origin.json(["status"])?;
    ensure!(column(&status, "libraries", "name") == ["films"], "{status}");
    let listed = pair.origin.json(["ls", "films"])?;
    ensure!(number(&listed, "files")? == 3 && number(&listed, "sequence")? == 3, "{listed}");
    Ok(())
}

/// Two libraries of one name, as homes of older versions have them: each is named by the beginning of its id.
#[test]
fn two_libraries_of_one_name_are_told_apart_by_their_ids() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let first = text(&pair.publish()?, "library").to_owned();
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let key = |name: &str| -> Result<String> {
        Ok(text(&pair.origin.json(["key", "new", "--plain", &path(name)])?, "key").to_owned())
    };
    let (root, operator, publisher) = (key("root.key")?, key("operator.key")?, key("publisher.key")?);
    let file = path("films.root");
    let made = pair.origin.json([
        "root",
        "init",
        &file,
        "--name",
        "films",
        "--root-key",
        &root,
        "--operator",
        &operator,
        "--publisher",
        &publisher,
    ])?;
    let second = text(&made, "library").to_owned();
    pair.origin.run(["root", "sign", &file, "--yes", "--key", &path("root.key")])?;
    pair.origin.run(["found", &file, "--key", &path("operator.key")])?;

    let short = |id: &str| id.get(..10).unwrap_or_default().to_owned();
    let (code, error) = pair.origin.fails(["ls", "films"])?;
    ensure!(
        code == USAGE && [&first, &second].iter().all(|id| error.contains(&short(id))),
        "{code}: {error}"
    );
    ensure!(error.contains("1 release") && error.contains("keys here: root, operator, publisher"), "{error}");
    let listed = pair.origin.json(["ls", &short(&first)])?;
    ensure!(number(&listed, "sequence")? == 1, "{listed}");
    fs::write(pair.library.join("new.txt"), "new")?;
    let (library, source) = (short(&first), pair.library.as_os_str());
    let published = pair.origin.json(["publish".as_ref(), source, "-l".as_ref(), OsStr::new(&library)])?;
    ensure!(text(&published, "library") == first && number(&published, "sequence")? == 2, "{published}");
    pair.origin.run(["channel", "set", &library, "canary", &format!("{library}@1")])?;
    ensure!(text(&pair.origin.json(["members", &short(&second)])?, "library") == second);
    Ok(())
}

/// Symptom: an origin whose one mirror was off could not publish without `--force`.
#[test]
fn an_origin_whose_mirror_is_off_publishes_and_a_copy_of_it_does_not() -> Result<()> {
    let (pair, server) = joined()?;
    let mirror = pair.mirror.serve()?;
    pair.mirror.run(["pull", "films"])?;
    chuan_tests::program::until("the origin knows where the mirror is", || {
        Ok(pair.origin.json(["status"])?.to_string().contains(&mirror.address.to_string()))
    })?;
    server.stop()?;
    mirror.stop()?;
    let backup = pair.scratch().join("backup");
    copy(&pair.origin.path, &backup)?;

    fs::write(pair.library.join("alone.txt"), "alone")?;
    let source = pair.library.as_os_str();
    let publish = ["publish".as_ref(), source, "--library".as_ref(), "films".as_ref()];
    let output = pair.origin.output(publish)?;
    let notes = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && notes.contains("can be reached"), "{notes}");

    // On another machine, nothing vouches for the home.
    fs::write(pair.library.join("elsewhere.txt"), "elsewhere")?;
    let moved = pair.origin.clone().with_env("XDG_STATE_HOME", &pair.scratch().join("other machine"));
    let (code, error) = moved.fails(publish)?;
    ensure!(code == PEER && error.contains("--force"), "{code}: {error}");

    // A backup from before the last release lacks that release.
    let current = pair.scratch().join("current");
    fs::rename(&pair.origin.path, &current)?;
    fs::rename(&backup, &pair.origin.path)?;
    for _ in 0..2 {
        let (code, error) = pair.origin.fails(publish)?;
        ensure!(code == PEER && error.contains("backup"), "{code}: {error}");
    }
    // With the release again, it has all that its key has signed here.
    let newer = pair.scratch().join("newer.statements");
    let now = chuan_tests::program::Home::at(&current)?;
    now.run(["statements".as_ref(), "export".as_ref(), "films".as_ref(), newer.as_os_str()])?;
    pair.origin.run(["statements".as_ref(), "import".as_ref(), newer.as_os_str()])?;
    let (code, error) = pair.origin.fails(publish)?;
    ensure!(
        code == DENIED && error.contains(" pull films`"),
        "the content of the release is not here: {code}: {error}"
    );
    fs::rename(&pair.origin.path, &backup)?;
    fs::rename(&current, &pair.origin.path)?;
    pair.origin.run(publish)?;
    Ok(())
}
