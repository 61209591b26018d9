//! The requests and answers of a Chuan node, as plain data.
//!
//! [`command`] has the requests and [`outcome`] the answers. [`event`] has the progress, notes and rows that
//! come before an answer, [`node_event`] the events of a running node, [`exit`] the exit codes and the error
//! type, [`spec`] the notation of a release. [`json`] has what `--json` adds to an answer, and [`human`]
//! writes numbers, sizes and times as text. A node (`chuan`), the command line (`chuan-cli`) and the HTTP
//! gateway (`chuan-gateway`) share these types, so that a command means the same in each of them.
//!
//! This crate has no runtime and opens no socket. It sees neither the store nor the transport. Of the engine
//! it uses ids, limits, and the types that are converted into an answer or out of a command. The feature
//! `clap` makes the commands the arguments of a command line; only `chuan-cli` turns it on. The feature
//! `schema` describes the answers as JSON schemas; only the tests turn it on, to compare `docs/json.md`.

pub mod command;
pub mod event;
pub mod exit;
pub mod human;
pub mod json;
pub mod node_event;
pub mod outcome;
pub mod spec;

pub use event::{Event, Progress};
pub use exit::{Exit, Failure, Result};
