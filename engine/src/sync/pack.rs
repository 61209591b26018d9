//! Compresses chunks for sending, and decompresses them within their declared size.
//!
//! Decides whether to compress. Must not trust a length: the decompressed length is checked against the
//! declared one.

use bytes::Bytes;
use zstd::bulk::{Compressor, Decompressor};

use crate::{
    error::{Error, Result},
    sync::{
        frame::{ChunkCodec, ChunkFrame},
        message::Packing,
    },
};

/// The fastest level: text shrinks to a third, and an attempt at a film costs little.
const LEVEL: i32 = 1;
/// Maximum number of chunks sent raw between two attempts at data that does not shrink.
const MAX_BACKOFF: u32 = 63;
/// Chunks smaller than this are sent raw: zstd's header would cost too much.
const SMALLEST: usize = 128;

/// Compresses chunks. After data that did not shrink it skips twice as many chunks as before, so that a film
/// costs one attempt in 64 chunks.
pub(super) struct Packer {
    zstd: Option<Compressor<'static>>,
    to_skip: u32,
    backoff: u32,
}

impl Packer {
    pub(super) fn new(packing: Packing) -> Self {
        let zstd = if packing == Packing::Fastest { None } else { Compressor::new(LEVEL).ok() };
        Self { zstd, to_skip: 0, backoff: 0 }
    }

    /// Packs a chunk of 1 to [`CHUNK_BYTES`](crate::limits::CHUNK_BYTES) bytes.
    pub(super) fn pack(&mut self, ordinal: u64, raw: Bytes) -> ChunkFrame {
        let raw_len = u32::try_from(raw.len()).unwrap_or(u32::MAX);
        match self.squeeze(&raw) {
            Some(data) => ChunkFrame { ordinal, codec: ChunkCodec::Zstd, raw_len, data },
            None => ChunkFrame { ordinal, codec: ChunkCodec::Raw, raw_len, data: raw },
        }
    }

    /// The compressed bytes, where they are smaller by at least a sixteenth.
    fn squeeze(&mut self, raw: &[u8]) -> Option<Bytes> {
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return None;
        }
        let zstd = self.zstd.as_mut().filter(|_| raw.len() >= SMALLEST)?;
        let room = raw.len() - raw.len() / 16;
        let mut packed = Vec::with_capacity(room);
        // Compression fails where the result does not fit, and is then not worth it.
        match zstd.compress_to_buffer(raw, &mut packed) {
            Ok(_) => {
                self.backoff = 0;
                Some(packed.into())
            }
            Err(_) => {
                self.backoff = (2 * self.backoff + 1).min(MAX_BACKOFF);
                self.to_skip = self.backoff;
                None
            }
        }
    }
}

/// Decompresses chunks.
pub(super) struct Unpacker {
    zstd: Option<Decompressor<'static>>,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self { zstd: None }
    }

    /// The plain bytes, exactly as many as the frame declared; allocates no more than that.
    pub(super) fn unpack(&mut self, frame: ChunkFrame) -> Result<Bytes> {
        let declared = frame.raw_len as usize;
        let broken = || Error::Peer(format!("chunk {} does not unpack to {declared} bytes", frame.ordinal));
        let raw = match frame.codec {
            ChunkCodec::Raw => frame.data.clone(),
            ChunkCodec::Zstd => {
                let zstd = match &mut self.zstd {
                    Some(zstd) => zstd,
                    none => none.insert(
                        Decompressor::new()
                            .map_err(|error| Error::io("preparing to unpack chunks", error))?,
                    ),
                };
                Bytes::from(zstd.decompress(&frame.data, declared).map_err(|_| broken())?)
            }
        };
        if raw.len() != declared {
            return Err(broken());
        }
        Ok(raw)
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("to_skip", &self.to_skip).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::testing::noise;

    #[test]
    fn text_shrinks_and_comes_back() {
        let raw = Bytes::from("以下字幕由志愿者翻译。".repeat(500));
        let frame = Packer::new(Packing::Auto).pack(7, raw.clone());
        assert_eq!(frame.codec, ChunkCodec::Zstd);
        assert!(frame.data.len() < raw.len() / 2);
        assert_eq!(Unpacker::new().unpack(frame).unwrap(), raw);
    }

    #[test]
    fn noise_is_sent_raw_with_ever_fewer_attempts() {
        let mut packer = Packer::new(Packing::Auto);
        let raw = Bytes::from(noise(1, 4096));
        let text = Bytes::from(vec![b'a'; 4096]);
        for _ in 0..200 {
            assert_eq!(packer.pack(0, raw.clone()).codec, ChunkCodec::Raw);
        }
        let waited = (0..).take_while(|_| packer.pack(0, text.clone()).codec == ChunkCodec::Raw).count();
        assert!(waited <= MAX_BACKOFF as usize, "{waited} chunks of text went unpacked");
        assert_eq!(packer.pack(0, text).codec, ChunkCodec::Zstd);
    }

    #[test]
    fn a_chunk_of_another_length_is_refused() {
        let raw = Bytes::from(vec![b'a'; 4096]);
        let good = Packer::new(Packing::Auto).pack(0, raw);
        for raw_len in [4095, 4097, 1 << 18] {
            assert!(Unpacker::new().unpack(ChunkFrame { raw_len, ..good.clone() }).is_err(), "{raw_len}");
        }
        for cut in 0..good.data.len() {
            let data = good.data.slice(..cut);
            assert!(Unpacker::new().unpack(ChunkFrame { data, ..good.clone() }).is_err(), "{cut}");
        }
    }
}
