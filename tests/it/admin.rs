//! One home, several commands at once: the process that opened it serves the others through its socket, with
//! the same output.

use std::{fs, thread};

use anyhow::{Result, ensure};
use chuan_tests::{media, pair::Pair, program::number};
use serde_json::Value;

/// An output without the time of the answer.
fn without_time(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let Some((before, after)) = text.split_once("\"at_ms\":") else { return text.into_owned() };
    format!("{before}{}", after.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

#[test]
fn every_command_says_the_same_while_the_home_is_served() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 2, 500_000, 1)?;
    pair.publish()?;
    let commands: [&[&str]; 7] = [
        &["ls", "films"],
        &["--json", "ls", "films"],
        &["releases", "films"],
        &["--json", "releases", "films"],
        &["cat", "films", "长江 (2019)/film.nfo"],
        &["diff", "films@1", "films@1"],
        &["ls", "no-such-library"],
    ];
    let run = || -> Result<Vec<_>> {
        let outputs = commands.iter().map(|args| pair.origin.output(*args));
        outputs.map(|output| output.map(|o| (o.status.code(), without_time(&o.stdout), o.stderr))).collect()
    };
    let alone = run()?;
    let server = pair.origin.serve()?;
    let served = run()?;
    for ((args, alone), served) in commands.iter().zip(&alone).zip(&served) {
        ensure!(alone == served, "{args:?} differs while the home is served: {alone:?}, {served:?}");
    }
    ensure!(alone.iter().filter(|(code, ..)| *code == Some(0)).count() == 6, "{alone:?}");
    let status = pair.origin.json(["status"])?;
    ensure!(status.get("listening").and_then(Value::as_str).is_some(), "{status}");
    ensure!(server.stop()?.success(), "serve did not end cleanly on SIGTERM");
    Ok(())
}

#[test]
fn publish_verify_and_rebuild_work_while_the_home_is_served() -> Result<()> {
    let pair = Pair::new()?;
    let film = pair.library.join("a.mp4");
    media::film(&film, 3_000_000, 1)?;
    pair.publish()?;
    let _server = pair.connect()?;
    pair.pull()?;
    media::edit(&film, media::Edit::Scene, 2)?;
    let published = pair.publish()?;
    ensure!(number(&published, "chunks_new")? > 0);
    pair.origin.run(["verify", "--deep"])?;
    pair.pull()?;
    pair.check_restored()
}

#[test]
fn a_second_serve_says_so_and_ends() -> Result<()> {
    let pair = Pair::new()?;
    let server = pair.origin.serve()?;
    let (code, error) = pair.origin.fails(["serve", "--listen", "127.0.0.1:0"])?;
    ensure!(code == 6, "exit code {code}: {error}");
    ensure!(error.contains("serve"), "{error}");
    // Symptom: another home on this port ended with the text of the system alone.
    let taken = server.address.to_string();
    let (code, error) = pair.mirror.fails(["serve", "--listen", &taken])?;
    ensure!(
        code == 10 && error.contains(&taken) && error.contains("`--listen`"),
        "exit code {code}: {error}"
    );
    Ok(())
}

#[test]
fn many_commands_at_once_on_one_home_all_succeed() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 200_000, 1)?;
    pair.publish()?;
    thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| pair.origin.json(["ls", "films"]))).collect();
        runs.into_iter().try_for_each(|run| match run.join() {
            Ok(result) => result.map(drop),
            Err(_) => anyhow::bail!("a command panicked"),
        })
    })
}

#[test]
fn a_home_with_a_very_long_path_works() -> Result<()> {
    let pair = Pair::new()?;
    let deep = pair.scratch().join("很长的路径".repeat(8)).join("x".repeat(200));
    fs::create_dir_all(&deep)?;
    let home = chuan_tests::program::Home::init(deep.join("home"), "deep", "mirror")?;
    let _server = home.serve()?;
    home.run(["status"])?;
    Ok(())
}
