//! Signing for a library needs a key, whichever process has the home open. Access to a home's socket is not
//! enough.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::number,
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const DENIED: i32 = 5;

/// Moves the keys of the only library of a home to a folder elsewhere.
fn take_keys_away(pair: &Pair) -> Result<PathBuf> {
    let keys = pair.origin.path.join("keys");
    let elsewhere = pair.scratch().join("stick");
    fs::create_dir(&elsewhere)?;
    for item in fs::read_dir(&keys)? {
        let item = item?;
        if item.file_type()?.is_dir() {
            for role in ["root", "operator", "publisher"] {
                let name = format!("{role}.key");
                fs::rename(item.path().join(&name), elsewhere.join(&name))?;
            }
        }
    }
    Ok(elsewhere)
}

/// Posts a command to the socket of a served home, as any process of its user can; returns the status and the
/// body.
fn post(home: &Path, body: &str) -> Result<(u16, String)> {
    let mut stream = UnixStream::connect(home.join("run/admin.sock"))?;
    let request = format!(
        "POST /api/v1/commands HTTP/1.1\r\nhost: chuan\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    // If the request is too long, the server does not read its end.
    let _ = stream.write_all(request.as_bytes());
    // It then closes the connection with unread data, which is an error here only after the answer.
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    ensure!(!answer.is_empty(), "no answer: {read:?}");
    let answer = String::from_utf8(answer)?;
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.with_context(|| format!("no status: {answer}"))?, answer))
}

