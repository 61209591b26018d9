//! Data of a film library, made from seeds: incompressible films, typical edits of a studio, and many small
//! files with names in several scripts.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    os::unix::fs::FileExt,
    path::Path,
    time::SystemTime,
};

use anyhow::{Context, Result};

use crate::rng::Rng;

const BLOCK: usize = 1 << 20;
/// Length of one run of changed bytes in [`change`].
const CHANGED_RUN: u64 = 256 << 10;

/// Writes a file of `bytes` incompressible bytes, the same for the same seed.
pub fn film(path: &Path, bytes: u64, seed: u64) -> Result<()> {
    let mut rng = Rng::new(seed);
    let mut block = vec![0; BLOCK];
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let mut out = BufWriter::with_capacity(BLOCK, file);
    let mut left = bytes;
    while left > 0 {
        let len = usize::try_from(left.min(BLOCK as u64))?;
        let (now, _) = block.split_at_mut(len);
        rng.fill(now);
        out.write_all(now)?;
        left -= len as u64;
    }
    out.flush()?;
    Ok(())
}

/// An edit of a film, as studios make them.
#[derive(Clone, Copy, Debug)]
pub enum Edit {
    /// New metadata: a longer header at the front, all later bytes moved.
    Header,
    /// Twenty short inserts at random places.
    Inserts,
    /// One run in the middle replaced by other content of the same length (a scene).
    Scene,
    /// The last tenth cut off.
    Cut,
}

/// Every edit.
pub const EDITS: [Edit; 4] = [Edit::Header, Edit::Inserts, Edit::Scene, Edit::Cut];

/// Rewrites the film at `path` by an edit; the same seed makes the same edit.
pub fn edit(path: &Path, edit: Edit, seed: u64) -> Result<()> {
    let mut rng = Rng::new(seed);
    let mut data = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    match edit {
        Edit::Header => {
            let header = rng.bytes(900);
            data.splice(0..256.min(data.len()), header);
        }
        Edit::Inserts => {
            for _ in 0..20 {
                let at = usize::try_from(rng.below(data.len() as u64 + 1))?;
                let len = usize::try_from(1 + rng.below(4095))?;
                data.splice(at..at, rng.bytes(len));
            }
        }
        Edit::Scene => {
            let (from, len) = (data.len() / 3, data.len() / 20);
            data.splice(from..from + len, rng.bytes(len));
        }
        Edit::Cut => data.truncate(data.len() / 10 * 9),
    }
    fs::write(path, data).with_context(|| format!("write {}", path.display()))
}

/// Changes one byte in a hundred of every file, in runs at random places, and gives every file a new time.
pub fn change(dir: &Path, seed: u64) -> Result<()> {
    let mut rng = Rng::new(seed);
    for path in listing(dir)? {
        let path = dir.join(path);
        let file =
            File::options().write(true).open(&path).with_context(|| format!("open {}", path.display()))?;
        let size = file.metadata()?.len();
        let run = CHANGED_RUN.min(size / 100);
        let runs = (size / 100).checked_div(run).unwrap_or_default();
        for _ in 0..runs {
            let bytes = rng.bytes(usize::try_from(run)?);
            file.write_all_at(&bytes, rng.below(size - run))?;
        }
        file.set_modified(SystemTime::now())?;
    }
    Ok(())
}

/// Writes `count` small files (1 to 20 KiB) below `dir`, a fifth of them with Chinese names, in folders of
/// 500.
pub fn small_files(dir: &Path, count: u64, seed: u64) -> Result<()> {
    let mut rng = Rng::new(seed);
    for number in 0..count {
        let folder = dir.join(format!("{:03}-字幕", number / 500));
        if number % 500 == 0 {
            fs::create_dir_all(&folder)?;
        }
        let name = match number % 5 {
            0 => format!("第{number}集 川流不息.srt"),
            1 => format!("poster {number}.jpg"),
            2 => format!("{number}.nfo"),
            3 => format!("été-{number}.vtt"),
            _ => format!("clip {number}.ts"),
        };
        let len = usize::try_from(1024 + rng.below(19 * 1024))?;
        fs::write(folder.join(name), rng.bytes(len))?;
    }
    Ok(())
}

