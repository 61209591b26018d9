//! The scope of a grant: classes by pattern, and verbs.

use crate::{
    error::{Error, Result},
    limits::{CLASS_NAME_BYTES, CLASSES},
    statement::wire::{Reader, check_ascending, check_count, put_list, put_string},
    text::is_invisible,
};

/// A set of classes: an empty list means all; else patterns in which `*` matches any run of characters.
///
/// ```text
/// count u8 | count × (length u16, pattern)        sorted, each once
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Classes(Vec<String>);

impl Classes {
    /// Every class.
    pub const fn all() -> Self {
        Self(Vec::new())
    }

    /// Classes by pattern, in any order; an empty list means all.
    pub fn new(mut patterns: Vec<String>) -> Result<Self> {
        patterns.sort_unstable();
        patterns.dedup();
        let classes = Self(patterns);
        classes.check()?;
        Ok(classes)
    }

    /// Whether the set is all classes.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns; none means all.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether `class` is one of these.
    pub fn covers(&self, class: &str) -> bool {
        self.is_all() || self.0.iter().any(|pattern| matches(pattern, class))
    }

    /// Whether all of these are among `outer`. A pattern is covered when one pattern of `outer` matches it
    /// with its `*` read as a plain character. This may refuse too much, never too little.
    pub fn within(&self, outer: &Classes) -> bool {
        outer.is_all() || (!self.is_all() && self.0.iter().all(|pattern| outer.covers(pattern)))
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let classes = Self(reader.list(CLASSES, |reader| reader.string(CLASS_NAME_BYTES))?);
        classes.check()?;
        Ok(classes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, &self.0, |out, pattern| put_string(out, pattern));
    }

    fn check(&self) -> Result<()> {
        check_count(self.0.len(), CLASSES, "class patterns")?;
        check_ascending(&self.0, "class patterns")?;
        for pattern in &self.0 {
            let bad = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
            if pattern.is_empty() || pattern.len() > CLASS_NAME_BYTES || pattern.contains(bad) {
                return Err(Error::Invalid(format!(
                    "class pattern `{}` must have 1 to {CLASS_NAME_BYTES} bytes without white space",
                    pattern.escape_debug()
                )));
            }
        }
        Ok(())
    }
}

/// Matches without backtracking: each run between stars is matched at its leftmost position.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(head) else {
        return false;
    };
    let (middle, last) = tail.rsplit_once('*').unwrap_or(("", tail));
    for run in middle.split('*') {
        let Some((_, after)) = rest.split_once(run) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// The verbs of a member, as bits. Bits without a name here are kept and grant nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Verbs(u32);

impl Verbs {
    /// Read pages and chunks, and exchange statements.
    pub const PULL: Verbs = Verbs(1);
    /// Exchange statements only: for a node that monitors a library.
    pub const STATEMENTS: Verbs = Verbs(2);
    /// The named verbs.
    pub const NAMED: [(&str, Verbs); 2] = [("pull", Verbs::PULL), ("watch", Verbs::STATEMENTS)];

    /// Takes the bits as they are.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// These and `other`.
    pub const fn with(self, other: Verbs) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of those that have one, separated by commas.
    pub fn names(self) -> String {
        let named = Self::NAMED.iter().filter(|(_, verb)| self.contains(*verb)).map(|(name, _)| *name);
        named.collect::<Vec<_>>().join(",")
    }

    /// Whether all of `other` is granted.
    pub const fn contains(self, other: Verbs) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn check(self) -> Result<()> {
        if self.0 == 0 {
            return Err(Error::Invalid("a grant without a verb grants nothing".into()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(patterns: &[&str]) -> Classes {
        Classes::new(patterns.iter().map(|p| (*p).to_owned()).collect()).unwrap()
    }

    #[test]
    fn patterns_match() {
        for (pattern, text, expected) in [
            ("films", "films", true),
            ("films", "film", false),
            ("films", "films2", false),
            ("*", "", true),
            ("*", "x", true),
            ("a*", "a", true),
            ("a*", "ba", false),
            ("*a", "ba", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("a*bc*c", "abc", false),
            ("**", "x", true),
            ("电*", "电影", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn within_is_never_too_generous() {
        let all = Classes::all();
        assert!(all.within(&all) && classes(&["a"]).within(&all));
        assert!(!all.within(&classes(&["*"])), "all classes also means those a pattern may not name");
        assert!(classes(&["news-cn", "news-*"]).within(&classes(&["news*"])));
        assert!(!classes(&["n*"]).within(&classes(&["news*"])));
        assert!(!classes(&["news", "films"]).within(&classes(&["news"])));
    }

    #[test]
    fn one_form() {
        assert_eq!(classes(&["b", "a", "b"]), classes(&["a", "b"]));
        assert!(Classes::new(vec!["a b".into()]).is_err());
        assert!(Classes::new((0..=CLASSES).map(|n| format!("c{n}")).collect()).is_err());
    }
}
