//! A restore takes away only what its command says: nothing unpublished of a folder that the home publishes from,
//! nothing of a folder that the library was never restored to, and no junk.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_tests::program::{Home, number};

/// A home and folders beside it.
struct Case {
    home: Home,
    dir: tempfile::TempDir,
}

impl Case {
    /// Publishes `films/a` and `films/b`.
    fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("chuan-it-").tempdir()?;
        let home = Home::init(dir.path().join("home"), "origin", "origin")?;
        let case = Self { home, dir };
        case.write("media/films/a", "one")?;
        case.write("media/films/b", "two")?;
        case.publish("media/films", "films", &[])?;
        Ok(case)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.path(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))
    }

    fn read(&self, name: &str) -> Result<String> {
        fs::read_to_string(self.path(name)).with_context(|| format!("read {name}"))
    }

    fn publish(&self, source: &str, library: &str, options: &[&str]) -> Result<()> {
        let source = self.path(source).display().to_string();
        let publish = ["publish", &source, "-l", library, "--found", "--max-delete", "100%"];
        self.home.json(publish.iter().chain(options)).map(drop)
    }

    fn args(&self, library: &str, dest: &str, options: &[&str]) -> Vec<String> {
        let dest = self.path(dest).display().to_string();
        ["restore", library, &dest].iter().chain(options).map(|arg| (*arg).to_owned()).collect()
    }

    fn restore(&self, library: &str, dest: &str, options: &[&str]) -> Result<serde_json::Value> {
        self.home.json(self.args(library, dest, options))
    }

    fn refused(&self, library: &str, dest: &str, options: &[&str], says: &str) -> Result<()> {
        let (code, error) = self.home.fails(self.args(library, dest, options))?;
        ensure!(code == 4 && error.contains(says), "{code}: {error}");
        Ok(())
    }
}

/// Symptom: `restore --delete` to the folder that the home publishes removed the films that the publish had
/// listed as not taken, the only copies in the world; and `restore` overwrote edits.
#[test]
fn unpublished_content_of_a_source_is_neither_overwritten_nor_removed() -> Result<()> {
    let case = Case::new()?;
    // Nothing is lost: a file is missing, and the other is as published.
    fs::remove_file(case.path("media/films/b"))?;
    case.restore("films", "media/films", &[])?;
    ensure!(case.read("media/films/b")? == "two");

    symlink("media", case.path("way"))?;
    case.write("media/films/a", "edited")?;
    case.refused("films", "media/films", &[], "--over-source")?;
    case.refused("films", "way/films/.", &[], "--over-source")?;
    case.restore("films", "media/films", &["--dry-run"])?;
    case.write("media/films/a", "one")?;
    case.publish("media/films", "films", &[])?;
    case.write("media/films/gap\nfilm", "the only copy")?;
    case.restore("films", "media/films", &[])?;
    for yes in [&[][..], &["--yes"]] {
        case.refused("films", "media/films", &[&["--delete"][..], yes].concat(), "--over-source")?;
    }
    // Folders in the source and around it.
    case.write("media/films/sub/mine", "mine")?;
    case.refused("films", "media/films/sub", &["--delete", "--yes"], "--over-source")?;
    case.refused("films", "media", &["--delete", "--yes"], "--over-source")?;
    case.restore("films", "media", &[])?;
    ensure!(
        case.read("media/films/gap\nfilm")? == "the only copy"
            && case.read("media/films/sub/mine")? == "mine"
    );

    case.restore("films", "media/films", &["--delete", "--over-source"])?;
    ensure!(!case.path("media/films/gap\nfilm").exists() && case.read("media/films/a")? == "one");
    Ok(())
}

/// A home restores a release, publishes from that folder, and restores the next release of another publisher.
#[test]
fn a_source_that_a_restore_wrote_follows_the_library() -> Result<()> {
    let case = Case::new()?;
    case.restore("films", "work", &[])?;
    case.write("work/c", "three")?;
    case.publish("work", "films", &[])?;
    case.write("media/films/a", "one, longer")?;
    case.write("media/films/c", "three, longer")?;
    case.publish("media/films", "films", &[])?;
    // The restore did not write `c`.
    case.refused("films", "work", &[], "work/c")?;
    fs::remove_file(case.path("work/c"))?;
    case.restore("films", "work", &["--delete"])?;
    ensure!(case.read("work/a")? == "one, longer" && case.read("work/c")? == "three, longer");
    Ok(())
}

/// Symptom: `restore films ~/docs --delete`, a mistake in the folder, removed the documents at once, with exit
/// 0; and so the folder of another library.
#[test]
fn a_folder_of_something_else_is_emptied_only_after_a_confirmation() -> Result<()> {
    let case = Case::new()?;
    case.write("docs/thesis.odt", "years")?;
    case.refused("films", "docs", &["--delete"], "--yes")?;
    let dry = case.restore("films", "docs", &["--delete", "--dry-run"])?;
    ensure!(number(&dry, "files_removed")? == 1, "{dry}");
    ensure!(case.read("docs/thesis.odt")? == "years" && !case.path("docs/a").exists());
    case.restore("films", "docs", &["--delete", "--yes"])?;
    ensure!(!case.path("docs/thesis.odt").exists() && case.read("docs/a")? == "one");

    case.write("songs/x", "la")?;
    case.publish("songs", "songs", &[])?;
    case.restore("songs", "over", &["--delete"])?;
    case.refused("films", "over", &["--delete"], "over/x")?;
    ensure!(case.read("over/x")? == "la");

    // A folder that the library was restored to follows it.
    for dest in ["new", "over"] {
        case.restore("films", dest, &[])?;
        case.write(&format!("{dest}/mine"), "mine")?;
        case.restore("films", dest, &["--delete"])?;
        ensure!(!case.path(dest).join("mine").exists() && case.path(dest).join("a").exists());
    }
    fs::create_dir(case.path("empty"))?;
    case.restore("films", "empty", &["--delete"])?;
    Ok(())
}

/// Symptom: `restore --delete` to the top of a disk of a NAS removed `lost+found`, `@eaDir`, and `#recycle` with
/// the files that users wanted back.
#[test]
fn junk_that_no_restore_wrote_stays() -> Result<()> {
    let case = Case::new()?;
    case.restore("films", "disk", &[])?;
    for name in
        ["lost+found/1", "#recycle/thesis", "@eaDir/x", ".Trash-1000/f", ".DS_Store", "mine/Thumbs.db"]
    {
        case.write(&format!("disk/{name}"), "x")?;
    }
    for options in [&["--delete", "--dry-run"][..], &["--delete"]] {
        let restored = case.restore("films", "disk", options)?;
        let counts = ["junk_files_left", "junk_folders_left", "files_removed", "folders_removed"];
        let counts = counts.map(|name| number(&restored, name).ok());
        ensure!(counts == [1, 4, 1, 1].map(Some), "{restored}");
    }
    let there = |name: &str| Path::new(&case.path("disk")).join(name).exists();
    ensure!(there("#recycle/thesis") && there("lost+found/1") && there(".DS_Store") && !there("mine"));

    // A library that takes junk removes the junk that it had.
    case.write("media/films/Thumbs.db", "t")?;
    case.publish("media/films", "films", &["--no-junk"])?;
    case.restore("films", "disk", &["--delete"])?;
    ensure!(there("Thumbs.db"));
    fs::remove_file(case.path("media/films/Thumbs.db"))?;
    case.publish("media/films", "films", &["--no-junk"])?;
    case.restore("films", "disk", &["--delete"])?;
    ensure!(!there("Thumbs.db") && there("#recycle/thesis"));
    Ok(())
}
