//! Homes as a whole: backups, moves, and commands of root on the home of another user.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    media,
    pair::{Pair, text},
    program::{Home, copy, until},
};
use serde_json::Value;

/// Exit codes.
const INVALID: i32 = 4;
const DENIED: i32 = 5;
const CORRUPT: i32 = 7;
const IO: i32 = 10;
/// A user who owns nothing on this machine.
const NOBODY: u32 = 65_534;

/// The home, run with this passphrase for its backups.
fn with_passphrase(home: &Home, passphrase: &str) -> Home {
    home.clone().with_env("CHUAN_BACKUP_PASSPHRASE", Path::new(passphrase))
}

fn backup(home: &Home, file: &Path) -> Result<Value> {
    home.json(["home".as_ref(), "backup".as_ref(), file.as_os_str()])
}

fn state(home: &Home) -> Result<String> {
    let status = home.json(["status"])?;
    let state = status.pointer("/backup/state").and_then(Value::as_str);
    Ok(state.context("no state of the backup")?.to_owned())
}

/// An origin whose disk is gone is made again from a backup that is older than its last release. It signs
/// nothing before a mirror has sent what it lacks, contradicts nothing, and goes on from there.
#[test]
fn a_restored_home_acts_as_the_node_and_contradicts_nothing() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 50_000, 3)?;
    let origin = with_passphrase(&pair.origin, "川流不息");
    let founded = pair.publish()?;
    ensure!(text(&founded, "home") == origin.path.to_string_lossy(), "{founded}");
    ensure!(state(&origin)? == "none");
    let server = origin.serve()?;
    let mirror_server = pair.mirror.serve()?;
    pair.mirror.run(["join", &origin.ticket("films")?])?;
    pair.pull()?;
    until("the origin knows an address of the mirror", || {
        let peers = fs::read_to_string(origin.path.join("peers.json")).unwrap_or_default();
        Ok(peers.contains(&mirror_server.address.to_string()))
    })?;

    // While the node runs. Nothing is overwritten, and nothing else can read it.
    let file = pair.scratch().join("origin.backup");
    let made = backup(&origin, &file)?;
    ensure!(made.pointer("/keys").and_then(Value::as_array).is_some_and(|keys| keys.len() == 4), "{made}");
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    let (code, _) = origin.fails(["home".as_ref(), "backup".as_ref(), file.as_os_str()])?;
    ensure!(code == INVALID, "overwritten: {code}");
    let inside = origin.path.join("keys/backup");
    let (code, error) = origin.fails(["home".as_ref(), "backup".as_ref(), inside.as_os_str()])?;
    ensure!(code == INVALID && error.contains("lies in the home"), "{error}");
    ensure!(state(&origin)? == "current");

    // After the backup: a release, a grant, a new key of a role, and records of the audit log with
    // checkpoints.
    fs::write(pair.library.join("after.txt"), "after the backup")?;
    pair.publish()?;
    let member = text(&pair.mirror.json(["id"])?, "id").to_owned();
    origin.run(["grant", &member, "-l", "films", "--all-classes"])?;
    pair.pull()?;
    fs::write(origin.path.join("keys").join(text(&founded, "library")).join("timekeeper.key"), "x")?;
    ensure!(state(&origin)? == "outdated");
    let listed = pair.mirror.json(["members", "films"])?;
    server.stop()?;
    fs::remove_dir_all(&origin.path)?;

    let (code, error) = with_passphrase(&pair.origin, "wrong").fails([
        "home".as_ref(),
        "restore".as_ref(),
        file.as_os_str(),
    ])?;
    ensure!(code == DENIED && !origin.path.exists(), "{code}: {error}");
    let address = mirror_server.address;
    mirror_server.stop()?;
    let restored = origin.json(["home".as_ref(), "restore".as_ref(), file.as_os_str()])?;
    ensure!(text(&restored, "node") == text(&made, "node"), "{restored}");
    ensure!(state(&origin)? == "current");
    let (code, _) = origin.fails(["home".as_ref(), "restore".as_ref(), file.as_os_str()])?;
    ensure!(code == INVALID, "restored over a home");

    // No peer answers: no act of any role is signed, and the node's key is not replaced.
    let publish = ["publish".as_ref(), pair.library.as_os_str(), "--library".as_ref(), "films".as_ref()];
    let (code, error) = origin.fails(["invite", "-l", "films", "--address", "127.0.0.1:1"])?;
    ensure!(code == CORRUPT && error.contains("pull"), "{code}: {error}");
    let (code, error) = origin.fails(["rotate"])?;
    ensure!(code == CORRUPT && error.contains("pull"), "{code}: {error}");

    // A peer answers: the next acts follow the last ones.
    let _mirror_server = pair.mirror.serve_again(address)?;
    let (code, error) = origin.fails(publish)?;
    ensure!(code == DENIED && error.contains(" pull films`"), "{code}: {error}");
    origin.json(["pull", "films"])?;
    fs::write(pair.library.join("later.txt"), "from the restored home")?;
    let published = origin.json(publish)?;
    ensure!(published.get("sequence").and_then(Value::as_u64) == Some(3), "{published}");
    let server = origin.serve()?;
    origin.run(["invite", "-l", "films"])?;
    server.stop()?;
    for home in [&origin, &pair.mirror] {
        let conflicts = home.json(["conflicts", "films"])?;
        let none = conflicts.pointer("/conflicts").and_then(Value::as_array).is_some_and(Vec::is_empty);
        ensure!(none, "{conflicts}");
    }
    ensure!(pair.mirror.json(["members", "films"])? == listed, "the members changed");
    Ok(())
}

