//! The peers of `status`, as text: where they are, and their last answers.

use std::io::{self, Write};

use chuan_api::outcome::{Contact, PeerStatus};

use super::{short, word, write_table};
use crate::{
    language::age,
    table::{Table, left, right},
    text,
};

pub(super) fn table(out: &mut impl Write, peers: &[PeerStatus]) -> io::Result<()> {
    writeln!(out)?;
    let mut table = Table::new(&[
        left(text!("col-peer")),
        left(text!("col-name")),
        left(text!("col-address")),
        left(text!("col-last-answer")),
        right(text!("col-release-held")),
    ]);
    for peer in peers {
        let address = peer.addresses.first().cloned().unwrap_or_default();
        let holds = peer.contact.holds.map_or_else(|| "-".to_owned(), |sequence| sequence.to_string());
        table.row([short(&peer.id), peer.name.clone(), address, answer(peer), holds]);
    }
    write_table(out, &table)
}

/// The last answer of a peer: when, and whether it was an error.
fn answer(peer: &PeerStatus) -> String {
    let Contact { asked_age_seconds, answered_age_seconds, answer, .. } = &peer.contact;
    let said = match (answer.as_deref(), asked_age_seconds) {
        (Some("ok"), Some(seconds)) => text!("answered-ok", time = age(*seconds)),
        (Some("peer"), Some(seconds)) => match answered_age_seconds {
            Some(last) => text!("not-reached-since", time = age(*seconds), last = age(*last)),
            None => text!("not-reached", time = age(*seconds)),
        },
        (Some("denied"), Some(seconds)) => text!("refused-before", time = age(*seconds)),
        (Some(code), Some(seconds)) => text!("answered-code", code = word(code), time = age(*seconds)),
        _ => "-".to_owned(),
    };
    if peer.revoked { text!("and-revoked", answer = said) } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_and_a_revocation_are_shown() {
        let contact = |answer: &str| Contact {
            answer: Some(answer.into()),
            asked_age_seconds: Some(5),
            answered_age_seconds: Some(200),
            ..Contact::default()
        };
        let peer = |contact, revoked| PeerStatus { contact, revoked, ..PeerStatus::default() };
        assert_eq!(answer(&peer(contact("ok"), false)), "ok, 5 s ago");
        assert_eq!(answer(&peer(contact("peer"), false)), "not reached 5 s ago; answered 3 min 20 s ago");
        assert_eq!(answer(&peer(contact("denied"), true)), "refused 5 s ago; revoked");
        assert_eq!(answer(&peer(Contact::default(), true)), "-; revoked");
    }
}
