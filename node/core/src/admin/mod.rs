//! The admin socket: how commands reach the process that holds a home. HTTP/1.1 over a Unix socket in
//! `H/run`.
//!
//! ```text
//! GET  /api/v1/holder     {"pid":4711,"doing":"serve"}
//! POST /api/v1/commands   a Command; the answer is a stream of lines, one JSON object each:
//!                         {"progress":{…}} {"note":"…"} {"row":{…}} …
//!                         and last {"outcome":{…}} or {"failure":{…}}
//! ```
//!
//! The answers of `cat` and `statements` are the bytes themselves, with the last line in the trailer
//! `chuan-end`. A client that closes the connection cancels its command. The process with the home lock
//! listens on the socket; a socket file without that process has no meaning.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod socket;

use serde::{Deserialize, Serialize};

use crate::{
    exit::{Failure, Result},
    job::Event,
    outcome::Outcome,
};

const HOLDER_PATH: &str = "/api/v1/holder";
const COMMANDS_PATH: &str = "/api/v1/commands";
const LINES_TYPE: &str = "application/x-ndjson";
const BYTES_TYPE: &str = "application/octet-stream";
const END_TRAILER: &str = "chuan-end";

/// The process that holds a home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// Its process id.
    pub(crate) pid: u32,
    /// Its purpose: `serve`, a command's name, or `embedded`.
    pub(crate) doing: String,
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    End(End),
}

/// The last line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Outcome(Box<Outcome>),
    Failure(Failure),
}

impl From<Result<Outcome>> for End {
    fn from(result: Result<Outcome>) -> Self {
        match result {
            Ok(outcome) => End::Outcome(Box::new(outcome)),
            Err(failure) => End::Failure(failure),
        }
    }
}

impl From<End> for Result<Outcome> {
    fn from(end: End) -> Self {
        match end {
            End::Outcome(outcome) => Ok(*outcome),
            End::Failure(failure) => Err(failure),
        }
    }
}
