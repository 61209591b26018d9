//! A running node as its operator sees it: its log, its settings at SIGHUP, quiet commands, and tickets that
//! are not on the command line.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::Pair,
    program::{Home, Process, Server, until},
};
use rustix::process::Signal;

/// Exit codes of the command line's contract.
const USAGE: i32 = 2;
const DENIED: i32 = 5;
const IO: i32 = 10;

fn published() -> Result<Pair> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    Ok(pair)
}

/// Waits until the log of a server has a line with all of these words.
fn logged(server: &Server, words: &[&str]) -> Result<()> {
    until(&format!("{words:?} in {}", server.log.display()), || {
        let text = fs::read_to_string(&server.log)?;
        Ok(text.lines().any(|line| words.iter().all(|word| line.contains(word))))
    })
}

fn configure(home: &Home, change: impl Fn(&str) -> String) -> Result<()> {
    let path = home.path.join("chuan.toml");
    fs::write(&path, change(&fs::read_to_string(&path)?)).context("write chuan.toml")
}

/// Symptom: a node whose home was deleted went on, told of success, and wrote into the next home at its path.
#[test]
fn a_serving_node_whose_home_is_replaced_ends_and_writes_no_more() -> Result<()> {
    let pair = published()?;
    let mut server = pair.origin.serve()?;
    let home = &pair.origin.path;
    fs::rename(home, home.with_extension("moved"))?;
    let next = Home::init(home, "next", "origin")?;
    let status = server.process.wait(Duration::from_secs(60))?;
    ensure!(status.code() == Some(IO), "{status}");
    logged(&server, &["was moved, deleted or replaced"])?;
    ensure!(!home.join("contacts.json").exists(), "it wrote into the next home");
    next.run(["verify", "--deep"])?;
    Home::at(home.with_extension("moved"))?.run(["verify", "--deep"])?;
    Ok(())
}

/// Symptom: `kill -HUP`, and the end of an ssh session, ended a serving node at once, as a crash does.
#[test]
fn sighup_reloads_the_settings_and_ends_nothing() -> Result<()> {
    let pair = published()?;
    let server = pair.origin.serve()?;
    configure(&pair.origin, |text| {
        text.replace("announce = []", "announce = [\"192.0.2.9:4040\"]")
            .replace("0.0.0.0:4040", "0.0.0.0:4041")
    })?;
    server.process.signal(Signal::HUP)?;
    logged(&server, &["read again", "announce"])?;
    logged(&server, &["listen", "next start"])?;
    let id = pair.origin.json(["id"])?;
    ensure!(id["addresses"][0] == "192.0.2.9:4040", "{id}");
    // Symptom: the warning came again where the setting was that of the start again.
    configure(&pair.origin, |text| text.replace("0.0.0.0:4041", "0.0.0.0:4040"))?;
    server.process.signal(Signal::HUP)?;
    logged(&server, &["read again", "changed=\"listen\""])?;

    configure(&pair.origin, |text| text.replace("192.0.2.9:4040", "no address"))?;
    server.process.signal(Signal::HUP)?;
    logged(&server, &["stay as they were", "announce"])?;
    configure(&pair.origin, |text| text.replace("no address", "192.0.2.9:4040"))?;
    let id = pair.origin.json(["status"])?;
    ensure!(id["addresses"][0] == "192.0.2.9:4040", "{id}");

    configure(&pair.origin, |text| format!("log = \"error\"\n{text}"))?;
    server.process.signal(Signal::HUP)?;
    // The line about this reload is not logged any more; `status` says when the settings are in use.
    configure(&pair.origin, |text| text.replace("192.0.2.9", "192.0.2.10"))?;
    server.process.signal(Signal::HUP)?;
    until("the third reload", || Ok(pair.origin.json(["id"])?["addresses"][0] == "192.0.2.10:4040"))?;
    let log = fs::read_to_string(&server.log)?;
    ensure!(log.matches("next start").count() == 1, "{log}");
    ensure!(log.matches("read again").count() <= 3, "the level of the log did not change: {log}");
    ensure!(server.stop()?.success(), "serve did not end in order");
    pair.origin.run(["audit", "verify"]).map(drop)
}

