//! The help: the commands in groups, an example for each, the options of every command in one place; better
//! suggestions for a command that does not exist; the manual pages.

use std::{fmt::Write as _, path::Path};

use chuan_api::exit::{EXIT_HELP, Failure};
use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    examples,
    language::{self, Language},
};

/// The heading of the options of every command.
pub(super) const GLOBAL: &str = "Options of every command";

/// The options of every command in the short help, in which they are hidden.
const GLOBAL_SHORT: &str = "\
Options of every command: --home DIR, --json, --progress HOW, -v, -q, -h
`--help` explains them, too, and has examples.";

/// The last line of the short help of the program.
const HELP_OF_COMMAND: &str = "`chuan COMMAND -h` explains a command.";

/// The commands by what they are for, in the order of the help: the heading, its id in the Chinese help, and
/// the commands.
const GROUPS: &[(&str, &str, &[&str])] = &[
    (
        "Everyday commands:",
        "group-everyday",
        &["init", "publish", "invite", "join", "pull", "restore", "serve", "status"],
    ),
    ("Commands that read a library:", "group-read", &["releases", "ls", "diff", "cat", "history"]),
    (
        "Commands for channels and policy:",
        "group-channels",
        &["channel", "promote", "rollback", "policy", "fresh"],
    ),
    (
        "Commands for members and keys:",
        "group-members",
        &[
            "members",
            "grant",
            "revoke",
            "id",
            "rotate",
            "key",
            "root",
            "found",
            "sign",
            "statements",
            "conflicts",
        ],
    ),
    (
        "Commands that look after a home:",
        "group-home",
        &["verify", "rebuild", "audit", "ledger", "home", "completions", "man"],
    ),
];

/// Words that people type for a command.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("add", &["publish", "grant"]),
    ("backup", &["home", "pull"]),
    ("clone", &["join"]),
    ("download", &["pull", "restore"]),
    ("export", &["restore"]),
    ("fetch", &["pull"]),
    ("forget", &["revoke"]),
    ("fsck", &["verify"]),
    ("get", &["pull", "restore"]),
    ("info", &["status"]),
    ("kick", &["revoke"]),
    ("list", &["ls", "releases"]),
    ("log", &["history", "audit"]),
    ("mirror", &["pull"]),
    ("new", &["init"]),
    ("push", &["publish"]),
    ("remove", &["revoke"]),
    ("repair", &["verify", "rebuild"]),
    ("run", &["serve"]),
    ("share", &["invite"]),
    ("start", &["serve"]),
    ("sync", &["pull"]),
    ("ticket", &["invite"]),
    ("undo", &["rollback"]),
    ("update", &["pull"]),
    ("upload", &["publish"]),
];

/// The grammar with groups and examples.
pub(super) fn complete(program: Command, language: Language) -> Command {
    let program = match language {
        Language::English => program,
        Language::Chinese => language::help::in_chinese(program),
    };
    let groups = groups(&program, language);
    let template =
        format!("{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}");
    let program = program.mut_args(|arg| if arg.is_global_set() { arg.hide_short_help(true) } else { arg });
    let program = program.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        with_examples(command, &name, language)
    });
    program
        .help_template(template)
        .after_help(format!(
            "{}\n{}",
            text_in(language, "global-short", GLOBAL_SHORT),
            text_in(language, "help-of-command", HELP_OF_COMMAND)
        ))
        .after_long_help(text_in(language, "exit-codes", EXIT_HELP))
}

/// A text of the help: with this id in the Chinese catalogue, or the English one.
fn text_in(language: Language, id: &str, english: &'static str) -> String {
    match language {
        Language::English => english.to_owned(),
        Language::Chinese => language::help::extra(id),
    }
}

/// The lists of commands, each with its heading.
fn groups(program: &Command, language: Language) -> String {
    let mut text = String::new();
    let width = program.get_subcommands().map(|command| command.get_name().len()).max().unwrap_or_default();
    for (heading, id, names) in GROUPS {
        let _ = writeln!(text, "{}", text_in(language, id, heading));
        for name in *names {
            let about =
                program.find_subcommand(name).and_then(Command::get_about).cloned().unwrap_or_default();
            let _ = writeln!(text, "  {name:<width$}  {about}");
        }
        text.push('\n');
    }
    text
}

