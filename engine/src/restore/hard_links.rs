//! Hard links of a restore, and files of their own where the file system refuses links.

use std::io;

use super::{
    destination::has_no_links,
    stat::{DiskKind, Stat},
    write::{Target, Writer, failed, set},
};
use crate::error::{Error, Result};

impl Writer {
    /// Makes a path a hard link to the file at `first`, unless it is one already.
    pub(super) fn link(&mut self, target: &Target, first: &str) -> Result<Stat> {
        let unsafe_link = || {
            Error::Busy(format!(
                "{:?} is a hard link to {first:?}, which could not be restored or changed meanwhile",
                target.path
            ))
        };
        if self.done.failures.has(first) {
            return Err(unsafe_link());
        }
        let found = self.done.destination.look(first)?.filter(|found| found.kind == DiskKind::File);
        let found = found.filter(|found| (found.mark.size, found.mark.mtime) == (target.size, target.mtime));
        let found = found.ok_or_else(unsafe_link)?;
        if let Some(now) = self.done.destination.look(&target.path)?
            && now.is_same(&found)
        {
            return Ok(now);
        }
        let temp = match self.done.destination.create_hard_link(&target.path, first, &found) {
            Ok(temp) => temp,
            Err(error) if has_no_links(&error) => return self.copy_of(target, first, &error),
            Err(error) => return Err(error),
        };
        let put = self.finish(target, &temp);
        if put.is_err() {
            temp.discard();
        }
        put?;
        if let Some(journal) = &mut self.done.journal {
            journal.linked(first);
        }
        self.look(target)
    }

    /// Writes a file of its own where the file system refuses a hard link to the file at `first`.
    fn copy_of(&mut self, target: &Target, first: &str, refused: &Error) -> Result<Stat> {
        if !std::mem::replace(&mut self.is_without_links, true) {
            tracing::warn!("hard links are written as files of their own: {refused}");
        }
        let changed = || Error::Busy(format!("{first:?} in the destination changed while it was copied"));
        let mut from = self.done.destination.open_file(first)?.ok_or_else(changed)?;
        let (mut file, temp) = self.done.destination.create(&target.path, false)?;
        let copied = io::copy(&mut from, &mut file).map_err(|error| failed(target, error));
        let put = copied.and_then(|bytes| if bytes == target.size { Ok(()) } else { Err(changed()) });
        let put = put.and_then(|()| {
            self.set_xattrs(&file, target);
            set(&file, target)?;
            self.finish(target, &temp)
        });
        if put.is_err() {
            temp.discard();
        }
        put?;
        Stat::of(&file).map_err(|error| failed(target, error))
    }
}
