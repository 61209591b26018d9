//! The body of a `fresh` statement: a timekeeper confirms the current statement of a channel.
//!
//! ```text
//! channel (len u16, UTF-8) | statement [32]
//! ```

use crate::{
    error::Result,
    id::StatementId,
    limits::NAME_BYTES,
    statement::wire::{Reader, check_name, put_string},
};

/// States that at the time of the statement no newer statement on a channel was known. Of each timekeeper the
/// newest is effective.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The channel.
    pub channel: String,
    /// The channel statement that was current.
    pub statement: StatementId,
}

impl Fresh {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self { channel: reader.string(NAME_BYTES)?, statement: StatementId::from_bytes(reader.array()?) })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.channel);
        out.extend_from_slice(self.statement.as_bytes());
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.channel, "the channel name")
    }
}
