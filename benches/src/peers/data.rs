//! The data that every tool gets: a film, typical edits of it, and a library around it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use chuan_benches::process;
use chuan_tests::media;

use crate::row::Task;

/// Approximate bytes of one second of a film.
const FILM_RATE: u64 = 7_600_000;
const LONGEST_FILM_S: u64 = 40;

/// Data that is made once.
#[derive(Debug)]
pub(crate) struct Data {
    /// The folder with the library.
    pub(crate) library: PathBuf,
    /// The folder with the small files.
    pub(crate) small: PathBuf,
    /// A film if ffmpeg could make one; else the reason.
    pub(crate) film: Result<PathBuf, String>,
    work: PathBuf,
}

impl Data {
    /// Makes everything below `work`.
    pub(crate) fn make(work: &Path, bytes: u64) -> Result<Self> {
        let (library, small, film) = (work.join("library"), work.join("small"), work.join("film.mp4"));
        fs::create_dir(&library)?;
        fs::create_dir(&small)?;
        eprintln!("making a film");
        // A sixth of the library.
        let seconds = (bytes / 6 / FILM_RATE).clamp(1, LONGEST_FILM_S);
        let film = make_film(&film, seconds).map(|()| film).map_err(|error| format!("no film: {error:#}"));
        let mut left = bytes;
        if let Ok(film) = &film {
            let copied = fs::copy(film, library.join("film.mp4"))?;
            left = left.saturating_sub(copied);
        }
        for number in 0..4 {
            media::film(&library.join(format!("film {number}.mp4")), left / 4, number)?;
        }
        media::small_files(&small, (bytes / 20_000).max(100), 9)?;
        Ok(Self { library, small, film, work: work.to_owned() })
    }

    /// The edited film of a task; made at the first call.
    pub(crate) fn edit(&self, task: Task, film: &Path) -> Result<PathBuf> {
        let made = self.work.join(format!("{task:?}.mp4"));
        if made.exists() {
            return Ok(made);
        }
        match task {
            Task::EditAudio => {
                let sine = "sine=frequency=880:sample_rate=48000";
                let audio = ["-f", "lavfi", "-i", sine, "-map", "0:v", "-map", "1:a", "-shortest"];
                let codecs = ["-c:v", "copy", "-c:a", "aac", "-b:a", "192k"];
                ffmpeg([OsStr::new("-i"), film.as_os_str()], audio.into_iter().chain(codecs), &made)?;
            }
            Task::EditInserts => {
                fs::copy(film, &made)?;
                media::edit(&made, media::Edit::Inserts, 7)?;
            }
            _ => {
                let args = ["-c", "copy", "-movflags", "+faststart", "-metadata", "title=second edition"];
                ffmpeg([OsStr::new("-i"), film.as_os_str()], args, &made)?;
            }
        }
        Ok(made)
    }
}

/// A moving picture with noise, as hard to compress as a film.
fn make_film(path: &Path, seconds: u64) -> Result<()> {
    let picture = "testsrc2=size=1920x1080:rate=25,noise=alls=40:allf=t";
    let sound = "sine=frequency=440:sample_rate=48000";
    let seconds = seconds.to_string();
    let sources = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", seconds.as_str()];
    let video =
        ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "60M", "-maxrate", "60M", "-bufsize", "60M"];
    let rest = ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k"];
    ffmpeg([], sources.into_iter().chain(video).chain(rest), path)
}

fn ffmpeg<'a>(
    input: impl IntoIterator<Item = &'a OsStr>,
    args: impl IntoIterator<Item = &'a str>,
    out: &Path,
) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]).args(input).args(args).arg(out);
    process::run(&mut command).map(drop)
}
