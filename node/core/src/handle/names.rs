//! Names of channels and releases.

use std::{borrow::Cow, fmt, str::FromStr};

use chuan_engine::id::StatementId;

use super::Error;
use crate::spec::{self, check_name};

/// The name of a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(Cow<'static, str>);

impl Channel {
    /// The channel that a publish moves: the default of every command.
    pub const LIVE: Channel = Channel(Cow::Borrowed(spec::LIVE));

    /// The channel of this name, which need not exist. [`Channels::set`](super::Channels::set) makes no
    /// channel whose name could be taken for a release: a number, an id, or four and more digits of an id.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where `name` is not 1 to 64 bytes of letters, digits, `-`, `_` and `.`, or begins
    /// with neither a letter nor a digit.
    pub fn new(name: impl Into<String>) -> Result<Self, Error> {
        let name = name.into();
        check_name("channel", &name)?;
        Ok(Self(name.into()))
    }

    /// The channel of a statement, whose name was checked with the statement.
    pub(super) fn of_statement(name: String) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Channel {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::new(name)
    }
}

/// A release of a library, as a caller names it: by its id, by its sequence, or as the release to which a
/// channel points in this home.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseName {
    /// The release with this id.
    Id(StatementId),
    /// The release with this sequence.
    Sequence(u64),
    /// The release of this channel.
    Channel(Channel),
}

impl From<StatementId> for ReleaseName {
    fn from(id: StatementId) -> Self {
        Self::Id(id)
    }
}

impl From<&StatementId> for ReleaseName {
    fn from(id: &StatementId) -> Self {
        Self::Id(*id)
    }
}

impl From<u64> for ReleaseName {
    fn from(sequence: u64) -> Self {
        Self::Sequence(sequence)
    }
}

impl From<Channel> for ReleaseName {
    fn from(channel: Channel) -> Self {
        Self::Channel(channel)
    }
}

impl From<&Channel> for ReleaseName {
    fn from(channel: &Channel) -> Self {
        Self::Channel(channel.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_a_plain_name() {
        assert_eq!(Channel::new("live").unwrap(), Channel::LIVE);
        assert_eq!("电影-1".parse::<Channel>().unwrap().to_string(), "电影-1");
        for bad in ["", "a b", "-x", "films@live"] {
            assert!(matches!(Channel::new(bad), Err(Error::Invalid(_))), "{bad:?}");
        }
    }
}
