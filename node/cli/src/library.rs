//! A library on the command line: `chuan releases films` and `chuan releases -l films` are the same, and so
//! are `chuan publish DIR -l films` and `chuan publish DIR films`. Each command declares one of the two
//! forms. Here the other form is added to its help, and rewritten to the declared one before the line is
//! parsed.

use std::ffi::{OsStr, OsString};

use clap::{Arg, Command};

/// The id of an argument that is only in the help: the rewritten line never has it, except twice.
const OTHER_FORM: &str = "library_in_other_form";
const LIBRARY: &str = "library";

/// The form in which a command declares its library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Argument,
    Option,
}

/// Adds the other form to the help of every command that names one library.
pub(super) fn add_other_form(command: Command) -> Command {
    let command = command.mut_subcommands(add_other_form);
    match form_of(&command) {
        None => command,
        Some(Form::Option) => {
            let argument = Arg::new(OTHER_FORM).value_name("LIBRARY").conflicts_with(LIBRARY);
            command.arg(argument.help("The library, as with --library"))
        }
        Some(Form::Argument) => {
            let first = first_argument(&command).map(|arg| arg.get_id().clone()).unwrap_or_default();
            let option = Arg::new(OTHER_FORM).long(LIBRARY).short('l').value_name("NAME");
            command.arg(option.conflicts_with(first).help("The library, in place of the argument"))
        }
    }
}

/// The line with the library in the form that its command declares. A line that cannot be understood stays as
/// it is: its parser explains the error.
pub(super) fn rewritten(program: &Command, line: Vec<OsString>) -> Vec<OsString> {
    rewrite(program, &line).unwrap_or(line)
}

fn first_argument(command: &Command) -> Option<&Arg> {
    command.get_positionals().next()
}

fn form_of(command: &Command) -> Option<Form> {
    if command.get_arguments().any(|arg| arg.get_id() == LIBRARY && arg.get_long() == Some(LIBRARY)) {
        return Some(Form::Option);
    }
    let names = first_argument(command)?.get_value_names().unwrap_or_default();
    let is_library =
        names.first().is_some_and(|name| matches!(name.as_str(), "LIBRARY" | "LIBRARY[@RELEASE]"));
    is_library.then_some(Form::Argument)
}

/// The parts of a line that the library needs.
#[derive(Debug, Default)]
struct Read {
    /// The place after the name of the command.
    after_name: usize,
    arguments: Vec<usize>,
    /// The words of `--library`, and its value.
    option: Option<(std::ops::Range<usize>, OsString)>,
}

fn rewrite(program: &Command, line: &[OsString]) -> Option<Vec<OsString>> {
    let (command, read) = read(program, line)?;
    let mut words = line.to_vec();
    let is_declared = |arg: &&Arg| arg.get_id() != OTHER_FORM;
    let arguments = command.get_positionals().filter(is_declared).count();
    let is_option = command.get_arguments().filter(is_declared).any(|arg| arg.get_long() == Some(LIBRARY));
    let has_other = command.get_arguments().any(|arg| arg.get_id() == OTHER_FORM);
    match (read.option, read.arguments.as_slice()) {
        // With all arguments given, the library is named twice.
        (Some((range, name)), given) if has_other && !is_option && given.len() < arguments => {
            words.drain(range);
            words.insert(read.after_name, name);
        }
        (None, [.., last]) if has_other && is_option && read.arguments.len() == arguments + 1 => {
            words.insert(*last, format!("--{LIBRARY}").into());
        }
        _ => return None,
    }
    Some(words)
}

fn read<'c>(program: &'c Command, line: &[OsString]) -> Option<(&'c Command, Read)> {
    let (mut command, mut read, mut at) = (program, Read::default(), 1);
    while let Some(word) = line.get(at) {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            return None;
        }
        let (name, inline) = match (text.strip_prefix("--"), text.strip_prefix('-')) {
            (Some(long), _) => long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value))),
            // Of several short flags in a word, only the last may have a value.
            (None, Some(short)) if !short.is_empty() => short_option(command, program, short)?,
            _ => {
                match command.find_subcommand(word).filter(|_| read.arguments.is_empty()) {
                    Some(found) => (command, read.after_name) = (found, at + 1),
                    None => read.arguments.push(at),
                }
                at += 1;
                continue;
            }
        };
        let option = option_of(command, program, name)?;
        let is_separate = option.get_action().takes_values() && inline.is_none();
        let end = at + 1 + usize::from(is_separate);
        if option.get_long() == Some(LIBRARY) {
            // In `-vl NAME` the word has other flags, too.
            let is_alone = text.starts_with("--") || text.starts_with("-l");
            let value = inline.map(OsStr::new).or_else(|| line.get(at + 1).map(OsString::as_os_str))?;
            let value = Some(value).filter(|_| is_alone)?;
            read.option = Some((at..end, value.to_owned()));
        }
        at = end;
    }
    Some((command, read))
}

/// The option of a word with short flags that may have a value, and the value in the same word.
fn short_option<'w>(
    command: &Command,
    program: &Command,
    word: &'w str,
) -> Option<(&'w str, Option<&'w str>)> {
    for (at, flag) in word.char_indices() {
        let rest = word.get(at + flag.len_utf8()..)?;
        let name = word.get(at..at + flag.len_utf8())?;
        if rest.is_empty() {
            return Some((name, None));
        }
        if option_of(command, program, name)?.get_action().takes_values() {
            return Some((name, Some(rest.strip_prefix('=').unwrap_or(rest))));
        }
    }
    None
}

/// The option with this long name, or with this short one: of the command, or of every command.
fn option_of<'c>(command: &'c Command, program: &'c Command, name: &str) -> Option<&'c Arg> {
    let is_it = |arg: &&Arg| {
        let mut letters = name.chars();
        let short = letters.next().filter(|_| letters.next().is_none());
        arg.get_long() == Some(name) || (short.is_some() && arg.get_short() == short)
    };
    let of_all = program.get_arguments().filter(|arg| arg.is_global_set());
    command.get_arguments().chain(of_all).find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten_line(line: &str) -> String {
        let words = rewritten(&crate::args::command(), line.split(' ').map(OsString::from).collect());
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn both_forms_become_the_declared_one() {
        for (given, expected) in [
            ("chuan releases -l films", "chuan releases films"),
            (
                "chuan --home -H releases -v --library=films --json",
                "chuan --home -H releases films -v --json",
            ),
            ("chuan pull --from a -lfilms", "chuan pull films --from a"),
            ("chuan restore -l films@3 D --check", "chuan restore films@3 D --check"),
            ("chuan promote canary live -l films", "chuan promote films canary live"),
            ("chuan channel list -l films", "chuan channel list films"),
            ("chuan policy set F -l films", "chuan policy set films F"),
            ("chuan publish D films -m M", "chuan publish D --library films -m M"),
            ("chuan grant --role edge N films", "chuan grant --role edge N --library films"),
            ("chuan invite films", "chuan invite --library films"),
        ] {
            assert_eq!(rewritten_line(given), expected);
        }
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in [
            "chuan releases films",
            "chuan releases films -l films",
            "chuan publish D -l films",
            "chuan publish D films -l films",
            "chuan key show F",
            "chuan audit tail -n 5",
            "chuan cat films p --range -99",
            "chuan nonsense -l films",
            "chuan releases -l",
            "chuan releases -vl films",
            "chuan releases -- -l",
        ] {
            assert_eq!(rewritten_line(line), line);
        }
    }
}
