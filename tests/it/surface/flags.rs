//! The flags of every command, from the text that `--help` prints.
//!
//! The text has sections with a heading at the left border. The commands are in several sections. In
//! `Arguments` and `Options` an item begins at column 2 or 6; deeper lines describe it. Of the description,
//! only possible values, defaults and variables are taken.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use chuan_tests::program::Home;

/// Columns at which a description begins, at the least.
const DESCRIPTION: usize = 8;
/// The option of the program itself only.
const VERSION: &str = "--version";

/// An argument or an option, as one line: names, value, possible values, default and variable.
type Item = String;

/// The help of a command.
#[derive(Debug, Default)]
struct Help {
    usage: Vec<String>,
    arguments: Vec<Item>,
    options: Vec<Item>,
    commands: Vec<String>,
}

/// The sections of all commands, in the order of the help. Options that every command has are listed once.
pub(super) fn of_all_commands(home: &Home) -> Result<String> {
    let program = help(home, &[])?;
    let common: BTreeSet<Item> =
        program.options.iter().filter(|option| !option.contains(VERSION)).cloned().collect();
    ensure!(program.commands.len() > 20 && common.len() > 3, "the help is read wrong: {program:?}");
    let mut text = section("chuan, and every command of it", &program, &BTreeSet::new());
    let mut left: Vec<Vec<String>> = program.commands.iter().rev().map(|name| vec![name.clone()]).collect();
    while let Some(words) = left.pop() {
        let help = help(home, &words)?;
        text.push_str(&section(&format!("chuan {}", words.join(" ")), &help, &common));
        left.extend(help.commands.iter().rev().map(|name| [words.clone(), vec![name.clone()]].concat()));
    }
    Ok(text)
}

fn help(home: &Home, words: &[String]) -> Result<Help> {
    let mut command = home.command(words.iter().map(String::as_str).chain(["--help"]));
    let output = command.env("COLUMNS", "100").output().with_context(|| format!("run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(parse(&String::from_utf8(output.stdout)?))
}

/// A command as text. Options have no order: they are sorted by their long names.
fn section(title: &str, help: &Help, common: &BTreeSet<Item>) -> String {
    let mut options: Vec<&Item> = help.options.iter().filter(|option| !common.contains(*option)).collect();
    options.sort_by_key(|option| option.find("--").and_then(|at| option.get(at..)));
    let lacking = common.iter().filter(|option| !help.options.contains(option));
    let lines = help.usage.iter().map(|usage| format!("usage: {usage}"));
    let lines = lines
        .chain(help.arguments.iter().cloned())
        .chain(options.into_iter().cloned())
        .chain(lacking.map(|option| format!("not here: {option}")));
    format!("## {title}\n{}\n", lines.map(|line| line + "\n").collect::<String>())
}

fn parse(text: &str) -> Help {
    let mut help = Help::default();
    let (mut heading, mut is_after_blank) = ("", false);
    let mut is_value_list = false;
    for line in text.lines() {
        let (indent, line) = (line.len() - line.trim_start().len(), line.trim());
        if line.is_empty() {
            is_after_blank = true;
            is_value_list = false;
            continue;
        }
        if let Some(usage) = line.strip_prefix("Usage: ").filter(|_| indent == 0) {
            help.usage.push(usage.to_owned());
        }
        if indent == 0 {
            heading = line;
        } else if heading.to_lowercase().ends_with("commands:") || heading.starts_with("Commands ") {
            // The lines of a wrapped text begin at the column of the text.
            let name = line.split_whitespace().next().unwrap_or_default();
            if indent == 2 && name != "help" {
                help.commands.push(name.to_owned());
            }
        } else if let Some(items) = items_of(&mut help, heading) {
            if indent < DESCRIPTION {
                items.push(line.split("  ").next().unwrap_or_default().to_owned());
            } else if let Some(item) = items.last_mut() {
                if line == "Possible values:" {
                    is_value_list = true;
                } else if let Some(value) = line.strip_prefix("- ").filter(|_| is_value_list) {
                    let name = value.split([':', ' ']).next().unwrap_or_default();
                    item.push_str(if item.contains(" = ") { "|" } else { " = " });
                    item.push_str(name);
                } else if is_after_blank && let Some(note) = note(line) {
                    item.push_str(&note);
                }
            }
        }
        is_after_blank = false;
    }
    help
}

fn items_of<'h>(help: &'h mut Help, heading: &str) -> Option<&'h mut Vec<Item>> {
    match heading {
        "Arguments:" => Some(&mut help.arguments),
        "Options:" | "Options of every command:" => Some(&mut help.options),
        _ => None,
    }
}

/// A default, a variable or a list of values, which has a paragraph of its own. The value of a variable, from
/// the environment of this test, is left out.
fn note(line: &str) -> Option<String> {
    let inner = line.strip_prefix('[')?.strip_suffix(']')?;
    let inner = match inner.strip_prefix("env: ") {
        Some(variable) => format!("env: {}", variable.split('=').next().unwrap_or_default()),
        None => inner.to_owned(),
    };
    Some(format!(" [{inner}]"))
}
