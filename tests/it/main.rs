//! The one integration-test binary: whole processes, and the rules that no compiler checks.

mod tidy;
