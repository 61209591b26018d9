//! Both files of the ledger as one: how they are read, rewritten and repaired. It carries out the engine's
//! plan and decides nothing.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use chuan_engine::{
    Error, Result,
    id::NodeId,
    ledger::{
        Header, Identity, LedgerRecord, Mend, Outcome, Plan, RECORD_HEADER_BYTES, Scan, Side,
        image::{Image, image},
        plan,
        record::Decoded,
    },
};

use rustix::io::Errno;

use super::files::Files;
use crate::{Poison, space};

/// The two files.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    files: Arc<dyn Files>,
    poison: Poison,
}

impl Pair {
    pub(super) fn new(files: Arc<dyn Files>, poison: Poison) -> Self {
        Self { files, poison }
    }

    /// The path of a copy.
    pub(super) fn path(&self, side: Side) -> PathBuf {
        self.files.path().join(side.name())
    }

    /// Reads both copies as they are. If both names are one file, one of them counts as missing: a write to
    /// it would not make a second copy. If a copy cannot be read although the other can, it counts as
    /// damaged.
    pub(super) fn read(&self) -> Result<[Option<Bytes>; 2]> {
        let read = |side: Side| self.files.read(side.name()).map(|bytes| bytes.map(Bytes::from));
        let or_fail = |side: Side, bytes: io::Result<Option<Bytes>>| {
            bytes.map_err(|error| self.failed("read", side.name(), error))
        };
        match self.files.same_file(Side::BOTH.map(Side::name)) {
            // The name that is a link is the one to be rewritten.
            Ok(Some(1)) => return Ok([or_fail(Side::A, read(Side::A))?, None]),
            Ok(Some(_)) => return Ok([None, or_fail(Side::B, read(Side::B))?]),
            _ => {}
        }
        let unreadable = |side: Side, error: &io::Error| {
            tracing::warn!(%side, %error, "a copy of the ledger cannot be read; the other copy is used");
            Some(Bytes::new())
        };
        match Side::BOTH.map(read) {
            [Err(error), Ok(Some(b))] if is_file_error(&error) => Ok([unreadable(Side::A, &error), Some(b)]),
            [Ok(Some(a)), Err(error)] if is_file_error(&error) => Ok([Some(a), unreadable(Side::B, &error)]),
            [a, b] => Ok([or_fail(Side::A, a)?, or_fail(Side::B, b)?]),
        }
    }

    /// Reads both copies and plans what to do with them.
    pub(super) fn plan(&self, node: &NodeId) -> Result<Outcome> {
        let copies = self.read()?;
        Ok(plan(node, copies.each_ref().map(Option::as_ref)))
    }

