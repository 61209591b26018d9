//! Unpacks a payload that is stored as zstd, within the bounds from its header. Nothing is written packed
//! yet.

use std::fmt::Display;

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use crate::{
    error::{Error, Result},
    limits,
};

/// Unpacks exactly `raw_len` bytes from exactly one frame. Allocates these bytes, and a window of at most
/// [`RECORD_WINDOW_LOG`](limits::RECORD_WINDOW_LOG) if the frame does not state the length of its content.
pub(super) fn unpack(packed: &[u8], raw_len: usize) -> Result<Vec<u8>> {
    let refused = |why: &dyn Display| Error::Invalid(format!("a packed record does not unpack: {why}"));
    let failed = |code| refused(&get_error_name(code));
    let mut zstd = DCtx::try_create().ok_or_else(|| refused(&"no memory for its state"))?;
    zstd.set_parameter(DParameter::WindowLogMax(limits::RECORD_WINDOW_LOG)).map_err(failed)?;
    let mut raw = vec![0; raw_len];
    let mut input = InBuffer::around(packed);
    let mut output = OutBuffer::around(raw.as_mut_slice());
    loop {
        let before = (input.pos(), output.pos());
        if zstd.decompress_stream(&mut output, &mut input).map_err(failed)? == 0 {
            break;
        }
        if (input.pos(), output.pos()) == before {
            return Err(refused(&"it is cut short, or longer than its header states"));
        }
    }
    if input.pos() != packed.len() || output.pos() != raw_len {
        return Err(refused(&"it is not one frame of the length that its header states"));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zstd::{bulk::compress, stream::Encoder, zstd_safe::CParameter};

    use super::*;

    #[test]
    fn one_frame_of_the_right_length_only() {
        let raw = b"the river ".repeat(1000);
        let packed = compress(&raw, 3).unwrap();
        assert_eq!(unpack(&packed, raw.len()).unwrap(), raw);
        for len in [0, 1, raw.len() - 1, raw.len() + 1, limits::CHUNK_BYTES] {
            assert!(unpack(&packed, len).is_err(), "{len} bytes");
        }
        for cut in 0..packed.len() {
            assert!(unpack(&packed[..cut], raw.len()).is_err(), "cut at {cut}");
        }
        let empty = compress(b"", 3).unwrap();
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
        for (what, bytes) in [
            ("bytes behind", [packed.as_slice(), b"x"].concat()),
            ("a frame behind", [packed.as_slice(), &empty].concat()),
            ("a frame before", [empty.as_slice(), &packed].concat()),
            ("a skippable frame before", [skippable.as_slice(), &packed].concat()),
            ("a skippable frame behind", [packed.as_slice(), &skippable].concat()),
        ] {
            assert!(unpack(&bytes, raw.len()).is_err(), "{what}");
        }
    }

    #[test]
    fn a_window_beyond_the_bound_is_refused() {
        let raw = vec![7; limits::CHUNK_BYTES];
        for (window, taken) in [(limits::RECORD_WINDOW_LOG, true), (limits::RECORD_WINDOW_LOG + 1, false)] {
            // A stream that does not state its length asks for a window of its own.
            let mut encoder = Encoder::new(Vec::new(), 1).unwrap();
            encoder.set_parameter(CParameter::WindowLog(window)).unwrap();
            encoder.write_all(&raw).unwrap();
            let packed = encoder.finish().unwrap();
            assert_eq!(unpack(&packed, raw.len()).is_ok(), taken, "window log {window}");
        }
    }

    #[test]
    fn any_flipped_bit_is_an_error_or_other_bytes_of_the_same_length() {
        let raw = b"the river ".repeat(30);
        let packed = compress(&raw, 3).unwrap();
        for bit in 0..packed.len() * 8 {
            let mut bad = packed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            if let Ok(out) = unpack(&bad, raw.len()) {
                assert_eq!(out.len(), raw.len(), "bit {bit}");
            }
        }
    }
}
