//! The embedding API: handles to the things in an open home.
//!
//! A [`Node`] is an open home. [`Node::library`] returns a [`Library`], with the commands on it: publish,
//! pull, restore, list. From there [`Channels`], [`Members`] and [`Policy`] are reached, and a [`File`] of a
//! release. [`Node::store`] and [`Node::audit_log`] are about the home as a whole. A handle is cheap to
//! clone, and keeps the home open.
//!
//! Nearly every command of the command line that works on a home is here:
//!
//! | the call returns | and it |
//! | --- | --- |
//! | [`Progress`] | runs for long: it is a stream of events and a future of the answer; dropped, it is cancelled |
//! | [`Act`] | signs with an operator's key: awaited, it is done; or it is written to a file for other operators |
//! | a future | answers from this home |
//!
//! Ids are those of the engine. Errors are of the type [`Error`]; methods of [`Node`] that return a
//! [`Failure`] are the commands of the command line, and `?` turns it into an [`Error`]. All calls need a
//! tokio runtime.
//!
//! ```no_run
//! use chuan::{Error, Node, handle::{Channel, Grant}};
//!
//! # async fn example() -> Result<(), Error> {
//! let node = Node::open("/srv/mirror").await?;
//! let films = node.library("films").await?;
//! let pulled = films.pull(Channel::LIVE).await?;
//! let film = films.file(&pulled.release, "长江/长江.mp4").await?;
//! let first = film.read_at(0..1024).await?;
//!
//! films.members().grant(node.id(), Grant::new().class("trailers")).await?;
//! match films.file(Channel::LIVE, "长江/另一部.mp4").await {
//!     Err(Error::Missing(_)) => println!("not in this release"),
//!     other => println!("{} bytes", other?.len()),
//! }
//! # Ok(())
//! # }
//! ```

mod act;
mod answers;
mod audit_log;
mod channels;
mod error;
mod file;
mod library;
mod members;
mod names;
mod options;
mod policy;
mod progress;
mod store;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chuan_engine::statement::RoleKind;

use crate::{
    authority::{self, request},
    command::{self, Command, Join},
    exit::Failure,
    job::Job,
    keyring::{Ask, Keyring},
    node::Node,
    outcome::{Offered, RequestShown},
    services::Services,
    session::Session,
    transfer::{self, Carry, CarryRoots},
};

pub use self::{
    act::Act,
    answers::{
        Change, ChangeKind, ChannelMove, ChannelState, Classes, Entry, Member, MemberState, Published,
        Pulled, Release, Restored,
    },
    audit_log::AuditLog,
    channels::{Channels, Following},
    error::{Error, Reason},
    file::{File, FileReader},
    library::Library,
    members::Members,
    names::{Channel, ReleaseName},
    options::{Grant, Invite, Publish, Pull, Restore},
    policy::Policy,
    progress::{Counts, Progress, Update},
    store::Store,
};
pub use chuan_api::node_event::{NodeEvent, Stamped};
pub use chuan_engine::{
    id::{LibraryId, ManifestId, NodeId, StatementId},
    ingest::MaxDelete,
    manifest::EntryKind,
    statement::{PublicKey, Region, Verbs},
};

pub use crate::{
    command::{Growing, Packing, Role},
    context::{EventStream, Next},
};

impl Node {
    /// The library with this label or id.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where it is not here; [`Error::Invalid`] where several libraries have the label.
    #[expect(clippy::unused_async, reason = "a later version may have to load it")]
    pub async fn library(&self, name: &str) -> Result<Library, Error> {
        let library = self.0.services.library.named(name)?;
        Ok(Library::new(&self.0, library.id()))
    }

    /// The libraries that are here, by id.
    pub fn libraries(&self) -> Vec<Library> {
        let all = self.0.services.library.all();
        all.iter().map(|library| Library::new(&self.0, library.id())).collect()
    }

    /// The key that the node proves to peers. It is the key of its first grant, until it is replaced.
    pub fn key(&self) -> PublicKey {
        self.0.services.context.signing_key().public()
    }

    /// Becomes a member of the library that a ticket invites to, and remembers its redeemer as a source. The
    /// ticket's secret does not leave this node. Durable when it returns; joining again is harmless.
    pub async fn join_library(&self, ticket: &str) -> Result<Library, Error> {
        let command = Command::Join(Join { ticket: ticket.to_owned() });
        let joined = answer!(Join)(self.0.run(command, Job::silent()).await?)?;
        Ok(Library::new(&self.0, joined.library.parse()?))
    }

