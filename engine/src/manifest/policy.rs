//! The rules of a class about paths: the patterns of its paths, and the fallback paths for a path that is not
//! available. Their canonical bytes are in the [class header](super::table::ClassHeader). So the signature of
//! a release covers them, and a node that is not granted the class learns nothing about them. The
//! [policy](crate::statement::policy), a statement that all members read, has the rules for mirrors of the
//! class.
//!
//! ```text
//! offset  bytes
//!      0      1  format version, 2
//!      1      2  patterns, ≤ 256
//!      3      …  each: length (2), ≤ 1024, and UTF-8; ascending, each once
//!      …      1  fallback paths, ≤ 16
//!      …      …  each: length (2) and a path; in the order in which they are tried, each once
//! ```
//!
//! Empty rules are encoded as no bytes at all. This file does not match paths;
//! [`classifier`](super::classifier) does.

use super::{
    path::EntryPath,
    pattern,
    raw::{FieldReader, put_u16},
};
use crate::{
    error::{Error, Result},
    limits::{CLASS_FALLBACKS, CLASS_PATTERN_BYTES, CLASS_PATTERNS, CLASS_POLICY_BYTES},
};

const VERSION: u8 = 2;
/// The version of chuan 0.1.0. It included the mirror type and the age, which are now in the policy
/// statement.
const VERSION_0_1_0: u8 = 1;

/// A class's rules about paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassRules {
    /// Patterns of the paths that are in the class: ascending, each once. Empty for a class that gets no
    /// paths by pattern.
    pub paths: Vec<String>,
    /// Paths that a viewer is offered instead of a path of the class that is not available: the best first,
    /// each once.
    pub fallback: Vec<String>,
}

impl ClassRules {
    /// Rules with these patterns, given in any order, and without fallback paths.
    pub fn of_paths(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        paths.sort_unstable();
        paths.dedup();
        Self { paths, ..Self::default() }
    }

    /// Rules for these paths and patterns as people write them: a folder includes everything in it.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a pattern that no path can match.
    pub fn of_written(paths: &[String]) -> Result<Self> {
        let patterns = paths.iter().map(|text| pattern::of_class(text)).collect::<Result<Vec<_>>>()?;
        Ok(Self::of_paths(patterns.into_iter().flatten()))
    }

    /// Whether there are no patterns and no fallback paths.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Encodes the canonical bytes. For rules that [`check`](Self::check) would refuse,
    /// [`decode`](Self::decode) refuses the bytes.
    pub fn encode(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut out = vec![VERSION];
        put_u16(&mut out, self.paths.len());
        let put_text = |out: &mut Vec<u8>, text: &str| {
            put_u16(out, text.len());
            out.extend_from_slice(text.as_bytes());
        };
        self.paths.iter().for_each(|pattern| put_text(&mut out, pattern));
        out.push(u8::try_from(self.fallback.len()).unwrap_or(u8::MAX));
        self.fallback.iter().for_each(|path| put_text(&mut out, path));
        out
    }

    /// Decodes the canonical bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if they are not canonical or have another version.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = FieldReader::new(bytes, "class rules");
        match reader.u8()? {
            VERSION => {}
            VERSION_0_1_0 => {
                return Err(reader.broken("are of chuan 0.1.0, which this version does not read"));
            }
            version => {
                return Err(reader.broken(&format!("are of version {version}: a newer chuan wrote them")));
            }
        }
        let patterns = usize::from(reader.u16()?);
        let paths = read_texts(&mut reader, patterns)?;
        let fallbacks = usize::from(reader.u8()?);
        let fallback = read_texts(&mut reader, fallbacks)?;
        reader.finish()?;
        let rules = Self { paths, fallback };
        rules.check()?;
        if rules.is_empty() {
            return Err(Error::Invalid(
                "malformed class rules: they must be empty or have a pattern or path".into(),
            ));
        }
        Ok(rules)
    }

    /// Checks the bounds. The syntax of the patterns is checked when they are used.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] that names the broken rule.
    pub fn check(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::Invalid(text));
        if self.paths.len() > CLASS_PATTERNS {
            return refuse(format!("a class has at most {CLASS_PATTERNS} patterns"));
        }
        if !self.paths.is_sorted_by(|a, b| a < b) {
            return refuse("the patterns of a class must ascend, each once".into());
        }
        for pattern in &self.paths {
            if pattern.is_empty() || pattern.len() > CLASS_PATTERN_BYTES || pattern.contains(char::is_control)
            {
                return refuse(format!(
                    "pattern `{}` must have 1 to {CLASS_PATTERN_BYTES} bytes without control characters",
                    pattern.escape_debug().take(200).collect::<String>()
                ));
            }
        }
        if self.fallback.len() > CLASS_FALLBACKS {
            return refuse(format!("a class has at most {CLASS_FALLBACKS} fallback paths"));
        }
        for (index, path) in self.fallback.iter().enumerate() {
            EntryPath::new(path.clone())?;
            if self.fallback.iter().take(index).any(|earlier| earlier == path) {
                return refuse(format!("the fallback path `{path}` is there twice"));
            }
        }
        let bytes = self.encode().len();
        if bytes > CLASS_POLICY_BYTES {
            return refuse(format!(
                "a class's rules take at most {CLASS_POLICY_BYTES} bytes, these {bytes}: use fewer or shorter patterns"
            ));
        }
        Ok(())
    }
}

