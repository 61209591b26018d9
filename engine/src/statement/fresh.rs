//! The body of a `fresh` statement: a timekeeper saw where a channel stands.
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

/// Vouches that at the time of the statement nothing newer was known of a channel. Of each timekeeper the newest counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The channel.
    pub channel: String,
    /// The channel statement that stood.
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
