//! Path patterns of `--path` and of class policies: both have the same syntax and meaning.
//!
//! `*` and `?` match within one component, `**` also matches across components. `[…]` and `{a,b}` are sets of
//! characters and of alternatives.

use globset::{Glob, GlobBuilder};

use crate::error::{Error, Result};

/// Reads a pattern.
///
/// # Errors
///
/// [`Error::Invalid`] that names the pattern and its mistake.
pub(crate) fn parse(pattern: &str) -> Result<Glob> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map_err(|error| Error::Invalid(format!("malformed path pattern: {error}")))
}
