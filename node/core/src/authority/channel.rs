//! `channel set`, `promote` and `rollback`: operators point a channel to a release. The active publisher may
//! do so too, as long as it remains the active publisher. A rollback is a newer statement that names an older
//! release. A move to a release that does not contain the current one needs a confirmation: readers lose
//! releases, and new releases are based on that release.

use std::path::Path;

use chuan_engine::{
    id::{StatementId, may_be_id},
    statement::{
        Channel, Key, Library, PublicKey, RoleKind,
        library::{Proposed, channel},
        publishing,
    },
};

use super::{
    preview,
    request::{Acted, act},
};
use crate::{
    command::{Channels, Command, Promote, Rollback, SetChannel},
    exit::{Failure, Result},
    keyring::Keyring,
    library::{
        channels::{before_current, named as channel_named},
        release::find as find_release,
    },
    outcome::{ChannelMoved, Outcome},
    session::{Session, mismatch},
    spec::{At, Spec, check_name, check_new_channel},
};

/// Moves a channel, or makes one. Fields without an option stay as they are.
pub(super) async fn set(session: &mut Session, keyring: &Keyring, options: SetChannel) -> Result<Outcome> {
    check_name("channel", &options.channel)?;
    let library = session.newest(Some(&options.library)).await?;
    let release = named(&library, &options.release)?;
    let before = library.channel(&options.channel).map(|said| said.body);
    if before.is_none() {
        check_new_channel(&options.channel)?;
    }
    let active = match &options.publisher {
        Some(text) => publisher(&library, text)?,
        None => match before {
            Some(before) => before.active,
            None => publisher_of(&library, &release)?,
        },
    };
    let follow = options.follow || (!options.no_follow && before.is_some_and(|before| before.follow));
    let body = Channel { name: options.channel, release, active, follow, term: None };
    let how = How { dry_run: options.dry_run, yes: options.yes, request: options.request.as_deref() };
    sign(session, keyring, &library, body, how).await
}

/// Moves a channel to the release to which another channel points.
pub(super) async fn promote(session: &mut Session, keyring: &Keyring, options: Promote) -> Result<Outcome> {
    let library = session.newest(Some(&options.library)).await?;
    let release = channel_named(&library, &options.from)?.body.release;
    let to = channel_named(&library, &options.to)?.body.clone();
    if to.release == release {
        let (to, from) = (&options.to, &options.from);
        return Err(Failure::usage(format!("{to} already points to the same release as {from}")));
    }
    let how = How { dry_run: options.dry_run, yes: options.yes, request: options.request.as_deref() };
    sign(session, keyring, &library, Channel { release, ..to }, how).await
}

/// Moves a channel back to a release to which it has pointed before.
pub(super) async fn rollback(session: &mut Session, keyring: &Keyring, options: Rollback) -> Result<Outcome> {
    let library = session.newest(Some(&options.library)).await?;
    let current = channel_named(&library, &options.channel)?.body;
    let history = library.channel_history(&options.channel);
    let release = match &options.to {
        None => before_current(&history).ok_or_else(|| {
            Failure::missing(format!(
                "{} has no earlier release; `chuan channel set` moves it to any release",
                options.channel
            ))
        })?,
        Some(text) => {
            let release = named(&library, text)?;
            if release == current.release {
                return Err(Failure::usage(format!("{} already points to `{text}`", options.channel)));
            }
            if !history.iter().any(|said| said.body.release == release) {
                let moves = library.channel_moves(&options.channel);
                if moves.iter().any(|at| at.said.body.release == release) {
                    return Err(Failure::missing(format!(
                        "`{text}` is no longer in the effective history of {0}: the root no longer names the operator of that \
                         move; `chuan channel set {1} {0} {text}` moves it there",
                        options.channel,
                        library.name()
                    )));
                }
                return Err(Failure::missing(format!(
                    "{0} never pointed to `{text}`; `chuan history {1}` with the option `channel {0}` lists its releases, and `chuan \
                     channel set` moves it to any release",
                    options.channel,
                    library.name()
                )));
            }
            release
        }
    };
    let body = Channel { release, ..current.clone() };
    let how = How { dry_run: options.dry_run, yes: options.yes, request: options.request.as_deref() };
    sign(session, keyring, &library, body, how).await
}

/// The use of a channel statement: shown only, written to a file, or applied.
struct How<'a> {
    dry_run: bool,
    /// Whether it is confirmed.
    yes: bool,
    request: Option<&'a Path>,
}

