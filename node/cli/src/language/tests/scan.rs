//! Reads the texts in the source code: the ids of texts of this program, and the sentences of all crates.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Crates whose sentences reach the command line.
const CRATES: [&str; 6] =
    ["engine/src", "net/src", "storage/src", "node/api/src", "node/core/src", "node/cli/src"];
/// Files without sentences for people: tests and simulations, numbers, subjects of the audit log (which are
/// data), and files of this program whose texts have ids.
const WITHOUT_SENTENCES: [&str; 23] = [
    "/tests/",
    "/tests.rs",
    "_tests.rs",
    "_tests/",
    "/testing.rs",
    "/properties.rs",
    "/twins",
    "/sim/",
    "/conformance",
    "/sync/pair",
    "/store/memory",
    "/context/metrics.rs",
    "node/api/src/human.rs",
    "node/core/src/audit_log/event_of.rs",
    "/language/",
    "node/cli/src/examples.rs",
    "node/cli/src/flags.rs",
    "node/cli/src/help.rs",
    "node/cli/src/library.rs",
    "node/cli/src/progress.rs",
    "node/cli/src/render.rs",
    "node/cli/src/render/",
    "node/cli/src/table.rs",
];
/// Files that read a file format or a message. Their sentences name the rule that malformed bytes break. They
/// stay English, behind a Chinese sentence for the kind of damage: an operator cannot act on them, and a
/// developer who gets the report must find them in the code.
const DETAILS: [&str; 34] = [
    "engine/src/codec.rs",
    "engine/src/audit/actor.rs",
    "engine/src/audit/event.rs",
    "engine/src/audit/record.rs",
    "engine/src/audit/verb.rs",
    "engine/src/chunk/profile.rs",
    "engine/src/ledger/frame.rs",
    "engine/src/ledger/record.rs",
    "engine/src/ledger/scan.rs",
    "engine/src/manifest/builder.rs",
    "engine/src/manifest/cursor.rs",
    "engine/src/manifest/edit.rs",
    "engine/src/manifest/expect.rs",
    "engine/src/manifest/extension.rs",
    "engine/src/manifest/item.rs",
    "engine/src/manifest/levels.rs",
    "engine/src/manifest/page.rs",
    "engine/src/manifest/raw.rs",
    "engine/src/manifest/table.rs",
    "engine/src/manifest/view.rs",
    "engine/src/segment/",
    "engine/src/store/",
    "engine/src/statement/fields.rs",
    "engine/src/statement/heading.rs",
    "engine/src/statement/pins.rs",
    "engine/src/statement/terms.rs",
    "engine/src/statement/wire.rs",
    "engine/src/sync/changes.rs",
    "engine/src/sync/delta.rs",
    "engine/src/sync/exchange.rs",
    "engine/src/sync/frame.rs",
    "engine/src/sync/pack.rs",
    "engine/src/sync/respond.rs",
    "engine/src/sync/session.rs",
];
/// More of them.
const MORE_DETAILS: [&str; 5] = [
    "engine/src/sync/fetch/intake.rs",
    "net/src/frame.rs",
    "net/src/link.rs",
    "storage/src/entry.rs",
    "storage/src/index/",
];
/// Literals that are no sentences: contexts of hashes, armour, a template, the words of a command.
const NO_SENTENCES: [&str; 21] = [
    "chuan 2026-11 ",
    "-----BEGIN",
    "Key(secret",
    "Exit codes:",
    "# Settings",
    "/32 host",
    "System Volume Information",
    "process {} (",
    "channel list",
    "audit tail",
    "audit show",
    "audit verify",
    "audit export",
    "audit checkpoint",
    "policy set",
    "channel set",
    "ledger keep",
    "home move",
    "`one of `",
    "one of `",
    " or the option ",
];
/// Macros and functions whose text is not for people, or is the log, which is English.
const CALLS: [&str; 20] = [
    "expect",
    "panic!",
    "unreachable!",
    "todo!",
    "assert!",
    "assert_eq!",
    "assert_ne!",
    "debug_assert!",
    "debug_assert_eq!",
    "trace!",
    "debug!",
    "info!",
    "warn!",
    "error!",
    "include_str!",
    "concat!",
    "text!",
    "say!",
    "span!",
    "env!",
];
/// The place of a variable in a sentence.
pub(super) const GAP: char = '\0';

/// The root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Rust files below a folder of the repository: their names there, and their texts.
pub(super) fn sources(folder: &str) -> Vec<(String, String)> {
    let (mut folders, mut found) = (vec![PathBuf::from(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(name);
            } else if name.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(entry.path()).unwrap();
                found.push((name.to_str().unwrap().to_owned(), text));
            }
        }
    }
    found
}

