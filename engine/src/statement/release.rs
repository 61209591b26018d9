//! The body of a `release` statement: a manifest is a version of the library.
//!
//! ```text
//! parent count u8 | parents × [32], sorted | manifest [32] | message (len u16, UTF-8)
//! | if classes are listed: class count u8
//!     | class × (slot u8, name (len u16, UTF-8), commitment [32]), ascending
//! ```

use std::collections::BTreeSet;

use crate::{
    error::{Error, Result},
    id::{Commitment, LibraryId, ManifestId, StatementId},
    limits::{CLASS_NAME_BYTES, CLASSES, MESSAGE_BYTES, RELEASE_PARENTS},
    manifest::table::{ClassTable, is_class_name},
    statement::wire::{Reader, check_ascending, check_count, put_list, put_string},
};

/// A version of the library. Its publisher is the key that signed it.
///
/// The statement's sequence is above those of its parents and of its publisher's earlier releases. It is a
/// number for people and for order; no decision depends on it, because a node need not hold a release's
/// parents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The releases that it follows, sorted; none for a first release. If a release is effective, so are its
    /// parents.
    pub parents: Vec<StatementId>,
    /// The class table.
    pub manifest: ManifestId,
    /// The publisher's message: ≤ [`MESSAGE_BYTES`] bytes, lines allowed, no other control characters.
    pub message: String,
    /// The class table with names, ascending by slot, each name once: must hash to `manifest`. Empty where it
    /// is not needed: only a publisher that is limited to classes must show that it left the others as they
    /// were.
    pub classes: Vec<ReleaseClass>,
}

/// A class of a release, for nodes that cannot read its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseClass {
    /// Its slot in the table.
    pub slot: u8,
    /// Its name.
    pub name: String,
    /// Its header.
    pub commitment: Commitment,
}

impl Release {
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            parents: reader.list(RELEASE_PARENTS, |reader| Ok(StatementId::from_bytes(reader.array()?)))?,
            manifest: ManifestId::from_bytes(reader.array()?),
            message: reader.string(MESSAGE_BYTES)?,
            classes: if reader.rest().is_empty() { Vec::new() } else { decode_classes(reader)? },
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_list(out, &self.parents, |out, parent| out.extend_from_slice(parent.as_bytes()));
        out.extend_from_slice(self.manifest.as_bytes());
        put_string(out, &self.message);
        if !self.classes.is_empty() {
            put_list(out, &self.classes, |out, class| {
                out.push(class.slot);
                put_string(out, &class.name);
                out.extend_from_slice(class.commitment.as_bytes());
            });
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        check_count(self.parents.len(), RELEASE_PARENTS, "parents of a release")?;
        check_ascending(&self.parents, "the parents of a release")?;
        check_message(&self.message)?;
        self.check_classes()
    }

    fn check_classes(&self) -> Result<()> {
        if self.classes.is_empty() {
            return Ok(());
        }
        check_count(self.classes.len(), CLASSES, "classes of a release")?;
        if !self.classes.iter().all(|class| is_class_name(&class.name)) {
            return Err(Error::Invalid("a release lists a class by a name that no class may have".into()));
        }
        let mut names = BTreeSet::new();
        if let Some(class) = self.classes.iter().find(|class| !names.insert(&class.name)) {
            return Err(Error::Invalid(format!("a release lists class `{}` twice", class.name)));
        }
        let table = self.table();
        if ClassTable::decode(&table.encode()).is_err() {
            return Err(not_the_table());
        }
        Ok(())
    }

    /// Checks that the manifest is the table of the listed classes, as content of `library`.
    pub(super) fn check_table(&self, library: &LibraryId) -> Result<()> {
        if self.classes.is_empty() || self.table().id(library) == self.manifest {
            return Ok(());
        }
        Err(not_the_table())
    }

    /// The table of the listed classes.
    fn table(&self) -> ClassTable {
        ClassTable { classes: self.classes.iter().map(|class| (class.slot, class.commitment)).collect() }
    }
}

fn not_the_table() -> Error {
    Error::Invalid("the classes that a release lists are not those of its manifest".into())
}

fn decode_classes(reader: &mut Reader<'_>) -> Result<Vec<ReleaseClass>> {
    let classes = reader.list(CLASSES, |reader| {
        Ok(ReleaseClass {
            slot: reader.u8()?,
            name: reader.string(CLASS_NAME_BYTES)?,
            commitment: Commitment::from_bytes(reader.array()?),
        })
    })?;
    if classes.is_empty() {
        return Err(reader.invalid("an empty list of classes is left out"));
    }
    Ok(classes)
}

/// Checks the message of a release.
///
/// # Errors
///
/// [`Error::Invalid`] that names the broken rule.
pub fn check_message(message: &str) -> Result<()> {
    if message.len() > MESSAGE_BYTES {
        return Err(Error::Invalid(format!("a release's message is limited to {MESSAGE_BYTES} bytes")));
    }
    // A message is shown on terminals, so escape sequences are not allowed.
    if message.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        return Err(Error::Invalid("a release's message must not contain control characters".into()));
    }
    Ok(())
}
