//! A real film, made by ffmpeg, and edits of it as a studio makes them.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use chuan_tests::media;

use crate::process;

/// Approximate bytes of one second of a film.
const RATE: u64 = 7_600_000;
/// Seconds of the longest film.
const LONGEST_S: u64 = 40;

/// The seconds of a film of about `bytes`, within the limits.
pub fn seconds(bytes: u64) -> u64 {
    (bytes / RATE).clamp(1, LONGEST_S)
}

/// An edit of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilmEdit {
    /// New metadata, and the index moved to the front.
    Header,
    /// Twenty short inserts at random places.
    Inserts,
    /// Another audio track.
    Audio,
    /// A quarter cut off at the start.
    TrimStart,
    /// A quarter cut off at the end.
    TrimEnd,
    /// A quarter cut off at either end.
    TrimBoth,
    /// The same tracks in a Matroska file.
    Remux,
}

impl FilmEdit {
    /// Every edit.
    pub const ALL: [FilmEdit; 7] = [
        FilmEdit::Header,
        FilmEdit::Inserts,
        FilmEdit::Audio,
        FilmEdit::TrimStart,
        FilmEdit::TrimEnd,
        FilmEdit::TrimBoth,
        FilmEdit::Remux,
    ];
}

/// Makes a film of `seconds` seconds: a moving picture with noise, as hard to compress as
/// a film.
///
/// # Errors
///
/// Fails if ffmpeg is missing or does not succeed.
pub fn make(path: &Path, seconds: u64) -> Result<()> {
    let picture = "testsrc2=size=1920x1080:rate=25,noise=alls=40:allf=t";
    let sound = "sine=frequency=440:sample_rate=48000";
    let seconds = seconds.to_string();
    let sources = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound, "-t", seconds.as_str()];
    let video =
        ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "60M", "-maxrate", "60M", "-bufsize", "60M"];
    let rest = ["-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k"];
    ffmpeg([], sources.into_iter().chain(video).chain(rest), path)
}

/// Writes the edited film of `seconds` seconds into `dir`, and returns its path; an existing one is kept.
///
/// # Errors
///
/// Fails if ffmpeg is missing or does not succeed.
pub fn edit(film: &Path, seconds: u64, edit: FilmEdit, dir: &Path) -> Result<PathBuf> {
    let extension = if edit == FilmEdit::Remux { "mkv" } else { "mp4" };
    let made = dir.join(format!("{edit:?}.{extension}"));
    if made.exists() {
        return Ok(made);
    }
    let quarter = format!("{:.2}", seconds as f64 / 4.0);
    let half = format!("{:.2}", seconds as f64 / 2.0);
    let rest = format!("{:.2}", seconds as f64 * 3.0 / 4.0);
    let (before, after): (&[&str], &[&str]) = match edit {
        FilmEdit::Inserts => {
            fs::copy(film, &made)?;
            media::edit(&made, media::Edit::Inserts, 7)?;
            return Ok(made);
        }
        FilmEdit::Header => {
            (&[], &["-c", "copy", "-movflags", "+faststart", "-metadata", "title=second edition"])
        }
        FilmEdit::Audio => {
            let sine = "sine=frequency=880:sample_rate=48000";
            let audio = ["-f", "lavfi", "-i", sine, "-map", "0:v", "-map", "1:a", "-shortest"];
            let codecs = ["-c:v", "copy", "-c:a", "aac", "-b:a", "192k"];
            ffmpeg([OsStr::new("-i"), film.as_os_str()], audio.into_iter().chain(codecs), &made)?;
            return Ok(made);
        }
        FilmEdit::TrimStart => (&["-ss", &quarter], &["-c", "copy"]),
        FilmEdit::TrimEnd => (&[], &["-t", &rest, "-c", "copy"]),
        FilmEdit::TrimBoth => (&["-ss", &quarter], &["-t", &half, "-c", "copy"]),
        FilmEdit::Remux => (&[], &["-c", "copy"]),
    };
    let input = before.iter().map(OsStr::new).chain([OsStr::new("-i"), film.as_os_str()]);
    ffmpeg(input, after.iter().copied(), &made)?;
    Ok(made)
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
