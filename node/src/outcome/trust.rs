//! The answers of the commands about keys, roots and statements.

use serde::{Deserialize, Serialize};

/// Answer of `key`: the public half of a key file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyShown {
    /// The file.
    pub file: String,
    /// The public key: 64 hexadecimal digits.
    pub key: String,
    /// The digits by which people compare it.
    pub fingerprint: String,
    /// The id of a node whose first key this is.
    pub node: String,
    /// Whether the file has a passphrase.
    pub encrypted: bool,
}
