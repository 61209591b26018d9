//! Paths within a library, checked once and then trusted by type.

/// A checked path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPath(String);
