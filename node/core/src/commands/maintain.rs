//! `verify` and `rebuild`: checks that every object of a release is here, and builds the index again from the
//! segments.

use std::{collections::BTreeSet, sync::Arc};

use chuan_engine::{
    Error,
    audit::{Event, Verb},
    id::{LibraryId, ManifestId},
    manifest::table::ClassTable,
    statement::Library,
    store::{ObjectId, PageState},
    verify::{ClassReport, Report, structure},
};
use chuan_storage::scrub::{Damage, ScrubReport};

use crate::{
    command::Verify,
    context::Context,
    exit::{Failure, Result},
    home::whole,
    human::counted,
    job::Job,
    library::{LibraryService, holdings::Holdings, lost::name},
    outcome::{Rebuilt, Verified},
    report::Reporter,
    services::Services,
};

/// The maximum number of damaged records that `rebuild` lists; further ones are only counted.
const NAMED: usize = 20;
/// The maximum number of missing objects that are listed per release.
const LISTED: usize = 20;

/// Walks every held release and checks that every object it names is held. With `deep`, first compares every
/// stored byte with its hash. A finding is an answer, not a failure.
pub(crate) async fn verify(services: &Arc<Services>, options: Verify, job: &Job) -> Result<Verified> {
    let job = job.clone();
    services
        .blocking(move |services| {
            let Services { context, library: service, .. } = services;
            let begun = context.clock.instant();
            let mut verified = Verified { deep: options.deep, ..Verified::default() };
            // First, since an object that it finds damaged is missing from then on.
            let scrubbed = match options.deep {
                true => scrub(context, &mut verified, &job)?,
                false => ScrubReport::default(),
            };
            let ids = |damage: &Damage| damage.library.zip(damage.id);
            let damaged = scrubbed.damage.iter().filter_map(ids).collect();
            service.verify_ledger(&mut verified, &job)?;
            for library in service.all() {
                walk(context, service, &library, (&mut verified, &damaged), &job)?;
            }
            count_damage(context, &mut verified, scrubbed, &job);
            if verified.corrupt > 0 {
                let found =
                    format!("verify found {} damaged and {} missing", verified.corrupt, verified.missing);
                context.note(Event::new(Verb::Heal, found));
            }
            verified.problems_total = verified.missing + verified.corrupt;
            verified.ok = verified.missing == 0 && verified.corrupt == 0;
            verified.seconds = begun.elapsed().as_secs_f64();
            Ok(verified)
        })
        .await
}

/// Builds the index again from the segments, while other commands and peers use the old one. Fails with
/// [`Exit::Busy`](crate::Exit::Busy) if another rebuild is under way.
pub(crate) async fn rebuild(services: &Arc<Services>, job: &Job) -> Result<Rebuilt> {
    let job = job.clone();
    services.blocking(move |services| rebuild_index(&services.context, &services.library, &job)).await
}

/// Objects that a scrub found damaged; they are counted as such.
type Damaged = BTreeSet<(LibraryId, ObjectId)>;

/// Compares every stored byte with its hash. The damage is counted after the walk, which tells whether it
/// does harm.
fn scrub(context: &Context, verified: &mut Verified, job: &Job) -> Result<ScrubReport> {
    let reporter = std::cell::RefCell::new(Reporter::new(job, "verify", context.clock));
    let progress = |done, total| reporter.borrow_mut().bytes(done, total);
    let report = context.store.disk()?.scrub(&progress, job.cancel().flag())?;
    verified.bytes = report.bytes;
    if report.unindexed > 0 {
        verified.missing += report.unindexed;
        name(verified, || {
            format!("{} valid records are not in the index; `chuan rebuild` adds them", report.unindexed)
        });
    }
    Ok(report)
}

/// Counts the damage that a scrub found, and lists what does harm before the findings of the walk.
fn count_damage(context: &Context, verified: &mut Verified, report: ScrubReport, job: &Job) {
    let walked = std::mem::take(&mut verified.problems);
    let is_whole = walked.is_empty();
    for damage in &report.damage {
        let (file, offset, what) = (damage.file.display(), damage.offset, &damage.what);
        let is_harmless = !damage.is_header_lost
            && (is_whole || does_no_harm(context, damage.library, damage.id, damage.is_gap));
        if !is_harmless {
            name(verified, || format!("{file} at {offset}: {what}"));
            continue;
        }
        verified.superseded += 1;
        if verified.superseded <= NAMED as u64 {
            job.note(format!("{file} at {offset}: {what}; it does no harm"));
        }
    }
    let unlisted = report.damaged.saturating_sub(report.damage.len() as u64);
    verified.superseded += if is_whole { unlisted } else { 0 };
    verified.corrupt += report.damaged.saturating_sub(verified.superseded);
    walked.into_iter().for_each(|problem| name(verified, || problem));
}

