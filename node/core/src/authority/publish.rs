//! `publish` and `found`: the home takes the files in, this process signs what they are. The order is what keeps a crash
//! harmless: chunks and pages are durable before the release that names them, the release before the channel that makes it
//! current, and the keys of a new library before anything they signed.

use std::time::Instant;

use chuan_engine::{
    id::{LibraryId, Salt, SaltKey, StatementId},
    statement::{
        Body, Classes, Key, Library, Member, RoleKind, Statement, Verbs,
        library::{Founders, found as founding_root, member, release_of_classes},
    },
};

use super::{follow, request::short_of_operators, sign_with};
use crate::{
    carry,
    command::{Command, Found, Ingest, Publish},
    exit::{Exit, Failure, Result},
    home::keys::{self, RoleKeys},
    keyring::Keyring,
    node::{node_role, now_ms},
    outcome::{Identity, Ingested, Offered, Outcome, Published},
    session::{Session, strange},
    spec::{LIVE, check_name},
};

/// How often a publish begins anew when another command spoke for the library at the same time.
const TRIES: usize = 4;

/// Whose keys sign, and the root of a library that does not exist yet.
struct Author {
    id: LibraryId,
    /// The first is the one the channel names.
    publishers: Vec<Key>,
    founding: Option<(RoleKeys, Statement)>,
}

