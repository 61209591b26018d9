//! Links that another user has put into a home. Only root can try it: a test of another user is skipped.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, lchown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::program::Home;
use tempfile::TempDir;

/// The exit code of a command that is denied.
const DENIED: i32 = 5;
/// The exit code of a publish that could not read everything.
const GAPS: i32 = 12;
/// A user who owns nothing on this machine.
const NOBODY: u32 = 65_534;
const SECRET: &str = "root:secret line 0123456789 0123456789 0123456789\n";

/// A home, a library to publish, and a folder of root with one file.
struct Place {
    dir: TempDir,
}

impl Place {
    /// `None` if this is not root.
    fn new() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can try it");
            return Ok(None);
        }
        let place = Self { dir: tempfile::tempdir()? };
        fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(place.path("library"))?;
        fs::write(place.path("library/a"), "hi")?;
        let home = Home::init(place.path("made"), "u", "origin")?;
        home.run(["publish", &place.text("library"), "-l", "films"])?;
        Ok(Some(place))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A new copy of the home, of this user, and a new folder of root.
    fn begin(&self, owner: u32) -> Result<Home> {
        for name in ["home", "roots"] {
            if self.path(name).exists() {
                fs::remove_dir_all(self.path(name))?;
            }
        }
        let copied = Command::new("cp").arg("-a").args([self.path("made"), self.path("home")]).status()?;
        ensure!(copied.success(), "the home was not copied");
        give(&self.path("home"), owner)?;
        fs::create_dir(self.path("roots"))?;
        fs::set_permissions(self.path("roots"), fs::Permissions::from_mode(0o755))?;
        fs::write(self.path("roots/file"), SECRET)?;
        fs::set_permissions(self.path("roots/file"), fs::Permissions::from_mode(0o600))?;
        Home::at(self.path("home"))
    }

    /// Puts a link of [`NOBODY`] to a path in the folder of root in the place of a part of the home.
    fn plant(&self, part: &str, target: &str) -> Result<()> {
        let path = self.path("home").join(part);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path)?,
            Ok(_) => fs::remove_file(&path)?,
            Err(_) => {}
        }
        symlink(self.path(target), &path)?;
        Ok(lchown(&path, Some(NOBODY), Some(NOBODY))?)
    }

    /// Checks that the folder of root is as it was.
    fn check_untouched(&self, case: &str) -> Result<()> {
        let roots = self.path("roots");
        let mode = fs::metadata(&roots)?.permissions().mode() & 0o7777;
        ensure!(mode == 0o755, "{case}: a folder of root got the mode {mode:o}");
        let names = fs::read_dir(&roots)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
        ensure!(names == ["file"], "{case}: files in a folder of root: {names:?}");
        ensure!(fs::read_to_string(roots.join("file"))? == SECRET, "{case}: a file of root was changed");
        Ok(())
    }
}

/// Gives a folder and everything in it to a user.
fn give(path: &Path, owner: u32) -> Result<()> {
    lchown(path, Some(owner), Some(owner))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), owner)?;
        }
    }
    Ok(())
}

/// `status` of root on the home of another user overwrote a file of root, or made one in root's folder.
#[test]
fn a_command_of_root_follows_no_link_of_the_owner() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let (status, source) = (vec!["status"], place.text("library"));
    let publish = vec!["publish", &source, "-l", "films"];
    for (part, target, command, denied) in [
        ("lock", "roots/file", &status, true),
        ("lock", "roots/new", &status, true),
        ("run", "roots", &status, true),
        ("cache", "roots", &publish, false),
        ("store", "roots", &status, false),
        ("store/index", "roots", &status, false),
        ("store/segments", "roots", &publish, false),
        ("ledger/a", "roots/new", &publish, false),
        ("peers.json", "roots/file", &publish, false),
        ("whole", "roots", &publish, false),
    ] {
        let home = place.begin(NOBODY)?;
        fs::write(place.path("library/a"), format!("hi {part} {target}"))?;
        place.plant(part, target)?;
        let output = home.output(command)?;
        let error = String::from_utf8_lossy(&output.stderr);
        let case = format!("{part} -> {target}");
        place.check_untouched(&case)?;
        let code = output.status.code().with_context(|| format!("{case}: {error}"))?;
        ensure!(!denied || code == DENIED && error.contains("link"), "{case}: {code}: {error}");
        ensure!(!error.contains("panicked"), "{case}: {error}");
    }
    Ok(())
}

/// A publish of root copied a file of root into the home, where its owner could read it.
#[test]
fn a_publish_of_root_copies_no_file_of_root_into_the_log() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let home = place.begin(NOBODY)?;
    let audit = home.path.join("audit");
    for entry in fs::read_dir(&audit)? {
        let name = entry?.file_name().into_string().ok().context("a name that is no UTF-8")?;
        place.plant(&format!("audit/{name}"), "roots/file")?;
    }
    home.output(["publish", &place.text("library"), "-l", "films"])?;
    place.check_untouched("audit")?;
    for entry in fs::read_dir(&audit)? {
        let path = entry?.path();
        let is_copy =
            !path.is_symlink() && fs::read_to_string(&path).is_ok_and(|text| text.contains("secret"));
        ensure!(!is_copy, "a file of root was copied to {}", path.display());
    }
    Ok(())
}

/// A user of the group of a home with the mode 0770 replaced its lock by a link, and the `status` of the
/// owner overwrote a file of the owner.
#[test]
fn a_link_of_another_user_in_a_shared_home_is_refused() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    for (part, target) in [("lock", "roots/file"), ("store", "roots"), ("keys", "roots")] {
        let home = place.begin(0)?;
        fs::set_permissions(&home.path, fs::Permissions::from_mode(0o770))?;
        let shown = String::from_utf8(home.output(["status"])?.stderr)?;
        ensure!(shown.contains("other users may write"), "no word about the mode: {shown}");
        place.plant(part, target)?;
        let (code, error) = home.fails(["status"])?;
        ensure!(code == DENIED && error.contains("user 65534"), "{part}: {code}: {error}");
        place.check_untouched(part)?;
    }
    Ok(())
}

/// Rights of root are for the folder that root names, not for what a link of another user names.
#[test]
fn a_publish_of_root_reads_nothing_of_root_behind_a_link() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let home = place.begin(NOBODY)?;
    symlink(place.path("roots"), place.path("source"))?;
    let output = home.output(["publish", &place.text("source"), "-l", "linked", "--found"])?;
    ensure!(output.status.code() == Some(GAPS), "{}", String::from_utf8_lossy(&output.stderr));
    let output = home.output(["publish", &place.text("roots"), "-l", "named", "--found"])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
