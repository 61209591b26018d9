//! The flip test: flips one bit of one file of a store or of its ledger, many times, each time in a fresh
//! copy of the home.
//!
//! Each flip must make no difference, or cause an error that names the file; and `rebuild` must bring back
//! everything that the segments still hold. A successful restore must give the right bytes: this test is for
//! silent loss.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Output,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::{
    media,
    program::{Home, final_object, number},
    rng::Rng,
};

/// Objects that one flipped bit may destroy: one record.
const LOST_OBJECTS: u64 = 1;
/// Number of flips between two lines of progress.
const PROGRESS_FLIPS: usize = 50;

/// The parameters of a test.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes of the library; small, since every flip copies the home.
    pub bytes: u64,
    /// Flips.
    pub flips: u64,
    /// Seed of files, offsets and bits.
    pub seed: u64,
    /// Working directory.
    pub dir: PathBuf,
}

/// The result by kind of file: flips without a difference, and flips that were reported.
pub type Summary = BTreeMap<String, [u64; 2]>;

/// Runs all flips; fails at the first flip that is silent, that does not name its file, or that `rebuild`
/// does not repair.
pub fn run(plan: &Plan) -> Result<Summary> {
    let mut rng = Rng::new(plan.seed);
    let library = plan.dir.join("library");
    media::library(&library, 2, plan.bytes / 2, plan.seed)?;
    media::small_files(&library.join("small"), 50, plan.seed)?;
    let home = Home::init(plan.dir.join("home"), "origin", "origin")?;
    home.run(["publish".as_ref(), library.as_os_str(), "--library".as_ref(), "films".as_ref()])?;
    media::edit(&library.join("The River (1951)/The River (1951).mp4"), media::Edit::Inserts, plan.seed)?;
    home.run(["publish".as_ref(), library.as_os_str(), "--library".as_ref(), "films".as_ref()])?;

    let sound = Sound { objects: objects(&home)?, library };
    let files = state_files(&home.path)?;
    let flips = (0..plan.flips).map(|number| Flip::choose(&files, number, &mut rng));
    let flips = flips.collect::<Result<Vec<_>>>()?;
    let next = AtomicUsize::new(0);
    let summary = Mutex::new(Summary::new());
    let work = &|worker: usize| -> Result<()> {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(flip) = flips.get(number) else { return Ok(()) };
            if number > 0 && number.is_multiple_of(PROGRESS_FLIPS) {
                eprintln!("{number} of {} flips", flips.len());
            }
            let loud = try_flip(&plan.dir.join(worker.to_string()), &home, &sound, flip)
                .inspect_err(|_| next.store(flips.len(), Ordering::Relaxed))
                .with_context(|| format!("flip {number} of seed {}: {flip:?}", plan.seed))?;
            let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
            let [quiet, reported] = summary.entry(kind(&flip.file)).or_default();
            *(if loud { reported } else { quiet }) += 1;
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let running: Vec<_> = (0..workers).map(|worker| scope.spawn(move || work(worker))).collect();
        running.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    Ok(summary.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The content of the undamaged home.
struct Sound {
    objects: u64,
    library: PathBuf,
}

#[derive(Debug)]
struct Flip {
    /// Path below the home.
    file: String,
    offset: u64,
    bit: u8,
}

impl Flip {
    /// Takes files in turn, so that small ones are chosen as often as large ones, and offsets at random
    /// within each.
    fn choose(files: &[(String, u64)], number: u64, rng: &mut Rng) -> Result<Self> {
        let index = usize::try_from(number % files.len() as u64)?;
        let (file, bytes) = files.get(index).context("a store without files")?;
        Ok(Self { file: file.clone(), offset: rng.below(*bytes), bit: 1 << rng.below(8) })
    }

    fn apply(&self, home: &Path) -> Result<()> {
        let file = fs::File::options().read(true).write(true).open(home.join(&self.file))?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.offset)?;
        Ok(file.write_all_at(&byte.map(|byte| byte ^ self.bit), self.offset)?)
    }
}

/// Works in `dir`. Returns whether the flip was reported.
fn try_flip(dir: &Path, sound_home: &Home, sound: &Sound, flip: &Flip) -> Result<bool> {
    let home = Home::at(dir.join("flipped"))?;
    let target = dir.join("restored");
    copy(&sound_home.path, &home.path)?;
    flip.apply(&home.path)?;

    let deep = ended(home.output(["verify", "--deep"])?)?;
    let restored = restore(&home, sound, &target)?;
    let loud = !(deep.status.success() && restored);
    if !deep.status.success() {
        let text = text_of(&deep);
        // The copies of the ledger are called `a` and `b`, which any text contains.
        let name = match flip.file.starts_with("ledger/") {
            true => flip.file.as_str(),
            false => flip.file.rsplit('/').next().unwrap_or_default(),
        };
        ensure!(text.contains(name), "the error does not name {name}: {text}");
    } else {
        ensure!(restored, "verify --deep finds nothing wrong, but a restore fails");
    }

    // The exit code of `rebuild` reports objects that it could not read; this test checks the objects that it
    // brings back.
    let rebuilt = ended(home.output(["rebuild"])?)?;
    let in_segment = flip.file.contains("segment") || flip.file.ends_with(".seg");
    let allowed = if in_segment { LOST_OBJECTS } else { 0 };
    let held = objects(&home).with_context(|| format!("after rebuild: {}", text_of(&rebuilt)))?;
    ensure!(held + allowed >= sound.objects, "rebuild brought back {held} of {} objects", sound.objects);
    let whole = restore(&home, sound, &target)?;
    ensure!(whole || in_segment, "the segments are sound, but a restore fails after rebuild");
    fs::remove_dir_all(&home.path)?;
    Ok(loud)
}

/// Restores; returns whether that succeeded, and fails if it succeeded with other bytes.
fn restore(home: &Home, sound: &Sound, target: &Path) -> Result<bool> {
    let output = ended(home.output(["restore".as_ref(), "films".as_ref(), target.as_os_str()])?)?;
    let success = output.status.success();
    if success {
        let difference = media::difference(&sound.library, target)?;
        ensure!(difference.is_none(), "restore succeeded with other bytes: {difference:?}");
    } else {
        ensure!(!output.stderr.is_empty(), "restore failed without an error text");
    }
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    Ok(success)
}

/// Passes on the output of a process that ended by itself, with any exit code; fails on a panic or a signal.
fn ended(output: Output) -> Result<Output> {
    match output.status.code() {
        Some(code) if code != 101 && !text_of(&output).contains("panicked at") => Ok(output),
        _ => bail!("{}: {}", output.status, text_of(&output)),
    }
}

fn text_of(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

fn objects(home: &Home) -> Result<u64> {
    let status = final_object(&home.run(["--json", "status"])?)?;
    let store = status.get("store").context("no `store` in the status")?;
    Ok(number(store, "chunks")? + number(store, "pages")?)
}

/// Every file of the store and of the ledger that is not empty, with its length.
fn state_files(home: &Path) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for folder in ["store", "ledger"] {
        let before = files.len();
        for file in media::listing(&home.join(folder))? {
            let bytes = fs::metadata(home.join(folder).join(&file))?.len();
            // RocksDB's own text log is for people; no code reads it.
            if bytes > 0 && !file.contains("LOG") {
                files.push((format!("{folder}/{file}"), bytes));
            }
        }
        ensure!(files.len() > before + 1, "no {folder} found in {}", home.display());
    }
    Ok(files)
}

/// A file's kind: its name without digits.
fn kind(file: &str) -> String {
    if file.starts_with("ledger/") {
        return file.to_owned();
    }
    let name = file.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, extension)) => format!("*.{extension}"),
        None => name.trim_end_matches(|c: char| c.is_ascii_hexdigit() || c == '-').to_owned(),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        fs::create_dir_all(to.join(&folder))?;
        fs::set_permissions(to.join(&folder), fs::metadata(from.join(&folder))?.permissions())?;
        for item in fs::read_dir(from.join(&folder))? {
            let item = item?;
            let path = folder.join(item.file_name());
            if item.file_type()?.is_dir() {
                folders.push(path);
            } else if item.file_type()?.is_file() {
                fs::copy(from.join(&path), to.join(&path))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_gather_files_of_one_sort() {
        for (file, expected) in [
            ("store/index/000012.sst", "*.sst"),
            ("store/index/MANIFEST-000004", "MANIFEST"),
            ("store/index/CURRENT", "CURRENT"),
            ("ledger/a", "ledger/a"),
        ] {
            assert_eq!(kind(file), expected);
        }
    }
}