fn with_examples(command: Command, path: &str, language: Language) -> Command {
    let command = command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name());
        with_examples(below, &path, language)
    });
    let command = command.after_help(text_in(language, "global-short", GLOBAL_SHORT));
    let examples = examples::of(path);
    let width = match examples {
        [] => return command,
        [_] => 0,
        several => several.iter().map(|(line, _)| line.len()).max().unwrap_or_default(),
    };
    let lines: String = examples
        .iter()
        .enumerate()
        .map(|(at, (line, effect))| {
            let effect = match language {
                Language::English => (*effect).to_owned(),
                Language::Chinese => language::help::effect(path, at),
            };
            format!("{}\n", format!("  {line:<width$}    {effect}").trim_end())
        })
        .collect();
    let heading = if examples.len() == 1 { "Example:" } else { "Examples:" };
    let heading = text_in(language, "examples", heading);
    command.after_long_help(format!("{heading}\n{lines}"))
}

/// The error with suggestions that make sense: the parser suggests whatever has similar letters.
pub(super) fn with_better_hints(mut error: clap::Error) -> clap::Error {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return error;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else { return error };
    let typed = typed.clone();
    let near = match error.remove(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(names)) => names,
        Some(ContextValue::String(name)) => vec![name],
        _ => Vec::new(),
    };
    let meant = SYNONYMS.iter().find(|(word, _)| *word == typed).map(|(_, names)| *names);
    let names: Vec<String> = match meant {
        Some(names) => names.iter().map(|name| (*name).to_owned()).collect(),
        None => near.into_iter().filter(|name| is_slip(&typed, name)).collect(),
    };
    if !names.is_empty() {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
    }
    error
}

/// Whether a word may be a slip of the fingers for a name: one letter wrong, or two of a longer name.
fn is_slip(typed: &str, name: &str) -> bool {
    let (typed, name): (Vec<char>, Vec<char>) = (typed.chars().collect(), name.chars().collect());
    distance(&typed, &name) <= if name.len() > 5 { 2 } else { 1 }
}

/// The least number of letters to add, drop, change or swap with the next one (optimal string alignment).
fn distance(one: &[char], two: &[char]) -> usize {
    let mut before = vec![0; two.len() + 1];
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in two.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&row, j) + usize::from(a != b)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && one.get(i - 1) == Some(b) && two.get(j - 1) == Some(a);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or_default()
}

/// Writes a manual page for the program and for each of its commands: `chuan.1`, `chuan-pull.1` and so on.
pub(super) fn write_manual(program: Command, dir: &Path) -> Result<(), Failure> {
    let write = || {
        std::fs::create_dir_all(dir)?;
        clap_mangen::generate_to(program, dir)
    };
    write().map_err(|error| Failure::io(format!("write manual pages to {}", dir.display()), error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::args;

    #[test]
    fn each_command_is_in_one_group() {
        let program = args::command();
        let visible = program.get_subcommands().filter(|command| !command.is_hide_set());
        let commands: BTreeSet<&str> = visible.map(Command::get_name).collect();
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, _, names)| names.iter().copied()).collect();
        assert_eq!(listed.len(), commands.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), commands);
        for (word, names) in SYNONYMS {
            assert!(!commands.contains(word), "{word} is a command");
            assert!(names.iter().all(|name| commands.contains(name)), "{names:?}");
        }
    }

    #[test]
    fn suggestions_make_sense() {
        let hint = |word: &str| {
            let error = args::command().try_get_matches_from(["chuan", word]).map_err(with_better_hints);
            error.unwrap_err().get(ContextKind::SuggestedSubcommand).cloned()
        };
        let names =
            |names: &[&str]| Some(ContextValue::Strings(names.iter().map(|&name| name.into()).collect()));
        assert_eq!(hint("forget"), names(&["revoke"]));
        assert_eq!(hint("sync"), names(&["pull"]));
        assert_eq!(hint("pul"), names(&["pull"]));
        assert_eq!(hint("statsu"), names(&["status"]));
        assert_eq!(hint("dance"), None);
    }

    #[test]
    fn distances() {
        let of = |one: &str, two: &str| {
            distance(&one.chars().collect::<Vec<_>>(), &two.chars().collect::<Vec<_>>())
        };
        assert_eq!(
            [of("pull", "pull"), of("pull", "pul"), of("plul", "pull"), of("", "ab"), of("forget", "fresh")],
            [0, 1, 1, 2, 4]
        );
    }

    #[test]
    fn every_command_has_a_manual_page() {
        let dir = tempfile::tempdir().unwrap();
        write_manual(args::command(), dir.path()).unwrap();
        let page = std::fs::read_to_string(dir.path().join("chuan-channel-set.1")).unwrap();
        assert!(page.contains("chuan channel set films"), "{page}");
        let page = std::fs::read_to_string(dir.path().join("chuan.1")).unwrap();
        assert!(page.contains("chuan\\-pull(1)") && page.contains("Exit codes"), "{page}");
    }
}