/// A backup in a published folder would give every mirror the keys of the library, encrypted or not.
#[test]
fn a_backup_is_never_published() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 50_000, 3)?;
    pair.publish()?;
    backup(&with_passphrase(&pair.origin, "p"), &pair.library.join("notes.txt"))?;
    let published = pair.publish()?;
    let skipped = published.get("skipped").map(Value::to_string).unwrap_or_default();
    ensure!(skipped.contains("notes.txt") && skipped.contains("backup"), "{published}");
    ensure!(published.get("changed") == Some(&Value::Bool(false)), "{published}");
    Ok(())
}

#[test]
fn a_home_moves_and_the_old_folder_is_gone() -> Result<()> {
    let pair = Pair::new()?;
    media::library(&pair.library, 1, 50_000, 3)?;
    pair.publish()?;
    let id = text(&pair.origin.json(["id"])?, "id").to_owned();
    let server = pair.origin.serve()?;
    // On another file system, where there is one.
    let folder = tempfile::tempdir_in(if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" })?;
    let to = Home::at(folder.path().join("new"))?;
    let order = ["home".as_ref(), "move".as_ref(), to.path.as_os_str()];
    let (code, error) = pair.origin.fails(order)?;
    ensure!(error.contains("in use"), "{code}: {error}");
    server.stop()?;
    let moved = pair.origin.json(order)?;
    ensure!(!pair.origin.path.exists(), "{moved}");
    ensure!(text(&to.json(["id"])?, "id") == id);
    to.run(["verify", "--deep"])?;
    Ok(())
}

/// One `sudo chuan publish` left files of root in a user's home, and the user's node did not start any more.
#[test]
fn a_command_of_root_leaves_the_home_to_its_owner() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can try it");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let program = dir.path().join("chuan");
    copy(&chuan_tests::program::binary()?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let (own, library) = (dir.path().join("own"), dir.path().join("library"));
    fs::create_dir(&own)?;
    std::os::unix::fs::chown(&own, Some(NOBODY), Some(NOBODY))?;
    fs::create_dir(&library)?;
    let root = Home::at(own.join("home"))?;
    let as_user = |args: &[&str]| {
        let mut command = std::process::Command::new(&program);
        command.arg("--home").arg(&root.path).args(args).env_remove("CHUAN_HOME");
        let output = command.uid(NOBODY).gid(NOBODY).output()?;
        ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    let source = library.to_string_lossy().into_owned();
    let publish = ["publish", &source, "-l", "films"];
    as_user(&["init", "--name", "u"])?;
    fs::write(library.join("f"), "1")?;
    as_user(&publish)?;
    fs::write(library.join("f"), "2")?;
    // Only root may read it: the command has all rights of root.
    fs::write(library.join("private"), "for root")?;
    fs::set_permissions(library.join("private"), fs::Permissions::from_mode(0o600))?;
    let published = root.json(publish)?;
    ensure!(published.get("gaps_total").and_then(Value::as_u64) == Some(0), "{published}");
    fs::remove_file(library.join("private"))?;
    fs::write(library.join("f"), "3")?;
    as_user(&publish)?;
    as_user(&["status"])?;
    let foreign = owned_by_others(&root.path)?;
    ensure!(foreign.is_empty(), "not of the owner: {foreign:?}");
    Ok(())
}

/// Symptom: one file of root in a user's home kept the user from everything, and no message said why. Now
/// all that this user may read is read; anything else is an error with the remedy, which works.
#[test]
fn files_of_root_keep_the_owner_of_a_home_from_nothing_that_can_be_read() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can try it");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let program = dir.path().join("chuan");
    copy(&chuan_tests::program::binary()?, &program)?;
    let library = dir.path().join("library");
    fs::create_dir(&library)?;
    fs::write(library.join("f"), "of the film")?;
    let source = library.to_string_lossy().into_owned();
    let publish = ["publish", &source, "-l", "films"];
    let whole = Home::init(dir.path().join("whole"), "u", "origin")?;
    whole.run(publish)?;
    chown(&whole.path, "64322")?;
    let reads: [&[&str]; 4] = [&["status"], &["ls", "films"], &["cat", "films", "f"], &["verify"]];
    for (part, is_readable) in [
        ("audit", true),
        ("cache", true),
        ("store/index", true),
        ("ledger", false),
        ("lock", false),
        ("store/segments", false),
    ] {
        let home = Home::at(dir.path().join(part.replace('/', "-")))?;
        copy(&whole.path, &home.path)?;
        let as_owner = |args: &[&str]| -> Result<std::process::Output> {
            let plain = home.command(args);
            let mut command = std::process::Command::new(&program);
            command.args(plain.get_args()).env("LC_ALL", "C").uid(64_322).gid(64_322);
            command.output().context("run chuan")
        };
        match part {
            // Its files can be read by all users, its folders by their owner only.
            "store/index" => chown_files(&home.path.join(part))?,
            part => chown(&home.path.join(part), "0")?,
        }
        for args in reads {
            let output = as_owner(args)?;
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            ensure!(output.status.success() == is_readable, "{part}: {args:?}: {output:?}");
            let is_explained = error.contains(" belongs to root: run ") && error.contains(" as root");
            ensure!(is_readable || (output.status.code() == Some(IO) && is_explained), "{part}: {error}");
        }
        home.run(["status"])?;
        let published = as_owner(&publish)?;
        ensure!(published.status.success(), "{part}: the remedy was in vain: {published:?}");
    }
    Ok(())
}

/// Gives the files below a folder to root.
fn chown_files(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => chown_files(&path)?,
            false => std::os::unix::fs::chown(&path, Some(0), Some(0))?,
        }
    }
    Ok(())
}

