//! The answer of `restore`.

use serde::{Deserialize, Serialize};

use super::Lag;

/// A path that could not be restored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailureRow {
    /// The path; bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub reason: String,
    /// `missing` or `corrupt`: this node does not hold all its data; `gaps`: it cannot be written to the
    /// folder.
    pub code: String,
}

/// Answer of `restore`. A dry run fills in the same fields and changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Restored {
    /// The library's id.
    #[serde(default)]
    pub library: String,
    /// Its label.
    #[serde(default)]
    pub library_name: String,
    /// The release.
    pub release: String,
    /// The channel that the request named; null if it named a release.
    #[serde(default)]
    pub channel: Option<String>,
    /// Seconds since enough timekeepers vouched for that channel; null if too few did.
    #[serde(default)]
    pub fresh_age_seconds: Option<u64>,
    /// How many keys the library's root names as timekeepers. Without one, nothing is ever vouched for.
    #[serde(default)]
    pub timekeepers: u64,
    /// The release of that channel here, and the announced release; absent if the request named a release.
    #[serde(flatten)]
    pub lag: Option<Lag>,
    /// The destination folder.
    pub dest: String,
    /// Whether this was a dry run, which changes nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Files that are as in the release; with `--path`, only files that match.
    pub files: u64,
    /// Files that were written.
    pub files_written: u64,
    /// Files that were right already.
    pub files_unchanged: u64,
    /// Files that are hard links to other files of the release.
    #[serde(default)]
    pub files_linked: u64,
    /// Files whose extended attributes in the release were not restored, since that was not requested.
    #[serde(default)]
    pub xattrs_left: u64,
    /// Bytes of all those files.
    pub bytes_total: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Bytes among them that were copied from the old file at the same path.
    pub bytes_reused: u64,
    /// Folders that are as in the release.
    #[serde(default)]
    pub folders: u64,
    /// Symbolic links that are as in the release.
    #[serde(default)]
    pub links: u64,
    /// Files and links that were removed.
    #[serde(default)]
    pub files_removed: u64,
    /// Folders that were removed.
    #[serde(default)]
    pub folders_removed: u64,
    /// Files and links that stay although the release does not have them.
    #[serde(default)]
    pub files_left: u64,
    /// Folders that stay although the release does not have them, without those in a folder of the user.
    #[serde(default)]
    pub folders_left: u64,
    /// The paths that could not be restored: the first 1,000, in path order.
    #[serde(default)]
    pub failures: Vec<FailureRow>,
    /// How many paths could not be restored.
    #[serde(default)]
    pub failures_total: u64,
    /// The worst `code` of them; null if all paths were restored.
    #[serde(default)]
    pub failure: Option<String>,
    /// Classes of the release that are not granted to this node.
    #[serde(default)]
    pub classes_absent: u64,
    /// Classes that were left out, because the last vouch for the channel is older than they allow
    /// (`max_stale`).
    #[serde(default)]
    pub classes_stale: Vec<String>,
    /// Duration of the restore.
    pub seconds: f64,
}
