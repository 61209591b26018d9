//! `publish`: ingest, then sign. The order is what keeps a crash harmless: chunks and pages are durable before the
//! release that names them, the release before the channel that makes it current, and the keys of a new library before
//! anything they signed.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use chuan_engine::{
    audit::{Actor, Event, Verb},
    id::{LibraryId, Salt, StatementId},
    ingest::{self, Ingest, IngestReport},
    manifest::{Timestamp, table::ClassHeader},
    statement::{
        Channel, Classes, Key, Library, Member, NodeRole, Release, RoleKind, Said, Statement, Verbs,
        library::{Founders, channel, found, member, release_of_classes},
    },
    store::{Object, Store},
};

use super::{
    Inner, Node,
    classes::{ClassPlan, Sealed},
    libraries::Libraries,
    now_ms,
    report::Reporter,
};
use crate::{
    command::{Publish, Role},
    exit::{Failure, Result},
    home::{
        Home,
        keys::{self, RoleKeys},
    },
    job::Job,
    keyring::Keyring,
    outcome::{ClassRow, Published, Skipped},
    policy,
    spec::{LIVE, check_name},
};

impl Node {
    /// Ingests what changed, signs a release and moves the channel `live` to it. A name that is new founds a library,
    /// whose keys stay in this home. A single file is added to the library, or put in its old version's place; a folder is
    /// the library.
    ///
    /// Stopped at any moment, the library is as before, and what was ingested is not ingested again.
    pub async fn publish(&self, options: Publish, job: &Job) -> Result<Published> {
        let _turn = self.0.turn(&options.library, job).await?;
        let job = job.clone();
        self.blocking(move |node| node.publish(&options, &job)).await
    }
}

/// Whose keys sign, and the root of a library that does not exist yet.
pub(super) struct Author {
    pub(super) id: LibraryId,
    publisher: Key,
    pub(super) founding: Option<(RoleKeys, Statement)>,
}