/// The sentences of all crates, with a [`GAP`] for each variable, and a file that has them.
pub(super) fn sentences() -> Vec<(String, String)> {
    let is_left_out = |file: &str| {
        WITHOUT_SENTENCES.iter().any(|part| format!("/{file}").contains(part))
            || DETAILS.iter().chain(&MORE_DETAILS).any(|start| file.starts_with(start))
    };
    let files = CRATES.into_iter().flat_map(sources).filter(|(file, _)| !is_left_out(file));
    files
        .flat_map(|(file, source)| {
            let literals = literals(&source).into_iter().filter(|literal| is_sentence(literal));
            literals.map(|literal| (with_gaps(&literal), file.clone())).collect::<Vec<_>>()
        })
        .collect()
}

fn is_sentence(literal: &str) -> bool {
    let is_command =
        literal.starts_with("`chuan ") && literal.ends_with('`') && literal.matches('`').count() == 2;
    let starts = with_gaps(literal).replace(GAP, "{}");
    if is_command || NO_SENTENCES.iter().any(|start| starts.starts_with(start)) || literal == "the option `" {
        return false;
    }
    let text = with_gaps(literal);
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 1).collect();
    let is_word = |word: &&str| word.split(|c: char| !c.is_ascii_lowercase()).any(|run| run.len() > 2);
    text.trim().contains(' ') && (words.len() > 1 || text.contains(GAP) && words.iter().any(is_word))
}

/// A text of `format!` with a [`GAP`] for each variable.
fn with_gaps(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
            out.push_str(&rest[..1]);
            rest = after;
            continue;
        }
        let inside = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(inside, _)| inside);
        let is_variable = |inside: &&str| {
            let name = inside.split(':').next().unwrap_or_default();
            name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        };
        match inside.filter(is_variable) {
            Some(inside) => {
                out.push(GAP);
                rest = &rest[inside.len() + 2..];
            }
            None => {
                out.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

/// The place of the scan in the code.
#[derive(Default)]
struct Scan {
    /// The open brackets, with the name before each; `#` for an attribute.
    open: Vec<(char, String)>,
    /// The name just read.
    last: String,
    /// The number of open brackets before an item of the tests, and within it.
    skips_from: Option<usize>,
    skips_in: Option<usize>,
    found: Vec<String>,
}

/// The string literals of a file that may be for people.
fn literals(source: &str) -> Vec<String> {
    let (mut scan, mut rest) = (Scan::default(), source);
    while let Some(c) = rest.chars().next() {
        rest = scan.step(rest, c);
    }
    scan.found
}

impl Scan {
    /// Reads one token; returns the rest.
    fn step<'t>(&mut self, rest: &'t str, c: char) -> &'t str {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let skipped = |text: &str| rest.find(text).map_or("", |at| &rest[at + text.len()..]);
        match c {
            '/' if rest.starts_with("//") => skipped("\n"),
            '/' if rest.starts_with("/*") => skipped("*/"),
            '"' => {
                let end = end_of_string(rest);
                self.literal(&unescaped(&rest[1..end]));
                &rest[end + 1..]
            }
            '\'' => after_quote(rest),
            '#' if rest.starts_with("#[") || rest.starts_with("#![") => {
                self.open.push(('#', String::new()));
                self.last.clear();
                skipped("[")
            }
            '(' | '[' | '{' => {
                self.open(c);
                &rest[1..]
            }
            ')' | ']' | '}' => {
                self.close();
                &rest[1..]
            }
            ';' => {
                self.skips_from.take_if(|open| *open == self.open.len());
                self.last.clear();
                &rest[1..]
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
                self.name(&rest[..end], &rest[end..])
            }
            c => {
                if !c.is_whitespace() {
                    self.last.clear();
                }
                &rest[c.len_utf8()..]
            }
        }
    }

    fn name<'t>(&mut self, name: &str, rest: &'t str) -> &'t str {
        if matches!(name, "r" | "br") && rest.trim_start_matches('#').starts_with('"') {
            let marks = rest.len() - rest.trim_start_matches('#').len();
            let end = format!("\"{}", "#".repeat(marks));
            let text = &rest[marks + 1..];
            let at = text.find(&end).unwrap();
            if name == "r" {
                self.literal(&text[..at]);
            }
            return &text[at + end.len()..];
        }
        if name == "b" && rest.starts_with('"') {
            return &rest[end_of_string(rest) + 1..];
        }
        if let Some((_, attribute)) = self.open.iter_mut().rfind(|(bracket, _)| *bracket == '#') {
            match (name, attribute.as_str()) {
                ("cfg", "") => attribute.push_str("cfg"),
                ("test", "cfg") => *attribute = "cfg(test)".to_owned(),
                _ => {}
            }
        }
        let is_macro = rest.starts_with('!') && !rest.starts_with("!=");
        self.last = format!("{name}{}", if is_macro { "!" } else { "" });
        if is_macro { &rest[1..] } else { rest }
    }

    fn open(&mut self, bracket: char) {
        let begins = self.skips_from == Some(self.open.len()) && bracket == '{';
        self.open.push((bracket, std::mem::take(&mut self.last)));
        if begins {
            (self.skips_from, self.skips_in) = (None, Some(self.open.len()));
        }
    }

    fn close(&mut self) {
        self.last.clear();
        let Some((bracket, name)) = self.open.pop() else { return };
        if bracket == '#' && name == "cfg(test)" && self.skips_in.is_none() {
            self.skips_from = Some(self.open.len());
        }
        self.skips_in.take_if(|open| self.open.len() < *open);
    }

    fn literal(&mut self, text: &str) {
        self.last.clear();
        let is_in_attribute = self.open.iter().any(|(bracket, _)| *bracket == '#');
        let is_error = self.open.iter().any(|(_, name)| name == "error");
        let is_not_shown = |(bracket, name): &(char, String)| {
            *bracket != '{' && CALLS.contains(&name.rsplit("::").next().unwrap_or_default())
        };
        let is_skipped = self.skips_from.is_some() || self.skips_in.is_some();
        if !is_skipped && (!is_in_attribute || is_error) && !self.open.iter().any(is_not_shown) {
            self.found.push(text.to_owned());
        }
    }
}

