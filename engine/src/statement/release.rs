//! The body of a `release` statement: a manifest is a version of the library.
//!
//! ```text
//! parent count u8 | parents × [32], sorted | manifest [32] | message (len u16, UTF-8)
//! ```

use crate::{
    error::{Error, Result},
    id::{ManifestId, StatementId},
    limits::{MESSAGE_BYTES, RELEASE_PARENTS},
    statement::wire::{Reader, check_ascending, check_count, put_list, put_string},
};

/// A version of the library. Its publisher is who signed it.
///
/// The statement's sequence is 1 + the highest of its parents': a number for people and for order, on which no
/// decision rests, because a node need not hold a release's parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The releases it follows, sorted; none for a first one. A valid release vouches for its parents.
    pub parents: Vec<StatementId>,
    /// The class table.
    pub manifest: ManifestId,
    /// What the publisher says of it: ≤ [`MESSAGE_BYTES`] bytes, lines allowed, no other control characters.
    pub message: String,
}

impl Release {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            parents: reader.list(RELEASE_PARENTS, |reader| Ok(StatementId::from_bytes(reader.array()?)))?,
            manifest: ManifestId::from_bytes(reader.array()?),
            message: reader.string(MESSAGE_BYTES)?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, &self.parents, |out, parent| out.extend_from_slice(parent.as_bytes()));
        out.extend_from_slice(self.manifest.as_bytes());
        put_string(out, &self.message);
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_count(self.parents.len(), RELEASE_PARENTS, "parents of a release")?;
        check_ascending(&self.parents, "the parents of a release")?;
        if self.message.len() > MESSAGE_BYTES {
            return Err(Error::Invalid(format!("a release's message is limited to {MESSAGE_BYTES} bytes")));
        }
        // A message is shown on terminals: escape sequences have no place in it.
        if self.message.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
            return Err(Error::Invalid("a release's message must not contain control characters".into()));
        }
        Ok(())
    }
}
