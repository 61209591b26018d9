//! The clock of a pair's programs, which a test sets.

use std::{fs, io, path::PathBuf};

use anyhow::Result;

use crate::{pair::Pair, program::Home};

/// A clock that only its homes read; it can be set while they run.
#[derive(Debug)]
pub struct Clock(PathBuf);

impl Clock {
    /// Gives both homes of `pair` a clock. `None` where the program under test is one that is shipped: it has no clock that
    /// can be set, and the test is skipped.
    pub fn of(pair: &mut Pair) -> Result<Option<Self>> {
        if std::env::var_os("CHUAN_BIN").is_some() {
            eprintln!("skipped: a program that is shipped has no clock that a test can set");
            return Ok(None);
        }
        let clock = Self(pair.scratch().join("clock"));
        clock.set(0)?;
        pair.origin = clock.read_by(pair.origin.clone());
        pair.mirror = clock.read_by(pair.mirror.clone());
        Ok(Some(clock))
    }

    /// The same home, which goes by this clock.
    pub fn read_by(&self, home: Home) -> Home {
        home.with_env("CHUAN_TEST_CLOCK", &self.0)
    }

    /// Sets it so many ms off the machine's clock.
    pub fn set(&self, shift_ms: i64) -> io::Result<()> {
        // Replaced in one go: a reader never sees half of it.
        let new = self.0.with_extension("new");
        fs::write(&new, shift_ms.to_string())?;
        fs::rename(&new, &self.0)
    }
}
