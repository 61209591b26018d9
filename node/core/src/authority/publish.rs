//! `publish` and `found`: the home ingests the files; this process signs the release. The order makes a crash
//! harmless: chunks and pages are durable before the release that names them, the release before the channel
//! that makes it current, and the keys of a new library before any statement they signed.

use chuan_engine::{
    id::{LibraryId, Salt, SaltKey, StatementId},
    ingest::{self, Ingest as Source},
    statement::{
        Body, Classes, Key, Library, Member, PublicKey, RoleKind, Statement, Verbs, check_message,
        library::{Founders, found as founding_root, member, release_of_classes},
        publishing,
    },
};

use super::request::short_of_operators;
use crate::{
    command::{Command, Found, Ingest, Publish},
    exit::{Exit, Failure, Result},
    home::{backup, keys::RoleKeys},
    keyring::Keyring,
    library::members::node_role,
    outcome::{Identity, Ingested, Offered, Outcome, Published},
    publish::first::nothing_to_publish,
    session::{Session, mismatch},
    spec::{LIVE, check_name},
    transfer,
};

/// The maximum number of attempts of a publish, when other commands sign statements of the library at the
/// same time.
const TRIES: usize = 4;

/// The keys that sign a publish, and the keys and root of a library that does not exist yet.
struct Author {
    id: LibraryId,
    /// The channel's active publisher comes first.
    publishers: Vec<Key>,
    founding: Option<(RoleKeys, Statement)>,
}

/// Ingests changed files, signs a release and moves the channel `live` to it. A new name founds a library,
/// whose keys stay in the home. Cancel-safe: the library is as before, and content that was ingested is not
/// ingested again.
pub(crate) async fn publish(session: &mut Session, keyring: &Keyring, options: Publish) -> Result<Published> {
    let begun = session.clock().instant();
    // Before hours of reading, and before keys are made.
    check_message(&options.message)?;
    let author = author(session, keyring, &options).await?;
    let mut contended = None;
    let mut asked_seconds = 0.0;
    for _ in 0..TRIES {
        let mut ingested = ingest(session, &author, &options).await?;
        asked_seconds += ingested.published.asked_seconds;
        ingested.published.asked_seconds = asked_seconds;
        if options.dry_run {
            let seconds = begun.elapsed().as_secs_f64();
            let previewed = dry_run(session, &author, &options, ingested).await?;
            return Ok(Published { seconds, ..previewed });
        }
        match sign_release(session, keyring, &author, &options, ingested).await {
            Ok(published) => return Ok(Published { seconds: begun.elapsed().as_secs_f64(), ..published }),
            Err(failure) if failure.exit == Exit::Busy => contended = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(contended.unwrap_or_else(|| Failure::internal("a publish was not tried")))
}

/// Founds a library with a root that was prepared in a file, and makes this node a member, signed by the
/// library's operators.
pub(crate) async fn found(session: &mut Session, keyring: &Keyring, options: Found) -> Result<Offered> {
    let draft = transfer::read_roots(&options.file)?;
    let roots = transfer::complete(&draft, &options.file)?;
    let library = Library::open(draft.library(), roots.clone(), session.now_ms())?;
    let operators = keyring.role_keys(&library, RoleKind::Operator)?;
    let mut statements = roots;
    if session.find_library(&library.id().to_string()).await?.is_none() {
        let identity = identity(session).await?;
        let own = membership(session, &library, &operators, &identity)?;
        if let Some(lacks) = short_of_operators(&library, &own) {
            return Err(Failure::denied(format!(
                "to make this home a member needs {lacks}; name each key file with the option `key`"
            )));
        }
        statements.push(own);
    }
    session.offer(&library.id(), &statements, true).await
}

/// The keys that sign: the available keys of a known library, or new keys for an unknown name. One command at
/// a time founds a library, and the keys are kept before the next one looks for the name: of several
/// publishes of one new name, one founds the library, and the others publish into it.
async fn author(session: &mut Session, keyring: &Keyring, options: &Publish) -> Result<Author> {
    if let Some(author) = known_author(session, keyring, options).await? {
        return Ok(author);
    }
    let _turn = session.founding_turn().await?;
    if let Some(author) = known_author(session, keyring, options).await? {
        return Ok(author);
    }
    let name = options.library.as_str();
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
            "no library {name} here; `chuan found FILE` founds one with keys of your own, and without the option `key` its keys are made here"
        )));
    }
    check_founding(session, options).await?;
    let keys = RoleKeys::generate(session.randomness())?;
    let founders = Founders { root: &keys.root, operator: &keys.operator, publisher: &keys.publisher };
    let nonce = Salt::from_bytes(session.randomness().bytes()?);
    let (id, root) = founding_root(name, founders, nonce, session.now_ms())?;
    let author = Author { id, publishers: vec![keys.publisher.clone()], founding: Some((keys, root)) };
    // Without a source, no library is founded.
    if !options.dry_run && options.source.exists() {
        author.keep_founding(session)?;
        // Before hours of reading: the publish may be interrupted.
        let home = session.home().root().display();
        let note = format!(
            "the keys of {name} are in {home} only: `chuan home backup FILE` copies them to another disk"
        );
        session.say(note).await;
    }
    Ok(author)
}

