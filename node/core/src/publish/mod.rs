//! `publish`, in the home: reads changed files into the store, under the classes of the library, and makes
//! them durable. Not visible to peers before a publisher's key signs a release: see
//! [`authority`](crate::authority).

pub(crate) mod classes;
pub(crate) mod first;
mod staleness_guard;
mod unfinished;

use std::{ffi::OsStr, sync::Arc, time::Duration};

use chuan_engine::{
    Error,
    id::{LibraryId, SaltKey},
    ingest::{self, IngestReport, Room},
    manifest::{
        EntryPath,
        table::{ClassHeader, ClassTable, DEFAULT_CLASS},
    },
    statement::{Classes, Library, PublicKey, Release, RoleKind, Signed, publishing},
    store::{Object, Objects},
};

use self::{
    classes::{ClassPlan, Sealed},
    unfinished::Unfinished,
};
use crate::{
    command::{Growing, Ingest, Publish},
    context::Context,
    exit::{Failure, Result},
    home::whole,
    job::Job,
    library::{LibraryService, channels::move_row},
    outcome::{ClassRow, Ingested, ListedClass, MoveRow, PlannedRow, Published},
    policy,
    report::Reporter,
    services::Services,
    spec::LIVE,
};

/// The maximum number of paths that an error names.
const CANDIDATES: usize = 8;

/// Reads changed files, durably, and returns the contents of a release. Not visible before it is signed.
pub(crate) async fn ingest(services: &Arc<Services>, options: Ingest, job: &Job) -> Result<Ingested> {
    let known = services.library.get(&options.library.parse()?);
    let _turn = services.turn(&options.library, job).await?;
    let (is_forced, is_dry_run) = (options.options.force, options.options.dry_run);
    let mut asked = Duration::ZERO;
    if let (false, Some(library)) = (is_forced || is_dry_run, &known) {
        // Before peers are waited for.
        let checked = options.options.clone();
        services.blocking(move |services| check_arguments(&services.context, &checked)).await?;
        asked = staleness_guard::check(services, &library.id(), first(&publishers(&options)?)?, job).await?;
    }
    let job = job.clone();
    let ingested = services
        .blocking(move |services| {
            match (is_forced, known) {
                (true, Some(library)) if !is_dry_run => {
                    services.library.go_on_without_lost(&library, &job)?;
                    services.library.trust_own(&library.id(), first(&publishers(&options)?)?);
                }
                (true, _) => {}
                (false, known) => {
                    if let (true, Some(library)) = (is_dry_run, &known) {
                        staleness_guard::check_current(&services.library, &library.id())?;
                    }
                    services.library.check_not_lost(known.map(|library| library.id()).as_ref())?;
                }
            }
            Run { context: &services.context, library: &services.library, job: &job }.ingest(&options)
        })
        .await?;
    let published = Published { asked_seconds: asked.as_secs_f64(), ..ingested.published };
    Ok(Ingested { published, ..ingested })
}

/// Fails where the options name a source, a path, patterns or a policy that no publish can use.
fn check_arguments(context: &Context, options: &Publish) -> Result<()> {
    options.max_delete()?;
    options.policy.as_deref().map(policy::read).transpose()?;
    let source = ingest::Ingest {
        path: single_path(options)?,
        patterns: options.patterns((true, Vec::new())),
        home: Some(context.home.root().to_owned()),
        ..ingest::Ingest::new(&options.source, context.clock.timestamp())
    };
    Ok(ingest::check(&source)?)
}

/// The release on which a publish is based.
#[derive(Clone, Copy)]
struct Based<'a> {
    current: Option<Signed<'a, Release>>,
    /// Whether its data was lost here.
    is_lost: bool,
    /// Whether a newer release is not here, and a release is made in any case: see [`is_forced_aside`].
    is_aside: bool,
}

/// The part of one publish that the home does.
struct Run<'a> {
    context: &'a Context,
    library: &'a LibraryService,
    job: &'a Job,
}

