//! Statements: anything anyone may say about a library, signed over its exact bytes.

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum StatementKind {
    /// Names the keys of a library's roles.
    Root = 1,
    /// Says that a manifest is a version of the library.
    Release = 2,
    /// Names the current release of a channel.
    Channel = 3,
    /// Grants a node verbs on classes.
    Member = 4,
    /// Lets whoever holds a key become a member.
    Ticket = 5,
    // 6 to 10 are kept for join, revoke, fresh, succession and checkpoint.
}
