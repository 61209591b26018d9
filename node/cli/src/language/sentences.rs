//! Translates sentences that other crates make: failures, notes, warnings, findings. They are English text
//! when they get here, often from another process. The English catalogue has the pattern of each sentence,
//! with named variables; a sentence that matches is made again from the Chinese pattern. The values of
//! variables are translated in the same way: one sentence is often a part of another one ("open /x: …").
//!
//! A text may be several sentences ("node a: …; node b: …"), and a variable could take the end of one
//! sentence and the beginning of the next. So all readings are compared, and the one counts that knows most
//! of the text.
//!
//! A sentence without a pattern stays English: nothing is hidden.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, sync::OnceLock};

use fluent_bundle::{FluentArgs, FluentValue};
use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Pattern as Ast, PatternElement},
    parser,
};

use super::catalogue::{Catalogue, SENTENCES};

/// How deep sentences are within each other.
const DEPTH: usize = 6;
/// How many marks between sentences may be within one sentence. It bounds the work for a long text.
const MARKS_WITHIN: usize = 12;
/// How the name of a variable begins that holds a number.
const NUMBER: &str = "n_";
/// How the name of a variable begins that holds one word, with an entry of its own in the catalogue.
const WORD: &str = "w_";
/// How the id of a word begins. A word is no sentence: a name may be the same word.
const WORD_ID: &str = "word-";
/// The variables that hold a name, never a sentence.
const NAMES: [&str; 21] = [
    "path",
    "home",
    "dest",
    "dir",
    "library",
    "node",
    "key",
    "channel",
    "label",
    "member",
    "ticket",
    "class",
    "file_name",
    "address",
    "addresses",
    "known",
    "all",
    "names",
    "ids",
    "regions",
    "patterns",
];
/// The variables among them that hold several names, with commas between them, or `none`.
const LISTS: [&str; 7] = ["addresses", "known", "all", "names", "ids", "regions", "patterns"];
/// The variables that hold addresses, as `HOST:PORT`.
const ADDRESSES: &str = "addresses";
/// The marks between two sentences, and their Chinese.
const MARKS: [(&str, &str); 3] = [("; ", "；"), (": ", "："), (", ", "，")];
/// Stands on both sides of a translated value until the spaces there are right. Unicode has no character of
/// this number, so no text has it.
const EDGE: char = '\u{fdd1}';

/// A sentence with variables.
#[derive(Debug)]
pub(super) struct Pattern {
    id: &'static str,
    /// The text before the first variable, between two variables, and after the last one.
    texts: Vec<Cow<'static, str>>,
    variables: Vec<&'static str>,
}

/// The text in the language of the process; the text itself, if it is English or has no translation.
pub(crate) fn translated(text: &str) -> Cow<'_, str> {
    if super::is_chinese() {
        chinese(text).map_or(Cow::Borrowed(text), Cow::Owned)
    } else {
        Cow::Borrowed(text)
    }
}

/// The Chinese of an English text; `None` if no part of it is in the catalogue.
pub(crate) fn chinese(text: &str) -> Option<String> {
    Some(Reader::default().text(text, DEPTH)?.chinese)
}

/// A text in Chinese.
#[derive(Clone)]
struct Reading {
    chinese: String,
    /// How much of the text is of sentences of the catalogue.
    known: usize,
}

/// The best reading of the beginning of a text, up to a mark.
struct Beginning {
    known: usize,
    /// How many of its parts stay English.
    english: usize,
    parts: usize,
    /// The part that it ends with: the number of the mark before it, and its reading.
    from: usize,
    last: Option<Reading>,
}

impl Beginning {
    fn rank(&self) -> (usize, Reverse<usize>, usize) {
        (self.known, Reverse(self.english), self.parts)
    }
}

/// Reads a text, and remembers the sentences in it, by their places and depth.
#[derive(Default)]
struct Reader {
    sentences: BTreeMap<(usize, usize, usize), Option<Reading>>,
}

