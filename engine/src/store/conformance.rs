//! What every store and every ledger must do, as suites that each implementation runs from its own tests.

pub mod ledger;
pub mod objects;
