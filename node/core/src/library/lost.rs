//! Lost records of the ledger: their rows in `status` and `verify`, libraries that are left out, and the time
//! at which a library is complete again.

use chuan_engine::{
    audit::{Event, Verb},
    id::LibraryId,
    statement::{Library, Statement, StatementKind},
    store::LostRecord,
};

use super::LibraryService;
use crate::{
    exit::{Exit, Failure, Result},
    home::{Home, heard},
    job::Job,
    outcome::{LedgerStatus, LeftOut, Verified},
};

impl LibraryService {
    /// The ledger as `status` shows it.
    pub(crate) fn ledger_status(&self) -> Result<LedgerStatus> {
        let ledger = self.context.store.disk_ledger()?;
        let lost = self.context.ledger().lost()?;
        let (found, read_only) = (self.context.store.found().to_vec(), ledger.read_only());
        let left_out = self.left_out();
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
            arrival: self.context.ledger().highest_arrival(),
            statements,
            bytes,
        })
    }

    /// Checks both files of the ledger and its references. Lost records, libraries that are left out and
    /// dangling references are damage until a peer has sent them again.
    pub(crate) fn verify_ledger(&self, verified: &mut Verified, job: &Job) -> Result<()> {
        let checked = self.context.store.disk_ledger()?.check()?;
        for found in checked.found {
            if checked.is_mended {
                job.note(format!("{found}; mended"));
            } else {
                verified.corrupt += 1;
                name(verified, || found.clone());
            }
            self.context.note(Event::new(Verb::Heal, found));
        }
        for lost in self.context.ledger().lost()? {
            verified.corrupt += 1;
            name(verified, || {
                format!(
                    "the ledger has lost {}; `chuan pull` asks peers for it; for a library that no other node has, a publish \
                     with the option `force` goes on without it",
                    lost.place
                )
            });
        }
        for (library, reason) in self.left_out() {
            verified.corrupt += 1;
            name(verified, || {
                format!("library {library} is left out: {reason}; `chuan pull {library}` asks peers")
            });
        }
        for at in self.context.ledger().refs()? {
            let library = self.get(&at.library);
            let is_known = library.as_ref().is_some_and(|library| {
                library.release(&at.release).is_some() && library.statement(&at.statement).is_some()
            });
            if !is_known && library.is_some() {
                verified.corrupt += 1;
                name(verified, || {
                    format!(
                        "{} of library {} points to release {}, which is not known here; `chuan pull` asks peers for it",
                        at.channel,
                        at.library.short(),
                        at.release.short()
                    )
                });
            }
        }
        Ok(())
    }

    /// Notes that a peer has sent all statements of a library that it knows. Lost records of that library
    /// that have no id, or of which only the newest is kept, are no longer expected after that.
    pub(crate) fn heard_all(&self, library: &LibraryId) -> Result<()> {
        let Some(all) = self.note_heard(library)? else { return Ok(()) };
        Ok(self.context.store.disk_ledger()?.heard_all(library, all)?)
    }

    /// Gives up lost records of a library that an operator publishes with `--force`: where no other node has
    /// the library, they would stay lost forever.
    pub(crate) fn go_on_without_lost(&self, library: &Library, job: &Job) -> Result<()> {
        if self.check_not_lost(Some(&library.id())).is_ok() {
            return Ok(());
        }
        let what = format!("continues without the records of {} that the ledger has lost", library.name());
        job.note(format!("{what}; a member that knows a lost release refuses one that contradicts it"));
        self.context.note(Event::new(Verb::Heal, what).of(library.id()));
        let Some(all) = self.note_heard(&library.id())? else { return Ok(()) };
        Ok(self.context.store.disk_ledger()?.give_up(&library.id(), all)?)
    }

    /// Notes that a library is complete without the lost records that name no library. Returns whether every
    /// library is; `None` where no record is lost.
    fn note_heard(&self, library: &LibraryId) -> Result<Option<bool>> {
        let lost = self.context.ledger().lost()?;
        if lost.is_empty() {
            return Ok(None);
        }
        let unnamed = lost.iter().filter(|lost| lost.library.is_none()).map(|lost| lost.last);
        let last = unnamed.max().unwrap_or(0);
        heard::note(&self.context.home, library, last)?;
        let mut known = self.all().into_iter().map(|library| library.id());
        Ok(Some(self.left_out().is_empty() && known.all(|id| heard::read(&self.context.home, &id) >= last)))
    }

    /// Whether a record is lost or a library is left out.
    pub(crate) fn has_lost(&self) -> bool {
        let is_lost = self.context.ledger().lost().is_ok_and(|lost| !lost.is_empty());
        is_lost || !self.left_out().is_empty()
    }

    /// Refuses to sign for a library while the ledger has lost records that may be its own: a new statement
    /// could contradict a lost one. A home that was restored from a backup has lost its whole ledger.
    ///
    /// # Errors
    ///
    /// Corrupt, with the remedy.
    pub(crate) fn check_not_lost(&self, library: Option<&LibraryId>) -> Result<()> {
        let lost = self.context.ledger().lost()?;
        let concerns = |lost: &LostRecord| match (&lost.library, library) {
            (Some(own), Some(library)) => own == library,
            (None, Some(library)) => heard::read(&self.context.home, library) < lost.last,
            (_, None) => true,
        };
        if !lost.iter().any(concerns) {
            return Ok(());
        }
        Err(Failure::new(
            Exit::Corrupt,
            "the ledger has lost records, and a statement that is signed now may contradict one that was signed before; \
             `chuan pull` with the option `from HOST:PORT` gets the records from a mirror, and a publish with the option `force` goes \
             on without them",
        ))
    }

    /// The same for statements that a command of this home has signed, which it offers `unopposed`. Roots are
    /// signed elsewhere, and a known statement adds nothing.
    pub(super) fn check_own_not_lost(
        &self,
        id: &LibraryId,
        offered: &[Statement],
        unopposed: bool,
    ) -> Result<()> {
        let known = self.get(id);
        let is_new = |statement: &Statement| {
            let is_known = known.as_ref().is_some_and(|known| known.statement(&statement.id()).is_some());
            statement.kind() != StatementKind::Root && !is_known
        };
        if unopposed && offered.iter().any(is_new) { self.check_not_lost(Some(id)) } else { Ok(()) }
    }

    /// The libraries to exchange statements about: known ones, and those that are left out.
    pub(crate) fn exchanged(&self) -> Vec<LibraryId> {
        let known = self.all().into_iter().map(|library| library.id());
        known.chain(self.left_out().into_keys()).collect()
    }
}

/// The first roots that are kept beside the keys: they survive the loss of the ledger, and a crash while a
/// library is founded. An unreadable root is skipped with a warning.
pub(crate) fn roots_of(home: &Home) -> Vec<Statement> {
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

/// The libraries of which peers are remembered as sources.
pub(crate) fn sources_of(home: &Home) -> Vec<LibraryId> {
    let peers = home.peers().unwrap_or_default();
    peers.iter().flat_map(|peer| &peer.libraries).filter_map(|id| id.parse().ok()).collect()
}

/// Problems of `verify` that are listed; further ones are only counted.
const NAMED: usize = 20;

/// Lists a problem, where there is room.
pub(crate) fn name(verified: &mut Verified, problem: impl FnOnce() -> String) {
    if verified.problems.len() < NAMED {
        verified.problems.push(problem());
    }
}
