//! The answer about a request file: an act of operators that gathers signatures.

use serde::{Deserialize, Serialize};

use super::TallyShown;

/// Answer of `sign`, and of every act with `--request`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestShown {
    /// The request file.
    pub file: String,
    /// The library's id.
    pub library: String,
    /// Its label.
    pub library_name: String,
    /// The digits by which people compare the library.
    pub library_fingerprint: String,
    /// The kind of statement that the act is.
    pub kind: String,
    /// The id that the act has as a statement, with whichever signatures.
    pub statement: String,
    /// The digits by which people compare the act.
    pub fingerprint: String,
    /// Its sequence.
    pub sequence: u64,
    /// What the act says, a line each.
    pub says: Vec<String>,
    /// When it was made.
    pub time_ms: i64,
    /// Until when it can be signed and applied.
    pub expires_ms: i64,
    /// The keys that signed.
    pub signed_by: Vec<String>,
    /// The keys that are asked and have not signed; none where enough have.
    pub waiting_for: Vec<String>,
    /// How many signatures there are of those that are needed.
    pub signatures: TallyShown,
    /// Whether enough keys signed.
    pub complete: bool,
    /// Whether this home has it in effect now.
    pub applied: bool,
    /// The ticket, of an invitation: good once the request is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// What the command has to say beside that.
    pub notes: Vec<String>,
}
