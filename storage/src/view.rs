//! A segment file that is read as a whole: what it is, whether it is sealed, and under which name.

use std::{fs::File, os::unix::fs::FileExt, path::PathBuf};

use chuan_engine::{
    Error, Result,
    limits::SEGMENT_BLOCK,
    segment::{
        Footer, Item, Place, RECORD_HEADER_BYTES, RecordHeader, RecordKey, SEGMENT_ID_LEN, SegmentHeader,
        SegmentId, Trailer, footer::TRAILER_BYTES, record::RECORD_MAGIC,
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
    /// The segment's random name; `None` where no part of the file tells it, so that none of it can be read.
    pub(crate) id: Option<SegmentId>,
    /// Whether the first block is whole.
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
    /// Opens a segment; `known` is its name as the index has it.
    pub(crate) fn open(layout: &Layout, number: u32, known: Option<SegmentId>) -> Result<Self> {
        let path = layout.segment(number);
        let context = |error| Error::io(format!("read {}", path.display()), error);
        let file = File::open(&path).map_err(context)?;
        let len = file.metadata().map_err(context)?.len();
        let footer = sealing(&file, len).map_err(context)?;
        let mut block = vec![0; SEGMENT_BLOCK];
        let header = if len < SEGMENT_BLOCK as u64 {
            None
        } else {
            file.read_exact_at(&mut block, 0).map_err(context)?;
            SegmentHeader::decode(&block).ok().filter(|header| header.number == number)
        };
        let of_footer = match &footer {
            Sealing::Sealed { footer, .. } => Some(footer.segment),
            Sealing::Open | Sealing::Damaged { .. } => None,
        };
        let header_ok = header.is_some();
        let mut id = header.map(|header| header.id).or(of_footer).or(known);
        if id.is_none() {
            id = id_of_a_marker(&file, len).map_err(context)?;
        }
        Ok(Self { number, path, file, len, id, header_ok, footer })
    }

    /// Whether nothing was ever written after the first block.
    pub(crate) fn is_blank(&self) -> Result<bool> {
        let mut blank = true;
        let span = ((SEGMENT_BLOCK as u64).min(self.len), self.len);
        // No record can be read under a made-up name: all is one gap.
        let nobody = SegmentId::from_bytes([0; SEGMENT_ID_LEN]);
        walk::walk(&self.file, &self.path, nobody, span, &mut |item| {
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

fn sealing(file: &File, len: u64) -> std::io::Result<Sealing> {
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
        Ok(footer) => Sealing::Sealed { offset, footer },
        Err(_) => Sealing::Damaged { offset },
    })
}

/// Finds the segment's name in any of its markers: a marker names its segment and proves it by its checksum.
fn id_of_a_marker(file: &File, len: u64) -> std::io::Result<Option<SegmentId>> {
    const WINDOW: usize = 1024 * 1024;
    let mut base = SEGMENT_BLOCK as u64;
    while base < len {
        let want = usize::try_from(len - base).unwrap_or(WINDOW).min(WINDOW + RECORD_HEADER_BYTES);
        let mut bytes = vec![0; want];
        file.read_exact_at(&mut bytes, base)?;
        let found = (base..)
            .zip(bytes.windows(RECORD_HEADER_BYTES))
            .find_map(|(offset, header)| marker(offset, header));
        if found.is_some() {
            return Ok(found);
        }
        base += WINDOW as u64;
    }
    Ok(None)
}

fn marker(offset: u64, header: &[u8]) -> Option<SegmentId> {
    if !header.starts_with(&RECORD_MAGIC) {
        return None;
    }
    let segment = SegmentId::from_bytes(*header.get(16..)?.first_chunk()?);
    let place = Place { segment, offset: u32::try_from(offset).ok()? };
    match RecordHeader::decode(header, place).ok()?.key {
        RecordKey::Marker(marker) if marker.segment == segment => Some(segment),
        _ => None,
    }
}