impl Reader {
    /// A text as one sentence, or as parts with marks between them, of which one at least is a sentence. The
    /// reading that knows most counts. Of equal ones it is the one with fewest parts in English, then with
    /// most parts: the beginning of a sentence is not the value of a variable in it.
    fn text(&mut self, text: &str, depth: usize) -> Option<Reading> {
        let marks = marks_of(text);
        let start =
            |part: usize| part.checked_sub(1).and_then(|mark| marks.get(mark)).map_or(0, |mark| mark.end);
        let end = |part: usize| marks.get(part).map_or(text.len(), |mark| mark.at);
        let mut beginnings: Vec<Beginning> = Vec::with_capacity(marks.len() + 1);
        for to in 0..=marks.len() {
            let mut best: Option<Beginning> = None;
            for from in 0..=to {
                let is_all = from == 0 && to == marks.len();
                if to - from > MARKS_WITHIN && !is_all {
                    continue;
                }
                let last = self.sentence(text.get(start(from)..end(to))?, depth);
                if last.is_none() && from < to {
                    continue;
                }
                let before = from.checked_sub(1).and_then(|before| beginnings.get(before));
                let known =
                    last.as_ref().map_or(0, |last| last.known) + before.map_or(0, |before| before.known);
                let english = before.map_or(0, |before| before.english) + usize::from(last.is_none());
                let parts = before.map_or(0, |before| before.parts) + 1;
                let new = Beginning { known, english, parts, from, last };
                if best.as_ref().is_none_or(|best| new.rank() > best.rank()) {
                    best = Some(new);
                }
            }
            beginnings.push(best?);
        }
        let known = beginnings.last()?.known;
        if known == 0 {
            return None;
        }
        let (mut parts, mut next) = (Vec::new(), Some(marks.len()));
        while let Some(to) = next {
            let Beginning { from, last, .. } = beginnings.get(to)?;
            parts.push((last.as_ref(), text.get(start(*from)..end(to))?, to));
            next = from.checked_sub(1);
        }
        Some(Reading { chinese: joined(parts.into_iter().rev(), &marks), known })
    }

    /// A text as one sentence with the sentences in it.
    fn sentence(&mut self, text: &str, depth: usize) -> Option<Reading> {
        let depth = depth.checked_sub(1)?;
        let place = (text.as_ptr().addr(), text.len(), depth);
        if let Some(reading) = self.sentences.get(&place) {
            return reading.clone();
        }
        let mut best: Option<Reading> = None;
        for pattern in patterns() {
            let Some(values) = pattern.values_in(text) else { continue };
            let mut known = pattern.own_length();
            let mut args = FluentArgs::new();
            for ((at, name), value) in pattern.variables.iter().enumerate().zip(values) {
                let is_plain = pattern.is_name(at) || word(name, value).is_some();
                let read = if is_plain { None } else { self.text(value, depth) };
                let chinese = match read {
                    Some(reading) => {
                        known += reading.known;
                        format!("{EDGE}{}{EDGE}", reading.chinese)
                    }
                    None => plain(name, value),
                };
                args.set(*name, FluentValue::from(chinese));
            }
            if best.as_ref().is_none_or(|best| known > best.known) {
                let chinese = Catalogue::sentences().format(pattern.id, &args);
                best = Some(Reading { chinese: spaced(&chinese), known });
            }
        }
        self.sentences.insert(place, best.clone());
        best
    }
}

/// A mark between two sentences.
struct Mark {
    at: usize,
    end: usize,
    english: &'static str,
    chinese: &'static str,
}

fn marks_of(text: &str) -> Vec<Mark> {
    let places = MARKS.into_iter().flat_map(|(english, chinese)| {
        let mark = move |at| Mark { at, end: at + english.len(), english, chinese };
        text.match_indices(english).map(move |(at, _)| mark(at))
    });
    let mut marks: Vec<Mark> = places.collect();
    marks.sort_by_key(|mark| mark.at);
    marks
}

/// Parts and the marks after them. A mark between two parts that both stay English stays English.
fn joined<'t>(parts: impl Iterator<Item = (Option<&'t Reading>, &'t str, usize)>, marks: &[Mark]) -> String {
    let mut out = String::new();
    let mut before: Option<(&Mark, bool)> = None;
    for (reading, text, to) in parts {
        if let Some((mark, is_read)) = before {
            out.push_str(if is_read || reading.is_some() { mark.chinese } else { mark.english });
        }
        out.push_str(reading.map_or(text, |reading| reading.chinese.as_str()));
        before = marks.get(to).map(|mark| (mark, reading.is_some()));
    }
    out
}