/// The place of the quotation mark that ends the literal at the beginning of `rest`.
fn end_of_string(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    rest.len() - 1
}

/// The text after a character, or after the mark of a lifetime.
fn after_quote(rest: &str) -> &str {
    let mut chars = rest.char_indices().skip(1);
    let (first, second) = (chars.next(), chars.next());
    match (first, second) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = &rest[at + escaped.len_utf8()..];
            after.find('\'').map_or("", |end| &after[end + 1..])
        }
        (_, Some((at, '\''))) => &rest[at + 1..],
        _ => &rest[1..],
    }
}

fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('\n')) => while chars.next_if(|c| c.is_whitespace()).is_some() {},
            ('\\', Some('n')) => out.push('\n'),
            ('\\', Some('t')) => out.push('\t'),
            ('\\', Some(other)) => out.push(other),
            (c, _) => out.push(c),
        }
    }
    out
}

/// The uses of `text!` and `say!` in a file: ids, and the names of their variables.
pub(super) fn texts(source: &str) -> Vec<(String, BTreeSet<String>)> {
    let starts = source.match_indices("text!(").chain(source.match_indices("say!("));
    starts.filter_map(|(at, found)| text_at(&source[at + found.len()..])).collect()
}

fn text_at(source: &str) -> Option<(String, BTreeSet<String>)> {
    let (mut depth, mut at, mut parts) = (0_usize, 0, vec![String::new()]);
    while let Some(c) = source[at..].chars().next() {
        let part = parts.last_mut()?;
        match c {
            '"' => {
                let end = end_of_string(&source[at..]);
                part.push_str(&source[at..=at + end]);
                at += end + 1;
                continue;
            }
            ')' if depth == 0 => break,
            ',' if depth == 0 => parts.push(String::new()),
            c => {
                depth = match c {
                    '(' | '[' | '{' => depth + 1,
                    ')' | ']' | '}' => depth - 1,
                    _ => depth,
                };
                part.push(c);
            }
        }
        at += c.len_utf8();
    }
    let mut parts = parts.iter().map(|part| part.trim()).skip_while(|part| !part.starts_with('"'));
    let id = parts.next()?.trim_matches('"').to_owned();
    let names = parts.filter_map(|part| part.split_once(" = ")).map(|(name, _)| name.to_owned()).collect();
    Some((id, names))
}

/// The nouns of `counted`.
pub(super) fn nouns(source: &str) -> Vec<String> {
    let calls = source.match_indices("counted(").map(|(at, call)| &source[at + call.len()..]);
    let noun = |call: &str| {
        let is_in_call = |before: &str| before.matches('(').count() >= before.matches(')').count();
        let (_, from) = call.split_once('"').filter(|(before, _)| is_in_call(before))?;
        let (noun, _) = from.split_once('"')?;
        noun.chars().all(|c| c.is_ascii_lowercase() || c == ' ').then(|| noun.replace(' ', "-"))
    };
    calls.filter_map(noun).collect()
}
