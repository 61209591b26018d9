//! The class table and the class header. A release names the table, the table names the headers, and a header
//! names the root of an entry tree.
//!
//! ```text
//! table, ManifestId::of all its bytes         header, Commitment::of all its bytes  (and of the library)
//! offset  bytes                               offset  bytes
//!      0      4  magic "CHTB"                      0      4  magic "CHCL"
//!      4      1  format version, 2                 4      1  format version, 2
//!      5      1  classes, 1 to 64                  5      1  slot, < 64
//!      6     33  each: slot (1), Commitment        6      1  level of the root page
//!                (32); ascending by slot           7      1  bytes of the name, n
//!                                                  8     32  salt
//!                                                 40     32  root PageId of the entry tree
//!                                                 72      8  entries
//!                                                 80      8  of these, files
//!                                                 88      8  chunks, with multiplicity
//!                                                 96      8  bytes of content
//!                                                104      2  bytes of the policy, p
//!                                                106      n  name
//!                                              106+n      p  policy
//! ```
//!
//! Both are stored among the pages of a store, under [`ManifestId::as_page`] and [`Commitment::as_page`].

use bytes::Bytes;

use super::{
    PageSource,
    entry::Sums,
    item,
    page::{Expect, TreeKind},
    raw::{FieldReader, put_u8, put_u16},
};
use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, PageId, Salt},
    limits::{CLASS_NAME_BYTES, CLASS_POLICY_BYTES, CLASSES, TREE_LEVELS},
    text::is_invisible,
};

const TABLE_MAGIC: [u8; 4] = *b"CHTB";
const HEADER_MAGIC: [u8; 4] = *b"CHCL";
const VERSION: u8 = 2;

/// The slot and name of the class `default`, the only class that the first version writes.
pub const DEFAULT_CLASS: (u8, &str) = (0, "default");

/// The classes of a manifest. A release names this table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassTable {
    /// Slot and commitment of each class, ascending by slot; 1 to [`CLASSES`].
    pub classes: Vec<(u8, Commitment)>,
}

impl ClassTable {
    /// Encodes the canonical bytes. For a table that [`decode`](Self::decode) would refuse, the bytes are
    /// refused too.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::from(TABLE_MAGIC);
        out.push(VERSION);
        put_u8(&mut out, self.classes.len());
        for (slot, commitment) in &self.classes {
            out.push(*slot);
            out.extend_from_slice(commitment.as_bytes());
        }
        out
    }

    /// Decodes the canonical bytes of a table.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if they are not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = FieldReader::new(bytes, "class table");
        begin(&mut reader, TABLE_MAGIC)?;
        let count = usize::from(reader.u8()?);
        if count == 0 || count > CLASSES {
            return Err(reader.broken("has no class, or more than 64"));
        }
        let classes = (0..count)
            .map(|_| Ok((reader.u8()?, Commitment::from_bytes(reader.id()?))))
            .collect::<Result<Vec<_>>>()?;
        let in_range = classes.iter().all(|(slot, _)| usize::from(*slot) < CLASSES);
        if !in_range || !classes.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(reader.broken("has slots out of order or range"));
        }
        reader.finish()?;
        Ok(Self { classes })
    }

    /// The id of the table in a library.
    pub fn id(&self, library: &LibraryId) -> ManifestId {
        ManifestId::of(library, &self.encode())
    }

    /// Reads a table from a source of pages.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if it is not held, [`Error::Invalid`] if it is malformed.
    pub fn load<S: PageSource + ?Sized>(source: &S, id: &ManifestId) -> Result<Self> {
        Self::decode(&named(source, &id.as_page(), |bytes| ManifestId::of(&source.owner(), bytes) == *id)?)
    }
}

/// One class of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassHeader {
    /// The class's name: 1 to [`CLASS_NAME_BYTES`] bytes of visible UTF-8 without `*?[]{},/`.
    pub name: String,
    /// Its slot. All its pages have the same slot.
    pub slot: u8,
    /// Prevents a node that may not read the class from confirming a guess at its content:
    /// [`Salt::of_class`].
    pub salt: Salt,
    /// The root page of the entry tree.
    pub root: PageId,
    /// The root page's level.
    pub level: u8,
    /// The sums over the whole entry tree.
    pub sums: Sums,
    /// The class's policy, at most [`CLASS_POLICY_BYTES`]; empty for none.
    pub policy: Vec<u8>,
}

