//! Restore in practice: a folder that follows its library from release to release, with the user's own files
//! in it.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    pair::text,
    program::{Home, number},
};
use serde_json::Value;

/// A home that publishes a folder and restores it to another folder.
struct Case {
    home: Home,
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("chuan-it-").tempdir()?;
        fs::create_dir(dir.path().join("library"))?;
        Ok(Self { home: Home::init(dir.path().join("home"), "origin", "origin")?, dir })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the library, with the folders that it needs.
    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path("library").join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    }

    fn publish(&self) -> Result<Value> {
        let library = self.path("library");
        let publish = ["publish".as_ref(), library.as_os_str(), "-l".as_ref(), "films".as_ref()];
        // Most files of this small folder change from one release to the next.
        self.home.json(publish.into_iter().chain(["--max-delete", "100%"].map(OsStr::new)))
    }

    fn restore(&self, options: &[&str]) -> Result<Value> {
        self.home.json(self.command(options))
    }

    fn command(&self, options: &[&str]) -> Vec<String> {
        let dest = self.path("copy").display().to_string();
        ["restore", "films", &dest].iter().chain(options).map(|arg| (*arg).to_owned()).collect()
    }

    fn copied(&self, name: &str) -> Result<String> {
        let path = self.path("copy").join(name);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Runs `diff -r`, which follows no links.
    fn check_equal(&self) -> Result<()> {
        let mut diff = Command::new("diff");
        diff.args(["-r", "--no-dereference"]).arg(self.path("library")).arg(self.path("copy"));
        let output = diff.output().context("run diff")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Ok(())
    }
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::symlink_metadata(path)?.permissions().mode() & 0o7777)
}

#[test]
fn a_folder_follows_its_library_through_swaps_renames_and_removals() -> Result<()> {
    let case = Case::new()?;
    case.write("extras", "one")?;
    case.write("s01/e1.ts", "1")?;
    case.write("s01/e2.ts", "2")?;
    case.write("Film [1080p]/film [x265].mkv", "f")?;
    case.publish()?;
    case.restore(&[])?;
    case.check_equal()?;

    let library = case.path("library");
    fs::remove_file(library.join("extras"))?;
    case.write("extras/a.mkv", "two")?;
    fs::remove_file(library.join("s01/e1.ts"))?;
    fs::rename(library.join("s01/e2.ts"), library.join("s01/e9.ts"))?;
    case.publish()?;
    let before = fs::read(case.path("copy/extras"))?;
    let dry = case.restore(&["--dry-run", "--delete"])?;
    let changes = dry.get("changes").and_then(Value::as_array).context("no changes")?;
    let said = |path: &str, change: &str| {
        changes.iter().any(|row| text(row, "path") == path && text(row, "change") == change)
    };
    ensure!(said("extras", "made") && said("extras/a.mkv", "written"), "{dry}");
    ensure!(said("s01/e1.ts", "removed") && said("s01/e9.ts", "written"), "{dry}");
    ensure!(fs::read(case.path("copy/extras"))? == before, "a dry run wrote");

    let restored = case.restore(&[])?;
    ensure!(number(&restored, "files_left")? == 2 && number(&restored, "failures_total")? == 0, "{restored}");
    ensure!(case.copied("extras/a.mkv")? == "two" && case.copied("s01/e1.ts")? == "1");
    let restored = case.restore(&["--delete"])?;
    ensure!(number(&restored, "files_removed")? == 2 && number(&restored, "files_left")? == 0, "{restored}");
    case.check_equal()?;
    // And back to the previous release, by its number.
    let dest = case.path("copy");
    case.home.json(["restore", "films@1", &dest.display().to_string(), "--delete"])?;
    ensure!(case.copied("extras")? == "one" && !dest.join("s01/e9.ts").exists());
    Ok(())
}

