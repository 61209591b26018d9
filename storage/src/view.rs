//! A segment file that is read as a whole: what it is, whether it is sealed, and whose content it holds.

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
pub(crate) struct View {
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    pub(crate) len: u64,
    /// What it is called, and its library. `None` where neither the header nor the index tells: then nothing of it is
    /// read, since nothing else proves whose it is.
    pub(crate) name: Option<SegmentName>,
    /// Whether the first block is as it was written.
    pub(crate) header_ok: bool,
    pub(crate) footer: Sealing,
}

/// What the end of a segment says.
#[derive(Debug)]
pub(crate) enum Sealing {
    /// It is not sealed, or what ends it is damaged beyond telling.
    Open,
    /// It is sealed, and the footer is whole.
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

impl View {
    /// Opens a segment; `known` is its name as an index has it, which it had from the header.
    pub(crate) fn open(layout: &Layout, number: u32, known: Option<SegmentName>) -> Result<Self> {
        let path = layout.segment(number);
        let context = |error| Error::io(format!("read {}", path.display()), error);
        let file = File::open(&path).map_err(context)?;
        let len = file.metadata().map_err(context)?.len();
        let block = first_block(&file, len).map_err(context)?;
        let header = header(&block, &path, number)?;
        let header_ok = header.is_some_and(|header| header.encode() == block);
        let name = header.map(|header| header.name).or(known);
        let footer = sealing(&file, len, name).map_err(context)?;
        Ok(Self { number, path, file, len, name, header_ok, footer })
    }

    /// What a segment is called, without a look at the rest of it.
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
        // No record can be read under a made-up name: all is one gap.
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

/// The first block, or as much of it as there is.
fn first_block(file: &File, len: u64) -> std::io::Result<Vec<u8>> {
    let mut block = vec![0; usize::try_from(len).unwrap_or(SEGMENT_BLOCK).min(SEGMENT_BLOCK)];
    file.read_exact_at(&mut block, 0)?;
    Ok(block)
}

/// The header, where it is whole enough and the file has the name that it says. A segment of another format is an error:
/// it is not damaged, and nothing may be done to it.
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

/// How a segment ends. A footer of another segment is none.
fn sealing(file: &File, len: u64, name: Option<SegmentName>) -> std::io::Result<Sealing> {
    let Some(at) = len.checked_sub(TRAILER_BYTES as u64).filter(|at| *at >= SEGMENT_BLOCK as u64) else {
        return Ok(Sealing::Open);
    };
    let mut bytes = [0; TRAILER_BYTES];
    file.read_exact_at(&mut bytes, at)?;
    let Ok(trailer) = Trailer::decode(&bytes, len) else { return Ok(Sealing::Open) };
    let offset = u64::from(trailer.footer_offset);
    // The trailer has checked that the footer fits between its offset and the end.
    let mut bytes = vec![0; usize::try_from(len - offset).unwrap_or_default()];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(match Footer::decode(&bytes, trailer) {
        Ok(footer) if Some(footer.segment) == name => Sealing::Sealed { offset, footer },
        _ => Sealing::Damaged { offset },
    })
}
