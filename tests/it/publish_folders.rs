//! `publish` of realistic folders, with the binary: excluded files, files that keep their previous version,
//! and the exit codes.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    program::{self, Home, final_object, number},
};
use serde_json::Value;

/// Exit codes of the command line's contract.
const INVALID: i32 = 4;
const GAPS: i32 = 12;

/// A user without rights: `nobody`.
pub(super) const NOBODY: u32 = 65_534;

/// A home, and a folder that it publishes as the library `films`.
pub(super) struct Place {
    pub(super) dir: tempfile::TempDir,
    pub(super) home: Home,
    pub(super) folder: PathBuf,
}

impl Place {
    pub(super) fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let folder = dir.path().join("films");
        fs::create_dir(&folder)?;
        let home = Home::init(dir.path().join("home"), "a", "origin")?;
        Ok(Self { dir, home, folder })
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::create_dir_all(path.parent().context("a parent")?)?;
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Publishes the folder; returns the exit code and the answer, which may be an error.
    fn publish(&self, more: &[&str]) -> Result<(i32, Value)> {
        publish(&self.home, &self.folder, more)
    }

    /// The paths of `films` of one kind.
    fn paths(&self, kind: &str) -> Result<Vec<String>> {
        let listed = self.home.json(["ls", "films"])?;
        let entries = listed.get("entries").and_then(Value::as_array).context("entries")?;
        let of_kind = entries.iter().filter(|entry| entry["kind"] == kind);
        Ok(of_kind.filter_map(|entry| entry["path"].as_str().map(str::to_owned)).collect())
    }

    fn files(&self) -> Result<Vec<String>> {
        self.paths("file")
    }
}

fn publish(home: &Home, folder: &Path, more: &[&str]) -> Result<(i32, Value)> {
    let args =
        [OsStr::new("--json"), "publish".as_ref(), folder.as_os_str(), "-l".as_ref(), "films".as_ref()];
    let output = home.output(args.into_iter().chain(more.iter().map(OsStr::new)))?;
    let code = output.status.code().context("it died")?;
    Ok((code, final_object(&String::from_utf8(output.stdout)?)?))
}

/// The paths of a list in an answer, each with its `stands`, if it has one.
fn listed(answer: &Value, list: &str) -> Vec<(String, String)> {
    let text = |item: &Value, name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let items = answer[list].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| (text(item, "path"), text(item, "stands"))).collect()
}

fn pair(path: &str, stands: &str) -> (String, String) {
    (path.to_owned(), stands.to_owned())
}

/// Symptom: `publish ~` published `~/.local/state/chuan`, in which a node notes what its keys signed on this
/// machine.
#[test]
fn the_record_of_signed_statements_stays_out() -> Result<()> {
    let place = Place::new()?;
    place.write("f.mkv", b"film")?;
    let state = place.folder.join(".local/state");
    let home = Home::init(place.dir.path().join("node"), "n", "origin")?.with_env("XDG_STATE_HOME", &state);
    let (code, answer) = publish(&home, &place.folder, &[])?;
    ensure!(code == 0, "{answer}");
    let record = format!(".local/state/chuan/{}.json", answer["library"].as_str().unwrap_or_default());
    ensure!(place.folder.join(&record).is_file(), "no record was kept");
    place.write("g.mkv", b"another film")?;
    let (code, answer) = publish(&home, &place.folder, &[])?;
    ensure!(code == 0 && listed(&answer, "skipped") == [pair(&record, "")], "{answer}");
    ensure!(answer["skipped"].to_string().contains("record of chuan"), "{answer}");
    let listed = home.run(["ls", "films"])?;
    ensure!(listed.contains("g.mkv") && !listed.contains(".json"), "{listed}");
    Ok(())
}