impl Run<'_> {
    fn ingest(&self, options: &Ingest) -> Result<Ingested> {
        let id: LibraryId = options.library.parse()?;
        let publishers = publishers(options)?;
        let salt: SaltKey = options.salt.parse()?;
        let options = &options.options;
        // Before hours of reading: a release is not made where the audit log cannot record it.
        self.context.log.check(self.context.now_ms())?;
        let library = self.library.get(&id);
        let current = match library.as_deref() {
            Some(library) => self.base(library, first(&publishers)?, options.force)?,
            None => None,
        };
        let text = options.policy.as_deref().map(policy::read).transpose()?;
        let left = text.as_ref().map(policy::PolicyText::left_by_publish).unwrap_or_default();
        if !left.is_empty() {
            self.job.note(format!(
                "left for `chuan policy set {}`, which operators sign: {}",
                options.library,
                left.join(", ")
            ));
        }
        let policy = text.map(|text| text.rules());
        let named: Vec<String> = policy.iter().flatten().map(|(name, _)| name.clone()).collect();
        let objects = self.context.objects(&id);
        let readable = match library.as_deref().zip(current) {
            Some((library, current)) => {
                self.readable(library, &publishers, current, policy.is_some(), options)?
            }
            None => None,
        };
        let based = Based {
            current,
            is_lost: current.is_some() && readable.is_none(),
            is_aside: is_forced_aside(library.as_deref(), first(&publishers)?, current, options),
        };
        let plan = ClassPlan::new(&*objects, library.as_deref(), &publishers, readable, policy)?;
        let ingest = ingest::Ingest {
            path: single_path(options)?,
            ..self.ingest_options(options, &id, library.as_deref(), &plan)?
        };
        let (path, class) = placed(&*objects, options, &ingest)?;
        let Ingested { published, parent, listed } = match options.dry_run {
            true => self.preview(options, (&id, &ingest), based, &named)?,
            false => self.store(options, (&id, &ingest), &plan, based, (&named, &salt))?,
        };
        let replaces = self.replaces(&published, library.as_deref(), first(&publishers)?);
        Ok(Ingested { published: Published { path, class, replaces, ..published }, parent, listed })
    }

    /// Reads changed files into the store, and returns the contents of the release to sign.
    fn store(
        &self,
        options: &Publish,
        (id, ingest): (&LibraryId, &ingest::Ingest),
        plan: &ClassPlan,
        Based { current, is_lost, is_aside }: Based<'_>,
        (named, salt): (&[String], &SaltKey),
    ) -> Result<Ingested> {
        let before = current.map(|current| current.body);
        let unfinished = Unfinished::of(&self.context.home, id);
        let stored = self.context.store.chunk_bytes(id)?;
        let left = unfinished.left(stored);
        if !options.force {
            self.check_room(id, ingest, left)?;
        }
        warn_of(unfinished.begin(stored));
        let report = self.read(id, ingest)?;
        first::check(options, current.is_none(), &report.tally)?;
        let sealed = plan.seal(id, &report.trees, salt)?;
        plan.check_trespass(&*self.context.objects(id), &sealed)?;
        let manifest = sealed.table.id(id);
        let is_said = |before: &&Release| {
            before.manifest == manifest && (sealed.listed.is_empty() || !before.classes.is_empty())
        };
        let changed = is_aside || before.filter(is_said).is_none();
        if changed || is_lost {
            self.keep_documents(id, &sealed)?;
            whole::note(&self.context.home, id, [manifest])?;
        }
        install(report.cache);
        let stored = self.context.store.chunk_bytes(id)?;
        warn_of(unfinished.finish(left, stored, &report.tally));
        let classes: Vec<_> = sealed.ours.iter().map(ClassRow::of).collect();
        let ours = sealed.ours.iter().filter(|header| !header.policy.is_empty());
        self.note_empty(named, ours.map(|header| (header.name.as_str(), header.sums.files)));
        let published = Published {
            sequence: current.map_or(0, |current| current.statement.sequence()),
            manifest: manifest.to_string(),
            changed,
            files: classes.iter().map(|class| class.files).sum(),
            bytes_total: classes.iter().map(|class| class.bytes).sum(),
            classes,
            ..Published::of_tally(report.tally)
        };
        let listed = sealed.listed.iter().map(ListedClass::from).collect();
        Ok(Ingested { published, parent: current.map(|current| current.statement.id().to_string()), listed })
    }

    /// The move of `live` back that a release by `publisher` undoes.
    fn replaces(
        &self,
        published: &Published,
        library: Option<&Library>,
        publisher: &PublicKey,
    ) -> Option<MoveRow> {
        let library = library.filter(|_| published.changed)?;
        Some(move_row(library, publishing::moved_back(library, publisher)?))
    }

    /// The release on which the publish is based. If its data is not here and `force` is set: the release
    /// that is here.
    fn base<'a>(
        &self,
        library: &'a Library,
        publisher: &PublicKey,
        force: bool,
    ) -> Result<Option<Signed<'a, Release>>> {
        let base = publishing::base(library, publisher).and_then(|id| library.release(&id));
        match base {
            Some(base) if force && !self.library.holdings.is_complete(library, &base.body.manifest)? => {
                self.library.here(library, LIVE)
            }
            base => Ok(base),
        }
    }

    /// The release on which the publish is based, if its data is held here. If the store lost that data and
    /// no other member can send it, or with `force`: none, and a note that everything is read again.
    fn readable<'a>(
        &self,
        library: &Library,
        publishers: &[PublicKey],
        current: Signed<'a, Release>,
        has_policy: bool,
        options: &Publish,
    ) -> Result<Option<Signed<'a, Release>>> {
        let objects = self.context.objects(&library.id());
        let missing = match ClassTable::load(&*objects, &current.body.manifest) {
            Ok(_) => return Ok(Some(current)),
            Err(error @ Error::Missing(_)) => error,
            Err(error) => return Err(error.into()),
        };
        let (name, sequence) = (library.name(), current.statement.sequence());
        let me = self.context.me();
        let covers_all =
            library.root().is_none_or(|root| root.allows(RoleKind::Publisher, &Classes::all(), publishers));
        if !covers_all {
            return Err(missing.into());
        }
        if !options.force && library.members().iter().any(|said| said.body.node != me) {
            // A pull of the library fetches the release of a channel only.
            let is_live =
                library.channel(LIVE).is_some_and(|said| said.body.release == current.statement.id());
            let wanted = if is_live { name.to_owned() } else { format!("{name}@{sequence}") };
            return Err(Failure::missing(format!(
                "the data of release {sequence} is not here: `chuan pull {wanted}` fetches it from another member, then \
                 publish; the option `force` publishes without it, and reads everything again"
            )));
        }
        let has_rows =
            library.policy().is_some_and(|policy| policy.classes.keys().any(|slot| *slot != DEFAULT_CLASS.0));
        if has_rows && !has_policy {
            return Err(Failure::missing(format!(
                "the data of release {sequence} is not held here any more, and with it the paths of the classes of {name}: \
                 give them with the option `policy`"
            )));
        }
        self.job.note(format!(
            "the data of release {sequence} is not held here any more: everything is read again, and is in the class \
             `default` unless the option `policy` gives other classes"
        ));
        Ok(None)
    }

    fn ingest_options(
        &self,
        options: &Publish,
        id: &LibraryId,
        library: Option<&Library>,
        plan: &ClassPlan,
    ) -> Result<ingest::Ingest> {
        Ok(ingest::Ingest {
            classes: plan.classifier(),
            previous: plan.previous(),
            cache: Some(self.context.home.cache_dir().join(format!("{id}.scan"))),
            check: options.check,
            xattrs: options.xattrs,
            patterns: options.patterns(policy_patterns(library)),
            takes_growing: options.growing == Growing::Take,
            max_delete: options.max_delete()?,
            home: Some(self.context.home.root().to_owned()),
            keep_others: true,
            ..ingest::Ingest::new(&options.source, self.context.clock.timestamp())
        })
    }

    /// Refuses a publish that certainly does not fit, before anything is written. `left` are the bytes of
    /// chunks that unfinished publishes have left.
    fn check_room(&self, id: &LibraryId, ingest: &ingest::Ingest, left: u64) -> Result<()> {
        let Some(usable) = self.context.store.usable_bytes()? else { return Ok(()) };
        let objects = self.context.objects(id);
        Ok(ingest::check_room(&*objects, ingest, Room { usable, left }, self.job.cancel().flag())?)
    }

    /// Reads changed files into the store. Where the disk becomes full, their room is given back: no release
    /// names their content. A publish that is interrupted keeps it, and the next one does not read it again.
    fn read(&self, id: &LibraryId, ingest: &ingest::Ingest) -> Result<IngestReport> {
        let mut reporter = Reporter::new(self.job, "publish", self.context.clock);
        let end = self.context.store.end(id)?;
        let objects = self.context.objects(id);
        let report = ingest::publish(&*objects, ingest, &mut reporter, self.job.cancel().flag());
        if let (Err(chuan_engine::Error::Full(_)), Some(end)) = (&report, end) {
            match self.context.store.give_back(&end) {
                Ok(freed) => tracing::info!(freed, "the room of a publish that failed is free again"),
                Err(failure) => self.job.note(format!(
                    "the room of this publish is not given back: {failure}; the next publish continues from what is stored"
                )),
            }
        }
        Ok(report?)
    }

    /// Notes which of the classes of a policy file have no path: their patterns are probably wrong. `classes`
    /// are the classes with rules, and the number of their files.
    fn note_empty<'a>(&self, named: &[String], classes: impl Iterator<Item = (&'a str, u64)>) {
        for (name, _) in classes.filter(|(_, files)| *files == 0) {
            if named.iter().any(|other| other == name) {
                self.job.note(format!("no file is in class `{name}`: none matches its `paths`"));
            }
        }
    }

    /// The answer of a dry run.
    fn preview(
        &self,
        options: &Publish,
        (id, ingest): (&LibraryId, &ingest::Ingest),
        Based { current, is_aside, .. }: Based<'_>,
        named: &[String],
    ) -> Result<Ingested> {
        let mut reporter = Reporter::new(self.job, "look", self.context.clock);
        let mut tally =
            ingest::preview(&*self.context.objects(id), ingest, &mut reporter, self.job.cancel().flag())?;
        first::check(options, current.is_none(), &tally)?;
        let (changes, counts) = (std::mem::take(&mut tally.changes), std::mem::take(&mut tally.classes));
        let ours = ingest.classes.classes().iter().filter(|class| class.is_ours);
        let files_of = |slot: u8| counts.get(&slot).copied().unwrap_or_default();
        let with_rules = ours.clone().filter(|class| !class.policy.is_empty());
        self.note_empty(named, with_rules.map(|class| (class.name.as_str(), files_of(class.slot).0)));
        let classes = ours.map(|class| {
            let (files, bytes) = files_of(class.slot);
            ClassRow { name: class.name.clone(), slot: class.slot, files, bytes }
        });
        let name = |slot: u8| {
            let class = ingest.classes.classes().iter().find(|class| class.slot == slot);
            class.map(|class| class.name.clone()).unwrap_or_default()
        };
        let published = Published {
            classes: classes.collect(),
            changes_total: changes.count,
            changes: changes.first.into_iter().map(|planned| PlannedRow::of(planned, name)).collect(),
            library_name: options.library.clone(),
            sequence: current.map_or(0, |current| current.statement.sequence()),
            files: tally.files,
            bytes_total: tally.bytes_read + tally.bytes_skipped,
            dry_run: true,
            ..Published::of_tally(tally)
        };
        let changed = is_aside || current.is_none() || published.changes_total > 0;
        let parent = current.map(|current| current.statement.id().to_string());
        Ok(Ingested { published: Published { changed, ..published }, parent, listed: Vec::new() })
    }

    /// Makes the class table and its headers durable: a release names them.
    fn keep_documents(&self, library: &LibraryId, sealed: &Sealed) -> Result<()> {
        let Sealed { table, ours, .. } = sealed;
        let page = |header: &ClassHeader| (header.id(library).as_page(), header.encode());
        let documents = ours.iter().map(page).chain([(table.id(library).as_page(), table.encode())]);
        let pages = documents.map(|(id, bytes)| Object::Page { id, bytes: bytes.into() }).collect();
        let objects = self.context.objects(library);
        objects.append(pages)?;
        objects.commit()?;
        ours.iter().for_each(|header| self.library.holdings.mark(library, &header.id(library)));
        Ok(())
    }
}

