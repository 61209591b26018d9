//! Key files, through the program: passphrases from the environment, and no terminal for a prompt.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result, ensure};
use chuan_tests::{
    pair::text,
    program::{Home, final_object},
};
use serde_json::Value;

/// Runs `chuan --json key …` without a home and without a terminal.
fn key(args: &[&str], file: &Path, variables: &[(&str, &str)]) -> Result<(Option<i32>, Value)> {
    let home = Home::at(file.with_file_name("no-home"))?;
    let mut command = home.command(["--json", "key"]);
    command.args(args).arg(file).env_remove("CHUAN_KEY_PASSPHRASE").envs(variables.iter().copied());
    // A session of its own has no controlling terminal.
    let mut detached = std::process::Command::new("setsid");
    detached.arg("--wait").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => detached.env(name, value),
            None => detached.env_remove(name),
        };
    }
    let output = detached.output()?;
    let answer = String::from_utf8(output.stdout)?;
    Ok((output.status.code(), final_object(&answer).with_context(|| format!("{args:?}"))?))
}

#[test]
fn a_key_file_is_made_shown_and_given_another_passphrase() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("operator.key");
    let first = [("CHUAN_KEY_PASSPHRASE", "川流不息")];
    let (code, made) = key(&["new"], &file, &first)?;
    ensure!(code == Some(0) && text(&made, "key").len() == 64, "{made}");
    ensure!(text(&made, "fingerprint").len() == 35, "{made}");
    ensure!(fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    ensure!(fs::read_to_string(&file)?.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));

    let (code, again) = key(&["new"], &file, &first)?;
    ensure!(code == Some(4) && again.to_string().contains("there already"), "{code:?} {again}");
    let (code, blind) = key(&["show"], &file, &[])?;
    ensure!(code == Some(2) && blind.to_string().contains("CHUAN_KEY_PASSPHRASE"), "{code:?} {blind}");
    let (code, wrong) = key(&["show"], &file, &[("CHUAN_KEY_PASSPHRASE", "川流")])?;
    ensure!(code == Some(5) && wrong.to_string().contains("not the passphrase"), "{code:?} {wrong}");

    let both = [first[0], ("CHUAN_KEY_NEW_PASSPHRASE", "other")];
    let (code, changed) = key(&["passphrase"], &file, &both)?;
    ensure!(code == Some(0) && changed == made, "{changed}");
    let (code, shown) = key(&["show"], &file, &[("CHUAN_KEY_PASSPHRASE", "other")])?;
    ensure!(code == Some(0) && shown == made, "{shown}");
    ensure!(key(&["show"], &file, &first)?.0 == Some(5), "the old passphrase still opens it");

    let (_, plain) = key(&["passphrase", "--plain"], &file, &[("CHUAN_KEY_PASSPHRASE", "other")])?;
    ensure!(text(&plain, "key") == text(&made, "key"), "{plain}");
    ensure!(fs::read_to_string(&file)?.starts_with("chuan-secret-key-1 "));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    ensure!(key(&["show"], &file, &[])?.0 == Some(5), "a key that others may read was used");
    Ok(())
}
