//! Compares the interface of the command line with the goldens in `tests/surface/`: the flags of every
//! command, the keys and types of its JSON, and exit codes. Texts for people and values are not compared.
//!
//! `CHUAN_BLESS=1` rewrites the goldens. Scripts depend on this interface: a line may be added; a line that
//! changes or goes needs a good reason.

mod document;
mod flags;
mod scenario;
mod script;
mod shape;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::program::Home;

use scenario::Scenario;

/// Commands whose answer is not JSON.
const WITHOUT_JSON: [&str; 3] = ["cat", "completions", "man"];
/// Exit codes that no command line provokes: success, and a defect.
const NOT_PROVOKED: [&str; 2] = ["0", "1"];

#[test]
fn flags_are_those_of_the_golden() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let found = flags::of_all_commands(&Home::at(dir.path().join("no-home"))?)?;
    check("flags.txt", &found)
}

#[test]
fn json_keys_and_exit_codes_are_those_of_the_goldens() -> Result<()> {
    let mut scenario = Scenario::new()?;
    script::run(&mut scenario)?;
    let (json, exits) = (scenario.json(), scenario.exits());
    let checked = [check("json.txt", &json), check("exits.txt", &exits)];
    let failures = checked.into_iter().filter_map(Result::err).map(|error| format!("{error:#}"));
    let failures: Vec<String> = failures.collect();
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    check_commands(&json)?;
    check_codes(&exits)
}

/// The embedding API is as complete as the command line: the table in its documentation has each command,
/// with its calls, or the reason why there is none. The links of the table are also checked by rustdoc.
#[test]
fn every_command_has_its_call_for_embedders() -> Result<()> {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/core/src");
    let flags = fs::read_to_string(golden("flags.txt"))?;
    let commands: BTreeSet<&str> = commands(&flags).collect();
    ensure!(commands.len() > 40, "only {} commands found, this test reads them wrong", commands.len());
    let code = ["handle", ".", "key_file", "home"].iter().try_fold(String::new(), |code, folder| {
        Ok::<_, anyhow::Error>(code + &rust_code(&core.join(folder))?)
    })?;
    let table = fs::read_to_string(core.join("handle/commands.md"))?;
    let mut listed = BTreeSet::new();
    for row in table.lines().filter_map(|line| line.strip_prefix("| `")) {
        let (command, calls) = row.split_once("` | ").context("a row has no calls")?;
        ensure!(listed.insert(command), "`{command}` is listed twice");
        let is_none = calls.strip_prefix("none: ").is_some_and(|reason| reason.len() > 5);
        let named: Vec<&str> = calls.split("[`").skip(1).filter_map(|call| call.split('`').next()).collect();
        ensure!(is_none || !named.is_empty(), "`{command}` has neither a call nor a reason: {calls}");
        for call in named.iter().filter(|_| !is_none) {
            let name = call.rsplit("::").next().unwrap_or_default();
            let exists = ["(", "<"].iter().any(|end| code.contains(&format!("fn {name}{end}")));
            ensure!(exists, "`{command}`: there is no {call}");
        }
    }
    let missing: Vec<_> = commands.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&commands).collect();
    ensure!(
        missing.is_empty() && gone.is_empty(),
        "handle/commands.md lacks {missing:?}, and has {gone:?}, which are no commands"
    );
    Ok(())
}

/// The text of all Rust files in a folder, without its own folders.
fn rust_code(folder: &Path) -> Result<String> {
    let mut code = String::new();
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.extension().is_some_and(|kind| kind == "rs") {
            code.push_str(&fs::read_to_string(path)?);
        }
    }
    Ok(code)
}

/// The commands in the golden of flags, without those that only have commands below them.
fn commands(flags: &str) -> impl Iterator<Item = &str> {
    let all = headings(flags);
    let is_group = {
        let all = all.clone();
        move |command: &str| all.iter().any(|other| other.starts_with(&format!("chuan {command} ")))
    };
    let commands = all.into_iter().filter_map(|heading| heading.strip_prefix("chuan "));
    commands.filter(move |command| !is_group(command))
}

/// Fails if the script does not run a command whose answer is JSON.
fn check_commands(json: &str) -> Result<()> {
    let flags = fs::read_to_string(golden("flags.txt"))?;
    let shown = headings(json);
    for command in commands(&flags) {
        ensure!(
            WITHOUT_JSON.contains(&command) || shown.contains(command),
            "the script does not run `chuan {command}`: add it to surface/script.rs"
        );
    }
    Ok(())
}

/// Fails if the script does not provoke an exit code that `docs/operations.md` lists.
fn check_codes(exits: &str) -> Result<()> {
    let provoked: BTreeSet<&str> = exits.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for code in documented_exit_codes()? {
        ensure!(
            NOT_PROVOKED.contains(&code.as_str()) || provoked.contains(code.as_str()),
            "the script provokes no exit code {code}, which docs/operations.md lists"
        );
    }
    Ok(())
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("surface").join(name)
}

/// Compares a text with its golden, or makes it the golden.
fn check(name: &str, found: &str) -> Result<()> {
    let path = golden(name);
    if env::var_os("CHUAN_BLESS").is_some() {
        return fs::write(&path, found).with_context(|| format!("write {}", path.display()));
    }
    let wanted = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(
        wanted == found,
        "the command line differs from tests/surface/{name}; CHUAN_BLESS=1 writes it anew\n{}",
        difference(&wanted, found)
    );
    Ok(())
}

/// The lines that only one of two texts has, each after the heading of its section: `-` if the line is gone,
/// `+` if it is new.
fn difference(wanted: &str, found: &str) -> String {
    let [mut wanted, mut found] = [wanted, found].map(counted);
    for (line, count) in &mut wanted {
        let both = found.get(line).copied().unwrap_or_default().min(*count);
        *count -= both;
        if let Some(new) = found.get_mut(line) {
            *new -= both;
        }
    }
    let only = |mark: &str, lines: BTreeMap<String, usize>| {
        let left = lines.into_iter().filter(|(_, count)| *count > 0);
        left.map(|(line, _)| format!("{mark} {line}\n")).collect::<String>()
    };
    let lines = only("-", wanted) + &only("+", found);
    if lines.is_empty() { "the lines are equal, their order differs".to_owned() } else { lines }
}

/// How often a text has each line, after the heading of its section, if it has sections.
fn counted(text: &str) -> BTreeMap<String, usize> {
    let (mut counts, mut section) = (BTreeMap::new(), "");
    for line in text.lines() {
        match line.strip_prefix("## ") {
            Some(heading) => section = heading,
            None if section.is_empty() => *counts.entry(line.to_owned()).or_default() += 1,
            None => *counts.entry(format!("{section}: {line}")).or_default() += 1,
        }
    }
    counts
}

/// The headings of the sections of a golden.
fn headings(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("## ")).collect()
}

/// The numbers in the table of exit codes in `docs/operations.md`.
fn documented_exit_codes() -> Result<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let text = fs::read_to_string(&page).with_context(|| format!("read {}", page.display()))?;
    let (_, table) = text.split_once("\n## Exit codes\n").context("no section `Exit codes`")?;
    let cells = table.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next());
    let codes = cells.map(|cell| cell.trim().to_owned()).filter(|cell| cell.parse::<u8>().is_ok());
    let codes: Vec<String> = codes.collect();
    ensure!(codes.len() > 10, "the table of exit codes has only {codes:?}, this test reads it wrong");
    Ok(codes)
}
