//! `publish`, in the home: takes in what changed, under the classes of the library, and makes it durable. Nobody hears of
//! it before somebody with a publisher's key signs it: see [`authority`].

use std::time::{SystemTime, UNIX_EPOCH};

use chuan_engine::{
    id::{LibraryId, SaltKey},
    ingest::{self, IngestReport},
    manifest::{Timestamp, table::ClassHeader},
    statement::{Library, NodeRole, PublicKey, Release, Said},
    store::Object,
};

use super::{
    Inner, Node,
    classes::{ClassPlan, Sealed},
    now_ms,
    report::Reporter,
};
use crate::{
    authority,
    command::{Growing, Ingest, Publish, Role},
    exit::{Failure, Result},
    job::Job,
    keyring::Keyring,
    outcome::{ClassRow, Ingested, ListedClass, Published},
    policy,
    session::Session,
    spec::LIVE,
};

impl Node {
    /// Ingests what changed, signs a release with this home's keys and moves the channel `live` to it. A name that is new
    /// founds a library, whose keys stay in this home. A single file is added to the library, or put in its old version's
    /// place; a folder is the library.
    ///
    /// Stopped at any moment, the library is as before, and what was ingested is not ingested again.
    pub async fn publish(&self, options: Publish, job: &Job) -> Result<Published> {
        let mut session = Session::within(self.clone(), job.clone());
        authority::publish(&mut session, &Keyring::of_home(self.0.home.clone()), options).await
    }

    /// Takes in what changed, durably, and says what a release of it would be. Nobody sees it before that is signed.
    pub async fn ingest(&self, options: Ingest, job: &Job) -> Result<Ingested> {
        let known = self.0.libraries.get(&options.library.parse()?);
        let name = known.as_ref().map_or(options.options.library.as_str(), |library| library.name());
        let _turn = self.0.turn(name, job).await?;
        if let (false, Some(library)) = (options.options.force || options.options.dry_run, &known) {
            self.catch_up(&library.id(), first(&publishers(&options)?)?).await?;
        }
        let job = job.clone();
        let (inner, told, is_dry_run) =
            (std::sync::Arc::clone(&self.0), job.clone(), options.options.dry_run);
        match (options.options.force, known) {
            (true, Some(library)) if !is_dry_run => {
                super::on_thread(move || inner.go_on_without_lost(&library, &told)).await?;
            }
            (true, _) => {}
            (false, known) => {
                super::on_thread(move || inner.check_not_lost(known.map(|library| library.id()).as_ref()))
                    .await?;
            }
        }
        self.blocking(move |node| node.ingest(&options, &job)).await
    }
}

