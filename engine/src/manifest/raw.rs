//! Bounded little-endian reading and writing for the formats of this module. It does not know the meaning of
//! any field.

use crate::{
    error::{Error, Result},
    id::ID_LEN,
};

/// Reads fields from the front of a slice. A read past the end is an error that names `what`.
pub(super) struct FieldReader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> FieldReader<'a> {
    pub(super) fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { rest: bytes, what }
    }

    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The bytes that are not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(|| self.broken("ends early"))?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(|| self.broken("ends early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn id(&mut self) -> Result<[u8; ID_LEN]> {
        self.array()
    }

    /// Reads the format version. Fails if it is not `ours`.
    pub(super) fn version(&mut self, ours: u8) -> Result<()> {
        match self.u8()? {
            version if version == ours => Ok(()),
            version if version < ours => Err(self.broken(&format!(
                "is of format {version}, which this chuan does not read: publish it again, or pull it from a newer node"
            ))),
            version => Err(self.broken(&format!("is of format {version}: a newer chuan wrote it"))),
        }
    }

    /// Fails if bytes are left over.
    pub(super) fn finish(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.broken("has bytes left over")) }
    }

    /// An error about the format that is read.
    pub(super) fn broken(&self, rule: &str) -> Error {
        Error::Invalid(format!("malformed {}: it {rule}", self.what))
    }
}

/// Writes a length that the checks of the callers keep below 2¹⁶. A larger one becomes a value that no
/// decoder accepts.
pub(super) fn put_u16(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes());
}

/// Writes a count that the checks of the callers keep below 2⁸. A larger one becomes a value that no decoder
/// accepts.
pub(super) fn put_u8(out: &mut Vec<u8>, value: usize) {
    out.push(u8::try_from(value).unwrap_or(u8::MAX));
}