fn chown(path: &Path, user: &str) -> Result<()> {
    let status = std::process::Command::new("chown")
        .args(["-R", &format!("{user}:{user}"), "--"])
        .arg(path)
        .status()?;
    ensure!(status.success(), "chown {}: {status}", path.display());
    Ok(())
}

/// Symptom: files of root that an older version had left in a user's home stayed there, and the user's node
/// did not start. A command of root gives them back: those alone that lie in the home.
#[test]
fn a_command_of_root_gives_files_of_root_to_the_owner() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can try it");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    let home = Home::init(dir.path().join("home"), "u", "origin")?;
    let (outside, folder) = (dir.path().join("outside"), dir.path().join("folder"));
    fs::write(&outside, "of root")?;
    fs::create_dir(&folder)?;
    fs::write(folder.join("inner"), "of root")?;
    let library = dir.path().join("library");
    fs::create_dir(&library)?;
    fs::write(library.join("f"), "1")?;
    home.run(["publish".as_ref(), library.as_os_str(), "-l".as_ref(), "films".as_ref()])?;
    std::os::unix::fs::symlink(&outside, home.path.join("link"))?;
    std::os::unix::fs::symlink(&folder, home.path.join("keys/link"))?;
    fs::hard_link(&outside, home.path.join("store/hard"))?;
    // All of the home is of root, but for its folder.
    std::os::unix::fs::chown(&home.path, Some(NOBODY), Some(NOBODY))?;
    let before = owned_by_others(&home.path)?;
    ensure!(before.len() > 10, "{before:?}");

    let output = home.output(["status"])?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && errors.contains("of root in "), "{errors}");
    let mut left = owned_by_others(&home.path)?;
    left.sort();
    let links = ["keys/link", "link", "store/hard"].map(|name| home.path.join(name));
    ensure!(left == links, "{left:?}");
    for path in [&outside, &folder, &folder.join("inner")] {
        ensure!(fs::symlink_metadata(path)?.uid() == 0, "{} was given away", path.display());
    }
    let again = home.output(["status"])?;
    ensure!(!String::from_utf8_lossy(&again.stderr).contains("of root"), "{again:?}");
    // A folder that is no home is left alone.
    fs::remove_file(home.path.join("chuan.toml"))?;
    fs::write(home.path.join("mine"), "of root")?;
    home.output(["status"])?;
    ensure!(fs::metadata(home.path.join("mine"))?.uid() == 0);
    Ok(())
}

/// The files below a folder that do not belong to [`NOBODY`].
fn owned_by_others(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let stat = fs::symlink_metadata(&path)?;
        if stat.uid() != NOBODY || stat.gid() != NOBODY {
            found.push(path.clone());
        }
        if stat.is_dir() {
            found.extend(owned_by_others(&path)?);
        }
    }
    Ok(found)
}