/// Symptom: `publish ~` with the home in `~/.chuan` signed all its secret keys into a release.
#[test]
fn a_home_in_the_folder_stays_out_and_one_around_it_is_refused() -> Result<()> {
    let place = Place::new()?;
    place.write("f.mkv", b"film")?;
    let inner = Home::init(place.folder.join(".chuan"), "b", "origin")?
        .with_env("XDG_STATE_HOME", &place.dir.path().join("state"));
    for _ in 0..2 {
        let (code, answer) = publish(&inner, &place.folder, &[])?;
        ensure!(code == 0, "{answer}");
        ensure!(
            listed(&answer, "skipped") == [pair(".chuan", "")] && answer["skipped_total"] == 1,
            "{answer}"
        );
    }
    let listed = inner.run(["ls", "films"])?;
    ensure!(!listed.contains("key") && listed.contains("f.mkv"), "{listed}");

    // The home itself, a part of it, one of its files, a link to it, and a bind mount of it where mounting is
    // allowed.
    let keys = inner.path.join("keys");
    symlink(&keys, place.dir.path().join("link"))?;
    let mut ways =
        vec![inner.path.clone(), keys.clone(), keys.join("node.key"), place.dir.path().join("link")];
    let mount = Mount::bind(&keys, &place.dir.path().join("mounted"))?;
    ways.extend(mount.as_ref().map(|mount| mount.0.clone()));
    for way in &ways {
        let (code, answer) = publish(&inner, way, &[])?;
        ensure!(code == INVALID && answer.to_string().contains("home"), "{}: {answer}", way.display());
    }
    // Keys that were made elsewhere are recognised by their content.
    let made = place.folder.join("my key.txt");
    inner.run(["key".as_ref(), "new".as_ref(), "--plain".as_ref(), made.as_os_str()])?;
    let (code, answer) = place.publish(&[])?;
    ensure!(code == 0 && place.files()? == ["f.mkv"], "{answer}");
    ensure!(self::listed(&answer, "skipped") == [pair(".chuan", ""), pair("my key.txt", "")], "{answer}");
    Ok(())
}

/// Symptom: a permission mistake withdrew a film from every mirror with `--skip-unreadable`, and without it
/// failed every publish.
#[test]
fn unreadable_files_stay_as_they_were_and_set_the_exit_code() -> Result<()> {
    let user = User::without_rights()?;
    let library = user.dir.path().join("library");
    fs::create_dir_all(library.join("s01"))?;
    fs::write(library.join("s01/e1.mkv"), "one")?;
    media::film(&library.join("master.mkv"), 100_000, 2)?;
    user.own(&library)?;
    user.run(["init", "--name", "n"])?;
    let args = ["--json", "publish", &library.to_string_lossy(), "--library", "films"];
    user.run(args)?;
    let mode = |name: &str, mode| fs::set_permissions(library.join(name), fs::Permissions::from_mode(mode));
    media::film(&library.join("master.mkv"), 200_000, 3)?;
    media::film(&library.join("new.mkv"), 1000, 4)?;
    user.own(&library)?;
    for name in ["master.mkv", "new.mkv", "s01"] {
        mode(name, 0o000)?;
    }
    for more in [&[][..], &["--skip-unreadable"]] {
        let output = user.output(args.into_iter().chain(more.iter().copied()))?;
        ensure!(output.status.code() == Some(GAPS), "{output:?}");
        let answer = final_object(&String::from_utf8(output.stdout)?)?;
        let gaps = [pair("master.mkv", "previous"), pair("new.mkv", "absent"), pair("s01", "previous")];
        ensure!(listed(&answer, "gaps") == gaps && answer["gaps_total"] == 3, "{answer}");
        ensure!(user.run(["cat", "films", "s01/e1.mkv"])? == "one");
        ensure!(user.run(["ls", "films"])?.contains("master.mkv"));
    }
    let mended = [("master.mkv", 0o600), ("new.mkv", 0o600), ("s01", 0o755)];
    mended.into_iter().try_for_each(|(name, bits)| mode(name, bits))?;
    let answer = final_object(&user.run(args)?)?;
    ensure!(answer["gaps_total"] == 0 && answer["files"] == 3, "{answer}");
    Ok(())
}