/// Ingests what changed, signs a release and moves the channel `live` to it. A name that is new founds a library, whose
/// keys stay in the home. Stopped at any moment, the library is as before, and what was ingested is not ingested again.
pub(crate) async fn publish(session: &mut Session, keyring: &Keyring, options: Publish) -> Result<Published> {
    let begun = Instant::now();
    let author = author(session, keyring, &options).await?;
    if !options.dry_run {
        author.keep_founding(session, &options)?;
    }
    let mut contended = None;
    for _ in 0..TRIES {
        let ingested = ingest(session, &author, &options).await?;
        if options.dry_run {
            let seconds = begun.elapsed().as_secs_f64();
            return Ok(Published { seconds, ..would_be(&author, &options, ingested) });
        }
        match speak(session, keyring, &author, &options, ingested).await {
            Ok(published) => return Ok(Published { seconds: begun.elapsed().as_secs_f64(), ..published }),
            Err(failure) if failure.exit == Exit::Busy => contended = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(contended.unwrap_or_else(|| Failure::internal("a publish was not tried")))
}

/// Founds a library with a root that was prepared in a file, and makes this node a member of it, on the word of one of its
/// operators.
pub(crate) async fn found(session: &mut Session, keyring: &Keyring, options: Found) -> Result<Offered> {
    let draft = carry::read_roots(&options.file)?;
    let roots = carry::complete(&draft, &options.file)?;
    let library = Library::open(draft.library(), roots.clone(), now_ms())?;
    let operators = keyring.role_keys(&library, RoleKind::Operator)?;
    let mut statements = roots;
    if session.find_library(&library.id().to_string()).await?.is_none() {
        let identity = identity(session).await?;
        let own = membership(session, &library, &operators, &identity)?;
        if let Some(lacks) = short_of_operators(&library, &own) {
            return Err(Failure::denied(format!(
                "this home becomes a member with {lacks}; name each file with --key"
            )));
        }
        statements.push(own);
    }
    session.offer(&library.id(), &statements, true).await
}

/// The keys to sign with: those at hand for a library that is known, new ones for a name that is not.
async fn author(session: &mut Session, keyring: &Keyring, options: &Publish) -> Result<Author> {
    let name = options.library.as_str();
    if let Some(library) = session.find_library(name).await? {
        let mut publishers = keyring.role_keys(&library, RoleKind::Publisher)?;
        let active = library.channel(LIVE).map(|said| said.body.active);
        publishers.sort_by_key(|key| Some(key.public()) != active);
        return Ok(Author { id: library.id(), publishers, founding: None });
    }
    if !options.dry_run
        && let Some(library) = finish_founding(session, name).await?
    {
        let publishers = keyring.role_keys(&library, RoleKind::Publisher)?;
        return Ok(Author { id: library.id(), publishers, founding: None });
    }
    if name.parse::<LibraryId>().is_ok() {
        return Err(Failure::missing(format!("no library {name} here; join it with a ticket")));
    }
    check_name("library", name)?;
    if keyring.is_named() {
        return Err(Failure::missing(format!(
            "no library {name} here; `chuan found FILE` founds one with keys of your own, and without --key its keys are made here"
        )));
    }
    let keys = RoleKeys::generate()?;
    let founders = Founders { root: &keys.root, operator: &keys.operator, publisher: &keys.publisher };
    let (id, root) = founding_root(name, founders, Salt::from_bytes(keys::random()?), now_ms())?;
    Ok(Author { id, publishers: vec![keys.publisher.clone()], founding: Some((keys, root)) })
}

/// Hands over the root of a library of this name whose keys lie in the home, and that the home does not know: its founding
/// was cut short.
async fn finish_founding(session: &mut Session, name: &str) -> Result<Option<Library>> {
    for bytes in session.home().foundings()? {
        let root = Statement::decode(&bytes)?;
        if matches!(root.body(), Body::Root(body) if body.name == name) {
            let library = Library::open(root.library(), [root.clone()], now_ms())?;
            session.say(&library, &[root]).await?;
            return Ok(Some(library));
        }
    }
    Ok(None)
}

async fn ingest(session: &mut Session, author: &Author, options: &Publish) -> Result<Ingested> {
    let publisher = author.publisher()?;
    let command = Command::Ingest(Ingest {
        library: author.id.to_string(),
        publishers: author.publishers.iter().map(|key| key.public().to_string()).collect(),
        salt: SaltKey::of_publisher(publisher.seed()).to_string(),
        options: options.clone(),
    });
    match session.run(command).await? {
        Outcome::Ingest(ingested) => Ok(*ingested),
        _ => Err(strange()),
    }
}

/// What a publish would answer, before anything is signed.
fn would_be(author: &Author, options: &Publish, ingested: Ingested) -> Published {
    Published {
        library: author.id.to_string(),
        library_name: options.library.clone(),
        founded: author.founding.is_some(),
        release: ingested.parent.unwrap_or_default(),
        ..ingested.published
    }
}

/// Makes the release of what was ingested durable, then current.
async fn speak(
    session: &mut Session,
    keyring: &Keyring,
    author: &Author,
    options: &Publish,
    ingested: Ingested,
) -> Result<Published> {
    let parent: Option<StatementId> = ingested.parent.as_deref().map(str::parse).transpose()?;
    let mut published = Published {
        library: author.id.to_string(),
        library_name: options.library.clone(),
        founded: author.founding.is_some(),
        ..ingested.published
    };
    if let (false, Some(parent)) = (published.changed, &parent) {
        published.release = parent.to_string();
        say_beside(&mut published, &session.library(Some(&author.id.to_string())).await?);
        return Ok(published);
    }
    let mut library = library_of(session, author).await?;
    if !options.force && follow::base(&library, &author.publisher()?.public()) != parent {
        return Err(Failure::busy("the channel moved while the files were read; run it again"));
    }

    let mut statements: Vec<Statement> = author.founding.iter().map(|(_, root)| root.clone()).collect();
    statements.extend(own_membership(session, keyring, author, &library).await?);
    let manifest = published.manifest.parse()?;
    let parents: Vec<_> = parent.into_iter().collect();
    let listed = ingested.listed.iter().map(TryInto::try_into).collect::<Result<Vec<_>>>()?;
    // One that was cut short before the channel moved is finished, not made twice.
    let made = |statement: &&Statement| match statement.body() {
        Body::Release(made) => made.manifest == manifest && made.parents == parents && made.classes == listed,
        _ => false,
    };
    let left = library.releases().into_iter().map(|said| said.statement).find(made).cloned();
    let release = match left {
        Some(release) => release,
        None => sign_with(&author.publishers, |publisher| {
            release_of_classes(&library, publisher, parents, (manifest, listed), &options.message, now_ms())
        })?,
    };
    (published.release, published.sequence) = (release.id().to_string(), release.sequence());
    statements.push(release.clone());
    for outcome in library.offer_all(&statements, now_ms()) {
        let _ = outcome?;
    }
    let moves = follow::moves(&library, &author.publishers, release.id(), now_ms())?;
    for outcome in library.offer_all(&moves, now_ms()) {
        let _ = outcome?;
    }
    // In one go: where another publish moved the channel meanwhile, nothing of this one is taken.
    statements.extend(moves);
    session.say(&library, &statements).await?;
    say_beside(&mut published, &library);
    Ok(published)
}

/// The library as it is known here; of one that is being founded, its root, once that is kept with its keys.
async fn library_of(session: &mut Session, author: &Author) -> Result<Library> {
    let id = author.id.to_string();
    let Some((keys, root)) = &author.founding else { return session.library(Some(&id)).await };
    session.home().keep_founding(&author.id, keys, root.bytes())?;
    match session.find_library(&id).await? {
        // The founding was finished by another command, between two tries of this one.
        Some(library) => Ok(library),
        None => Ok(Library::open(author.id, [root.clone()], now_ms())?),
    }
}

/// Says whether the release lies beside `live`, and whom that follows.
fn say_beside(published: &mut Published, library: &Library) {
    let Some(live) = library.channel(LIVE).map(|said| said.body) else { return };
    published.side = live.release.to_string() != published.release;
    published.live_publisher = live.active.to_string();
    published.live_follows = live.follow;
}

/// The statement that makes this node a member of the library, if it is not one yet.
async fn own_membership(
    session: &mut Session,
    keyring: &Keyring,
    author: &Author,
    library: &Library,
) -> Result<Option<Statement>> {
    let identity = identity(session).await?;
    let node = identity.id.parse()?;
    if library.member(&node).is_some() {
        return Ok(None);
    }
    // A key that was stolen would be a member's again, by the way and everywhere.
    if let Some(revoked) = library.revocation(&node) {
        return Err(Failure::denied(format!(
            "this node was revoked ({}); an operator can admit it again with `chuan grant {node}`, under a new key where the old \
             one was stolen",
            revoked.body.reason
        )));
    }
    let operators = match &author.founding {
        Some((keys, _)) => vec![keys.operator.clone()],
        None => keyring.role_keys(library, RoleKind::Operator)?,
    };
    membership(session, library, &operators, &identity).map(Some)
}

fn membership(
    session: &Session,
    library: &Library,
    operators: &[Key],
    identity: &Identity,
) -> Result<Statement> {
    let body = Member {
        node: identity.id.parse()?,
        key: identity.key.parse()?,
        name: identity.name.clone(),
        role: node_role(session.home().config()?.role),
        region: None,
        classes: Classes::all(),
        verbs: Verbs::PULL,
        expires_ms: 0,
        ticket: None,
    };
    sign_with(operators, |operator| member(library, operator, body, now_ms()))
}

async fn identity(session: &mut Session) -> Result<Identity> {
    match session.run(Command::Id).await? {
        Outcome::Id(identity) => Ok(identity),
        _ => Err(strange()),
    }
}

impl Author {
    /// Keeps the keys and the root of a new library before the first byte is read: what is stored is stored under the library's
    /// id, so that the next publish of this name goes on from there. Nothing is founded where there is nothing to publish.
    fn keep_founding(&self, session: &Session, options: &Publish) -> Result<()> {
        match &self.founding {
            Some((keys, root)) if options.source.exists() => {
                session.home().keep_founding(&self.id, keys, root.bytes())
            }
            _ => Ok(()),
        }
    }

    fn publisher(&self) -> Result<&Key> {
        self.publishers.first().ok_or_else(|| Failure::internal("a keyring found no key"))
    }
}
