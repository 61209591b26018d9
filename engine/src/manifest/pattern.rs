//! Path patterns of `--path` and of class policies: both have the same syntax and meaning.
//!
//! `*` and `?` match within one component, `**` also matches across components. `[…]` and `{a,b}` are sets of
//! characters and of alternatives.

use globset::{Glob, GlobBuilder};

use crate::error::{Error, Result};

/// Characters with a meaning in a pattern.
const WILD: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A path or pattern in the form of a release: without a leading `./` or `/` and without a trailing `/`.
/// Empty for the whole release.
pub(crate) fn plain(text: &str) -> &str {
    let mut plain = text.trim_end_matches('/');
    while let Some(rest) = plain.strip_prefix("./").or_else(|| plain.strip_prefix('/')) {
        plain = rest;
    }
    if plain == "." { "" } else { plain }
}

/// The patterns of a class for one line of a policy file. As for a restore, a folder includes everything in
/// it.
///
/// # Errors
///
/// [`Error::Invalid`] for a pattern that no path of a release can match.
pub(crate) fn of_class(text: &str) -> Result<Vec<String>> {
    let plain = plain(text);
    let shown = text.escape_debug();
    if plain.is_empty() {
        return Err(Error::Invalid(format!("pattern `{shown}` names no path; `**` matches every path")));
    }
    if plain.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        return Err(Error::Invalid(format!(
            "pattern `{shown}` matches no path of a release: write it from the published folder on, without `.`, `..` and \
             empty parts"
        )));
    }
    let last = plain.rsplit('/').next().unwrap_or(plain);
    let inside = format!("{plain}/**");
    Ok(match (last, text.ends_with('/')) {
        ("**", _) => vec![plain.to_owned()],
        (_, true) => vec![inside],
        (last, false) if last.contains(WILD) => vec![plain.to_owned()],
        // A file or a folder.
        _ => vec![plain.to_owned(), inside],
    })
}

/// Reads a pattern.
///
/// # Errors
///
/// [`Error::Invalid`] that names the pattern and its mistake.
pub(crate) fn parse(pattern: &str) -> Result<Glob> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map_err(|error| Error::Invalid(format!("malformed path pattern: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: a class with the path `masters/` got nothing, and its files were published in `default`.
    #[test]
    fn a_folder_of_a_class_includes_everything_in_it() {
        for (text, expected) in [
            ("masters", "masters masters/**"),
            ("masters/", "masters/**"),
            ("/masters/**", "masters/**"),
            ("./masters/**", "masters/**"),
            ("masters/**/", "masters/**"),
            ("**/raw/", "**/raw/**"),
            ("archive/*", "archive/*"),
            ("**/*.mov", "**/*.mov"),
            ("**", "**"),
        ] {
            assert_eq!(of_class(text).unwrap().join(" "), expected, "{text}");
        }
        for text in ["", "/", ".", "../masters/**", "masters/../x", "a//b", "a/./b"] {
            assert!(of_class(text).is_err(), "{text}");
        }
    }
}
