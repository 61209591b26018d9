//! The home's ledger, as commands see it: what was found when it was opened, what is lost, which libraries
//! are left out, and how peers give back what is missing.

use chuan_engine::{
    audit::{Event, Verb},
    id::LibraryId,
    statement::{Library, Statement},
    store::{Ledger, ledger::LostRecord},
};

use super::{Inner, Node, libraries::Libraries, maintain::name};
use crate::{
    exit::{Exit, Failure, Result},
    home::Home,
    job::Job,
    outcome::{LedgerStatus, LeftOut, Verified},
};

impl Inner {
    /// What is to be said of the ledger in `status`.
    pub(super) fn ledger_status(&self) -> Result<LedgerStatus> {
        let ledger = self.store.disk_ledger();
        let lost = self.ledger().lost()?;
        let (found, read_only) = (self.store.found().to_vec(), ledger.read_only());
        let left_out = self.libraries.left_out();
        let state = match (&read_only, lost.is_empty() && left_out.is_empty(), found.is_empty()) {
            (Some(_), _, _) => "read-only",
            (None, false, _) => "lost",
            (None, true, false) => "mended",
            (None, true, true) => "sound",
        };
        let (statements, bytes) = ledger.size();
        Ok(LedgerStatus {
            state: state.to_owned(),
            found: found.into_iter().chain(read_only).collect(),
            lost: lost.iter().map(|lost| lost.last - lost.arrival + 1).sum(),
            left_out: left_out
                .into_iter()
                .map(|(library, reason)| LeftOut { library: library.to_string(), reason })
                .collect(),
            arrival: self.ledger().highest_arrival(),
            statements,
            bytes,
        })
    }

    /// Looks at both files and at what the ledger refers to. Whatever is lost, left out, or referred to
    /// without being there is damage, until a peer has given it back.
    pub(super) fn verify_ledger(&self, verified: &mut Verified, job: &Job) -> Result<()> {
        let checked = self.store.disk_ledger().check()?;
        for found in checked.found {
            if checked.is_mended {
                job.note(format!("{found}; mended"));
            } else {
                verified.corrupt += 1;
                name(verified, || found.clone());
            }
            self.note(Event::new(Verb::Heal, found));
        }
        for lost in self.ledger().lost()? {
            verified.corrupt += 1;
            name(verified, || {
                format!(
                    "the ledger has lost {}; `chuan pull` asks peers for it; for a library that no other node has, `chuan publish \
                     --force` goes on without it",
                    lost.place
                )
            });
        }
        for (library, reason) in self.libraries.left_out() {
            verified.corrupt += 1;
            name(verified, || {
                format!("library {library} is left out: {reason}; `chuan pull {library}` asks peers")
            });
        }
        for at in self.ledger().refs()? {
            let library = self.libraries.get(&at.library);
            let is_known = library.as_ref().is_some_and(|library| {
                library.release(&at.release).is_some() && library.statement(&at.statement).is_some()
            });
            if !is_known && library.is_some() {
                verified.corrupt += 1;
                name(verified, || {
                    format!(
                        "{} of library {} stands on release {}, which is not known here; `chuan pull` asks peers for it",
                        at.channel,
                        at.library.short(),
                        at.release.short()
                    )
                });
            }
        }
        Ok(())
    }

    /// Notes that a peer has given all that it knows of a library: what is lost of it without a name of its
    /// own, and statements that only the newest is kept of, are looked for no more.
    pub(super) fn heard_all(&self, library: &LibraryId) -> Result<()> {
        let Some(all) = self.note_heard(library)? else { return Ok(()) };
        Ok(self.store.disk_ledger().heard_all(library, all)?)
    }

    /// Gives up what the ledger has lost of a library that an operator publishes all the same: else the home would never be
    /// sound again where no other node has the library.
    pub(super) fn go_on_without_lost(&self, library: &Library, job: &Job) -> Result<()> {
        if self.check_not_lost(Some(&library.id())).is_ok() {
            return Ok(());
        }
        let what = format!("goes on without what the ledger has lost of {}", library.name());
        job.note(format!("{what}; a member that knows a lost release refuses one that contradicts it"));
        self.note(Event::new(Verb::Heal, what).of(library.id()));
        let Some(all) = self.note_heard(&library.id())? else { return Ok(()) };
        Ok(self.store.disk_ledger().give_up(&library.id(), all)?)
    }

