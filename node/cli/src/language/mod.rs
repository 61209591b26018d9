//! The language of the texts for people: English or Chinese, by the variables of the locale. The texts are in
//! `node/cli/i18n`, one folder a language. JSON, the log and everything that a program reads stay English.
//!
//! [`text!`](crate::text) gives a text of this program. [`sentences`] translates a sentence that another
//! crate made, [`help`] the help, [`usage`] an error of the command line.

mod catalogue;
pub(super) mod help;
pub(super) mod sentences;
#[cfg(test)]
mod tests;
pub(super) mod usage;

use std::{borrow::Cow, fmt::Display};
#[cfg(not(test))]
use std::{env, sync::OnceLock};

use chuan_api::{
    exit::{Exit, Failure},
    human,
};
use fluent_bundle::{FluentArgs, FluentValue};

use self::catalogue::Catalogue;
pub(super) use self::sentences::translated;

/// A language of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The language that these variables of the environment ask for.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set).unwrap_or_default();
        // As gettext does: a list of languages has no effect in the locale C.
        let is_c = matches!(locale.split('.').next(), None | Some("" | "C" | "POSIX"));
        let list = if is_c { None } else { set(&"LANGUAGE") };
        let named = |name: &str| match name.get(..2)? {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        };
        let listed = list.and_then(|list| list.split(':').find_map(named));
        listed.or_else(|| named(&locale)).unwrap_or(Self::English)
    }
}

/// The language of this process.
#[cfg(not(test))]
pub(super) fn chosen() -> Language {
    static CHOSEN: OnceLock<Language> = OnceLock::new();
    *CHOSEN.get_or_init(|| Language::of(|name| env::var(name).ok()))
}

/// The language of a test, which does not depend on the variables of its process.
#[cfg(test)]
pub(super) fn chosen() -> Language {
    tests::SPOKEN.get()
}

/// Whether the texts are Chinese.
pub(super) fn is_chinese() -> bool {
    chosen() == Language::Chinese
}

/// A text of the catalogue `answers.ftl`: its id, and the values of its variables, which are shown as they
/// are. A test compares the ids and variables in the code with the catalogues of both languages.
#[macro_export]
macro_rules! text {
    ($id:literal $(, $name:ident = $value:expr)* $(,)?) => {
        $crate::language::message($id, &[$((stringify!($name), &$value as &dyn std::fmt::Display)),*])
    };
}

/// Writes a line: a [`text!`](crate::text).
#[macro_export]
macro_rules! say {
    ($out:expr, $($text:tt)*) => { writeln!($out, "{}", $crate::text!($($text)*)) };
}

/// The text with this id in the language of the process.
pub(super) fn message(id: &str, values: &[(&'static str, &dyn Display)]) -> String {
    let args: FluentArgs<'_> = values.iter().map(|(name, value)| (*name, shown(value))).collect();
    Catalogue::answers(chosen()).format(id, &args)
}

/// A count and its noun: `1 file`, `2,000 files`. The text is `count-NOUN` in the catalogue.
pub(super) fn counted(number: u64, noun: &str) -> String {
    counted_in(chosen(), number, noun)
}

fn counted_in(language: Language, number: u64, noun: &str) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it only decides between one and several")]
    let number_of = FluentValue::from(number as f64);
    let args: FluentArgs<'_> =
        [("number", number_of), ("count", shown(&human::count(number)))].into_iter().collect();
    Catalogue::answers(language).format(&format!("count-{}", noun.replace(' ', "-")), &args)
}

fn shown(value: &dyn Display) -> FluentValue<'static> {
    FluentValue::from(value.to_string())
}

/// A word of an answer, such as a state: `word-WORD` in the catalogue, or the word as it is.
pub(super) fn word(word: &str) -> String {
    Catalogue::answers(chosen()).value(&format!("word-{word}")).unwrap_or_else(|| word.to_owned())
}

/// A duration: see [`human::span`].
pub(super) fn span(seconds: f64) -> String {
    with_units(&human::span(seconds))
}

/// A duration in whole seconds: see [`human::age`].
pub(super) fn age(seconds: u64) -> String {
    with_units(&human::age(seconds))
}

/// A duration with its units in the language of the process.
fn with_units(duration: &str) -> String {
    let word = |word| match word {
        "s" => text!("unit-second"),
        "min" => text!("unit-minute"),
        "h" => text!("unit-hour"),
        "d" => text!("unit-day"),
        number => number.to_owned(),
    };
    let mut words: Vec<String> = duration.split(' ').map(word).collect();
    // In Chinese, as in the sentences of the catalogue, "5 minutes 0 seconds" is "5 minutes".
    if is_chinese() && words.len() > 2 && words.get(words.len() - 2).is_some_and(|number| number == "0") {
        words.truncate(words.len() - 2);
    }
    words.join(" ")
}

/// A failure for people: the word for an error, and its text. In Chinese a text without a translation follows
/// a word for its exit code.
pub(super) fn failed(failure: &Failure) -> (String, Cow<'_, str>) {
    if !is_chinese() {
        return (text!("error"), Cow::Borrowed(&failure.message));
    }
    match sentences::chinese(&failure.message) {
        Some(text) => (text!("error"), text.into()),
        None => {
            let (kind, number) = (exit_word(failure.exit), failure.exit.number());
            (text!("error-of-kind", kind = kind, number = number), Cow::Borrowed(&failure.message))
        }
    }
}

fn exit_word(exit: Exit) -> String {
    match exit {
        Exit::Ok | Exit::Internal => text!("exit-internal"),
        Exit::Usage => text!("exit-usage"),
        Exit::Missing => text!("exit-missing"),
        Exit::Invalid => text!("exit-invalid"),
        Exit::Denied => text!("exit-denied"),
        Exit::Busy => text!("exit-busy"),
        Exit::Corrupt => text!("exit-corrupt"),
        Exit::Peer => text!("exit-peer"),
        Exit::Full => text!("exit-full"),
        Exit::Io => text!("exit-io"),
        Exit::Stale => text!("exit-stale"),
        Exit::Gaps => text!("exit-gaps"),
        Exit::Interrupted => text!("exit-interrupted"),
    }
}

/// Items of one cell of a table, or of one right: `a,b,c`.
pub(super) fn together<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    items.join(if is_chinese() { "、" } else { "," })
}

/// Items in a row: `a, b, c`.
pub(super) fn listed<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    items.join(if is_chinese() { "、" } else { ", " })
}
