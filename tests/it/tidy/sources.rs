//! The clocks and the randomness of the machine are read in one module of `node/core`. Elsewhere, a node
//! takes them from its context, so that the simulator replaces them and a run replays.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::{
    ratchet::{Found, check},
    source::{is_word, product},
};

/// The crate that the rule is about.
const CRATE: &str = "node/core/src/";
/// The module that may read them.
const MODULE: &str = "node/core/src/system/";
/// Names of functions and crates that read a clock or randomness.
const READS: [&str; 11] = [
    "Instant::now",
    "SystemTime::now",
    "UNIX_EPOCH",
    "Timestamp::now",
    "Zoned::now",
    "getrandom",
    "OsRng",
    "RandomState",
    "fastrand",
    "rand",
    "thread_rng",
];

#[test]
fn clocks_and_randomness_of_the_machine_are_read_in_one_module() -> Result<()> {
    let mut found: Found = BTreeMap::new();
    let mut inside = 0;
    for source in product()?.iter().filter(|source| source.file.starts_with(CRATE)) {
        let reads = reads(&source.code);
        if source.file.starts_with(MODULE) {
            inside += reads.len();
        } else {
            found.insert(source.file.clone(), reads);
        }
    }
    ensure!(inside > 2, "{MODULE} reads {inside} clocks and generators, this test reads it wrong");
    check("reads of a clock or of randomness outside `system`", 0, &[], &found)
}

/// The reads in a text, each with the number of its line.
fn reads(code: &str) -> Vec<String> {
    let lines = (1..).zip(code.lines());
    let all = lines.flat_map(|(number, line)| {
        let read = READS.iter().filter(|name| has_name(line, name));
        read.map(move |name| format!("line {number}: {name}"))
    });
    all.collect()
}

/// Whether a line has `name` as whole words.
fn has_name(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let after = line.get(at + name.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

#[test]
fn reads_are_found_as_whole_words() {
    let code = "let a = std::time::Instant::now();\nlet operand = strand(brand);\nuse rand::Rng;\n\
                SystemTime::now_utc();\ngetrandom::fill(&mut bytes)";
    assert_eq!(reads(code), ["line 1: Instant::now", "line 3: rand", "line 5: getrandom"]);
}
