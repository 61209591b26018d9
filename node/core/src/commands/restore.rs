//! `restore`: brings a folder to a release.

use std::{
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use chuan_engine::{
    manifest::{EntryKind, union},
    restore,
};

use crate::{
    command::Restore,
    exit::{Exit, Failure, Result},
    home::{self, Home},
    job::Job,
    library::{holdings::Held, release},
    outcome::{FailureRow, Restored},
    report::Reporter,
    services::Services,
};

/// The maximum number of failures that are sent as notes; the answer lists more.
const FAILURES_NOTED: usize = 20;

/// Brings a folder to a release: files are written, verified and durable, and correct ones are not touched.
/// Nothing outside the folder is changed, whatever the manifest contains. Entries that cannot be restored are
/// listed in the answer, and do not stop the others.
pub(crate) async fn restore(services: &Arc<Services>, options: Restore, job: &Job) -> Result<Restored> {
    let job = job.clone();
    services.blocking(move |services| restored(services, &options, &job)).await
}

fn restored(services: &Services, options: &Restore, job: &Job) -> Result<Restored> {
    let Services { context, library, .. } = services;
    let begun = context.clock.instant();
    check_dest(&context.home, &options.dest)?;
    let found = release::resolve_to_read(context, library, &options.release)?;
    let (held, classes_stale) = found.held_and_fresh(&library.holdings)?;
    if options.delete && !classes_stale.is_empty() {
        let (library, sequence) = (found.library.name(), found.sequence);
        return Err(Failure::new(
            Exit::Stale,
            format!(
                "the option `delete` would remove the files of class `{}`, which is left out because the channel is older \
                 than it allows; name the release, {library}@{sequence}, to restore and delete",
                classes_stale.join("`, `")
            ),
        ));
    }
    if options.delete
        && options.path.is_none()
        && let Some((class, path)) = former_file(services, &found, &held, &options.dest)?
    {
        return Err(Failure::new(
            Exit::Stale,
            format!(
                "the option `delete` would remove the files of class `{class}`, as {path}: this node was granted the class \
                 before, and has none of its content of this release; remove them by hand, or restore without that option"
            ),
        ));
    }
    let order = restore::Restore {
        filter: options.path.clone(),
        check: options.check,
        delete: options.delete,
        hard_links: !options.no_hard_links,
        xattrs: options.xattrs,
        dry_run: options.dry_run,
        // A home that takes no writes cannot remember what is restored: later restores compare more.
        records: context.store.read_only().is_none().then(|| context.home.restored_dir()),
        home: Some(context.home.root().to_owned()),
        ..restore::Restore::new(held.trees(), &options.dest)
    };
    let mut reporter = Reporter::new(job, "restore", context.clock);
    let objects = context.objects(&found.library.id());
    let report = restore::restore(&*objects, &order, &mut reporter, job.cancel().flag())?;
    for failed in report.failures.iter().take(FAILURES_NOTED) {
        job.note(format!("not restored: {}: {}", failed.path, failed.reason));
    }
    let failure = report.failure.map(|kind| failure_exit(kind).code().to_owned());
    Ok(Restored {
        library: found.library.id().to_string(),
        library_name: found.library.name().to_owned(),
        release: found.id.to_string(),
        channel: found.channel_name(),
        fresh_age_seconds: found.fresh_age_seconds(),
        timekeepers: found.library.timekeepers() as u64,
        lag: found.lag(library)?,
        dest: options.dest.display().to_string(),
        dry_run: options.dry_run,
        files: report.files,
        files_written: report.files.saturating_sub(report.files_unchanged + report.files_linked),
        files_unchanged: report.files_unchanged,
        files_linked: report.files_linked,
        xattrs_left: report.xattrs_left,
        bytes_total: report.bytes,
        bytes_written: report.bytes_written,
        bytes_reused: report.bytes_reused,
        folders: report.folders,
        links: report.links,
        files_removed: report.files_removed,
        folders_removed: report.folders_removed,
        files_left: report.files_left,
        folders_left: report.folders_left,
        failures: report.failures.into_iter().map(failure_row).collect(),
        failures_total: report.failures_total,
        failure,
        classes_absent: held.classes_absent(),
        classes_stale,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// A file in the destination of a class that was here with an earlier release, and is not with this one: the
/// name of the class, and the path. It is not in the way of a path of this release.
fn former_file(
    services: &Services,
    found: &release::Found,
    held: &Held,
    dest: &Path,
) -> Result<Option<(String, String)>> {
    let (library, trees) = (&found.library, held.trees());
    let objects = services.context.objects(&library.id());
    for class in services.library.holdings.former(library, &held.absent)? {
        for entry in union::union(&*objects, &[(class.header.slot, class.header.root)]) {
            let (_, path, entry) = entry?;
            let is_there =
                entry.kind != EntryKind::Folder && dest.join(path.as_str()).symlink_metadata().is_ok();
            if is_there && !union::has(&*objects, &trees, &path)? {
                return Ok(Some((class.header.name, path.to_string())));
            }
        }
    }
    Ok(None)
}

fn failure_row(failure: restore::Failure) -> FailureRow {
    let code = failure_exit(failure.kind).code().to_owned();
    FailureRow { path: failure.path, reason: failure.reason, code }
}

/// The exit code of a restore with failures.
const fn failure_exit(kind: restore::FailureKind) -> Exit {
    match kind {
        restore::FailureKind::Corrupt => Exit::Corrupt,
        restore::FailureKind::Missing => Exit::Missing,
        _ => Exit::Gaps,
    }
}

/// Refuses a destination that is a node's home, lies in a home, or contains a known one: this home, or the
/// user's default home. Other homes are found during the restore and not touched. Also refuses a destination
/// that is, or lies in, a part of this home, even if that part is outside its folder.
fn check_dest(own: &Home, dest: &Path) -> Result<()> {
    let is_other = match dest.metadata() {
        Ok(found) => !found.is_dir(),
        // A link that leads to nothing.
        Err(_) => dest.symlink_metadata().is_ok(),
    };
    if is_other {
        return Err(Failure::invalid(format!("{} is not a folder; choose another name", dest.display())));
    }
    let dest = resolved(dest)?;
    let refused = |how: &str, home: &Path| {
        Err(Failure::invalid(format!(
            "{} {how} the home of a node, {}: nothing is restored over keys and a store; choose another folder",
            dest.display(),
            home.display()
        )))
    };
    if let Some(home) = dest.ancestors().find(|above| home::is_home(above)) {
        return refused(if home == dest { "is" } else { "lies in" }, home);
    }
    // A part of this home may be elsewhere, through a link or a mount.
    if let Some(part) = restore::home_of(&dest, own.root())? {
        return refused(if part == dest { "is a part of" } else { "lies in a part of" }, &part);
    }
    let homes = std::iter::once(own.root().to_owned()).chain(home::default_root());
    let mut homes = homes.filter(|home| home::is_home(home)).map(|home| resolved(&home));
    homes.try_for_each(|home| {
        let home = home?;
        if home.starts_with(&dest) { refused("contains", &home) } else { Ok(()) }
    })
}

/// The path without links in it. The end of the path need not exist.
fn resolved(path: &Path) -> Result<PathBuf> {
    let failed = |error| Failure::io(format!("resolve {}", path.display()), error);
    let path = std::path::absolute(path).map_err(failed)?;
    for above in path.ancestors() {
        match above.canonicalize() {
            Ok(resolved) => {
                let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
                // The rest does not exist, so `..` in it leads to the folder named before it.
                return Ok(rest.components().fold(resolved, |mut path, part| {
                    if part == Component::ParentDir {
                        path.pop();
                    } else {
                        path.push(part);
                    }
                    path
                }));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;
    use crate::command::Role;

    #[test]
    fn a_home_is_no_destination_and_none_contains_it() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b/home");
        let home = Home::init(&root, None, Role::Origin).unwrap();
        let other = dir.path().join("other");
        Home::init(&other, None, Role::Mirror).unwrap();
        symlink(&root, dir.path().join("link")).unwrap();
        for (dest, how) in [
            ("a/b/home", "is the home"),
            ("a/b/home/store/deep/er", "lies in the home"),
            ("link/new", "lies in the home"),
            ("other/x", "lies in the home"),
            ("a/b", "contains the home"),
            ("a", "contains the home"),
            ("a/x/../../a/b", "contains the home"),
        ] {
            let failure = check_dest(&home, &dir.path().join(dest)).unwrap_err();
            assert!(failure.exit == Exit::Invalid && failure.message.contains(how), "{dest}: {failure}");
        }
        // A folder with only some names of a home's files is no home.
        fs::create_dir_all(dir.path().join("lib/store")).unwrap();
        fs::write(dir.path().join("lib/chuan.toml"), b"1").unwrap();
        for dest in ["lib", "lib/store", "a/b/homes", "a/b/home2/new", "a/c"] {
            check_dest(&home, &dir.path().join(dest)).unwrap();
        }
    }

    /// A part of the home behind a link was overwritten by a restore, and with `--delete` erased.
    #[test]
    fn a_part_of_the_home_outside_its_folder_is_no_destination() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(&dir.path().join("home"), None, Role::Origin).unwrap();
        fs::create_dir(dir.path().join("ext")).unwrap();
        for part in ["keys", "store", "ledger"] {
            let _ = fs::create_dir(dir.path().join("home").join(part));
            fs::rename(dir.path().join("home").join(part), dir.path().join("ext").join(part)).unwrap();
            symlink(format!("../ext/{part}"), dir.path().join("home").join(part)).unwrap();
            for below in ["", "new", "new/deep"] {
                let dest = dir.path().join("ext").join(part).join(below);
                let failure = check_dest(&home, &dest).unwrap_err();
                assert!(failure.exit == Exit::Invalid && failure.message.contains("a part of"), "{failure}");
            }
        }
        for dest in ["ext", "ext/new", "ext/keys2"] {
            check_dest(&home, &dir.path().join(dest)).unwrap();
        }
    }

    #[test]
    fn a_destination_that_is_not_a_folder_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(&dir.path().join("home"), None, Role::Origin).unwrap();
        fs::write(dir.path().join("file"), b"1").unwrap();
        symlink(dir.path().join("nowhere"), dir.path().join("dangling")).unwrap();
        symlink(dir.path().join("file"), dir.path().join("link")).unwrap();
        for dest in ["file", "dangling", "link"] {
            let failure = check_dest(&home, &dir.path().join(dest)).unwrap_err();
            assert!(
                failure.exit == Exit::Invalid && failure.message.contains("not a folder"),
                "{dest}: {failure}"
            );
        }
    }
}
