//! The extensions of entries that this version knows, and their encoding.
//!
//! ```text
//! tag  name        of      bytes
//!   1  link group  a file  the path of the group's first file: of the same class, before this entry
//!   2  holes       a file  1 to 128 holes, each: start (8), length (8), little-endian;
//!                          ascending, not adjacent, none empty, within the file
//!   3  xattrs      of a file  extended attributes of the namespace `user`, each: name length (1), name without
//!                             the namespace, value length (2, little-endian), value; ascending by name, none
//!                             twice, no name empty or with a zero byte; 1 to 1,024 bytes in all
//! ```
//!
//! None of these extensions is critical: a reader that does not know one restores the same bytes under the
//! same name. A known extension that is malformed makes the entry malformed. Extensions with unknown tags are
//! kept unchanged.

use std::ops::Range;

use super::{
    entry::{EntryKind, Extension},
    path,
};
use crate::{
    error::{Error, Result},
    limits::{HOLES as HOLES_MAX, XATTR_BYTES},
    xattr::Xattrs,
};

/// The tag of the link group.
pub const LINK_GROUP: u16 = 1;
/// The tag of the holes.
pub const HOLES: u16 = 2;
/// The tag of extended attributes.
pub const XATTRS: u16 = 3;

/// Bytes of one hole.
const HOLE_BYTES: usize = 16;

/// The properties of the entry that an extension belongs to.
pub(super) struct EntryFacts<'a> {
    pub(super) kind: EntryKind,
    pub(super) size: u64,
    pub(super) path: &'a str,
}

impl Extension {
    /// The extension for a file that is the same as the file at `first`, under another name.
    pub fn link_group(first: &str) -> Self {
        Self { tag: LINK_GROUP, critical: false, bytes: first.as_bytes().to_vec() }
    }

    /// The extension for the holes of a file; `None` if there is no hole. If there are more holes than an
    /// entry may have, the largest are kept, and of equally large ones the first. Holes that are left out are
    /// only zeros that take disk space.
    pub fn holes(mut holes: Vec<Range<u64>>) -> Option<Self> {
        if holes.len() > HOLES_MAX {
            holes.sort_by_key(|hole| (std::cmp::Reverse(hole.end - hole.start), hole.start));
            holes.truncate(HOLES_MAX);
            holes.sort_by_key(|hole| hole.start);
        }
        let bytes: Vec<u8> = holes
            .iter()
            .flat_map(|hole| [hole.start, hole.end - hole.start])
            .flat_map(u64::to_le_bytes)
            .collect();
        (!bytes.is_empty()).then_some(Self { tag: HOLES, critical: false, bytes })
    }

    /// The extension for the extended attributes of a file, in the order of their names as long as they fit;
    /// `None` if there is none. Also returns whether all fit.
    pub(crate) fn xattrs(found: &Xattrs) -> (Option<Self>, bool) {
        let (mut bytes, mut is_whole) = (Vec::new(), true);
        for (name, value) in found {
            let (Ok(name_len), Ok(len)) = (u8::try_from(name.len()), u16::try_from(value.len())) else {
                is_whole = false;
                continue;
            };
            if bytes.len() + 3 + name.len() + value.len() > XATTR_BYTES {
                is_whole = false;
                continue;
            }
            bytes.push(name_len);
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(value);
        }
        ((!bytes.is_empty()).then_some(Self { tag: XATTRS, critical: false, bytes }), is_whole)
    }
}

/// The bytes of the extension with this tag.
pub(super) fn find(extensions: &[Extension], tag: u16) -> Option<&[u8]> {
    extensions.iter().find(|extension| extension.tag == tag).map(|extension| extension.bytes.as_slice())
}

/// Decodes the holes from these bytes.
pub(super) fn read_holes(bytes: &[u8]) -> Vec<Range<u64>> {
    let (holes, _) = bytes.as_chunks::<HOLE_BYTES>();
    let hole = |bytes: &[u8; HOLE_BYTES]| {
        let [a, b, c, d, e, f, g, h, len @ ..] = *bytes;
        let start = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        start..start.saturating_add(u64::from_le_bytes(len))
    };
    holes.iter().map(hole).collect()
}

