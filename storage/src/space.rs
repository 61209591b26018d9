//! Free space on the file system, and the reserve that is never given to segments.

use std::path::Path;

use chuan_engine::{Error, Result};

/// Bytes of a mebibyte.
const MIB: u64 = 1024 * 1024;
/// The minimum reserve: the index must be able to flush its memory.
const RESERVE_MIN: u64 = 8 * MIB;
/// The maximum reserve, for a large file system.
const RESERVE_MAX: u64 = 64 * MIB;

/// The space of a file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Free bytes for this process.
    pub(crate) free: u64,
    /// Bytes in all.
    pub(crate) total: u64,
}

impl Space {
    pub(crate) fn of(dir: &Path) -> Result<Self> {
        let stat = rustix::fs::statvfs(dir).map_err(|error| {
            Error::io(format!("ask for the free space of {}", dir.display()), error.into())
        })?;
        Ok(Self {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }

    /// The bytes left for segments above the reserve.
    pub(crate) fn usable(&self) -> u64 {
        self.free.saturating_sub((self.total / 50).clamp(RESERVE_MIN, RESERVE_MAX))
    }
}

/// The error for a full directory.
pub(crate) fn full(dir: &Path, what: &str) -> Error {
    Error::Full(format!(
        "{}: {what}; what was stored before is intact. Free some space there or move the home to a larger disk",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_reserve_at_every_size() {
        let usable = |free, total| Space { free, total }.usable();
        assert_eq!(usable(64 * MIB, 64 * MIB), 56 * MIB);
        assert_eq!(usable(1024 * MIB, 1000 * MIB), (1024 - 20) * MIB);
        assert_eq!(usable(5000 * MIB, 1 << 40), (5000 - 64) * MIB);
        assert_eq!(usable(MIB, 64 * MIB), 0);
    }
}
