//! Refuses a restore that takes away more than its command says: unpublished content of a folder that this home
//! publishes from, and, with the option `delete`, items of a folder that the library was never restored to.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use chuan_engine::{restore, statement::Library};

use super::restore::resolved;
use crate::{
    command::Restore,
    context::Context,
    exit::{Failure, Result},
    home::sources,
    job::Job,
};

/// Items that a restore takes away.
#[derive(Default)]
struct Taken {
    count: u64,
    first: PathBuf,
}

impl Taken {
    fn add(&mut self, path: &Path) {
        if self.count == 0 {
            self.first = path.to_owned();
        }
        self.count += 1;
    }
}

/// What the restore needs a confirmation for, in words; empty if it needs none. `order` is the restore.
///
/// Items that a restore of this library left as they are count for nothing: the store has their content.
pub(super) fn to_confirm(
    context: &Context,
    library: &Library,
    options: &Restore,
    order: &restore::Restore,
    job: &Job,
) -> Result<String> {
    let dest = resolved(&options.dest)?;
    let mut published = sources::all(&context.home);
    published.retain(|source| source.starts_with(&dest) || dest.starts_with(source));
    let is_known = restore::was_restored(&context.home.restored_dir(), &options.dest, &library.id())?;
    let is_over_source = options.over_source && !published.is_empty();
    let needs_yes = options.delete && !options.yes && !is_known && !is_over_source;
    if is_over_source {
        published.clear();
    }
    if published.is_empty() && !needs_yes {
        return Ok(String::new());
    }
    let records = is_known.then(|| context.home.restored_dir());
    let order = restore::Restore { records, ..order.clone() };
    let (mut removed, mut own) = (Taken::default(), Taken::default());
    restore::losses(&*context.objects(&library.id()), &order, job.cancel().flag(), &mut |loss| {
        let path = dest.join(OsStr::from_bytes(&loss.path));
        // A folder is removed with the sources in it.
        let is_in =
            |source: &PathBuf| path.starts_with(source) || loss.is_removed && source.starts_with(&path);
        if published.iter().any(is_in) {
            own.add(&path);
        } else if loss.is_removed && needs_yes {
            removed.add(&path);
        }
    })?;
    if own.count > 0 {
        let why = format!(
            "{} is, contains or lies in a folder that this home publishes from, and the restore would overwrite or remove \
             {} of its items, as {}: restore to another folder, or give the option `over-source`",
            dest.display(),
            own.count,
            own.first.display()
        );
        if !options.dry_run {
            return Err(Failure::usage(why));
        }
        job.note(why);
    }
    Ok(match removed.count {
        0 => String::new(),
        count => format!(
            "the option `delete` removes {count} items from {}, as {}, and {} was never restored to that folder",
            dest.display(),
            removed.first.display(),
            library.name()
        ),
    })
}
