//! What a release lacks after the pull's answer: walked class by class, asked for by position, and marked when it is whole.

use super::{Fetch, Pass, Phase, wants::Wants};
use crate::{
    error::{Error, Result},
    id::Commitment,
    limits::BARREN_PASSES,
    manifest::table::ClassHeader,
    store::PageState,
    sync::message::End,
    verify::{self, Missing},
};

impl Fetch {
    /// After the pull's answer: knows what is to be complete, and what it adds up to.
    pub(super) fn begin_completing(&mut self, end: End) -> Result<()> {
        self.intake.settle()?;
        let table = self.table()?.clone();
        let mut came = std::mem::take(&mut self.headers);
        let mut absent = Vec::new();
        for (slot, commitment) in table.classes {
            let header = match came.remove(&commitment) {
                Some(header) => Some(header),
                // What was granted once and is not any more is not asked for.
                None => ClassHeader::load(self.intake.store(), &commitment)
                    .ok()
                    .filter(|header| self.claim.is_granted(&header.name)),
            };
            match header {
                Some(header) if self.asks_for(&header.name) => {
                    self.check_name(&header)?;
                    self.left.push((commitment, header));
                }
                Some(_) => {}
                None => absent.push(slot),
            }
        }
        self.check_classes(&absent, end)?;
        self.intake.report.classes_absent = absent.len() as u64;
        self.intake.report.add_up(self.left.iter().map(|(_, header)| header));
        self.begin_pass(0);
        Ok(())
    }

    fn asks_for(&self, class: &str) -> bool {
        self.options.classes.is_empty() || self.options.classes.iter().any(|name| name == class)
    }

    /// Makes sure that all is there to be fetched that must be, where the classes in the slots `absent` did not come.
    fn check_classes(&self, absent: &[u8], end: End) -> Result<()> {
        let came: Vec<_> = self.left.iter().map(|(_, header)| header.name.as_str()).collect();
        if let Some(name) = self.options.classes.iter().find(|name| !came.contains(&name.as_str())) {
            return Err(Error::Missing(format!(
                "the release has no class `{name}`, or the source withholds it"
            )));
        }
        if !self.options.classes.is_empty() || absent.is_empty() {
            return Ok(());
        }
        let store = self.intake.store();
        let withheld = absent.iter().find_map(|slot| self.claim.due(store, *slot));
        // Only a source that holds all classes can tell what is not granted from what it does not have.
        let lacking = (!end.complete).then(|| self.claim.named_and_not_in(&came)).flatten();
        if let Some(class) = withheld.or_else(|| lacking.map(|name| format!("`{name}`"))) {
            return Err(Error::Missing(format!(
                "the source does not hold class {class}, or withholds it; pull from another source"
            )));
        }
        if came.is_empty() {
            return Err(Error::Missing("no class of the release is granted to this node".into()));
        }
        Ok(())
    }

    fn begin_pass(&mut self, barren: u32) {
        self.wants = self.left.last().map_or_else(Wants::default, |(_, header)| Wants::new(header));
        self.pass = Pass { undelivered: 0, before: self.intake.report.fetched(), barren, have: None };
    }

    /// The versions of the class that is being completed that are held whole, for the source to say what differs from them;
    /// none once that was of no use, since what is held may be damaged.
    pub(super) fn versions(&mut self) -> Result<Vec<Commitment>> {
        if let Some(have) = &self.pass.have {
            return Ok(have.clone());
        }
        let have = match self.left.last() {
            Some((_, header)) if self.intake.trusts_deltas() => {
                self.claim.versions(self.intake.store(), header.slot)?
            }
            _ => Vec::new(),
        };
        self.intake.set_bases(&have);
        self.pass.have = Some(have.clone());
        Ok(have)
    }

    /// A class has been walked to its end: it is whole, or is walked again as long as that brings something.
    pub(super) fn end_pass(&mut self) -> Result<()> {
        self.intake.commit()?;
        let Some((commitment, header)) = self.left.last().cloned() else { return self.finish() };
        let Pass { undelivered, before, barren, .. } = self.pass;
        let is_barren = before == self.intake.report.fetched();
        // What came as what differs was of no use, and comes as it is in the next pass.
        let is_asked_anew =
            self.pass.have.as_ref().is_some_and(|have| !have.is_empty()) && !self.intake.trusts_deltas();
        let is_done = undelivered == 0 && (self.options.is_dry_run || self.is_whole(&commitment, &header)?);
        if is_done {
            self.left.pop();
            self.begin_pass(0);
        } else if is_barren && !is_asked_anew && (undelivered > 0 || barren >= BARREN_PASSES) {
            return Err(Error::Missing(format!(
                "the source lacks {undelivered} pages or chunks of class `{}`; pull from another source too",
                header.name
            )));
        } else {
            // Something did not come, or was found damaged here only now, and the next pass wants it.
            self.begin_pass(if is_barren { barren + 1 } else { 0 });
        }
        Ok(())
    }

    /// Walks a class once more, over what is durable, and marks what is whole.
    fn is_whole(&mut self, commitment: &Commitment, header: &ClassHeader) -> Result<bool> {
        match verify::mark_full(self.intake.store(), commitment, &mut Missing::up_to(1)) {
            Ok(walked) => Ok(walked.state == PageState::Full),
            // The header was held, and turns out to be damaged.
            Err(Error::Corrupt(_) | Error::Missing(_)) => {
                self.intake.document(commitment.as_page(), header.encode().into())?;
                self.intake.commit()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Everything is whole and durable: only now do the statements become known here, and the channel moves last.
    fn finish(&mut self) -> Result<()> {
        self.phase = Phase::Done;
        if self.options.is_dry_run {
            return Ok(());
        }
        let target = self.resolve()?;
        // What a limited publisher took of another class shows only where both are: the release is not this node's.
        self.claim.check_trespass(self.intake.store(), &target.release)?;
        let records = self.claim.keepsakes(&*self.ledger, &target)?;
        if !records.is_empty() {
            self.ledger.append(records)?;
        }
        self.intake.report.done = true;
        Ok(())
    }
}
