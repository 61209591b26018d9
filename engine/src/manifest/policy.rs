//! What a class says of itself: which paths are its own, and how its mirrors are to treat it. Its canonical bytes are the
//! policy of the [class header](super::table::ClassHeader), so that a release's signature covers it, and who is not
//! granted the class learns nothing of it.
//!
//! ```text
//! offset  bytes
//!      0      1  format version, 1
//!      1      1  mirror: 0 not said, 1 static, 2 incremental, 3 dynamic
//!      2      8  the age in ms above which its content counts as stale; 0 not said
//!     10      2  patterns, ≤ 256
//!     12      …  each: length (2), ≤ 1024, and UTF-8; ascending, each once
//! ```
//!
//! A policy that says nothing is no bytes at all. This file does not match paths: that is
//! [`classifier`](super::classifier)'s.

use super::raw::{Reader, put_u16};
use crate::{
    error::{Error, Result},
    limits::{CLASS_PATTERN_BYTES, CLASS_PATTERNS, CLASS_POLICY_BYTES},
};

const VERSION: u8 = 1;

/// A class's policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Patterns of the paths that are in the class: ascending, each once. None for a class that gets no path by pattern.
    pub paths: Vec<String>,
    /// How its mirrors follow it, where that is said.
    pub mirror: Option<Mirror>,
    /// The age in ms above which its content counts as stale; 0 where that is not said.
    pub max_stale_ms: u64,
}

/// How the mirrors of a class follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mirror {
    /// Its content hardly ever changes.
    Static = 1,
    /// Content is added to it, by and by.
    Incremental = 2,
    /// It changes all the time.
    Dynamic = 3,
}

impl Mirror {
    const ALL: [Mirror; 3] = [Mirror::Static, Mirror::Incremental, Mirror::Dynamic];
}

impl Policy {
    /// A policy with these patterns, in any order, that says nothing else.
    pub fn of_paths(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut paths: Vec<String> = paths.into_iter().map(Into::into).collect();
        paths.sort_unstable();
        paths.dedup();
        Self { paths, ..Self::default() }
    }

    /// Whether content is too old to be read by a channel's name, where it may have been out of date for so many ms, or nobody knows
    /// for how long.
    pub fn is_stale(&self, age_ms: Option<u64>) -> bool {
        self.max_stale_ms > 0 && age_ms.is_none_or(|age_ms| age_ms > self.max_stale_ms)
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The canonical bytes. Of a policy that [`check`](Self::check) would refuse, bytes that [`decode`](Self::decode)
    /// refuses.
    pub fn encode(&self) -> Vec<u8> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut out = vec![VERSION, self.mirror.map_or(0, |mirror| mirror as u8)];
        out.extend_from_slice(&self.max_stale_ms.to_le_bytes());
        put_u16(&mut out, self.paths.len());
        for pattern in &self.paths {
            put_u16(&mut out, pattern.len());
            out.extend_from_slice(pattern.as_bytes());
        }
        out
    }

