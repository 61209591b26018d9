//! Options of `publish`, and of `ingest`, the part of it that the home does.

use std::path::PathBuf;

use chuan_engine::ingest::{MaxDelete, Patterns};
#[cfg(feature = "clap")]
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::exit::Result;

/// Options of `ingest`: the source to publish, and the facts about the signer that the home needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ingest {
    /// The id of the library, also of a library that the publish will found.
    pub library: String,
    /// The public keys of the publishers that will sign. The first is the publisher that the channel names.
    pub publishers: Vec<String>,
    /// The [`SaltKey`](chuan_engine::id::SaltKey) from which the salts of the classes are derived.
    pub salt: String,
    /// The options of `publish`.
    pub options: Publish,
}

/// Options of `publish`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Publish {
    /// The folder or file to publish
    pub source: PathBuf,
    /// The library; founded here if the name is new, see also --found
    #[cfg_attr(feature = "clap", arg(long, short = 'l', value_name = "NAME"))]
    pub library: String,
    /// The path of a single file in the library, like films/cut.mp4 [default: its name, at the top]
    #[cfg_attr(feature = "clap", arg(long = "as", value_name = "PATH"))]
    #[serde(default)]
    pub path: Option<String>,
    /// A line about the changes, kept in the release
    #[cfg_attr(feature = "clap", arg(long, short = 'm', default_value = ""))]
    #[serde(default)]
    pub message: String,
    /// A TOML file that assigns paths to the classes of the library; later publishes keep it
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// Leave out items that match, as in a .gitignore; may be repeated. Files named .chuanignore in the
    /// folders are read, too; this option wins over them
    #[cfg_attr(feature = "clap", arg(long, value_name = "PATTERN"))]
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Take items that match although other patterns leave them out; may be repeated
    #[cfg_attr(feature = "clap", arg(long, value_name = "PATTERN"))]
    #[serde(default)]
    pub include: Vec<String>,
    /// Take known junk, which is left out by default: .DS_Store, Thumbs.db, *.part and the like
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub no_junk: bool,
    /// How much of the published content may be gone from the source: a share of files and bytes, or a number
    /// of files [default: 50%, and a few small files in any case]
    #[cfg_attr(feature = "clap", arg(long, value_name = "SHARE|COUNT", value_parser = parse_max_delete))]
    #[serde(default)]
    pub max_delete: Option<String>,
    /// Whether to take a file that is being written
    #[cfg_attr(feature = "clap", arg(long, value_enum, default_value_t, value_name = "HOW"))]
    #[serde(default)]
    pub growing: Growing,
    /// Take the extended attributes of files, of the namespace `user`, up to 1 KiB a file
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub xattrs: bool,
    /// Read every file, also files whose size, times and inode have not changed
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub check: bool,
    /// Has no effect: an unreadable item never stops a publish
    #[cfg_attr(feature = "clap", arg(long, hide = true))]
    #[serde(default)]
    pub skip_unreadable: bool,
    /// Found the library although the home has another one: without it, a new name may be a mistyped one
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub found: bool,
    /// Found the library although there is nothing to publish
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub allow_empty: bool,
    /// Publish even if this home lacks statements of its own key, if no peer can be asked for them, or if the
    /// content does not seem to fit on the disk
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub force: bool,
    /// Print which files are new, changed, gone or in another class; write and sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n'))]
    #[serde(default)]
    pub dry_run: bool,
}

/// Whether to take a file that is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Growing {
    /// The file stays as it was published before, or out of the release
    #[default]
    Leave,
    /// The file is taken up to the size that it had when it was opened
    Take,
}

impl Publish {
    /// The patterns of the library's policy, followed by those of the command line.
    pub fn patterns(&self, (junk, policy): (bool, Vec<String>)) -> Patterns {
        let include = self.include.iter().map(|pattern| format!("!{pattern}"));
        let own = self.exclude.iter().cloned().chain(include).collect();
        Patterns { junk: junk && !self.no_junk, policy, own }
    }

    /// How much may be gone from the source.
    pub fn max_delete(&self) -> Result<MaxDelete> {
        self.max_delete.as_deref().map_or(Ok(MaxDelete::default()), |text| Ok(text.parse()?))
    }
}

#[cfg(feature = "clap")]
fn parse_max_delete(text: &str) -> Result<String> {
    let limit: MaxDelete = text.parse()?;
    Ok(limit.to_string())
}