#[test]
fn odd_names_are_gaps_until_they_are_excluded() -> Result<()> {
    let place = Place::new()?;
    place.write("film.mkv", b"film")?;
    place.write("reel/Icon\r", b"")?;
    let (code, answer) = place.publish(&[])?;
    ensure!(code == 0 && answer["excluded_total"] == 1, "a folder's icon is junk: {answer}");
    fs::write(place.folder.join(OsStr::from_bytes(b"caf\xe9.mkv")), b"x")?;
    place.write("line\nbreak", b"x")?;
    let (code, answer) = place.publish(&[])?;
    ensure!(code == GAPS && answer["changed"] == false, "{answer}");
    ensure!(
        listed(&answer, "gaps") == [pair("caf\u{fffd}.mkv", "absent"), pair("line\nbreak", "absent")],
        "{answer}"
    );
    place.write("new.mkv", b"new")?;
    let (code, answer) = place.publish(&[])?;
    ensure!(code == GAPS && answer["changed"] == true, "all else is published: {answer}");
    ensure!(place.files()? == ["film.mkv", "new.mkv"]);
    let (code, answer) = place.publish(&["--exclude", "caf*", "--exclude", "line*"])?;
    ensure!(code == 0 && answer["gaps_total"] == 0, "{answer}");
    Ok(())
}

#[test]
fn junk_and_excludes_stay_out_and_can_be_taken() -> Result<()> {
    let place = Place::new()?;
    for name in
        ["film.mkv", ".DS_Store", "._film.mkv", "new.mkv.part", ".Trashes/old", "@eaDir/t.jpg", "raw/a.tmp"]
    {
        place.write(name, b"x")?;
    }
    place.write("raw/.chuanignore", b"*.tmp\n")?;
    let (code, answer) = place.publish(&["--exclude", "*.mkv", "--include", "film.mkv"])?;
    ensure!(code == 0 && answer["excluded_total"] == 6, "{answer}");
    ensure!(place.files()? == ["film.mkv", "raw/.chuanignore"], "{:?}", place.files()?);
    place.publish(&["--no-junk", "--include", "*.tmp"])?;
    ensure!(place.files()?.len() == 8, "{:?}", place.files()?);
    let (code, answer) = place.publish(&["--exclude", "[z-a]"])?;
    ensure!(code == INVALID && answer.to_string().contains("[z-a]"), "{answer}");
    Ok(())
}

/// Symptom: a disk was not mounted, and the empty folder became `live`, with exit code 0.
#[test]
fn an_empty_folder_is_not_published_over_a_library() -> Result<()> {
    let place = Place::new()?;
    for number in 0..20 {
        place.write(&format!("{number}.mkv"), b"film")?;
    }
    place.publish(&[])?;
    fs::rename(&place.folder, place.dir.path().join("real"))?;
    fs::create_dir(&place.folder)?;
    for more in [&[][..], &["--max-delete", "19"], &["--max-delete", "99%"], &["--dry-run"]] {
        let (code, answer) = place.publish(more)?;
        let said = answer.to_string();
        ensure!(code == INVALID && said.contains("20 of 20") && said.contains("--max-delete"), "{answer}");
    }
    ensure!(place.files()?.len() == 20);
    let (code, answer) = place.publish(&["--max-delete", "100%"])?;
    ensure!(code == 0 && answer["files_gone"] == 20 && place.files()?.is_empty(), "{answer}");
    Ok(())
}

/// Symptom: a recording in progress failed every publish of the library for as long as it grew.
#[test]
fn a_file_that_grows_stops_nothing() -> Result<()> {
    let place = Place::new()?;
    place.write("done.mkv", &vec![7; 3_000_000])?;
    // So large that it grows during each read, also where the processor is busy.
    let growing = place.write("recording.mp4", &vec![8; 24_000_000])?;
    let (untaken, taken) = while_changing(
        || Ok(File::options().append(true).open(&growing)?.write_all(b"more")?),
        || Ok((place.publish(&[])?, place.publish(&["--growing", "take"])?)),
    )?;
    let (code, answer) = untaken;
    ensure!(code == 0 && listed(&answer, "unsettled") == [pair("recording.mp4", "absent")], "{answer}");
    ensure!(answer["unsettled_total"] == 1 && answer["gaps_total"] == 0 && answer["files"] == 1, "{answer}");
    let (code, answer) = taken;
    ensure!(code == 0 && answer["unsettled_total"] == 0 && answer["files"] == 2, "{answer}");
    let size = number(&answer, "bytes_total")? - 3_000_000;
    ensure!((24_000_000..fs::metadata(&growing)?.len()).contains(&size), "{size} bytes were taken");
    let shown = place.home.output(["cat", "films", "recording.mp4"])?;
    ensure!(fs::read(&growing)?.starts_with(&shown.stdout) && shown.stdout.len() as u64 == size);
    Ok(())
}