impl ClassHeader {
    /// Encodes the canonical bytes. For a header that [`decode`](Self::decode) would refuse, the bytes are
    /// refused too.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::from(HEADER_MAGIC);
        out.extend_from_slice(&[VERSION, self.slot, self.level]);
        put_u8(&mut out, self.name.len());
        out.extend_from_slice(self.salt.as_bytes());
        out.extend_from_slice(self.root.as_bytes());
        for sum in [self.sums.entries, self.sums.files, self.sums.chunks, self.sums.bytes] {
            out.extend_from_slice(&sum.to_le_bytes());
        }
        put_u16(&mut out, self.policy.len());
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(&self.policy);
        out
    }

    /// Decodes the canonical bytes of a header.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if they are not canonical, or have values that no class can have.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = FieldReader::new(bytes, "class header");
        begin(&mut reader, HEADER_MAGIC)?;
        let (slot, level, name_len) = (reader.u8()?, reader.u8()?, usize::from(reader.u8()?));
        let (salt, root) = (Salt::from_bytes(reader.id()?), PageId::from_bytes(reader.id()?));
        let sums = item::read_sums(&mut reader)?;
        let policy_len = usize::from(reader.u16()?);
        if usize::from(slot) >= CLASSES || level >= TREE_LEVELS {
            return Err(reader.broken("has a slot or level out of range"));
        }
        if !item::are_plausible(&sums) {
            return Err(reader.broken("has impossible sums"));
        }
        if name_len > CLASS_NAME_BYTES || policy_len > CLASS_POLICY_BYTES {
            return Err(reader.broken("has too long a name or policy"));
        }
        let name = match std::str::from_utf8(reader.take(name_len)?) {
            Ok(name) if is_class_name(name) => name.to_owned(),
            _ => return Err(reader.broken("has an invalid class name")),
        };
        let policy = reader.take(policy_len)?.to_vec();
        reader.finish()?;
        Ok(Self { name, slot, salt, root, level, sums, policy })
    }

    /// The id of the header in a library: the commitment of the class.
    pub fn id(&self, library: &LibraryId) -> Commitment {
        Commitment::of(library, &self.encode())
    }

    /// The expectations for the root page.
    pub fn expect(&self) -> Expect {
        let mut expect = Expect::root(TreeKind::Entries);
        (expect.slot, expect.level, expect.sums) = (Some(self.slot), Some(self.level), Some(self.sums));
        expect
    }

    /// Reads a header from a source of pages.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if it is not held, [`Error::Invalid`] if it is malformed.
    pub fn load<S: PageSource + ?Sized>(source: &S, id: &Commitment) -> Result<Self> {
        Self::decode(&named(source, &id.as_page(), |bytes| Commitment::of(&source.owner(), bytes) == *id)?)
    }
}

/// Whether `name` is a valid class name.
pub fn is_class_name(name: &str) -> bool {
    // The same rule as for patterns of grants: a class with a name that no pattern can contain could never be
    // granted.
    let refused = |c: char| c.is_control() || c.is_whitespace() || is_invisible(c) || "*?[]{},/".contains(c);
    !name.is_empty() && name.len() <= CLASS_NAME_BYTES && !name.chars().any(refused)
}

fn begin(reader: &mut FieldReader<'_>, magic: [u8; 4]) -> Result<()> {
    if reader.array()? != magic {
        return Err(reader.broken("does not begin with the right magic bytes"));
    }
    reader.version(VERSION)
}

/// Reads the bytes that are stored under a page id, and checks that they were hashed as the expected kind.
/// Tables, headers and pages share one key space in the store.
fn named<S: PageSource + ?Sized>(source: &S, id: &PageId, is: impl Fn(&[u8]) -> bool) -> Result<Bytes> {
    let bytes = source.page(id)?;
    if is(&bytes) {
        Ok(bytes)
    } else {
        Err(Error::Invalid(format!("{} names a page of another kind", id.short())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::Classes;

    /// Symptom: a class could have a name that no grant could contain. Cause: the name had an invisible
    /// character.
    #[test]
    fn every_class_can_be_granted_by_its_name() {
        for c in ('\0'..='\u{3000}').chain(['\u{feff}', '电']) {
            let name = format!("a{c}b");
            assert!(!is_class_name(&name) || Classes::new(vec![name.clone()]).is_ok(), "{c:?}");
        }
    }
}
