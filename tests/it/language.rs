//! The command line in Chinese: texts for people are Chinese; exit codes and JSON are those of the English
//! one.

use std::{net::UdpSocket, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{media, pair::Pair, program::Home};

/// Words that stay English outside backquotes: commands, roles, channels and names that a user types or reads
/// in a file. Words with a capital letter, a digit, `.`, `/`, `_` or `-` stay, too.
const FIXED: [&str; 30] = [
    "binary",
    "canary",
    "channel",
    "chuan",
    "closed",
    "default",
    "edge",
    "films",
    "grant",
    "invite",
    "join",
    "live",
    "mirror",
    "opened",
    "operator",
    "origin",
    "publish",
    "publisher",
    "pul",
    "pull",
    "root",
    "serve",
    "spare",
    "system",
    "timekeeper",
    "twin",
    "watch",
    "work",
    "xattrs",
    "yes",
];

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

/// The first line with an English word that is not one of [`FIXED`], outside commands in backquotes. The line
/// of a command itself (usage, examples) is left out.
fn english_in(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_./@=<>\\".contains(c);
    let is_word = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    text.lines().find(|line| {
        let outside: Vec<&str> = line.split('`').step_by(2).collect();
        let outside = outside.join(" ");
        let mut words = outside.split(|c| !is_part(c));
        let is_command =
            line.trim_start_matches(['!', ' ']).starts_with("chuan ") || line.starts_with("用法：");
        !is_command && words.any(|word| is_word(word) && !FIXED.contains(&word))
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
    assert!(english_in("错误：节点 at 127.0.0.1:4040").is_some());
    assert!(english_in("错误：没有 films 的 /srv/some where it").is_some());
    assert!(english_in("错误：没有 films 的 /srv/some/where.mov，见 docs/trust.md").is_none());
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
        // The words of the help are tested where it is made.
        let out = if args.contains(&"--help") { String::new() } else { out };
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

/// The answers to mistakes, and previews. Symptom of each line: a part of the answer was English, since a
/// word, or a name with an address, was put into a Chinese sentence.
#[test]
fn failures_and_previews_are_chinese_to_the_last_word() -> Result<()> {
    let (pair, dead) = published()?;
    let (origin, mirror) = (in_chinese(&pair.origin), in_chinese(&pair.mirror));
    let server = pair.connect()?;
    pair.pull()?;
    std::os::unix::net::UnixListener::bind(pair.library.join("s.sock"))?;
    std::fs::write(pair.library.join(".DS_Store"), "x")?;
    std::fs::write(pair.library.join("new.txt"), "x")?;
    let [policy, twice] = ["policy.toml", "twice.toml"].map(|name| pair.scratch().join(name));
    let rules = "[[class]]\nname = \"default\"\nmirror = \"static\"\nevery = \"5m\"\nreplicas = 5\n\
                 regions = [\"eu-1\", \"cn-1\"]\nretention = { releases = 5, time = \"90d\" }\n";
    std::fs::write(&policy, rules)?;
    let class = |name: &str, path: &str| format!("[[class]]\nname = \"{name}\"\npaths = [\"{path}\"]\n");
    std::fs::write(&twice, class("x1", "**") + &class("x2", "**/*.txt"))?;
    let twin = in_chinese(&Home::init(pair.scratch().join("twin"), "twin", "mirror")?);
    let ticket = pair.origin.ticket("films")?;
    let [folder, policy, twice, home] =
        [&pair.library, &policy, &twice, &pair.mirror.path].map(|path| path.to_string_lossy().into_owned());
    let node = pair.mirror.json(["id"])?["id"].as_str().context("no id")?.to_owned();
    let elsewhere = pair.scratch().join("moved").to_string_lossy().into_owned();
    let steps: [(&Home, &[&str], i32); 16] = [
        (&origin, &["publish", &folder, "-l", "films", "--dry-run"], 0),
        (&origin, &["publish", &folder, "-l", "films", "--policy", &twice], 4),
        (&origin, &["policy", "set", "films", &policy, "--dry-run"], 0),
        (&origin, &["policy", "check", "films", &policy], 0),
        (&origin, &["policy", "explain", "films", &policy], 0),
        (&origin, &["grant", &node, "-l", "films", "--class", "default", "--dry-run"], 0),
        (&origin, &["ledger", "keep", "a", "--yes"], 6),
        (&origin, &["home", "move", &elsewhere], 6),
        (&origin, &["audit", "tail"], 0),
        (&twin, &["pull"], 3),
        (&twin, &["join", &ticket], 0),
        (&twin, &["ls", "films@"], 2),
        (&mirror, &["restore", "films", &home], 4),
        (&mirror, &["pull", "films", "--channel", "none"], 3),
        (&origin, &["revoke", &node, "-l", "films", "--reason", "丢失"], 0),
        (&mirror, &["pull", "films", "--from", &dead], 8),
    ];
    for (home, args, expected) in steps {
        let (code, out, err) = run(home, args)?;
        ensure!(code == expected && (is_chinese(&out) || is_chinese(&err)), "{args:?}: {code}: {out}{err}");
        if let Some(line) = english_in(&out).or(english_in(&err)) {
            anyhow::bail!("{args:?}: {line}");
        }
    }
    let (code, _, err) = run(&mirror, &["pull", "films"])?;
    ensure!(code == 5 && err.contains("库的操作员吊销了本节点"), "{code}: {err}");
    ensure!(english_in(&err).is_none(), "{err}");
    server.stop()?;
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
