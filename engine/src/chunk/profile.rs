//! Chunk profiles: FastCDC parameters as a versioned part of the format.

use crate::error::{Error, Result};

/// The parameters by which a file is cut. A path keeps its profile for life, and a profile never changes. A
/// new set of parameters gets a new tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Profile {
    /// 16 / 64 / 256 KiB: films, sound, disc images, archives.
    Video = 1,
    /// 4 / 16 / 64 KiB: subtitles, posters, metadata.
    Fine = 2,
}

impl Profile {
    /// All profiles.
    pub const ALL: [Profile; 2] = [Profile::Video, Profile::Fine];

    /// Smallest chunk in bytes, except for the last chunk of a file.
    pub const fn min(self) -> usize {
        match self {
            Profile::Video => 16 * 1024,
            Profile::Fine => 4 * 1024,
        }
    }

    /// Average chunk in bytes: the middle of the normalised distribution of FastCDC.
    pub const fn avg(self) -> usize {
        4 * self.min()
    }

    /// Largest chunk in bytes.
    pub const fn max(self) -> usize {
        16 * self.min()
    }

    /// The tag of the profile in an entry.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// Reads a tag. Fails for an unknown tag.
    pub fn from_tag(tag: u8) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.tag() == tag)
            .ok_or_else(|| Error::Invalid(format!("unknown chunk profile {tag}: a newer chuan wrote this")))
    }

    /// The profile of a new path, by its file name extension: small text and pictures are cut fine, all other
    /// files as video.
    pub fn for_path(path: &str) -> Self {
        const FINE: &[&str] = &[
            "ass", "bmp", "css", "csv", "gif", "htm", "html", "ini", "jpeg", "jpg", "js", "json", "lrc",
            "m3u", "m3u8", "md", "mpd", "nfo", "opf", "pdf", "png", "smi", "srt", "ssa", "sub", "svg",
            "toml", "ttml", "txt", "vtt", "webp", "xml", "yaml", "yml",
        ];
        let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, e)| e);
        match extension {
            Some(extension) if FINE.contains(&extension.to_ascii_lowercase().as_str()) => Profile::Fine,
            _ => Profile::Video,
        }
    }
}

const _: () = assert!(Profile::Video.max() <= crate::limits::CHUNK_BYTES);