/// The value of a variable that is no sentence.
fn plain(name: &str, value: &str) -> String {
    if let Some(word) = word(name, value) {
        return format!("{EDGE}{word}{EDGE}");
    }
    match value {
        "none" if LISTS.contains(&name) => Catalogue::sentences().value("none").unwrap_or_default(),
        value if LISTS.contains(&name) => value.replace(", ", "、"),
        value => value.to_owned(),
    }
}

/// The Chinese of the value of a variable that holds a word.
fn word(name: &str, value: &str) -> Option<String> {
    let id = words().get(value).filter(|_| name.starts_with(WORD))?;
    Catalogue::sentences().value(id)
}

/// A sentence with the right spaces beside the values in it: one between a Chinese character and a letter or
/// digit, none between two Chinese characters.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split(EDGE) {
        let after = part.trim_start_matches(' ').chars().next();
        let before = out.trim_end_matches(' ').chars().last();
        if let (Some(before), Some(after)) = (before, after) {
            let is_wide = |c: char| is_chinese(c) || is_mark(c);
            if is_wide(before) && is_wide(after) {
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str(part.trim_start_matches(' '));
                continue;
            }
            let is_joint = |one: char, other: char| is_chinese(one) && other.is_ascii_alphanumeric();
            if (is_joint(before, after) || is_joint(after, before))
                && !out.ends_with(' ')
                && !part.starts_with(' ')
            {
                out.push(' ');
            }
        }
        out.push_str(part);
    }
    out
}

/// Whether this is a Chinese character.
pub(super) fn is_chinese(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// Whether this is a full-width mark.
pub(super) fn is_mark(c: char) -> bool {
    "，。；：、！？（）［］《》“”".contains(c)
}

impl Pattern {
    /// The values of the variables, if the text is this sentence.
    fn values_in<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, others) = self.texts.split_first()?;
        let mut rest = text.strip_prefix(first.as_ref())?;
        let Some((last, between)) = others.split_last() else {
            return rest.is_empty().then(Vec::new);
        };
        let mut values = Vec::with_capacity(self.variables.len());
        // The first of two variables without text between them takes all, and then gives the second its part.
        let mut is_divided = false;
        for part in between {
            if part.is_empty() {
                is_divided = true;
                continue;
            }
            let (value, after) = rest.split_once(part.as_ref())?;
            take(&mut values, value, std::mem::take(&mut is_divided));
            rest = after;
        }
        take(&mut values, rest.strip_suffix(last.as_ref())?, is_divided);
        self.are_right(&values).then_some(values)
    }

    /// Whether the values can be those of the variables: a number has digits only, and addresses have ports.
    /// A name at the end has no mark in it, since that would begin another sentence.
    fn are_right(&self, values: &[&str]) -> bool {
        let is_number =
            |value: &str| !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || c == ',');
        let mut each = self.variables.iter().zip(values);
        let is_right = |name: &str, value: &str| match name {
            ADDRESSES => value.split(", ").all(is_address),
            name => !name.starts_with(NUMBER) || is_number(value),
        };
        if !each.all(|(name, value)| is_right(name, value)) {
            return false;
        }
        let [.., before, after] = self.texts.as_slice() else { return true };
        let ends_with_sentence = MARKS.iter().any(|(mark, _)| before.ends_with(mark));
        // A part that begins with a space or a mark belongs to this sentence.
        let has_mark =
            |value: &&str| !value.starts_with([' ', ';']) && (value.contains(": ") || value.contains("; "));
        !(after.is_empty() && !ends_with_sentence && values.last().is_some_and(has_mark))
    }

    /// Whether the variable at this place holds a name: it is in backquotes, or called so.
    fn is_name(&self, at: usize) -> bool {
        let quotes: usize = self.texts.iter().take(at + 1).map(|text| text.matches('`').count()).sum();
        quotes % 2 == 1 || self.variables.get(at).is_some_and(|name| NAMES.contains(name))
    }

    /// The sentence with this character for each variable.
    #[cfg(test)]
    pub(super) fn with_gaps(&self, gap: char) -> String {
        self.texts.join(&gap.to_string())
    }

    /// The id and the sentence with sample values: `sentence` where the value may be one. `None` for a part
    /// that stands only within other sentences.
    #[cfg(test)]
    pub(super) fn sample(&self, sentence: &str) -> Option<(&'static str, String)> {
        let (first, others) = self.texts.split_first()?;
        if self.id.starts_with(WORD_ID) || first.starts_with([' ', ';']) || self.own_length() == 0 {
            return None;
        }
        // Where only a space is between two variables, their values have none.
        let is_gap = |at: usize| self.texts.get(at).is_some_and(|text| text.trim().is_empty());
        let last = self.variables.len();
        let is_beside = |at: usize| at > 0 && is_gap(at) || at + 1 < last && is_gap(at + 1);
        let mut text = first.clone().into_owned();
        for (at, (name, after)) in self.variables.iter().zip(others).enumerate() {
            text.push_str(match *name {
                ADDRESSES => "127.0.0.1:4042",
                name if name.starts_with(NUMBER) => "3",
                name if name.starts_with(WORD) => "static",
                _ if self.is_name(at) || is_beside(at) => "x1",
                _ => sentence,
            });
            text.push_str(after);
        }
        Some((self.id, text))
    }

    /// The length of the text that is not of variables. Numbers count a little, since they match few texts.
    fn own_length(&self) -> usize {
        let numbers = self.variables.iter().filter(|name| name.starts_with(NUMBER)).count();
        self.texts.iter().map(|text| text.len()).sum::<usize>() + numbers
    }
}

