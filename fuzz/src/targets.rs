//! The list of the targets, each with its budget.

use super::meter::{Budget, Limit, Usage, measure};

/// A target: a function over bytes, and what it may use for them.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its corpus and of its program.
    pub name: &'static str,
    act: fn(&[u8]) -> bool,
    budget: Budget,
}

impl Target {
    /// A target whose budget is, in bytes at a time, bytes in all, allocations and steps, a base and a part
    /// for each byte of input.
    const fn new(name: &'static str, act: fn(&[u8]) -> bool, budget: [(u64, u64); 4]) -> Self {
        let [peak, allocated, allocations, steps] = budget;
        let budget = Budget {
            peak: Limit::new(peak.0, peak.1),
            allocated: Limit::new(allocated.0, allocated.1),
            allocations: Limit::new(allocations.0, allocations.1),
            steps: Limit::new(steps.0, steps.1),
        };
        Self { name, act, budget }
    }

    /// Runs the target. Panics where it finds a fault, or uses more than its budget. Returns whether it
    /// accepted anything, and what it used.
    pub fn run(&self, bytes: &[u8]) -> (bool, Usage) {
        let (is_taken, usage) = measure(bytes.len(), || (self.act)(bytes));
        self.budget.check(self.name, &usage);
        (is_taken, usage)
    }
}

/// Reads one measure of a run.
pub type Measure = fn(&Usage) -> u64;

/// The measures of a run, with their names.
pub const USED: [(&str, Measure); 4] = [
    ("bytes at a time", |usage| usage.peak),
    ("bytes in all", |usage| usage.allocated),
    ("allocations", |usage| usage.allocations),
    ("steps", |usage| usage.steps),
];

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const NONE: (u64, u64) = (0, 0);

macro_rules! targets {
    ($($(#[$doc:meta])* $constant:ident, $name:literal, $act:expr, $budget:expr;)*) => {
        $($(#[$doc])* pub const $constant: Target = Target::new($name, $act, $budget);)*

        /// Every target.
        pub const TARGETS: &[Target] = &[$($constant),*];
    };
}

targets! {
    /// See [`super::answer`].
    ANSWER, "answer", |bytes| !super::answer(bytes).is_empty(), [(8 * MIB, 64), (64 * MIB, 256), (MIB, 64), (64 * KIB, 16)];
    /// See [`super::audit`].
    AUDIT, "audit", super::audit, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::delta`].
    DELTA, "delta", super::delta, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::exchange`].
    EXCHANGE, "exchange", |bytes| !super::exchange(bytes).is_empty(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::fetch`].
    FETCH, "fetch", |bytes| !super::fetch(bytes).is_empty(), [(8 * MIB, 64), (64 * MIB, 2048), (MIB, 64), (20 * KIB, 1)];
    /// See [`super::frame`].
    FRAME, "frame", super::frame, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::index`].
    INDEX, "index", |bytes| super::index(bytes).is_some(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::ledger`].
    LEDGER, "ledger", super::ledger, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::ledgers`].
    LEDGERS, "ledgers", |bytes| !super::ledgers(bytes).is_empty(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::message`].
    MESSAGE, "message", super::message, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::page`].
    PAGE, "page", super::page, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::path`].
    PATH, "path", super::path, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::home::peers`].
    PEERS, "peers", super::home::peers, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::points`].
    POINTS, "points", |bytes| !super::points(bytes).is_empty(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::policy`].
    POLICY, "policy", super::policy, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::root`].
    ROOT, "root", |bytes| super::root(bytes).is_some(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::home::scan`].
    SCAN, "scan", super::home::scan, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::segment`].
    SEGMENT, "segment", |bytes| !super::segment(bytes).is_empty(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::set`].
    SET, "set", |bytes| !super::set(bytes).is_empty(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::statement`].
    STATEMENT, "statement", |bytes| !super::statement(bytes).is_empty(), [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::table`].
    TABLE, "table", super::table, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
    /// See [`super::ticket`].
    TICKET, "ticket", super::ticket, [(4 * MIB, 64), (16 * MIB, 1024), (64 * KIB, 64), NONE];
}
