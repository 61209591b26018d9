//! The data that every tool gets: a film, typical edits of it, and a library around it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use chuan_benches::film::{self, FilmEdit};
use chuan_tests::media;

use crate::row::Task;

/// Data that is made once.
#[derive(Debug)]
pub(crate) struct Data {
    /// The folder with the library.
    pub(crate) library: PathBuf,
    /// The folder with the small files.
    pub(crate) small: PathBuf,
    /// A film if ffmpeg could make one; else the reason.
    pub(crate) film: Result<PathBuf, String>,
    /// Its length in seconds.
    seconds: u64,
    work: PathBuf,
}

impl Data {
    /// Makes everything below `work`.
    pub(crate) fn make(work: &Path, bytes: u64) -> Result<Self> {
        let (library, small, original) = (work.join("library"), work.join("small"), work.join("film.mp4"));
        fs::create_dir(&library)?;
        fs::create_dir(&small)?;
        eprintln!("making a film");
        // A sixth of the library.
        let seconds = film::seconds(bytes / 6);
        let made = film::make(&original, seconds).map(|()| original);
        let film = made.map_err(|error| format!("no film: {error:#}"));
        let mut left = bytes;
        if let Ok(film) = &film {
            let copied = fs::copy(film, library.join("film.mp4"))?;
            left = left.saturating_sub(copied);
        }
        for number in 0..4 {
            media::film(&library.join(format!("film {number}.mp4")), left / 4, number)?;
        }
        media::small_files(&small, (bytes / 20_000).max(100), 9)?;
        Ok(Self { library, small, film, seconds, work: work.to_owned() })
    }

    /// The edited film of a task; made at the first call.
    pub(crate) fn edit(&self, task: Task, original: &Path) -> Result<PathBuf> {
        let edit = match task {
            Task::EditAudio => FilmEdit::Audio,
            Task::EditInserts => FilmEdit::Inserts,
            Task::EditTrim => FilmEdit::TrimStart,
            _ => FilmEdit::Header,
        };
        film::edit(original, self.seconds, edit, &self.work)
    }
}
