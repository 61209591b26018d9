//! Options and commands in the texts of a node. A node writes "the option `max-delete`", since its caller
//! may be a program; here it becomes `--max-delete`. A command that a text names gets the `--home` of this
//! command, so that it runs as printed. A text that a user wrote, such as the message of a release, stays as
//! it is: [`theirs`] marks it.

use std::{borrow::Cow, path::Path, sync::OnceLock};

use chuan_api::exit::Failure;

/// How a node's text begins to name an option.
const OPTION: &str = "the option `";

/// How a text begins to name a command.
const COMMAND: &str = "`chuan ";

/// How a text goes on after a command for another node.
pub(super) const THERE: &str = " there";

/// How a Chinese text goes on before a command for another node.
pub(super) const THERE_CHINESE: &str = "在那里执行 ";

/// Commands that texts name for another node, or that need no home.
const ELSEWHERE: [&str; 6] = ["completions", "grant", "id", "invite", "key", "root"];

/// Stands on both sides of a backtick in a text that a user wrote. Unicode has no character of this number,
/// so no text has it.
const THEIRS: char = '\u{fdd0}';

/// The home that the command line names, as it is typed in a shell.
static HOME: OnceLock<String> = OnceLock::new();

/// Makes the commands in texts name this home.
pub(super) fn set_home(home: &Path) {
    let _ = HOME.set(quoted(&home.to_string_lossy()));
}

/// A text of a node, with options as they are typed, and with commands for the home of this command.
pub(super) fn typed(text: &str) -> Cow<'_, str> {
    typed_for(text, HOME.get().map(String::as_str))
}

/// A text that a user wrote, as a part of a text for [`typed`], which leaves it alone.
pub(super) fn theirs(text: &str) -> Cow<'_, str> {
    match text.contains('`') {
        true => text.replace('`', &format!("{THEIRS}`{THEIRS}")).into(),
        false => text.into(),
    }
}

fn typed_for<'t>(text: &'t str, home: Option<&str>) -> Cow<'t, str> {
    let text: Cow<'t, str> =
        if text.contains(OPTION) { text.replace(OPTION, "`--").into() } else { text.into() };
    let text = match home {
        Some(home) if text.contains(COMMAND) => with_home(&text, home).into(),
        _ => text,
    };
    if text.contains(THEIRS) { text.replace(THEIRS, "").into() } else { text }
}

fn with_home(text: &str, home: &str) -> String {
    let mut parts = text.split(COMMAND);
    let mut before = parts.next().unwrap_or_default();
    let mut out = before.to_owned();
    for part in parts {
        let before = std::mem::replace(&mut before, part);
        out.push_str(COMMAND);
        let name = part.split(['`', ' ']).next().unwrap_or_default();
        let is_there = part.split_once('`').is_some_and(|(_, after)| after.starts_with(THERE))
            || before.ends_with(THERE_CHINESE);
        // An upper-case word stands for a command.
        if !is_there
            && !ELSEWHERE.contains(&name)
            && name.starts_with(|first: char| first.is_ascii_lowercase())
        {
            out.push_str(&format!("--home {home} "));
        }
        out.push_str(part);
    }
    out
}

/// A word as it is typed in a shell.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A failure with options as they are typed.
pub(super) fn typed_failure(failure: &Failure) -> Failure {
    Failure { message: typed(&failure.message).into_owned(), ..failure.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_as_they_are_typed() {
        let text = "name one with the option `from HOST:PORT`, or with the option `key` or CHUAN_KEY";
        assert_eq!(typed(text), "name one with `--from HOST:PORT`, or with `--key` or CHUAN_KEY");
        assert!(matches!(typed("the disk is full"), Cow::Borrowed(_)));
        assert_eq!(typed_failure(&Failure::usage("give the option `yes`")), Failure::usage("give `--yes`"));
    }

    #[test]
    fn commands_keep_the_home_of_the_command_line() {
        let text = "run `chuan pull films`, then `chuan verify`; `chuan serve` there lets nodes join";
        assert_eq!(
            typed_for(text, Some("/srv/a")),
            "run `chuan --home /srv/a pull films`, then `chuan --home /srv/a verify`; `chuan serve` there lets nodes join"
        );
        let chinese = "请检查它是否在运行（在那里执行 `chuan serve`），再执行 `chuan pull films`";
        assert_eq!(
            typed_for(chinese, Some("/srv/a")),
            "请检查它是否在运行（在那里执行 `chuan serve`），再执行 `chuan --home /srv/a pull films`"
        );
        assert!(matches!(typed_for(text, None), Cow::Borrowed(_)));
        assert!(matches!(theirs("no command"), Cow::Borrowed(_)));
        assert_eq!(["/srv/a", "a b", "it's", "影"].map(quoted), ["/srv/a", "'a b'", r"'it'\''s'", "影"]);
    }

    /// Symptom: a release message with a command in backticks was listed with the `--home` of the machine
    /// that listed it.
    #[test]
    fn a_text_of_a_user_stays_as_it_is() {
        let message = "then `chuan pull films`, with the option `yes`";
        let text = format!("{}; `chuan verify` checks it with the option `deep`", theirs(message));
        assert_eq!(
            typed_for(&text, Some("/srv/a")),
            format!("{message}; `chuan --home /srv/a verify` checks it with `--deep`")
        );
        assert_eq!(typed_for(&theirs(message), None), message);
    }
}
