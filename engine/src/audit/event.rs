//! The content of a record, without its position in a log.

use super::{actor::Actor, verb::Verb};
use crate::{
    error::{Error, Result},
    id::LibraryId,
    limits::{AUDIT_REASON_BYTES, AUDIT_SUBJECT_BYTES},
    text::is_invisible,
};

/// The result of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Success.
    Ok,
    /// Not permitted. The text is the reason, for display.
    Refused(String),
    /// The action failed. The text is the reason, for display.
    Failed(String),
}

/// An event for the audit log.
///
/// Texts may come from peers. [`Event::new`] and the methods below cut them to their bounds, and replace
/// characters that would change their display on a terminal. A record with other texts cannot be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The actor.
    pub actor: Actor,
    /// The action.
    pub verb: Verb,
    /// The object of the action: a release, a channel, a node, an address. At most [`AUDIT_SUBJECT_BYTES`]
    /// bytes.
    pub subject: String,
    /// The library, if the event belongs to one.
    pub library: Option<LibraryId>,
    /// The result. Its text has at most [`AUDIT_REASON_BYTES`] bytes.
    pub ending: Ending,
    /// How often the event occurred, at least once.
    pub count: u32,
    /// Time from the first to the last occurrence, in ms. The time of the record is that of the last
    /// occurrence.
    pub span_ms: u64,
}

impl Event {
    /// An event of the node itself that occurred once and succeeded.
    pub fn new(verb: Verb, subject: impl AsRef<str>) -> Self {
        Self {
            actor: Actor::Node,
            verb,
            subject: plain(subject.as_ref(), AUDIT_SUBJECT_BYTES),
            library: None,
            ending: Ending::Ok,
            count: 1,
            span_ms: 0,
        }
    }

    /// The same event, by `actor`.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// The same event, in `library`.
    #[must_use]
    pub fn of(self, library: LibraryId) -> Self {
        Self { library: Some(library), ..self }
    }

    /// The same event, not permitted.
    #[must_use]
    pub fn refused(self, why: impl AsRef<str>) -> Self {
        Self { ending: Ending::Refused(plain(why.as_ref(), AUDIT_REASON_BYTES)), ..self }
    }

    /// The same event, failed.
    #[must_use]
    pub fn failed(self, why: impl AsRef<str>) -> Self {
        Self { ending: Ending::Failed(plain(why.as_ref(), AUDIT_REASON_BYTES)), ..self }
    }

    /// The same event, `count` times within `span_ms` ms.
    #[must_use]
    pub fn times(self, count: u32, span_ms: u64) -> Self {
        Self { count: count.max(1), span_ms: if count > 1 { span_ms } else { 0 }, ..self }
    }

    /// Fails if the event breaks a rule of the format.
    pub(super) fn check(&self) -> Result<()> {
        check_plain(&self.subject, AUDIT_SUBJECT_BYTES)?;
        if let Ending::Refused(why) | Ending::Failed(why) = &self.ending {
            check_plain(why, AUDIT_REASON_BYTES)?;
        }
        if self.count == 0 || (self.count == 1 && self.span_ms > 0) {
            return Err(Error::Invalid(
                "malformed audit record: its count must be at least 1, and a count of 1 has no span".into(),
            ));
        }
        Ok(())
    }
}

/// Whether a character must not be written to a terminal, or makes a text look different from its content.
fn is_unprintable(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// `text` cut to at most `max` bytes, with unprintable characters replaced.
fn plain(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if is_unprintable(c) { '\u{fffd}' } else { c }) {
        if out.len() + c.len_utf8() > max {
            break;
        }
        out.push(c);
    }
    out
}

fn check_plain(text: &str, max: usize) -> Result<()> {
    if text.len() > max {
        let len = text.len();
        return Err(Error::Invalid(format!(
            "malformed audit record: a text of {len} bytes; {max} are allowed"
        )));
    }
    if text.contains(is_unprintable) {
        return Err(Error::Invalid("malformed audit record: a text with control characters".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cleaned_and_cut() {
        let event = Event::new(Verb::Join, format!("\u{1b}[2J{}", "川".repeat(500))).refused("a\nb\u{202e}");
        assert!(event.subject.starts_with("\u{fffd}[2J川") && event.subject.len() <= AUDIT_SUBJECT_BYTES);
        assert_eq!(event.ending, Ending::Refused("a\u{fffd}b\u{fffd}".into()));
        event.check().unwrap();
        for bad in [
            Event { subject: "a\nb".into(), ..event.clone() },
            Event { subject: "x".repeat(AUDIT_SUBJECT_BYTES + 1), ..event.clone() },
            Event { ending: Ending::Failed("x".repeat(AUDIT_REASON_BYTES + 1)), ..event.clone() },
            Event { count: 0, ..event.clone() },
            Event { span_ms: 1, ..event.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
