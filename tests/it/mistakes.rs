//! Mistakes of operators: each ends with an answer that names the cause and the remedy, and nothing is lost.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    pair::{Pair, text},
    program::{Home, binary, copy, final_object, number},
};
use serde_json::Value;

use super::publish_folders::{NOBODY, Place};

/// Exit codes of the command line's contract.
const USAGE: i32 = 2;
const MISSING: i32 = 3;
const INVALID: i32 = 4;
const DENIED: i32 = 5;
const FULL: i32 = 9;
const IO: i32 = 10;
const STALE: i32 = 11;

impl Place {
    /// A home that publishes a folder with one file.
    fn with_file() -> Result<Self> {
        let place = Self::new()?;
        fs::write(place.folder.join("a"), "1")?;
        Ok(place)
    }

    /// Publishes with `home`; returns the exit code, the answer or error, and standard error.
    fn publish_in(&self, home: &Home, more: &[&str]) -> Result<(i32, Value, String)> {
        let folder = self.folder.to_string_lossy();
        let args = ["--json", "publish", &folder, "-l", "films"];
        let output = home.output(args.iter().chain(more))?;
        let answer = final_object(&String::from_utf8(output.stdout)?)?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.code().context("no exit code")?, answer, errors))
    }

    fn copy(&self) -> Result<Home> {
        let other = Home::at(self.dir.path().join("copy"))?;
        copy(&self.home.path, &other.path)?;
        Ok(other)
    }
}

/// Symptom: a copy of a home without known peers signed a second release 2, with exit 0. After that `live`
/// never moved again; `publish` and `pull` ended with 0, and `status` showed `current`.
#[test]
fn a_copied_home_signs_no_second_release_and_a_contradiction_is_named() -> Result<()> {
    let place = Place::with_file()?;
    place.publish_in(&place.home, &[])?;
    let other = place.copy()?;
    fs::write(place.folder.join("b"), "2")?;
    let (code, first, _) = place.publish_in(&place.home, &[])?;
    ensure!(code == 0 && number(&first, "sequence")? == 2, "{first}");
    fs::write(place.folder.join("c"), "3")?;
    let (code, refused, _) = place.publish_in(&other, &[])?;
    ensure!(code == DENIED && refused.to_string().contains("force"), "{code}: {refused}");

    // The operator insists, and then brings the statements of both together.
    let (code, second, _) = place.publish_in(&other, &["--force"])?;
    ensure!(code == 0 && number(&second, "sequence")? == 2, "{code}: {second}");
    let file = place.dir.path().join("other.statements").to_string_lossy().into_owned();
    other.run(["statements", "export", "films", &file])?;
    place.home.output(["statements", "import", &file])?;
    let status = place.home.json(["status"])?;
    ensure!(status.pointer("/libraries/0/channels/0/contradicted") == Some(&Value::Bool(true)), "{status}");
    ensure!(place.home.run(["status"])?.contains("contradicted"));
    fs::write(place.folder.join("d"), "4")?;
    let (code, third, _) = place.publish_in(&place.home, &["--force"])?;
    ensure!(code == DENIED && third.get("contradicted") == Some(&Value::Bool(true)), "{code}: {third}");
    let (code, again, _) = place.publish_in(&place.home, &["--force"])?;
    ensure!(code == DENIED && text(&again, "release") == text(&third, "release"), "{code}: {again}");

    // The remedy that the answer names.
    let release = format!("films@{}", text(&third, "release"));
    place.home.run(["channel", "set", "films", "live", &release])?;
    fs::write(place.folder.join("e"), "5")?;
    let (code, fourth, _) = place.publish_in(&place.home, &[])?;
    ensure!(code == 0 && fourth.get("side") == Some(&Value::Bool(false)), "{code}: {fourth}");
    ensure!(!place.home.run(["status"])?.contains("contradicted"));
    Ok(())
}

