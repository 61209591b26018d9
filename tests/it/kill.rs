//! The kill test, shortened: six kills of a 128 MB job. `make kill` runs it at full size.

use anyhow::{Result, ensure};
use chuan_tests::{
    kill::{self, Plan},
    rng::Rng,
};

#[test]
fn a_job_killed_at_random_moments_completes_when_repeated() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let seed = Rng::seed_from_env("KILL_SEED");
    println!("KILL_SEED={seed}");
    let plan = Plan { bytes: 128_000_000, kills: 6, seed, dir: dir.path().to_owned() };
    let summary = kill::run(&plan)?;
    ensure!(summary.kills.iter().sum::<u64>() >= plan.kills);
    Ok(())
}