    /// A record with `payload` bytes whose header is at `offset`; `None` if no such record is intact there.
    pub(super) fn record(
        &self,
        side: Side,
        offset: u64,
        payload: usize,
        identity: &Identity,
    ) -> Result<Option<LedgerRecord>> {
        let len = RECORD_HEADER_BYTES + payload;
        let bytes = match self.files.read_at(side.name(), offset, len) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", side.name(), error)),
        };
        match LedgerRecord::decode_front(&bytes, identity) {
            Decoded::Whole(record, whole) if whole == len => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// Allocates room up to `end` in both files. Nothing is written if one of them has no room.
    pub(super) fn reserve(&self, end: u64) -> Result<()> {
        Side::BOTH.into_iter().try_for_each(|side| {
            self.files
                .reserve(side.name(), end)
                .map_err(|error| self.failed("make room in", side.name(), error))
        })
    }

    /// Writes a frame at `offset`, durably: in `a`, then in `b`. A failure poisons the home.
    pub(super) fn append(&self, offset: u64, frame: &[u8]) -> Result<()> {
        Side::BOTH.into_iter().try_for_each(|side| {
            let name = side.name();
            let written =
                self.files.write(name, offset, frame).map_err(|error| self.failed("write", name, error));
            written.and_then(|()| self.sync(name)).inspect_err(|error| self.poison.set_after(error))
        })
    }

    /// Replaces both files by a new generation. If there is no room for it, nothing has changed; any later
    /// failure poisons the home.
    pub(super) fn renew(&self, image: &Image) -> Result<()> {
        for side in Side::BOTH {
            self.write_new(side, &image.bytes).inspect_err(|_| self.remove_new())?;
        }
        Side::BOTH.into_iter().try_for_each(|side| self.install_new(side))
    }

    /// Like [`Pair::renew`], but keeps the old files under other names and returns their paths. `image` was
    /// made from `side`, which is replaced last: wherever this is interrupted, `side` or the image made from
    /// it is there.
    pub(super) fn keep(&self, image: &Image, side: Side) -> Result<Vec<PathBuf>> {
        for side in Side::BOTH {
            self.write_new(side, &image.bytes).inspect_err(|_| self.remove_new())?;
        }
        let mut kept = Vec::new();
        for side in [side.other(), side] {
            kept.extend(self.set_aside(side, "aside")?);
            self.install_new(side)?;
        }
        Ok(kept)
    }

    /// Repairs the files as the plan says. Fails with [`Error::Full`] or [`Error::Io`] if that is not
    /// possible; the valid records can still be read.
    pub(super) fn mend(&self, plan: &Plan) -> Result<()> {
        match plan.mend {
            Mend::None => Ok(()),
            Mend::Cut(side, end) => self.cut(side, end),
            Mend::Copy(from) => {
                let [a, b] = self.read()?;
                let source = match from {
                    Side::A => a,
                    Side::B => b,
                };
                let source = source.unwrap_or_default();
                let end = usize::try_from(plan.end).unwrap_or(usize::MAX).min(source.len());
                let sound = source.slice(..end);
                self.write_new(from.other(), &sound).inspect_err(|_| self.remove_new())?;
                self.install_new(from.other())?;
                if end < source.len() { self.cut(from, plan.end) } else { Ok(()) }
            }
            Mend::Renew => self.renew(&image(next(plan.identity), plan.highest, &plan.carried())?),
        }
    }

    /// Renames a copy to a free name.
    pub(super) fn set_aside(&self, side: Side, why: &str) -> Result<Option<PathBuf>> {
        let name = side.name();
        let failed = |error| self.failed("set aside", name, error);
        if self.files.read(name).map_err(failed)?.is_none() {
            return Ok(None);
        }
        let mut aside = format!("{name}.{why}");
        let mut number = 1u32;
        while self.files.read(&aside).map_err(failed)?.is_some() {
            number += 1;
            aside = format!("{name}.{why}-{number}");
        }
        self.files.rename(name, &aside).and_then(|()| self.files.sync_names()).map_err(failed)?;
        Ok(Some(self.files.path().join(aside)))
    }

    /// Removes the new files of an interrupted compaction.
    pub(super) fn remove_new(&self) {
        for side in Side::BOTH {
            if let Err(error) = self.files.remove(&new_name(side)) {
                tracing::debug!(%error, "cannot remove a file left by an interrupted write of the ledger");
            }
        }
    }

    fn write_new(&self, side: Side, bytes: &[u8]) -> Result<()> {
        let name = new_name(side);
        self.files
            .remove(&name)
            .and_then(|()| self.files.reserve(&name, bytes.len() as u64))
            .and_then(|()| self.files.write(&name, 0, bytes))
            .map_err(|error| self.failed("write", &name, error))?;
        self.sync(&name).inspect_err(|error| self.poison.set_after(error))
    }

    fn install_new(&self, side: Side) -> Result<()> {
        let rename = || self.files.rename(&new_name(side), side.name());
        let renamed = match rename() {
            // A file cannot replace a folder.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                self.set_aside(side, "damaged")?;
                rename()
            }
            renamed => renamed,
        };
        renamed
            .and_then(|()| self.files.sync_names())
            .map_err(|error| self.failed("replace", side.name(), error))
            .inspect_err(|error| self.poison.set_after(error))
    }

    fn cut(&self, side: Side, end: u64) -> Result<()> {
        let name = side.name();
        self.files.cut(name, end).map_err(|error| self.failed("cut", name, error))?;
        self.sync(name).inspect_err(|error| self.poison.set_after(error))
    }

    fn sync(&self, name: &str) -> Result<()> {
        self.files.sync(name).map_err(|error| self.failed("sync", name, error))
    }

    fn failed(&self, what: &str, name: &str, error: io::Error) -> Error {
        let path = self.files.path().join(name);
        match Error::io(format!("{what} {}", path.display()), error) {
            Error::Full(text) => space::full(&self.files.path(), &text),
            other => other,
        }
    }
}

/// Whether an error means that the file cannot be read, now or later, rather than that the process lacks
/// something.
fn is_file_error(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::IO | Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::UCLEAN))
}

/// The next generation.
pub(super) const fn next(identity: Identity) -> Identity {
    Identity { generation: identity.generation.saturating_add(1), ..identity }
}

/// Scans one copy alone, of whatever node; `None` if it does not exist or has no valid header.
pub(super) fn scan(bytes: Option<&Bytes>) -> Option<Scan> {
    let bytes = bytes?;
    let header = Header::decode(bytes).ok()?;
    Some(Scan::new(bytes, header.identity, Some(header)))
}

fn new_name(side: Side) -> String {
    format!("{}.new", side.name())
}
