//! Over how many files the methods of a type are spread: a type with methods in many files is many types.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{
    ratchet::{Found, check},
    source::{after_word, first_word, product},
};

/// Maximum number of files of a crate with inherent `impl` blocks of one type.
const FILES: usize = 3;
/// Types with more, as crate and name, and their number of files. Entries only go or shrink.
const EXCEPTIONS: &[(&str, usize)] = &[];

#[test]
fn methods_of_a_type_are_in_few_files() -> Result<()> {
    let mut found: Found = BTreeMap::new();
    let mut own = BTreeSet::new();
    for source in product()? {
        let names: BTreeSet<&str> = inherent(&source.code).into_iter().collect();
        for name in names {
            let key = format!("{} {name}", source.krate());
            // Different types of one name, each in its own file, count as one file.
            if !defines(&source.code, name) || own.insert(key.clone()) {
                found.entry(key).or_default().push(source.file.clone());
            }
        }
    }
    check("files with inherent `impl` blocks of a type", FILES, EXCEPTIONS, &found)
}

/// The types of the inherent `impl` blocks in `code`.
fn inherent(code: &str) -> Vec<&str> {
    let block = |(at, keyword): (usize, &str)| {
        let (before, after) = code.split_at_checked(at)?;
        let line = before.rsplit('\n').next().unwrap_or_default().trim();
        let head = after.strip_prefix(keyword)?;
        let is_block = (line.is_empty() || line == "unsafe") && head.starts_with([' ', '<']);
        let (head, _) = after_generics(head).split_once('{')?;
        let mut words = head.split_whitespace().take_while(|word| *word != "where");
        let name = words.next().filter(|_| is_block)?;
        let is_of_trait = words.any(|word| word == "for");
        let name = name.split('<').next()?.rsplit("::").next()?;
        (!is_of_trait).then_some(name)
    };
    code.match_indices("impl").filter_map(block).collect()
}

/// The text after the generic parameters with which `text` starts, if it does.
fn after_generics(text: &str) -> &str {
    if !text.starts_with('<') {
        return text;
    }
    let (mut depth, mut before) = (0, ' ');
    for (index, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            '>' if before != '-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(index + 1..).unwrap_or_default();
        }
        before = c;
    }
    ""
}

fn defines(code: &str, name: &str) -> bool {
    let keywords = ["struct", "enum", "union", "trait"];
    keywords.iter().any(|keyword| after_word(code, keyword).into_iter().any(|text| first_word(text) == name))
}
