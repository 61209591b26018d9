//! A check of the file in which RocksDB lists its tables (`MANIFEST-…`, named by `CURRENT`), before RocksDB
//! reads it. The file has the format of a RocksDB log: records in blocks of 32 KiB, each with a header of
//! checksum (4 bytes), length (2) and type (1).
//!
//! RocksDB 11 skips a record of the types for reused log files without moving on, so one flipped bit in a
//! type keeps an open busy for ever. Such types never occur here. Everything else is left to RocksDB, which
//! verifies the checksums itself.

use std::{fs, path::Path};

/// Bytes of a block. No record spans two.
const BLOCK_BYTES: usize = 32 * 1024;
/// Bytes of a record's header: checksum, length and type.
const HEADER_BYTES: usize = 7;
/// The types of records that are written to such a file: a whole record, or its first, middle or last part.
const TYPES: std::ops::RangeInclusive<u8> = 1..=4;
/// The type of the zeros that fill a block.
const PADDING: u8 = 0;

/// Fails if the list of tables in this directory has a record of a type that RocksDB never writes there.
///
/// # Errors
///
/// A text that names the file. A directory without a list, or with one that cannot be read, passes: RocksDB
/// reports that better.
pub(super) fn check(dir: &Path) -> Result<(), String> {
    let Ok(current) = fs::read_to_string(dir.join("CURRENT")) else { return Ok(()) };
    let Ok(list) = fs::read(dir.join(current.trim_end())) else { return Ok(()) };
    if list.chunks(BLOCK_BYTES).all(has_only_known_types) {
        return Ok(());
    }
    Err(format!("{} has a record of an unknown type", current.trim_end()))
}

/// Whether every record of a block has a known type. A record that is cut off ends the block.
fn has_only_known_types(mut block: &[u8]) -> bool {
    while let Some((header, rest)) = block.split_first_chunk::<HEADER_BYTES>() {
        let [_, _, _, _, low, high, kind] = *header;
        let length = usize::from(u16::from_le_bytes([low, high]));
        if kind == PADDING && length == 0 {
            return true;
        }
        if !TYPES.contains(&kind) {
            return false;
        }
        block = rest.get(length..).unwrap_or(&[]);
    }
    true
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

    use super::*;
    use crate::{Error, index::*};

    /// The offsets of the types in a list.
    fn types(list: &[u8]) -> Vec<usize> {
        let (mut found, mut at) = (Vec::new(), 0);
        while let Some(header) = list.get(at..at + HEADER_BYTES) {
            found.push(at + HEADER_BYTES - 1);
            at += HEADER_BYTES + usize::from(u16::from_le_bytes([header[4], header[5]]));
        }
        found
    }

    fn list_of(dir: &Path) -> PathBuf {
        dir.join(fs::read_to_string(dir.join("CURRENT")).unwrap().trim_end())
    }

    #[test]
    fn a_flipped_bit_in_a_type_is_damage_and_never_keeps_an_open_busy() {
        let place = tempfile::tempdir().unwrap();
        let cache = cache();
        let open = || Index::open(Generation::current(place.path()).unwrap(), &cache, Arc::default());
        drop(open().unwrap());
        let dir = Generation::current(place.path()).unwrap().dir();
        let sound: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        let (list, bytes) = (list_of(&dir), fs::read(list_of(&dir)).unwrap());
        let offsets = types(&bytes);
        assert!(offsets.len() > 4, "{offsets:?}");
        let mut refused = BTreeSet::new();
        for offset in offsets {
            for bit in 0..8 {
                fs::remove_dir_all(&dir).unwrap();
                fs::create_dir(&dir).unwrap();
                sound.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
                let mut flipped = bytes.clone();
                flipped[offset] ^= 1 << bit;
                fs::write(&list, &flipped).unwrap();
                if check(&dir).is_err() {
                    refused.insert(flipped[offset]);
                }
                assert!(matches!(open(), Err(Error::Corrupt(_))), "bit {bit} of the type at {offset}");
            }
        }
        assert!(refused.contains(&5) && refused.contains(&129), "{refused:?}");
    }

    #[test]
    fn padding_and_a_cut_record_pass() {
        let mut block = vec![9, 9, 9, 9, 2, 0, 1, 7, 7];
        block.extend([0; 20]);
        assert!(has_only_known_types(&block) && has_only_known_types(&block[..8]));
        block[6] = 5;
        assert!(!has_only_known_types(&block));
    }
}
