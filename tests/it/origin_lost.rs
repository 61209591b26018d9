//! A library without its origin: the survivors go on, and accept the origin again when it returns.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{Home, Server, copy, until},
};
use serde_json::Value;

/// Exit code of a request that the membership does not allow.
const DENIED: i32 = 5;

fn library(home: &Home) -> Result<Value> {
    home.json(["status"])?.pointer("/libraries/0").cloned().context("no library")
}

fn live(home: &Home) -> Result<u64> {
    let list = home.json(["channel", "list", "films"])?;
    let channels = list.pointer("/channels").and_then(Value::as_array).context("no channels")?;
    let live = channels.iter().find(|channel| text(channel, "name") == "live");
    Ok(live.and_then(|channel| channel.get("sequence")?.as_u64()).unwrap_or(0))
}

/// Seconds since enough timekeepers vouched for `live`, as a home reports it.
fn age(home: &Home) -> Result<Option<u64>> {
    Ok(home.json(["history", "films"])?.get("fresh_age_seconds").and_then(Value::as_u64))
}

/// A key file without a passphrase, and its public half.
fn key(home: &Home, path: &Path) -> Result<String> {
    let made = home.json(["key".as_ref(), "new".as_ref(), "--plain".as_ref(), path.as_os_str()])?;
    Ok(text(&made, "key").to_owned())
}

/// A mirror that listens, has joined and has pulled.
fn mirror(pair: &Pair, name: &str, ticket: &str) -> Result<(Home, Server)> {
    let home = Home::init(pair.scratch().join(name), name, "mirror")?;
    let server = home.serve()?;
    home.run(["join", ticket])?;
    home.json(["pull", "films"])?;
    Ok((home, server))
}

