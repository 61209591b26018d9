//! The requirements on every store and every ledger, as suites that each implementation runs from its own
//! tests.

pub mod ledger;
pub mod objects;