/// Whether the publish goes on from an older release than the channel that it moves, because the data of the
/// newest one is not here. Its release is then made even if the content is that of the older one: else the
/// channel would stay on a release that may be lost.
fn is_forced_aside(
    library: Option<&Library>,
    publisher: &PublicKey,
    current: Option<Signed<'_, Release>>,
    options: &Publish,
) -> bool {
    library.zip(current).is_some_and(|(library, current)| {
        options.force
            && publishing::moves_live(library, publisher)
            && publishing::base(library, publisher) != Some(current.statement.id())
    })
}

/// The path in the library of a source that is a file; `None` for a folder.
fn single_path(options: &Publish) -> Result<Option<EntryPath>> {
    let source = &options.source;
    match &options.path {
        Some(_) if source.is_dir() => Err(Failure::usage(format!(
            "{} is a folder, which becomes the content of the library; the option `as` is for a single file",
            source.display()
        ))),
        Some(path) => {
            EntryPath::new(path.as_str()).map(Some).map_err(|error| Failure::usage(error.to_string()))
        }
        None if source.is_file() => {
            // The publish itself refuses a name that cannot be a path.
            let name = source.file_name().and_then(OsStr::to_str);
            Ok(name.and_then(|name| EntryPath::new(name).ok()))
        }
        None => Ok(None),
    }
}