/// Symptom: nothing said which peers came, what they took and why they were refused.
#[test]
fn the_log_of_a_server_says_what_peers_do() -> Result<()> {
    let pair = published()?;
    let server = pair.connect()?;
    pair.pull()?;
    logged(&server, &["INFO", "joined", "mirror"])?;
    logged(&server, &["INFO", "pulled", "mirror", "films", "bytes=", "seconds="])?;
    media::film(&pair.library.join("new.mp4"), 100_000, 9)?;
    pair.publish()?;
    logged(&server, &["INFO", "channel moved", "live"])?;
    let stranger = Home::init(pair.scratch().join("stranger"), "stranger", "mirror")?;
    let (code, error) = stranger.fails(["join", &used_ticket(&pair)?])?;
    ensure!(code == DENIED, "{code}: {error}");
    logged(&server, &["INFO", "refused", "join"])?;
    let log = server.log.clone();
    ensure!(server.stop()?.success(), "serve did not end in order");
    let log = fs::read_to_string(log)?;
    ensure!(log.contains("stopped"), "{log}");
    ensure!(!log.contains("quinn"), "another crate logs below WARN: {log}");
    Ok(())
}

/// A ticket that another node has used.
fn used_ticket(pair: &Pair) -> Result<String> {
    let ticket = pair.origin.ticket("films")?;
    Home::init(pair.scratch().join("first"), "first", "mirror")?.run(["join", &ticket])?;
    Ok(ticket)
}

/// Symptom: `-q` printed everything.
#[test]
fn a_quiet_command_that_succeeds_prints_nothing() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    let library = pair.library.to_string_lossy().into_owned();
    let _server = pair.origin.serve()?;
    let dest = pair.scratch().join("dest").to_string_lossy().into_owned();
    let silent = |home: &Home, args: &[&str]| -> Result<()> {
        let output = home.output(args)?;
        ensure!(output.status.success(), "{args:?}: {output:?}");
        ensure!(output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}: {output:?}");
        Ok(())
    };
    silent(&pair.origin, &["-q", "publish", &library, "--library", "films"])?;
    let ticket = pair.origin.run(["-q", "invite"])?;
    silent(&pair.mirror, &["-q", "join", ticket.lines().last().context("a ticket is the answer")?])?;
    silent(&pair.mirror, &["-q", "pull"])?;
    silent(&pair.mirror, &["-q", "restore", "films", &dest])?;
    let new = Home::at(pair.scratch().join("new"))?;
    silent(&new, &["-q", "init", "--name", "new", "--role", "mirror"])?;
    let file = pair.scratch().join("new.backup").to_string_lossy().into_owned();
    for (home, verb) in [(&new, "backup"), (&Home::at(pair.scratch().join("again"))?, "restore")] {
        let output =
            home.command(["-q", "home", verb, &file]).env("CHUAN_BACKUP_PASSPHRASE", "川流不息").output()?;
        ensure!(output.status.success() && output.stdout.is_empty(), "{verb}: {output:?}");
    }
    ensure!(!pair.mirror.run(["-q", "ls", "films"])?.is_empty(), "a listing is the answer");
    ensure!(!pair.mirror.json(["-q", "pull"])?.is_null(), "JSON is asked for");
    let (_, error) = pair.mirror.fails(["-q", "ls", "nothing"])?;
    ensure!(!error.is_empty(), "a failure is never silent");
    Ok(())
}