impl Inner {
    fn ingest(&self, options: &Ingest, job: &Job) -> Result<Ingested> {
        let id: LibraryId = options.library.parse()?;
        let publishers = publishers(options)?;
        let salt: SaltKey = options.salt.parse()?;
        let options = &options.options;
        // Before hours of reading, not after: a release is not taken in where the log cannot be told of it.
        self.log.check(now_ms())?;
        let library = self.libraries.get(&id);
        let current = match library.as_deref() {
            Some(library) => self.base(library, first(&publishers)?, options.force)?,
            None => None,
        };
        let text = options.policy.as_deref().map(policy::read).transpose()?;
        let left = text.as_ref().map(policy::PolicyText::left_by_publish).unwrap_or_default();
        if !left.is_empty() {
            job.note(format!(
                "left for `chuan policy set {}`, which operators sign: {}",
                options.library,
                left.join(", ")
            ));
        }
        let policy = text.map(|text| text.rules());
        let objects = self.objects(&id);
        let plan = ClassPlan::new(&*objects, library.as_deref(), &publishers, current, policy)?;
        let ingest = self.ingest_options(options, &id, library.as_deref(), &plan)?;
        if options.dry_run {
            return self.preview(options, (&id, &ingest), current, job);
        }
        let before = current.map(|current| current.body);
        let report = self.read(&id, &ingest, job)?;
        let sealed = plan.seal(&id, &report.trees, &salt)?;
        plan.check_trespass(&*self.objects(&id), &sealed)?;
        let manifest = sealed.table.id(&id);
        let is_said = |before: &&Release| {
            before.manifest == manifest && (sealed.listed.is_empty() || !before.classes.is_empty())
        };
        let changed = before.filter(is_said).is_none();
        if changed {
            self.keep_documents(&id, &sealed)?;
            self.home.note_whole(&id, [manifest])?;
        }
        install(report.cache);
        let classes: Vec<_> = sealed.ours.iter().map(ClassRow::of).collect();
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

    /// The release to go on from. Where that is not here and nobody minds, it is the one that is.
    fn base<'a>(
        &self,
        library: &'a Library,
        publisher: &PublicKey,
        force: bool,
    ) -> Result<Option<Said<'a, Release>>> {
        let base = authority::follow::base(library, publisher).and_then(|id| library.release(&id));
        match base {
            Some(base) if force && !self.is_complete(library, &base.body.manifest)? => {
                self.here(library, LIVE)
            }
            base => Ok(base),
        }
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
            cache: Some(self.home.cache_dir().join(format!("{id}.scan"))),
            check: options.check,
            patterns: options.patterns(policy_patterns(library)),
            takes_growing: options.growing == Growing::Take,
            max_delete: options.max_delete()?,
            home: Some(self.home.root().to_owned()),
            keep_others: true,
            ..ingest::Ingest::new(&options.source, timestamp())
        })
    }

    fn read(&self, id: &LibraryId, ingest: &ingest::Ingest, job: &Job) -> Result<IngestReport> {
        let mut reporter = Reporter::new(job, "publish");
        Ok(ingest::publish(&*self.objects(id), ingest, &mut reporter, job.cancel().flag())?)
    }

    /// What a publish would do.
    fn preview(
        &self,
        options: &Publish,
        (id, ingest): (&LibraryId, &ingest::Ingest),
        current: Option<Said<'_, Release>>,
        job: &Job,
    ) -> Result<Ingested> {
        let mut reporter = Reporter::new(job, "look");
        let tally = ingest::preview(&*self.objects(id), ingest, &mut reporter, job.cancel().flag())?;
        let published = Published {
            library_name: options.library.clone(),
            sequence: current.map_or(0, |current| current.statement.sequence()),
            files: tally.files,
            bytes_total: tally.bytes_read + tally.bytes_skipped,
            dry_run: true,
            ..Published::of_tally(tally)
        };
        let changes = published.files_new + published.files_changed + published.files_gone;
        let published = Published { changed: current.is_none() || changes > 0, ..published };
        let parent = current.map(|current| current.statement.id().to_string());
        Ok(Ingested { published, parent, listed: Vec::new() })
    }

    /// Makes the class table and its headers durable, which a release names.
    fn keep_documents(&self, library: &LibraryId, sealed: &Sealed) -> Result<()> {
        let Sealed { table, ours, .. } = sealed;
        let page = |header: &ClassHeader| (header.id(library).as_page(), header.encode());
        let documents = ours.iter().map(page).chain([(table.id(library).as_page(), table.encode())]);
        let pages = documents.map(|(id, bytes)| Object::Page { id, bytes: bytes.into() }).collect();
        let objects = self.objects(library);
        objects.append(pages)?;
        objects.commit()?;
        ours.iter().for_each(|header| self.mark(library, &header.id(library)));
        Ok(())
    }
}

/// Whether junk is left out of a library, and what else its policy leaves out.
fn policy_patterns(library: Option<&Library>) -> (bool, Vec<String>) {
    let policy = library.and_then(Library::policy);
    policy.map_or((true, Vec::new()), |policy| (policy.junk, policy.excludes.clone()))
}

/// Who is to sign; the first is the one the channel names.
fn publishers(options: &Ingest) -> Result<Vec<PublicKey>> {
    options.publishers.iter().map(|key| Ok(key.parse()?)).collect()
}

fn first(publishers: &[PublicKey]) -> Result<&PublicKey> {
    publishers.first().ok_or_else(|| Failure::internal("a publish names no publisher"))
}

pub(crate) const fn node_role(role: Role) -> NodeRole {
    match role {
        Role::Origin => NodeRole::Origin,
        Role::Mirror => NodeRole::Mirror,
        Role::Edge => NodeRole::Edge,
    }
}

/// A scan cache that cannot be kept costs the next publish its time, not this one its success.
fn install(cache: Option<ingest::ScanCache>) {
    if let Some(Err(error)) = cache.map(ingest::ScanCache::install) {
        tracing::warn!(%error, "scan cache not kept; the next publish reads every file");
    }
}

fn timestamp() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}
