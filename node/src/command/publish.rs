//! Options of `publish`, and of the part of it that a home does.

use std::path::PathBuf;

use chuan_engine::ingest::{MaxDelete, Patterns};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[group(skip)]
pub struct Publish {
    /// The folder or file to publish
    pub source: PathBuf,
    /// The library; founded here if the name is new
    #[arg(long, short = 'l', value_name = "NAME")]
    pub library: String,
    /// A line on what changed, kept in the release
    #[arg(long, short = 'm', default_value = "")]
    #[serde(default)]
    pub message: String,
    /// A TOML file that says which path is in which class of the library; kept by later publishes
    #[arg(long, value_name = "FILE")]
    #[serde(default)]
    pub policy: Option<PathBuf>,
    /// Leave out what matches, as in a .gitignore; may be given several times. Lists named .chuanignore in the folders count
    /// too, and this wins over them
    #[arg(long, value_name = "PATTERN")]
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Take what matches although other patterns leave it out; may be given several times
    #[arg(long, value_name = "PATTERN")]
    #[serde(default)]
    pub include: Vec<String>,
    /// Take what is left out unasked: .DS_Store, Thumbs.db, *.part and the like
    #[arg(long)]
    #[serde(default)]
    pub no_junk: bool,
    /// How much of what is published may be gone from the source: a share of files and bytes, or a number of files
    /// [default: 50%, and a few small files in any case]
    #[arg(long, value_name = "SHARE|COUNT", value_parser = parse_max_delete)]
    #[serde(default)]
    pub max_delete: Option<String>,
    /// What becomes of a file that is being written
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    #[serde(default)]
    pub growing: Growing,
    /// Read every file, also those whose size, times and inode have not changed
    #[arg(long)]
    #[serde(default)]
    pub check: bool,
    /// Changes nothing: what cannot be read never stops a publish
    #[arg(long, hide = true)]
    #[serde(default)]
    pub skip_unreadable: bool,
    /// Publish although nobody can say, or although it is known, that this home is behind what its key has signed
    #[arg(long)]
    #[serde(default)]
    pub force: bool,
    /// Say what would be published, changed and gone; write and sign nothing
    #[arg(long, short = 'n')]
    #[serde(default)]
    pub dry_run: bool,
}

/// What becomes of a file that is being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
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
    pub(crate) fn patterns(&self, (junk, policy): (bool, Vec<String>)) -> Patterns {
        let include = self.include.iter().map(|pattern| format!("!{pattern}"));
        let own = self.exclude.iter().cloned().chain(include).collect();
        Patterns { junk: junk && !self.no_junk, policy, own }
    }

    /// How much may be gone.
    pub(crate) fn max_delete(&self) -> Result<MaxDelete> {
        self.max_delete.as_deref().map_or(Ok(MaxDelete::default()), |text| Ok(text.parse()?))
    }
}

fn parse_max_delete(text: &str) -> Result<String, Failure> {
    let limit: MaxDelete = text.parse()?;
    Ok(limit.to_string())
}
