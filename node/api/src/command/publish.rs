//! Options of `publish`, and of the part of it that a home does.

use std::path::PathBuf;

use chuan_engine::ingest::{MaxDelete, Patterns};
#[cfg(feature = "clap")]
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::exit::Result;

/// Options of `ingest`: what is to be published, and what the home must know of who signs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ingest {
    /// The id of the library, also of one that is about to be founded.
    pub library: String,
    /// The public keys of the publishers that are to sign; the first is the one the channel names.
    pub publishers: Vec<String>,
    /// What the salts of the classes are made with: a [`SaltKey`](chuan_engine::id::SaltKey).
    pub salt: String,
    /// What, and how.
    pub options: Publish,
}

/// Options of `publish`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(Args))]
#[cfg_attr(feature = "clap", group(skip))]
pub struct Publish {
    /// The folder or file to publish
    pub source: PathBuf,
    /// The library; founded here if the name is new
    #[cfg_attr(feature = "clap", arg(long, short = 'l', value_name = "NAME"))]
    pub library: String,
    /// A line on what changed, kept in the release
    #[cfg_attr(feature = "clap", arg(long, short = 'm', default_value = ""))]
    #[serde(default)]
    pub message: String,
    /// A TOML file that says which path is in which class of the library; kept by later publishes
    #[cfg_attr(feature = "clap", arg(long, value_name = "FILE"))]
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// Leave out what matches, as in a .gitignore; may be given several times. Lists named .chuanignore in the folders count
    /// too, and this wins over them
    #[cfg_attr(feature = "clap", arg(long, value_name = "PATTERN"))]
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Take what matches although other patterns leave it out; may be given several times
    #[cfg_attr(feature = "clap", arg(long, value_name = "PATTERN"))]
    #[serde(default)]
    pub include: Vec<String>,
    /// Take what is left out unasked: .DS_Store, Thumbs.db, *.part and the like
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub no_junk: bool,
    /// How much of what is published may be gone from the source: a share of files and bytes, or a number of files
    /// [default: 50%, and a few small files in any case]
    #[cfg_attr(feature = "clap", arg(long, value_name = "SHARE|COUNT", value_parser = parse_max_delete))]
    #[serde(default)]
    pub max_delete: Option<String>,
    /// What becomes of a file that is being written
    #[cfg_attr(feature = "clap", arg(long, value_enum, default_value_t, value_name = "HOW"))]
    #[serde(default)]
    pub growing: Growing,
    /// Read every file, also those whose size, times and inode have not changed
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub check: bool,
    /// Changes nothing: what cannot be read never stops a publish
    #[cfg_attr(feature = "clap", arg(long, hide = true))]
    #[serde(default)]
    pub skip_unreadable: bool,
    /// Publish although nobody can say, or although it is known, that this home is behind what its key has signed
    #[cfg_attr(feature = "clap", arg(long))]
    #[serde(default)]
    pub force: bool,
    /// Say what would be published, changed and gone; write and sign nothing
    #[cfg_attr(feature = "clap", arg(long, short = 'n'))]
    #[serde(default)]
    pub dry_run: bool,
}

/// What becomes of a file that is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Growing {
    /// It stays as it was published, or out
    #[default]
    Leave,
    /// It is taken up to the size that it had when it was opened
    Take,
}

impl Publish {
    /// The patterns of the command line, behind those of the library's policy.
    pub fn patterns(&self, (junk, policy): (bool, Vec<String>)) -> Patterns {
        let include = self.include.iter().map(|pattern| format!("!{pattern}"));
        let own = self.exclude.iter().cloned().chain(include).collect();
        Patterns { junk: junk && !self.no_junk, policy, own }
    }

    /// How much may be gone.
    pub fn max_delete(&self) -> Result<MaxDelete> {
        self.max_delete.as_deref().map_or(Ok(MaxDelete::default()), |text| Ok(text.parse()?))
    }
}

#[cfg(feature = "clap")]
fn parse_max_delete(text: &str) -> Result<String> {
    let limit: MaxDelete = text.parse()?;
    Ok(limit.to_string())
}
