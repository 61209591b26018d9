//! A part of a file, as `cat --range` names it.

use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// A part of a file, as in an HTTP range: both ends counted from 0 and included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ByteRange {
    /// From the first byte to the last, or to the end.
    From(u64, Option<u64>),
    /// This many bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// Offset and length within a file of `size` bytes. Fails if no byte of the range is in the file.
    pub fn within(self, size: u64) -> Result<(u64, u64)> {
        let (start, end) = match self {
            ByteRange::From(start, last) => {
                (start, last.map_or(size, |last| last.saturating_add(1).min(size)))
            }
            ByteRange::Last(count) => (size.saturating_sub(count), size),
        };
        if start >= end && !(size == 0 && start == 0) {
            return Err(Failure::invalid(format!("range {self} is outside the file of {size} bytes")));
        }
        Ok((start, end - start))
    }
}

impl std::fmt::Display for ByteRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ByteRange::From(start, Some(last)) => write!(f, "{start}-{last}"),
            ByteRange::From(start, None) => write!(f, "{start}-"),
            ByteRange::Last(count) => write!(f, "-{count}"),
        }
    }
}

impl std::str::FromStr for ByteRange {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Failure::usage(format!("invalid byte range `{text}`; write 0-99, 100- or -100"));
        let number = |part: &str| part.parse::<u64>().map_err(|_| bad());
        match text.split_once('-').ok_or_else(bad)? {
            ("", count) => Ok(ByteRange::Last(number(count)?)),
            (start, "") => Ok(ByteRange::From(number(start)?, None)),
            (start, last) => {
                let (start, last) = (number(start)?, number(last)?);
                if start > last { Err(bad()) } else { Ok(ByteRange::From(start, Some(last))) }
            }
        }
    }
}

impl From<ByteRange> for String {
    fn from(range: ByteRange) -> Self {
        range.to_string()
    }
}

impl TryFrom<String> for ByteRange {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_read_back_and_clamp_to_the_file() {
        for text in ["0-99", "100-", "-7"] {
            assert_eq!(text.parse::<ByteRange>().unwrap().to_string(), text);
        }
        for text in ["", "-", "9-1", "a-b", "1", "--1"] {
            assert!(text.parse::<ByteRange>().is_err(), "{text}");
        }
        let within = |text: &str, size| text.parse::<ByteRange>().unwrap().within(size).ok();
        assert_eq!(within("0-99", 50), Some((0, 50)));
        assert_eq!(within("10-19", 50), Some((10, 10)));
        assert_eq!(within("-7", 50), Some((43, 7)));
        assert_eq!(within("-70", 50), Some((0, 50)));
        assert_eq!(within("0-", 0), Some((0, 0)));
        assert_eq!(within("50-", 50), None);
        assert_eq!(within("0-18446744073709551615", 50), Some((0, 50)));
    }
}
