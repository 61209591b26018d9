//! Rust files as the rules read them: code without comments, without the contents of literals, and without
//! the items that only tests have. Line numbers stay the same.

use anyhow::{Result, ensure};

use super::{read, rust_files};

/// The folders of the crates that make a node.
const PRODUCT: [&str; 4] = ["engine/", "storage/", "net/", "node/"];
/// The attribute of an item that only tests have.
const TEST: &str = "#[cfg(test)]";
/// Words that begin an item of a module.
const KEYWORDS: [&str; 12] =
    ["fn", "impl", "mod", "use", "const", "static", "struct", "enum", "type", "trait", "unsafe", "async"];

/// A file of a crate.
#[derive(Debug)]
pub(super) struct Source {
    /// Its path from the root of the repository.
    pub(super) file: String,
    pub(super) text: String,
    pub(super) code: String,
}

impl Source {
    /// The folder of its crate.
    pub(super) fn krate(&self) -> &str {
        self.file.split_once("/src/").map_or("", |(krate, _)| krate)
    }
}

/// The files of the crates that make a node, without modules that only tests have.
pub(super) fn product() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut tests = Vec::new();
    for file in rust_files()? {
        if !file.contains("/src/") || !PRODUCT.iter().any(|folder| file.starts_with(*folder)) {
            continue;
        }
        let text = read(&file)?;
        let all = code_of(&text);
        tests.extend(test_modules(&file, &all));
        sources.push(Source { file, text, code: untested(&all) });
    }
    sources.retain(|source| {
        let path = source.file.strip_suffix(".rs").unwrap_or(&source.file);
        let mut rests = tests.iter().filter_map(|test| path.strip_prefix(test.as_str()));
        !rests.any(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    ensure!(sources.len() > 100, "only {} files found, this test reads them wrong", sources.len());
    Ok(sources)
}

/// The strings of a file outside tests, as they are written, each with the number of its line from 0.
pub(super) fn strings(source: &Source) -> Vec<(usize, String)> {
    let has_literal: Vec<bool> = source.code.lines().map(|line| line.contains("\"\"")).collect();
    let chars: Vec<char> = source.text.chars().collect();
    let (mut found, mut index, mut line) = (Vec::new(), 0, 0);
    while index < chars.len() {
        let literal = literal_end(&chars, index).map(|end| end.min(chars.len()));
        let end = literal.unwrap_or(index + 1);
        let part: String = chars.get(index..end).unwrap_or_default().iter().collect();
        let begins = line;
        line += part.matches('\n').count();
        index = end;
        let is_kept = has_literal.get(begins).copied().unwrap_or_default();
        if literal.is_some() && !part.starts_with('/') && is_kept {
            found.push((begins, part));
        }
    }
    found
}

/// The path of the module in `file`, without `.rs`; its child modules are in this folder.
pub(super) fn module_dir(file: &str) -> &str {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    match path.rsplit_once('/') {
        Some((dir, "mod" | "lib" | "main")) => dir,
        _ => path,
    }
}

/// Whether `c` can be part of a name.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The name at the start of `text`, after spaces.
pub(super) fn first_word(text: &str) -> &str {
    text.trim_start().split(|c: char| !is_word(c)).next().unwrap_or_default()
}

/// The text after each occurrence of the word `keyword` and a space.
pub(super) fn after_word<'a>(code: &'a str, keyword: &str) -> Vec<&'a str> {
    let follows = |(at, _): (usize, &str)| {
        let (before, after) = code.split_at_checked(at)?;
        let is_whole = !before.chars().next_back().is_some_and(is_word);
        after.strip_prefix(keyword)?.strip_prefix(' ').filter(|_| is_whole)
    };
    code.match_indices(keyword).filter_map(follows).collect()
}