/// Refuses to found a library beside another one, or without content, where the caller has not said so: the
/// name or the folder may be mistyped, and the keys of a library stay.
async fn check_founding(session: &mut Session, options: &Publish) -> Result<()> {
    let Publish { library: name, dry_run, found, allow_empty, .. } = options;
    // The answer of a dry run lists them.
    let others = if *found || *dry_run { Vec::new() } else { libraries(session).await? };
    if !others.is_empty() {
        return Err(Failure::usage(format!(
            "no library {name} is known here; this home has {}. If the name is right, give the option `found` to found \
             another library",
            others.join(", ")
        )));
    }
    let patterns = options.patterns((true, Vec::new()));
    let source = Source { patterns, ..Source::new(&options.source, session.clock().timestamp()) };
    if !allow_empty && options.source.exists() && ingest::is_empty(&source)? {
        return Err(nothing_to_publish(options));
    }
    Ok(())
}

/// The libraries beside which a publish would found another one, and which it does not know of yet that this
/// is meant; empty where it founds none.
pub async fn founded_beside(session: &mut Session, options: &Publish) -> Result<Vec<String>> {
    if options.dry_run || options.found || session.find_library(&options.library).await?.is_some() {
        return Ok(Vec::new());
    }
    libraries(session).await
}

/// The names of the libraries that the home knows.
async fn libraries(session: &mut Session) -> Result<Vec<String>> {
    match session.run(Command::Status).await? {
        Outcome::Status(status) => Ok(status.libraries.into_iter().map(|library| library.name).collect()),
        _ => Err(mismatch()),
    }
}

/// The available keys of a known library; `None` for an unknown name.
async fn known_author(session: &mut Session, keyring: &Keyring, options: &Publish) -> Result<Option<Author>> {
    let Some(library) = session.find_library(&options.library).await? else { return Ok(None) };
    let mut publishers = keyring.role_keys(&library, RoleKind::Publisher)?;
    let active = library.channel(LIVE).map(|said| said.body.active);
    publishers.sort_by_key(|key| Some(key.public()) != active);
    Ok(Some(Author { id: library.id(), publishers, founding: None }))
}

/// Offers the root of a library of this name whose keys are in the home but which the home does not know: a
/// crash interrupted its founding.
async fn finish_founding(session: &mut Session, name: &str) -> Result<Option<Library>> {
    for bytes in session.home().foundings()? {
        let root = Statement::decode(&bytes)?;
        if matches!(root.body(), Body::Root(body) if body.name == name) {
            let library = Library::open(root.library(), [root.clone()], session.now_ms())?;
            session.offer_effective(&library, &[root]).await?;
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
        _ => Err(mismatch()),
    }
}

/// The answer of a dry run: nothing is signed.
async fn dry_run(
    session: &mut Session,
    author: &Author,
    options: &Publish,
    ingested: Ingested,
) -> Result<Published> {
    let mut published = Published {
        library: author.id.to_string(),
        library_name: options.library.clone(),
        founded: author.founding.is_some(),
        release: ingested.parent.unwrap_or_default(),
        ..ingested.published
    };
    if author.founding.is_none() {
        let library = session.library(Some(&published.library)).await?;
        note_live(&mut published, &library, &author.publisher()?.public());
    } else if !options.found {
        published.beside = libraries(session).await?;
    }
    Ok(published)
}

/// Signs the release of the ingested content, makes it durable, then current.
async fn sign_release(
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
        home: unsaved_home(session, author, parent.is_none()),
        ..ingested.published
    };
    if let (false, Some(parent)) = (published.changed, &parent) {
        published.release = parent.to_string();
        let library = session.library(Some(&author.id.to_string())).await?;
        note_live(&mut published, &library, &author.publisher()?.public());
        return Ok(published);
    }
    let mut library = library_of(session, author).await?;
    if !options.force && publishing::base(&library, &author.publisher()?.public()) != parent {
        return Err(Failure::busy("the channel moved while the files were read; run it again"));
    }

    let mut statements: Vec<Statement> = author.founding.iter().map(|(_, root)| root.clone()).collect();
    statements.extend(own_membership(session, keyring, author, &library).await?);
    let manifest = published.manifest.parse()?;
    let parents: Vec<_> = parent.into_iter().collect();
    let listed = ingested.listed.iter().map(TryInto::try_into).collect::<Result<Vec<_>>>()?;
    // A publish that was interrupted before the channel moved is finished: its release is not made twice.
    let made = |statement: &&Statement| match statement.body() {
        Body::Release(made) => made.manifest == manifest && made.parents == parents && made.classes == listed,
        _ => false,
    };
    let left = library.releases().into_iter().map(|said| said.statement).find(made).cloned();
    let release = match left {
        Some(release) => release,
        None => publishing::cosigned(&author.publishers, |publisher| {
            release_of_classes(
                &library,
                publisher,
                parents,
                (manifest, listed),
                &options.message,
                session.now_ms(),
            )
        })?,
    };
    (published.release, published.sequence) = (release.id().to_string(), release.sequence());
    statements.push(release.clone());
    for outcome in library.offer_all(&statements, session.now_ms()) {
        let _ = outcome?;
    }
    let moves = publishing::moves(&library, &author.publishers, release.id(), session.now_ms())?;
    for outcome in library.offer_all(&moves, session.now_ms()) {
        let _ = outcome?;
    }
    // All in one offer: if another publish has moved the channel meanwhile, the home accepts none of them.
    statements.extend(moves);
    published.asked_seconds += session.offer_effective(&library, &statements).await?;
    note_live(&mut published, &library, &author.publisher()?.public());
    Ok(published)
}

