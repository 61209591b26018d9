//! The entry of a path in a manifest.

use std::ops::Range;

use super::{
    extension,
    path::{EntryPath, LinkTarget},
};
pub use crate::chunk::ChunkRef;
use crate::{chunk::Profile, id::PageId, xattr::Xattrs};

/// Seconds and nanoseconds since 1970 UTC; nanoseconds < 10⁹.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds within the second.
    pub nanos: u32,
}

/// Sums over the items below a page or within an entry. They count with multiplicity: a chunk that is named
/// twice counts twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Entries (0 within a chunk tree).
    pub entries: u64,
    /// The entries that are files.
    pub files: u64,
    /// Chunks.
    pub chunks: u64,
    /// Bytes of file content.
    pub bytes: u64,
}

impl Sums {
    /// Adds two sums. `None` on overflow, which only forged pages cause.
    pub fn checked_add(self, other: Sums) -> Option<Sums> {
        Some(Sums {
            entries: self.entries.checked_add(other.entries)?,
            files: self.files.checked_add(other.files)?,
            chunks: self.chunks.checked_add(other.chunks)?,
            bytes: self.bytes.checked_add(other.bytes)?,
        })
    }
}

/// The chunks of a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// At most [`INLINE_CHUNKS`](crate::limits::INLINE_CHUNKS) chunks; no chunk for an empty file, a folder
    /// or a link.
    Inline(Vec<ChunkRef>),
    /// More chunks: the root of a chunk tree.
    Tree {
        /// The root page.
        root: PageId,
        /// Chunks below it.
        chunks: u64,
    },
}

impl Content {
    /// The number of chunks.
    pub fn chunks(&self) -> u64 {
        match self {
            Content::Inline(chunks) => chunks.len() as u64,
            Content::Tree { chunks, .. } => *chunks,
        }
    }
}

/// The type of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// A regular file.
    File = 1,
    /// A folder, empty or not. Folders of other classes are implied by the paths in them.
    Folder = 2,
    /// A symbolic link that points inside the release: see [`LinkTarget`].
    Symlink = 3,
}

/// Data of an entry in addition to the fixed fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    /// The type of the extension. Tags are sorted and unique within an entry.
    pub tag: u16,
    /// Whether a reader that does not know `tag` must refuse the entry. Unknown extensions that are not
    /// critical are kept unchanged.
    pub critical: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The entry of a path in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File, folder or symbolic link.
    pub kind: EntryKind,
    /// Bytes of content: the sum of the chunks' lengths; 0 for a folder or a link.
    pub size: u64,
    /// Modification time.
    pub mtime: Timestamp,
    /// Permission bits, at most 0o7777; for a link, [`Entry::LINK_MODE`].
    pub mode: u16,
    /// The profile by which the content is cut.
    pub profile: Profile,
    /// The content.
    pub content: Content,
    /// The target of a link; `None` for files and folders.
    pub target: Option<LinkTarget>,
    /// Extensions, sorted by tag. [`extension`] has the known tags.
    pub extensions: Vec<Extension>,
}

impl Entry {
    /// The mode of every link. Systems differ in the mode that they report for a link, and none of them uses
    /// it.
    pub const LINK_MODE: u16 = 0o777;

    /// The first path of the link group of the entry: a file of the same class, before this entry, that was
    /// the same file under another name where it was published. The first file of a group does not have this
    /// extension. A reader links the two only if kind, size, content, mode and time of both entries are
    /// equal.
    pub fn link_group(&self) -> Option<EntryPath> {
        let found = extension::find(&self.extensions, extension::LINK_GROUP)?;
        EntryPath::new(std::str::from_utf8(found).ok()?).ok()
    }

    /// The holes of a file: runs of zeros that took no disk space where the file was published. They are
    /// ascending, not adjacent to each other, and within the file. The chunks of the file contain the zeros
    /// too.
    pub fn holes(&self) -> Vec<Range<u64>> {
        extension::find(&self.extensions, extension::HOLES).map(extension::read_holes).unwrap_or_default()
    }

    /// The extended attributes of a file, if it was published with them.
    pub(crate) fn xattrs(&self) -> Xattrs {
        let found = extension::find(&self.extensions, extension::XATTRS);
        found.and_then(extension::read_xattrs).unwrap_or_default()
    }

    /// The first critical extension whose tag is not in `known`. A reader that finds one must refuse the
    /// entry. A node that only passes the entry on need not.
    pub fn unknown_critical(&self, known: &[u16]) -> Option<u16> {
        let unknown = |extension: &&Extension| extension.critical && !known.contains(&extension.tag);
        self.extensions.iter().find(unknown).map(|extension| extension.tag)
    }

    /// The contribution of the entry to the sums of a page.
    pub fn sums(&self) -> Sums {
        let files = u64::from(self.kind == EntryKind::File);
        Sums { entries: 1, files, chunks: self.content.chunks(), bytes: self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::testing::small;

    #[test]
    fn only_unknown_critical_extensions_are_returned() {
        let mut entry = small(1);
        let extension = |tag, critical| Extension { tag, critical, bytes: vec![] };
        entry.extensions = vec![extension(1, false), extension(2, true), extension(3, true)];
        assert_eq!(entry.unknown_critical(&[]), Some(2));
        assert_eq!(entry.unknown_critical(&[2]), Some(3));
        assert_eq!(entry.unknown_critical(&[2, 3]), None);
    }
}
