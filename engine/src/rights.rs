//! The right to read files that only root may read. The publish that root starts uses it for its source, and
//! for nothing else.
//!
//! A process that root starts on the home of another user works as that user. It may keep this one right for
//! one source. The system applies the right only to the calls that `raised` repeats, on threads that work
//! on this source: the home's owner chooses the links in the home, and other commands that reach this
//! process.

use std::{
    cell::Cell,
    io,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// The source for which the right is kept.
static SOURCE: OnceLock<PathBuf> = OnceLock::new();
/// The right to read any file and to enter any folder.
const READ_ALL: CapabilitySet = CapabilitySet::DAC_READ_SEARCH;
const NONE: CapabilitySet = CapabilitySet::empty();

thread_local! {
    /// Whether this thread works on the source.
    static IS_COVERED: Cell<bool> = const { Cell::new(false) };
}

/// Takes all rights of root from this thread, and from the threads that it starts later. If `source` is
/// given, and root has the right to read any file, a publish of this source can raise that right.
///
/// Call it after the change of the user, before the process starts other threads.
///
/// # Errors
///
/// The error of the system.
pub fn drop_all(source: Option<&Path>) -> io::Result<()> {
    let source = source.map(std::path::absolute).transpose()?;
    let kept = match source {
        Some(_) => capabilities(None)?.permitted & READ_ALL,
        None => NONE,
    };
    set(NONE, kept)?;
    if let Some(source) = source.filter(|_| kept == READ_ALL) {
        let _ = SOURCE.set(source);
    }
    Ok(())
}

/// Whether the right is kept for this source.
pub(crate) fn is_kept_for(source: &Path) -> bool {
    SOURCE.get().is_some_and(|kept| std::path::absolute(source).is_ok_and(|source| source == *kept))
}

/// Lets [`raised`] raise the right in this thread, if `is_covered` is set, until the answer is dropped.
pub(crate) fn cover(is_covered: bool) -> Covered {
    Covered { before: IS_COVERED.replace(is_covered) }
}

/// Whether [`raised`] may raise the right in this thread.
pub(crate) fn is_covered() -> bool {
    IS_COVERED.get()
}

/// The time in which a thread works on the source.
#[derive(Debug)]
#[must_use]
pub(crate) struct Covered {
    before: bool,
}

impl Drop for Covered {
    fn drop(&mut self) {
        IS_COVERED.set(self.before);
    }
}

/// Does `call`. If it is denied in a thread that is covered, does it again with the right to read any file.
pub(crate) fn raised<T>(call: impl Fn() -> io::Result<T>) -> io::Result<T> {
    match call() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && is_covered() => {
            set(READ_ALL, READ_ALL)?;
            let done = call();
            set(NONE, READ_ALL)?;
            done
        }
        done => done,
    }
}

fn set(effective: CapabilitySet, permitted: CapabilitySet) -> io::Result<()> {
    Ok(set_capabilities(None, CapabilitySets { effective, permitted, inheritable: NONE })?)
}
