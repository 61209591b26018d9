//! `peers`: Chuan beside alternative tools, on the same data, the same disk and in the same run.
//!
//! Every tool does a task as its user would start it, one after another, in an order that rotates with each
//! run; the table has the medians. Sources are in the page cache. Unwritten data of one tool is written out
//! before the next one starts. A tool that is not installed, or fails, is in the table with the reason and
//! without a figure.
//!
//! ```text
//! PEERS_BYTES    bytes of the library, with K, M or G (2G): its film has a sixth of them, at most 40 s;
//!                the small files are one for every 20 kB
//! PEERS_RUNS     runs of each task (3)
//! PEERS_DIR      working directory, on the disk to be measured (the temporary directory); it needs room for
//!                five times the bytes, and in each run for five more copies of the small files
//! PEERS_OUT      a file for the table and the machine's description
//! PEERS_README   `on`: put the table into README.md and README.zh-CN.md of the current directory, too
//! ```

mod archive;
mod chuan;
mod data;
mod ffsync;
mod machine;
mod measure;
mod replica;
mod row;
mod rsync;
mod sendme;
mod table;
mod task;
mod wire;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use chuan_benches::sample::parse_bytes;

use crate::{row::Language, table::Table};

/// The options of a run.
#[derive(Debug)]
struct Options {
    bytes: u64,
    runs: usize,
    dir: PathBuf,
    out: Option<PathBuf>,
    readme: bool,
}

fn main() -> Result<ExitCode> {
    ensure!(env::args().len() == 1, "`peers` takes no arguments, its options are in the environment");
    if let Some(code) = wire::isolate()? {
        return Ok(code);
    }
    let options = options()?;
    fs::create_dir_all(&options.dir).with_context(|| format!("make {}", options.dir.display()))?;
    let work = tempfile::Builder::new().prefix("chuan-peers-").tempdir_in(&options.dir)?;
    let mut table = Table::default();
    task::run_all(&mut table, work.path(), options.bytes, options.runs)?;
    let description = machine::describe(work.path(), options.bytes, options.runs)?;
    let english = table.markdown(Language::English, &description);
    print!("{english}");
    if let Some(out) = &options.out {
        write(out, &format!("# Chuan and its peers on one machine\n\n{english}"))?;
    }
    if options.readme {
        for (file, language) in [("README.md", Language::English), ("README.zh-CN.md", Language::Chinese)] {
            let text = fs::read_to_string(file).with_context(|| format!("read {file}"))?;
            let text = table::replace_block(&text, &table.markdown(language, &description))
                .with_context(|| format!("{file} has no place for the table"))?;
            write(file.as_ref(), &text)?;
        }
    }
    let failed = table.chuan_failed();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    }
    fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn options() -> Result<Options> {
    let text = |name: &str, fallback: &str| env::var(name).unwrap_or_else(|_| fallback.to_owned());
    Ok(Options {
        bytes: parse_bytes(&text("PEERS_BYTES", "2G")).context("PEERS_BYTES")?,
        runs: text("PEERS_RUNS", "3").parse().context("PEERS_RUNS is no number")?,
        dir: env::var_os("PEERS_DIR").map_or_else(env::temp_dir, PathBuf::from),
        out: env::var_os("PEERS_OUT").map(PathBuf::from),
        readme: text("PEERS_README", "off") == "on",
    })
}