/// Symptom: a live playlist replaces its segments several times a second, and every publish in that time
/// failed at random.
#[test]
fn a_live_playlist_stops_nothing() -> Result<()> {
    let place = Place::new()?;
    for number in 0..100 {
        place.write(&format!("vod/{number}.ts"), &[7; 20_000])?;
    }
    place.write("live/index.m3u8", b"0")?;
    let mut number = 0;
    let live = place.folder.join("live");
    let outcomes = while_changing(
        || {
            number += 1;
            fs::write(live.join("new"), vec![7; 3000])?;
            fs::rename(live.join("new"), live.join(format!("{number}.ts")))?;
            let _ = fs::remove_file(live.join(format!("{}.ts", number - 6)));
            fs::write(live.join("new"), number.to_string())?;
            Ok(fs::rename(live.join("new"), live.join("index.m3u8"))?)
        },
        || (0..8).map(|_| place.publish(&["--check"])).collect::<Result<Vec<_>>>(),
    )?;
    for (code, answer) in outcomes {
        ensure!(code == 0 && answer["gaps_total"] == 0, "{answer}");
    }
    let vod = place.files()?.into_iter().filter(|path| path.starts_with("vod/")).count();
    ensure!(vod == 100, "{vod}");
    Ok(())
}

/// Calls `change` every millisecond during `work`.
fn while_changing<T>(
    mut change: impl FnMut() -> Result<()> + Send,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let changer = scope.spawn(|| -> Result<()> {
            while !ended.load(Ordering::Relaxed) {
                change()?;
                thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        });
        let worked = work();
        ended.store(true, Ordering::Relaxed);
        changer.join().map_err(|_| anyhow::anyhow!("the changing thread panicked"))??;
        worked
    })
}

#[test]
fn a_dry_run_counts_and_changes_nothing() -> Result<()> {
    let place = Place::new()?;
    place.write("a.mkv", &[1; 1000])?;
    place.write("b.mkv", &[2; 2000])?;
    let (code, answer) = place.publish(&["--dry-run"])?;
    ensure!(code == 0 && answer["founded"] == true && answer["files_new"] == 2, "{answer}");
    ensure!(place.home.json(["status"])?["libraries"] == Value::Array(vec![]), "a dry run founded a library");
    place.publish(&[])?;
    let releases = place.home.run(["releases", "films"])?;
    let segments = place.home.path.join("store/segments");
    let disk = program::disk_bytes(&segments)?;
    place.write("b.mkv", &[3; 3000])?;
    place.write("c.mkv", &[4; 4000])?;
    place.write("c\rd", b"x")?;
    fs::remove_file(place.folder.join("a.mkv"))?;
    let (code, answer) = place.publish(&["-n"])?;
    ensure!(code == GAPS && answer["dry_run"] == true && answer["gaps_total"] == 1, "{answer}");
    for (word, files, bytes) in [("new", 1, 4000), ("changed", 1, 3000), ("gone", 1, 1000)] {
        ensure!(
            answer[format!("files_{word}")] == files && answer[format!("bytes_{word}")] == bytes,
            "{answer}"
        );
    }
    ensure!(place.home.run(["releases", "films"])? == releases, "a dry run made a release");
    ensure!(program::disk_bytes(&segments)? == disk, "a dry run stored something");
    let text = place.home.output([
        "publish".as_ref(),
        place.folder.as_os_str(),
        "-l".as_ref(),
        "films".as_ref(),
        "-n".as_ref(),
    ])?;
    let text = String::from_utf8(text.stdout)?;
    ensure!(text.contains("dry run") && text.contains("gone: 1 file"), "{text}");

    // A name that may be mistyped: the preview says that the run needs more.
    let folder = place.folder.to_string_lossy();
    let other = place.home.output(["--json", "publish", &folder, "-l", "filmz", "-n"])?;
    let other = program::final_object(&String::from_utf8(other.stdout)?)?;
    ensure!(other["beside"] == serde_json::json!(["films"]), "{other}");
    let (code, error) = place.home.fails(["publish", &folder, "-l", "filmz"])?;
    ensure!(code == 2 && error.contains("--found"), "{code}: {error}");

    let policy = place.dir.path().join("policy.toml");
    fs::write(&policy, "[[class]]\nname = \"none\"\npaths = [\"none/**\"]\n")?;
    let policy = policy.to_string_lossy();
    let output = place.home.output(["publish", &folder, "-l", "films", "-n", "--policy", &policy])?;
    let notes = String::from_utf8(output.stderr)?;
    ensure!(notes.contains("no file is in class `none`"), "{notes}");
    Ok(())
}

