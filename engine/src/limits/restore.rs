//! The bounds of a restore.

/// Paths that a restore remembers out of order, at most. Paths above this limit are compared by the next
/// restore.
pub const RESTORE_LATE_PATHS: usize = 64 * 1024;
/// Link groups whose first path a restore does not write, at most. Files of more groups are written as
/// separate files.
pub const RESTORE_LINK_GROUPS: usize = 16 * 1024;
/// Files with several names for which a restore remembers its own changes, at most. Files above this limit
/// may have to wait for the next restore.
pub const RESTORE_CHANGED_FILES: usize = 16 * 1024;
/// Files with names that a restore has not reached yet, of which it remembers that one name stays, at most.
/// Names of more files may remain one file although the release has them as separate files.
pub const RESTORE_SHARED_FILES: usize = 256 * 1024;
/// Failures that a restore lists, at most. All failures are counted.
pub const RESTORE_FAILURES: usize = 1000;
/// Paths that a restore remembers as failed, at most. When this limit is reached, the restore links no more
/// files to others.
pub const RESTORE_FAILED_PATHS: usize = 64 * 1024;
/// Depth of nested folders that a restore removes as one unit, at most.
pub const RESTORE_REMOVED_DEPTH: usize = 256;
/// Bytes of a file from which on a restore bypasses the page cache: one full buffer of a direct write.
pub const RESTORE_DIRECT_BYTES: u64 = 4 * 1024 * 1024;
/// Files below this size are small: a restore writes several of them at once.
pub const RESTORE_SMALL_BYTES: u64 = 1024 * 1024;
/// Threads of a restore that write small files. The other two threads move files and fetch bytes, and the
/// kernel lets only one thread at a time change a folder: more threads would wait for each other.
pub const RESTORE_MAKERS: usize = 2;
/// Shares of small files that wait for a thread at most: about two batches, so that the next one can be
/// fetched meanwhile.
pub const RESTORE_QUEUE_SHARES: usize = 16;
