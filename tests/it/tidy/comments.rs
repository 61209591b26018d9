//! Comments and documents: the width of their lines, and the first word of a sentence.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{
    ratchet::{Found, check, name_of},
    read, rust_files, text_files,
};

/// Maximum width of a line, in columns of a terminal.
const COLUMNS: usize = 110;
/// Files and folders with wider lines, and their number. Entries only go or shrink.
const WIDE: &[(&str, usize)] = &[];

/// Words that do not name their thing.
const OPENINGS: [&str; 8] = ["Who", "Whoever", "Whom", "What", "Whatever", "Somebody", "Nobody", "Anybody"];
/// Files and folders with sentences that open with such a word, and their number. Entries only go or shrink.
const VAGUE: &[(&str, usize)] = &[];

#[test]
fn lines_of_comments_and_documents_fit() -> Result<()> {
    let mut found = Found::new();
    for file in text_files()? {
        let text_of: fn(&str) -> Option<&str> = match file.strip_prefix("docs/") {
            Some(name) if name.ends_with(".md") && !name.contains('/') => prose,
            None if file.ends_with(".rs") => comment,
            _ => continue,
        };
        for number in wide_lines(&read(&file)?, text_of) {
            found.entry(name_of(&file, WIDE)).or_default().push(format!("{file}:{number}"));
        }
    }
    check("lines of comments and documents that are too wide", 0, WIDE, &found)
}

#[test]
fn sentences_name_their_subject() -> Result<()> {
    let mut found: Found = BTreeMap::new();
    for file in rust_files()? {
        for paragraph in paragraphs(&read(&file)?) {
            for sentence in vague_sentences(&paragraph) {
                let place = format!("{file}: {}", sentence.chars().take(COLUMNS).collect::<String>());
                found.entry(name_of(&file, VAGUE)).or_default().push(place);
            }
        }
    }
    check("sentences of comments that open with Who, What, Nobody …", 0, VAGUE, &found)
}

/// The text of a line that is a comment, without its marker.
fn comment(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    Some(text.strip_prefix(['/', '!']).unwrap_or(text))
}

/// The text of any line.
fn prose(line: &str) -> Option<&str> {
    Some(line)
}

/// The numbers of the lines that are too wide, except those of code, tables and link definitions.
fn wide_lines(text: &str, text_of: fn(&str) -> Option<&str>) -> Vec<usize> {
    let (mut wide, mut is_code) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        let Some(text) = text_of(line).map(str::trim) else {
            is_code = false;
            continue;
        };
        if text.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let is_exempt = text.starts_with('|') || (text.starts_with('[') && text.contains("]:"));
        if !is_code && !is_exempt && width(&without_targets(line)) > COLUMNS {
            wide.push(number);
        }
    }
    wide
}

/// A line without the targets of its links, which cannot be wrapped.
fn without_targets(line: &str) -> String {
    let (mut shown, mut rest) = (String::new(), line.trim_end());
    while let Some((before, after)) = rest.split_once("](") {
        shown.push_str(before);
        shown.push(']');
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    shown.push_str(rest);
    let words: Vec<&str> = shown.split(' ').filter(|word| !word.contains("://")).collect();
    words.join(" ")
}

/// The columns of a text. Chinese, Japanese and Korean characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

fn is_wide(c: char) -> bool {
    matches!(
        u32::from(c),
        0x1100..=0x115f
            | 0x2e80..=0xa4cf
            | 0xac00..=0xd7a3
            | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f
            | 0xff00..=0xff60
            | 0xffe0..=0xffe6
            | 0x1f300..=0x1faff
            | 0x20000..=0x3fffd
    )
}

/// The paragraphs of the comments of a file. An item of a list, and a row of a table, is a paragraph.
fn paragraphs(text: &str) -> Vec<String> {
    let (mut paragraphs, mut is_code) = (vec![String::new()], false);
    for line in text.lines() {
        let said = comment(line).map(str::trim);
        let is_fence = said.is_some_and(|said| said.starts_with("```"));
        is_code = said.is_some() && is_code != is_fence;
        let said = said.filter(|_| !is_code && !is_fence).unwrap_or_default();
        let (is_item, said) = without_bullet(said);
        if is_item || said.is_empty() {
            paragraphs.push(String::new());
        }
        if let Some(paragraph) = paragraphs.last_mut() {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(said);
        }
    }
    paragraphs
}

/// Whether a line begins an item of a list or a row of a table, and the line without its bullet.
fn without_bullet(line: &str) -> (bool, &str) {
    let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match after_number.len() < line.len() {
        true => after_number.strip_prefix(". "),
        false => ["- ", "* ", "| "].iter().find_map(|bullet| line.strip_prefix(*bullet)),
    };
    (rest.is_some(), rest.unwrap_or(line))
}

/// The sentences of a paragraph that open with one of the [`OPENINGS`] and are no questions.
fn vague_sentences(paragraph: &str) -> Vec<&str> {
    let ends = paragraph.match_indices(['.', '!', '?', ':']);
    let later = ends.filter_map(|(at, _)| paragraph.get(at + 1..)?.strip_prefix(' '));
    std::iter::once(paragraph).chain(later).filter(|sentence| is_vague(sentence)).collect()
}

fn is_vague(sentence: &str) -> bool {
    let bare = sentence.trim_start_matches(['*', '_', '#', '>', ' ']);
    let opening = bare.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let mut marks = sentence.match_indices(['.', '!', '?']);
    let end = marks.find(|(at, _)| {
        let rest = sentence.get(at + 1..).unwrap_or_default();
        rest.is_empty() || rest.starts_with(' ')
    });
    OPENINGS.contains(&opening) && end.is_none_or(|(_, mark)| mark != "?")
}