/// Reads `count` texts, each after its length. Allocates for the texts that are present, not for `count`.
fn read_texts(reader: &mut FieldReader<'_>, count: usize) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for _ in 0..count {
        let len = usize::from(reader.u16()?);
        let text = std::str::from_utf8(reader.take(len)?);
        texts.push(text.map_err(|_| reader.broken("have a text that is not UTF-8"))?.to_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> ClassRules {
        let paths = ClassRules::of_paths(["masters/**", "**/*.mov", "masters/**"]);
        ClassRules { fallback: vec!["b.mp4".into(), "a.mp4".into()], ..paths }
    }

    #[test]
    fn the_bytes_are_the_format() {
        assert_eq!(
            data_encoding::HEXLOWER.encode(&sample().encode()),
            concat!(
                "02",
                "0200",
                "0800",
                "2a2a2f2a2e6d6f76",
                "0a00",
                "6d6173746572732f2a2a",
                "02",
                "0500",
                "622e6d7034",
                "0500",
                "612e6d7034",
            )
        );
        assert!(ClassRules::default().encode().is_empty());
        assert_eq!(ClassRules::decode(&[]).unwrap(), ClassRules::default());
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = sample().encode();
        for at in 0..good.len() {
            assert!(at == 0 || ClassRules::decode(&good[..at]).is_err(), "cut at {at}");
        }
        assert!(ClassRules::decode(&[&good[..], &[0]].concat()).is_err());
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            ClassRules::decode(&bad)
        };
        assert!(with(0, 3).unwrap_err().to_string().contains("newer"));
        assert!(with(0, 1).unwrap_err().to_string().contains("0.1.0"));
        for (at, byte) in [(1, 3), (3, 9), (5, b'\n'), (5, 0xff), (5, b'z'), (25, 1), (28, b'/'), (35, b'b')]
        {
            assert!(with(at, byte).is_err(), "byte {at} is {byte}");
        }
        let nothing = [2, 0, 0, 0];
        assert!(ClassRules::decode(&nothing).is_err(), "empty rules are encoded as no bytes");
        for bad in [
            ClassRules { paths: vec!["b".into(), "a".into()], ..ClassRules::default() },
            ClassRules { paths: vec!["a".into(), "a".into()], ..ClassRules::default() },
            ClassRules { fallback: vec!["../a".into()], ..ClassRules::default() },
            ClassRules { fallback: vec!["a".into(), "a".into()], ..ClassRules::default() },
            ClassRules {
                fallback: (0..=CLASS_FALLBACKS).map(|n| n.to_string()).collect(),
                ..ClassRules::default()
            },
            ClassRules::of_paths([""]),
            ClassRules::of_paths(["x".repeat(CLASS_PATTERN_BYTES + 1)]),
            ClassRules::of_paths((0..=CLASS_PATTERNS).map(|n| format!("{n:03}"))),
            ClassRules::of_paths((0..5).map(|n| format!("{n}{}", "x".repeat(1000)))),
        ] {
            assert!(bad.check().is_err());
            assert!(ClassRules::decode(&bad.encode()).is_err());
        }
    }

    proptest! {
        #[test]
        fn encoded_rules_are_decoded(
            paths in prop::collection::vec("[a-c*/?é{},\\[\\]]{1,12}", 0..20),
            fallback in prop::collection::btree_set("[a-cé]{1,8}(/[a-c]{1,3})?", 0..4),
        ) {
            let fallback = fallback.into_iter().rev().collect();
            let rules = ClassRules { fallback, ..ClassRules::of_paths(paths) };
            prop_assert!(rules.check().is_ok());
            prop_assert_eq!(ClassRules::decode(&rules.encode()).unwrap(), rules);
        }

        #[test]
        fn decoded_bytes_are_canonical(edits in prop::collection::vec((any::<u16>(), any::<u8>(), 0..3u8), 1..6)) {
            let mut bytes = sample().encode();
            for (at, byte, how) in edits {
                let at = usize::from(at) % bytes.len();
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            if let Ok(rules) = ClassRules::decode(&bytes) {
                prop_assert_eq!(rules.encode(), bytes);
            }
        }
    }
}