/// The commands that `chuan --help` lists.
fn commands(pair: &Pair) -> Result<BTreeSet<String>> {
    let help = pair.origin.run(["--help"])?;
    // They are in groups, each with a heading.
    let groups =
        help.split("\n\n").filter(|part| part.lines().next().is_some_and(|line| line.contains("ommands")));
    let lines = groups.flat_map(|group| group.lines().skip(1));
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    Ok(names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

/// Every existing command: without a key, the home's own commands work and the library's commands fail.
#[test]
fn without_a_key_file_only_the_homes_own_commands_work() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    media::film(&pair.library.join("second.mp4"), 200_000, 3)?;
    pair.publish()?;
    // A target for every command about a channel.
    pair.origin.run(["channel", "set", "films", "canary", "films@1"])?;
    let stick = take_keys_away(&pair)?;
    let server = pair.connect_with(&["--key".as_ref(), stick.join("operator.key").as_os_str()])?;
    let file = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();

    let source = pair.library.to_string_lossy().into_owned();
    media::film(&pair.library.join("new.mp4"), 200_000, 2)?;
    let node = text(&pair.mirror.json(["id"])?, "id").to_owned();
    let own: &[&[&str]] = &[
        &["id"],
        &["releases", "films"],
        &["ls", "films"],
        &["diff", "films@1", "films@1"],
        &["cat", "films", "长江 (2019)/film.nfo"],
        &["restore", "films", &file("restored")],
        &["verify"],
        &["audit", "verify"],
        &["rotate"],
        &["rebuild"],
        &["status"],
        &["members", "films"],
        &["audit", "tail"],
        &["channel", "list", "films"],
        &["history", "films"],
        &["conflicts"],
        &["statements", "export", "films", &file("films.statements")],
        &["statements", "import", &file("films.statements")],
        &["completions", "bash"],
        &["man", &file("man")],
        &["ledger", "show"],
        &["policy", "show", "films"],
    ];
    let the_librarys: &[&[&str]] = &[
        &["publish", &source, "--library", "films"],
        &["invite"],
        &["grant", &node, "--all-classes"],
        &["revoke", "mirror"],
        &["channel", "set", "films", "live", "films@1", "--yes"],
        &["promote", "films", "canary", "live", "--yes"],
        &["rollback", "films", "--yes"],
        &["fresh", "films"],
    ];
    // These work on another home, on none, or on the files of one, and sign nothing for this library.
    let others = ["init", "serve", "found", "join", "pull", "home", "key", "root", "sign", "help"];

    for args in own {
        pair.origin.run(*args).with_context(|| format!("{args:?} needs no key"))?;
    }
    let before = pair.origin.json(["status"])?;
    for args in the_librarys {
        let (code, error) = pair.origin.fails(*args)?;
        ensure!(code == DENIED && error.contains("--key"), "{args:?}: {code}: {error}");
        // A key of another role is refused, too.
        let wrong = stick.join("root.key").to_string_lossy().into_owned();
        let (code, error) = pair.origin.fails([*args, &["--key", &wrong]].concat())?;
        ensure!(code == DENIED && error.contains("root.key"), "{args:?}: {code}: {error}");
    }
    let after = pair.origin.json(["status"])?;
    for what in ["releases", "members", "channels"] {
        let of = |status: &Value| -> Option<Value> {
            let mut found = status.pointer(&format!("/libraries/0/{what}"))?.clone();
            // Only their ages change, and the time of the status.
            for row in found.as_array_mut().into_iter().flatten() {
                let row = row.as_object_mut()?;
                row.retain(|name, _| name != "age_seconds" && name != "at_ms");
            }
            Some(found)
        };
        ensure!(of(&before).is_some() && of(&before) == of(&after), "{what}: {before} {after}");
    }

    let tried: BTreeSet<String> =
        own.iter().chain(the_librarys).filter_map(|args| args.first()).map(|&s| s.into()).collect();
    let listed = commands(&pair)?;
    let missed: Vec<_> =
        listed.iter().filter(|name| !tried.contains(*name) && !others.contains(&name.as_str())).collect();
    ensure!(
        missed.is_empty() && listed.len() > 15,
        "commands that this test does not know: {missed:?} of {listed:?}"
    );

    // With the keys, the same commands work, whichever process has the home open.
    let key = |role: &str| stick.join(format!("{role}.key")).to_string_lossy().into_owned();
    let publish = ["publish", &source, "--library", "films", "--key", &key("publisher")];
    let published = pair.origin.json(publish)?;
    ensure!(number(&published, "sequence")? == 3, "{published}");
    pair.pull()?;
    pair.check_restored()?;
    pair.origin.run(["invite", "--key", &key("operator")])?;
    drop(server);
    Ok(())
}

/// The socket accepts no command that needs a signature, in any form, although the keys are in the home that
/// it serves.
#[test]
fn no_command_over_the_socket_signs_for_a_library() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let _server = pair.origin.serve()?;
    let (status, answer) = post(&pair.origin.path, r#"{"command":"status"}"#)?;
    ensure!(status == 200 && answer.contains("outcome"), "{answer}");
    let library = text(&pair.origin.json(["releases", "films"])?, "library").to_owned();
    for body in [
        r#"{"command":"publish","source":"SOURCE","library":"films","message":"","check":false}"#,
        r#"{"command":"invite","expires_s":60,"uses":1}"#,
        r#"{"command":"found","file":"x"}"#,
        r#"{"command":"grant","node":"ab"}"#,
        r#"{"command":"revoke","node":"ab"}"#,
        r#"{"command":"set-channel","library":"films","channel":"live","release":"films@1"}"#,
        r#"{"command":"channel set","library":"films","channel":"live","release":"films@1"}"#,
        r#"{"command":"promote","library":"films","from":"canary","to":"live"}"#,
        r#"{"command":"rollback","library":"films","channel":"live"}"#,
        r#"{"command":"fresh","library":"films","channel":"live"}"#,
        r#"{"command":"signed","invite":{}}"#,
    ] {
        let body = body.replace("SOURCE", &pair.library.to_string_lossy());
        let (status, answer) = post(&pair.origin.path, &body)?;
        // The error must be an unknown command: a known command with a missing field would give the same
        // status.
        ensure!(status == 422 || status == 400, "{body}: {answer}");
        ensure!(answer.contains("unknown variant"), "{body}: {answer}");
    }
    // Finished statements are accepted from any process, and verified: invalid ones are refused without
    // effect.
    let offer = format!(r#"{{"command":"offer","library":"{library}","statements":["Q0hTVAEC"]}}"#);
    let (_, answer) = post(&pair.origin.path, &offer)?;
    ensure!(answer.contains("failure"), "{answer}");
    let (status, _) = post(&pair.origin.path, &format!(r#"{{"command":"{}"}}"#, "x".repeat(5_000_000)))?;
    ensure!(status == 413, "a request without end: {status}");
    Ok(())
}

/// Statements of one home, transferred to another that never had a connection to it.
#[test]
fn statements_are_carried_by_file() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let server = pair.connect()?;
    pair.pull()?;
    drop(server);
    media::film(&pair.library.join("new.mp4"), 200_000, 2)?;
    pair.publish()?;
    let file = pair.scratch().join("films.statements");
    let carried =
        pair.origin.json(["statements".as_ref(), "export".as_ref(), "films".as_ref(), file.as_os_str()])?;
    ensure!(number(&carried, "statements")? >= 5, "{carried}");
    let known = |home: &chuan_tests::program::Home| -> Result<u64> {
        let list = home.json(["releases", "films"])?;
        Ok(list.get("releases").and_then(Value::as_array).map_or(0, Vec::len) as u64)
    };
    ensure!(known(&pair.mirror)? == 1);
    let import = ["statements".as_ref(), "import".as_ref(), file.as_os_str()];
    pair.mirror.run(import)?;
    ensure!(known(&pair.mirror)? == 2, "the release is not known");
    let again = pair.mirror.json(import)?;
    let rows = again.get("statements").and_then(Value::as_array).cloned().unwrap_or_default();
    ensure!(rows.iter().all(|row| text(row, "result") == "known") && !rows.is_empty(), "{again}");
    // The data is not here: the channel stays on its last complete release.
    let listed = pair.mirror.json(["ls", "films"])?;
    ensure!(number(&listed, "sequence")? == 1, "{listed}");
    pair.mirror.run(["verify", "--deep"])?;
    Ok(())
}

/// Admitted by an operator without a ticket, limited to its grant, revoked, admitted again.
#[test]
fn a_node_is_granted_revoked_and_granted_again() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let _server = pair.connect()?;
    pair.pull()?;
    let identity = pair.mirror.json(["id"])?;
    let state = || -> Result<Value> {
        let list = pair.origin.json(["members"])?;
        let rows = list.get("members").and_then(Value::as_array).cloned().unwrap_or_default();
        let row = rows.into_iter().find(|row| text(row, "node") == text(&identity, "id"));
        row.with_context(|| format!("the mirror is not listed: {list}"))
    };
    let joined = state()?;
    ensure!(text(&joined, "state") == "member" && text(&joined, "by") == "ticket", "{joined}");

    let revoked = pair.origin.json(["revoke", "mirror", "--reason", "the disk was stolen"])?;
    ensure!(text(&revoked, "state") == "revoked" && text(&revoked, "reason").contains("stolen"), "{revoked}");
    ensure!(text(&state()?, "state") == "revoked");
    let (code, error) = pair.mirror.fails(["pull", "films"])?;
    ensure!(code == DENIED, "a revoked node pulled: {code}: {error}");

    let id = text(&identity, "id");
    let (code, error) = pair.origin.fails(["grant", id])?;
    ensure!(code == 2 && error.contains("--class"), "a grant without a class was accepted: {code}: {error}");
    let row = pair.origin.json(["grant", id, "--all-classes", "--name", "back", "--verbs", "pull,watch"])?;
    ensure!(text(&row, "state") == "member" && text(&row, "by") == "operator", "{row}");
    ensure!(text(&row, "verbs") == "pull,watch" && text(&row, "name") == "back", "{row}");
    pair.pull()?;

    // A node that never connected is named by its id and its key.
    let stranger = chuan_tests::program::Home::init(pair.scratch().join("stranger"), "stranger", "edge")?;
    let (own, key) = (stranger.json(["id"])?, "--node-key");
    let (code, error) = pair.origin.fails(["grant", text(&own, "id"), "--class", "news*"])?;
    ensure!(code == 2 && error.contains(key), "{code}: {error}");
    let row = pair.origin.json([
        "grant",
        text(&own, "id"),
        "--class",
        "news*",
        key,
        text(&own, "key"),
        "--expires",
        "7d",
    ])?;
    ensure!(row.pointer("/classes/0").and_then(Value::as_str) == Some("news*"), "{row}");
    ensure!(row.get("expires_ms").and_then(Value::as_i64).is_some_and(|until| until > 0), "{row}");
    Ok(())
}

/// A library whose root was prepared elsewhere: founded in a home without its keys, published with a key from
/// a file.
#[test]
fn a_prepared_root_founds_a_library_in_a_home_without_its_keys() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let key = |name: &str| -> Result<String> {
        let made = pair.origin.json(["key", "new", "--plain", &path(name)])?;
        Ok(text(&made, "key").to_owned())
    };
    let (root, operator, publisher) = (key("root.key")?, key("operator.key")?, key("publisher.key")?);
    let file = path("films.root");
    let init = ["root", "init", &file, "--name", "films", "--root-key", &root];
    pair.origin.run([&init[..], &["--operator", &operator, "--publisher", &publisher]].concat())?;
    let operators = path("operator.key");
    let found = ["found", &file, "--key", &operators];
    let (code, error) = pair.origin.fails(found)?;
    ensure!(code == DENIED && error.contains("root sign"), "{code}: {error}");
    pair.origin.run(["root", "sign", &file, "--yes", "--key", &path("root.key")])?;
    let (code, error) = pair.origin.fails(["found", &file, "--key", &path("root.key")])?;
    ensure!(code == DENIED && error.contains("operator"), "{code}: {error}");

    let _server = pair.origin.serve()?;
    pair.origin.run(found)?;
    let (source, publishers) = (pair.library.to_string_lossy().into_owned(), path("publisher.key"));
    let publish = ["publish", &source, "--library", "films"];
    ensure!(pair.origin.fails(publish)?.0 == DENIED, "a home without the key published");
    let other = ["publish", &source, "--library", "other", "--key", &publishers];
    let (code, error) = pair.origin.fails(other)?;
    ensure!(code == 3 && error.contains(" found FILE`"), "{code}: {error}");
    let published = pair.origin.json([&publish[..], &["--key", &publishers]].concat())?;
    ensure!(number(&published, "sequence")? == 1, "{published}");
    let invite = pair.origin.run(["invite", "--key", &operators])?;
    pair.mirror.run(["join", invite.lines().last().unwrap_or_default()])?;
    pair.pull()?;
    pair.check_restored()
}

/// Publishes at the same time: each makes a release, one after the other, without a conflict.
#[test]
fn publishes_at_once_follow_each_other() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    let _server = pair.origin.serve()?;
    let films = ["one.mp4", "two.mp4", "three.mp4"].map(|name| pair.scratch().join(name));
    for (seed, film) in (10..).zip(&films) {
        media::film(film, 400_000, seed)?;
    }
    std::thread::scope(|scope| {
        let publish = |film: &Path| {
            let source = film.to_string_lossy().into_owned();
            pair.origin.run(["publish", &source, "--library", "films"])
        };
        let runs: Vec<_> = films.iter().map(|film| scope.spawn(move || publish(film))).collect();
        runs.into_iter().try_for_each(|run| match run.join() {
            Ok(result) => result.map(drop),
            Err(_) => anyhow::bail!("a command panicked"),
        })
    })?;
    let list = pair.origin.json(["releases", "films"])?;
    let rows = list.get("releases").and_then(Value::as_array).cloned().unwrap_or_default();
    let sequences: Vec<_> =
        rows.iter().filter_map(|row| row.get("sequence").and_then(Value::as_u64)).collect();
    ensure!(sequences == [4, 3, 2, 1], "{list}");
    let listed = pair.origin.json(["ls", "films"])?;
    ensure!(number(&listed, "files")? == 7, "a film of a publish is missing: {listed}");
    Ok(())
}
