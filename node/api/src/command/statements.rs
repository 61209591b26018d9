//! Statements across the admin socket: out of a home as a bundle, into it as envelopes that are finished.

use bytes::Bytes;
use chuan_engine::statement::Statement;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// Options of `statements`: the answer is a bundle, and then what it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statements {
    /// The library; may be left out if the home has only one.
    #[serde(default)]
    pub library: Option<String>,
    /// Whether to hear first what peers know, as far as any can be reached: for whoever is about to speak for the library, who
    /// must not contradict what was said elsewhere.
    #[serde(default)]
    pub newest: bool,
}

/// Options of `offer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The library's id.
    pub library: String,
    /// Finished statements, each after what proves it.
    pub statements: Vec<Envelope>,
    /// Whether they were made just now: then nothing is kept where one of them contradicts what is known, as when two
    /// commands spoke at once, or would not count. Statements from elsewhere are kept as proof of the contradiction.
    #[serde(default)]
    pub unopposed: bool,
}

/// The bytes of a statement, as they are; base64 in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Envelope(pub Bytes);

impl From<&Statement> for Envelope {
    fn from(statement: &Statement) -> Self {
        Self(statement.bytes().clone())
    }
}

impl From<Envelope> for String {
    fn from(envelope: Envelope) -> Self {
        BASE64.encode(&envelope.0)
    }
}

impl TryFrom<String> for Envelope {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self> {
        let bytes = BASE64.decode(text.as_bytes());
        bytes.map(|bytes| Self(bytes.into())).map_err(|_| Failure::invalid("a statement is not in base64"))
    }
}