#[test]
fn folders_links_and_names_of_one_file_are_in_the_release() -> Result<()> {
    let place = Place::new()?;
    let film = place.write("private/film.mkv", &vec![5; 100_000])?;
    fs::hard_link(&film, place.folder.join("again.mkv"))?;
    fs::set_permissions(place.folder.join("private"), fs::Permissions::from_mode(0o700))?;
    symlink("private", place.folder.join("latest"))?;
    symlink("/etc", place.folder.join("out"))?;
    let (code, answer) = place.publish(&[])?;
    ensure!(code == 0 && answer["files"] == 2 && listed(&answer, "skipped") == [pair("out", "")], "{answer}");
    ensure!((place.paths("dir")?, place.paths("link")?) == (vec!["private".into()], vec!["latest".into()]));
    let entries = place.home.json(["ls", "films"])?;
    let entry = |path: &str| {
        let found = entries["entries"].as_array().into_iter().flatten().find(|entry| entry["path"] == path);
        found.cloned().unwrap_or_default()
    };
    ensure!(entry("private")["mode"] == 0o700 && entry("latest")["target"] == "private", "{entries}");
    let mtime = fs::metadata(place.folder.join("private"))?.mtime();
    ensure!(entry("private")["mtime_ms"].as_i64().is_some_and(|ms| ms / 1000 == mtime), "{entries}");
    let (code, answer) = place.publish(&[])?;
    ensure!(code == 0 && answer["changed"] == false, "the same folder is the same release: {answer}");
    Ok(())
}

/// A bind mount, removed on drop.
struct Mount(PathBuf);

impl Mount {
    /// `None` with a message if mounting is not allowed.
    fn bind(from: &Path, to: &Path) -> Result<Option<Self>> {
        fs::create_dir(to)?;
        let mounted = Command::new("mount").arg("--bind").arg(from).arg(to).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped in part: a home behind a bind mount, since this user may not mount");
            return Ok(None);
        }
        Ok(Some(Self(to.to_owned())))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs `chuan` under file permissions: as `nobody` if this process is root, else as it is.
struct User {
    dir: tempfile::TempDir,
    binary: PathBuf,
    is_root: bool,
}

impl User {
    fn without_rights() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777))?;
        // Another user may not be able to read the build directory.
        let binary = dir.path().join("chuan");
        fs::copy(program::binary()?, &binary)?;
        Ok(Self { dir, binary, is_root: rustix::process::geteuid().is_root() })
    }

    fn own(&self, dir: &Path) -> Result<()> {
        if self.is_root {
            let status = Command::new("chown").args(["-R", &NOBODY.to_string()]).arg(dir).status()?;
            ensure!(status.success(), "chown {}", dir.display());
        }
        Ok(())
    }

    fn output<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<std::process::Output> {
        let mut command = Command::new(&self.binary);
        command.arg("--home").arg(self.dir.path().join("home")).args(args).current_dir(self.dir.path());
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ok(command.output()?)
    }

    fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<String> {
        let output = self.output(args)?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}
