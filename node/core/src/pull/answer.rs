//! The answer of a pull.

use std::collections::BTreeSet;

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Classes, Library},
    sync::message::Want,
};
use tokio::time::Instant;

use super::{Before, PullPlan, PullResult};
use crate::{exit::Result, outcome::Pulled, services::Services};

/// The answer to a pull of a named release that is complete here already: no source is asked.
pub(super) fn held_already(
    services: &Services,
    library: &Library,
    release: StatementId,
    plan: &PullPlan,
    begun: Instant,
) -> Result<Option<Pulled>> {
    let Some(said) = library.release(&release) else { return Ok(None) };
    if !services.library.holdings.is_complete(library, &said.body.manifest)? {
        return Ok(None);
    }
    let release = services.library.here(library, &plan.channel)?.map(|said| said.statement.id());
    let before = Before { release, ..Before::default() };
    pulled(services, &library.id(), plan, before, (None, None), begun).map(Some)
}

/// The answer of a pull. `before` is the content when it began, `part` the figures of sources that failed.
pub(super) fn pulled(
    services: &Services,
    id: &LibraryId,
    plan: &PullPlan,
    before: Before,
    (brought, part): (Option<PullResult>, Option<PullResult>),
    begun: Instant,
) -> Result<Pulled> {
    let service = &services.library;
    let library = service.named(&id.to_string())?;
    let lag = service.lags.of(&library, &plan.channel)?;
    let here = service.here(&library, &plan.channel)?.map(|said| said.statement.id());
    let came = brought.as_ref().and_then(|brought| brought.report.release.zip(Some(brought.report.sequence)));
    let sequence_here = lag.here.as_ref().map_or(0, |here| here.sequence);
    let named = match plan.want {
        Want::Release(release) => library.release(&release).map(|said| (release, said.statement.sequence())),
        Want::Channel(_) => None,
    };
    let (release, sequence) =
        came.or(named).map_or((here, sequence_here), |(release, sequence)| (Some(release), sequence));
    let has_come = brought.as_ref().is_some_and(|brought| brought.report.chunks_fetched > 0);
    let is_named = matches!(plan.want, Want::Release(_));
    let changed = !plan.is_dry_run && (here != before.release || (is_named && has_come));
    let mut pulled = Pulled {
        library: id.to_string(),
        library_name: library.name().to_owned(),
        fresh_age_seconds: service.fresh_age_here(&library, &plan.channel)?,
        timekeepers: library.timekeepers() as u64,
        channel: plan.channel.clone(),
        release: release.map(|release| release.to_string()).unwrap_or_default(),
        sequence,
        changed,
        lag,
        named: is_named,
        classes_not_in_release: not_in_release(services, &library, release)?,
        dry_run: plan.is_dry_run,
        seconds: begun.elapsed().as_secs_f64(),
        ..Pulled::default()
    };
    let has_source = brought.is_some();
    match (brought, part) {
        (Some(brought), Some(part)) => add_source(&mut pulled, part.and(brought)),
        (Some(brought), None) => add_source(&mut pulled, brought),
        (None, Some(part)) => add_figures(&mut pulled, &part),
        (None, None) => {}
    }
    if plan.is_dry_run {
        pulled.usable_bytes = services.context.store.usable_bytes()?.filter(|_| has_source);
    } else {
        add_content(services, &library, release, &before, &mut pulled)?;
    }
    Ok(pulled)
}

