//! The clock of a pair's programs, which a test sets.

use std::{
    fs, io,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{pair::Pair, program::Home};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// A clock that only its homes read; it can be set while they run.
#[derive(Debug)]
pub struct Clock(PathBuf);

impl Clock {
    /// Gives both homes of `pair` a clock. `None`, and the test is skipped, if the program under test is a
    /// shipped one: a shipped program has no adjustable clock.
    pub fn of(pair: &mut Pair) -> Result<Option<Self>> {
        if std::env::var_os("CHUAN_BIN").is_some() {
            eprintln!("skipped: a program that is shipped has no clock that a test can set");
            return Ok(None);
        }
        let clock = Self::at(pair.scratch().join("clock"))?;
        clock.check_heeded(pair)?;
        pair.origin = clock.read_by(pair.origin.clone());
        pair.mirror = clock.read_by(pair.mirror.clone());
        Ok(Some(clock))
    }

    /// A clock apart from the pair's, without a shift; `file` is its own.
    pub fn at(file: PathBuf) -> Result<Self> {
        let clock = Self(file);
        clock.set(0)?;
        Ok(clock)
    }

    /// Fails if a home with this clock does not use it: then a test of clocks would prove nothing. A release
    /// made a day ahead must have the date of that day.
    fn check_heeded(&self, pair: &Pair) -> Result<()> {
        let [home, folder] = ["timed", "timed-library"].map(|name| pair.scratch().join(name));
        fs::create_dir(&folder)?;
        fs::write(folder.join("a.txt"), "a")?;
        let home = self.read_by(Home::init(home, "timed", "origin")?);
        self.set(DAY_MS)?;
        home.run(["publish".as_ref(), folder.as_os_str(), "--library".as_ref(), "timed".as_ref()])?;
        self.set(0)?;
        let listed = home.json(["releases", "timed"])?;
        let made = listed.pointer("/releases/0/time_ms").and_then(Value::as_i64);
        let made = made.with_context(|| format!("no time in {listed}"))?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let ahead = made - now;
        ensure!((DAY_MS / 2..=DAY_MS).contains(&ahead), "a clock a day ahead shows as {ahead} ms");
        Ok(())
    }

    /// The same home, with this clock.
    pub fn read_by(&self, home: Home) -> Home {
        home.with_env("CHUAN_TEST_CLOCK", &self.0)
    }

    /// Sets the shift from the machine's clock, in milliseconds.
    pub fn set(&self, shift_ms: i64) -> io::Result<()> {
        // Replaced in one step: a reader never sees half of it.
        let new = self.0.with_extension("new");
        fs::write(&new, shift_ms.to_string())?;
        fs::rename(&new, &self.0)
    }
}
