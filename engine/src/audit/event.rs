//! What a record tells, before it has its place in a log.

use super::{actor::Actor, verb::Verb};
use crate::{
    error::{Error, Result},
    id::LibraryId,
    limits::{AUDIT_REASON_BYTES, AUDIT_SUBJECT_BYTES},
    statement::wire::is_invisible,
};

/// How something ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Ok,
    /// Not permitted; why, for people.
    Refused(String),
    /// It went wrong; why, for people.
    Failed(String),
}

/// Something that happened.
///
/// Texts may come from peers. Whoever makes an event by [`Event::new`] and its methods gets them cut to their bounds, with
/// what would change how they look on a terminal replaced; a record with others does not encode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who.
    pub actor: Actor,
    /// What.
    pub verb: Verb,
    /// To what: a release, a channel, a node, an address. ≤ [`AUDIT_SUBJECT_BYTES`] bytes.
    pub subject: String,
    /// In which library, if in one.
    pub library: Option<LibraryId>,
    /// With which result; its text has ≤ [`AUDIT_REASON_BYTES`] bytes.
    pub ending: Ending,
    /// How many times, at least once.
    pub count: u32,
    /// From the first time to the last, in ms; the record's time is the last.
    pub span_ms: u64,
}

impl Event {
    /// Something that the node itself did, once and well.
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

    /// The same, done by `actor`.
    #[must_use]
    pub fn by(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// The same, in `library`.
    #[must_use]
    pub fn of(self, library: LibraryId) -> Self {
        Self { library: Some(library), ..self }
    }

    /// The same, not permitted.
    #[must_use]
    pub fn refused(self, why: impl AsRef<str>) -> Self {
        Self { ending: Ending::Refused(plain(why.as_ref(), AUDIT_REASON_BYTES)), ..self }
    }

    /// The same, gone wrong.
    #[must_use]
    pub fn failed(self, why: impl AsRef<str>) -> Self {
        Self { ending: Ending::Failed(plain(why.as_ref(), AUDIT_REASON_BYTES)), ..self }
    }

    /// The same, so many times within so many ms.
    #[must_use]
    pub fn times(self, count: u32, span_ms: u64) -> Self {
        Self { count: count.max(1), span_ms: if count > 1 { span_ms } else { 0 }, ..self }
    }

    /// Fails where a rule of the form is broken.
    pub(super) fn check(&self) -> Result<()> {
        check_plain(&self.subject, AUDIT_SUBJECT_BYTES)?;
        if let Ending::Refused(why) | Ending::Failed(why) = &self.ending {
            check_plain(why, AUDIT_REASON_BYTES)?;
        }
        if self.count == 0 || (self.count == 1 && self.span_ms > 0) {
            return Err(Error::Invalid("malformed audit record: what happened once has no span".into()));
        }
        Ok(())
    }
}

/// What must not reach a terminal, or reads otherwise than it looks.
fn is_unfit(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// `text` in at most `max` bytes that are fit to be shown.
fn plain(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if is_unfit(c) { '\u{fffd}' } else { c }) {
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
    if text.contains(is_unfit) {
        return Err(Error::Invalid("malformed audit record: a text with control characters".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_made_fit_and_short() {
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
