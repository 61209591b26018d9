//! A segment file opened for a full read: its name, its library, and whether it is sealed.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use chuan_engine::{
    Error, Result,
    id::{ID_LEN, LibraryId},
    limits::SEGMENT_BLOCK,
    segment::{
        Footer, Item, SEGMENT_ID_LEN, SegmentHeader, SegmentId, SegmentName, Trailer, footer::TRAILER_BYTES,
        header::FORMAT_VERSION,
    },
};

use crate::{layout::Layout, walk};

/// A segment file open for reading.
#[derive(Debug)]
pub(crate) struct SegmentView {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) len: u64,
    /// Its id and library. `None` if neither the header nor the index has them: then nothing of the segment
    /// is read, since nothing else proves its library.
    pub(crate) name: Option<SegmentName>,
    pub(crate) header: HeaderState,
    pub(crate) footer: Sealing,
}

/// The state of the first block, which has two copies of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderState {
    /// It is undamaged.
    Intact,
    /// It is damaged, and one copy can be read.
    OneCopy,
    /// No copy can be read.
    Unreadable,
}

/// How a segment ends.
#[derive(Debug)]
pub(crate) enum Sealing {
    /// It is not sealed, or its end is too damaged to tell.
    Open,
    /// It is sealed, and the footer is intact.
    Sealed {
        /// Where the footer begins.
        offset: u64,
        /// The footer.
        footer: Footer,
    },
    /// It is sealed, and the footer is damaged.
    Damaged {
        /// Where the footer begins.
        offset: u64,
    },
}

impl SegmentView {
    /// Opens a segment. `known` is its name as an index has it; the index had it from the header.
    pub(crate) fn open(layout: &Layout, number: u32, known: Option<SegmentName>) -> Result<Self> {
        let path = layout.segment(number);
        let context = |error| Error::io(format!("read {}", path.display()), error);
        let file = File::open(&path).map_err(context)?;
        let len = file.metadata().map_err(context)?.len();
        let block = first_block(&file, len).map_err(context)?;
        let readable = header(&block, &path, number)?;
        let header = match &readable {
            Some(header) if header.encode() == block => HeaderState::Intact,
            Some(_) => HeaderState::OneCopy,
            None => HeaderState::Unreadable,
        };
        let name = readable.map(|header| header.name).or(known);
        let footer = sealing(&file, len, name).map_err(context)?;
        Ok(Self { number, path, file, len, name, header, footer })
    }

    /// The id and library of a segment, without reading the rest of it.
    pub(crate) fn name(layout: &Layout, number: u32) -> Result<Option<SegmentName>> {
        let path = layout.segment(number);
        let context = |error| Error::io(format!("read {}", path.display()), error);
        let file = File::open(&path).map_err(context)?;
        let len = file.metadata().map_err(context)?.len();
        let block = first_block(&file, len).map_err(context)?;
        Ok(header(&block, &path, number)?.map(|header| header.name))
    }

    /// Whether nothing was ever written after the first block.
    pub(crate) fn is_blank(&self) -> Result<bool> {
        let mut blank = true;
        let span = ((SEGMENT_BLOCK as u64).min(self.len), self.len);
        // No record can be read under an invented name: everything is one gap.
        let none = SegmentName {
            id: SegmentId::from_bytes([0; SEGMENT_ID_LEN]),
            library: LibraryId::from_bytes([0; ID_LEN]),
        };
        walk::walk(&self.file, &self.path, none, span, &mut |item| {
            blank &= matches!(item, Item::Gap { blank: true, .. });
            Ok(())
        })?;
        Ok(blank)
    }

    /// Where records end: at the footer, or at the end of the file.
    pub(crate) fn records_end(&self) -> u64 {
        match &self.footer {
            Sealing::Open => self.len,
            Sealing::Sealed { offset, .. } | Sealing::Damaged { offset } => *offset,
        }
    }
}

/// The first block, or as much of it as the file has.
fn first_block(file: &File, len: u64) -> std::io::Result<Vec<u8>> {
    let mut block = vec![0; usize::try_from(len).unwrap_or(SEGMENT_BLOCK).min(SEGMENT_BLOCK)];
    file.read_exact_at(&mut block, 0)?;
    Ok(block)
}

/// The header, if it is readable and names the number of the file. A segment of another format is an error:
/// it is not damaged and must not be changed.
fn header(block: &[u8], path: &Path, number: u32) -> Result<Option<SegmentHeader>> {
    if let Ok(header) = SegmentHeader::decode(block) {
        return Ok(Some(header).filter(|header| header.number == number));
    }
    match SegmentHeader::other_version(block) {
        None => Ok(None),
        Some(version) if version < FORMAT_VERSION => Err(Error::Invalid(format!(
            "{} has format {version}, and this chuan reads format {FORMAT_VERSION} only: publish or pull into a new \
             home, then remove this one",
            path.display()
        ))),
        Some(version) => Err(Error::Invalid(format!(
            "{} has format {version}: a newer chuan wrote it; use that one",
            path.display()
        ))),
    }
}

/// Reads how a segment ends. The footer of another segment counts as damaged.
fn sealing(file: &File, len: u64, name: Option<SegmentName>) -> std::io::Result<Sealing> {
    let Some(at) = len.checked_sub(TRAILER_BYTES as u64).filter(|at| *at >= SEGMENT_BLOCK as u64) else {
        return Ok(Sealing::Open);
    };
    let mut bytes = [0; TRAILER_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    let Ok(trailer) = Trailer::decode(&bytes, len) else { return Ok(Sealing::Open) };
    let offset = u64::from(trailer.footer_offset);
    // The trailer has checked that the footer fits between its offset and the end of the file.
    let mut bytes = vec![0; usize::try_from(len - offset).unwrap_or_default()];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(match Footer::decode(&bytes, trailer) {
        Ok(footer) if Some(footer.segment) == name => Sealing::Sealed { offset, footer },
        _ => Sealing::Damaged { offset },
    })
}
