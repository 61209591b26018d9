//! Completes a release after the pull's answer: walks it class by class, requests missing data by position,
//! and marks each class when it is whole.

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
    /// Called after the pull's answer: determines the classes to complete and their sums.
    pub(super) fn begin_completing(&mut self, end: End) -> Result<()> {
        self.intake.settle()?;
        let table = self.table()?.clone();
        let mut came = std::mem::take(&mut self.headers);
        let mut absent = Vec::new();
        for (slot, commitment) in table.classes {
            let header = match came.remove(&commitment) {
                Some(header) => Some(header),
                // A class whose grant was withdrawn is not requested.
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
        self.count_if_short();
        self.begin_pass(0);
        Ok(())
    }

    fn asks_for(&self, class: &str) -> bool {
        self.options.classes.is_empty() || self.options.classes.iter().any(|name| name == class)
    }

    /// Checks that every class that must come did come; `absent` are the slots of the classes that did not.
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
        // Only a source that holds all classes can tell a class that is not granted from one that it does not
        // hold.
        let lacking = (!end.complete).then(|| self.claim.named_and_not_in(&came)).flatten();
        if let Some(class) = withheld.or_else(|| lacking.map(|name| format!("`{name}`"))) {
            return Err(Error::Missing(format!(
                "the source does not hold class {class}, or withholds it, or the release has no such class; pull from \
                 another source, and if none has it, ask an operator what `chuan members` shows as granted"
            )));
        }
        if came.is_empty() {
            let named = self.claim.named();
            return Err(Error::Missing(match named.as_slice() {
                [] => "no class of the release is granted to this node".to_owned(),
                named => format!(
                    "no class of the release is granted to this node: its grant names `{}`, and the release has no \
                     such class; an operator changes that with `chuan grant`",
                    named.join("`, `")
                ),
            }));
        }
        Ok(())
    }

    pub(super) fn begin_pass(&mut self, barren: u32) {
        self.wants = self.left.last().map_or_else(Wants::default, |(_, header)| Wants::new(header));
        self.pass = Pass { undelivered: 0, before: self.intake.report.fetched(), barren, have: None };
    }

    /// The versions of the current class that are held whole: the bases from which the source may make
    /// deltas. None after a delta failed, since the held data may be damaged.
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

    /// Ends the walk over a class. The class is whole, or is walked again as long as that brings data.
    pub(super) fn end_pass(&mut self) -> Result<()> {
        self.intake.commit()?;
        let Some((commitment, header)) = self.left.last().cloned() else {
            return if self.is_counting() { self.check_room() } else { self.finish() };
        };
        let Pass { undelivered, before, barren, .. } = self.pass;
        let is_barren = before == self.intake.report.fetched();
        // Deltas were of no use in this pass; the next pass requests the chunks in full.
        let is_asked_anew =
            self.pass.have.as_ref().is_some_and(|have| !have.is_empty()) && !self.intake.trusts_deltas();
        let is_done = undelivered == 0 && (self.only_counts() || self.is_whole(&commitment, &header)?);
        if is_done {
            let class = self.left.pop();
            self.note_counted(class);
            self.begin_pass(0);
        } else if is_barren && !is_asked_anew && (undelivered > 0 || barren >= BARREN_PASSES) {
            return Err(Error::Missing(format!(
                "the source lacks {undelivered} pages or chunks of class `{}`; pull from another source too",
                header.name
            )));
        } else {
            // Some data did not come, or was found damaged here only now. The next pass requests it.
            self.begin_pass(if is_barren { barren + 1 } else { 0 });
        }
        Ok(())
    }

    /// Walks a class once more, over durable data, and marks it where it is whole.
    fn is_whole(&mut self, commitment: &Commitment, header: &ClassHeader) -> Result<bool> {
        match verify::mark_full(self.intake.store(), commitment, &mut Missing::up_to(1)) {
            Ok(walked) => Ok(walked.state == PageState::Full),
            // The header was held, but is damaged.
            Err(Error::Corrupt(_) | Error::Missing(_)) => {
                self.intake.document(commitment.as_page(), header.encode().into())?;
                self.intake.commit()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// All data is whole and durable. Only now the statements are handed to the caller, who stores them.
    fn finish(&mut self) -> Result<()> {
        self.phase = Phase::Done;
        if self.options.is_dry_run {
            return Ok(());
        }
        let target = self.resolve()?;
        // A path of another class that a limited publisher took shows only where both classes are held. This
        // node refuses such a release.
        self.claim.check_trespass(self.intake.store(), &target.release)?;
        self.intake.report.statements = self.claim.statements(&target);
        self.intake.report.done = true;
        Ok(())
    }
}