/// Writes a small film library: `films` films of `bytes` each in folders with Chinese and English names, and
/// beside every film a subtitle, a poster and a description.
pub fn library(dir: &Path, films: u64, bytes: u64, seed: u64) -> Result<()> {
    const TITLES: [&str; 5] = ["长江 (2019)", "The River (1951)", "黄河绝恋", "Überfluss", "川 – A Stream"];
    for (number, title) in (0..films).zip(TITLES.iter().cycle()) {
        let title = if number < 5 { (*title).to_owned() } else { format!("{title} {number}") };
        let folder = dir.join(&title);
        fs::create_dir_all(&folder)?;
        film(&folder.join(format!("{title}.mp4")), bytes, seed ^ (number + 1))?;
        let mut rng = Rng::new(seed ^ (0x5157 + number));
        let subtitle: String = (0..200)
            .map(|line| {
                format!(
                    "{line}\n00:{:02}:00,000 --> 00:{:02}:02,000\n台词 {}\n\n",
                    line % 60,
                    line % 60,
                    rng.next_u64()
                )
            })
            .collect();
        fs::write(folder.join(format!("{title}.zh.srt")), subtitle)?;
        fs::write(folder.join("poster.jpg"), rng.bytes(48 * 1024))?;
        fs::write(folder.join("film.nfo"), format!("<movie><title>{title}</title></movie>\n"))?;
    }
    Ok(())
}

/// Compares two trees: `None` if they hold the same files with the same bytes, else the first difference, as
/// text.
pub fn difference(left: &Path, right: &Path) -> Result<Option<String>> {
    let (ours, theirs) = (listing(left)?, listing(right)?);
    if ours != theirs {
        let only = ours
            .iter()
            .find(|path| !theirs.contains(path))
            .or(theirs.iter().find(|path| !ours.contains(path)));
        return Ok(Some(format!(
            "{} and {} name different files, such as {only:?}",
            left.display(),
            right.display()
        )));
    }
    for path in ours {
        if !same_bytes(&left.join(&path), &right.join(&path))? {
            return Ok(Some(format!("{path} differs between {} and {}", left.display(), right.display())));
        }
    }
    Ok(None)
}

fn same_bytes(left: &Path, right: &Path) -> Result<bool> {
    let open = |path: &Path| {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        anyhow::Ok(BufReader::with_capacity(BLOCK, file))
    };
    let (mut ours, mut theirs) = (open(left)?, open(right)?);
    loop {
        // A regular file is read in full blocks, so equal files give equal blocks.
        let (a, b) = (ours.fill_buf()?, theirs.fill_buf()?);
        if a != b || a.is_empty() {
            return Ok(a == b);
        }
        let len = a.len();
        ours.consume(len);
        theirs.consume(len);
    }
}

/// Every file below `dir`, as sorted relative paths.
pub fn listing(dir: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = item?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(dir)?.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Bytes of all files below `dir`.
pub fn bytes_below(dir: &Path) -> Result<u64> {
    listing(dir)?.iter().try_fold(0, |sum, path| Ok(sum + fs::metadata(dir.join(path))?.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_film_and_another_seed_another() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
        film(&a, 3_000_001, 1).unwrap();
        film(&b, 3_000_001, 1).unwrap();
        film(&c, 3_000_001, 2).unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
        assert_ne!(fs::read(&a).unwrap(), fs::read(&c).unwrap());
    }

    #[test]
    fn a_difference_of_one_byte_or_one_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (left, right) = (dir.path().join("l"), dir.path().join("r"));
        library(&left, 2, 10_000, 3).unwrap();
        library(&right, 2, 10_000, 3).unwrap();
        assert_eq!(difference(&left, &right).unwrap(), None);
        let poster = right.join("长江 (2019)/poster.jpg");
        let mut bytes = fs::read(&poster).unwrap();
        bytes[7] ^= 1;
        fs::write(&poster, bytes).unwrap();
        assert!(difference(&left, &right).unwrap().unwrap().contains("poster.jpg"));
        fs::remove_file(&poster).unwrap();
        assert!(difference(&left, &right).unwrap().unwrap().contains("poster.jpg"));
    }

    #[test]
    fn a_hundredth_changes_and_the_size_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("film");
        film(&path, 40_000_000, 1).unwrap();
        let before = fs::read(&path).unwrap();
        change(dir.path(), 2).unwrap();
        let after = fs::read(&path).unwrap();
        assert_eq!(before.len(), after.len());
        let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!((100_000..=400_000).contains(&changed), "{changed} bytes of 40,000,000");
    }
}