/// Adds the content of the release that is here, as `ls` and `status` count it.
fn add_content(
    services: &Services,
    library: &Library,
    release: Option<StatementId>,
    before: &Before,
    pulled: &mut Pulled,
) -> Result<()> {
    let lost = services.context.objects(&library.id()).lost()?.len() as u64;
    pulled.objects_repaired = before.lost.saturating_sub(lost);
    let said = release.and_then(|release| library.release(&release));
    let Some(held) = said.and_then(|said| services.library.holdings.held(library, &said.body.manifest).ok())
    else {
        return Ok(());
    };
    let sums = held.sums();
    pulled.classes = held.classes.len() as u64;
    pulled.classes_absent = held.classes_absent();
    (pulled.files, pulled.bytes_total, pulled.chunks_total) = (sums.files, sums.bytes, sums.chunks);
    let has_come = !pulled.from.is_empty();
    if has_come && before.release.is_some() && release == before.release {
        let is_new = |name: &&str| !before.classes.contains(*name);
        pulled.classes_new = held.names().filter(is_new).map(str::to_owned).collect();
    }
    Ok(())
}

/// Classes and patterns that the grant of this node names, of which a complete release has no class.
fn not_in_release(
    services: &Services,
    library: &Library,
    release: Option<StatementId>,
) -> Result<Vec<String>> {
    let Some(said) = release.and_then(|release| library.release(&release)) else { return Ok(Vec::new()) };
    let holdings = &services.library.holdings;
    if !holdings.is_complete(library, &said.body.manifest)? {
        return Ok(Vec::new());
    }
    let held = holdings.held(library, &said.body.manifest)?;
    let me = services.context.me();
    let grants = library.grants(&me).map(|said| &said.body.classes);
    let named = grants.flat_map(Classes::patterns).cloned().collect::<BTreeSet<_>>();
    let is_lacking = |pattern: &String| {
        let class = Classes::new(vec![pattern.clone()]);
        class.is_ok_and(|class| !held.classes.iter().any(|held| class.covers(&held.header.name)))
    };
    Ok(named.into_iter().filter(is_lacking).collect())
}

/// The classes that the grant of this node names, for an error; empty if it may have all classes. The sources
/// may have nothing for this node because the release has no such class.
pub(super) fn granted_only(services: &Services, id: &LibraryId) -> String {
    let (Some(library), me) = (services.library.get(id), services.context.me()) else {
        return String::new();
    };
    let named = library.grants(&me).flat_map(|said| said.body.classes.patterns().to_vec());
    let named: BTreeSet<String> = named.collect();
    if named.is_empty() {
        return String::new();
    }
    format!(
        "; this node is granted only `{}`: if the release has no such class, an operator changes that with `chuan \
         grant`",
        named.into_iter().collect::<Vec<_>>().join("`, `")
    )
}

/// Adds the last source, and the figures of all.
fn add_source(pulled: &mut Pulled, brought: PullResult) {
    add_figures(pulled, &brought);
    let PullResult { source, address, report, .. } = brought;
    pulled.from = source.node.to_string();
    pulled.address = address;
    pulled.classes = report.classes;
    pulled.classes_absent = report.classes_absent;
    pulled.files = report.files;
    pulled.bytes_total = report.bytes_total;
    pulled.chunks_total = report.chunks_total;
    pulled.chunks_missing = pulled.dry_run.then_some(report.chunks_missing);
    pulled.chunk_bytes_missing = pulled.dry_run.then_some(report.chunk_bytes_missing);
}

/// Adds what was transferred.
fn add_figures(pulled: &mut Pulled, PullResult { report, wire, .. }: &PullResult) {
    pulled.chunks_fetched = report.chunks_fetched;
    pulled.chunk_bytes_fetched = report.chunk_bytes_fetched;
    pulled.chunk_bytes_encoded = report.chunk_bytes_encoded;
    pulled.chunks_from_deltas = report.chunks_from_deltas;
    pulled.page_bytes = report.page_bytes;
    pulled.page_bytes_encoded = report.page_bytes_encoded;
    pulled.frame_bytes_in = wire.frame_bytes_in;
    pulled.frame_bytes_out = wire.frame_bytes_out;
    pulled.wire_bytes_in = wire.bytes_in;
    pulled.wire_bytes_out = wire.bytes_out;
    pulled.round_trips = report.round_trips;
}
