//! Sizes, counts and times: in a module `limits`, or documented in the only file that uses them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{
    ratchet::{Found, check},
    source::{Source, is_word, module_dir, product},
};

/// The types of sizes, counts and times.
const TYPES: [&str; 4] = ["usize", "u64", "u32", "Duration"];
/// Constants that break the rule, as file and name. Entries only go.
const EXCEPTIONS: &[&str] = &[];

#[test]
fn constants_are_limits_or_documented_where_they_are_used() -> Result<()> {
    let sources = product()?;
    let words: Vec<BTreeSet<&str>> =
        sources.iter().map(|source| source.code.split(|c: char| !is_word(c)).collect()).collect();
    let mut found: Found = BTreeMap::new();
    for source in sources.iter().filter(|source| !is_limits(&source.file)) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (line, visibility, name) in constants(source) {
            let is_used = |(other, words): &(&Source, &BTreeSet<&str>)| {
                other.file != source.file
                    && words.contains(name)
                    && is_visible(visibility, source, &other.file)
                    && !constants(other).any(|(_, _, other)| other == name)
            };
            let user = sources.iter().zip(&words).find(is_used).map(|(other, _)| &other.file);
            let problem = match user {
                Some(user) => format!("{user} uses it too"),
                None if !is_documented(&lines, line) => "it has no doc comment".to_owned(),
                None => continue,
            };
            found.entry(format!("{} {name}", source.file)).or_default().push(problem);
        }
    }
    let listed: Vec<(&str, usize)> = EXCEPTIONS.iter().map(|name| (*name, 1)).collect();
    check("constants outside `limits`", 0, &listed, &found)
}

fn is_limits(file: &str) -> bool {
    file.ends_with("/limits.rs") || file.contains("/limits/")
}

/// The constants of a file: the number of the line from 0, the visibility, and the name.
fn constants(source: &Source) -> impl Iterator<Item = (usize, &str, &str)> {
    let lines = source.code.lines().enumerate();
    lines.filter_map(|(number, line)| constant(line).map(|(visibility, name)| (number, visibility, name)))
}

/// The visibility and the name of the constant that a line defines.
fn constant(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let (visibility, rest) = match line.strip_prefix("const ") {
        Some(rest) => ("", rest),
        None => line.split_once(" const ").filter(|(visibility, _)| visibility.starts_with("pub"))?,
    };
    let (name, rest) = rest.split_once(": ")?;
    let (kind, _) = rest.split_once(" =")?;
    (name.chars().all(is_word) && TYPES.contains(&kind)).then_some((visibility, name))
}

/// Whether the line before `line`, before any attributes, is a doc comment.
fn is_documented(lines: &[&str], line: usize) -> bool {
    let mut before = lines.iter().take(line).rev().map(|line| line.trim_start());
    before.find(|line| !line.starts_with("#[")).is_some_and(|line| line.starts_with("///"))
}

/// Whether a constant of `source` with this visibility can be used in `other`.
fn is_visible(visibility: &str, source: &Source, other: &str) -> bool {
    let module = module_dir(&source.file);
    let scope = match visibility {
        "pub" => return true,
        "pub(crate)" => format!("{}/src", source.krate()),
        "pub(super)" => module.rsplit_once('/').map_or(module, |(parent, _)| parent).to_owned(),
        _ => module.to_owned(),
    };
    other.strip_prefix(&scope).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}
