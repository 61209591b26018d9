//! The seeds that every test run plays, and the planted bugs that they find.

use std::env;

use super::{
    following::{following, prompt_following},
    planted::Bug,
    scenarios::{Outcome, Scenario, busy_source, calm_exchange, exchange, pulls},
    vouching::vouching,
};

/// Every scenario by name.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("exchange", exchange),
    ("calm exchange", calm_exchange),
    ("pulls", pulls),
    ("vouching", vouching),
    ("following", following),
    ("prompt following", prompt_following),
];

/// Seeds that are played twice.
const REPLAYED: u64 = 20;
/// Seeds that a test run plays of each scenario; `SIM_SEEDS` overrides it.
const SEEDS: u64 = 200;

fn check(name: &str, seed: u64, outcome: &Outcome) {
    if let Err(failed) = outcome {
        panic!("{failed}\n\nscenario `{name}` failed; SIM_SEED={seed} replays it");
    }
}

/// The seeds to play: one that is named, else the first ones.
fn seeds(default: u64) -> impl Iterator<Item = u64> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..number("SIM_SEEDS").unwrap_or(default) + 1,
    }
}

#[test]
fn equal_seeds_give_equal_traces() {
    for (name, scenario) in SCENARIOS {
        for seed in seeds(REPLAYED).take(usize::try_from(REPLAYED).unwrap()) {
            let (first, second) = (scenario(seed, None), scenario(seed, None));
            check(name, seed, &first);
            assert_eq!(first, second, "scenario `{name}`, seed {seed}: a run does not replay");
        }
    }
}

#[test]
fn every_seed_of_the_exchange_converges() {
    play("exchange", exchange);
}

#[test]
fn every_seed_of_a_calm_exchange_is_fast() {
    play("calm exchange", calm_exchange);
}

#[test]
fn every_seed_of_pulls_converges() {
    play("pulls", pulls);
}

#[test]
fn every_seed_of_following_converges() {
    play("following", following);
}

#[test]
fn every_seed_of_a_calm_mesh_follows_at_once() {
    play("prompt following", prompt_following);
}

#[test]
fn every_seed_of_vouching_shows_no_freshness_that_was_not_signed() {
    play("vouching", vouching);
}

fn play(name: &str, scenario: Scenario) {
    let mut events = 0;
    let mut played = 0;
    for seed in seeds(SEEDS) {
        let outcome = scenario(seed, None);
        check(name, seed, &outcome);
        events += outcome.map_or(0, |(_, events)| events);
        played += 1;
    }
    println!("scenario `{name}`: {played} seeds, {events} events");
}

/// Symptom: a node that was killed five times in ten seconds was refused as busy, and its pull failed at
/// once. Cause: a busy source was a failed source.
#[test]
fn a_busy_source_is_waited_for_and_asked_again() {
    for seed in seeds(10) {
        check("busy source", seed, &busy_source(seed, None));
    }
}

/// The simulator finds each of these bugs within the seeds of a test run.
#[test]
fn planted_bugs_are_found() {
    for (bug, scenario) in [
        (Bug::DropOnReconnect, exchange as Scenario),
        (Bug::MoveEarly, pulls),
        (Bug::LostWakeUp, calm_exchange),
        (Bug::FreshElsewhere, vouching),
        (Bug::MoveEarly, following),
    ] {
        let found = (1..=SEEDS).find_map(|seed| scenario(seed, Some(bug)).err().map(|text| (seed, text)));
        let (seed, text) = found.unwrap_or_else(|| panic!("{bug:?} was not found"));
        let last = text.lines().last().unwrap_or_default();
        println!("{bug:?}: seed {seed}: {last}");
    }
}