#[test]
fn a_pattern_without_match_and_a_blocked_path_have_own_exit_codes() -> Result<()> {
    let case = Case::new()?;
    case.write("Film [1080p]/film [x265].mkv", "f")?;
    case.write("a", "1")?;
    case.write("b", "1")?;
    case.publish()?;
    let (code, error) = case.home.fails(case.command(&["--path", "nothing*"]))?;
    ensure!(code == 3 && error.contains("nothing*"), "{code}: {error}");
    case.restore(&["--path", "Film [1080p]/film [x265].mkv"])?;
    ensure!(case.copied("Film [1080p]/film [x265].mkv")? == "f" && !case.path("copy/a").exists());

    fs::create_dir_all(case.path("copy/a/mine"))?;
    let (code, error) = case.home.fails(case.command(&[]))?;
    ensure!(code == 12 && error.contains("not restored: a: "), "{code}: {error}");
    ensure!(case.copied("b")? == "1" && case.path("copy/a/mine").is_dir());
    case.restore(&["--delete"])?;
    case.check_equal()
}

#[test]
fn no_home_is_restored_into_or_over() -> Result<()> {
    let case = Case::new()?;
    case.write("chuan.toml", "1")?;
    case.write("store/x", "2")?;
    case.publish()?;
    let home = &case.home.path;
    for dest in [home.clone(), home.join("store"), home.join("new/folder"), case.dir.path().to_owned()] {
        let (code, error) = case.home.fails(["restore".as_ref(), "films".as_ref(), dest.as_os_str()])?;
        ensure!(code == 4 && error.contains("home of a node"), "{}: {code}: {error}", dest.display());
    }
    case.home.run(["status"])?;
    ensure!(!home.join("new").exists() && !case.path("store").exists());
    // A library that only resembles a part of a home is restored, repeatedly.
    case.restore(&[])?;
    case.restore(&["--delete"])?;
    case.check_equal()
}

/// Modes and times of folders, links, hard links and holes, through a publish and a restore.
#[test]
fn kinds_come_back_as_they_were() -> Result<()> {
    let case = Case::new()?;
    let library = case.path("library");
    case.write("private/screener.mkv", "s")?;
    case.write("s01/e1.mkv", &"film".repeat(50_000))?;
    fs::create_dir(library.join("empty"))?;
    fs::hard_link(library.join("s01/e1.mkv"), library.join("e1 again.mkv"))?;
    std::os::unix::fs::symlink("s01", library.join("latest"))?;
    std::os::unix::fs::symlink("../s01/e1.mkv", library.join("private/link"))?;
    let disk = fs::File::create(library.join("disk.img"))?;
    disk.set_len(64_000_000)?;
    std::os::unix::fs::FileExt::write_at(&disk, b"tail", 50_000_000)?;
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for folder in ["private", "empty"] {
        fs::set_permissions(library.join(folder), fs::Permissions::from_mode(0o700))?;
        fs::File::open(library.join(folder))?.set_modified(old)?;
    }
    case.publish()?;
    for _ in 0..2 {
        let restored = case.restore(&[])?;
        ensure!(number(&restored, "failures_total")? == 0, "{restored}");
        case.check_equal()?;
        let copy = case.path("copy");
        for folder in ["private", "empty"] {
            ensure!(mode(&copy.join(folder))? == 0o700, "{folder}");
            ensure!(fs::metadata(copy.join(folder))?.modified()? == old, "{folder}");
        }
        let inode = |name: &str| Ok::<_, anyhow::Error>(fs::metadata(copy.join(name))?.ino());
        ensure!(inode("s01/e1.mkv")? == inode("e1 again.mkv")?, "{restored}");
        ensure!(fs::read_link(copy.join("latest"))? == Path::new("s01"));
        if fs::metadata(library.join("disk.img"))?.blocks() * 512 < 32_000_000 {
            ensure!(fs::metadata(copy.join("disk.img"))?.blocks() * 512 < 32_000_000, "holes were filled");
        } else {
            eprintln!("skipped in part: {} keeps no holes", library.display());
        }
    }
    Ok(())
}

