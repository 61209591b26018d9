//! The body of a `pins` statement: more revocations of a removed key than fit into a root. It is effective
//! because a root names it; its signature adds no authority. The body names the one key that signs, so that
//! no further signature can be added.
//!
//! ```text
//! signer [32] | key [32] | count u16, 1 to 1400 | statement ids × [32], sorted
//! ```

use crate::{
    error::{Error, Result},
    id::StatementId,
    limits::PIN_LIST_IDS,
    statement::{
        key::PublicKey,
        wire::{Reader, check_ascending, check_count},
    },
};

/// Revocations that stay effective although a root removed their key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    /// The key that signs the list: a key made for it.
    pub signer: PublicKey,
    /// The key that made the revocations.
    pub key: PublicKey,
    /// The revocations, sorted.
    pub statements: Vec<StatementId>,
}

impl Pins {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        let (signer, key) = (reader.key()?, reader.key()?);
        let count = usize::from(reader.u16()?);
        check_count(count, PIN_LIST_IDS, "pins of a list")?;
        let statements = (0..count).map(|_| Ok(StatementId::from_bytes(reader.array()?)));
        Ok(Self { signer, key, statements: statements.collect::<Result<_>>()? })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.signer.as_bytes());
        out.extend_from_slice(self.key.as_bytes());
        out.extend_from_slice(&u16::try_from(self.statements.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.statements.iter().for_each(|id| out.extend_from_slice(id.as_bytes()));
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_count(self.statements.len(), PIN_LIST_IDS, "pins of a list")?;
        check_ascending(&self.statements, "the pins of a list")?;
        if self.statements.is_empty() {
            return Err(Error::Invalid("a list of pins names at least one statement".into()));
        }
        Ok(())
    }
}