/// The text between the bracket with which `text` starts and the bracket that closes it; empty if it starts
/// with none.
pub(super) fn enclosed(text: &str) -> &str {
    if !text.starts_with(['(', '[', '{']) {
        return "";
    }
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth == 0 {
                    return text.get(1..index).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    ""
}

/// The parts of `text` between the commas that are in no brackets.
pub(super) fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for c in text.replace("->", "  ").chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// The code of a file, without comments and without the contents of strings and characters.
fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut index = 0;
    while let Some(c) = chars.get(index) {
        match literal_end(&chars, index) {
            Some(end) => {
                if *c != '/' {
                    code.push_str("\"\"");
                }
                let left_out = chars.get(index..end.min(chars.len())).unwrap_or_default();
                code.extend(left_out.iter().filter(|c| **c == '\n'));
                index = end;
            }
            None => {
                code.push(*c);
                index += 1;
            }
        }
    }
    code
}

/// The end of the comment, string or character that begins at `start`, if one does.
fn literal_end(chars: &[char], start: usize) -> Option<usize> {
    let at = |index: usize| chars.get(index).copied().unwrap_or_default();
    let first = |from: usize, is: &dyn Fn(usize) -> bool| {
        (from..chars.len()).find(|index| is(*index)).unwrap_or(chars.len())
    };
    match (at(start), at(start + 1)) {
        ('/', '/') => Some(first(start, &|index| at(index) == '\n')),
        ('/', '*') => Some(block_comment_end(chars, start)),
        ('"', _) => {
            let mut index = start + 1;
            while index < chars.len() && at(index) != '"' {
                index += if at(index) == '\\' { 2 } else { 1 };
            }
            Some(index + 1)
        }
        ('\'', '\\') => Some(first(start + 3, &|index| at(index) == '\'') + 1),
        ('\'', _) if at(start + 2) == '\'' => Some(start + 3),
        ('r', '"' | '#') => {
            let hashes = chars.iter().skip(start + 1).take_while(|c| **c == '#').count();
            let open = start + 1 + hashes;
            let closes = |index: usize| at(index) == '"' && (1..=hashes).all(|n| at(index + n) == '#');
            (at(open) == '"').then(|| first(open + 1, &closes) + 1 + hashes)
        }
        _ => None,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let at = |index: usize| chars.get(index).copied().unwrap_or_default();
    let (mut index, mut depth) = (start + 2, 1);
    while index < chars.len() && depth > 0 {
        let change = match (at(index), at(index + 1)) {
            ('/', '*') => 1,
            ('*', '/') => -1,
            _ => 0,
        };
        depth += change;
        index += if change == 0 { 1 } else { 2 };
    }
    index
}

/// Leaves out the items that only tests have.
fn untested(code: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(code.len()), code);
    while let Some((before, after)) = rest.split_once(TEST) {
        kept.push_str(before);
        let (item, left) = after.split_at_checked(item_end(after)).unwrap_or((after, ""));
        kept.extend(item.chars().filter(|c| *c == '\n'));
        rest = left;
    }
    kept.push_str(rest);
    kept
}

/// The item or field at the start of `text`, without attributes and visibility.
fn item_head(text: &str) -> &str {
    let mut head = text.trim_start();
    while let Some((_, rest)) = head.strip_prefix("#[").and_then(|rest| rest.split_once(']')) {
        head = rest.trim_start();
    }
    match head.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or("", |(_, rest)| rest).trim_start(),
        Some(rest) if rest.starts_with(' ') => rest.trim_start(),
        _ => head,
    }
}

/// Where the item, field, arm or statement at the start of `text` ends.
fn item_end(text: &str) -> usize {
    let is_item = KEYWORDS.contains(&first_word(item_head(text)));
    let mut depth = 0;
    for (index, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return index,
            ')' | ']' => depth -= 1,
            '}' => {
                depth -= 1;
                let goes_on = is_item && text.get(index + 1..).is_some_and(|rest| rest.starts_with(';'));
                if depth == 0 && !goes_on {
                    return index + 1;
                }
            }
            ';' if depth == 0 => return index + 1,
            ',' if depth == 0 && !is_item => return index + 1,
            _ => {}
        }
    }
    text.len()
}

/// The paths, without `.rs`, of the modules of `file` that only tests have and that are files of their own.
fn test_modules(file: &str, code: &str) -> Vec<String> {
    let named = code.split(TEST).skip(1).filter_map(|after| {
        let (name, _) = item_head(after).strip_prefix("mod ")?.split_once(';')?;
        name.chars().all(is_word).then(|| format!("{}/{name}", module_dir(file)))
    });
    named.collect()
}
