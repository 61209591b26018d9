//! Figures, their references, and the table of the results.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use chuan_benches::sample::median;

/// A measured figure and its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    Chunker,
    StorePut,
    StoreGet,
    Ingest,
    IngestOne,
    IngestAgain,
    Pull,
    Small,
    SmallFiles,
    Link20,
    Edit20,
    Link100,
    Edit100,
    SmallLink,
    Restore,
    RestoreSynced,
    RestoreCold,
    RestoreColdSynced,
    RestoreOver,
    RestoreCheck,
}

impl Figure {
    const ALL: [Figure; 20] = [
        Figure::Ingest,
        Figure::IngestOne,
        Figure::IngestAgain,
        Figure::Pull,
        Figure::Small,
        Figure::SmallFiles,
        Figure::Link20,
        Figure::Edit20,
        Figure::Link100,
        Figure::Edit100,
        Figure::SmallLink,
        Figure::Restore,
        Figure::RestoreSynced,
        Figure::RestoreCold,
        Figure::RestoreColdSynced,
        Figure::RestoreOver,
        Figure::RestoreCheck,
        Figure::Chunker,
        Figure::StorePut,
        Figure::StoreGet,
    ];

    const fn name(self) -> &'static str {
        match self {
            Figure::Chunker => "chunker, one thread",
            Figure::StorePut => "store put, durable",
            Figure::StoreGet => "store get, verified",
            Figure::Ingest => "ingest of new data",
            Figure::IngestOne => "ingest of one new file",
            Figure::IngestAgain => "ingest again, 1 % new",
            Figure::Pull => "pull to an empty peer",
            Figure::Small => "pull of small files",
            Figure::SmallFiles => "the same, by the file",
            Figure::Link20 => "pull, 20 ms each way",
            Figure::Edit20 => "edited film, 20 ms",
            Figure::Link100 => "pull, 100 ms each way",
            Figure::Edit100 => "edited film, 100 ms",
            Figure::SmallLink => "small files, 100 ms",
            Figure::Restore | Figure::RestoreSynced => "restore, synced",
            Figure::RestoreCold | Figure::RestoreColdSynced => "restore, source on disk",
            Figure::RestoreOver => "restore over 1 % changed",
            Figure::RestoreCheck => "restore, nothing to do",
        }
    }

    const fn reference(self) -> &'static str {
        match self {
            Figure::Chunker => "fastcdc v2020, the crate",
            Figure::StorePut => "raw file, O_DIRECT, fsync",
            Figure::StoreGet => "raw file, buffered read",
            Figure::Ingest | Figure::IngestOne => "dd oflag=direct conv=fsync",
            Figure::IngestAgain => "read and BLAKE3, all cores",
            Figure::Pull | Figure::Small => "raw quinn, one stream, discarded",
            Figure::SmallFiles => "20,000 files a second",
            Figure::Link20 | Figure::Link100 | Figure::SmallLink => "the line's 200 Mbit/s",
            Figure::Edit20 | Figure::Edit100 => "3 round trips and its bytes",
            Figure::Restore => "cp -r, not synced",
            Figure::RestoreSynced | Figure::RestoreOver => "cp -r, sync -f",
            Figure::RestoreCold => "cp -r, not synced, source on disk",
            Figure::RestoreColdSynced => "cp -r, sync -f, source on disk",
            Figure::RestoreCheck => "read and BLAKE3, all cores",
        }
    }

    /// The goal: the least share of the reference, if one is promised.
    const fn goal(self) -> Option<f64> {
        match self {
            Figure::Ingest | Figure::IngestOne => Some(0.60),
            // 3 GB/s where two cores read and hash 7.5.
            Figure::IngestAgain => Some(0.40),
            Figure::Chunker => Some(1.30),
            Figure::Pull => Some(0.65),
            Figure::SmallFiles | Figure::Edit20 | Figure::Edit100 => Some(1.0),
            Figure::Link20 | Figure::Link100 => Some(0.90),
            Figure::SmallLink => Some(0.80),
            Figure::Restore => Some(0.80),
            Figure::Small
            | Figure::RestoreSynced
            | Figure::RestoreCold
            | Figure::RestoreColdSynced
            | Figure::RestoreOver
            | Figure::RestoreCheck
            | Figure::StorePut
            | Figure::StoreGet => None,
        }
    }
}

/// Limit of the peak resident memory of any process.
const MEMORY_BYTES: u64 = 256 << 20;