    /// Notes that a library is complete without the lost records that name no library. Gives whether that is so of every
    /// library; `None` where nothing is lost.
    fn note_heard(&self, library: &LibraryId) -> Result<Option<bool>> {
        let lost = self.ledger().lost()?;
        if lost.is_empty() {
            return Ok(None);
        }
        let unnamed = lost.iter().filter(|lost| lost.library.is_none()).map(|lost| lost.last);
        let last = unnamed.max().unwrap_or(0);
        self.home.note_heard(library, last)?;
        let mut known = self.libraries.all().into_iter().map(|library| library.id());
        Ok(Some(self.libraries.left_out().is_empty() && known.all(|id| self.home.heard(&id) >= last)))
    }

    /// Whether anything is lost or left out.
    pub(super) fn has_lost(&self) -> bool {
        let is_lost = self.ledger().lost().is_ok_and(|lost| !lost.is_empty());
        is_lost || !self.libraries.left_out().is_empty()
    }

    /// Refuses to sign for a library while the ledger has lost what may have been said in it: what was signed before would be
    /// contradicted.
    ///
    /// # Errors
    ///
    /// Corrupt, with the way out.
    pub(super) fn check_not_lost(&self, library: Option<&LibraryId>) -> Result<()> {
        let lost = self.ledger().lost()?;
        let concerns = |lost: &LostRecord| match (&lost.library, library) {
            (Some(own), Some(library)) => own == library,
            (None, Some(library)) => self.home.heard(library) < lost.last,
            (_, None) => true,
        };
        if !lost.iter().any(concerns) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Corrupt,
            "the ledger has lost records of what was said, and a release that is signed now may contradict one that was signed \
             before; `chuan pull --from HOST:PORT` brings the records back from a mirror, and --force publishes without them",
        ))
    }

    /// The libraries to ask peers about: those that are known, and those that are left out.
    pub(super) fn asked_about(&self) -> Vec<LibraryId> {
        let known = self.libraries.all().into_iter().map(|library| library.id());
        known.chain(self.libraries.left_out().into_keys()).collect()
    }
}

impl Node {
    /// Asks peers for what the ledger has lost, libraries that are left out among it. What fails is only told: the command
    /// that needs such a library says so.
    pub(super) async fn bring_back(&self, job: &Job) {
        if !self.0.has_lost() {
            return;
        }
        job.say("the ledger has lost records: asking peers for them".to_owned()).await;
        for library in self.0.asked_about() {
            self.pass_on(&library).await;
        }
    }
}

/// The first roots that are kept beside the keys: what is left of a library whose ledger is lost, and of one whose
/// founding a crash cut short. One that cannot be read is passed over with a warning.
pub(super) fn roots_of(home: &Home) -> Vec<Statement> {
    let roots = home.roots().unwrap_or_else(|failure| {
        tracing::warn!(%failure, "the roots beside the keys cannot be read");
        Vec::new()
    });
    let decode = |bytes: Vec<u8>| match Statement::decode(&bytes) {
        Ok(root) => Some(root),
        Err(error) => {
            tracing::warn!(%error, "a root kept beside the keys is damaged");
            None
        }
    };
    roots.into_iter().filter_map(decode).collect()
}

/// Keeps the first root of every library that is known beside the keys, where it is not there yet.
pub(super) fn keep_roots<L: Ledger>(home: &Home, libraries: &Libraries<L>) {
    libraries.all().iter().for_each(|library| keep_root(home, library));
}

/// Keeps the first root of a library beside the keys. What fails is tried again at the next start.
pub(super) fn keep_root(home: &Home, library: &Library) {
    let Some(root) = library.roots().next() else { return };
    if let Err(failure) = home.keep_root(&library.id(), root.bytes()) {
        tracing::warn!(%failure, library = library.name(), "its root is not kept beside the keys");
    }
}

/// The libraries of which peers are remembered as sources.
pub(super) fn sources_of(home: &Home) -> Vec<LibraryId> {
    let peers = home.peers().unwrap_or_default();
    peers.iter().flat_map(|peer| &peer.libraries).filter_map(|id| id.parse().ok()).collect()
}
