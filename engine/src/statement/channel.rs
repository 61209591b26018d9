//! The body of a `channel` statement: the current release of `live`, `canary`, `staging` …
//!
//! ```text
//! name (len u16, UTF-8) | release [32] | active [32] | follow u8 (0 or 1) | term [32], if there is one
//! ```

use crate::{
    error::Result,
    id::StatementId,
    limits::NAME_BYTES,
    statement::{
        key::PublicKey,
        wire::{Reader, check_name, put_string},
    },
};

/// The release to which a channel points. A rollback is a newer statement that names an older release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The channel.
    pub name: String,
    /// The release that is current.
    pub release: StatementId,
    /// The publisher that may move the channel on; operators always may.
    pub active: PublicKey,
    /// Whether the active publisher's newest release is meant to be the current one.
    pub follow: bool,
    /// The operator's channel statement under which a publisher moves the channel. `None` in an operator's
    /// statement, and as long as no operator has signed a statement on the channel.
    pub term: Option<StatementId>,
}

impl Channel {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            name: reader.string(NAME_BYTES)?,
            release: StatementId::from_bytes(reader.array()?),
            active: reader.key()?,
            follow: reader.bool()?,
            term: if reader.rest().is_empty() {
                None
            } else {
                Some(StatementId::from_bytes(reader.array()?))
            },
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, &self.name);
        out.extend_from_slice(self.release.as_bytes());
        out.extend_from_slice(self.active.as_bytes());
        out.push(u8::from(self.follow));
        if let Some(term) = &self.term {
            out.extend_from_slice(term.as_bytes());
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_name(&self.name, "the channel name")
    }
}
