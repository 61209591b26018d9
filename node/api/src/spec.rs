//! The notation `LIBRARY[@RELEASE]`. This module only parses the text; the node that has the library finds
//! the release.

use std::{fmt, str::FromStr};

use chuan_engine::limits::NAME_BYTES;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// The default channel.
pub const LIVE: &str = "live";

/// Fewest digits of a prefix of an id.
const PREFIX_DIGITS: usize = 4;
/// Digits of an id.
const ID_DIGITS: usize = 64;
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
    /// The text as a prefix of an id, if it can be one. A number can be a prefix, too: one id in a hundred
    /// begins with ten decimal digits.
    pub fn as_prefix(&self) -> Option<String> {
        let name = match self {
            At::Name(name) => name.clone(),
            At::Sequence(sequence) => sequence.to_string(),
        };
        let hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
        (hex && (PREFIX_DIGITS..=ID_DIGITS).contains(&name.len())).then(|| name.to_ascii_lowercase())
    }
}

impl FromStr for Spec {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let (library, at) = text.rsplit_once('@').unwrap_or((text, LIVE));
        check_name("library", library)?;
        // No sequence number begins with a zero.
        let digits = !at.is_empty()
            && at.len() <= SEQUENCE_DIGITS
            && !at.starts_with('0')
            && at.bytes().all(|b| b.is_ascii_digit());
        let at = match at.parse() {
            Ok(sequence) if digits => At::Sequence(sequence),
            _ => {
                check_name("release", at)?;
                At::Name(at.to_owned())
            }
        };
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
    fn names_that_would_need_quoting_are_refused() {
        for text in ["", "@", "films@", "a b", "a/b", "-x", ".x", "films@a@", &"x".repeat(65)] {
            assert!(text.parse::<Spec>().is_err(), "{text}");
        }
        for text in ["films", "电影@3", "a-b_c.d@canary", &"x".repeat(64)] {
            assert_eq!(text.parse::<Spec>().unwrap().to_string().split('@').next(), text.split('@').next());
        }
    }
}
