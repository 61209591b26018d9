//! Backups and moves of a home as text, and the warnings about keys of which there is no backup.

use std::{
    io::{self, Write},
    path::Path,
};

use chuan_api::{
    human::{bytes, time},
    outcome::{HomeBackedUp, HomeMoved, HomeRestored, Status},
};

use super::{counted, field, short, translated};
use crate::{flags::quoted, say, text};

pub(super) fn backed_up(out: &mut impl Write, made: &HomeBackedUp) -> io::Result<()> {
    say!(
        out,
        "backed-up",
        node = short(&made.node),
        file = made.file,
        keys = counted(made.keys.len() as u64, "key"),
        libraries = counted(made.libraries, "library"),
        peers = counted(made.peers, "peer"),
        size = bytes(made.bytes)
    )?;
    made.keys_absent.iter().try_for_each(|absent| say!(out, "backup-absent", key = absent))?;
    made.unnoted.iter().try_for_each(|why| say!(out, "backup-unnoted", why = translated(why)))?;
    say!(out, "backup-keep")
}

pub(super) fn restored(out: &mut impl Write, made: &HomeRestored) -> io::Result<()> {
    say!(
        out,
        "home-restored",
        home = made.home,
        node = short(&made.node),
        name = made.name,
        time = time(made.time_ms),
        keys = counted(made.keys.len() as u64, "key"),
        libraries = counted(made.libraries.len() as u64, "library"),
        peers = counted(made.peers, "peer")
    )?;
    say!(out, "home-restored-once")?;
    let home = with_home(&made.home);
    made.libraries
        .iter()
        .try_for_each(|library| say!(out, "home-restored-pull", home = home, library = library))
}

pub(super) fn moved(out: &mut impl Write, moved: &HomeMoved) -> io::Result<()> {
    let how = match moved.copied {
        true => text!("home-copied", files = counted(moved.files, "file"), size = bytes(moved.bytes)),
        false => text!("home-renamed"),
    };
    say!(out, "home-moved", to = moved.to, how = how, from = moved.from)?;
    say!(out, "home-moved-next")
}

/// The three lines about the keys of a new library.
pub(super) fn founded(out: &mut impl Write, home: &str) -> io::Result<()> {
    say!(out, "founded-keys")?;
    say!(out, "founded-backup")?;
    writeln!(out, "!   chuan{} home backup FILE", with_home(home))
}

/// The backup in `status`; nothing while the home has no key that it could lose for others.
pub(super) fn status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let (backup, home) = (&status.backup, with_home(&status.identity.home));
    let of = backup.time_ms.map(time).unwrap_or_default();
    match backup.state.as_str() {
        "current" => field(out, &text!("label-backup"), &text!("backup-current", time = of)),
        "outdated" => field(out, &text!("label-backup"), &text!("backup-outdated", time = of, home = home)),
        _ if status.libraries.iter().all(|library| library.keys.is_empty()) => Ok(()),
        _ => field(out, &text!("label-backup"), &text!("backup-none", home = home)),
    }
}

/// The option that names a home, where it is not the one that is found without.
fn with_home(home: &str) -> String {
    let is_default = chuan::home::default_root().is_ok_and(|default| default == Path::new(home));
    if is_default { String::new() } else { format!(" --home {}", quoted(home)) }
}

#[cfg(test)]
mod tests {
    use chuan_api::outcome::{BackupStatus, LibraryStatus};

    use super::{super::tests::text, *};

    /// An operator lost the only keys of a library: nothing had ever said that they must be kept elsewhere.
    #[test]
    fn a_founding_names_the_command_that_saves_the_keys() {
        let lines = text(|out| founded(out, "/srv/a b/it's"));
        assert_eq!(lines.lines().count(), 3);
        assert!(lines.contains(r"chuan --home '/srv/a b/it'\''s' home backup FILE"), "{lines}");
    }

    #[test]
    fn status_warns_until_the_keys_have_a_backup() {
        let library = LibraryStatus { keys: vec!["root".into()], ..LibraryStatus::default() };
        let backup = |state: &str, time_ms| BackupStatus { state: state.into(), time_ms };
        let mut found = Status { backup: backup("none", None), ..Status::default() };
        assert_eq!(text(|out| status(out, &found)), "");
        found.libraries = vec![library];
        assert!(text(|out| status(out, &found)).contains("home backup FILE"));
        found.backup = backup("outdated", Some(0));
        assert!(text(|out| status(out, &found)).contains("changed since"));
        found.backup = backup("current", Some(0));
        assert_eq!(text(|out| status(out, &found)), "backup     of 1970-01-01 00:00:00 UTC, with all keys\n");
    }
}
