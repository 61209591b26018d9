//! [`Act`]: a change to a library that operators sign.

use std::{
    fmt,
    future::{Future, IntoFuture},
    path::PathBuf,
    pin::Pin,
};

use super::{Error, Library};
use crate::{
    authority,
    command::Signed,
    exit::{self, Failure},
    job::Job,
    outcome::{Outcome, Preview, RequestShown},
    session::mismatch,
};

/// A change to a library that operators sign: a grant, a ticket, a move of a channel. Awaiting it signs it
/// with the keys of the library handle and applies it in this home; it is durable and effective here when
/// that returns, and peers learn of it. [`Act::to_file`] writes it to a file instead, where several operators
/// must sign.
///
/// Dropping the future leaves the library as it was, or with the complete change.
#[must_use = "an act is done when it is awaited"]
pub struct Act<T> {
    library: Library,
    command: exit::Result<Signed>,
    read: fn(Outcome) -> exit::Result<T>,
}

impl<T> Act<T> {
    /// The act of `command`, whose outcome `read` turns into the answer.
    pub(super) fn new(
        library: &Library,
        command: exit::Result<Signed>,
        read: fn(Outcome) -> exit::Result<T>,
    ) -> Self {
        Self { library: library.clone(), command, read }
    }

    /// Writes the act to a new file, signed by the available keys, and changes nothing here. Other operators
    /// sign the file with `chuan sign`; [`Node::apply_request`](crate::Node::apply_request) applies it.
    pub async fn to_file(self, path: impl Into<PathBuf>) -> Result<RequestShown, Error> {
        let mut command = self.command?;
        *request_of(&mut command)? = Some(path.into());
        match signed(&self.library, command).await? {
            Outcome::Request(shown) => Ok(*shown),
            _ => Err(mismatch().into()),
        }
    }

    /// The changes and losses of the act: the nodes that lose rights, the channels that move back.
    /// Signs nothing. For a policy, [`Policy::preview`](super::Policy::preview).
    pub async fn preview(self) -> Result<Preview, Error> {
        let command = self.command?.dry();
        let command =
            command.ok_or_else(|| Failure::usage("this act has no preview: it takes nothing away"))?;
        match signed(&self.library, command).await? {
            Outcome::Preview(preview) => Ok(*preview),
            _ => Err(mismatch().into()),
        }
    }
}

impl<T: Send + 'static> IntoFuture for Act<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { library, command, read } = self;
            let outcome = signed(&library, command?).await?;
            Ok(read(outcome)?)
        })
    }
}

impl<T> fmt::Debug for Act<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Act").field("command", &self.command).finish_non_exhaustive()
    }
}

/// Signs a command with the keys of the handle, and applies it.
pub(super) async fn signed(library: &Library, command: Signed) -> exit::Result<Outcome> {
    let mut session = library.session(Job::silent());
    authority::run(&mut session, &library.keyring(), command).await
}

/// The request file of a command that can have one.
fn request_of(command: &mut Signed) -> exit::Result<&mut Option<PathBuf>> {
    match command {
        Signed::Invite { options, .. } => Ok(&mut options.request),
        Signed::Grant { options, .. } => Ok(&mut options.request),
        Signed::Revoke { options, .. } => Ok(&mut options.request),
        Signed::Policy { options, .. } => Ok(&mut options.request),
        Signed::SetChannel { options, .. } => Ok(&mut options.request),
        Signed::Promote { options, .. } => Ok(&mut options.request),
        Signed::Rollback { options, .. } => Ok(&mut options.request),
        Signed::Publish { .. } | Signed::Found { .. } | Signed::Fresh { .. } => {
            Err(Failure::internal("this act has no request file"))
        }
    }
}
