//! The tools that take a folder into a store of their own: Chuan with `publish`, and three backup tools.
//!
//! None of them encrypts or compresses if that can be turned off; casync always compresses.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};
use chuan_benches::process;
use chuan_tests::program::Home;

use crate::{
    chuan::LIBRARY,
    measure::{Measured, local},
    row::Tool,
};

/// A store that takes in a folder repeatedly.
#[derive(Debug)]
pub(crate) struct Archive {
    tool: Tool,
    dir: PathBuf,
    taken: u32,
}

impl Archive {
    /// Creates an empty store in `dir`, which must not exist yet.
    pub(crate) fn open(tool: Tool, dir: &Path) -> Result<Self> {
        fs::create_dir(dir)?;
        let archive = Self { tool, dir: dir.to_owned(), taken: 0 };
        match tool {
            Tool::Chuan => {
                Home::init(archive.store(), "origin", "origin")?;
            }
            Tool::Restic => {
                process::run(archive.program().arg("init"))?;
            }
            Tool::Borg => {
                process::run(archive.program().args(["init", "--encryption=none"]).arg(archive.store()))?;
            }
            _ => {}
        }
        Ok(archive)
    }

    /// Takes in `folder`.
    pub(crate) fn take(&mut self, folder: &Path) -> Result<Measured> {
        self.taken += 1;
        let store = self.store();
        let mut command = match self.tool {
            Tool::Chuan => Home::at(&store)?.command(["-q", "publish", "--library", LIBRARY]),
            Tool::Restic => {
                let mut command = self.program();
                command.args(["backup", "--compression", "off"]);
                command
            }
            Tool::Borg => {
                let mut command = self.program();
                command.args(["create", "--compression", "none"]);
                command.arg(format!("{}::{}", store.display(), self.taken));
                command
            }
            Tool::Casync => {
                let mut command = self.program();
                command.arg("make").arg(format!("--store={}", store.display()));
                command.arg(self.dir.join(format!("{}.caidx", self.taken)));
                command
            }
            tool => bail!("{tool:?} takes in no folder"),
        };
        local(command.arg(folder), &self.dir)
    }

    fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// The program, with its caches and settings in `dir`.
    fn program(&self) -> Command {
        let mut command = Command::new(self.tool.program().unwrap_or_default());
        match self.tool {
            Tool::Restic => {
                command.env("RESTIC_PASSWORD", "peers").arg("--quiet").arg("--repo").arg(self.store());
                command.arg("--cache-dir").arg(self.dir.join("cache"));
            }
            Tool::Borg => {
                command.env("BORG_BASE_DIR", self.dir.join("borg"));
                command.env("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes");
            }
            _ => {}
        }
        command
    }
}
