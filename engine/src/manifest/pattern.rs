//! Path patterns, as `--path` and class policies have them: one syntax, one meaning.
//!
//! `*` and `?` stay within a component, `**` does not; `[…]` and `{a,b}` are sets of characters and of alternatives.

use globset::{Glob, GlobBuilder};

use crate::error::{Error, Result};

/// Reads a pattern.
///
/// # Errors
///
/// [`Error::Invalid`] naming the pattern and what is wrong with it.
pub(crate) fn parse(pattern: &str) -> Result<Glob> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map_err(|error| Error::Invalid(format!("malformed path pattern: {error}")))
}