    /// Reads a policy's canonical bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where they are not canonical, or a newer version wrote them.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader::new(bytes, "class policy");
        match reader.u8()? {
            VERSION => {}
            version => return Err(reader.broken(&format!("is of version {version}: a newer chuan wrote it"))),
        }
        let mirror = match reader.u8()? {
            0 => None,
            tag => Some(
                Mirror::ALL
                    .into_iter()
                    .find(|mirror| *mirror as u8 == tag)
                    .ok_or_else(|| reader.broken("has a mirror type that does not exist"))?,
            ),
        };
        let max_stale_ms = reader.u64()?;
        let count = usize::from(reader.u16()?);
        let mut paths = Vec::new();
        for _ in 0..count {
            let len = usize::from(reader.u16()?);
            let pattern = std::str::from_utf8(reader.take(len)?);
            paths.push(pattern.map_err(|_| reader.broken("has a pattern that is not UTF-8"))?.to_owned());
        }
        reader.finish()?;
        let policy = Self { paths, mirror, max_stale_ms };
        policy.check()?;
        if policy.is_empty() {
            return Err(Error::Invalid("malformed class policy: it says nothing, at length".into()));
        }
        Ok(policy)
    }

    /// Checks the bounds. Whether patterns are well-formed is found out when they are used.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming what is wrong.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Invalid(what));
        if self.paths.len() > CLASS_PATTERNS {
            return refuse(format!("a class has at most {CLASS_PATTERNS} patterns"));
        }
        if !self.paths.is_sorted_by(|a, b| a < b) {
            return refuse("the patterns of a class policy must ascend, each once".into());
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
        let bytes = self.encode().len();
        if bytes > CLASS_POLICY_BYTES {
            return refuse(format!(
                "a class's policy takes at most {CLASS_POLICY_BYTES} bytes, this one {bytes}: use fewer or shorter patterns"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Policy {
        let paths = Policy::of_paths(["masters/**", "**/*.mov", "masters/**"]);
        Policy { mirror: Some(Mirror::Dynamic), max_stale_ms: 600_000, ..paths }
    }

    #[test]
    fn the_bytes_are_the_format() {
        assert_eq!(
            data_encoding::HEXLOWER.encode(&sample().encode()),
            concat!(
                "01",
                "03",
                "c027090000000000",
                "0200",
                "0800",
                "2a2a2f2a2e6d6f76",
                "0a00",
                "6d6173746572732f2a2a",
            )
        );
        assert!(Policy::default().encode().is_empty());
        assert_eq!(Policy::decode(&[]).unwrap(), Policy::default());
    }

    #[test]
    fn nothing_else_is_taken() {
        let good = sample().encode();
        for at in 0..good.len() {
            assert!(at == 0 || Policy::decode(&good[..at]).is_err(), "cut at {at}");
        }
        assert!(Policy::decode(&[&good[..], &[0]].concat()).is_err());
        let with = |at: usize, byte: u8| {
            let mut bad = good.clone();
            bad[at] = byte;
            Policy::decode(&bad)
        };
        assert!(with(0, 2).unwrap_err().to_string().contains("newer"));
        for (at, byte) in [(1, 4), (10, 3), (12, 9), (14, b'\n'), (14, 0xff), (14, b'z')] {
            assert!(with(at, byte).is_err(), "byte {at} is {byte}");
        }
        let nothing = [&[1, 0][..], &[0; 10]].concat();
        assert!(Policy::decode(&nothing).is_err(), "no bytes say nothing");
        for bad in [
            Policy { paths: vec!["b".into(), "a".into()], ..Policy::default() },
            Policy { paths: vec!["a".into(), "a".into()], ..Policy::default() },
            Policy::of_paths([""]),
            Policy::of_paths(["x".repeat(CLASS_PATTERN_BYTES + 1)]),
            Policy::of_paths((0..=CLASS_PATTERNS).map(|n| format!("{n:03}"))),
            Policy::of_paths((0..5).map(|n| format!("{n}{}", "x".repeat(1000)))),
        ] {
            assert!(bad.check().is_err());
            assert!(Policy::decode(&bad.encode()).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            paths in prop::collection::vec("[a-c*/?é{},\\[\\]]{1,12}", 0..20),
            mirror in prop::option::of(prop::sample::select(&Mirror::ALL[..])),
            max_stale_ms in prop_oneof![Just(0), any::<u64>()],
        ) {
            let policy = Policy { mirror, max_stale_ms, ..Policy::of_paths(paths) };
            prop_assert!(policy.check().is_ok());
            prop_assert_eq!(Policy::decode(&policy.encode()).unwrap(), policy);
        }

        #[test]
        fn what_is_taken_is_canonical(edits in prop::collection::vec((any::<u16>(), any::<u8>(), 0..3u8), 1..6)) {
            let mut bytes = sample().encode();
            for (at, byte, how) in edits {
                let at = usize::from(at) % bytes.len();
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
            }
            if let Ok(policy) = Policy::decode(&bytes) {
                prop_assert_eq!(policy.encode(), bytes);
            }
        }
    }
}
