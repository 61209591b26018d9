//! `flips`: the flip test at full size. `FLIPS` (1000), `FLIP_BYTES` (8000000), `FLIP_SEED` (from the clock,
//! printed).

use std::env;

use anyhow::{Context, Result};
use chuan_tests::{
    flips::{self, Plan},
    rng::Rng,
};

fn main() -> Result<()> {
    let option = |name: &str, fallback: u64| match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(fallback),
    };
    let dir = tempfile::Builder::new().prefix("chuan-flips-").tempdir()?;
    let plan = Plan {
        bytes: option("FLIP_BYTES", 8_000_000)?,
        flips: option("FLIPS", 1000)?,
        seed: Rng::seed_from_env("FLIP_SEED"),
        dir: dir.path().to_owned(),
    };
    println!("{} flips, FLIP_SEED={}", plan.flips, plan.seed);
    let summary = flips::run(&plan)?;
    println!("{:16} {:>14} {:>10}", "kind of file", "no difference", "reported");
    for (kind, [quiet, reported]) in &summary {
        println!("{kind:16} {quiet:14} {reported:10}");
    }
    println!("{} flips: none silent, all repaired as far as the segments hold", plan.flips);
    Ok(())
}
