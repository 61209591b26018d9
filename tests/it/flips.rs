//! The flip test, shortened: forty flipped bits. `make flips` runs a thousand.

use anyhow::Result;
use chuan_tests::{
    flips::{self, Plan},
    rng::Rng,
};

#[test]
fn a_flipped_bit_is_harmless_or_loud_and_rebuild_mends_what_it_can() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let seed = Rng::seed_from_env("FLIP_SEED");
    println!("FLIP_SEED={seed}");
    flips::run(&Plan { bytes: 2_000_000, flips: 40, seed, dir: dir.path().to_owned() }).map(drop)
}