    /// Founds a library and publishes its first release. Its keys are made here, and stay in this home.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where a library of this label is here already.
    pub fn found(&self, name: &str, publish: Publish) -> Progress<Published> {
        let (home, name) = (Arc::clone(&self.0), name.to_owned());
        Progress::new(Update::of, move |job| async move {
            if let Some(library) = home.services.library.find(&name)? {
                let id = library.id();
                return Err(Failure::invalid(format!("a library `{name}` is here already: {id}")));
            }
            let keyring = Keyring::of_home(home.services.context.home.clone());
            let mut session = Session::within(home, job);
            let options = publish.command(name, false);
            Published::of(authority::publish(&mut session, &keyring, options).await?)
        })
    }

    /// Founds a library with the root in a file of `chuan root`, and makes this node a member, signed with
    /// the operators' keys in the files `keys`.
    pub async fn found_with_root(
        &self,
        file: impl Into<PathBuf>,
        keys: Vec<PathBuf>,
    ) -> Result<Library, Error> {
        let keyring = Keyring::new(keys, Some(self.0.services.context.home.clone()), Ask::Nobody);
        let options = command::Found { file: file.into() };
        let command = command::Signed::Found { options, keys: command::Keys::default() };
        let outcome = authority::run(&mut self.session(), &keyring, command).await?;
        let offered = answer!(Offer)(outcome)?;
        if let Some(row) = offered.statements.iter().find(|row| !row.counts()) {
            return Err(Failure::denied(format!("{}: {}", row.kind, row.reason)).into());
        }
        Ok(Library::new(&self.0, offered.library.parse()?))
    }

    /// The store of this home.
    pub fn store(&self) -> Store {
        Store(Arc::clone(&self.0))
    }

    /// The audit log of this home.
    pub fn audit_log(&self) -> AuditLog {
        AuditLog(Arc::clone(&self.0))
    }

    /// Takes the statements of a file of [`Library::export`], as if a peer had sent them. The answer has the
    /// result for each.
    pub async fn import(&self, file: impl Into<PathBuf>) -> Result<Offered, Error> {
        let carry = Carry::Import { file: file.into() };
        Ok(answer!(Offer)(transfer::statements(&mut self.session(), carry).await?)?)
    }

    /// Applies the complete roots of a file, and passes them on to peers. A new root may end revocations: see
    /// [`Node::revocations_that_end`].
    pub async fn apply_roots(&self, file: impl Into<PathBuf>) -> Result<Offered, Error> {
        let carry = CarryRoots::Apply { file: file.into(), yes: true };
        Ok(answer!(Offer)(transfer::roots(&mut self.session(), carry).await?)?)
    }

    /// The revocations that the roots of a file would end, a line each: the new root removes the key that
    /// signed them. Their nodes would get their rights back.
    pub async fn revocations_that_end(&self, file: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        Ok(transfer::revocations_that_end(&mut self.session(), file.as_ref()).await?)
    }

    /// The act of operators that is in a file (see [`Act::to_file`]), and its signatures.
    pub async fn show_request(&self, file: impl Into<PathBuf>) -> Result<RequestShown, Error> {
        let file = file.into();
        let show = move |_: &Services| Ok(request::shown(&file, &request::read(&file)?));
        Ok(self.0.services.blocking(show).await?)
    }

    /// Signs the act `act` that is in a file, with the operator's keys in the files `keys`; without files,
    /// with the key in this home. [`Node::show_request`] gives the act and its id to check before.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where the file has another act than `act`.
    pub async fn sign_request(
        &self,
        file: impl Into<PathBuf>,
        act: StatementId,
        keys: Vec<PathBuf>,
    ) -> Result<RequestShown, Error> {
        let file = file.into();
        let sign = move |services: &Services| {
            let context = &services.context;
            let keyring = Keyring::new(keys, Some(context.home.clone()), Ask::Nobody);
            let mut request = request::read(&file)?;
            if request.id() != act {
                let (path, act) = (file.display(), act.short());
                return Err(Failure::denied(format!("{path} has another act than {act}; show it again")));
            }
            request.check_time(context.now_ms())?;
            for key in keyring.role_keys(request.library(), RoleKind::Operator)? {
                request.sign(&key, context.now_ms())?;
            }
            request::save(&file, &request)?;
            Ok(request::shown(&file, &request))
        };
        Ok(self.0.services.blocking(sign).await?)
    }

    /// Applies an act of operators that is in a file (see [`Act::to_file`]) and has enough signatures.
    /// Effective here when it returns.
    pub async fn apply_request(&self, file: impl Into<PathBuf>) -> Result<RequestShown, Error> {
        Ok(request::apply(&mut self.session(), file.into()).await?)
    }

    fn session(&self) -> Session {
        Session::within(Arc::clone(&self.0), Job::silent())
    }
}

/// A closure that reads the answer in a variant of `Outcome`.
macro_rules! answer {
    ($variant:ident) => {
        |outcome: $crate::outcome::Outcome| match outcome {
            $crate::outcome::Outcome::$variant(answer) => Ok(answer),
            _ => Err($crate::session::mismatch()),
        }
    };
}
use answer;
