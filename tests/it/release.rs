//! The released binary: its profile, and the script that takes the symbols out of it. No release is built
//! here.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use chuan_tests::program::{binary_named, copy};

use crate::tidy::root;

/// Symptom: the binary had 106 MB, most of it symbols. Now they are in a file beside it, which a debugger
/// finds.
#[test]
fn the_symbols_of_a_release_are_in_a_file_beside_it() -> Result<()> {
    let make = fs::read_to_string(root().join("Makefile"))?;
    let build =
        make.lines().skip_while(|line| !line.starts_with("build:")).take_while(|line| !line.is_empty());
    let build: Vec<_> = build.collect();
    let splits = |line: &&str| {
        line.contains("--release") && line.contains(".ci/split \"$$CHUAN_TARGET/release/chuan\"")
    };
    ensure!(build.iter().any(splits), "`make build` does not split the binary: {build:?}");
    let cargo = fs::read_to_string(root().join("Cargo.toml"))?;
    let profile: Vec<_> = cargo.lines().skip_while(|line| *line != "[profile.release]").take(4).collect();
    ensure!(profile.contains(&"debug = \"line-tables-only\""), "{profile:?}");

    let dir = tempfile::tempdir()?;
    let program = dir.path().join("program");
    copy(&binary_named("chuan")?, &program)?;
    let (before, sections_before) = (program.metadata()?.len(), sections(&program)?);
    ensure!(sections_before.contains(".symtab"), "the test needs a program with symbols: {sections_before}");
    let split = Command::new(root().join(".ci/split")).arg(&program).output().context("run .ci/split")?;
    ensure!(split.status.success(), "{split:?}");
    if String::from_utf8_lossy(&split.stderr).contains("no objcopy") {
        eprintln!("skipped: missing Debian package binutils");
        return Ok(());
    }
    let (stripped, symbols) = (sections(&program)?, sections(&dir.path().join("program.debug"))?);
    ensure!(!stripped.contains(".symtab") && stripped.contains(".gnu_debuglink"), "{stripped}");
    ensure!(symbols.contains(".symtab"), "{symbols}");
    ensure!(
        program.metadata()?.len() < before * 9 / 10,
        "{before} bytes before, {} now",
        program.metadata()?.len()
    );
    let listed = fs::read_dir(dir.path())?.count();
    ensure!(listed == 2, "{listed} files are left");
    let ran = Command::new(&program).arg("--version").output()?;
    ensure!(ran.status.success(), "{ran:?}");
    Ok(())
}

/// The list of an ELF file's sections.
fn sections(file: &Path) -> Result<String> {
    let output = Command::new("readelf").args(["--sections", "--wide"]).arg(file).output();
    let output = output.context("run readelf (Debian package binutils)")?;
    ensure!(output.status.success(), "{output:?}");
    Ok(String::from_utf8(output.stdout)?)
}