/// Symptom: extended attributes were lost, and nothing said so.
#[test]
fn extended_attributes_are_kept_with_the_option_and_counted_without() -> Result<()> {
    let case = Case::new()?;
    case.write("tagged.mkv", "film")?;
    case.write("plain.mkv", "film")?;
    let (name, value) = ("user.xdg.tags", b"approved");
    let tagged = case.path("library/tagged.mkv");
    if let Err(error) = rustix::fs::setxattr(&tagged, name, value, rustix::fs::XattrFlags::empty()) {
        eprintln!("skipped: {} keeps no extended attributes: {error}", tagged.display());
        return Ok(());
    }
    let library = case.path("library").display().to_string();
    let dest = case.path("copy").display().to_string();
    let publish = ["publish", &library, "-l", "films"];
    let restore = ["restore", "films", &dest];
    let attribute = || {
        let mut read = [0; 64];
        let len = rustix::fs::getxattr(case.path("copy/tagged.mkv"), name, &mut read[..]).ok()?;
        read.get(..len).map(<[u8]>::to_vec)
    };
    let said = case.home.run(publish)?;
    ensure!(said.contains("extended attributes of 1 file are left out; --xattrs"), "{said}");
    case.home.run(restore)?;
    ensure!(attribute().is_none(), "an attribute was kept that no option asked for");

    let published = case.home.json(publish.iter().chain(&["--xattrs"]))?;
    ensure!(number(&published, "xattrs_left_total")? == 0, "{published}");
    ensure!(published["changed"] == true, "{published}");
    let said = case.home.run(restore)?;
    ensure!(said.contains("extended attributes of 1 file are not restored; --xattrs"), "{said}");
    let restored = case.home.json(restore.iter().chain(&["--xattrs"]))?;
    ensure!(number(&restored, "xattrs_left")? == 0, "{restored}");
    ensure!(attribute().as_deref() == Some(&value[..]), "{restored}");
    let plain = rustix::fs::getxattr(case.path("copy/plain.mkv"), name, &mut [0; 64][..]);
    ensure!(plain.is_err(), "another file has the attribute");
    Ok(())
}

/// An ordinary user restores into a folder of their own that holds files of another user.
#[test]
fn files_of_another_user_are_replaced_where_the_folder_is_ones_own() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be two users");
        return Ok(());
    }
    let case = Case::new()?;
    case.write("f", "same")?;
    case.write("p", "private")?;
    case.write("z", "z")?;
    let user = "65534";
    for entry in [case.dir.path().to_owned(), case.path("library"), case.home.path.clone()] {
        let mut chown = Command::new("chown");
        ensure!(chown.args(["-R", user]).arg(&entry).status()?.success());
    }
    let as_user = |args: &[&str]| {
        let plain = case.home.command(args);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]).arg(plain.get_program());
        command.args(plain.get_args());
        command.output().context("run setpriv")
    };
    let library = case.path("library").display().to_string();
    let copy = case.path("copy").display().to_string();
    let Ok(published) = as_user(&["publish", &library, "-l", "films"]) else {
        eprintln!("skipped: there is no setpriv");
        return Ok(());
    };
    if !published.status.success() {
        // The binary, or the folder that it is in, may not be executable for other users.
        eprintln!("skipped: another user cannot run it: {}", String::from_utf8_lossy(&published.stderr));
        return Ok(());
    }
    ensure!(as_user(&["restore", "films", &copy])?.status.success());
    for (name, mode) in [("copy/f", 0o644), ("copy/p", 0o600)] {
        std::os::unix::fs::chown(case.path(name), Some(0), Some(0))?;
        fs::set_permissions(case.path(name), fs::Permissions::from_mode(mode))?;
        fs::File::options().write(true).open(case.path(name))?.set_modified(std::time::SystemTime::now())?;
    }
    fs::remove_file(case.path("copy/z"))?;
    let output = as_user(&["restore", "films", &copy])?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    case.check_equal()?;
    for name in ["f", "p", "z"] {
        ensure!(
            fs::metadata(case.path("copy").join(name))?.uid() == 65_534,
            "{name} is another user's still"
        );
    }
    // A folder of another user is not writable: its files are listed as failures, and the rest is restored.
    case.write("s/x", "x")?;
    case.write("y", "y")?;
    std::os::unix::fs::chown(case.path("library/s"), Some(65_534), Some(65_534))?;
    ensure!(as_user(&["publish", &library, "-l", "films"])?.status.success());
    fs::create_dir(case.path("copy/s"))?;
    fs::set_permissions(case.path("copy/s"), fs::Permissions::from_mode(0o755))?;
    let output = as_user(&["restore", "films", &copy])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(12) && said.contains("not restored: s/x"),
        "{}: {said}",
        output.status
    );
    ensure!(case.copied("y")? == "y");
    Ok(())
}