#[derive(Clone, Copy, Debug)]
struct Sample {
    figure: Figure,
    ours: f64,
    reference: f64,
}

/// All measurements.
#[derive(Debug)]
pub(crate) struct Report {
    bytes: u64,
    runs: usize,
    disk: PathBuf,
    samples: Vec<Sample>,
    peaks: Vec<(String, u64)>,
}

impl Report {
    pub(crate) fn new(bytes: u64, runs: usize, disk: &Path) -> Self {
        Self { bytes, runs, disk: disk.to_owned(), samples: Vec::new(), peaks: Vec::new() }
    }

    /// Adds one run of a figure: the times of Chuan and of the reference for the same `bytes`.
    pub(crate) fn add(&mut self, figure: Figure, bytes: u64, ours: Duration, reference: Duration) {
        let rate = |took: Duration| bytes as f64 / took.as_secs_f64().max(1e-9) / 1e9;
        let sample = Sample { figure, ours: rate(ours), reference: rate(reference) };
        eprintln!("  {:22} {:7.3} GB/s beside {:7.3} GB/s", figure.name(), sample.ours, sample.reference);
        self.samples.push(sample);
    }

    /// Records the peak resident memory of a process; the highest of each name is kept.
    pub(crate) fn peak(&mut self, process: &str, bytes: u64) {
        match self.peaks.iter_mut().find(|(name, _)| name == process) {
            Some((_, highest)) => *highest = (*highest).max(bytes),
            None => self.peaks.push((process.to_owned(), bytes)),
        }
    }

    /// Whether a promised figure was not reached.
    pub(crate) fn missed(&self) -> bool {
        let slow = Figure::ALL.into_iter().any(|figure| {
            let (ours, reference) = self.medians(figure);
            figure.goal().is_some_and(|goal| ours < goal * reference)
        });
        slow || self.peaks.iter().any(|(_, bytes)| *bytes > MEMORY_BYTES)
    }

    fn medians(&self, figure: Figure) -> (f64, f64) {
        let of = |value: fn(&Sample) -> f64| {
            median(self.samples.iter().filter(|sample| sample.figure == figure).map(value).collect())
        };
        (of(|sample| sample.ours), of(|sample| sample.reference))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{} MB of new data, medians of {} runs, in {}; sources in memory unless it says otherwise\n",
            self.bytes / 1_000_000,
            self.runs,
            self.disk.display(),
        )?;
        writeln!(
            f,
            "{:24} {:>9}   {:34} {:>9}   {:>6}   {:>5}",
            "", "GB/s", "beside", "GB/s", "ratio", "goal"
        )?;
        let measured = |figure: &Figure| self.samples.iter().any(|sample| sample.figure == *figure);
        for figure in Figure::ALL.into_iter().filter(measured) {
            let (ours, reference) = self.medians(figure);
            let ratio = ours / reference.max(1e-9);
            let goal = figure.goal().map_or_else(String::new, |goal| {
                format!("{:4.0} %  {}", goal * 100.0, if ratio < goal { "MISSED" } else { "reached" })
            });
            writeln!(
                f,
                "{:24} {ours:9.3}   {:34} {reference:9.3}   {:4.0} %   {goal}",
                figure.name(),
                figure.reference(),
                ratio * 100.0,
            )?;
        }
        writeln!(f, "\npeak resident memory (goal: at most {} MiB)", MEMORY_BYTES >> 20)?;
        for (process, bytes) in &self.peaks {
            let verdict = if *bytes > MEMORY_BYTES { "MISSED" } else { "reached" };
            writeln!(f, "{process:24} {:9} MiB   {verdict}", bytes >> 20)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_goal_is_noticed_and_a_reached_one_is_not() {
        let second = Duration::from_secs(1);
        let mut report = Report::new(1, 3, Path::new("disk"));
        for figure in Figure::ALL {
            let goal = figure.goal().unwrap_or(1.0);
            report.add(figure, 1_000_000_000, second.div_f64(goal + 0.01), second);
        }
        assert!(!report.missed());
        report.peak("puller", MEMORY_BYTES + 1);
        assert!(report.missed());
        let mut report = Report::new(1, 3, Path::new("disk"));
        report.add(Figure::Restore, 1_000_000_000, second * 100 / 79, second);
        assert!(report.missed());
        assert!(report.to_string().contains("MISSED"));
    }
}
