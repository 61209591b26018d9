//! What a pull of a channel is answered with: the release that is wanted, a newer one, or word of what is held instead.
//!
//! Owns the rule that data is sent only where this node can tell that the peer will take it. A node that is behind the
//! peer says so, and what it has; the peer, which knows more, chooses.

use super::{Desk, absent};
use crate::{
    error::Result,
    id::StatementId,
    limits::{ANSWER_HELD, ANSWER_RELEASES},
    manifest::table::{ClassHeader, ClassTable},
    statement::Body,
    store::{PageState, RefMove},
    sync::{
        frame::Frame,
        message::{Holding, Pull, Want},
    },
};

/// Where the release that a pull wants is.
pub(super) enum Found {
    /// Here, with the channel statement that names it.
    Here { release: StatementId, channel: Option<StatementId> },
    /// Not here; the frames of the answer say what is.
    Elsewhere(Vec<Frame>),
}

impl Desk<'_> {
    /// Finds the release that is wanted. A channel is where its data is whole here, which may be behind what statements say.
    pub(super) fn find(&self, pull: &Pull) -> Result<Found> {
        let name = match &pull.want {
            Want::Release(release) => return Ok(Found::Here { release: *release, channel: None }),
            Want::Channel(name) => name,
        };
        let here =
            self.ledger.refs()?.into_iter().find(|at| at.library == self.library.id() && at.channel == *name);
        let stands = |at: &RefMove| Found::Here { release: at.release, channel: Some(at.statement) };
        let Some(announced) = pull.announced else {
            return match here {
                Some(here) => Ok(stands(&here)),
                None if self.library.channel(name).is_some() => self.elsewhere(pull, name, None),
                None => Err(absent()),
            };
        };
        let theirs = self.known_of(name, &pull.known);
        let is_ahead = |here: &&RefMove| {
            let is_after = |other| self.library.is_after(name, &here.statement, other);
            here.release == announced || (!theirs.is_empty() && theirs.iter().all(is_after))
        };
        match here.as_ref().filter(is_ahead) {
            Some(here) => Ok(stands(here)),
            None if self.holds(&announced)? => Ok(Found::Here { release: announced, channel: None }),
            // Only of a statement that is not known here can the peer tell better which is the newer one.
            None => self.elsewhere(pull, name, here.as_ref().filter(|_| theirs.is_empty())),
        }
    }

    /// Those of the statements that the peer knows that are about a channel, as far as they are known here.
    fn known_of(&self, channel: &str, known: &[StatementId]) -> Vec<StatementId> {
        let is_about = |id: &&StatementId| {
            let statement = self.library.statement(id);
            statement.is_some_and(|said| matches!(said.body(), Body::Channel(body) if body.name == channel))
        };
        known.iter().filter(is_about).copied().collect()
    }

    /// The answer of a node that does not have what is wanted; with the statements by which the channel stands `here`, where
    /// the peer is to judge them.
    fn elsewhere(&self, pull: &Pull, channel: &str, here: Option<&RefMove>) -> Result<Found> {
        let mut frames = match here {
            Some(here) => self.statements(&pull.known, &here.release, Some(&here.statement))?,
            None => Vec::new(),
        };
        let heard = self.library.channel(channel).map(|said| said.statement.id());
        frames.push(Frame::Holding(Holding { heard, held: self.held()? }));
        Ok(Found::Elsewhere(frames))
    }

    /// The newest releases that are held, newest first.
    fn held(&self) -> Result<Vec<StatementId>> {
        let mut held = Vec::new();
        for said in self.library.releases().iter().rev().take(ANSWER_RELEASES) {
            let release = said.statement.id();
            if held.len() < ANSWER_HELD && self.holds(&release)? {
                held.push(release);
            }
        }
        Ok(held)
    }

    /// Whether those classes of a release are whole here that the peer is granted, as far as this node has them; false where
    /// it has none of them.
    fn holds(&self, release: &StatementId) -> Result<bool> {
        let Some(said) = self.library.release(release) else { return Ok(false) };
        let Ok(table) = ClassTable::load(self.store, &said.body.manifest) else { return Ok(false) };
        let headers = table.classes.iter().filter_map(|(_, id)| ClassHeader::load(self.store, id).ok());
        let roots: Vec<_> =
            headers.filter(|header| self.may(&header.name)).map(|header| header.root).collect();
        let states = self.store.page_states(&roots)?;
        // A channel that stands on it here says so too: marks are forgotten when the index is rebuilt.
        let is_whole = || states.iter().all(|state| *state == PageState::Full);
        let stands = || {
            Ok(self.ledger.refs()?.iter().any(|at| at.library == self.library.id() && at.release == *release))
        };
        Ok(!roots.is_empty() && (is_whole() || stands()?))
    }
}
