//! The audit log for an operator: reading it, following it, and proving it to another party.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    pair::{Pair, text},
    program::{Home, Process, final_object, number},
};
use serde_json::Value;

/// Time limit for a line that must appear.
const PATIENCE: Duration = Duration::from_secs(60);

fn published() -> Result<Pair> {
    let pair = Pair::new()?;
    fs::write(pair.library.join("a.mp4"), "a film")?;
    pair.publish()?;
    Ok(pair)
}

#[test]
fn the_log_is_listed_shown_and_followed() -> Result<()> {
    let pair = published()?;
    let listed = pair.origin.json(["audit", "tail", "-n", "3"])?;
    let records = listed.get("records").and_then(Value::as_array).context("no records")?;
    let verbs: Vec<_> = records.iter().map(|record| text(record, "verb")).collect();
    ensure!(verbs == ["publish", "channel", "closed"], "{verbs:?}");
    let shown = pair.origin.run(["audit", "show", "3"])?;
    ensure!(
        shown.contains("publish") && shown.contains("films@1 ") && shown.contains("by publisher"),
        "{shown}"
    );
    ensure!(pair.origin.fails(["audit", "show", "99"])?.0 == 3);

    let server = pair.origin.serve()?;
    let mut follow = pair.origin.command(["audit", "tail", "--follow"]);
    let mut follower = Process::spawn(follow.stdout(Stdio::piped()))?;
    let output = BufReader::new(follower.child.stdout.take().context("no output")?);
    let (found, lines) = mpsc::channel();
    let reading = thread::spawn(move || {
        output.lines().map_while(Result::ok).all(|line| found.send(line).is_ok());
    });
    let next = |verb: &str| -> Result<String> {
        loop {
            let line =
                lines.recv_timeout(PATIENCE).with_context(|| format!("the follower printed no {verb}"))?;
            if line.contains(verb) {
                return Ok(line);
            }
        }
    };
    next("publish")?;
    let ticket = pair.origin.ticket("films")?;
    let told = next("invite")?;
    ensure!(told.contains("by operator") && !told.contains(&ticket), "{told}");
    follower.signal(rustix::process::Signal::TERM)?;
    follower.wait(PATIENCE)?;
    ensure!(reading.join().is_ok());
    ensure!(server.stop()?.success());
    Ok(())
}

/// An export is verified without a home, and a change of any line is detected.
#[test]
fn an_export_is_verified_offline() -> Result<()> {
    let pair = published()?;
    let export = pair.scratch().join("audit.jsonl");
    let export_text = export.to_str().context("a path that is no UTF-8")?;
    let exported = pair.origin.json(["audit", "export", export_text])?;
    let written = fs::read_to_string(&export)?;
    ensure!(written.lines().count() as u64 == number(&exported, "count")?, "{exported}");
    ensure!(pair.origin.run(["audit", "export"])? == written, "both ways are the same");
    // A link planted at the path leads nowhere, and an older export is replaced.
    let (link, victim) = (pair.scratch().join("link"), pair.scratch().join("victim"));
    fs::write(&victim, "not an export")?;
    std::os::unix::fs::symlink(&victim, &link)?;
    let (code, error) = pair.origin.fails(["audit", "export", link.to_str().unwrap_or_default()])?;
    ensure!(code == 4 && error.contains("link"), "{code}: {error}");
    ensure!(fs::read_to_string(&victim)? == "not an export", "a planted link was followed");
    pair.origin.json(["audit", "export", export_text])?;
    ensure!(fs::read_to_string(&export)? == written, "an export was not replaced");

    let nowhere = Home::at(pair.scratch().join("nowhere"))?;
    let verify = ["audit", "verify", "--export", export_text];
    let verified = nowhere.json(verify)?;
    ensure!(
        text(&verified, "finding") == "unproved" && verified.get("head") == exported.get("head"),
        "{verified}"
    );

    let lines: Vec<_> = written.lines().collect();
    for at in 0..lines.len() {
        let mut altered: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        if let Some(line) = altered.get_mut(at) {
            *line = line.replace("\"ok\"", "\"failed\"");
        }
        fs::write(&export, altered.join("\n"))?;
        let output = nowhere.output(["--json"].into_iter().chain(verify))?;
        let object = final_object(&String::from_utf8(output.stdout)?)?;
        ensure!(output.status.code() == Some(7) && text(&object, "finding") == "altered", "{at}: {object}");
    }
    Ok(())
}

/// A checkpoint of the origin's log that a mirror has kept proves the log, in the home and offline.
#[test]
fn a_checkpoint_that_a_peer_kept_proves_an_export() -> Result<()> {
    let pair = published()?;
    let server = pair.connect()?;
    ensure!(server.stop()?.success());
    let path = |name: &str| pair.scratch().join(name).to_string_lossy().into_owned();
    let (statements, checkpoint, export) =
        (path("films.statements"), path("origin.checkpoint"), path("audit.jsonl"));
    pair.origin.run(["statements", "export", "films", &statements])?;
    pair.mirror.run(["statements", "import", &statements])?;
    let kept = pair.mirror.json(["audit", "checkpoint", "origin", &checkpoint])?;
    let verified = pair.origin.json(["audit", "verify", "--checkpoint", &checkpoint])?;
    ensure!(text(&verified, "by") == "file", "{verified}");
    ensure!(number(&verified, "proved")? == number(&kept, "count")?, "{verified}");

    pair.origin.run(["audit", "export", &export])?;
    let nowhere = Home::at(pair.scratch().join("nowhere"))?;
    let verify = ["audit", "verify", "--export", &export, "--checkpoint", &checkpoint];
    let verified = nowhere.json(verify)?;
    ensure!(number(&verified, "proved")? == number(&kept, "count")?, "{verified}");
    ensure!(text(&verified, "checkpoint_key") == text(&kept, "key"), "{verified}");
    // All but the last record that the checkpoint covers.
    let count = usize::try_from(number(&kept, "count")?)?;
    let written = fs::read_to_string(&export)?;
    let cut: Vec<_> = written.lines().take(count - 1).collect();
    fs::write(&export, cut.join("\n"))?;
    ensure!(nowhere.output(verify)?.status.code() == Some(7), "a log cut short before the checkpoint");
    ensure!(pair.origin.fails(["audit", "verify", "--checkpoint", &statements])?.0 == 4);
    Ok(())
}

#[test]
fn an_altered_log_is_found_and_stops_privileged_commands() -> Result<()> {
    let pair = published()?;
    let verified = pair.origin.json(["audit", "verify"])?;
    ensure!(text(&verified, "finding") == "proved" && text(&verified, "by") == "home", "{verified}");

    let log = pair.origin.path.join("audit/00000000000000000000.log");
    let good = fs::read(&log)?;
    let mut bad = good.clone();
    if let Some(byte) = bad.get_mut(200) {
        *byte ^= 1;
    }
    fs::write(&log, &bad)?;
    let output = pair.origin.output(["audit", "verify"])?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(7) && said.starts_with("ALTERED: "), "{said}");

    fs::write(&log, good.get(..good.len() - 1).context("an empty log")?)?;
    fs::write(pair.library.join("b.mp4"), "another")?;
    let (code, error) = pair.origin.fails([
        "publish".as_ref(),
        pair.library.as_os_str(),
        "--library".as_ref(),
        "films".as_ref(),
    ])?;
    ensure!(code == 7 && error.contains("audit log cannot be written"), "{error}");
    ensure!(number(&pair.origin.json(["ls", "films"])?, "files")? == 1, "an unprivileged command fails");
    fs::write(&log, &good)?;
    pair.publish()?;
    Ok(())
}
