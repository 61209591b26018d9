//! The notation `LIBRARY[@RELEASE]`. This module only parses the text; the node that has the library finds
//! the release.

use std::{fmt, str::FromStr};

use chuan_engine::{id::may_be_id, limits::NAME_BYTES};
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// The default channel.
pub const LIVE: &str = "live";

/// Most digits of a sequence number.
const SEQUENCE_DIGITS: usize = 10;

/// A release of a library, as a person names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Spec {
    /// The library's label or id.
    pub library: String,
    /// The release.
    pub at: At,
}

/// A release within a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The release with this sequence number.
    Sequence(u64),
    /// The release of the channel with this name, or the release whose id begins with this text.
    Name(String),
}

impl At {
    /// The release that the text names. No sequence number begins with a zero.
    fn of(text: &str) -> Self {
        let digits = text.len() <= SEQUENCE_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(sequence) if digits && !text.starts_with('0') => At::Sequence(sequence),
            _ => At::Name(text.to_owned()),
        }
    }

    /// The text as a prefix of an id, if it can be one. A number can be a prefix, too: one id in a hundred
    /// begins with ten decimal digits.
    pub fn as_prefix(&self) -> Option<String> {
        let name = match self {
            At::Name(name) => name.clone(),
            At::Sequence(sequence) => sequence.to_string(),
        };
        may_be_id(&name).then(|| name.to_ascii_lowercase())
    }
}

impl FromStr for Spec {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let (library, at) = text.rsplit_once('@').unwrap_or((text, LIVE));
        check_name("library", library)?;
        let at = At::of(at);
        if let At::Name(name) = &at {
            check_name("release", name)?;
        }
        Ok(Spec { library: library.to_owned(), at })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Sequence(sequence) => write!(f, "{}@{sequence}", self.library),
            At::Name(name) => write!(f, "{}@{name}", self.library),
        }
    }
}

impl From<Spec> for String {
    fn from(spec: Spec) -> Self {
        spec.to_string()
    }
}

impl TryFrom<String> for Spec {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

/// Checks a label of a library or node, or a channel's name: 1 to [`NAME_BYTES`] bytes of letters and digits
/// of any script, `-`, `_` and `.`. Such a name needs no quoting in paths, specs and tables. Ids pass, too.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let starts = name.chars().next().is_some_and(char::is_alphanumeric);
    if !starts || name.len() > NAME_BYTES || !name.chars().all(fine) {
        return Err(Failure::usage(format!(
            "`{name}` is no {what} name; use 1 to {NAME_BYTES} bytes of letters, digits, `-`, `_` and `.`, \
             beginning with a letter or digit"
        )));
    }
    Ok(())
}

/// Checks the name of a channel that is to be made. Besides the rules of [`check_name`], it must not be a
/// sequence number, a release id or a possible beginning of one: `LIBRARY@NAME` would name two releases.
pub fn check_new_channel(name: &str) -> Result<()> {
    check_name("channel", name)?;
    let at = At::of(name);
    if matches!(at, At::Sequence(_)) || at.as_prefix().is_some() {
        return Err(Failure::usage(format!(
            "a channel `{name}` could not be told from a release with this number or id; choose a name with a \
             character that is not in 0-9 and a-f"
        )));
    }
    Ok(())
}

/// Checks the name of a node before it is given: as [`check_name`], and the name cannot be
/// read as an id or as its beginning.
pub fn check_new_name(what: &str, name: &str) -> Result<()> {
    check_name(what, name)?;
    if may_be_id(name) {
        return Err(Failure::usage(format!(
            "`{name}` could be the beginning of an id, and is no {what} name; add another character than 0-9 and a-f"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_release_is_the_live_channel() {
        let spec: Spec = "films".parse().unwrap();
        assert_eq!((spec.library.as_str(), spec.at), ("films", At::Name(LIVE.into())));
    }

    #[test]
    fn numbers_are_sequences_and_hex_may_be_an_id() {
        let at = |text: &str| text.parse::<Spec>().unwrap().at;
        assert_eq!(at("films@12"), At::Sequence(12));
        assert_eq!(
            (at("films@12").as_prefix(), at("films@1234").as_prefix().as_deref()),
            (None, Some("1234"))
        );
        assert_eq!(at("films@0012345678").as_prefix().as_deref(), Some("0012345678"));
        assert_eq!(at("films@abcdef").as_prefix().as_deref(), Some("abcdef"));
        assert_eq!(at("films@live").as_prefix(), None);
        assert_eq!(at("films@abc").as_prefix(), None);
        assert_eq!(at("电影@12345678901").as_prefix().as_deref(), Some("12345678901"));
    }

    #[test]
    fn a_new_channel_has_no_name_of_a_release() {
        let id = "0123456789abcdef".repeat(4);
        for name in ["1", "12", "4294967296", "12345678901", "beef", "DECADE", "0012", &id] {
            let failure = check_new_channel(name).unwrap_err();
            assert!(failure.message.contains(name) && failure.message.contains("release"), "{failure}");
        }
        for name in ["live", "canary", "abc", "beefy", "v2", "2024-05", "电影", &"g".repeat(64)] {
            check_new_channel(name).unwrap();
        }
        assert!(check_new_channel("a b").unwrap_err().message.contains("no channel name"));
    }

    #[test]
    fn a_new_name_cannot_be_read_as_an_id() {
        for text in ["beef", "DEADBEEF", "2026", &"a".repeat(64)] {
            assert!(check_name("node", text).is_ok() && check_new_name("node", text).is_err(), "{text}");
        }
        for text in ["bee", "beef-1", "mirror", "电影", "node-beef"] {
            check_new_name("node", text).unwrap();
        }
    }

    #[test]
    fn names_that_would_need_quoting_are_refused() {
        for text in ["", "@", "films@", "a b", "a/b", "-x", ".x", "films@a@", &"x".repeat(65)] {
            assert!(text.parse::<Spec>().is_err(), "{text}");
        }
        for text in ["films", "电影@3", "a-b_c.d@canary", &"x".repeat(64)] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string().split('@').next(), text.split('@').next());
        }
    }
}
