//! The system calls that change files or make them durable, and the files that they name.
//!
//! Reads and calls on sockets are not here. A write through a shared mapping is no system call: the program
//! makes none.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result};
use nix::unistd::Pid;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// The longest path that the kernel takes.
const PATH_BYTES: usize = 4096;
/// Bytes that are read from a process at once; a read must not cross into a page that is not mapped.
const PAGE_BYTES: u64 = 4096;

/// Where a call names a file: the numbers of its arguments.
#[derive(Clone, Copy, Debug)]
enum Place {
    Fd(usize),
    Path(usize),
    At(usize, usize),
}

/// The files that a call makes durable when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// Nothing.
    None,
    /// The file or folder with this descriptor.
    One(u64),
    /// Everything.
    All,
}

use Place::{At, Fd, Path as P};

/// Every call: its number, its name, and the files that it changes. Of several, the last is the new name.
const CALLS: &[(i64, &str, &[Place])] = &[
    (libc::SYS_open, "open", &[P(0)]),
    (libc::SYS_openat, "openat", &[At(0, 1)]),
    (libc::SYS_openat2, "openat2", &[At(0, 1)]),
    (libc::SYS_creat, "creat", &[P(0)]),
    (libc::SYS_write, "write", &[Fd(0)]),
    (libc::SYS_pwrite64, "pwrite64", &[Fd(0)]),
    (libc::SYS_writev, "writev", &[Fd(0)]),
    (libc::SYS_pwritev, "pwritev", &[Fd(0)]),
    (libc::SYS_pwritev2, "pwritev2", &[Fd(0)]),
    (libc::SYS_sendfile, "sendfile", &[Fd(0)]),
    (libc::SYS_splice, "splice", &[Fd(2)]),
    (libc::SYS_copy_file_range, "copy_file_range", &[Fd(2)]),
    (libc::SYS_ioctl, "ioctl", &[Fd(0)]),
    (libc::SYS_truncate, "truncate", &[P(0)]),
    (libc::SYS_ftruncate, "ftruncate", &[Fd(0)]),
    (libc::SYS_fallocate, "fallocate", &[Fd(0)]),
    (libc::SYS_fsync, "fsync", &[Fd(0)]),
    (libc::SYS_fdatasync, "fdatasync", &[Fd(0)]),
    (libc::SYS_sync_file_range, "sync_file_range", &[Fd(0)]),
    (libc::SYS_syncfs, "syncfs", &[Fd(0)]),
    (libc::SYS_rename, "rename", &[P(0), P(1)]),
    (libc::SYS_renameat, "renameat", &[At(0, 1), At(2, 3)]),
    (libc::SYS_renameat2, "renameat2", &[At(0, 1), At(2, 3)]),
    (libc::SYS_unlink, "unlink", &[P(0)]),
    (libc::SYS_unlinkat, "unlinkat", &[At(0, 1)]),
    (libc::SYS_rmdir, "rmdir", &[P(0)]),
    (libc::SYS_mkdir, "mkdir", &[P(0)]),
    (libc::SYS_mkdirat, "mkdirat", &[At(0, 1)]),
    (libc::SYS_link, "link", &[P(1)]),
    (libc::SYS_linkat, "linkat", &[At(2, 3)]),
    (libc::SYS_symlink, "symlink", &[P(1)]),
    (libc::SYS_symlinkat, "symlinkat", &[At(1, 2)]),
    (libc::SYS_mknod, "mknod", &[P(0)]),
    (libc::SYS_mknodat, "mknodat", &[At(0, 1)]),
    (libc::SYS_chmod, "chmod", &[P(0)]),
    (libc::SYS_fchmod, "fchmod", &[Fd(0)]),
    (libc::SYS_fchmodat, "fchmodat", &[At(0, 1)]),
    (libc::SYS_fchmodat2, "fchmodat2", &[At(0, 1)]),
    (libc::SYS_chown, "chown", &[P(0)]),
    (libc::SYS_lchown, "lchown", &[P(0)]),
    (libc::SYS_fchown, "fchown", &[Fd(0)]),
    (libc::SYS_fchownat, "fchownat", &[At(0, 1)]),
    (libc::SYS_utime, "utime", &[P(0)]),
    (libc::SYS_utimes, "utimes", &[P(0)]),
    (libc::SYS_futimesat, "futimesat", &[At(0, 1)]),
    (libc::SYS_utimensat, "utimensat", &[At(0, 1)]),
    (libc::SYS_setxattr, "setxattr", &[P(0)]),
    (libc::SYS_lsetxattr, "lsetxattr", &[P(0)]),
    (libc::SYS_fsetxattr, "fsetxattr", &[Fd(0)]),
    (libc::SYS_removexattr, "removexattr", &[P(0)]),
    (libc::SYS_lremovexattr, "lremovexattr", &[P(0)]),
    (libc::SYS_fremovexattr, "fremovexattr", &[Fd(0)]),
];

/// The requests of `ioctl` that write to a file.
const CLONES: [u64; 2] = [libc::FICLONE, libc::FICLONERANGE];
/// The flags of an open that changes something.
const OPEN_FLAGS: [i32; 2] = [libc::O_CREAT, libc::O_TRUNC];