/// Decodes extended attributes; `None` if they are malformed.
pub(super) fn read_xattrs(bytes: &[u8]) -> Option<Xattrs> {
    let mut found = Xattrs::new();
    let mut rest = bytes;
    while let Some((name_len, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked((*name_len).into())?;
        let (len, after) = after.split_first_chunk()?;
        let (value, after) = after.split_at_checked(u16::from_le_bytes(*len).into())?;
        let is_after = found.last_key_value().is_none_or(|(last, _)| last.as_slice() < name);
        if name.is_empty() || name.contains(&0) || !is_after {
            return None;
        }
        found.insert(name.to_vec(), value.to_vec());
        rest = after;
    }
    (!found.is_empty() && bytes.len() <= XATTR_BYTES).then_some(found)
}

/// Checks an extension with a known tag. Accepts an extension with any other tag.
pub(super) fn check(tag: u16, critical: bool, bytes: &[u8], owner: &EntryFacts<'_>) -> Result<()> {
    let rule = match tag {
        LINK_GROUP | HOLES | XATTRS if critical => "its extension may not be critical",
        LINK_GROUP | HOLES if owner.kind != EntryKind::File => "only files have a link group or holes",
        LINK_GROUP if !is_link_group(bytes, owner.path) => "its link group is not a path before it",
        HOLES if !are_holes(bytes, owner.size) => "its holes are malformed",
        _ => return Ok(()),
    };
    Err(Error::Invalid(format!("malformed entry: {rule}")))
}

fn is_link_group(bytes: &[u8], path: &str) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|first| first < path && path::check(first).is_ok())
}

fn are_holes(bytes: &[u8], size: u64) -> bool {
    let holes = read_holes(bytes);
    // The end of the hole before. The first hole may start at the start of the file.
    let mut last = None;
    let in_order = holes.iter().all(|hole| {
        let follows = last.is_none_or(|last| hole.start > last);
        last = Some(hole.end);
        follows && hole.start < hole.end
    });
    let is_whole = !holes.is_empty() && holes.len() * HOLE_BYTES == bytes.len();
    is_whole && holes.len() <= HOLES_MAX && in_order && last.is_some_and(|last| last <= size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::testing::small;

    #[test]
    fn holes_are_read_as_they_were_written() {
        let holes = vec![0..4096, 8192..10_000];
        let extension = Extension::holes(holes.clone()).unwrap();
        let mut entry = small(1);
        entry.extensions = vec![extension];
        assert_eq!(entry.holes(), holes);
        assert_eq!(Extension::holes(Vec::new()), None);
        assert_eq!(small(1).holes(), []);
    }

    #[test]
    fn of_too_many_holes_the_largest_are_kept_in_order() {
        let holes: Vec<_> = (0..HOLES_MAX as u64 + 40)
            .map(|n| n * 100_000..n * 100_000 + if n % 4 == 0 { 5000 } else { 9000 })
            .collect();
        let kept = read_holes(&Extension::holes(holes.clone()).unwrap().bytes);
        assert_eq!(kept.len(), HOLES_MAX);
        assert!(kept.is_sorted_by_key(|hole| hole.start) && kept.iter().all(|hole| holes.contains(hole)));
        let large = |hole: &&Range<u64>| hole.end - hole.start == 9000;
        assert_eq!(kept.iter().filter(large).count(), holes.iter().filter(large).count());
    }

    #[test]
    fn xattrs_are_read_as_they_were_written_and_what_does_not_fit_is_left_out() {
        let found = Xattrs::from([(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), Vec::new())]);
        let (extension, is_whole) = Extension::xattrs(&found);
        let bytes = extension.unwrap().bytes;
        assert!(is_whole && bytes == b"\x01a\x01\x001\x01b\x00\x00");
        assert_eq!(read_xattrs(&bytes), Some(found.clone()));
        for cut in 1..bytes.len() {
            let is_whole_one = cut == 5;
            assert_eq!(read_xattrs(&bytes[..cut]).is_some(), is_whole_one, "{cut}");
        }
        let twice = [&bytes[..5], &bytes[..5]].concat();
        for malformed in [&b""[..], b"\x00\x00\x00", b"\x01\x00\x00\x00", &twice] {
            assert_eq!(read_xattrs(malformed), None, "{malformed:?}");
        }
        let mut large = found;
        large.insert(b"a2".to_vec(), vec![7; XATTR_BYTES]);
        let (extension, is_whole) = Extension::xattrs(&large);
        assert!(!is_whole && extension.unwrap().bytes == bytes);
        assert_eq!(Extension::xattrs(&Xattrs::new()), (None, true));
    }

    #[test]
    fn a_hole_whose_end_overflows_is_refused() {
        let bytes = [8u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        assert!(!are_holes(&bytes, u64::MAX - 1));
    }
}
