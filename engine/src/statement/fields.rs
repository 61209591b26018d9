//! Tagged fields, for bodies that grow: a reader keeps unknown fields. This module owns their form and order,
//! not their meaning.
//!
//! ```text
//! field: tag u16 | length u16 | value
//! tag:   the number in the low 15 bits; the top bit marks the field as critical: a reader that does not know
//!        the number must not use the body at all
//! ```
//!
//! Fields ascend by number, each once.

use std::collections::BTreeMap;

use crate::{
    error::Result,
    limits::POLICY_FIELDS,
    statement::wire::{Reader, check_count},
};

/// The bit of a tag that marks the field as critical.
const CRITICAL: u16 = 0x8000;

/// A field that this version does not know, kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number, below 2¹⁵.
    pub number: u16,
    /// Whether a reader that does not know it must not use the body.
    pub critical: bool,
    /// Its value.
    pub value: Vec<u8>,
}

/// Fields to be encoded, by number.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<u16, (bool, Vec<u8>)>);

impl Fields {
    /// Adds a field of this version.
    pub(crate) fn put(&mut self, number: u16, value: impl Into<Vec<u8>>) {
        self.0.insert(number, (false, value.into()));
    }

    /// Adds a number where it is not zero: zero means that the field is not set.
    pub(crate) fn put_u64(&mut self, number: u16, value: u64) {
        if value != 0 {
            self.put(number, value.to_le_bytes());
        }
    }

    /// Adds fields that were unknown when they were read.
    pub(crate) fn put_unknown(&mut self, unknown: &[Field]) {
        for field in unknown {
            self.0.insert(field.number & !CRITICAL, (field.critical, field.value.clone()));
        }
    }

    /// Appends all of them.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for (number, (critical, value)) in &self.0 {
            let tag = number | if *critical { CRITICAL } else { 0 };
            out.extend_from_slice(&tag.to_le_bytes());
            out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(value);
        }
    }
}

/// Reads the remaining bytes as fields.
pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Vec<Field>> {
    let mut fields: Vec<Field> = Vec::new();
    while !reader.rest().is_empty() {
        let tag = reader.u16()?;
        let len = usize::from(reader.u16()?);
        let value = reader.bytes(len)?.to_vec();
        let number = tag & !CRITICAL;
        if fields.last().is_some_and(|before| before.number >= number) {
            return Err(reader.invalid("its fields must ascend by number, each once"));
        }
        fields.push(Field { number, critical: tag & CRITICAL != 0, value });
        check_count(fields.len(), POLICY_FIELDS, "fields")?;
    }
    Ok(fields)
}
