//! Statements across the admin socket: out of a home as a bundle, into it as signed envelopes.

use bytes::Bytes;
use chuan_engine::statement::Statement;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::exit::{Failure, Result};

/// Options of `statements`. The answer is a bundle, followed by the outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statements {
    /// The library; may be left out if the home has only one.
    #[serde(default)]
    pub library: Option<String>,
    /// Whether to fetch first the statements that reachable peers know. A caller that is about to sign for
    /// the library needs them, so that it does not contradict a statement that was signed elsewhere.
    #[serde(default)]
    pub newest: bool,
}

/// Options of `offer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The library's id.
    pub library: String,
    /// Signed statements, each after the statements that entitle its signers.
    pub statements: Vec<Envelope>,
    /// Whether the caller signed the statements just now. Then none is kept if one of them contradicts a
    /// known statement (as when two commands sign at once) or would not be effective. Statements from
    /// elsewhere are kept, as proof of the contradiction.
    #[serde(default)]
    pub unopposed: bool,
}

/// The bytes of a statement, unchanged; base64 in JSON.
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
