//! Statements of one library in a file, to carry them to a machine without a network and back. This module
//! owns the form; a [`Library`](super::Library) decides which statements are effective.
//!
//! ```text
//! magic "CHBD" | version u8 = 1 | zero [3] | library [32]
//! | count u32, ≤ 2¹⁸ | statements × (length u32, envelope), each once
//! ```

use std::collections::BTreeSet;

use crate::{
    error::{Error, Result},
    id::LibraryId,
    limits::{BUNDLE_BYTES, BUNDLE_STATEMENTS},
    statement::{Heading, Statement, wire::Reader},
};

const MAGIC: &[u8; 4] = b"CHBD";
const VERSION: u8 = 1;

/// Statements of one library, only parsed: their signatures are not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The library.
    pub library: LibraryId,
    /// Its statements, each once; in files that Chuan writes, each after the statements that prove it.
    pub statements: Vec<Statement>,
}

impl Bundle {
    /// Reads an untrusted file. Statements of unknown kinds are left out.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes, "bundle of statements");
        if bytes.len() > BUNDLE_BYTES {
            return Err(reader.invalid(format!("more than {BUNDLE_BYTES} bytes")));
        }
        if reader.array::<4>()? != *MAGIC {
            return Err(reader.invalid("it does not begin with \"CHBD\""));
        }
        if reader.array::<4>()? != [VERSION, 0, 0, 0] {
            return Err(reader.invalid("unknown version: a newer chuan wrote this"));
        }
        let library = LibraryId::from_bytes(reader.array()?);
        let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        if count > BUNDLE_STATEMENTS {
            return Err(
                reader.invalid(format!("{count} statements; at most {BUNDLE_STATEMENTS} are allowed"))
            );
        }
        let mut statements = Vec::new();
        let mut unknown = 0u32;
        for _ in 0..count {
            let bytes = read_envelope(&mut reader)?;
            match Heading::read(bytes)?.kind() {
                Some(_) => statements.push(Statement::decode(bytes)?),
                None => unknown += 1,
            }
        }
        if unknown > 0 {
            tracing::warn!(unknown, "statements of unknown kinds are left out");
        }
        reader.finish()?;
        let bundle = Self { library, statements };
        bundle.check()?;
        Ok(bundle)
    }

    /// The file. Fails where a statement is of another library or is listed twice, or where there are too
    /// many.
    pub fn encode(&self) -> Result<Vec<u8>> {
        self.check()?;
        let count = u32::try_from(self.statements.len()).unwrap_or(u32::MAX);
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&[VERSION, 0, 0, 0]);
        out.extend_from_slice(self.library.as_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        self.statements.iter().for_each(|statement| put_statement(&mut out, statement));
        if self.statements.len() > BUNDLE_STATEMENTS || out.len() > BUNDLE_BYTES {
            return Err(Error::Invalid(format!(
                "{count} statements of {} bytes are more than a bundle holds",
                out.len()
            )));
        }
        Ok(out)
    }

    fn check(&self) -> Result<()> {
        let mut seen = BTreeSet::new();
        for statement in &self.statements {
            if statement.library() != self.library {
                return Err(Error::Invalid(format!(
                    "malformed bundle of statements: {} {} is of library {}, not of {}",
                    statement.kind().name(),
                    statement.id().short(),
                    statement.library().short(),
                    self.library.short()
                )));
            }
            if !seen.insert(statement.id()) {
                return Err(Error::Invalid(
                    "malformed bundle of statements: a statement is listed twice".into(),
                ));
            }
        }
        Ok(())
    }
}

/// Appends an envelope after its length.
pub(super) fn put_statement(out: &mut Vec<u8>, statement: &Statement) {
    let bytes = statement.bytes();
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads the output of [`put_statement`].
pub(super) fn read_statement(reader: &mut Reader<'_>) -> Result<Statement> {
    Statement::decode(read_envelope(reader)?)
}

fn read_envelope<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8]> {
    let len = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    reader.bytes(len)
}
