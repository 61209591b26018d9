//! Options of the command line in the texts of a node. A node writes "the option `key`", since its caller may
//! be a program that embeds it; only the command line writes `--key`.

use anyhow::{Result, ensure};

use super::source::{product, strings};

/// The files that define the command line.
const COMMAND_LINE: [&str; 2] = ["node/cli/", "node/api/src/command"];

#[test]
fn only_the_command_line_writes_options_as_they_are_typed() -> Result<()> {
    let (mut strings_read, mut found) = (0, Vec::new());
    for source in product()? {
        if COMMAND_LINE.iter().any(|folder| source.file.starts_with(folder)) {
            continue;
        }
        for (line, text) in strings(&source) {
            strings_read += 1;
            if names_option(&text) {
                found.push(format!("{}:{}: {text}", source.file, line + 1));
            }
        }
    }
    ensure!(strings_read > 1000, "only {strings_read} strings found, this test reads them wrong");
    ensure!(found.is_empty(), "write \"the option `NAME`\" instead of `--NAME`:\n{}", found.join("\n"));
    Ok(())
}

/// Whether a text has an option as it is typed: two dashes that a small letter follows.
fn names_option(text: &str) -> bool {
    text.match_indices("--").any(|(at, dashes)| {
        let after = text.get(at + dashes.len()..).and_then(|rest| rest.chars().next());
        after.is_some_and(|c| c.is_ascii_lowercase())
    })
}
