//! How much of a library one publish may delete. A larger deletion looks like a disk that is not mounted.

use std::{fmt, str::FromStr};

use crate::{
    error::{Error, Result},
    limits::{FEW_BYTES, FEW_FILES},
    manifest::{Entry, EntryKind, EntryPath, Sums},
};

use super::tally::{Listed, Planned, Tally};

/// How many of the published files, and of their bytes, may be missing from the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxDelete {
    /// At most half of the files, and half of their bytes. In addition, up to [`FEW_FILES`] files with up to
    /// [`FEW_BYTES`] together may be missing if other files remain.
    #[default]
    Half,
    /// At most this percentage of the files, and of their bytes.
    Percent(u8),
    /// At most this many files.
    Files(u64),
}

impl FromStr for MaxDelete {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Files),
        };
        parsed.ok_or_else(|| {
            Error::Invalid(format!("`{text}` is neither a share, like 50%, nor a number of files, like 100"))
        })
    }
}

impl fmt::Display for MaxDelete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half => f.write_str("50%"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Files(files) => write!(f, "{files}"),
        }
    }
}

/// The published files that are no longer found.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    limit: MaxDelete,
    /// The published total.
    before: Sums,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The files at paths that were not published, and their bytes: a folder may have been renamed.
    pub(super) new: (u64, u64),
    /// The files, for a preview.
    pub(super) listed: Listed<Planned>,
}

impl Gone {
    pub(super) fn new(limit: MaxDelete, before: Sums) -> Self {
        Self { limit, before, files: 0, bytes: 0, new: (0, 0), listed: Listed::default() }
    }

    /// Counts an entry of the class in `slot`.
    pub(super) fn add(&mut self, path: &EntryPath, slot: u8, entry: &Entry) {
        if entry.kind == EntryKind::File {
            self.files += 1;
            self.listed.push_with(|| Planned::removed(path, slot, entry.size));
        }
        self.bytes = self.bytes.saturating_add(entry.size);
    }

    /// Whether more is gone than the limit permits.
    pub(super) fn is_too_much(&self) -> bool {
        let exceeds =
            |gone: u64, all: u64, percent: u8| u128::from(gone) * 100 > u128::from(all) * u128::from(percent);
        let exceeds = |percent: u8| {
            exceeds(self.files, self.before.files, percent) || exceeds(self.bytes, self.before.bytes, percent)
        };
        let is_few = self.files <= FEW_FILES && self.bytes <= FEW_BYTES && self.files < self.before.files;
        match self.limit {
            MaxDelete::Half => exceeds(50) && !is_few,
            MaxDelete::Percent(percent) => exceeds(percent),
            MaxDelete::Files(files) => self.files > files,
        }
    }

    /// Adds the published files that `tally` has left out while it was made, which the walk had found, and
    /// sets the sum in `tally`. Fails if more is gone than the limit permits: the limit is about the release
    /// that is made, and a disk may vanish during the reading.
    pub(super) fn complete(&mut self, tally: &mut Tally) -> Result<()> {
        self.files += tally.files_gone;
        self.bytes = self.bytes.saturating_add(tally.bytes_gone);
        (tally.files_gone, tally.bytes_gone) = (self.files, self.bytes);
        self.check()
    }

    /// Fails if more is gone than the limit permits.
    pub(super) fn check(&self) -> Result<()> {
        if !self.is_too_much() {
            return Ok(());
        }
        let Self { files, bytes, before, limit, new, .. } = self;
        let refusal = format!(
            "{files} of {} published files are no longer in the source, or excluded now ({bytes} of {} bytes), and at most \
             {limit} may go in one publish: is the disk mounted, and is it the right folder? If they are to leave the \
             library, publish with a larger limit in the option `max-delete`, up to 100%",
            before.files, before.bytes
        );
        Err(Error::Invalid(match new {
            (0, _) => refusal,
            (new, size) => format!(
                "{refusal}. Files at new paths: {new}, with {size} bytes; if a folder was renamed, they are its content"
            ),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::testing::small;

    #[test]
    fn shares_and_counts_are_read() {
        for (text, limit) in
            [("50%", MaxDelete::Percent(50)), ("0", MaxDelete::Files(0)), ("100%", MaxDelete::Percent(100))]
        {
            assert_eq!(text.parse::<MaxDelete>().unwrap(), limit);
            assert_eq!(limit.to_string(), text);
        }
        for text in ["", "%", "-1", "101%", "half", "0.5", "50 %"] {
            assert!(text.parse::<MaxDelete>().is_err(), "{text}");
        }
    }

    #[test]
    fn deletions_above_the_limit_are_refused() {
        let entry = Entry { size: 10, ..small(1) };
        let gone = |limit, files, before_files, before_bytes| {
            let before = Sums { files: before_files, bytes: before_bytes, ..Sums::default() };
            let mut gone = Gone::new(limit, before);
            let path = EntryPath::new("a").unwrap();
            (0..files).for_each(|_| gone.add(&path, 0, &entry));
            gone.check()
        };
        assert!(gone(MaxDelete::default(), 0, 0, 0).is_ok());
        assert!(gone(MaxDelete::default(), 5, 10, 1000).is_ok());
        let error = gone(MaxDelete::default(), 6, 10, 1000).unwrap_err().to_string();
        assert!(error.contains("6 of 10 published files") && error.contains("60 of 1000 bytes"), "{error}");
        assert!(gone(MaxDelete::Percent(50), 1, 10, 19).is_err(), "one file may be most of the bytes");
        // A few small files may go, whatever their share, but not all files.
        assert!(gone(MaxDelete::default(), 3, 4, 40).is_ok() && gone(MaxDelete::default(), 4, 5, 50).is_ok());
        assert!(
            gone(MaxDelete::default(), 5, 6, 60).is_err() && gone(MaxDelete::default(), 3, 3, 30).is_err()
        );
        let large = Gone {
            limit: MaxDelete::Half,
            before: Sums { files: 3, bytes: 3 << 20, ..Sums::default() },
            files: 2,
            bytes: 2 << 20,
            new: (0, 0),
            listed: Listed::default(),
        };
        assert!(large.check().is_err());
        assert!(gone(MaxDelete::Percent(100), 10, 10, 100).is_ok());
        assert!(
            gone(MaxDelete::Files(2), 2, 2, 20).is_ok() && gone(MaxDelete::Files(2), 3, 100, 9999).is_err()
        );
    }
}
