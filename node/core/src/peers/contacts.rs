//! The last answer of each peer, mirrored in `H/contacts.json`. `status` shows them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chuan_engine::id::NodeId;

use crate::{
    context::Context,
    exit::{Exit, Failure, Result},
    file,
    outcome::Contact,
};

/// The answer of a peer without an error.
pub(crate) const OK: &str = "ok";
/// The time between two writes of the file while the answers stay the same: exchanges are frequent.
const PAUSE: Duration = Duration::from_secs(600);
/// The maximum number of peers whose answers are kept: those that were asked last.
const CONTACTS: usize = 256;

/// The last answers, by the id of the peer.
type Contacts = BTreeMap<String, Contact>;

/// The last answers in memory.
#[derive(Debug)]
pub(crate) struct ContactBook {
    context: Arc<Context>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    contacts: Contacts,
    /// When the file was written last.
    written_ms: i64,
}

impl ContactBook {
    /// Reads the answers of the home. A damaged file is taken as empty: they are noted again.
    pub(super) fn load(context: Arc<Context>) -> Result<Self> {
        let contacts = match file::read(&path(&context)) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(failure) if failure.exit == Exit::Missing => Contacts::new(),
            Err(failure) => return Err(failure),
        };
        Ok(Self { context, kept: Mutex::new(Kept { contacts, written_ms: 0 }) })
    }

    /// The last answer of a peer, and its age now.
    pub(crate) fn of(&self, peer: &str) -> Contact {
        let (contact, now_ms) = (self.lock().contacts.get(peer).cloned(), self.context.now_ms());
        let age = |ms: i64| now_ms.saturating_sub(ms).max(0).unsigned_abs() / 1000;
        contact.map_or_else(Contact::default, |contact| Contact {
            asked_age_seconds: contact.asked_ms.map(age),
            answered_age_seconds: contact.answered_ms.map(age),
            ..contact
        })
    }

    /// Notes that a peer answered, or why it did not. A failure of this node alone is no answer.
    pub(crate) fn note_answer(&self, node: &NodeId, failure: Option<&Failure>) {
        let is_local = |exit| matches!(exit, Exit::Interrupted | Exit::Io | Exit::Internal);
        if failure.is_some_and(|failure| is_local(failure.exit)) {
            return;
        }
        let now_ms = self.context.now_ms();
        self.change(node, |contact| {
            contact.asked_ms = Some(now_ms);
            contact.answer = Some(failure.map_or(OK, |failure| failure.exit.code()).to_owned());
            contact.message = failure.map(|failure| failure.message.clone());
            if failure.is_none_or(|failure| failure.exit != Exit::Peer) {
                contact.answered_ms = Some(now_ms);
            }
        });
    }

    /// Notes the newest release that a peer has.
    pub(crate) fn note_release(&self, node: &NodeId, sequence: u64) {
        self.change(node, |contact| contact.holds = Some(sequence));
    }

    /// Changes the answer of a peer. Writes the file where more than times have changed, or after [`PAUSE`].
    fn change(&self, node: &NodeId, change: impl FnOnce(&mut Contact)) {
        let now_ms = self.context.now_ms();
        let mut kept = self.lock();
        let contact = kept.contacts.entry(node.to_string()).or_default();
        let before = (contact.answer.clone(), contact.holds);
        change(contact);
        let is_same = before == (contact.answer.clone(), contact.holds);
        let pause_ms = i64::try_from(PAUSE.as_millis()).unwrap_or(i64::MAX);
        if is_same && (0..pause_ms).contains(&now_ms.saturating_sub(kept.written_ms)) {
            return;
        }
        while kept.contacts.len() > CONTACTS {
            let oldest = kept.contacts.iter().min_by_key(|(_, contact)| contact.asked_ms);
            let Some(oldest) = oldest.map(|(peer, _)| peer.clone()) else { break };
            kept.contacts.remove(&oldest);
        }
        kept.written_ms = now_ms;
        let written = serde_json::to_vec_pretty(&kept.contacts)
            .map_err(|error| Failure::internal(format!("encode the answers of peers: {error}")))
            .and_then(|bytes| file::write_atomic(&path(&self.context), &bytes, 0o600));
        if let Err(failure) = written {
            tracing::debug!(%failure, "the answer of a peer was not stored");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn path(context: &Context) -> std::path::PathBuf {
    context.home.root().join("contacts.json")
}
