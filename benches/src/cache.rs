//! Loads the files of a directory into the page cache, or drops them from it, so that two programs start from
//! the same state.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

/// Reads every file once.
///
/// # Errors
///
/// Fails where a file cannot be read.
pub fn fill(dir: &Path) -> Result<()> {
    each(dir, &|mut file| {
        io::copy(&mut file, &mut io::sink())?;
        Ok(())
    })
}

/// Writes every file to disk and asks the kernel to drop its pages.
///
/// # Errors
///
/// Fails where a file cannot be opened or written out.
pub fn drop_files(dir: &Path) -> Result<()> {
    each(dir, &|file| {
        file.sync_all()?;
        Ok(fadvise(&file, 0, None, Advice::DontNeed)?)
    })
}

fn each(dir: &Path, act: &dyn Fn(File) -> io::Result<()>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            each(&path, act)?;
        } else if path.is_file() {
            File::open(&path).and_then(act).with_context(|| format!("read {}", path.display()))?;
        }
    }
    Ok(())
}
