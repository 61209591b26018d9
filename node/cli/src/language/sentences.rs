//! Translates sentences that other crates make: failures, notes, warnings, findings. They are English text
//! when they get here, often from another process. The English catalogue has the pattern of each sentence,
//! with named variables; a sentence that matches is made again from the Chinese pattern. The values of
//! variables are translated in the same way: one sentence is often a part of another one ("open /x: …").
//!
//! A sentence without a pattern stays English: nothing is hidden.

use std::{borrow::Cow, sync::OnceLock};

use fluent_bundle::{FluentArgs, FluentValue};
use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Pattern as Ast, PatternElement},
    parser,
};

use super::catalogue::{Catalogue, SENTENCES};

/// How deep sentences are within each other.
const DEPTH: usize = 4;
/// How the name of a variable begins that holds a number.
const NUMBER: &str = "n_";
/// The variables that hold a name, never a sentence.
const NAMES: [&str; 18] = [
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
    "known",
    "all",
    "names",
    "ids",
];
/// The marks between two sentences, and their Chinese.
const MARKS: [(&str, &str); 3] = [("; ", "；"), (": ", "："), (", ", "，")];

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
    within(text, DEPTH)
}

fn within(text: &str, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let found = patterns().iter().filter_map(|pattern| Some((pattern, pattern.values_in(text)?)));
    // The pattern with the longest text of its own says most about the sentence.
    let Some((pattern, values)) = found.max_by_key(|(pattern, _)| pattern.own_length()) else {
        return parts(text, depth);
    };
    let value = |((at, name), value): ((usize, &&'static str), &str)| {
        let around = (pattern.texts.get(at), pattern.texts.get(at + 1));
        let is_quoted =
            matches!(around, (Some(before), Some(after)) if before.ends_with('`') && after.starts_with('`'));
        let chinese = if is_quoted || NAMES.contains(name) { None } else { within(value, depth) };
        (*name, FluentValue::from(chinese.unwrap_or_else(|| value.to_owned())))
    };
    let args: FluentArgs<'_> = pattern.variables.iter().enumerate().zip(values).map(value).collect();
    Some(Catalogue::sentences().format(pattern.id, &args))
}

/// A text of two parts, as `FILE: SENTENCE` or `SENTENCE; SENTENCE`, of which one at least is in the
/// catalogue.
fn parts(text: &str, depth: usize) -> Option<String> {
    MARKS.into_iter().find_map(|(mark, chinese)| {
        text.match_indices(mark).find_map(|(at, _)| {
            let (left, right) = (text.get(..at)?, text.get(at + mark.len()..)?);
            let (first, second) = (within(left, depth), within(right, depth));
            if first.is_none() && second.is_none() {
                return None;
            }
            let or = |part: Option<String>, text: &str| part.unwrap_or_else(|| text.to_owned());
            Some(format!("{}{chinese}{}", or(first, left), or(second, right)))
        })
    })
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

    /// Whether the values can be those of the variables: a number has digits only. A name at the end has no
    /// mark in it, since that would begin another sentence.
    fn are_right(&self, values: &[&str]) -> bool {
        let is_number =
            |value: &str| !value.is_empty() && value.chars().all(|c| c.is_ascii_digit() || c == ',');
        let mut each = self.variables.iter().zip(values);
        if !each.all(|(name, value)| !name.starts_with(NUMBER) || is_number(value)) {
            return false;
        }
        let [.., before, after] = self.texts.as_slice() else { return true };
        let ends_with_sentence = MARKS.iter().any(|(mark, _)| before.ends_with(mark));
        // A part that begins with a space or a mark belongs to this sentence.
        let has_mark =
            |value: &&str| !value.starts_with([' ', ';']) && (value.contains(": ") || value.contains("; "));
        !(after.is_empty() && !ends_with_sentence && values.last().is_some_and(has_mark))
    }

    /// The sentence with this character for each variable.
    #[cfg(test)]
    pub(super) fn with_gaps(&self, gap: char) -> String {
        self.texts.join(&gap.to_string())
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

/// All sentences in English.
fn patterns() -> &'static [Pattern] {
    static PATTERNS: OnceLock<Vec<Pattern>> = OnceLock::new();
    PATTERNS.get_or_init(|| SENTENCES.iter().flat_map(|(english, _)| patterns_of(english)).collect())
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
