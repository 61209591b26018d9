//! Tests of the store as a whole: the conformance suite here, the rest one subject a file.

mod conformance;