/// Symptom: `-v` printed nothing more.
#[test]
fn a_verbose_command_logs_what_it_does() -> Result<()> {
    let pair = published()?;
    let _server = pair.connect()?;
    let lines = |options: &[&str]| -> Result<usize> {
        let output = pair.mirror.output(options.iter().chain(&["pull"]))?;
        ensure!(output.status.success(), "{options:?}: {output:?}");
        let log = String::from_utf8(output.stderr)?;
        Ok(log.lines().filter(|line| line.contains(" chuan::")).count())
    };
    ensure!(lines(&[])? == 0, "a command without an option logs");
    let verbose = lines(&["-v"])?;
    ensure!(verbose > 0, "-v logs nothing");
    ensure!(lines(&["-v", "-v"])? > 0 && lines(&["-v", "-q"])? == 0, "a quiet command logs");
    Ok(())
}

/// Symptom: a ticket with the address of a home network was sent to another city; nothing said that it cannot
/// work.
#[test]
fn a_ticket_that_other_networks_cannot_use_has_a_warning() -> Result<()> {
    let pair = published()?;
    for (address, is_private) in
        [("10.0.0.7:4040", true), ("192.0.2.1:4040", false), ("origin.example:4040", false)]
    {
        let text = pair.origin.run(["invite", "-l", "films", "--address", address])?;
        ensure!(text.contains("nodes of other networks cannot reach") == is_private, "{address}: {text}");
        ensure!(text.contains("announce") == is_private && text.contains(address), "{address}: {text}");
        let invited = pair.origin.json(["invite", "-l", "films", "--address", address])?;
        ensure!(invited["addresses_private"] == is_private, "{invited}");
    }
    Ok(())
}

/// Symptom: a ticket's secret had to be an argument, which every user of the machine can read.
#[test]
fn a_ticket_comes_from_input_a_file_or_a_variable() -> Result<()> {
    let pair = published()?;
    let _server = pair.origin.serve()?;
    let home = |name: &str| Home::init(pair.scratch().join(name), name, "mirror");
    let (code, error) = pair.mirror.fails(["join"])?;
    ensure!(code == USAGE && error.contains("--ticket-file"), "{code}: {error}");

    // As a mail wraps it, in capitals.
    let wrapped = |ticket: &str| {
        let letters: Vec<char> = ticket.to_uppercase().chars().collect();
        let lines: Vec<String> = letters.chunks(70).map(|line| line.iter().collect()).collect();
        lines.join("\r\n ")
    };
    let mut child = home("input")?
        .command(["join", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("run join")?;
    let ticket = wrapped(&pair.origin.ticket("films")?);
    child.stdin.take().context("has input")?.write_all(ticket.as_bytes())?;
    ensure!(child.wait()?.success(), "join from standard input failed");

    let file = pair.scratch().join("ticket.txt");
    fs::write(&file, wrapped(&pair.origin.ticket("films")?))?;
    home("file")?.run([Path::new("join"), Path::new("--ticket-file"), &file])?;
    let (code, error) = home("no-file")?.fails(["join", "--ticket-file", "/nowhere/ticket"])?;
    ensure!(error.contains("/nowhere/ticket"), "{code}: {error}");

    let mut command: Command = home("variable")?.command(["join"]);
    ensure!(command.env("CHUAN_TICKET", pair.origin.ticket("films")?).status()?.success());
    let members = pair.origin.json(["members"])?;
    ensure!(members["members"].as_array().is_some_and(|all| all.len() == 4), "{members}");
    Ok(())
}

/// Symptom: a closed terminal ended a command as a crash does.
#[test]
fn sighup_ends_a_command_in_order() -> Result<()> {
    let pair = published()?;
    let follow = ["audit", "tail", "--follow"];
    let mut process = Process::spawn(pair.origin.command(follow).stdout(Stdio::piped()))?;
    wait_for_line(&mut process)?;
    process.signal(Signal::HUP)?;
    let status = process.wait(std::time::Duration::from_secs(60))?;
    ensure!(status.code().is_some(), "killed by the signal: {status}");

    Ok(())
}

fn wait_for_line(process: &mut Process) -> Result<()> {
    use std::io::Read;
    let mut byte = [0];
    process.child.stdout.as_mut().context("has output")?.read_exact(&mut byte).context("printed nothing")
}