/// Signs a channel statement and offers it to the home. The channel has moved in the home when it returns, if
/// the release's data is there. With a request file, the statement is written to it, for operators to sign.
async fn sign(
    session: &mut Session,
    keyring: &Keyring,
    library: &Library,
    body: Channel,
    how: How<'_>,
) -> Result<Outcome> {
    let request = how.request;
    let proposed = Proposed::channel(library, body.clone(), session.now_ms());
    let preview = preview::of(session, library, &proposed).await?;
    if how.dry_run {
        if own_keys(library, keyring, &body).is_none() {
            preview::check_keys(keyring, library)?;
        }
        return Ok(Outcome::Preview(Box::new(preview)));
    }
    preview::check(&preview, how.yes || request.is_some())?;
    let taken = preview.channels.into_iter().find(|taken| taken.name == body.name).unwrap_or_default();
    let before = library.channel(&body.name).map(|said| said.body.release);
    let before_sequence = before.and_then(|id| library.release(&id)).map(|said| said.statement.sequence());
    let name = body.name.clone();
    let publishers = if request.is_some() { None } else { own_keys(library, keyring, &body) };
    let signed = match publishers {
        Some(keys) => {
            let statement = publishing::cosigned(&keys, |key| channel(library, key, body, session.now_ms()))?;
            session.offer_effective(library, std::slice::from_ref(&statement)).await?;
            statement.id().to_string()
        }
        None => {
            let proposed = Proposed::channel(library, body, session.now_ms());
            match act(session, keyring, library, proposed, request).await? {
                Acted::Applied(statement) => statement.id().to_string(),
                Acted::Requested(shown) => return Ok(Outcome::Request(shown)),
            }
        }
    };
    let channels = Channels { library: library.id().to_string() };
    let Outcome::Channels(list) = session.run(Command::Channels(channels)).await? else {
        return Err(mismatch());
    };
    let row = list.channels.into_iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| Failure::internal("a channel that was just moved is not there"))?;
    if row.said.statement != signed {
        return Err(Failure::busy(format!(
            "another statement about {name} was signed at the same time, and is effective instead; see `chuan history {0}` \
             with the option `channel {name}`, and `chuan conflicts {0}`, and run it again",
            list.library_name
        )));
    }
    Ok(Outcome::Channel(Box::new(ChannelMoved {
        library: list.library,
        library_name: list.library_name,
        before: before.map(|id| id.to_string()),
        before_sequence,
        releases_back: taken.releases,
        leaves: taken.leaves,
        channel: row,
    })))
}

/// The publisher's keys, if no operator key is available, and this publisher is and remains the channel's
/// active publisher: operators may move any channel, a publisher only a channel of its own.
fn own_keys(library: &Library, keyring: &Keyring, body: &Channel) -> Option<Vec<Key>> {
    if keyring.role_keys(library, RoleKind::Operator).is_ok() {
        return None;
    }
    let is_own = library.channel(&body.name).is_some_and(|said| said.body.active == body.active);
    let keys = keyring.role_keys(library, RoleKind::Publisher).ok()?;
    (is_own && keys.iter().any(|key| key.public() == body.active)).then_some(keys)
}

/// The release that the text names, with or without its library before it.
fn named(library: &Library, text: &str) -> Result<StatementId> {
    let spec: Spec = match text.contains('@') {
        true => text.parse()?,
        false => format!("{}@{text}", library.id()).parse()?,
    };
    let id = library.id().to_string();
    let is_prefix = may_be_id(&spec.library) && id.starts_with(&spec.library.to_ascii_lowercase());
    if spec.library != library.name() && !is_prefix {
        return Err(Failure::usage(format!("`{text}` is not a release of {}", library.name())));
    }
    match &spec.at {
        At::Name(name) if library.channel(name).is_some() => Ok(channel_named(library, name)?.body.release),
        at => Ok(find_release(library, at)?.statement.id()),
    }
}

/// The publisher whose key begins with the text.
fn publisher(library: &Library, text: &str) -> Result<PublicKey> {
    let all = publishers(library);
    let found: Vec<_> = all.iter().filter(|key| key.to_string().starts_with(&text.to_lowercase())).collect();
    match found.as_slice() {
        [key] if text.len() >= 4 => Ok(**key),
        _ => Err(Failure::usage(format!(
            "`{text}` matches no publisher of {}, or several; its publishers are {}",
            library.name(),
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// The active publisher of a new channel that points to `release`: a publisher that signed the release.
fn publisher_of(library: &Library, release: &StatementId) -> Result<PublicKey> {
    let signers = library.statement(release).into_iter().flat_map(|statement| statement.signers());
    let all = publishers(library);
    signers.copied().find(|key| all.contains(key)).ok_or_else(|| {
        Failure::usage("no signer of the release is a publisher now; name one with the option `publisher`")
    })
}

fn publishers(library: &Library) -> Vec<PublicKey> {
    let roles = library.root().into_iter().flat_map(|root| &root.roles);
    let mut all: Vec<_> =
        roles.filter(|role| role.kind == RoleKind::Publisher).flat_map(|role| role.keys.clone()).collect();
    all.sort_unstable();
    all.dedup();
    all
}
