//! Backups and moves of a home as text, and the warnings about keys of which there is no backup.

use std::{
    io::{self, Write},
    path::Path,
};

use chuan_api::{
    human::{bytes, counted, time},
    outcome::{HomeBackedUp, HomeMoved, HomeRestored, Status},
};

use super::short;
use crate::flags::quoted;

pub(super) fn backed_up(out: &mut impl Write, made: &HomeBackedUp) -> io::Result<()> {
    writeln!(
        out,
        "backup of node {} in {}: {}, {}, {}, {}",
        short(&made.node),
        made.file,
        counted(made.keys.len() as u64, "key"),
        counted_libraries(made.libraries),
        counted(made.peers, "peer"),
        bytes(made.bytes)
    )?;
    for absent in &made.keys_absent {
        writeln!(out, "! not in it: {absent} is a link, and its target is not there now; back it up apart")?;
    }
    writeln!(
        out,
        "keep it on another disk, and its passphrase in another place: both are needed to restore it"
    )
}

pub(super) fn restored(out: &mut impl Write, made: &HomeRestored) -> io::Result<()> {
    writeln!(
        out,
        "{} is node {} ({}) as of {} UTC: {}, {}, {}",
        made.home,
        short(&made.node),
        made.name,
        time(made.time_ms),
        counted(made.keys.len() as u64, "key"),
        counted_libraries(made.libraries.len() as u64),
        counted(made.peers, "peer")
    )?;
    writeln!(
        out,
        "if the old home still runs anywhere, stop it first: two homes with one key contradict each other"
    )?;
    let home = with_home(&made.home);
    made.libraries.iter().try_for_each(|library| {
        writeln!(
            out,
            "`chuan{home} pull {library}` asks peers; before that, it signs nothing for the library"
        )
    })
}

pub(super) fn moved(out: &mut impl Write, moved: &HomeMoved) -> io::Result<()> {
    let how = match moved.copied {
        true => format!("copied and compared {}, {}", counted(moved.files, "file"), bytes(moved.bytes)),
        false => "renamed".to_owned(),
    };
    writeln!(out, "the home is in {} now ({how}); {} is gone", moved.to, moved.from)?;
    writeln!(out, "name it with --home or CHUAN_HOME, also where the node is started")
}

/// The three lines about the keys of a new library.
pub(super) fn founded(out: &mut impl Write, home: &str) -> io::Result<()> {
    writeln!(
        out,
        "! the keys are on this disk only: if they are lost, no release can be signed, and no mirror can help"
    )?;
    writeln!(out, "! write them to another disk, now and after each new key:")?;
    writeln!(out, "!   chuan{} home backup FILE", with_home(home))
}

/// The backup in `status`; nothing while the home has no key that it could lose for others.
pub(super) fn status(out: &mut impl Write, status: &Status) -> io::Result<()> {
    let (backup, home) = (&status.backup, with_home(&status.identity.home));
    let of = backup.time_ms.map(time).unwrap_or_default();
    match backup.state.as_str() {
        "current" => writeln!(out, "backup     of {of} UTC, with all keys"),
        "outdated" => {
            writeln!(out, "backup     of {of} UTC; keys have changed since: `chuan{home} home backup FILE`")
        }
        _ if status.libraries.iter().all(|library| library.keys.is_empty()) => Ok(()),
        _ => writeln!(
            out,
            "backup     none: keys of libraries are on this disk only; `chuan{home} home backup FILE`"
        ),
    }
}

fn counted_libraries(count: u64) -> String {
    if count == 1 { "1 library".to_owned() } else { format!("{count} libraries") }
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