/// One script, in the order in which an operator acts.
#[test]
fn the_survivors_go_on_without_the_origin() -> Result<()> {
    let pair = Pair::new()?;
    let origin = &pair.origin;
    media::library(&pair.library, 2, 300_000, 7)?;
    pair.publish()?;
    let origin_server = origin.serve()?;
    let (one, one_server) = mirror(&pair, "one", &origin.ticket("films")?)?;
    let (two, _two_server) = mirror(&pair, "two", &origin.ticket("films")?)?;

    // Beforehand: the operator has the operator key, and the root names a standby and two timekeepers.
    let id = text(&library(origin)?, "id").to_owned();
    let keys = origin.path.join("keys").join(&id);
    let stick = pair.scratch().join("stick");
    fs::create_dir(&stick)?;
    let operator = stick.join("operator.key");
    copy(&keys.join("operator.key"), &operator)?;
    let operator = operator.to_string_lossy().into_owned();
    let standby = key(origin, &stick.join("standby.key"))?;
    let file = stick.join("films.root").to_string_lossy().into_owned();
    origin.run(["root", "export", "films", &file])?;
    origin.run(["root", "add-key", &file, "publisher", &standby])?;
    let timekeepers = ["east", "west"].map(|name| stick.join(format!("{name}.key")));
    for path in &timekeepers {
        let timekeeper = key(origin, path)?;
        origin.run(["root", "add-key", &file, "timekeeper", &timekeeper])?;
    }
    origin.run(["root", "set-threshold", &file, "timekeeper", "2"])?;
    let root_key = keys.join("root.key").to_string_lossy().into_owned();
    origin.run(["root", "sign", &file, "--key", &root_key, "--yes"])?;
    origin.run(["root", "apply", &file])?;
    for home in [&one, &two] {
        until("the mirrors know the new root", || {
            Ok(library(home)?.get("root_version").and_then(Value::as_u64) == Some(2))
        })?;
    }

    // Both timekeepers vouch: one alone is not enough.
    for (at, path) in timekeepers.iter().enumerate() {
        ensure!(age(origin)?.is_none(), "{at} of 2 timekeepers have vouched");
        origin.run(["fresh".as_ref(), "films".as_ref(), "--key".as_ref(), path.as_os_str()])?;
    }
    for home in [origin, &one, &two] {
        until("every node has the vouchers", || Ok(age(home)?.is_some()))?;
    }

    // The address book is saved some seconds after a member has named its addresses.
    let ids = [&one, &two].map(|home| home.json(["id"]).map(|found| text(&found, "id").to_owned()));
    let ids = ids.into_iter().collect::<Result<Vec<_>>>()?;
    until("the origin has saved its members", || {
        let book = fs::read_to_string(origin.path.join("peers.json")).unwrap_or_default();
        Ok(ids.iter().all(|id| book.contains(id.as_str())))
    })?;

    // The origin is gone, with every key in it; so are all timekeepers.
    drop(origin_server);
    let vault = pair.scratch().join("vault");
    fs::rename(&origin.path, &vault)?;
    for path in &timekeepers {
        fs::remove_file(path)?;
    }

    // No timekeeper vouches any more: the age is reported and grows, and nothing is blocked.
    let then = age(&two)?.context("the age of the channel is lost")?;
    until("the age grows", || Ok(age(&two)?.context("the age is gone")? > then))?;
    let film = Path::new("长江 (2019)").join("film.nfo");
    let cat = two.output(["cat".as_ref(), "films".as_ref(), film.as_os_str()])?;
    ensure!(cat.status.success() && cat.stdout == fs::read(pair.library.join(&film))?, "{film:?}");

    // The survivors serve by path, and admit the nodes that an operator invites.
    let restored = pair.scratch().join("two-restored");
    two.run(["restore".as_ref(), "films".as_ref(), restored.as_os_str()])?;
    ensure!(media::difference(&pair.library, &restored)?.is_none(), "by path, as before");
    let invited = one.run(["invite", "-l", "films", "--key", &operator])?;
    let ticket = invited.lines().last().unwrap_or_default().to_owned();
    let (three, _three_server) = mirror(&pair, "three", &ticket)?;
    let three_id = text(&three.json(["id"])?, "id").to_owned();

    one.run(["revoke", &three_id, "-l", "films", "--reason", "was lost", "--key", &operator])?;
    until("the revocation reaches the other survivor", || {
        Ok(two.json(["members", "films"])?.to_string().contains("was lost"))
    })?;
    let (code, error) = three.fails(["pull", "films"])?;
    ensure!(code == DENIED, "{code}: {error}");
    one.run([
        "grant",
        &three_id,
        "-l",
        "films",
        "--all-classes",
        "--name",
        "three",
        "--node-key",
        text(&three.json(["id"])?, "key"),
        "--key",
        &operator,
    ])?;
    three.json(["pull", "films"])?;
    // This node never had a connection to the origin.
    let restored = pair.scratch().join("three-restored");
    three.run(["restore".as_ref(), "films".as_ref(), restored.as_os_str()])?;
    ensure!(media::difference(&pair.library, &restored)?.is_none(), "from survivors alone");

    // An operator makes the standby the publisher; it continues from the library's current state.
    one.run([
        "channel",
        "set",
        "films",
        "live",
        "films@1",
        "--publisher",
        &standby,
        "--follow",
        "--key",
        &operator,
    ])?;
    until("the standby knows of it", || {
        Ok(two.run(["history", "films", "--json"])?.contains(&standby[..10]))
    })?;
    fs::create_dir_all(two.path.join("keys").join(&id))?;
    copy(&stick.join("standby.key"), &two.path.join("keys").join(&id).join("publisher.key"))?;
    fs::write(pair.library.join("after the fall.txt"), "published without the origin")?;
    let publish = |home: &Home| {
        home.json(["publish".as_ref(), pair.library.as_os_str(), "--library".as_ref(), "films".as_ref()])
    };
    let published = publish(&two)?;
    ensure!(published.get("sequence").and_then(Value::as_u64) == Some(2), "{published}");
    one.json(["pull", "films"])?;
    let restored = pair.scratch().join("one-restored");
    one.run(["restore".as_ref(), "films".as_ref(), restored.as_os_str()])?;
    ensure!(media::difference(&pair.library, &restored)?.is_none(), "the standby's release");

    // The origin comes back in its old state, receives the missed statements, and follows.
    fs::rename(&vault, &origin.path)?;
    let origin_server = origin.serve()?;
    until("the origin knows its successor", || {
        Ok(origin.run(["history", "films", "--json"])?.contains(&standby[..10]))
    })?;
    origin.json(["pull", "films"])?;
    ensure!(live(origin)? == 2, "the origin follows");
    fs::write(pair.library.join("from the origin.txt"), "beside")?;
    let folder = pair.library.to_string_lossy();
    let preview = origin.json(["publish", &folder, "-l", "films", "--dry-run"])?;
    ensure!(
        preview.get("side") == Some(&Value::Bool(true)) && text(&preview, "live_publisher") == standby,
        "{preview}"
    );
    let preview = origin.run(["publish", &folder, "-l", "films", "--dry-run"])?;
    ensure!(preview.contains("live would not move"), "{preview}");
    let side = publish(origin)?;
    ensure!(side.get("side") == Some(&Value::Bool(true)), "{side}");
    ensure!(live(origin)? == 2, "a release of the origin moved the channel without an operator");
    drop((origin_server, one_server));
    Ok(())
}

/// A home that runs twice detects it: its audit log has two histories. If both logs have signed a checkpoint
/// of the same count, every peer has the proof. If one log is longer, the other home learns that and records
/// in its own log that it is a clone.
#[test]
fn a_cloned_home_is_found_and_named() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 100_000, 3)?;
    pair.publish()?;
    let _origin = pair.origin.serve()?;
    for (name, starts) in [("twin", 0), ("busier", 3)] {
        let (twin, server) = mirror(&pair, name, &pair.origin.ticket("films")?)?;
        let node = text(&twin.json(["id"])?, "id").to_owned();
        server.stop()?;
        let clone = Home::at(pair.scratch().join(format!("clone of {name}")))?;
        copy(&twin.path, &clone.path)?;
        for _ in 0..starts {
            twin.serve()?.stop()?;
        }
        let _both = [twin.serve()?, clone.serve()?];
        until("the clone is found", || {
            let conflicts = pair.origin.json(["conflicts", "films"])?.to_string();
            let proved = conflicts.contains(r#""checkpoint""#) && conflicts.contains(&node[..10]);
            Ok(proved || starts > 0 && clone.run(["audit", "tail"])?.contains("or is a clone"))
        })?;
        for home in [&twin, &clone] {
            home.json(["pull", "films"])?;
            home.run(["verify", "--deep"])?;
        }
    }
    Ok(())
}
