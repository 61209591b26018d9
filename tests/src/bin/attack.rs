//! `attack`: an honest pull alone and beside attackers. `ATTACK_BYTES` (200000000), `ATTACK_RUNS` (5),
//! `ATTACKERS` (64), `ATTACK_SEED` (from the clock, printed).

use std::env;

use anyhow::{Context, Result};
use chuan_tests::{
    attack::{self, Plan},
    rng::Rng,
};

fn main() -> Result<()> {
    let option = |name: &str, fallback: u64| match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(fallback),
    };
    let dir = tempfile::Builder::new().prefix("chuan-attack-").tempdir()?;
    let plan = Plan {
        bytes: option("ATTACK_BYTES", 200_000_000)?,
        runs: usize::try_from(option("ATTACK_RUNS", 5)?)?,
        attackers: u16::try_from(option("ATTACKERS", 64)?)?,
        seed: Rng::seed_from_env("ATTACK_SEED"),
        dir: dir.path().to_owned(),
    };
    println!("{} bytes, {} attackers, ATTACK_SEED={}", plan.bytes, plan.attackers, plan.seed);
    println!("{}", attack::run(&plan)?);
    Ok(())
}
