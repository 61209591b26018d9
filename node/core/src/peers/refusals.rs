//! The peers that refuse this node, and those whose key it cannot verify, mirrored in `H/refusals.json`.
//! `status` shows them until they answer again.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chuan_engine::id::{LibraryId, NodeId};

use crate::{
    context::Context,
    exit::{Failure, Result},
    home::refusals::Refusals,
    library::LibraryService,
    net_error::refusal_of,
    outcome::{RefusedBy, UNVERIFIED},
};

/// The refusals in memory.
#[derive(Debug)]
pub(crate) struct RefusalBook {
    context: Arc<Context>,
    library: Arc<LibraryService>,
    /// Held while the refusals are saved: that is rare and short.
    kept: Mutex<Refusals>,
    /// The peers whose unknown key this process has logged, until they answer.
    unverified: Mutex<BTreeSet<(LibraryId, NodeId)>>,
}

impl RefusalBook {
    /// Reads the refusals of the home.
    pub(super) fn load(context: Arc<Context>, library: Arc<LibraryService>) -> Result<Self> {
        let kept = Mutex::new(Refusals::read(&context.home)?);
        Ok(Self { context, library, kept, unverified: Mutex::default() })
    }

    /// The peers that refuse this node in a library.
    pub(crate) fn of(&self, library: &LibraryId) -> Vec<RefusedBy> {
        self.lock().of(library)
    }

    /// Notes the answer of a peer, or its failure. Only a refusal is kept of a failure. Blocks where that
    /// changes something.
    pub(super) fn note_answer(&self, library: &LibraryId, node: &NodeId, failure: Option<&Failure>) {
        let mut kept = self.lock();
        let mut changed = kept.clone();
        let known = self.library.get(library);
        match failure.map(|failure| (failure, refusal_of(failure))) {
            None => {
                self.unverified().remove(&(*library, *node));
                changed.answered(library, node);
            }
            Some((failure, Some(code))) => {
                let member = known.as_ref().and_then(|library| library.member(node));
                // A command shows the failure itself.
                let is_told = code != UNVERIFIED || self.context.listening().is_none();
                if !is_told && self.unverified().insert((*library, *node)) {
                    let library = known.as_ref().map_or("", |library| library.name());
                    tracing::warn!(peer = %node.short(), library, %failure, "a peer cannot be verified");
                }
                changed.note(
                    library,
                    RefusedBy {
                        node: node.to_string(),
                        name: member.map(|said| said.body.name.clone()).unwrap_or_default(),
                        at_ms: self.context.now_ms(),
                        code: code.to_owned(),
                        message: failure.message.clone(),
                    },
                );
            }
            Some((_, None)) => return,
        }
        if changed != *kept {
            if let Err(failure) = changed.write(&self.context.home) {
                tracing::warn!(%failure, "the refusal of a peer was not stored");
            }
            *kept = changed;
        }
    }

    fn unverified(&self) -> MutexGuard<'_, BTreeSet<(LibraryId, NodeId)>> {
        self.unverified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Refusals> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
