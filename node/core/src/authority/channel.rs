//! `channel set`, `promote` and `rollback`: where a channel stands is an operator's to say, and the active publisher's as
//! long as the channel stays its own. Going back is a newer statement that names an older release.

use std::path::Path;

use chuan_engine::{
    id::StatementId,
    statement::{
        Channel, Key, Library, PublicKey, RoleKind,
        library::{Proposed, channel},
    },
};

use super::{
    request::{Acted, act},
    sign_with,
};
use crate::{
    command::{Channels, Command, Promote, Rollback, SetChannel},
    exit::{Failure, Result},
    keyring::Keyring,
    node::{before_current, channel_named, find_release, now_ms},
    outcome::{ChannelMoved, Outcome},
    session::{Session, strange},
    spec::{At, Spec, check_name},
};

/// Moves a channel, or makes one. What is not said stays as it is.
pub(super) async fn set(session: &mut Session, keyring: &Keyring, options: SetChannel) -> Result<Outcome> {
    check_name("channel", &options.channel)?;
    let library = session.newest(Some(&options.library)).await?;
    let release = named(&library, &options.release)?;
    let before = library.channel(&options.channel).map(|said| said.body);
    let active = match &options.publisher {
        Some(text) => publisher(&library, text)?,
        None => match before {
            Some(before) => before.active,
            None => publisher_of(&library, &release)?,
        },
    };
    let follow = options.follow || (!options.no_follow && before.is_some_and(|before| before.follow));
    let body = Channel { name: options.channel, release, active, follow, term: None };
    say(session, keyring, &library, body, options.request.as_deref()).await
}

/// Moves a channel to the release on which another one stands.
pub(super) async fn promote(session: &mut Session, keyring: &Keyring, options: Promote) -> Result<Outcome> {
    let library = session.newest(Some(&options.library)).await?;
    let release = channel_named(&library, &options.from)?.body.release;
    let to = channel_named(&library, &options.to)?.body.clone();
    if to.release == release {
        return Err(Failure::usage(format!("{} stands where {} does already", options.to, options.from)));
    }
    say(session, keyring, &library, Channel { release, ..to }, options.request.as_deref()).await
}

/// Moves a channel back to a release on which it has stood.
pub(super) async fn rollback(session: &mut Session, keyring: &Keyring, options: Rollback) -> Result<Outcome> {
    let library = session.newest(Some(&options.library)).await?;
    let current = channel_named(&library, &options.channel)?.body;
    let history = library.channel_history(&options.channel);
    let release = match &options.to {
        None => before_current(&history).ok_or_else(|| {
            Failure::missing(format!(
                "{} stood on no release before the one on which it stands; `chuan channel set` moves it to any",
                options.channel
            ))
        })?,
        Some(text) => {
            let release = named(&library, text)?;
            if release == current.release {
                return Err(Failure::usage(format!("{} stands on `{text}` already", options.channel)));
            }
            if !history.iter().any(|said| said.body.release == release) {
                return Err(Failure::missing(format!(
                    "{0} never stood on `{text}`; `chuan history {1} --channel {0}` lists where it did, and `chuan channel set` \
                     moves it anywhere",
                    options.channel,
                    library.name()
                )));
            }
            release
        }
    };
    let body = Channel { release, ..current.clone() };
    say(session, keyring, &library, body, options.request.as_deref()).await
}

/// Signs where a channel stands and hands it over. In effect in the home when it returns, if the release's data is there;
/// with a request file it waits there for operators to sign.
async fn say(
    session: &mut Session,
    keyring: &Keyring,
    library: &Library,
    body: Channel,
    request: Option<&Path>,
) -> Result<Outcome> {
    let before = library.channel(&body.name).map(|said| said.body.release);
    let before_sequence = before.and_then(|id| library.release(&id)).map(|said| said.statement.sequence());
    let name = body.name.clone();
    let publishers = if request.is_some() { None } else { own_keys(library, keyring, &body) };
    let said = match publishers {
        Some(keys) => {
            let statement = sign_with(&keys, |key| channel(library, key, body, now_ms()))?;
            session.say(library, std::slice::from_ref(&statement)).await?;
            statement.id().to_string()
        }
        None => {
            let proposed = Proposed::channel(library, body, now_ms());
            match act(session, keyring, library, proposed, request).await? {
                Acted::Said(statement) => statement.id().to_string(),
                Acted::Requested(shown) => return Ok(Outcome::Request(shown)),
            }
        }
    };
    let channels = Channels { library: library.id().to_string() };
    let Outcome::Channels(list) = session.run(Command::Channels(channels)).await? else {
        return Err(strange());
    };
    let row = list.channels.into_iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| Failure::internal("a channel that was just moved is not there"))?;
    if row.said.statement != said {
        return Err(Failure::busy(format!(
            "something else was said of {name} at the same time, and that stands; look at `chuan history {0} --channel {name}` and \
             `chuan conflicts {0}`, and run it again",
            list.library_name
        )));
    }
    Ok(Outcome::Channel(Box::new(ChannelMoved {
        library: list.library,
        library_name: list.library_name,
        before: before.map(|id| id.to_string()),
        before_sequence,
        channel: row,
    })))
}

/// The publisher's keys, where no operator's is at hand and the channel is and stays that publisher's own: operators move any
/// channel, the active publisher its own.
fn own_keys(library: &Library, keyring: &Keyring, body: &Channel) -> Option<Vec<Key>> {
    if keyring.role_keys(library, RoleKind::Operator).is_ok() {
        return None;
    }
    let is_own = library.channel(&body.name).is_some_and(|said| said.body.active == body.active);
    let keys = keyring.role_keys(library, RoleKind::Publisher).ok()?;
    (is_own && keys.iter().any(|key| key.public() == body.active)).then_some(keys)
}

/// The release that a person named, with or without its library before it.
fn named(library: &Library, text: &str) -> Result<StatementId> {
    let spec: Spec = match text.contains('@') {
        true => text.parse()?,
        false => format!("{}@{text}", library.id()).parse()?,
    };
    if spec.library != library.name() && spec.library != library.id().to_string() {
        return Err(Failure::usage(format!("`{text}` is no release of {}", library.name())));
    }
    match &spec.at {
        At::Name(name) if library.channel(name).is_some() => Ok(channel_named(library, name)?.body.release),
        at => Ok(find_release(library, at)?.statement.id()),
    }
}

/// The publisher that a person named by its key or the beginning of it.
fn publisher(library: &Library, text: &str) -> Result<PublicKey> {
    let all = publishers(library);
    let found: Vec<_> = all.iter().filter(|key| key.to_string().starts_with(&text.to_lowercase())).collect();
    match found.as_slice() {
        [key] if text.len() >= 4 => Ok(**key),
        _ => Err(Failure::usage(format!(
            "the root of {} names no one publisher `{text}`; it names {}",
            library.name(),
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// Who is to move a new channel that stands on `release`: who made that.
fn publisher_of(library: &Library, release: &StatementId) -> Result<PublicKey> {
    let signers = library.statement(release).into_iter().flat_map(|statement| statement.signers());
    let all = publishers(library);
    signers.copied().find(|key| all.contains(key)).ok_or_else(|| {
        Failure::usage("the release's publisher is one no more; name another with --publisher")
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