impl Inner {
    fn publish(&self, options: &Publish, job: &Job) -> Result<Published> {
        let begun = Instant::now();
        // Before hours of reading, not after.
        self.log.check(now_ms())?;
        let library = self.libraries.find(&options.library)?;
        let author = self.author(library.as_deref(), &options.library)?;
        let current = library.as_deref().and_then(current);
        let policy = options.policy.as_deref().map(policy::read).transpose()?;
        let plan = ClassPlan::new(
            self.store(),
            library.as_deref(),
            &author.publisher.public(),
            current.as_ref().map(|current| current.body),
            policy,
        )?;
        let report = self.ingest(options, &author, &plan, job)?;
        let sealed = plan.seal(&report.trees, &author.publisher)?;
        let table = &sealed.table;
        let unchanged = current.as_ref().filter(|current| {
            current.body.manifest == table.id()
                && (sealed.listed.is_empty() || !current.body.classes.is_empty())
        });
        let (release, sequence) = match unchanged {
            Some(current) => (current.release, current.sequence),
            None => self.sign(options, &author, current.as_ref(), &sealed)?,
        };
        install(report.cache);
        let classes: Vec<_> = sealed.ours.iter().map(ClassRow::of).collect();
        let skipped = report.tally.skipped.first.into_iter().chain(report.tally.unreadable.first);
        Ok(Published {
            library: author.id.to_string(),
            library_name: options.library.clone(),
            release: release.to_string(),
            sequence,
            manifest: table.id().to_string(),
            changed: unchanged.is_none(),
            founded: author.founding.is_some(),
            files: classes.iter().map(|class| class.files).sum(),
            bytes_total: classes.iter().map(|class| class.bytes).sum(),
            classes,
            bytes_read: report.tally.bytes_read,
            bytes_skipped: report.tally.bytes_skipped,
            chunks_new: report.tally.chunks_new,
            chunk_bytes_new: report.tally.chunk_bytes_new,
            skipped: skipped.map(|(path, reason)| Skipped { path, reason }).collect(),
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// The keys to sign with: this home's for a library that is known, new ones for a name that is not.
    pub(super) fn author(&self, library: Option<&Library>, name: &str) -> Result<Author> {
        if let Some(library) = library {
            let publisher = self.role_key(library, RoleKind::Publisher)?;
            return Ok(Author { id: library.id(), publisher, founding: None });
        }
        if name.parse::<LibraryId>().is_ok() {
            return Err(Failure::missing(format!("no library {name} here; join it with a ticket")));
        }
        check_name("library", name)?;
        let keys = RoleKeys::generate()?;
        let founders = Founders { root: &keys.root, operator: &keys.operator, publisher: &keys.publisher };
        let (id, root) = found(name, founders, Salt::from_bytes(keys::random()?), now_ms())?;
        Ok(Author { id, publisher: keys.publisher.clone(), founding: Some((keys, root)) })
    }

    fn ingest(
        &self,
        options: &Publish,
        author: &Author,
        plan: &ClassPlan,
        job: &Job,
    ) -> Result<IngestReport> {
        let ingest = Ingest {
            classes: plan.classifier(),
            previous: plan.previous(),
            cache: Some(self.home.cache_dir().join(format!("{}.scan", author.id))),
            check: options.check,
            skip_unreadable: options.skip_unreadable,
            keep_others: true,
            ..Ingest::new(&options.source, timestamp())
        };
        let mut reporter = Reporter::new(job, "publish");
        Ok(ingest::publish(self.store(), &ingest, &mut reporter, job.cancel().flag())?)
    }

    /// The first of this home's keys for a role.
    pub(super) fn role_key(&self, library: &Library, role: RoleKind) -> Result<Key> {
        let keys = Keyring::of_home(self.home.clone()).role_keys(library, role)?;
        keys.into_iter().next().ok_or_else(|| Failure::internal("a keyring found no key"))
    }

    /// Makes the release durable, then current.
    fn sign(
        &self,
        options: &Publish,
        author: &Author,
        current: Option<&Current<'_>>,
        sealed: &Sealed,
    ) -> Result<(StatementId, u64)> {
        let Sealed { table, ours, listed } = sealed;
        if let Some((keys, root)) = &author.founding {
            self.home.keep_founding(&author.id, keys, root.bytes())?;
        }
        let page = |header: &ClassHeader| (header.id().as_page(), header.encode());
        let documents = ours.iter().map(page).chain([(table.id().as_page(), table.encode())]);
        let pages = documents.map(|(id, bytes)| Object::Page { id, bytes: bytes.into() }).collect();
        let parents: Vec<_> = current.map(|current| current.release).into_iter().collect();
        let now = now_ms();
        let mut signed = None;
        let actor = Actor::Role { key: author.publisher.public(), role: RoleKind::Publisher };
        self.libraries.change(&author.id, pages, now, |library| {
            let mut made: Vec<_> = author.founding.iter().map(|(_, root)| root.clone()).collect();
            made.extend(self.own_membership(library, author, now)?);
            // One that was cut short before the channel moved is finished, not made twice.
            let left = library
                .releases()
                .into_iter()
                .find(|said| said.body.manifest == table.id() && said.body.parents == parents)
                .filter(|said| said.body.classes == *listed);
            let statement = match left {
                Some(said) => said.statement.clone(),
                None => {
                    let content = (table.id(), listed.clone());
                    release_of_classes(library, &author.publisher, parents, content, &options.message, now)?
                }
            };
            signed = Some((statement.id(), statement.sequence()));
            let what = format!("{}@{} {}", options.library, statement.sequence(), statement.id().short());
            if let Some((keys, _)) = &author.founding {
                let founder = Actor::Role { key: keys.root.public(), role: RoleKind::Root };
                let founded = format!("founded {}", options.library);
                self.audit(Event::new(Verb::Root, founded).by(founder).of(author.id))?;
            }
            self.audit(Event::new(Verb::Publish, what).by(actor).of(author.id))?;
            made.push(statement);
            Ok(made)
        })?;
        let (id, sequence) = signed.ok_or_else(|| Failure::internal("no release was made"))?;
        ours.iter().for_each(|header| self.mark(&header.id()));
        let what = format!("{LIVE} -> {}@{sequence} {}", options.library, id.short());
        self.audited(Event::new(Verb::Channel, what).by(actor).of(author.id), || {
            self.libraries.change(&author.id, Vec::new(), now, |library| {
                let active = author.publisher.public();
                let body = Channel { name: LIVE.to_owned(), release: id, active, follow: true, term: None };
                Ok(vec![channel(library, &author.publisher, body, now)?])
            })
        })?;
        Ok((id, sequence))
    }

    /// The statement that makes this node a member of a library whose operator key it has, if it is not one yet.
    fn own_membership(&self, library: &Library, author: &Author, now: i64) -> Result<Option<Statement>> {
        let node = self.me.id();
        if library.member(&node).is_some() {
            return Ok(None);
        }
        let operator = match &author.founding {
            Some((keys, _)) => keys.operator.clone(),
            None => self.role_key(library, RoleKind::Operator)?,
        };
        let body = Member {
            node,
            key: self.key().public(),
            name: self.config.name.clone(),
            role: node_role(self.config.role),
            classes: Classes::all(),
            verbs: Verbs::PULL,
            expires_ms: 0,
            ticket: None,
        };
        Ok(Some(member(library, &operator, body, now)?))
    }
}

/// Stores the roots of libraries that were founded here when a crash came between their keys and their first release.
pub(super) fn finish_foundings<S: Store>(home: &Home, libraries: &Libraries<S>) -> Result<()> {
    for bytes in home.foundings()? {
        let root = Statement::decode(&bytes)?;
        if libraries.get(&root.library()).is_none() {
            libraries.change(&root.library(), Vec::new(), now_ms(), |_| Ok(vec![root.clone()]))?;
        }
    }
    Ok(())
}

/// The release on which `live` stands.
struct Current<'a> {
    release: StatementId,
    sequence: u64,
    body: &'a Release,
}

fn current(library: &Library) -> Option<Current<'_>> {
    let Said { body, .. } = library.channel(LIVE)?;
    let said = library.release(&body.release)?;
    Some(Current { release: body.release, sequence: said.statement.sequence(), body: said.body })
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
