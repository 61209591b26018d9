//! The limits of a node that several of its modules share.

use std::time::Duration;

/// The maximum length of a file of the log in bytes; a record that would exceed it begins a new file.
pub(crate) const AUDIT_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// The maximum number of records between two checkpoints.
pub(crate) const AUDIT_CHECKPOINT_RECORDS: u64 = 100;
/// The maximum time between two checkpoints.
pub(crate) const AUDIT_CHECKPOINT_PERIOD: Duration = Duration::from_secs(10);
/// The maximum length of a line in bytes: a `status` of the largest libraries is far shorter.
pub(crate) const ADMIN_LINE_BYTES: usize = 64 * 1024 * 1024;

/// The maximum length of a request in bytes: an offer of statements is the largest.
pub(crate) const ADMIN_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// How long changes of the address book wait to be saved together.
pub(crate) const PEERS_SAVE_DELAY: Duration = Duration::from_secs(5);
/// How often a peer may change its own addresses in [`CLAIM_PERIOD`]. Later changes are ignored.
pub(crate) const CLAIMS: u32 = 8;
/// The time for which the changes of a peer's addresses are counted.
pub(crate) const CLAIM_PERIOD: Duration = Duration::from_secs(60);

/// How long a home that is being closed waits for the commands of its process before it cancels them.
pub(crate) const CLOSE_PATIENCE: Duration = Duration::from_secs(10);
/// How long it waits after that for the commands that it has cancelled.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(10);
/// How long all sources of a pull may be silent before it says for which it waits.
pub(crate) const PULL_SILENCE: Duration = Duration::from_secs(1);
/// How long a command waits for peers before it says for which.
pub(crate) const ASK_SILENCE: Duration = Duration::from_secs(1);
/// Followed libraries that are fetched at the same time.
pub(crate) const FOLLOW_PULLS: usize = 4;
/// How long a followed library may be fetched while another one waits. Its fetch continues after that one.
pub(crate) const FOLLOW_TURN: Duration = Duration::from_secs(30 * 60);
/// Statements of one key in the record of what it has signed on this machine: the newest ones.
pub(crate) const SIGNED_RECORD: usize = 64;
/// How often a serving node looks whether its home is still there.
pub(crate) const HOME_LOOK: Duration = Duration::from_secs(2);
