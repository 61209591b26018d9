//! `verify` and `rebuild`: whether what should be held is held, and the index made anew from what is.

use std::{collections::BTreeSet, time::Instant};

use chuan_engine::{
    Error,
    audit::{Event, Verb},
    id::{LibraryId, ManifestId},
    manifest::table::ClassTable,
    statement::Library,
    store::{ObjectId, PageState},
    verify::{ClassReport, Report, structure},
};

use super::{Inner, Node, report::Reporter};
use crate::{
    command::Verify,
    exit::{Failure, Result},
    job::Job,
    outcome::{Rebuilt, Verified},
};

/// Problems that are named; the rest are counted.
const NAMED: usize = 20;
/// Missing things that are listed per release, to be named.
const LISTED: usize = 20;

impl Node {
    /// Walks every release that is held and checks that all it names is held too; with `deep`, reads every stored byte
    /// against its hash first. Finding something is an answer, not a failure.
    pub async fn verify(&self, options: Verify, job: &Job) -> Result<Verified> {
        let job = job.clone();
        self.blocking(move |node| {
            let begun = Instant::now();
            let mut verified = Verified { deep: options.deep, ..Verified::default() };
            // First, since what it finds damaged is missing from then on.
            if options.deep {
                node.scrub(&mut verified, &job)?;
            }
            node.verify_ledger(&mut verified, &job)?;
            for library in node.libraries.all() {
                node.walk(&library, &mut verified, &job)?;
            }
            if verified.corrupt > 0 {
                let found =
                    format!("verify found {} damaged and {} missing", verified.corrupt, verified.missing);
                node.note(Event::new(Verb::Heal, found));
            }
            verified.ok = verified.missing == 0 && verified.corrupt == 0;
            verified.seconds = begun.elapsed().as_secs_f64();
            Ok(verified)
        })
        .await
    }

    /// Builds the index anew from the segments, while other commands and peers go on with the old one. Fails with
    /// [`Exit::Busy`](crate::Exit::Busy) where another rebuild is under way.
    pub async fn rebuild(&self, job: &Job) -> Result<Rebuilt> {
        let job = job.clone();
        self.blocking(move |node| node.rebuild(&job)).await
    }
}

impl Inner {
    fn scrub(&self, verified: &mut Verified, job: &Job) -> Result<()> {
        let reporter = std::cell::RefCell::new(Reporter::new(job, "verify"));
        let progress = |done, total| reporter.borrow_mut().bytes(done, total);
        let report = self.store.disk().scrub(&progress, job.cancel().flag())?;
        verified.bytes = report.bytes;
        for damage in &report.damage {
            // What was damaged is lost from then on; what is held all the same was stored again elsewhere.
            let named = damage.library.zip(damage.id);
            if named.is_some_and(|(library, id)| self.is_held(&library, id).unwrap_or(false)) {
                verified.superseded += 1;
                continue;
            }
            let (file, offset, what) = (damage.file.display(), damage.offset, &damage.what);
            name(verified, || format!("{file} at {offset}: {what}"));
        }
        verified.corrupt += report.damaged.saturating_sub(verified.superseded);
        if report.unindexed > 0 {
            verified.missing += report.unindexed;
            name(verified, || {
                format!(
                    "{} whole records are not in the index; `chuan rebuild` brings them back",
                    report.unindexed
                )
            });
        }
        Ok(())
    }

    fn is_held(&self, library: &LibraryId, id: ObjectId) -> Result<bool> {
        let objects = self.objects(library);
        if objects.lost()?.contains(&id) {
            return Ok(false);
        }
        Ok(match id {
            ObjectId::Chunk(id) => objects.has_chunks(&[id])? == [true],
            ObjectId::Page(id) => objects.page_states(&[id])?.iter().all(|state| *state > PageState::Absent),
        })
    }

