//! No text for people has the debug output of Rust, as `Os { code: 2, .. }`. A name of a file may be written
//! with `{:?}`: it then stands in quotes, with control characters as codes.

use anyhow::{Result, ensure};

use super::source::{product, strings};

/// The files that write names of files, and the key whose own `Debug` this is.
const NAMES: [&str; 4] = [
    "engine/src/restore/",
    "engine/src/ingest/",
    "engine/src/manifest/path.rs",
    "engine/src/statement/key.rs",
];
/// Macros for developers: their texts are shown only after a defect.
const DEVELOPERS: [&str; 4] = ["assert", "panic!", "unreachable!", "trace!"];

#[test]
fn no_text_has_debug_output() -> Result<()> {
    let (mut strings_read, mut found) = (0, Vec::new());
    for source in product()? {
        let lines: Vec<&str> = source.code.lines().collect();
        for (line, text) in strings(&source) {
            strings_read += 1;
            let is_debug = text.contains(":?}") || text.contains(":#?}");
            if !is_debug || NAMES.iter().any(|folder| source.file.starts_with(folder)) {
                continue;
            }
            // The macro stands on the line of its text, or a little above it.
            let near = lines.get(line.saturating_sub(3)..=line).unwrap_or_default();
            if !near.iter().any(|line| DEVELOPERS.iter().any(|word| line.contains(word))) {
                found.push(format!("{}:{}: {text}", source.file, line + 1));
            }
        }
    }
    ensure!(strings_read > 1000, "only {strings_read} strings found, this test reads them wrong");
    ensure!(found.is_empty(), "write a `Display` instead of `{{:?}}`:\n{}", found.join("\n"));
    Ok(())
}
