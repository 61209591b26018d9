//! The name of a region, for the location of a node, of wanted copies and of viewers. This module owns its
//! one spelling. It knows no geography: two nodes are in one region when operators give it one name.

use std::{fmt, str::FromStr};

use crate::{
    error::{Error, Result},
    limits::REGION_BYTES,
    statement::wire::{Reader, check_name, put_string},
};

/// A region's name: 1 to [`REGION_BYTES`] bytes by the rules for a [name](crate::statement), without
/// upper-case letters.
///
/// Rules and votes count regions, so one region must have one spelling: `EU` beside `eu` would be two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(String);

impl Region {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the output of [`Region::put`].
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        reader.string(REGION_BYTES)?.parse()
    }

    /// Appends the name after its length.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_string(out, &self.0);
    }

    /// Reads the output of [`Region::put_optional`].
    pub(crate) fn read_optional(reader: &mut Reader<'_>) -> Result<Option<Self>> {
        let text = reader.string(REGION_BYTES)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
    }

    /// Appends a region; an empty name means none.
    pub(crate) fn put_optional(region: Option<&Self>, out: &mut Vec<u8>) {
        put_string(out, region.map_or("", Region::as_str));
    }
}

impl FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        check_name(text, "the region")?;
        if text.len() > REGION_BYTES {
            return Err(Error::Invalid(format!("the region `{text}` is longer than {REGION_BYTES} bytes")));
        }
        if text.contains(char::is_uppercase) {
            return Err(Error::Invalid(format!(
                "the region `{text}` has upper-case letters; write `{}`",
                text.to_lowercase()
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_one_spelling() {
        for good in ["eu", "eu-west-1", "华东", &"x".repeat(REGION_BYTES)] {
            assert_eq!(good.parse::<Region>().unwrap().as_str(), good);
        }
        for bad in ["", "EU", "eu west", "-eu", "a/b", "Été", &"x".repeat(REGION_BYTES + 1)] {
            assert!(bad.parse::<Region>().is_err(), "{bad:?}");
        }
    }
}
