//! The tasks, each done by every tool of its rows.

use std::{env, fs, path::Path, process::Command};

use anyhow::Result;
use chuan_benches::cache;
use chuan_tests::media;

use crate::{
    archive::Archive,
    chuan,
    data::Data,
    measure::{self, Measured, local},
    replica,
    row::{Task, Tool},
    table::{Reason, Table},
};

/// Runs all tasks `runs` times below `work`.
pub(crate) fn run_all(table: &mut Table, work: &Path, bytes: u64, runs: usize) -> Result<()> {
    let data = Data::make(&fresh(work, "data")?, bytes)?;
    for run in 0..runs {
        eprintln!("run {} of {runs}", run + 1);
        let mut row = Rows { table, work, run };
        row.take_in(&data)?;
        row.copy(Task::Copy, &data.library)?;
        for task in [Task::EditHeader, Task::EditInserts, Task::EditAudio, Task::EditTrim] {
            row.edit(task, &data)?;
        }
        row.copy(Task::SmallFiles, &data.small)?;
        row.copy(Task::SmallRestore, &data.small)?;
    }
    Ok(())
}

/// One run, which adds its rows to the table.
struct Rows<'a> {
    table: &'a mut Table,
    work: &'a Path,
    run: usize,
}

impl Rows<'_> {
    /// A new library, and the same again after a part of it has changed.
    fn take_in(&mut self, data: &Data) -> Result<()> {
        for tool in self.turn(Task::TakeNew) {
            let dir = self.work.join("archive");
            let mut archive = None;
            self.row(Task::TakeNew, tool, || {
                cache::fill(&data.library)?;
                archive.insert(Archive::open(tool, &dir)?).take(&data.library)
            })?;
            media::change(&data.library, self.run as u64)?;
            self.row(Task::TakeChanged, tool, || {
                cache::fill(&data.library)?;
                let Some(archive) = &mut archive else { anyhow::bail!("it took in nothing before") };
                archive.take(&data.library)
            })?;
            remove(&dir)?;
        }
        Ok(())
    }

    /// A folder to a peer without data.
    fn copy(&mut self, task: Task, source: &Path) -> Result<()> {
        for tool in self.turn(task) {
            let dir = self.work.join("copy");
            self.row(task, tool, || {
                cache::fill(source)?;
                replica::open(tool, source, &dir)?.update()
            })?;
            self.leave(task, tool, &dir)?;
        }
        Ok(())
    }

    /// Removes a copy. Many small files are moved aside instead, and removed at the end of all runs: on ext4
    /// without a journal, every new file is created past the inodes that were freed in the last minutes, so
    /// the removal of one tool's files would slow the next tool down, several times over.
    fn leave(&self, task: Task, tool: Tool, dir: &Path) -> Result<()> {
        if !matches!(task, Task::SmallFiles | Task::SmallRestore) || !dir.exists() {
            return remove(dir);
        }
        for home in chuan::HOMES {
            remove(&dir.join(home))?;
        }
        let aside = fresh(self.work, "aside")?;
        Ok(fs::rename(dir, aside.join(format!("{task:?} {tool:?} {}", self.run)))?)
    }

    /// An edited film to a peer that has the previous version.
    fn edit(&mut self, task: Task, data: &Data) -> Result<()> {
        for tool in self.turn(task) {
            let dir = self.work.join("edit");
            match &data.film {
                Ok(film) => {
                    let edited = data.edit(task, film)?;
                    cache::fill(&self.work.join("data"))?;
                    self.row(task, tool, || edit(tool, film, &edited, &dir))?;
                    remove(&dir)?;
                }
                Err(error) => {
                    eprintln!("{error}");
                    self.table.add(task, tool, Err(Reason::NoFilm));
                }
            }
        }
        Ok(())
    }

    /// Lets one tool do its task and records the result; a tool that was slow or failed does not repeat it.
    fn row(&mut self, task: Task, tool: Tool, work: impl FnOnce() -> Result<Measured>) -> Result<()> {
        if self.table.is_done(task, tool) {
            return Ok(());
        }
        let outcome = if tool.program().is_some_and(|program| !is_installed(program)) {
            Err(Reason::NotInstalled)
        } else {
            // Unwritten data of the previous tool must not delay this one.
            measure::sync(self.work)?;
            work().map_err(|error| {
                eprintln!("{tool:?} did not get through: {error:#}");
                Reason::Failed
            })
        };
        self.table.add(task, tool, outcome);
        Ok(())
    }

    /// The tools of a task, beginning with another one in each run.
    fn turn(&self, task: Task) -> Vec<Tool> {
        let mut tools = task.tools().to_vec();
        let first = self.run % tools.len();
        tools.rotate_left(first);
        tools
    }
}

fn edit(tool: Tool, film: &Path, edited: &Path, dir: &Path) -> Result<Measured> {
    let source = fresh(dir, "source")?;
    let place = source.join("film.mp4");
    if tool == Tool::Patch {
        let patch = dir.join("patch");
        let mut zstd = Command::new("zstd");
        zstd.args(["-q", "-1", "--long=31"]).arg(format!("--patch-from={}", film.display()));
        let measured = local(zstd.arg(edited).arg("-o").arg(&patch), dir)?;
        return Ok(Measured { wire_bytes: Some(fs::metadata(patch)?.len()), ..measured });
    }
    fs::copy(film, &place)?;
    let mut replica = replica::open(tool, &source, &dir.join("replica"))?;
    replica.update()?;
    fs::remove_file(&place)?;
    fs::copy(edited, &place)?;
    measure::sync(dir)?;
    replica.update()
}

/// A new folder.
fn fresh(dir: &Path, name: &str) -> Result<std::path::PathBuf> {
    let path = dir.join(name);
    fs::create_dir_all(&path)?;
    Ok(path)
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() { Ok(fs::remove_dir_all(dir)?) } else { Ok(()) }
}

fn is_installed(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|paths| env::split_paths(&paths).any(|dir| dir.join(program).is_file()))
}
