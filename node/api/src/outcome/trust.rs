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

/// Answer of `root`: a file of roots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RootShown {
    /// The file.
    pub file: String,
    /// The library's id; of one that is not founded yet, the id it will have.
    pub library: String,
    /// The digits by which people compare it.
    pub library_fingerprint: String,
    /// The library's label, by the current root.
    pub library_name: String,
    /// The version of the current root; 0 before the first is signed.
    pub version: u64,
    /// The digits of the current root; absent before the first is signed.
    pub fingerprint: Option<String>,
    /// When the root should be renewed, what is proposed included; 0 = never.
    pub expires_ms: i64,
    /// Who may do what, what is proposed included.
    pub roles: Vec<RoleShown>,
    /// What is proposed; absent where nothing is.
    pub proposal: Option<ProposalShown>,
    /// What the command has to say beside that.
    pub notes: Vec<String>,
}

/// A role of a root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleShown {
    /// `root`, `operator`, `publisher` or `timekeeper`.
    pub role: String,
    /// The classes it is for; none means all.
    pub classes: Vec<String>,
    /// How many of the keys must sign.
    pub threshold: u8,
    /// The public keys.
    pub keys: Vec<String>,
}

/// A root that is proposed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProposalShown {
    /// Its version.
    pub version: u64,
    /// Its id as a statement.
    pub id: String,
    /// The digits by which people compare it.
    pub fingerprint: String,
    /// What it changes, in words.
    pub changes: Vec<String>,
    /// The keys that signed it.
    pub signed_by: Vec<String>,
    /// The keys whose signatures would still count.
    pub waiting_for: Vec<String>,
    /// Its signatures by the root role of the current root; absent for a first root.
    pub under_old: Option<TallyShown>,
    /// Its signatures by its own root role.
    pub under_new: TallyShown,
    /// Whether it has enough of both.
    pub complete: bool,
}

/// Signatures of a role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TallyShown {
    /// How many there are.
    pub have: u64,
    /// How many it takes.
    pub need: u64,
    /// How many keys the role has.
    pub of: u64,
}

/// Answer of `root fingerprint`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fingerprints {
    /// Of the library.
    pub library: String,
    /// The version of the current root; 0 before the first is signed.
    pub version: u64,
    /// Of the current root.
    pub root: Option<String>,
    /// Of what is proposed.
    pub proposed: Option<String>,
}

/// Answer of `statements export` and `root export`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried {
    /// The library's id.
    pub library: String,
    /// The file that was written.
    pub file: String,
    /// Statements in it.
    pub statements: u64,
    /// Its bytes.
    pub bytes: u64,
}

/// Answer of `rotate`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rotated {
    /// The node's id, as before.
    pub node: String,
    /// Its key from now on.
    pub key: String,
    /// Libraries that were told.
    pub libraries: u64,
    /// Libraries that refuse, by name: an operator of theirs has to bind the new key.
    #[serde(default)]
    pub libraries_refusing: Vec<String>,
    /// How long the old key stays good.
    pub grace_seconds: u64,
    /// Peers that know already.
    pub told: u64,
}

/// Answer of `statements import` and `root apply`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// Peers that are known by an address.
    #[serde(default)]
    pub peers: u64,
    /// Those of them that know the statements by now. The others hear of them from these.
    #[serde(default)]
    pub told: u64,
    /// The library's id.
    pub library: String,
    /// What became of each statement, in the order given.
    pub statements: Vec<OfferedRow>,
}

/// What became of a statement that was offered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfferedRow {
    /// Its id.
    pub statement: String,
    /// Its kind.
    pub kind: String,
    /// `new` or `known`; `idle`: known now, and does not count; `unproved`: nothing known here entitles it; `refused`.
    pub result: String,
    /// Why, where it does not count.
    pub reason: String,
}

impl OfferedRow {
    /// Whether it counts.
    pub fn counts(&self) -> bool {
        matches!(self.result.as_str(), "new" | "known")
    }
}

impl Offered {
    /// Statements that were not taken in.
    pub fn refused(&self) -> usize {
        self.statements.iter().filter(|row| matches!(row.result.as_str(), "unproved" | "refused")).count()
    }
}