/// A call under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: &'static str,
    /// The file, below the watched folder.
    pub path: PathBuf,
    pub(super) sync: Sync,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.path.display())
    }
}

/// The filter with which a process stops at every such call, whatever its files are.
pub(super) fn filter() -> Result<BpfProgram> {
    let masked = |argument: u8, flag: i32| -> Result<SeccompRule> {
        let flag = u64::try_from(flag)?;
        equal(argument, SeccompCmpOp::MaskedEq(flag), flag)
    };
    let mut rules = BTreeMap::new();
    for (number, ..) in CALLS {
        let conditions = match *number {
            libc::SYS_open => OPEN_FLAGS.map(|flag| masked(1, flag)).into_iter().collect::<Result<_>>()?,
            libc::SYS_openat => OPEN_FLAGS.map(|flag| masked(2, flag)).into_iter().collect::<Result<_>>()?,
            libc::SYS_ioctl => {
                let clones = CLONES.map(|request| equal(1, SeccompCmpOp::Eq, request));
                clones.into_iter().collect::<Result<_>>()?
            }
            _ => Vec::new(),
        };
        rules.insert(*number, conditions);
    }
    let target = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Trace(0), target)?;
    Ok(filter.try_into()?)
}

fn equal(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// The call that the stopped thread is about to make, if it changes something below `root`.
pub(super) fn decode(thread: Pid, regs: &libc::user_regs_struct, root: &Path) -> Result<Option<Call>> {
    let number = i64::try_from(regs.orig_rax).unwrap_or(-1);
    let Some((_, name, places)) = CALLS.iter().find(|(known, ..)| *known == number) else { return Ok(None) };
    let arguments = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
    if number == libc::SYS_openat2 && !opens_to_change(thread, arguments)? {
        return Ok(None);
    }
    let argument = |index: usize| arguments.get(index).copied().unwrap_or_default();
    for place in places.iter().rev() {
        let path = match *place {
            Fd(fd) => of_fd(thread, argument(fd)),
            P(path) => named(thread, None, argument(path))?,
            At(fd, path) => named(thread, Some(argument(fd)), argument(path))?,
        };
        let Some(path) = path else { continue };
        // No such call fails for want of space, nor changes anything.
        if name.starts_with("mkdir") && path.is_dir() {
            return Ok(None);
        }
        if let Ok(path) = path.strip_prefix(root) {
            let sync = match number {
                libc::SYS_fsync | libc::SYS_fdatasync => Sync::One(argument(0)),
                libc::SYS_syncfs => Sync::All,
                _ => Sync::None,
            };
            return Ok(Some(Call { name, path: path.to_owned(), sync }));
        }
    }
    Ok(None)
}

/// Whether the flags in the argument block of `openat2` create or cut a file.
fn opens_to_change(thread: Pid, [_, _, how, ..]: [u64; 6]) -> Result<bool> {
    let mut flags = [0; 8];
    memory(thread)?.read_exact_at(&mut flags, how).context("read the flags of openat2")?;
    let flags = u64::from_ne_bytes(flags);
    Ok(OPEN_FLAGS.iter().any(|flag| u64::try_from(*flag).is_ok_and(|flag| flags & flag != 0)))
}

/// The path behind a descriptor; `None` for one that is closed.
fn of_fd(thread: Pid, fd: u64) -> Option<PathBuf> {
    fs::read_link(in_proc(thread, &format!("fd/{}", descriptor(fd)))).ok()
}

/// A path argument, absolute; a null pointer names the descriptor itself.
fn named(thread: Pid, fd: Option<u64>, at: u64) -> Result<Option<PathBuf>> {
    let name = if at == 0 { PathBuf::new() } else { text(thread, at)? };
    if name.is_absolute() {
        return Ok(Some(plain(&name)));
    }
    let folder = match fd.filter(|fd| descriptor(*fd) != libc::AT_FDCWD) {
        Some(fd) => of_fd(thread, fd),
        None => fs::read_link(in_proc(thread, "cwd")).ok(),
    };
    Ok(folder.map(|folder| plain(&folder.join(name))))
}

/// Removes `.` and `..` from a path.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(out.pop()),
            other => out.push(other),
        }
    }
    out
}

/// The text at an address of the process.
fn text(thread: Pid, mut at: u64) -> Result<PathBuf> {
    let memory = memory(thread)?;
    let mut out = Vec::new();
    while out.len() < PATH_BYTES {
        let mut piece = vec![0; usize::try_from(PAGE_BYTES - at % PAGE_BYTES)?];
        let read = memory.read_at(&mut piece, at).context("read a path of the process")?;
        piece.truncate(read);
        if let Some(end) = piece.iter().position(|byte| *byte == 0) {
            out.extend(piece.drain(..end));
            break;
        }
        at += read as u64;
        out.append(&mut piece);
    }
    Ok(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(out)))
}

fn memory(thread: Pid) -> Result<File> {
    File::open(in_proc(thread, "mem")).context("open the memory of the process")
}

/// A descriptor has 32 bits; the rest of the register is undefined.
const fn descriptor(register: u64) -> i32 {
    let [a, b, c, d, ..] = register.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// A path of the thread in `/proc`.
pub(super) fn in_proc(thread: Pid, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{thread}/{name}"))
}
