//! Paths within a library. A path is checked once, and its type then guarantees the rules.
//!
//! A path is kept byte for byte as its publisher wrote it. Nothing here normalises it. [`collision_key`]
//! finds two paths that a file system may treat as one name. Only publishing compares these keys, and they
//! are never stored.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::{
    error::{Error, Result},
    limits::{PATH_BYTES, PATH_COMPONENT_BYTES, PATH_DEPTH},
};

/// A checked path: relative, `/`-separated UTF-8 that cannot leave a directory that it is joined to. Ordered
/// by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPath(String);

impl EntryPath {
    /// Checks the rules: no empty, `.` or `..` component, no control character, at most
    /// [`PATH_COMPONENT_BYTES`] bytes per component, [`PATH_DEPTH`] components and [`PATH_BYTES`] bytes in
    /// total.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the path and the broken rule.
    pub fn new(path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        check(&path)?;
        Ok(Self(path))
    }

    /// Makes a path from text that [`check`] has accepted.
    pub(super) fn checked(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first. There is at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }
}

impl AsRef<str> for EntryPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The target of a symbolic link: a relative path that stays inside the release. It is kept byte for byte, so
/// that a `.`, and a doubled or trailing `/`, are restored unchanged.
///
/// `..` is allowed only at the beginning, and at most as often as the link has folders above it. This is
/// enough to stay inside the release. An entry is always under folders and never under a link, so the path of
/// a link in the release is its real location. To go up from there by at most as many folders as are above it
/// stays inside. The other components go down through folders of the release, or through other links of the
/// release, which keep the same rule. No `..` comes after a component that may be a link.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkTarget(String);

impl LinkTarget {
    /// Checks that a link at `path` may point to `target`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the link, the target and the broken rule.
    pub fn new(target: impl Into<String>, path: &EntryPath) -> Result<Self> {
        let target = target.into();
        Self::check(&target, path.as_str())?;
        Ok(Self(target))
    }

    /// Checks the rules of [`LinkTarget::new`].
    pub(super) fn check(target: &str, path: &str) -> Result<()> {
        match broken_target_rule(target, path) {
            Some(rule) => {
                let (path, target) = (Shortened(path), Shortened(target));
                Err(Error::Invalid(format!("link {path:?}: its target {target:?} {rule}")))
            }
            None => Ok(()),
        }
    }

    /// Makes a target from text that [`check`](Self::check) has accepted.
    pub(super) fn checked(target: &str) -> Self {
        Self(target.to_owned())
    }

    /// The target as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a link at `path` to `target` leads out of the release, as an absolute path does. `false` for a
    /// target that breaks another rule.
    pub fn leads_outside(target: &str, path: &EntryPath) -> bool {
        matches!(broken_target_rule(target, path.as_str()), Some(ABSOLUTE | OUTSIDE))
    }
}

impl fmt::Display for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LinkTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

const ABSOLUTE: &str = "is absolute";
const OUTSIDE: &str = "leads out of the library";

/// The first rule that a link at `path` to `target` breaks.
fn broken_target_rule(target: &str, path: &str) -> Option<&'static str> {
    if target.is_empty() {
        return Some("is empty");
    }
    if target.starts_with('/') {
        return Some(ABSOLUTE);
    }
    if target.len() > PATH_BYTES {
        return Some("is longer than 4,096 bytes");
    }
    if has_control(target.as_bytes()) {
        return Some("has a control character");
    }
    let mut above = path.bytes().filter(|byte| *byte == b'/').count();
    let mut has_gone_down = false;
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." if has_gone_down => return Some("goes up again after it went down"),
            ".." if above == 0 => return Some(OUTSIDE),
            ".." => above -= 1,
            _ => has_gone_down = true,
        }
    }
    None
}

/// The key of a name, or of a whole path, for a file system that folds case and normalises Unicode. Such a
/// file system may treat two paths with the same key as one, so they must not both be published.
pub fn collision_key(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// Checks the rules of [`EntryPath::new`].
pub(super) fn check(path: &str) -> Result<()> {
    match broken_rule(path) {
        Some(rule) => Err(Error::Invalid(format!("path {:?} {rule}", Shortened(path)))),
        None => Ok(()),
    }
}

/// The first rule that `path` breaks.
fn broken_rule(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.len() > PATH_BYTES {
        return Some("is longer than 4,096 bytes");
    }
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if has_control(path.as_bytes()) {
        return Some("has a control character");
    }
    let mut depth = 0;
    for component in path.as_bytes().split(|byte| *byte == b'/') {
        depth += 1;
        match component {
            b"" => return Some("has an empty component"),
            b"." | b".." => return Some("has a `.` or `..` component"),
            _ if component.len() > PATH_COMPONENT_BYTES => {
                return Some("has a component longer than 255 bytes");
            }
            _ => {}
        }
    }
    (depth > PATH_DEPTH).then_some("has more than 64 components")
}

/// Whether UTF-8 text has a character for which [`char::is_control`] is true: below a space, and U+007F to
/// U+009F. Works on bytes and without a branch, since it is called for every path of every page that is read.
fn has_control(text: &[u8]) -> bool {
    let is_ascii_control = |byte: &u8| *byte < b' ' || *byte == 0x7f;
    let is_other_control = |(first, second): (&u8, &u8)| *first == 0xc2 && (0x80..0xa0).contains(second);
    text.iter().fold(false, |found, byte| found | is_ascii_control(byte))
        | text.iter().zip(text.iter().skip(1)).fold(false, |found, pair| found | is_other_control(pair))
}

/// A path cut to a length that fits in an error message.
struct Shortened<'a>(&'a str);

impl fmt::Debug for Shortened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(200).map_or(self.0.len(), |(at, _)| at);
        let head = self.0.get(..end).unwrap_or_default();
        write!(f, "{head:?}{}", if end < self.0.len() { "…" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_paths_that_file_systems_accept() {
        let deep = vec!["d"; PATH_DEPTH].join("/");
        let long = "字".repeat(85);
        for path in ["a", "电影/第一部.mkv", "a b/..c/d..", "...", "a\\b", "C:", &deep, &long] {
            assert_eq!(EntryPath::new(path).unwrap().as_str(), path);
        }
    }

    #[test]
    fn refuses_paths_that_escape_or_confuse() {
        let deep = vec!["d"; PATH_DEPTH + 1].join("/");
        let wide = "w".repeat(PATH_COMPONENT_BYTES + 1);
        let long = vec!["l".repeat(255); 17].join("/");
        let bad = [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a\0b", "a\nb", "a\u{7f}",
            "a\u{85}", &deep, &wide, &long,
        ];
        for path in bad {
            assert!(EntryPath::new(path).is_err(), "{path:?} was taken");
        }
    }

    #[test]
    fn control_characters_are_those_of_the_standard_library() {
        for code in 0..=0xffff {
            let Some(c) = char::from_u32(code) else { continue };
            assert_eq!(has_control(format!("a{c}字").as_bytes()), c.is_control(), "U+{code:04x}");
        }
    }

    #[test]
    fn error_of_a_long_path_is_short() {
        let error = EntryPath::new("长".repeat(5000)).unwrap_err().to_string();
        assert!(error.len() < 1000, "{}", error.len());
    }

    #[test]
    fn paths_that_fold_together_have_one_key() {
        let key = collision_key;
        assert_eq!(key("Film/É.mkv"), key("film/e\u{301}.MKV"));
        assert_eq!(key("Å"), key("\u{212b}"));
        assert_ne!(key("a"), key("b"));
    }
}
