//! The answers of `home backup`, `home restore` and `home move`, and the backup in `status`.

use serde::{Deserialize, Serialize};

/// Answer of `home backup`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HomeBackedUp {
    /// The file.
    pub file: String,
    /// The node whose home it is.
    pub node: String,
    /// The time of the backup.
    pub time_ms: i64,
    /// The key files in it, by their path in the home.
    pub keys: Vec<String>,
    /// Key files that are not in it: links whose target is not there now.
    pub keys_absent: Vec<String>,
    /// Libraries of which the root statement is in it.
    pub libraries: u64,
    /// Peers in it.
    pub peers: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// Why the home has no note of this backup, so that `status` does not count it: its disk takes no writes.
    /// Absent if it has the note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unnoted: Option<String>,
}

/// Answer of `home restore`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HomeRestored {
    /// The home.
    pub home: String,
    /// The node that it is.
    pub node: String,
    /// The node's name.
    pub name: String,
    /// The time of the backup.
    pub time_ms: i64,
    /// The restored key files, by their path in the home.
    pub keys: Vec<String>,
    /// The ids of the libraries that the home knows. It signs nothing for a library before a peer has sent
    /// the library's statements.
    pub libraries: Vec<String>,
    /// Known peers.
    pub peers: u64,
}

/// Answer of `home move`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HomeMoved {
    /// The old folder, which is removed.
    pub from: String,
    /// The new folder, which is the home.
    pub to: String,
    /// Whether the home was copied to another file system by this call; otherwise it was renamed, or an
    /// earlier call had copied it.
    pub copied: bool,
    /// The number of copied files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The last backup of a home, in `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackupStatus {
    /// `none`: no backup was made. `current`: it has all keys. `outdated`: keys or libraries were added or
    /// changed since. Whether the file still exists is not known.
    pub state: String,
    /// The time of the last backup.
    pub time_ms: Option<i64>,
}
