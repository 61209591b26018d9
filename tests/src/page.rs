//! Runs the shell commands of a documentation page: the promises of a page are tested.
//!
//! A block runs if `<!-- run: NAME -->` precedes it; the blocks of one name are one script.

use std::{
    env,
    ffi::OsString,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::program::binary;

/// Runs the script `name` of the page `docs/PAGE` in `dir`, with `chuan` on the path and these variables.
/// Returns its standard output; fails with its whole output if one of its commands fails.
pub fn run(page: &str, name: &str, dir: &Path, variables: &[(&str, &str)]) -> Result<String> {
    let script = script(&read(page)?, name);
    play(page, name, &script, dir, variables)
}

/// Runs the recovery `name` of the page `docs/PAGE`, like [`run`]. Its block is fenced as ```` ```sh recovery
/// NAME ````.
pub fn recover(page: &str, name: &str, dir: &Path, variables: &[(&str, &str)]) -> Result<String> {
    let text = read(page)?;
    let (fence, helper) = (format!("```sh recovery {name}"), "public() {");
    let block = text.lines().skip_while(|line| *line != fence).skip(1).take_while(|line| *line != "```");
    let block: Vec<_> = block.collect();
    // The blocks share one helper, which the page defines before them.
    let public = text.lines().find(|line| line.starts_with(helper)).unwrap_or_default();
    let script = if block.is_empty() { String::new() } else { format!("{public}\n{}\n", block.join("\n")) };
    play(page, name, &script, dir, variables)
}

/// All blocks of shell commands of the page `docs/PAGE`, each with the first line of its fence, in order.
pub fn commands(page: &str) -> Result<Vec<String>> {
    let text = read(page)?;
    let mut lines = text.lines();
    let mut blocks = Vec::new();
    while let Some(fence) = lines.find(|line| line.starts_with("```")) {
        let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if fence.starts_with("```sh") {
            blocks.push(format!("{fence}\n{}", block.join("\n")));
        }
    }
    Ok(blocks)
}

fn read(page: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn play(page: &str, name: &str, script: &str, dir: &Path, variables: &[(&str, &str)]) -> Result<String> {
    ensure!(!script.is_empty(), "{page} has no block `{name}`");
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(dir)
        .stdin(Stdio::null())
        .env("PATH", search_path()?)
        .env("NO_COLOR", "1")
        .env_remove("CHUAN_HOME")
        .env_remove("CHUAN_KEY")
        .envs(variables.iter().copied())
        .output()
        .context("run bash")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{name}` of {page}: {}\n{script}\n{said}{errors}", output.status);
    Ok(said)
}

/// The blocks of this name, one after the other.
fn script(page: &str, name: &str) -> String {
    let mark = format!("<!-- run: {name} -->");
    let mut out = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line != mark {
            continue;
        }
        lines.by_ref().take_while(|line| !line.starts_with("```")).for_each(drop);
        for line in lines.by_ref().take_while(|line| *line != "```") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn search_path() -> Result<OsString> {
    let own = binary()?.parent().map(Path::to_owned).unwrap_or_default();
    let others = env::var_os("PATH").unwrap_or_default();
    Ok(env::join_paths([own].into_iter().chain(env::split_paths(&others)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_a_name_are_one_script() {
        let page = "a\n<!-- run: x -->\n```sh\none\n```\n<!-- run: y -->\n```sh\nno\n```\n```sh\nno\n```\n\
                    <!-- run: x -->\n\n```sh\ntwo \\\n  three\n```\n";
        assert_eq!(script(page, "x"), "one\ntwo \\\n  three\n");
        assert_eq!(script(page, "z"), "");
    }
}
