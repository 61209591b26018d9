//! The first frames of the answer to a pull: statements, then the class table and headers, or the list of
//! releases that the source holds instead.
//!
//! Owns the decision which release the answer is about. A source that is behind is not faulty: the fetch
//! leaves it and reports what it holds.

use bytes::Bytes;

use super::{Fetch, Phase, claim::Target};
use crate::{
    error::{Error, Result},
    id::{Commitment, ManifestId},
    limits::FETCH_TURNS,
    manifest::table::{ClassHeader, ClassTable},
    sync::{
        message::{End, Holding, Want},
        place::PageRef,
    },
};

impl Fetch {
    pub(super) fn take_table(&mut self, bytes: Bytes) -> Result<()> {
        let target = self.resolve()?;
        if ManifestId::of(&self.claim.library(), &bytes) != target.manifest {
            return Err(mismatch());
        }
        self.table = Some(ClassTable::decode(&bytes)?);
        self.intake.document(target.manifest.as_page(), bytes)
    }

    pub(super) fn take_header(&mut self, bytes: Bytes) -> Result<()> {
        let commitment = Commitment::of(&self.claim.library(), &bytes);
        if self.headers.contains_key(&commitment) {
            self.intake.waste(bytes.len(), bytes.len());
            return Ok(());
        }
        let named = self.table()?.classes.iter().find(|(_, named)| *named == commitment);
        let slot = named.map(|(slot, _)| *slot);
        let header = ClassHeader::decode(&bytes)?;
        if slot != Some(header.slot) {
            return Err(Error::Peer(format!("class header {} is not in the table", commitment.short())));
        }
        self.check_name(&header)?;
        self.intake.expect(PageRef::root(&header));
        self.headers.insert(commitment, header);
        self.intake.report.add_up(self.headers.values());
        self.intake.document(commitment.as_page(), bytes)
    }

    /// Makes sure that a class header has the name that the release lists. The publisher's key was authorized
    /// for the listed name, while nodes read the class by the header's name.
    pub(super) fn check_name(&mut self, header: &ClassHeader) -> Result<()> {
        let release = self.resolve()?.release;
        match self.claim.listed_as(&release, header.slot) {
            Some(listed) if listed != header.name => Err(Error::Invalid(format!(
                "the release lists the class in slot {} as `{listed}`, but its header names it `{}`: its \
                 publisher made an invalid release; an operator can move the channel to another release",
                header.slot, header.name
            ))),
            _ => Ok(()),
        }
    }

    /// The wanted release, by the statements that came before.
    pub(super) fn resolve(&mut self) -> Result<Target> {
        if let Some(target) = self.target {
            return Ok(target);
        }
        let target = self.claim.resolve()?;
        self.take_target(target);
        Ok(target)
    }

    /// The class table: the one that came, else the held one.
    pub(super) fn table(&mut self) -> Result<&ClassTable> {
        let target = self.resolve()?;
        if self.table.is_none() {
            let held = ClassTable::load(self.intake.store(), &target.manifest);
            self.table = Some(held.map_err(|_| absent())?);
        }
        self.table.as_ref().ok_or_else(absent)
    }

    /// Whether the rest of the pull's answer is about an older release than the wanted one, by the statements
    /// before it. It is useless then.
    pub(super) fn is_outdated(&mut self) -> Result<bool> {
        if self.target.is_none() {
            self.resolve()?;
            if let Some(heard) = self.claim.superseded() {
                self.intake.report.is_source_behind = true;
                self.holding = Some(Holding { heard: Some(heard), held: Vec::new() });
            }
        }
        Ok(self.holding.is_some())
    }

    /// Records that the source does not have the release, and what it holds.
    pub(super) fn take_holding(&mut self, holding: Holding) -> Result<()> {
        if self.holding.is_some() || !matches!(self.claim.want(), Want::Channel(_)) {
            return Err(Error::Peer("an unexpected Holding frame".into()));
        }
        self.claim.verify_offered()?;
        self.intake.report.is_source_behind = true;
        self.holding = Some(holding);
        Ok(())
    }

    /// Ends the pull's answer. Data that it did not bring is requested by position, if the source has the
    /// release at all.
    pub(super) fn end_pull(&mut self, end: End) -> Result<()> {
        // Where only statements came, the release that they name is determined only now.
        if self.holding.is_none() {
            self.is_outdated()?;
        }
        let Some(holding) = self.holding.take() else {
            self.phase = Phase::Completing;
            return self.begin_completing(end);
        };
        let announced = self.claim.announced();
        if announced.is_some() && announced != self.asked_for && self.turns < FETCH_TURNS {
            // Its statements named a newer release than the one known here.
            self.turns += 1;
            (self.phase, self.target) = (Phase::New, None);
            self.intake.report.is_source_behind = false;
            return Ok(());
        }
        self.intake.report.holding = Some(holding);
        let target = self.claim.target();
        match target.filter(|target| self.claim.is_here(self.intake.store(), target)) {
            Some(target) => {
                self.take_target(target);
                self.phase = Phase::Completing;
                self.begin_completing(End { complete: true, ..End::default() })
            }
            None => {
                self.phase = Phase::Done;
                Ok(())
            }
        }
    }

    fn take_target(&mut self, target: Target) {
        self.intake.report.release = Some(target.release);
        self.intake.report.sequence = target.sequence;
        self.target = Some(target);
    }
}

fn mismatch() -> Error {
    Error::Peer("the source's class table is not the one that the release names".into())
}

fn absent() -> Error {
    Error::Peer("the source sent no class table of the release".into())
}
