//! Rules of style that a test can check: the first line of each file, its length, and the borders of each
//! crate. The modules below have one rule each; most have a list of exceptions that may only shrink.

mod comments;
mod constants;
mod cycles;
mod debug;
mod impls;
mod locks;
mod options;
mod ratchet;
mod source;
mod sources;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// Maximum number of lines of a Rust file.
const FILE_LINES: usize = 500;
/// Longer files, with their permitted length. Entries only go or shrink; a new one needs a good reason.
const LONG_FILES: &[(&str, usize)] = &[];

/// Dependencies that a crate must not have in its manifest, not even for its tests.
const BOUNDARIES: &[(&str, &[&str])] = &[
    (
        "engine",
        &[
            "tokio",
            "quinn",
            "rustls",
            "rocksdb",
            "axum",
            "hyper",
            "clap",
            "anyhow",
            "chuan",
            "chuan-api",
            "chuan-net",
            "chuan-storage",
            "getrandom",
            "serde",
            "serde_json",
        ],
    ),
    (
        "storage",
        &[
            "tokio",
            "quinn",
            "rustls",
            "axum",
            "hyper",
            "clap",
            "anyhow",
            "chuan",
            "chuan-api",
            "chuan-net",
            "blake3",
            "bincode",
        ],
    ),
    (
        "net",
        &["rocksdb", "axum", "clap", "anyhow", "chuan", "chuan-api", "chuan-storage", "blake3", "bincode"],
    ),
    (
        "node/api",
        &[
            "tokio",
            "rocksdb",
            "quinn",
            "rustls",
            "axum",
            "hyper",
            "anyhow",
            "chuan",
            "chuan-cli",
            "chuan-gateway",
            "chuan-net",
            "chuan-storage",
            "blake3",
            "bincode",
        ],
    ),
    (
        "node/core",
        &[
            "rocksdb",
            "quinn",
            "rustls",
            "anyhow",
            "blake3",
            "bincode",
            "chuan-cli",
            "chuan-gateway",
            "clap",
            "clap_complete",
            "indicatif",
            "rpassword",
            "tracing-subscriber",
            "unicode-width",
        ],
    ),
    (
        "node/gateway",
        &[
            "rocksdb",
            "quinn",
            "rustls",
            "clap",
            "indicatif",
            "anyhow",
            "blake3",
            "bincode",
            "chuan-cli",
            "chuan-engine",
            "chuan-net",
            "chuan-storage",
        ],
    ),
    (
        "node/cli",
        &[
            "rocksdb",
            "quinn",
            "rustls",
            "axum",
            "hyper",
            "anyhow",
            "blake3",
            "bincode",
            "chuan-engine",
            "chuan-net",
            "chuan-storage",
        ],
    ),
];

#[test]
fn every_file_opens_with_a_doc_comment() -> Result<()> {
    for file in rust_files()? {
        let text = read(&file)?;
        ensure!(text.starts_with("//!"), "{file} does not open with `//!`");
    }
    Ok(())
}

#[test]
fn files_stay_below_the_line_limit() -> Result<()> {
    for file in rust_files()? {
        let lines = read(&file)?.lines().count();
        let most = LONG_FILES.iter().find(|(name, _)| *name == file).map_or(FILE_LINES, |(_, most)| *most);
        ensure!(lines <= most, "{file} has {lines} lines, the maximum is {most}: split it by noun");
    }
    for (name, most) in LONG_FILES {
        let lines =
            read(name).with_context(|| format!("{name} is listed as long and is gone"))?.lines().count();
        ensure!(lines > FILE_LINES && lines + 100 > *most, "{name} has {lines} lines now: tighten its entry");
    }
    Ok(())
}

#[test]
fn crate_borders_hold() -> Result<()> {
    for (krate, forbidden) in BOUNDARIES {
        let manifest = read(&format!("{krate}/Cargo.toml"))?;
        let named: BTreeSet<_> = manifest.lines().filter_map(dependency).collect();
        ensure!(
            named.contains("bytes") || named.contains("tokio"),
            "{krate}/Cargo.toml: no dependencies found, this test reads it wrong"
        );
        for name in *forbidden {
            ensure!(!named.contains(name), "{krate} must not depend on {name}");
        }
    }
    Ok(())
}

#[test]
fn confined_names_stay_in_their_module() -> Result<()> {
    for (word, owner) in [
        ("blake3::", "engine/src/id.rs"),
        ("bincode::", "engine/src/codec.rs"),
        ("quinn::Endpoint", "net/src/endpoint.rs"),
    ] {
        for file in rust_files()? {
            let crate_name = file.split('/').next().unwrap_or_default();
            if file == owner || !["engine", "storage", "net", "node"].contains(&crate_name) {
                continue;
            }
            let found =
                read(&file)?.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            ensure!(!found, "{file} names {word}, which only {owner} may name");
        }
    }
    Ok(())
}

#[test]
fn every_test_file_is_a_module() -> Result<()> {
    let mut parents = vec![("tests/it".to_owned(), "tests/it/main.rs".to_owned())];
    while let Some((folder, parent)) = parents.pop() {
        let text = read(&parent)?;
        for item in fs::read_dir(root().join(&folder))? {
            let path = item?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_module = text.contains(&format!("mod {name};"));
            ensure!(is_module || name == "main", "{folder}/{name} is no module of {parent}");
            if path.is_dir() {
                parents.push((format!("{folder}/{name}"), format!("{folder}/{name}.rs")));
            }
        }
    }
    Ok(())
}

#[test]
fn nothing_names_the_machine_it_was_written_on() -> Result<()> {
    // Built at run time, so that this file does not contain them either.
    let places = ["home", "root", "work", "Users"].map(|place| format!("/{place}/"));
    for file in text_files()? {
        for (number, line) in read(&file)?.lines().enumerate() {
            let named = places.iter().find(|place| {
                line.match_indices(place.as_str()).any(|(at, _)| {
                    let before = line.get(..at).unwrap_or_default().chars().next_back();
                    before.is_none_or(|c| c.is_whitespace() || "\"'`=(".contains(c))
                })
            });
            ensure!(named.is_none(), "{file}:{} names a path of one machine: {line}", number + 1);
        }
    }
    Ok(())
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).map(Path::to_owned).unwrap_or_default()
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).with_context(|| format!("read {file}"))
}

/// The dependency that a line of a manifest names, if any: `name.workspace = true` or `name = …`.
fn dependency(line: &str) -> Option<&str> {
    let (name, _) = line.split_once(['.', '=', ' '])?;
    (!name.is_empty() && !name.starts_with('[')).then_some(name)
}

fn rust_files() -> Result<Vec<String>> {
    Ok(text_files()?.into_iter().filter(|file| file.ends_with(".rs")).collect())
}

/// Every text file of the repository, by its path from the root.
fn text_files() -> Result<Vec<String>> {
    const SKIPPED: [&str; 5] = ["target", ".git", "corpus", "artifacts", "proptest-regressions"];
    const KEPT: [&str; 7] = ["rs", "toml", "md", "yml", "sh", "json", "txt"];
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder)? {
            let path = item?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let script = folder.ends_with("scripts") || folder.ends_with(".ci");
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if script || path.extension().is_some_and(|kind| KEPT.iter().any(|kept| kind == *kept)) {
                found.push(path.strip_prefix(&root)?.to_string_lossy().into_owned());
            }
        }
    }
    ensure!(
        found.iter().any(|file| file == "engine/src/lib.rs"),
        "the repository's root is not where it was"
    );
    found.sort();
    Ok(found)
}
