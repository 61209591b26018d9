//! The machine and the programs, as far as they affect a figure: nothing here names a host, a path or a user.

use std::{fmt::Write as _, fs, path::Path, process::Command, thread};

use anyhow::{Context, Result};
use chuan_tests::program;

use crate::{row::Language, wire};

/// The machine and the size of the measurement.
#[derive(Debug, Default)]
pub(crate) struct Description {
    megabytes: u64,
    runs: usize,
    cores: usize,
    processor: String,
    memory_gib: u64,
    kernel: String,
    file_system: String,
    versions: Vec<String>,
    is_isolated: bool,
}

impl Description {
    /// One paragraph.
    pub(crate) fn text(&self, language: Language) -> String {
        let Self { megabytes, runs, cores, processor, memory_gib, kernel, file_system, .. } = self;
        let mut text = match language {
            Language::English => format!(
                "{megabytes} MB, medians of {runs} runs, on {cores} cores ({processor}), {memory_gib} GiB of memory, \
                 Linux {kernel}, {file_system}. Bytes on the wire are what the loopback interface {} carried.\n\n",
                if self.is_isolated { "of a network namespace" } else { "of the whole machine" }
            ),
            Language::Chinese => format!(
                "{megabytes} MB，{runs} 次运行的中位数；{cores} 核（{processor}），内存 {memory_gib} GiB，Linux {kernel}，\
                 {file_system}。网络字节为{}环回接口上经过的字节。\n\n",
                if self.is_isolated { "独立网络命名空间的" } else { "整机的" }
            ),
        };
        let colon = language.pick("Programs: ", "程序：");
        let _ = writeln!(text, "{colon}{}", self.versions.join(language.pick(", ", "，")));
        text
    }
}

/// Describes this machine.
pub(crate) fn describe(dir: &Path, bytes: u64, runs: usize) -> Result<Description> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor =
        field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let memory_kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    // Only the numbers: the rest of the text may name the builder.
    let kernel = kernel.split('-').next().unwrap_or_default().to_owned();
    let binary = program::binary()?;
    let binary = binary.to_str().context("the path of the chuan binary is no UTF-8")?;
    let versions = [
        (binary, "--version"),
        ("rsync", "--version"),
        ("restic", "version"),
        ("borg", "--version"),
        ("casync", "--version"),
        ("sendme", "--version"),
        ("ffsync", "--version"),
        ("zstd", "--version"),
    ];
    Ok(Description {
        megabytes: bytes / 1_000_000,
        runs,
        cores: thread::available_parallelism()?.get(),
        processor,
        memory_gib: memory_kib.div_ceil(1 << 20),
        kernel,
        file_system: file_system(dir),
        versions: versions.into_iter().filter_map(|(program, flag)| version(program, flag)).collect(),
        is_isolated: wire::is_isolated(),
    })
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The program's name and its version, from its output: the first number with a point, else the first number.
fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let name = Path::new(program).file_name()?.to_str()?;
    Some(format!("{name} {}", number(&String::from_utf8(output.stdout).ok()?)?))
}

fn number(text: &str) -> Option<&str> {
    let words = text.split_whitespace();
    let words =
        words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).trim_start_matches('v'));
    let mut numbers = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    numbers.clone().find(|number| number.contains('.')).or_else(|| numbers.next())
}

fn file_system(dir: &Path) -> String {
    let output = Command::new("stat").args(["--file-system", "--format=%T"]).arg(dir).output();
    let name = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    match name.trim() {
        "" => "unknown file system".to_owned(),
        "ext2/ext3" => "ext4".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_a_program_says() {
        assert_eq!(number("*** Zstandard CLI (64-bit) v1.5.4, by someone"), Some("1.5.4"));
        assert_eq!(number("casync 2\n+SELINUX"), Some("2"));
        assert_eq!(number("rsync  version 3.5.0  protocol version 32"), Some("3.5.0"));
    }
}