/// Adds a value, or the values of two variables with no text between them: the second one is a part of a
/// sentence that has a pattern of its own, or is empty.
fn take<'t>(values: &mut Vec<&'t str>, value: &'t str, is_divided: bool) {
    if !is_divided {
        values.push(value);
        return;
    }
    let is_part = |text: &str| patterns().iter().any(|pattern| pattern.values_in(text).is_some());
    let starts = value.char_indices().filter(|(_, c)| matches!(c, ' ' | ';')).map(|(at, _)| at);
    let divided = starts.filter_map(|at| value.split_at_checked(at)).find(|(_, second)| is_part(second));
    let (first, second) = divided.unwrap_or((value, ""));
    values.extend([first, second]);
}

/// Whether this is an address, as `127.0.0.1:4040` or `mirror.example:4040`.
fn is_address(text: &str) -> bool {
    let port = text.rsplit_once(':').map_or("", |(_, port)| port);
    !text.contains(' ') && !port.is_empty() && port.chars().all(|c| c.is_ascii_digit())
}

/// All sentences in English.
fn patterns() -> &'static [Pattern] {
    static PATTERNS: OnceLock<Vec<Pattern>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let all = SENTENCES.iter().flat_map(|(english, _)| patterns_of(english));
        all.filter(|pattern| !pattern.id.starts_with(WORD_ID)).collect()
    })
}

/// The words in English, and their ids.
fn words() -> &'static BTreeMap<String, &'static str> {
    static WORDS: OnceLock<BTreeMap<String, &'static str>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let all = SENTENCES.iter().flat_map(|(english, _)| patterns_of(english));
        let words = all.filter(|pattern| pattern.id.starts_with(WORD_ID));
        words.map(|word| (word.texts.concat(), word.id)).collect()
    })
}

/// The messages of a file as patterns. A message that is no sentence with variables is left out; a test shows
/// that there is none.
pub(super) fn patterns_of(file: &'static str) -> Vec<Pattern> {
    let resource = parser::parse(file).unwrap_or_else(|(resource, _)| resource);
    let pattern = |entry: &Entry<&'static str>| match entry {
        Entry::Message(message) => pattern_of(message.id.name, message.value.as_ref()?),
        _ => None,
    };
    resource.body.iter().filter_map(pattern).collect()
}

fn pattern_of(id: &'static str, ast: &Ast<&'static str>) -> Option<Pattern> {
    let mut pattern = Pattern { id, texts: vec![Cow::Borrowed("")], variables: Vec::new() };
    for element in &ast.elements {
        let text = match element {
            PatternElement::TextElement { value } => *value,
            PatternElement::Placeable { expression: Expression::Inline(inline) } => match inline {
                InlineExpression::StringLiteral { value } => *value,
                InlineExpression::VariableReference { id } => {
                    pattern.variables.push(id.name);
                    pattern.texts.push(Cow::Borrowed(""));
                    continue;
                }
                _ => return None,
            },
            PatternElement::Placeable { .. } => return None,
        };
        let last = pattern.texts.last_mut()?;
        *last = if last.is_empty() { Cow::Borrowed(text) } else { format!("{last}{text}").into() };
    }
    Some(pattern)
}