/// The library as it is known here. For a new library, its keys and root are stored first.
async fn library_of(session: &mut Session, author: &Author) -> Result<Library> {
    let id = author.id.to_string();
    let Some((keys, root)) = &author.founding else { return session.library(Some(&id)).await };
    session.home().keep_founding(&author.id, keys, root.bytes())?;
    match session.find_library(&id).await? {
        // Another command finished the founding between two attempts of this one.
        Some(library) => Ok(library),
        None => Ok(Library::open(author.id, [root.clone()], session.now_ms())?),
    }
}

/// The home, if its keys of the library are new and have no backup: until the first release is published.
fn unsaved_home(session: &Session, author: &Author, is_first: bool) -> Option<String> {
    let home = session.home();
    let has_root_key = || home.roles_held(&author.id).contains(&RoleKind::Root);
    let is_unsaved = is_first && has_root_key() && backup::status(home).state == backup::NONE;
    (author.founding.is_some() || is_unsaved).then(|| home.root().display().to_string())
}

/// Notes whether the release is a side release, or would be one, and the release and the active publisher of
/// `live`.
fn note_live(published: &mut Published, library: &Library, publisher: &PublicKey) {
    let live = library.channel(LIVE).map(|said| said.body);
    let is_contradicted = library.contradiction(LIVE).is_some();
    let has_moved = match published.dry_run && published.changed {
        true => !is_contradicted && publishing::moves_live(library, publisher),
        false => live.is_some_and(|live| live.release.to_string() == published.release),
    };
    published.contradicted = published.changed && !has_moved && is_contradicted;
    let Some(live) = live else { return };
    published.side = !has_moved;
    published.live_publisher = live.active.to_string();
    published.live_follows = live.follow;
    let release = library.release(&live.release);
    published.live_sequence = release.map_or(0, |said| said.statement.sequence());
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
    // Otherwise the publish would make a stolen key a member's key again, on every node.
    if let Some(revoked) = library.revocation(&node) {
        return Err(Failure::denied(format!(
            "this node was revoked ({}); an operator can admit it again with `chuan grant {node}`, with a new key if the \
             old one was stolen",
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
    Ok(publishing::cosigned(operators, |operator| member(library, operator, body, session.now_ms()))?)
}

async fn identity(session: &mut Session) -> Result<Identity> {
    match session.run(Command::Id).await? {
        Outcome::Id(identity) => Ok(identity),
        _ => Err(mismatch()),
    }
}

impl Author {
    /// Stores the keys and the root of a new library before the first byte is read. Content is stored under
    /// the library's id, so the next publish of this name can continue.
    fn keep_founding(&self, session: &Session) -> Result<()> {
        match &self.founding {
            Some((keys, root)) => session.home().keep_founding(&self.id, keys, root.bytes()),
            None => Ok(()),
        }
    }

    fn publisher(&self) -> Result<&Key> {
        self.publishers.first().ok_or_else(|| Failure::internal("a keyring found no key"))
    }
}
