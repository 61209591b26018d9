//! Speaking for a library: what is known of it is fetched from the home, the statement is made and signed in this process
//! with the caller's key, and handed over finished. So who reaches a home's socket, and has no key, has no authority; and
//! the node that holds the home reads no key but its own for anybody.

mod channel;
pub(crate) mod follow;
mod fresh;
mod grant;
mod invite;
mod policy;
mod publish;
pub mod request;
mod words;

use chuan_engine::statement::{Key, Statement};

use crate::{
    command::Signed,
    exit::{Failure, Result},
    keyring::Keyring,
    outcome::Outcome,
    session::Session,
};

pub(crate) use invite::invite;
pub use policy::read as read_policy;
pub(crate) use publish::publish;

/// Runs a command with the keys of whoever calls.
pub async fn run(session: &mut Session, keyring: &Keyring, command: Signed) -> Result<Outcome> {
    match command {
        Signed::Publish { options, .. } => publish(session, keyring, options).await.map(Outcome::Publish),
        Signed::Found { options, .. } => publish::found(session, keyring, options).await.map(Outcome::Offer),
        Signed::Invite { options, .. } => invite::ask(session, keyring, options).await,
        Signed::Grant { options, .. } => grant::grant(session, keyring, options).await,
        Signed::Revoke { options, .. } => grant::revoke(session, keyring, options).await,
        Signed::Policy { options, .. } => policy::set(session, keyring, options).await,
        Signed::SetChannel { options, .. } => channel::set(session, keyring, options).await,
        Signed::Promote { options, .. } => channel::promote(session, keyring, options).await,
        Signed::Rollback { options, .. } => channel::rollback(session, keyring, options).await,
        Signed::Fresh { options, .. } => {
            fresh::vouch(session, keyring, options).await.map(|said| Outcome::Fresh(Box::new(said)))
        }
    }
}

/// Makes a statement with the first of `keys`, and has the others sign it too: some roles ask for several.
fn sign_with(
    keys: &[Key],
    make: impl FnOnce(&Key) -> Result<Statement, chuan_engine::Error>,
) -> Result<Statement> {
    let (first, others) = keys.split_first().ok_or_else(|| Failure::internal("a keyring found no key"))?;
    let mut statement = make(first)?;
    for other in others {
        statement = statement.cosign(other)?;
    }
    Ok(statement)
}