    /// Walks the releases of a library: those on which a channel stands here must be held, and others that once were. What is
    /// known of a release says nothing of its data, and a pull that was cut short leaves a part of it.
    fn walk(&self, library: &Library, verified: &mut Verified, job: &Job) -> Result<()> {
        let mut absent = BTreeSet::new();
        let objects = self.objects(&library.id());
        let whole = self.note_whole_releases(library)?;
        for said in library.releases() {
            job.check()?;
            let release = said.statement.id();
            let table = said.body.manifest.as_page();
            let current = self.stands_here(library, &release)?;
            let lost = || Ok::<_, Failure>(objects.lost()?.contains(&ObjectId::Page(table)));
            if !whole.contains(&said.body.manifest) && !current && !lost()? {
                continue;
            }
            verified.releases += 1;
            let context = format!("{}@{}", library.name(), said.statement.sequence());
            match structure(&*objects, &said.body.manifest, LISTED) {
                Ok(report) => absent.extend(self.take_report(library, verified, &context, &report)),
                Err(error @ (Error::Missing(_) | Error::Corrupt(_) | Error::Invalid(_))) => {
                    let missing = matches!(error, Error::Missing(_));
                    *(if missing { &mut verified.missing } else { &mut verified.corrupt }) += 1;
                    name(verified, || format!("{context}: {error}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
        verified.classes_absent += absent.len() as u64;
        Ok(())
    }

    /// Notes outside the index which releases of a library were whole here, as far as the index remembers. Gives their manifests,
    /// and those that were noted before.
    fn note_whole_releases(&self, library: &Library) -> Result<BTreeSet<ManifestId>> {
        let mut whole = Vec::new();
        for said in library.releases() {
            if self.was_whole(library, &said.body.manifest)? {
                whole.push(said.body.manifest);
            }
        }
        self.home.note_whole(&library.id(), whole)
    }

    /// Whether all classes of a manifest whose headers are held are remembered as having been whole here.
    fn was_whole(&self, library: &Library, manifest: &ManifestId) -> Result<bool> {
        let objects = self.objects(&library.id());
        let Ok(table) = ClassTable::load(&*objects, manifest) else { return Ok(false) };
        let headers: Vec<_> = table.classes.iter().map(|(_, commitment)| commitment.as_page()).collect();
        let mut states = objects.page_states(&headers)?;
        states.retain(|state| *state != PageState::Absent);
        Ok(!states.is_empty() && states.iter().all(|state| *state == PageState::Full))
    }

    /// Takes up what was found of a release; gives the slots of the classes that are not granted here.
    fn take_report(
        &self,
        library: &Library,
        verified: &mut Verified,
        context: &str,
        report: &Report,
    ) -> Vec<u8> {
        let mut absent = Vec::new();
        for class in &report.classes {
            verified.pages += class.walked.pages;
            verified.chunks += class.walked.chunks;
            // What is not granted any more need not be whole.
            match class.walked.state == PageState::Full || self.is_granted(library, &class.header.name) {
                true => take_class(verified, context, class),
                false => absent.push(class.header.slot),
            }
        }
        for (slot, commitment) in &report.absent {
            if self.is_granted_all(library) {
                verified.missing += 1;
                name(verified, || format!("{context}: class header {} is not held", commitment.short()));
            } else {
                absent.push(*slot);
            }
        }
        absent
    }

    /// Remembers again which releases are whole, which the index knew before.
    fn mark_all(&self) {
        for library in self.libraries.all() {
            for said in library.releases() {
                let Ok(held) = self.held(&library, &said.body.manifest) else { continue };
                held.classes.iter().for_each(|class| self.mark(&library.id(), &class.commitment));
            }
        }
    }

    fn rebuild(&self, job: &Job) -> Result<Rebuilt> {
        let begun = Instant::now();
        self.libraries.all().iter().try_for_each(|library| self.note_whole_releases(library).map(drop))?;
        let reporter = std::cell::RefCell::new(Reporter::new(job, "rebuild"));
        let report = self.store.disk().rebuild(&|done, total| reporter.borrow_mut().bytes(done, total))?;
        self.mark_all();
        let lost = report.damage.len();
        // They are not derived, and stand as they were.
        let statements = self.libraries.all().iter().map(|library| library.statements().len() as u64).sum();
        self.note(Event::new(Verb::Heal, format!("the index was rebuilt; {lost} records are damaged")));
        Ok(Rebuilt {
            segments: report.segments,
            chunks: report.chunks,
            pages: report.pages,
            statements,
            lost: report.damage.len() as u64,
            problems: report.damage.into_iter().take(NAMED).collect(),
            seconds: begun.elapsed().as_secs_f64(),
        })
    }
}

fn take_class(verified: &mut Verified, context: &str, class: &ClassReport) {
    let missing = &class.missing;
    for page in &missing.pages {
        verified.missing += 1;
        name(verified, || format!("{context}: page {} is not held", page.id.short()));
    }
    for (_, chunk) in &missing.chunks {
        verified.missing += 1;
        name(verified, || format!("{context}: chunk {} ({} bytes) is not held", chunk.id.short(), chunk.len));
    }
    if missing.is_empty() && class.walked.state != PageState::Full {
        verified.missing += 1;
        name(verified, || format!("{context}: class {} is not whole", class.header.name));
    }
}

pub(super) fn name(verified: &mut Verified, problem: impl FnOnce() -> String) {
    if verified.problems.len() < NAMED {
        verified.problems.push(problem());
    }
}
