//! Commands that sign for a library. The library's statements are fetched from the home; the new statement is
//! made and signed in this process with the caller's key, and offered to the home complete. So a process that
//! can reach the admin socket and has no key has no authority. The node that holds the home reads no key but
//! its own for other processes.

mod channel;
mod classes;
mod fresh;
mod grant;
mod invite;
mod policy;
mod preview;
mod publish;
pub mod request;
mod words;

use crate::{command::Signed, exit::Result, keyring::Keyring, outcome::Outcome, session::Session};

pub(crate) use invite::invite;
pub use policy::read as read_policy;
pub use publish::founded_beside;
pub(crate) use publish::publish;

/// Runs a command with the caller's keys.
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
