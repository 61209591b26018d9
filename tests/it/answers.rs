//! The answers after a change of keys, of grants and of content: the same figures everywhere, and no
//! move of a channel left out.

use std::fs;

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{Home, number},
    rng::Rng,
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const USAGE: i32 = 2;
const MISSING: i32 = 3;

/// The strings of a field in the rows of a list.
fn column(object: &Value, list: &str, field: &str) -> Vec<Value> {
    let rows = object.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    rows.iter().map(|row| row.get(field).cloned().unwrap_or_default()).collect()
}

/// Replaces the operator's key of a home as docs/trust.md shows it.
fn replace_operator(home: &Home, pair: &Pair) -> Result<()> {
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let (root, kept, key) = (path("films.root"), path("films.statements"), path("operator-new.key"));
    let releases = home.json(["releases", "films"])?;
    let library = text(&releases, "library");
    let of_home = |role: &str| {
        let path = home.path.join("keys").join(library).join(format!("{role}.key"));
        path.to_string_lossy().into_owned()
    };
    let public =
        |file: &str| Ok::<_, anyhow::Error>(text(&home.json(["key", "show", file])?, "key").to_owned());
    home.run(["statements", "export", "films", &kept])?;
    home.run(["root", "export", "films", &root])?;
    home.run(["key", "new", "--plain", &key])?;
    home.run(["root", "add-key", &root, "operator", &public(&key)?])?;
    let shown = home.run([
        "root",
        "remove-key",
        &root,
        "operator",
        &public(&of_home("operator"))?,
        "--statements",
        &kept,
    ])?;
    ensure!(shown.contains("not pinned are earlier moves"), "{shown}");
    home.run(["root", "sign", &root, "--key", &of_home("root"), "--yes"])?;
    home.run(["root", "apply", &root, "--yes"])?;
    Ok(())
}

/// Symptom: after an operator's key was replaced, `history` lacked moves without a note and called the moves
/// of the old key a publisher's; `rollback` said that the channel never pointed to such a release; `status`
/// listed the old key as a key of the library.
#[test]
fn moves_of_a_replaced_operator_are_shown_and_marked() -> Result<()> {
    let pair = Pair::new()?;
    for n in 1..=3 {
        fs::write(pair.library.join("film.mp4"), Rng::new(n).bytes(50_000))?;
        pair.publish()?;
    }
    let origin = &pair.origin;
    // An operator's term, a move of the publisher in it, and the next term.
    origin.run(["channel", "set", "films", "live", "1", "--follow", "--yes"])?;
    fs::write(pair.library.join("film.mp4"), Rng::new(4).bytes(50_000))?;
    pair.publish()?;
    origin.run(["channel", "set", "films", "live", "3", "--yes"])?;
    origin.run(["channel", "set", "films", "canary", "2", "--yes"])?;
    replace_operator(origin, &pair)?;

    let history = origin.json(["history", "films"])?;
    let shown: Vec<_> =
        column(&history, "moves", "sequence").into_iter().zip(column(&history, "moves", "by")).collect();
    let effective = column(&history, "moves", "effective");
    ensure!(shown.len() == 6 && shown.iter().any(|(sequence, _)| *sequence == 4), "{history}");
    ensure!(
        effective.first() == Some(&Value::Bool(true)) && effective.contains(&Value::Bool(false)),
        "{history}"
    );
    ensure!(shown.iter().filter(|(_, by)| by == "operator").count() == 2, "{history}");
    let canary = origin.json(["history", "films", "--channel", "canary"])?;
    ensure!(column(&canary, "moves", "by") == ["operator"], "{canary}");
    let listed = origin.run(["history", "films"])?;
    ensure!(listed.contains("no longer effective"), "{listed}");
    let (code, error) = origin.fails(["rollback", "films", "--to", "4"])?;
    ensure!(code == MISSING && error.contains("no longer in the effective history"), "{code}: {error}");
    ensure!(error.contains("channel set films live 4"), "{error}");
    let status = origin.json(["status"])?;
    let old = status.pointer("/libraries/0/keys_not_in_root/0").and_then(Value::as_str);
    ensure!(old == Some("operator"), "{status}");
    ensure!(origin.run(["status"])?.contains("operator (not in the root)"));
    Ok(())
}

