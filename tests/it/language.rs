//! The command line in Chinese: texts for people are Chinese; exit codes and JSON are those of the English
//! one.

use std::{net::UdpSocket, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{media, pair::Pair, program::Home};

/// The words in a row that make an English sentence.
const SENTENCE: usize = 4;

fn in_chinese(home: &Home) -> Home {
    home.clone().with_env("LC_ALL", Path::new("zh_CN.UTF-8"))
}

/// The exit code, standard output and standard error of a command.
fn run(home: &Home, args: &[&str]) -> Result<(i32, String, String)> {
    let output = home.output(args)?;
    let [out, err] = [output.stdout, output.stderr].map(String::from_utf8);
    Ok((output.status.code().context("no exit code")?, out?, err?))
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// The first line with a sentence in English. Commands in backquotes and options are no sentences.
fn english_in(text: &str) -> Option<&str> {
    let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
    text.lines().find(|line| {
        let outside = line.split('`').step_by(2);
        let words = outside.flat_map(|part| part.split(' ').chain([""]));
        let row = words.scan(0, |row, word| {
            *row = if is_word(word.trim_matches([',', ';', ':', '.', '(', ')'])) { *row + 1 } else { 0 };
            Some(*row)
        });
        row.max() >= Some(SENTENCE)
    })
}

/// A text with all numbers, ids and times alike.
fn without_values(text: &str) -> String {
    let is_value = |word: &str| word.chars().any(|c| c.is_ascii_digit());
    let word_ends = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    text.split_inclusive(word_ends)
        .map(|word| match word.chars().last() {
            Some(end) if is_value(word) && word_ends(end) => format!("0{end}"),
            Some(_) if is_value(word) => "0".to_owned(),
            _ => word.to_owned(),
        })
        .collect()
}

#[test]
fn english_sentences_are_found() {
    assert!(english_in("错误：no library `films` here yet").is_none());
    assert!(english_in("错误：join it with a ticket, or `chuan publish` one").is_some());
    assert!(english_in("请执行 `chuan grant one node to all classes` 再试").is_none());
}

/// A pair with a published library, and an address at which no node answers.
fn published() -> Result<(Pair, String)> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 300_000, 1)?;
    pair.publish()?;
    // The socket is closed again: nothing answers there.
    let dead = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.to_string();
    Ok((pair, dead))
}

#[test]
fn texts_are_chinese_and_exit_codes_are_the_same() -> Result<()> {
    let (pair, dead) = published()?;
    let chinese = in_chinese(&pair.origin);
    let missing = Home::at(pair.origin.path.with_file_name("nowhere"))?;
    let tour: [&[&str]; 22] = [
        &["id"],
        &["status"],
        &["releases", "films"],
        &["ls", "films"],
        &["diff", "films@1", "films@1"],
        &["members", "films"],
        &["channel", "list", "films"],
        &["history", "films"],
        &["conflicts"],
        &["policy", "show", "films"],
        &["verify"],
        &["audit", "verify"],
        &["ledger", "keep", "a", "--dry-run"],
        &["revoke", "origin", "--dry-run"],
        &["revoke", "origin", "--yes"],
        &["grant", "ab12", "-l", "films", "--all-classes"],
        &["pull", "films", "--from", &dead],
        &["ls", "films@9"],
        &["restore", "films"],
        &["status", "--nonsense"],
        &["pul"],
        &["pull", "--help"],
    ];
    for args in tour {
        let (english, _, _) = run(&pair.origin, args)?;
        let (code, out, err) = run(&chinese, args)?;
        ensure!(code == english, "{args:?}: {code} in Chinese, {english} in English: {err}");
        ensure!(is_chinese(&out) || is_chinese(&err), "{args:?}: {out}{err}");
        if let Some(line) = english_in(&out).or(english_in(&err)) {
            anyhow::bail!("{args:?}: {line}");
        }
    }
    for args in [&["status"][..], &["serve"], &["pull", "films"]] {
        let (english, _, _) = run(&missing, args)?;
        let (code, out, err) = run(&in_chinese(&missing), args)?;
        ensure!(code == english && out.is_empty() && err.starts_with("错误："), "{args:?}: {code}: {err}");
        ensure!(english_in(&err).is_none(), "{err}");
    }
    Ok(())
}

#[test]
fn acts_answer_in_chinese() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let folder = dir.path().join("films");
    media::library(&folder, 1, 300_000, 1)?;
    let home = in_chinese(&Home::at(dir.path().join("H"))?);
    let (folder, copy) = (folder.to_string_lossy().into_owned(), dir.path().join("copy"));
    let copy = copy.to_string_lossy().into_owned();
    let acts: [&[&str]; 7] = [
        &["init", "--name", "origin", "--role", "origin"],
        &["publish", &folder, "-l", "films", "--dry-run"],
        &["publish", &folder, "-l", "films"],
        &["publish", &folder, "-l", "films"],
        &["invite", "-l", "films", "--address", "192.0.2.1:4040"],
        &["restore", "films", &copy],
        &["channel", "set", "films", "canary", "films@1"],
    ];
    for args in acts {
        let (code, out, err) = run(&home, args)?;
        ensure!(code == 0 && is_chinese(&out), "{args:?}: {code}: {out}{err}");
        if let Some(line) = english_in(&out).or(english_in(&err)) {
            anyhow::bail!("{args:?}: {line}");
        }
    }
    Ok(())
}

#[test]
fn json_is_english_in_every_language() -> Result<()> {
    let (pair, dead) = published()?;
    let commands: [&[&str]; 9] = [
        &["status"],
        &["ls", "films"],
        &["members", "films"],
        &["revoke", "origin", "--dry-run"],
        &["policy", "explain", "films"],
        &["ls", "films@9"],
        &["pull", "films", "--from", &dead],
        &["rotate", "--grace", "soon"],
        &["status", "--nonsense"],
    ];
    for args in commands {
        let args: Vec<&str> = [&["--json", "--progress", "json"], args].concat();
        let english = run(&pair.origin, &args)?;
        let chinese = run(&in_chinese(&pair.origin), &args)?;
        ensure!(english.0 == chinese.0, "{args:?}: {} and {}", english.0, chinese.0);
        let [expected, found] = [&english.1, &chinese.1].map(|text| without_values(text));
        ensure!(expected == found, "{args:?}:\n{expected}\n{found}");
        ensure!(!is_chinese(&chinese.2), "{args:?}: {}", chinese.2);
    }
    Ok(())
}
