//! `kill`: the kill test at full size. `KILL_BYTES` (1000000000), `KILLS` (50), `KILL_SEED` (from the clock,
//! printed).

use std::env;

use anyhow::{Context, Result};
use chuan_tests::{
    kill::{self, Plan, REFETCH_BYTES},
    rng::Rng,
};

fn main() -> Result<()> {
    let option = |name: &str, fallback: u64| match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(fallback),
    };
    let dir = tempfile::Builder::new().prefix("chuan-kill-").tempdir()?;
    let plan = Plan {
        bytes: option("KILL_BYTES", 1_000_000_000)?,
        kills: option("KILLS", 50)?,
        seed: Rng::seed_from_env("KILL_SEED"),
        dir: dir.path().to_owned(),
    };
    println!("{} bytes, {} kills, KILL_SEED={}", plan.bytes, plan.kills, plan.seed);
    let summary = kill::run(&plan)?;
    let [publisher, puller, server] = summary.kills;
    println!(
        "{} kills ({publisher} publisher, {puller} puller, {server} server) in {} jobs: all completed, verified and \
         rebuilt; fetched again: {} bytes in all, {} at most for one kill ({REFETCH_BYTES} allowed)",
        publisher + puller + server,
        summary.jobs,
        summary.refetched,
        summary.refetched_most,
    );
    Ok(())
}
