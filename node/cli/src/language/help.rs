//! The help in Chinese: the texts of commands and arguments are replaced in the grammar, and the words of
//! `clap` in the help that it made.

use clap::{Arg, ArgAction, Command, builder::PossibleValue};
use fluent_bundle::FluentValue;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::catalogue::Catalogue;

/// The columns of a text beside the name of an option, and of a text below it.
const WIDTH: usize = 66;
/// The columns of a text that begins at the left.
const WIDE: usize = 96;
/// The place of `--help` and `--version` among the options: the last ones.
const LAST: usize = 999;

/// Words that `clap` writes, and the ids of their Chinese.
const OF_CLAP: [(&str, &str); 7] = [
    ("Options of every command:", "clap-global"),
    ("Usage:", "clap-usage"),
    ("Arguments:", "clap-arguments"),
    ("Options:", "clap-options"),
    ("Commands:", "clap-commands"),
    ("Print this message or the help of the given subcommand(s)", "clap-help-command"),
    ("[OPTIONS]", "clap-any-options"),
];

/// The grammar with Chinese texts: messages named by the words of the command, with an attribute for each
/// argument.
pub(crate) fn in_chinese(program: Command) -> Command {
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    let version = version.display_order(LAST).help(extra("clap-version"));
    command_in_chinese(program.disable_version_flag(true).arg(version), "chuan")
}

fn command_in_chinese(command: Command, id: &str) -> Command {
    let texts = Catalogue::help();
    let command = command.mut_subcommands(|below| {
        let id = match id {
            "chuan" => below.get_name().to_owned(),
            above => format!("{above}-{}", below.get_name()),
        };
        command_in_chinese(below, &id)
    });
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).display_order(LAST);
    let help = help.help(extra("clap-help")).long_help(extra("clap-help-long"));
    let command = command
        .mut_args(|arg| if arg.get_id() == "version" { arg } else { argument_in_chinese(arg, id) })
        .disable_help_flag(true)
        .arg(help);
    let about = texts.value(id);
    let long = texts.attribute(id, "long");
    let command = match (&about, &long) {
        (Some(about), Some(long)) => {
            command.long_about(format!("{}\n\n{}", wrapped(about, WIDE), wrapped(long, WIDE)))
        }
        _ => command,
    };
    match about {
        Some(about) => command.about(about),
        None => command,
    }
}

fn argument_in_chinese(arg: Arg, id: &str) -> Arg {
    let texts = Catalogue::help();
    let name = arg.get_id().to_string();
    let Some(help) = texts.attribute(id, &name) else { return arg };
    let is_value = |value: &PossibleValue| !value.is_hide_set() && arg.get_action().takes_values();
    let values: Vec<_> = arg.get_possible_values().into_iter().filter(is_value).collect();
    let names: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    let meanings: Vec<String> = names
        .iter()
        .filter_map(|value| {
            let meaning = texts.attribute(id, &format!("{name}-{value}"))?;
            Some(with_value("clap-value", value) + &meaning)
        })
        .collect();
    let (defaults, mut short) = (defaults(&arg), help.clone());
    short.push_str(&defaults);
    if !names.is_empty() && !arg.is_hide_possible_values_set() {
        short.push_str(&with_value("clap-values", &names.join("、")));
    }
    let short = wrapped(&short, WIDTH);
    let long = match meanings.is_empty() {
        true => short.clone(),
        false => {
            let help = wrapped(&format!("{help}{defaults}"), WIDTH);
            format!("{help}\n\n{}\n{}", extra("clap-meanings"), meanings.join("\n"))
        }
    };
    let arg = match arg.get_action().takes_values() {
        true => arg.hide_possible_values(true).hide_default_value(true).hide_env(true),
        false => arg,
    };
    arg.help(short).long_help(long)
}

/// The variable and the default of an argument.
fn defaults(arg: &Arg) -> String {
    let mut facts = String::new();
    if let Some(variable) = arg.get_env() {
        facts.push_str(&with_value("clap-variable", &variable.to_string_lossy()));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if arg.get_action().takes_values() && !defaults.is_empty() && defaults != [""] {
        facts.push_str(&with_value("clap-default", &defaults.join("、")));
    }
    facts
}

/// A text of the help that is not of a command.
pub(crate) fn extra(id: &str) -> String {
    Catalogue::help().value(id).unwrap_or_default()
}

/// As [`extra`], with a value.
fn with_value(id: &str, value: &str) -> String {
    Catalogue::help().format(id, &[("value", FluentValue::from(value))].into_iter().collect())
}

/// The effect of an example of a command, counted from 0; empty where none is explained.
pub(crate) fn effect(path: &str, at: usize) -> String {
    Catalogue::help().attribute(&path.replace(' ', "-"), &format!("example-{}", at + 1)).unwrap_or_default()
}

/// The help that `clap` made, with its own words in Chinese.
pub(crate) fn finished(help: &str) -> String {
    let text = OF_CLAP.iter().fold(help.to_owned(), |text, (english, id)| text.replace(english, &extra(id)));
    // A full-width colon needs no space after it.
    let usage = extra("clap-usage");
    text.replace(&format!("{usage} "), &usage)
}

/// A text in lines of at most `width` columns. A line may end after every Chinese character, and at a space.
fn wrapped(text: &str, width: usize) -> String {
    let mut lines: Vec<String> = vec![String::new()];
    for unit in units(text) {
        if let Some(line) = lines.last_mut() {
            if line.width() + unit.trim_end().width() <= width || line.is_empty() {
                line.push_str(&unit);
                continue;
            }
            *line = line.trim_end().to_owned();
        }
        lines.push(unit.trim_start().to_owned());
    }
    lines.join("\n")
}

/// The parts of a text that stay on one line: a Chinese character with the marks after it, a word.
fn units(text: &str) -> Vec<String> {
    let is_wide = |c: char| c.width().is_some_and(|width| width > 1);
    let mut units: Vec<String> = Vec::new();
    let mut before: Option<char> = None;
    for c in text.chars() {
        let is_closing = "，。；：、！？）］》”％".contains(c) || c == '”';
        let breaks = match before {
            None => true,
            Some(before) if "（［《“".contains(before) => false,
            Some(before) => !is_closing && (is_wide(before) || is_wide(c) || before == ' '),
        };
        match units.last_mut() {
            Some(last) if !breaks => last.push(c),
            _ => units.push(c.to_string()),
        }
        before = Some(c);
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_between_chinese_characters_and_keep_words_and_marks() {
        let text = "把一个目录（或文件）发布成 chuan 的版本，再移动频道。";
        for line in wrapped(text, 12).lines() {
            assert!(line.width() <= 12, "{line}");
            assert!(!line.starts_with(['，', '。', '）']) && !line.ends_with('（'), "{line}");
        }
        assert_eq!(wrapped(text, 12).replace(['\n', ' '], ""), text.replace(' ', ""));
        assert!(wrapped(text, 12).lines().any(|line| line.contains("chuan")));
    }
}
