//! A folder and its copy at a peer, updated by one of the tools.

use std::{fs, path::Path};

use anyhow::{Result, bail, ensure};
use chuan_tests::media;

use crate::{
    chuan::{Chuan, Restored},
    ffsync::Ffsync,
    measure::Measured,
    row::Tool,
    rsync::{Rsync, RsyncLocal},
    sendme::Sendme,
};

/// A copy that can be brought up to date with its source.
pub(crate) trait Replica {
    /// Brings the copy up to date. Only this is measured, not the source's preparation before it can serve.
    fn update(&mut self) -> Result<Measured>;
}

/// An empty copy of `source`; all files of the tool are below `work`, which is empty.
pub(crate) fn open(tool: Tool, source: &Path, work: &Path) -> Result<Box<dyn Replica>> {
    fs::create_dir_all(work)?;
    Ok(match tool {
        Tool::Chuan => Box::new(Chuan::open(source, work, false)?),
        Tool::ChuanFiles => Box::new(Chuan::open(source, work, true)?),
        Tool::ChuanRestore => Box::new(Restored::open(source, work)?),
        Tool::Rsync => Box::new(Rsync::open(source, work)?),
        Tool::RsyncLocal => Box::new(RsyncLocal::open(source, work)?),
        Tool::Sendme => Box::new(Sendme::open(source, work)?),
        Tool::FfsyncQuic => Box::new(Ffsync::open(source, work, true)?),
        Tool::FfsyncTls => Box::new(Ffsync::open(source, work, false)?),
        Tool::Restic | Tool::Borg | Tool::Casync | Tool::Patch => bail!("{tool:?} keeps no copy at a peer"),
    })
}

/// Fails if a copy differs from its source.
pub(crate) fn ensure_same(source: &Path, copy: &Path) -> Result<()> {
    let difference = media::difference(source, copy)?;
    ensure!(difference.is_none(), "the copy differs: {difference:?}");
    Ok(())
}