/// Symptom: a revoked node could not be named, and a second revocation was signed; `pull` counted other
/// classes than `ls`, `status` and `verify`, and called granted classes and damage that was repaired "nothing
/// new".
#[test]
fn one_count_of_classes_and_all_news_everywhere() -> Result<()> {
    let pair = Pair::new()?;
    for class in ["masters", "trailers"] {
        fs::create_dir(pair.library.join(class))?;
        fs::write(pair.library.join(class).join("film.mp4"), Rng::new(class.len() as u64).bytes(60_000))?;
    }
    fs::write(pair.library.join("readme.txt"), "films")?;
    let policy = pair.scratch().join("policy.toml");
    fs::write(
        &policy,
        "[[class]]\nname = \"masters\"\npaths = [\"masters/**\"]\n[[class]]\nname = \"trailers\"\npaths = [\"trailers/**\"]\n",
    )?;
    let policy = policy.to_string_lossy().into_owned();
    let library = pair.library.to_string_lossy().into_owned();
    pair.origin.run(["publish", &library, "--library", "films", "--policy", &policy])?;
    let ticket = ["--class", "default", "--class", "trailers"].map(std::ffi::OsStr::new);
    let _server = pair.connect_with(&ticket)?;
    let _mirror_server = pair.mirror.serve()?;
    pair.pull()?;

    let grant = |classes: &[&str]| {
        let classes = classes.iter().flat_map(|class| ["--class", class]);
        pair.origin.run(["grant", "mirror"].into_iter().chain(classes).chain(["--yes"]))
    };
    grant(&["default", "trailers", "masters"])?;
    let text_of = pair.mirror.run(["pull", "films"])?;
    ensure!(
        text_of.contains("granted class masters arrived") && !text_of.contains("nothing new"),
        "{text_of}"
    );

    // A class that is taken stays here: it is counted nowhere as absent.
    grant(&["default", "trailers"])?;
    let pulled = pair.pull()?;
    let listed = pair.mirror.json(["ls", "films"])?;
    let verified = pair.mirror.json(["verify"])?;
    let status = pair.mirror.json(["status"])?;
    let of_status = status.pointer("/libraries/0/channels/0/classes_absent").and_then(Value::as_u64);
    for absent in [&pulled, &listed, &verified].map(|answer| number(answer, "classes_absent")) {
        ensure!(Some(absent?) == of_status, "{pulled} {listed} {verified} {status}");
    }
    ensure!(number(&pulled, "files")? == number(&listed, "files")?, "{pulled} {listed}");
    let named = pair.mirror.run(["pull", "films@1"])?;
    ensure!(named.contains("films@1 is here already"), "{named}");
    let answer = status.pointer("/peers/0/answer").and_then(Value::as_str);
    ensure!(
        answer == Some("ok") && status.pointer("/peers/0/holds").and_then(Value::as_u64) == Some(1),
        "{status}"
    );

    pair.origin.run(["revoke", "mirror", "--reason", "stolen"])?;
    let (code, error) = pair.origin.fails(["revoke", "mirror"])?;
    ensure!(
        code == USAGE && error.contains("mirror (") && error.contains("is revoked since"),
        "{code}: {error}"
    );
    let status = pair.origin.json(["status"])?;
    ensure!(status.pointer("/peers/0/revoked") == Some(&Value::Bool(true)), "{status}");
    ensure!(pair.mirror.fails(["pull", "films"]).is_ok());
    let status = pair.mirror.run(["status"])?;
    ensure!(!status.contains("resumes it") && status.contains("refused"), "{status}");
    let granted = pair.origin.json(["grant", "mirror", "--all-classes"])?;
    ensure!(text(&granted, "name") == "mirror", "{granted}");
    pair.pull()?;
    Ok(())
}

/// Symptom: after a flipped bit was repaired by a pull, `rebuild` ended with exit 7 for ever, with an ERROR
/// in the log, while `verify --deep` found no harm; the pull that repaired it said "nothing new"; one damaged
/// chunk was counted once for each release.
#[test]
fn a_damaged_record_that_was_stored_again_does_no_harm() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let film = Rng::new(9).bytes(70_000);
    fs::write(pair.library.join("mark.bin"), &film)?;
    pair.publish()?;
    fs::write(pair.library.join("other.bin"), Rng::new(10).bytes(1000))?;
    pair.publish()?;
    let _server = pair.connect()?;
    pair.pull()?;
    pair.mirror.run(["pull", "films@1"])?;
    let segment = pair.mirror.path.join("store/segments/00000001.seg");
    let mut bytes = fs::read(&segment)?;
    let part = film.get(30_000..30_032).context("a part of the film")?;
    let at =
        bytes.windows(part.len()).position(|window| window == part).context("the film is stored as it is")?;
    *bytes.get_mut(at).context("a byte")? ^= 1;
    fs::write(&segment, &bytes)?;

    let output = pair.mirror.output(["verify", "--deep", "--json"])?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let verified: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(output.status.code() == Some(7) && !errors.contains("ERROR"), "{errors}");
    ensure!((number(&verified, "corrupt")?, number(&verified, "missing")?) == (1, 0), "{verified}");
    let pulled = pair.mirror.run(["pull", "films"])?;
    ensure!(pulled.contains("1 damaged object fetched again") && !pulled.contains("nothing new"), "{pulled}");
    let output = pair.mirror.output(["rebuild"])?;
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && !errors.contains("ERROR"), "{shown}{errors}");
    ensure!(shown.contains("0 lost") && shown.contains("do no harm"), "{shown}");
    pair.mirror.run(["verify", "--deep"])?;
    Ok(())
}

/// Symptom: `chuan invite films > ticket.txt` and `chuan join - < ticket.txt` did not work together. Hints
/// for another node named the home of this one.
#[test]
fn what_invite_prints_joins_and_hints_for_another_node_name_no_home() -> Result<()> {
    let pair = Pair::new()?;
    fs::write(pair.library.join("film.mp4"), "film")?;
    pair.publish()?;
    let server = pair.origin.serve()?;
    let alone = pair.origin.run(["invite", "films", "-q"])?;
    ensure!(alone.starts_with("chuan1") && alone.lines().count() == 1, "{alone}");
    let file = pair.scratch().join("ticket.txt");
    fs::write(&file, pair.origin.run(["invite", "films"])?)?;
    pair.mirror.run(["join".as_ref(), "--ticket-file".as_ref(), file.as_os_str()])?;
    let (code, error) = pair.mirror.fails(["ls", "films"])?;
    ensure!(code == MISSING && error.contains("pull films"), "{code}: {error}");
    pair.pull()?;
    fs::write(pair.library.join("film.mp4"), "film, longer")?;
    pair.publish()?;
    pair.pull()?;
    server.stop()?;
    let (_, error) = pair.mirror.fails(["pull", "films"])?;
    ensure!(error.contains("`chuan serve` there"), "{error}");
    Ok(())
}