/// Whether a damaged place in a segment does no harm although something is missing. The index has another
/// record of its object; or the place is a gap, and no object of the library is lost: a scrub has compared
/// the index with all records. Where nothing is missing, no release and so no acknowledged data needs the
/// place.
fn does_no_harm(context: &Context, library: Option<LibraryId>, id: Option<ObjectId>, is_gap: bool) -> bool {
    let Some(library) = library else { return false };
    match id {
        Some(id) => is_held(context, &library, id).unwrap_or(false),
        None => is_gap && context.objects(&library).lost().is_ok_and(|lost| lost.is_empty()),
    }
}

fn is_held(context: &Context, library: &LibraryId, id: ObjectId) -> Result<bool> {
    let objects = context.objects(library);
    if objects.lost()?.contains(&id) {
        return Ok(false);
    }
    Ok(match id {
        ObjectId::Chunk(id) => objects.has_chunks(&[id])? == [true],
        ObjectId::Page(id) => objects.page_states(&[id])?.iter().all(|state| *state > PageState::Absent),
    })
}

/// Walks the releases of a library that must be held: those to which a channel points here, and those that
/// were complete here before. For other releases, the statement may be known without the data, and a pull
/// that did not end leaves a part of the data.
fn walk(
    context: &Context,
    service: &LibraryService,
    library: &Library,
    (verified, damaged): (&mut Verified, &Damaged),
    job: &Job,
) -> Result<()> {
    let mut absent = BTreeSet::new();
    let of_library = damaged.iter().filter(|(of, _)| *of == library.id()).map(|(_, id)| *id);
    let mut seen = Seen { damaged: of_library.collect(), named: BTreeSet::new(), was_here: false };
    let objects = context.objects(&library.id());
    let whole = note_whole_releases(context, library)?;
    // A pull that did not end may be the first one of a class.
    let is_pulling = context.home.pull_unfinished(&library.id());
    for said in library.releases() {
        job.check()?;
        let release = said.statement.id();
        let table = said.body.manifest.as_page();
        let current = service.is_current_here(library, &release)?;
        let lost = || Ok::<_, Failure>(objects.lost()?.contains(&ObjectId::Page(table)));
        if !whole.contains(&said.body.manifest) && !current && !lost()? {
            continue;
        }
        verified.releases += 1;
        seen.was_here = whole.contains(&said.body.manifest) && !is_pulling;
        let context = format!("{}@{}", library.name(), said.statement.sequence());
        match structure(&*objects, &said.body.manifest, LISTED) {
            Ok(report) => {
                let into = (&mut *verified, &mut seen);
                absent.extend(take_report(&service.holdings, library, into, &context, &report));
            }
            Err(error @ (Error::Missing(_) | Error::Corrupt(_) | Error::Invalid(_))) => {
                let missing = matches!(error, Error::Missing(_));
                *(if missing { &mut verified.missing } else { &mut verified.corrupt }) += 1;
                verified.lost += u64::from(missing && seen.was_here);
                name(verified, || format!("{context}: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    verified.classes_absent += absent.len() as u64;
    Ok(())
}

/// Notes outside the index the releases of a library that were whole here by the marks of the index. Returns
/// their manifests and those that were noted before.
fn note_whole_releases(context: &Context, library: &Library) -> Result<BTreeSet<ManifestId>> {
    let mut whole = Vec::new();
    for said in library.releases() {
        if was_whole(context, library, &said.body.manifest)? {
            whole.push(said.body.manifest);
        }
    }
    if context.store.read_only().is_some() {
        let mut known = whole::read(&context.home, &library.id())?;
        known.extend(whole);
        return Ok(known);
    }
    whole::note(&context.home, &library.id(), whole)
}

/// Whether the marks show that all classes of a manifest whose headers are held were whole here.
fn was_whole(context: &Context, library: &Library, manifest: &ManifestId) -> Result<bool> {
    let objects = context.objects(&library.id());
    let Ok(table) = ClassTable::load(&*objects, manifest) else { return Ok(false) };
    let headers: Vec<_> = table.classes.iter().map(|(_, commitment)| commitment.as_page()).collect();
    let mut states = objects.page_states(&headers)?;
    states.retain(|state| *state != PageState::Absent);
    Ok(!states.is_empty() && states.iter().all(|state| *state == PageState::Full))
}

/// Adds the report on a release; returns the slots of the classes that are not granted here.
fn take_report(
    holdings: &Holdings,
    library: &Library,
    (verified, seen): (&mut Verified, &mut Seen),
    context: &str,
    report: &Report,
) -> Vec<u8> {
    let mut absent = Vec::new();
    for class in &report.classes {
        verified.pages += class.walked.pages;
        verified.chunks += class.walked.chunks;
        // A class that is no longer granted need not be whole.
        match class.walked.state == PageState::Full || holdings.is_granted(library, &class.header.name) {
            true => take_class(verified, seen, context, class),
            false => absent.push(class.header.slot),
        }
    }
    for (slot, commitment) in &report.absent {
        if !holdings.is_granted_all(library) {
            absent.push(*slot);
        } else if seen.is_new(ObjectId::Page(commitment.as_page()), false, verified) {
            name(verified, || format!("{context}: class header {} is not held", commitment.short()));
        }
    }
    absent
}

/// Writes the marks of whole releases again, which the rebuild removed.
fn mark_all(service: &LibraryService) {
    for library in service.all() {
        for said in library.releases() {
            let Ok(held) = service.holdings.held(&library, &said.body.manifest) else { continue };
            held.classes.iter().for_each(|class| service.holdings.mark(&library.id(), &class.commitment));
        }
    }
}

fn rebuild_index(context: &Context, service: &LibraryService, job: &Job) -> Result<Rebuilt> {
    let begun = context.clock.instant();
    service.all().iter().try_for_each(|library| note_whole_releases(context, library).map(drop))?;
    let reporter = std::cell::RefCell::new(Reporter::new(job, "rebuild", context.clock));
    let report = context.store.disk()?.rebuild(&|done, total| reporter.borrow_mut().bytes(done, total))?;
    mark_all(service);
    // Damaged content is not in the new index, so it is missing from a release, or needed by none.
    let mut walked = Verified::default();
    if !report.damage.is_empty() {
        service
            .all()
            .iter()
            .try_for_each(|library| walk(context, service, library, (&mut walked, &Damaged::new()), job))?;
    }
    let is_whole = walked.problems.is_empty() && !service.has_lost();
    let (harmless, damage): (Vec<_>, Vec<_>) = report.damage.into_iter().partition(|damage| {
        is_whole || (!damage.is_gap && does_no_harm(context, damage.library, damage.id, false))
    });
    let lost = damage.len();
    // The rebuild does not change statements.
    let statements = service.all().iter().map(|library| library.statements().len() as u64).sum();
    context.note(Event::new(
        Verb::Heal,
        format!("the index was rebuilt; {} damaged", counted(lost as u64, "record")),
    ));
    Ok(Rebuilt {
        segments: report.segments,
        chunks: report.chunks,
        pages: report.pages,
        statements,
        lost: lost as u64,
        superseded: harmless.len() as u64,
        problems_total: lost as u64,
        problems: damage.into_iter().take(NAMED).map(|damage| damage.text).collect(),
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// The objects that a verify has named, so that each counts once.
struct Seen {
    /// Those that the scrub has counted.
    damaged: BTreeSet<ObjectId>,
    /// Those that an earlier release named.
    named: BTreeSet<ObjectId>,
    /// Whether the release was complete here before.
    was_here: bool,
}

impl Seen {
    /// Whether an object that is not held is to be named, with the first release that needs it. Counts it
    /// where the scrub has not.
    fn is_new(&mut self, id: ObjectId, was_here: bool, verified: &mut Verified) -> bool {
        let is_new = self.named.insert(id);
        let is_missing = is_new && !self.damaged.contains(&id);
        verified.missing += u64::from(is_missing);
        verified.lost += u64::from(is_missing && was_here);
        is_new
    }
}

fn take_class(verified: &mut Verified, seen: &mut Seen, context: &str, class: &ClassReport) {
    let missing = &class.missing;
    for page in &missing.pages {
        if !seen.is_new(ObjectId::Page(page.id), seen.was_here, verified) {
            continue;
        }
        name(verified, || format!("{context}: page {} is not held", page.id.short()));
    }
    for (_, chunk) in &missing.chunks {
        if !seen.is_new(ObjectId::Chunk(chunk.id), seen.was_here, verified) {
            continue;
        }
        name(verified, || format!("{context}: chunk {} ({} bytes) is not held", chunk.id.short(), chunk.len));
    }
    if missing.is_empty() && class.walked.state != PageState::Full {
        verified.missing += 1;
        verified.lost += u64::from(seen.was_here);
        name(verified, || format!("{context}: class {} is not whole", class.header.name));
    }
}
