//! The fixed fields at the front of an envelope, read without the rest: they decide whether a statement of an
//! unknown sender is worth decoding. Costs no more than one hash of the signed bytes, and allocates nothing.

use crate::{
    error::{Error, Result},
    id::{LibraryId, StatementId},
    limits::STATEMENT_BYTES,
    statement::{StatementKind, envelope::decode_start, wire::Reader},
};

/// The first sixty bytes of an envelope. The bytes behind them are not checked.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    kind: Option<StatementKind>,
    library: Option<LibraryId>,
    signed: &'a [u8],
}

impl<'a> Heading<'a> {
    /// Reads the heading of an untrusted envelope.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the bytes are not an envelope of this format, are more than a statement may
    /// have, or end within the body that they announce. An unknown kind is not an error.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "statement");
        if bytes.len() > STATEMENT_BYTES {
            return Err(
                reader.invalid(format!("{} bytes; at most {STATEMENT_BYTES} are allowed", bytes.len()))
            );
        }
        let (tag, library) = decode_start(&mut reader)?;
        let (_sequence, _time_ms) = (reader.u64()?, reader.i64()?);
        let body = reader.u32()?;
        reader.bytes(usize::try_from(body).unwrap_or(usize::MAX))?;
        let kind = StatementKind::from_tag(tag).ok();
        if library.is_none() && kind != Some(StatementKind::Root) {
            return Err(Error::Invalid("malformed statement: it names no library".into()));
        }
        let signed = bytes.get(..bytes.len().saturating_sub(reader.rest().len())).unwrap_or_default();
        Ok(Self { kind, library, signed })
    }

    /// Its kind; `None` for a kind that this version does not know.
    pub const fn kind(&self) -> Option<StatementKind> {
        self.kind
    }

    /// The library that it names; for a first root, the library that it founds, which takes a hash of the
    /// signed bytes.
    pub fn library(&self) -> LibraryId {
        self.library.unwrap_or_else(|| LibraryId::of(self.signed))
    }

    /// The statement's id: the hash of the signed bytes.
    pub fn id(&self) -> StatementId {
        StatementId::of(self.signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::{
        Body, Revoke, Statement,
        tests::{NOW, found, key, sign},
    };

    #[test]
    fn a_heading_agrees_with_the_whole_statement() {
        let (library, root) = found();
        let revoke = Body::Revoke(Revoke { node: key(4).node(), reason: "lost".into(), up_to: 1 });
        for statement in [root, sign(library, revoke, 3, NOW, &[&key(2)])] {
            let heading = Heading::read(statement.bytes()).unwrap();
            assert_eq!(heading.kind(), Some(statement.kind()));
            assert_eq!((heading.library(), heading.id()), (statement.library(), statement.id()));
            // The bytes behind the signed ones are not checked.
            let with_other_signatures = [heading.signed, &[0xff; 7]].concat();
            assert_eq!(Heading::read(&with_other_signatures).unwrap().id(), statement.id());
            assert!(Statement::decode(&with_other_signatures).is_err());
            for end in 0..heading.signed.len() {
                assert!(Heading::read(&heading.signed[..end]).is_err(), "{end} bytes passed");
            }
        }
    }

    #[test]
    fn a_kind_of_a_later_version_is_not_damage() {
        let (library, _) = found();
        let revoke = Body::Revoke(Revoke { node: key(4).node(), reason: String::new(), up_to: 1 });
        let mut bytes = sign(library, revoke, 3, NOW, &[&key(2)]).bytes().to_vec();
        bytes[5] = 63;
        let heading = Heading::read(&bytes).unwrap();
        assert_eq!((heading.kind(), heading.library()), (None, library));
        assert!(Statement::decode(&bytes).is_err());
        bytes[0] ^= 1;
        assert!(Heading::read(&bytes).is_err());
        // Only a first root names no library.
        bytes[0] ^= 1;
        bytes[8..40].fill(0);
        assert!(Heading::read(&bytes).is_err());
    }
}
