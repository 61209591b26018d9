//! The JSON of `--json` and `--progress json`: the number of its vocabulary, the objects that are no
//! answers, and the old names of keys. `docs/json.md` is made from these types and from the answers in
//! [`outcome`](crate::outcome).

use serde::Serialize;
use serde_json::Value;

use crate::{
    event::Progress,
    outcome::{Outcome, Row},
};

/// The number of the vocabulary, in the key `schema` of every object. It grows when a key changes its
/// meaning. A new key does not change it.
pub const SCHEMA: u64 = 2;

/// A key with an old name, which is still written beside the new one.
#[derive(Clone, Copy, Debug)]
pub struct Renamed {
    /// The answer, as [`Outcome`] names it; or `ready`; or `rows` for all rows.
    pub answer: &'static str,
    /// The keys that lead to the object with the key, `[]` after a list; empty for the answer itself.
    pub at: &'static [&'static str],
    /// The old name: deprecated.
    pub old: &'static str,
    /// The name.
    pub new: &'static str,
}

/// All keys with old names. They go with the next number of the vocabulary.
pub const RENAMED: &[Renamed] = &[
    renamed("id", &[], "id", "node"),
    renamed("status", &[], "id", "node"),
    renamed("status", &["libraries[]"], "id", "library"),
    renamed("status", &["libraries[]"], "name", "library_name"),
    renamed("status", &["peers[]"], "id", "node"),
    renamed("ready", &[], "id", "node"),
    renamed("join", &[], "from", "node"),
    renamed("pull", &[], "from", "node"),
    renamed("rows", &[], "size", "bytes"),
    renamed("rows", &[], "size_old", "bytes_old"),
    renamed("rows", &[], "size_new", "bytes_new"),
    renamed("channels", &["channels[]"], "here", "here_release"),
    renamed("channel", &[], "here", "here_release"),
    renamed("root", &["proposal"], "id", "statement"),
    renamed("root", &["proposal"], "signed_by", "signers"),
    renamed("request", &[], "signed_by", "signers"),
    renamed("fingerprint", &[], "library", "library_fingerprint"),
    renamed("fingerprint", &[], "root", "fingerprint"),
    renamed("audit_verify", &[], "why", "reason"),
    renamed("ledger_kept", &[], "from", "kept_copy"),
];

const fn renamed(
    answer: &'static str,
    at: &'static [&'static str],
    old: &'static str,
    new: &'static str,
) -> Renamed {
    Renamed { answer, at, old, new }
}

/// An error of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorObject {
    /// The error.
    pub error: ErrorBody,
}

/// The content of an [`ErrorObject`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// The word of the exit code.
    pub code: &'static str,
    /// The exit code of the process.
    pub exit: u8,
    /// The cause and the remedy, for people.
    pub message: String,
}

/// A line of `--progress json` on standard error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProgressLine<'a> {
    /// `progress` or `note`.
    pub event: &'static str,
    /// Of `progress`: the state of the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<&'a Progress>,
    /// Of `note`: a line for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
}

impl<'a> ProgressLine<'a> {
    /// The line of a progress event.
    pub const fn progress(progress: &'a Progress) -> Self {
        Self { event: "progress", progress: Some(progress), note: None }
    }

    /// The line of a note.
    pub const fn note(note: &'a str) -> Self {
        Self { event: "note", progress: None, note: Some(note) }
    }
}

/// The line of `serve` when it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ready {
    /// `ready`.
    pub event: &'static str,
    /// The node's id.
    pub node: String,
    /// The address on which it listens.
    pub address: String,
}

impl Outcome {
    /// The object printed under `--json`: the fields of the answer, without its kind.
    pub fn object(&self) -> Value {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => match map.into_iter().next() {
                Some((answer, object)) => with_schema(with_old_names(&answer, object)),
                None => Value::Null,
            },
            _ => Value::Null,
        }
    }
}

impl Row {
    /// The object printed under `--json` in the list of rows.
    pub fn object(&self) -> Value {
        with_old_names("rows", value(self))
    }
}

impl Ready {
    /// The object printed under `--json`.
    pub fn object(&self) -> Value {
        with_schema(with_old_names("ready", value(self)))
    }
}

/// The object of an error or of a progress line.
pub fn object(from: &impl Serialize) -> Value {
    with_schema(value(from))
}

/// Types of this module and of `outcome` have text as keys and no numbers that JSON lacks: none fails.
fn value(from: &impl Serialize) -> Value {
    serde_json::to_value(from).unwrap_or_default()
}

fn with_schema(mut object: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.insert("schema".to_owned(), SCHEMA.into());
    }
    object
}

fn with_old_names(answer: &str, mut object: Value) -> Value {
    for renamed in RENAMED.iter().filter(|renamed| renamed.answer == answer) {
        add_old_name(&mut object, renamed.at, renamed);
    }
    object
}

fn add_old_name(object: &mut Value, at: &[&str], renamed: &Renamed) {
    let Value::Object(fields) = object else { return };
    let Some((key, rest)) = at.split_first() else {
        if let Some(value) = fields.get(renamed.new).cloned() {
            fields.insert(renamed.old.to_owned(), value);
        }
        return;
    };
    let below = fields.get_mut(key.strip_suffix("[]").unwrap_or(key));
    match below {
        Some(Value::Array(items)) => items.iter_mut().for_each(|item| add_old_name(item, rest, renamed)),
        Some(item) => add_old_name(item, rest, renamed),
        None => {}
    }
}

/// A number of which 0 stands for none: `null` in JSON.
pub(crate) mod zero_is_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize + Default + PartialEq, S: Serializer>(
        number: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Some(number).filter(|number| **number != T::default()).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
    }
}

/// A text of which the empty one stands for none: `null` in JSON.
pub(crate) use zero_is_null as empty_is_null;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{MemberRow, PeerStatus, Status};

    #[test]
    fn old_names_stand_beside_the_new_ones_in_lists_too() {
        let peer = PeerStatus { id: "ab".into(), ..PeerStatus::default() };
        let status = Status { peers: vec![peer.clone(), peer], ..Status::default() };
        let object = Outcome::Status(Box::new(status)).object();
        assert_eq!(object["schema"], SCHEMA);
        for peer in object["peers"].as_array().unwrap() {
            assert_eq!((&peer["node"], &peer["id"]), (&"ab".into(), &"ab".into()));
        }
        let row = Row::Change { path: "a".into(), change: "added".into(), size_old: None, size_new: Some(1) };
        assert_eq!(row.object()["bytes_new"], row.object()["size_new"]);
    }

    #[test]
    fn none_is_null_and_is_read_back() {
        let row = MemberRow { node: "ab".into(), ..MemberRow::default() };
        let text = serde_json::to_value(&row).unwrap();
        assert!(text["expires_ms"].is_null() && text["region"].is_null() && text["key"].is_null());
        assert_eq!(serde_json::from_value::<MemberRow>(text).unwrap(), row);
        let row = MemberRow { expires_ms: 5, region: "eu".into(), ..row };
        assert_eq!(serde_json::from_value::<MemberRow>(serde_json::to_value(&row).unwrap()).unwrap(), row);
    }
}
