//! Chooses the answer to a pull: the wanted release, a newer one, or a list of the releases that are held
//! instead.
//!
//! Owns the rule that data is sent only where this node can tell that the peer will take it. A node that is
//! behind the peer answers with the releases that it holds. The peer, which knows more, then chooses.

use super::{RequestContext, absent};
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

/// The answer to a pull: a release or a list.
pub(super) enum PullTarget {
    /// This release; and the channel statement that names it, where that is to be sent.
    Release { release: StatementId, channel: Option<StatementId> },
    /// No data: the frames of the answer list the releases that are held.
    Holding(Vec<Frame>),
}

impl RequestContext<'_> {
    /// Finds the release to answer with. The channel's position here is the release whose data is whole here,
    /// which may be older than the newest channel statement.
    pub(super) fn find(&self, pull: &Pull) -> Result<PullTarget> {
        let name = match &pull.want {
            Want::Release(release) => return Ok(PullTarget::Release { release: *release, channel: None }),
            Want::Channel(name) => name,
        };
        let here =
            self.ledger.refs()?.into_iter().find(|at| at.library == self.library.id() && at.channel == *name);
        let target = |at: &RefMove| PullTarget::Release { release: at.release, channel: Some(at.statement) };
        let Some(announced) = pull.announced else {
            return match here {
                Some(here) => Ok(target(&here)),
                None if self.library.channel(name).is_some() => self.holding_answer(pull, name, None),
                None => Err(absent()),
            };
        };
        let theirs = self.known_of(name, &pull.known);
        let is_ahead = |here: &&RefMove| {
            let is_after = |other| self.library.is_after(name, &here.statement, other);
            here.release == announced || (!theirs.is_empty() && theirs.iter().all(is_after))
        };
        match here.as_ref().filter(is_ahead) {
            Some(here) => Ok(target(here)),
            None if self.holds(&announced)? => Ok(PullTarget::Release { release: announced, channel: None }),
            // The channel statement here is sent only where the peer's statement is not known here: only then
            // the peer can tell better which of the two is newer.
            None => self.holding_answer(pull, name, here.as_ref().filter(|_| theirs.is_empty())),
        }
    }

    /// The statements in `known` that are about the channel and that are known here too.
    fn known_of(&self, channel: &str, known: &[StatementId]) -> Vec<StatementId> {
        let is_about = |id: &&StatementId| {
            let statement = self.library.statement(id);
            statement.is_some_and(|said| matches!(said.body(), Body::Channel(body) if body.name == channel))
        };
        known.iter().filter(is_about).copied().collect()
    }

    /// The answer of a node that does not have the wanted release. `here` is the channel's position on this
    /// node, where the peer has to decide whether that is newer; its statements are sent along.
    fn holding_answer(&self, pull: &Pull, channel: &str, here: Option<&RefMove>) -> Result<PullTarget> {
        let mut frames = match here {
            Some(here) => self.statements(&pull.known, &here.release, Some(&here.statement))?,
            None => Vec::new(),
        };
        let heard = self.library.channel(channel).map(|said| said.statement.id());
        frames.push(Frame::Holding(Holding { heard, held: self.held()? }));
        Ok(PullTarget::Holding(frames))
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

    /// Whether the classes of a release that the peer is granted are whole here, as far as this node has
    /// their headers. False where it has none of these headers.
    fn holds(&self, release: &StatementId) -> Result<bool> {
        let Some(said) = self.library.release(release) else { return Ok(false) };
        let Ok(table) = ClassTable::load(self.store, &said.body.manifest) else { return Ok(false) };
        let headers = table.classes.iter().filter_map(|(_, id)| ClassHeader::load(self.store, id).ok());
        let roots: Vec<_> =
            headers.filter(|header| self.may(&header.name)).map(|header| header.root).collect();
        let states = self.store.page_states(&roots)?;
        // A channel whose position here is this release is a proof too: marks are lost when the index is
        // rebuilt.
        let is_whole = || states.iter().all(|state| *state == PageState::Full);
        let is_current = || {
            Ok(self.ledger.refs()?.iter().any(|at| at.library == self.library.id() && at.release == *release))
        };
        Ok(!roots.is_empty() && (is_whole() || is_current()?))
    }
}
