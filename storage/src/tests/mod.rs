//! Tests of the store as a whole, one topic per file; [`support`] has the shared helpers.

#![expect(clippy::cast_possible_truncation, reason = "test data is small")]

mod bounds;
mod conformance;
mod corruption;
mod full_disk;
mod giving_back;
mod libraries;
mod model;
mod newer;
mod opening;
mod read_only;
mod rebuilding;
mod repair;
mod support;