/// The path and the class of a source that is a file.
fn placed(
    store: &dyn Objects,
    options: &Publish,
    ingest: &ingest::Ingest,
) -> Result<(Option<String>, Option<String>)> {
    let Some(path) = &ingest.path else { return Ok((None, None)) };
    if options.path.is_none() {
        check_name_is_unique(store, ingest, path)?;
    }
    Ok((Some(path.to_string()), Some(ingest.classes.class_of(path)?.name.clone())))
}

/// Refuses a single file without a path whose name the release has in a folder: the file may belong there,
/// and at the top it may be in another class.
fn check_name_is_unique(store: &dyn Objects, ingest: &ingest::Ingest, name: &EntryPath) -> Result<()> {
    let found = ingest::paths_of_name(store, &ingest.previous, name.as_str(), CANDIDATES)?;
    let deeper: Vec<_> =
        found.iter().filter(|path| *path != name).map(|path| format!("`as {path}`")).collect();
    if deeper.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the library has {name} in a folder: name the path of the file in the library with the option {}, or with the \
         option `as {name}` for the top",
        deeper.join(" or the option ")
    )))
}

/// Whether junk is left out of a library, and the excludes of its policy.
fn policy_patterns(library: Option<&Library>) -> (bool, Vec<String>) {
    let policy = library.and_then(Library::policy);
    policy.map_or((true, Vec::new()), |policy| (policy.junk, policy.excludes.clone()))
}

/// The keys that will sign; the first one is named by the channel.
fn publishers(options: &Ingest) -> Result<Vec<PublicKey>> {
    options.publishers.iter().map(|key| Ok(key.parse()?)).collect()
}

fn first(publishers: &[PublicKey]) -> Result<&PublicKey> {
    publishers.first().ok_or_else(|| Failure::internal("a publish names no publisher"))
}

/// Stores a scan cache. A failure is logged: it makes only the next publish slower.
fn install(cache: Option<ingest::ScanCache>) {
    if let Some(Err(error)) = cache.map(ingest::ScanCache::install) {
        tracing::warn!(%error, "scan cache not kept; the next publish reads every file");
    }
}

/// Logs that the note of an unfinished publish could not be written: only the next check of room needs it.
fn warn_of(noted: Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "unfinished publish not noted; its content counts as not stored");
    }
}
