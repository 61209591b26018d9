//! The references of a user: `dd`, `cp`, and a raw file written past the page cache.

use std::{
    fs::{self, File, OpenOptions},
    hint::black_box,
    io::{Read, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use chuan_benches::process;

const BLOCK: usize = 4 << 20;
const ALIGNMENT: usize = 4096;
/// Bytes that one core hashes in sequence.
const SPAN: usize = 16 << 20;

/// `dd` of `bytes` zeros to a new file in `dir`, past the page cache, until they are on the disk. A file
/// system that refuses `O_DIRECT` (tmpfs) is written through the page cache, with a message.
pub(crate) fn dd(dir: &Path, bytes: u64) -> Result<Duration> {
    let target = dir.join("dd");
    let direct = accepts_direct(dir);
    let mut command = Command::new("dd");
    command
        .args(["if=/dev/zero", "bs=4M", "iflag=count_bytes", "conv=fsync"])
        .arg(format!("count={}", bytes.div_ceil(ALIGNMENT as u64) * ALIGNMENT as u64))
        .arg(format!("of={}", target.display()));
    if direct {
        command.arg("oflag=direct");
    } else {
        eprintln!("  {} refuses O_DIRECT: dd writes through the page cache", dir.display());
    }
    let cost = process::run(&mut command)?;
    fs::remove_file(target)?;
    Ok(cost.took)
}

/// The time of a copy.
#[derive(Debug)]
pub(crate) struct Copied {
    /// Until `cp` ended: its output is in the page cache.
    pub(crate) took: Duration,
    /// Until it was on the disk.
    pub(crate) synced: Duration,
}

/// `cp -r` and `sync -f`, to a path that must not exist; it is removed afterwards.
pub(crate) fn cp(from: &Path, to: &Path) -> Result<Copied> {
    let copy = process::run(Command::new("cp").arg("-r").arg(from).arg(to))?;
    let sync = process::run(Command::new("sync").arg("-f").arg(to))?;
    fs::remove_dir_all(to)?;
    Ok(Copied { took: copy.took, synced: copy.took + sync.took })
}

/// Writes `bytes` of `block`, repeated, to a new file, past the page cache if possible, until they are on the
/// disk.
pub(crate) fn write_raw(path: &Path, block: &[u8], bytes: u64) -> Result<Duration> {
    // An aligned window in a larger buffer: O_DIRECT requires alignment.
    let mut room = vec![0; BLOCK + ALIGNMENT];
    let at = room.as_ptr().align_offset(ALIGNMENT);
    let window = room.get_mut(at..at + BLOCK).context("align")?;
    for (to, from) in window.iter_mut().zip(block.iter().cycle()) {
        *to = *from;
    }
    let dir = path.parent().context("a file in a directory")?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if accepts_direct(dir) {
        options.custom_flags(direct_flag());
    }
    let ((), took) = process::timed(|| {
        let mut file = options.open(path)?;
        for _ in 0..bytes.div_ceil(BLOCK as u64) {
            file.write_all(window)?;
        }
        Ok(file.sync_all()?)
    })?;
    Ok(took)
}

/// Reads a file from its beginning to its end.
pub(crate) fn read_raw(path: &Path) -> Result<Duration> {
    let mut block = vec![0; BLOCK];
    let ((), took) = process::timed(|| {
        let mut file = File::open(path)?;
        while file.read(&mut block)? > 0 {}
        Ok(())
    })?;
    Ok(took)
}

/// Reads all files of a directory and hashes them in pieces of the size of an average chunk, on all cores.
pub(crate) fn hash(dir: &Path) -> Result<Duration> {
    const PIECE: usize = 64 << 10;
    let files = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let next = AtomicUsize::new(0);
    // Each core takes one span at a time, so that all cores hash one large file.
    let span = |block: &mut [u8]| -> Result<bool> {
        let mut at = next.fetch_add(1, Ordering::Relaxed) * SPAN;
        for path in &files {
            let file = File::open(path)?;
            let len = usize::try_from(file.metadata()?.len())?.next_multiple_of(SPAN);
            if at < len {
                let end = at + SPAN;
                while at < end {
                    let read = file.read_at(block, at as u64)?;
                    for piece in block.get(..read).unwrap_or_default().chunks(PIECE) {
                        black_box(blake3::hash(piece));
                    }
                    at += block.len();
                }
                return Ok(true);
            }
            at -= len;
        }
        Ok(false)
    };
    let ((), took) = process::timed(|| {
        thread::scope(|scope| {
            let cores = thread::available_parallelism()?.get();
            let workers: Vec<_> = (0..cores)
                .map(|_| {
                    scope.spawn(|| {
                        let mut block = vec![0; 1 << 20];
                        while span(&mut block)? {}
                        anyhow::Ok(())
                    })
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    })?;
    Ok(took)
}

fn accepts_direct(dir: &Path) -> bool {
    let probe = dir.join("direct-probe");
    let accepted = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(direct_flag())
        .open(&probe)
        .is_ok();
    let _ = fs::remove_file(probe);
    accepted
}

fn direct_flag() -> i32 {
    rustix::fs::OFlags::DIRECT.bits().cast_signed()
}