/// Symptom: a pull of a contradicted channel ended with 0: `nothing new`.
#[test]
fn a_pull_of_a_contradicted_channel_is_no_success() -> Result<()> {
    let pair = Pair::new()?;
    fs::write(pair.library.join("a"), "1")?;
    pair.publish()?;
    let other = Home::at(pair.scratch().join("copy"))?;
    copy(&pair.origin.path, &other.path)?;
    fs::write(pair.library.join("b"), "2")?;
    pair.publish()?;
    fs::write(pair.library.join("c"), "3")?;
    let folder = pair.library.to_string_lossy().into_owned();
    other.run(["publish", &folder, "-l", "films", "--force"])?;
    let file = pair.scratch().join("other.statements").to_string_lossy().into_owned();
    other.run(["statements", "export", "films", &file])?;
    pair.origin.output(["statements", "import", &file])?;
    let _server = pair.connect()?;
    pair.mirror.output(["pull", "films"])?;
    let output = pair.mirror.output(["pull", "films"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(STALE), "{output:?}");
    ensure!(text.contains("live is contradicted") && text.contains("conflicts films"), "{text}");
    Ok(())
}

/// Symptom: an origin whose store was lost, and that has no mirror, could never publish again, also with
/// `--force`.
#[test]
fn an_origin_whose_store_is_lost_publishes_again() -> Result<()> {
    let place = Place::with_file()?;
    place.publish_in(&place.home, &[])?;
    fs::rename(place.home.path.join("store"), place.dir.path().join("store.lost"))?;
    fs::write(place.folder.join("b"), "2")?;
    let (code, published, errors) = place.publish_in(&place.home, &[])?;
    ensure!(code == 0 && number(&published, "sequence")? == 2, "{code}: {published}{errors}");
    ensure!(number(&published, "bytes_read")? == 2, "{published}");
    let to = place.dir.path().join("restored");
    place.home.run(["restore".as_ref(), "films".as_ref(), to.as_os_str()])?;
    ensure!(fs::read(to.join("b"))? == b"2");
    let (code, _, _) = place.publish_in(&place.home, &[])?;
    ensure!(code == 0);
    // Nothing but the store is lost again: the content did not change.
    fs::rename(place.home.path.join("store"), place.dir.path().join("store.lost again"))?;
    let (code, published, errors) = place.publish_in(&place.home, &[])?;
    ensure!(code == 0, "{code}: {published}{errors}");
    let to = place.dir.path().join("restored again");
    place.home.run(["restore".as_ref(), "films".as_ref(), to.as_os_str()])?;
    Ok(())
}

/// Symptom: `paths = ["masters/"]` matched nothing, and all masters were published in `default`.
#[test]
fn paths_of_a_class_are_read_as_those_of_a_restore() -> Result<()> {
    let place = Place::with_file()?;
    fs::create_dir(place.folder.join("masters"))?;
    fs::write(place.folder.join("masters/film"), "1")?;
    let policy = place.dir.path().join("policy.toml");
    let class = |pattern: &str| format!("[[class]]\nname = \"masters\"\npaths = [\"{pattern}\"]\n");
    let file = policy.to_string_lossy().into_owned();
    for pattern in ["../masters/**", "masters/../x", "/", "a//b"] {
        fs::write(&policy, class(pattern))?;
        let (code, error, _) = place.publish_in(&place.home, &["--policy", &file])?;
        ensure!(code == INVALID && error.to_string().contains("pattern"), "{pattern}: {code}: {error}");
    }
    for pattern in ["masters", "masters/", "/masters/**", "./masters/**", "masters/**/"] {
        fs::write(&policy, class(pattern))?;
        let (code, answer, _) = place.publish_in(&place.home, &["--policy", &file])?;
        ensure!(code == 0, "{pattern}: {answer}");
        let listed = place.home.run(["--json", "ls", "films"])?;
        let film = listed.lines().find(|line| line.contains("masters/film")).context("no film")?;
        ensure!(film.contains(r#""class":"masters""#), "{pattern}: {film}");
    }
    fs::write(&policy, class("mastres/**"))?;
    let (code, _, errors) = place.publish_in(&place.home, &["--policy", &file, "--progress", "plain"])?;
    ensure!(code == 0 && errors.contains("no file is in class `masters`"), "{errors}");
    Ok(())
}

/// Symptom: the home of another user was called absent, with the advice to make one.
#[test]
fn a_home_that_this_user_may_not_enter_is_not_absent() -> Result<()> {
    let place = Place::with_file()?;
    let outer = place.dir.path().join("of another user");
    fs::create_dir(&outer)?;
    let home = Home::at(outer.join("home"))?;
    copy(&place.home.path, &home.path)?;
    fs::set_permissions(&outer, fs::Permissions::from_mode(0o000))?;
    let mut command = if rustix::process::geteuid().is_root() {
        // Root without its rights over files of others.
        std::os::unix::fs::chown(&outer, Some(NOBODY), Some(NOBODY))?;
        let mut command = Command::new("setpriv");
        command.arg("--bounding-set=-dac_override,-dac_read_search").arg(binary()?);
        command
    } else {
        Command::new(binary()?)
    };
    let output = command.arg("--home").arg(&home.path).arg("status").output()?;
    fs::set_permissions(&outer, fs::Permissions::from_mode(0o700))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(IO), "{output:?}");
    ensure!(error.contains("belongs to user") && !error.contains("chuan init"), "{error}");
    Ok(())
}

/// Symptom: the warning that the keys are on this disk only was never shown if the first publish failed; a
/// message that no release may have was refused after everything had been read.
#[test]
fn a_first_publish_that_fails_does_not_hide_the_warning_about_the_keys() -> Result<()> {
    let place = Place::with_file()?;
    let folder = place.folder.to_string_lossy().into_owned();
    let publish = |more: &[&str]| {
        let args = ["publish", &folder, "-l", "films", "--progress", "plain"];
        place.home.output(args.iter().chain(more))
    };
    let long = "x".repeat(100_000);
    ensure!(publish(&["-m", &long])?.status.code() == Some(INVALID));
    let keys = || Ok::<_, anyhow::Error>(fs::read_dir(place.home.path.join("keys"))?.count());
    ensure!(keys()? == 1, "a library was founded for a publish that cannot succeed");

    let ignore = place.folder.join(".chuanignore");
    fs::write(&ignore, "a{")?;
    fs::write(&ignore, "[z-a]\n")?;
    let failed = publish(&[])?;
    ensure!(failed.status.code() == Some(INVALID), "{failed:?}");
    ensure!(keys()? == 1, "a library was founded for a publish that cannot succeed");
    fs::remove_file(&ignore)?;
    let published = publish(&[])?;
    let text = String::from_utf8_lossy(&published.stdout);
    ensure!(published.status.success() && text.contains("the keys are on this disk only"), "{text}");
    Ok(())
}

/// Symptom: tickets were made for addresses without a port, and every join with them failed; the node that
/// made a ticket used it up.
#[test]
fn a_ticket_has_addresses_that_can_work_and_is_not_used_by_its_maker() -> Result<()> {
    let place = Place::with_file()?;
    place.publish_in(&place.home, &[])?;
    for address in
        ["films.example.org", "http://films.example.org:1", ":4040", "x:0", "::1:4040", "127.0.0.1:0"]
    {
        let (code, error) = place.home.fails(["invite", "-l", "films", "--address", address])?;
        ensure!(
            code == INVALID && error.contains(address) && error.contains("HOST:PORT"),
            "{address}: {error}"
        );
    }
    let _server = place.home.serve()?;
    let ticket = place.home.ticket("films")?;
    ensure!(place.home.run(["join", &ticket])?.contains("is a member of films already"));
    let mirror = Home::init(place.dir.path().join("mirror"), "m", "mirror")?;
    mirror.run(["join", &ticket])?;
    Ok(())
}

/// Symptom: `chuan init` made a home among the films of a folder, and `publish` of that folder was refused.
#[test]
fn a_folder_with_other_files_becomes_no_home() -> Result<()> {
    let place = Place::with_file()?;
    let (code, error) = Home::at(&place.folder)?.fails(["init", "--name", "x"])?;
    ensure!(code == INVALID && error.contains("has other files, such as `a`"), "{error}");
    ensure!(fs::read_dir(&place.folder)?.count() == 1, "something was written");
    let empty = place.dir.path().join("empty");
    fs::create_dir(&empty)?;
    fs::create_dir(empty.join("lost+found"))?;
    Home::init(&empty, "x", "mirror")?;
    let (code, _) = Home::at(place.dir.path().join("nowhere"))?.fails(["status"])?;
    ensure!(code == MISSING);
    Ok(())
}

/// Symptom: the answer to a comparison of two libraries was that a page is not held, and to pull it again.
#[test]
fn releases_of_two_libraries_are_not_compared() -> Result<()> {
    let place = Place::with_file()?;
    place.publish_in(&place.home, &[])?;
    let folder = place.folder.to_string_lossy();
    place.home.run(["publish", &folder, "-l", "other", "--found"])?;
    let (code, error) = place.home.fails(["diff", "films", "other"])?;
    ensure!(code == USAGE && error.contains("are of two libraries"), "{code}: {error}");
    Ok(())
}

/// Symptom: a home behind a link whose disk was not mounted was called absent, with the advice to make one;
/// help that could not be written ended with 0.
#[test]
fn a_home_that_is_no_folder_is_named_as_what_it_is() -> Result<()> {
    let place = Place::with_file()?;
    let link = place.dir.path().join("link");
    std::os::unix::fs::symlink("not mounted", &link)?;
    for (home, exit, part) in
        [(link, MISSING, "is a link"), (place.folder.join("a"), INVALID, "is not a folder")]
    {
        for command in [&["status"][..], &["init", "--name", "x"]] {
            let (code, error) = Home::at(&home)?.fails(command)?;
            ensure!(code == exit && error.contains(part), "{command:?}: {code}: {error}");
        }
    }
    let full = fs::File::options().write(true).open("/dev/full")?;
    let status =
        Command::new(binary()?).arg("--help").stdout(full).stderr(std::process::Stdio::null()).status()?;
    ensure!(status.code() == Some(FULL), "{status}");
    Ok(())
}
