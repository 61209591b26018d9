//! The action of an audit record, by tag and by word.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// The action of an audit record. Tags are never reused. A tag that this version does not know is kept as it
/// is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// A process opened the home.
    Opened,
    /// The process closed it.
    Closed,
    /// A release was signed.
    Publish,
    /// A key of this home moved a channel.
    Channel,
    /// A channel moved because a pull brought the statement and all objects that it names.
    Pull,
    /// A ticket was created.
    Invite,
    /// A ticket was redeemed, either at this node or by this node at another node.
    Join,
    /// A node was granted rights on classes.
    Grant,
    /// A node's membership was revoked.
    Revoke,
    /// A key was replaced by its successor.
    Rotate,
    /// A root was created or adopted.
    Root,
    /// A timekeeper vouched for the freshness of a channel.
    Fresh,
    /// Data was dropped.
    Delete,
    /// Damage was found or repaired: an index rebuild, quarantined data, or lost data that was stored again.
    Heal,
    /// Authentication failed: in a handshake, a hello or a request, or with a ticket.
    FailedAuth,
    /// Two statements of one key contradict each other, or a log contradicts its checkpoint.
    Conflict,
    /// Bytes at the end of the log that a crash had torn were cut off.
    Repaired,
    /// Records could not be written. This record gives their number.
    Lost,
    /// A policy for the classes was set.
    Policy,
    /// An action that only a newer version knows. Never one of the tags above: [`Verb::from_tag`] ensures
    /// this.
    Other(u16),
}

/// Every verb of this version with its tag and its word.
const VERBS: [(Verb, u16, &str); 19] = [
    (Verb::Opened, 1, "opened"),
    (Verb::Closed, 2, "closed"),
    (Verb::Publish, 3, "publish"),
    (Verb::Channel, 4, "channel"),
    (Verb::Pull, 5, "pull"),
    (Verb::Invite, 6, "invite"),
    (Verb::Join, 7, "join"),
    (Verb::Grant, 8, "grant"),
    (Verb::Revoke, 9, "revoke"),
    (Verb::Rotate, 10, "rotate"),
    (Verb::Root, 11, "root"),
    (Verb::Fresh, 12, "fresh"),
    (Verb::Delete, 13, "delete"),
    (Verb::Heal, 14, "heal"),
    (Verb::FailedAuth, 15, "failed-auth"),
    (Verb::Conflict, 16, "conflict"),
    (Verb::Repaired, 17, "repaired"),
    (Verb::Lost, 18, "lost"),
    (Verb::Policy, 19, "policy"),
];

/// The prefix of the word of an unknown verb. The tag follows it.
const OTHER: &str = "verb-";

impl Verb {
    /// The tag in a record.
    pub fn tag(self) -> u16 {
        match self {
            Verb::Other(tag) => tag,
            known => VERBS.iter().find(|(verb, ..)| *verb == known).map_or(0, |(_, tag, _)| *tag),
        }
    }

    /// The verb of a tag. Every tag has one.
    pub fn from_tag(tag: u16) -> Self {
        VERBS.iter().find(|(_, known, _)| *known == tag).map_or(Verb::Other(tag), |(verb, ..)| *verb)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match VERBS.iter().find(|(verb, ..)| verb == self) {
            Some((.., word)) => f.pad(word),
            None => f.pad(&format!("{OTHER}{}", self.tag())),
        }
    }
}

impl FromStr for Verb {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let known = VERBS.iter().find(|(.., known)| *known == word).map(|(verb, ..)| *verb);
        let other = || word.strip_prefix(OTHER)?.parse().ok().map(Verb::from_tag);
        known.or_else(other).ok_or_else(|| {
            Error::Invalid(format!("`{}` is not a verb of the audit log", word.escape_debug()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_words_read_back() {
        for tag in 0..300 {
            let verb = Verb::from_tag(tag);
            assert_eq!(verb.tag(), tag);
            assert_eq!(verb.to_string().parse::<Verb>().unwrap(), verb);
        }
        assert_eq!(Verb::from_tag(15), Verb::FailedAuth);
        assert_eq!(Verb::from_tag(999), Verb::Other(999));
        assert!("publishes".parse::<Verb>().is_err() && "verb-x".parse::<Verb>().is_err());
    }
}
