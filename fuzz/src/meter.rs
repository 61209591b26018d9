//! Counts the memory and the steps of a target, and compares them with its budget.
//!
//! The counts do not depend on the speed of the machine. Time shows as allocations, as allocated bytes and as
//! steps: a step is an object that a target's store was asked for, or another unit that a target counts
//! itself. Memory of C libraries (zstd, RocksDB) is not counted; libFuzzer's limit of resident memory covers
//! it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The allocator of the fuzz targets and of the test that replays their corpora: the system's, with counts
/// for each thread.
#[derive(Debug)]
pub struct Meter;

#[global_allocator]
static METER: Meter = Meter;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    allocations: u64,
    allocated: u64,
    /// Bytes in use. Memory of another thread may be freed here, so this may be negative.
    live: i64,
    peak: i64,
    steps: u64,
    input: u64,
}

const ZERO: Counts = Counts { allocations: 0, allocated: 0, live: 0, peak: 0, steps: 0, input: 0 };

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(ZERO) };
    static IS_PAUSED: Cell<bool> = const { Cell::new(false) };
}

fn change(act: impl FnOnce(&mut Counts)) {
    // A thread that ends frees memory after its counts are gone.
    let _ = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        act(&mut counts);
        cell.set(counts);
    });
}

fn grow(bytes: usize, freed: usize) {
    if IS_PAUSED.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    change(|counts| {
        counts.allocations += 1;
        counts.allocated += bytes as u64;
        counts.live += bytes as i64 - freed as i64;
        counts.peak = counts.peak.max(counts.live);
    });
}

fn shrink(bytes: usize) {
    if !IS_PAUSED.try_with(Cell::get).unwrap_or(true) {
        change(|counts| counts.live -= bytes as i64);
    }
}

#[expect(unsafe_code, reason = "an allocator has no safe form; every call goes to the system's unchanged")]
// SAFETY: each method passes its arguments on to `System` and returns its result. The counting allocates
// nothing: the thread-local cells are constant and have no destructor.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size(), 0);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        shrink(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size, layout.size());
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// A limit that grows with the input: `base + per_byte × bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The part that does not depend on the input.
    pub base: u64,
    /// The part for each byte of input.
    pub per_byte: u64,
}

/// The limits of a target.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes in use at a time.
    pub peak: Limit,
    /// Bytes of all allocations.
    pub allocated: Limit,
    /// Number of allocations.
    pub allocations: Limit,
    /// Steps that the target counts.
    pub steps: Limit,
}

/// The use of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of input, those that the target made from its input included.
    pub input: u64,
    /// See [`Budget::peak`].
    pub peak: u64,
    /// See [`Budget::allocated`].
    pub allocated: u64,
    /// See [`Budget::allocations`].
    pub allocations: u64,
    /// See [`Budget::steps`].
    pub steps: u64,
}

impl Limit {
    /// A limit of `base` and `per_byte`.
    pub const fn new(base: u64, per_byte: u64) -> Self {
        Self { base, per_byte }
    }

    const fn of(self, input: u64) -> u64 {
        self.base.saturating_add(self.per_byte.saturating_mul(input))
    }
}

impl Budget {
    /// Panics where a run used more.
    pub fn check(&self, name: &str, usage: &Usage) {
        for (what, limit, used) in [
            ("bytes at a time", self.peak, usage.peak),
            ("bytes in all", self.allocated, usage.allocated),
            ("allocations", self.allocations, usage.allocations),
            ("steps", self.steps, usage.steps),
        ] {
            let most = limit.of(usage.input);
            assert!(used <= most, "{name} used {used} {what}, more than {most}: {usage:?}");
        }
    }
}

/// Runs `act` on `input` bytes and measures it.
pub fn measure<T>(input: usize, act: impl FnOnce() -> T) -> (T, Usage) {
    COUNTS.set(Counts { input: input as u64, ..ZERO });
    let value = act();
    let Counts { allocations, allocated, peak, steps, input, .. } = COUNTS.get();
    let peak = u64::try_from(peak).unwrap_or_default();
    (value, Usage { input, peak, allocated, allocations, steps })
}

/// Runs `act` without counting: for what is made once and used by all runs.
pub fn uncounted<T>(act: impl FnOnce() -> T) -> T {
    let before = IS_PAUSED.replace(true);
    let value = act();
    IS_PAUSED.set(before);
    value
}

/// Counts steps.
pub fn step(steps: usize) {
    change(|counts| counts.steps += steps as u64);
}

/// Counts bytes of input that a target made from its input, such as the frames of an answer that the input
/// only selects.
pub fn received(bytes: usize) {
    change(|counts| counts.input += bytes as u64);
}
