//! The embedding API: handles to the things in an open home.
//!
//! A [`Node`] is an open home. [`Node::library`] returns a [`Library`], with the commands on it: publish,
//! pull, restore, list. From there [`Channels`], [`Members`] and [`Policy`] are reached, and a [`File`] of a
//! release. [`Node::store`] and [`Node::audit_log`] are about the home as a whole. A handle is cheap to
//! clone, and keeps the home open. `Cargo.toml` needs `chuan`, and `tokio` with a runtime.
//!
//! # A mirror
//!
//! A mirror keeps a copy of a library, serves it to other members, and follows the channel `live`. This is
//! all of it:
//!
//! ```no_run
//! use std::path::Path;
//!
//! use chuan::{
//!     Error, Node,
//!     command::Role,
//!     handle::{Channel, Library, Next, NodeEvent, Restore, Stamped},
//! };
//!
//! /// Runs until another task calls `Node::close` with a clone of the node.
//! async fn mirror(home: &Path, ticket: &str, films_dir: &Path) -> Result<(), Error> {
//!     // The home is made once. Only one process can have it open.
//!     let node = match Node::open(home).await {
//!         Err(Error::Missing(_)) => Node::init(home, Some("mirror-2"), Role::Mirror).await?,
//!         opened => opened?,
//!     };
//!     // A ticket makes the node a member. It comes from an operator: `films.members().invite(…)`.
//!     let films = match node.libraries().pop() {
//!         Some(films) => films,
//!         None => node.join_library(ticket).await?,
//!     };
//!     // Events are read from before the first pull on, so none is missed.
//!     let mut events = node.events();
//!     // Answers peers, and hears of new releases, revocations and grants.
//!     println!("listening on {}", node.serve(None).await?);
//!     follow(&films, films_dir).await?;
//!     while let Some(next) = events.next().await {
//!         match next {
//!             Next::Event(Stamped { event: NodeEvent::Behind { .. }, .. }) | Next::Missed(_) => {
//!                 follow(&films, films_dir).await?;
//!             }
//!             Next::Event(_) => {}
//!         }
//!     }
//!     Ok(())
//! }
//!
//! /// Pulls what is announced, and brings a folder to it.
//! async fn follow(films: &Library, films_dir: &Path) -> Result<(), Error> {
//!     match films.pull(Channel::LIVE).await {
//!         Ok(pulled) => println!("release {} is here", pulled.sequence),
//!         // No source can be reached, or none has it yet: the next event or the next start tries again.
//!         Err(error @ (Error::Peer(_) | Error::Stale(_))) => println!("not now: {error}"),
//!         Err(error) => return Err(error),
//!     }
//!     // The release that is here now, which may be an older one.
//!     match films.restore(Restore::new(Channel::LIVE, films_dir)).await {
//!         Ok(restored) => println!("{} paths could not be written", restored.failures),
//!         Err(Error::Missing(_)) => println!("nothing is here yet"),
//!         Err(error) => return Err(error),
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A node pulls only when it is told to. [`NodeEvent::Behind`] comes when a newer release of a channel is
//! announced; if no source has it yet, try again after some minutes. To stop, call [`Node::close`]: it ends
//! the stream of events, so that the function above returns.
//!
//! # Calls
//!
//! | the call returns | and it |
//! | --- | --- |
//! | [`Progress`] | runs for long: a stream of events and a future of the answer; dropped, it is cancelled |
//! | [`Act`] | signs with an operator's key: awaited, it is done; or it goes to a file for other operators |
//! | a future | answers from this home, or takes a short time |
//!
//! Calls may run at the same time, from any task and thread; those that change one library wait for each
//! other. An answer that says that something was stored is durable. Work that is cancelled, or ends with the
//! process, leaves the home as it was, and keeps finished parts: the same call continues from there.
//!
//! All calls need a tokio runtime. Work on files runs on the threads of the runtime that may block.
//!
//! # Errors
//!
//! Errors are of the type [`Error`], with a variant for each reaction that a program can choose. Methods of
//! [`Node`] that return a [`Failure`] are commands as the program `chuan` runs them, and `?` turns it into an
//! [`Error`]. A message may say "the option `max-delete`": that is [`Publish::max_delete`], and a flag of the
//! program. The table below has the names that differ.
//!
//! ```no_run
//! use chuan::{Error, Node, handle::{Channel, Grant}};
//!
//! # async fn example() -> Result<(), Error> {
//! let node = Node::open("/srv/mirror").await?;
//! let films = node.library("films").await?;
//! match films.file(Channel::LIVE, "长江/另一部.mp4").await {
//!     Ok(film) => println!("{} bytes", film.read_at(0..1024).await?.len()),
//!     Err(Error::Missing(_)) => println!("not in this release"),
//!     Err(error) => return Err(error),
//! }
//! films.members().grant(node.id(), Grant::new().class("trailers")).await?;
//! # Ok(())
//! # }
//! ```
#![doc = include_str!("commands.md")]

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
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use chuan_engine::statement::RoleKind;

use crate::{
    authority::{self, request},
    command::{self, Command, Join},
    context::Threads,
    exit::Failure,
    home::Home,
    job::Job,
    keyring::{Ask, Keyring},
    node::{Node, identity},
    open_home::OpenHome,
    outcome::{Identity, Offered, RequestShown},
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
    /// Makes a home in the folder `root`, which is made if it does not exist, and opens it: a store, the key
    /// of the node, and the file `chuan.toml` with its settings. Without a `name`, the node is named by its
    /// id. A home that is made in part, because the process ended, is completed by the next call.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where `root` is a home already, or `name` has other characters than letters,
    /// digits, `-`, `_` and `.`; [`Error::Io`] or [`Error::Full`] where it cannot be written.
    pub async fn init(root: impl AsRef<Path>, name: Option<&str>, role: Role) -> Result<Node, Error> {
        Ok(OpenHome::init(root.as_ref(), name, role).await.map(Node)?)
    }

    /// Opens the home at `root`: locks it, serves its admin socket, and repairs what a crash left. May take
    /// minutes after a crash, when the index is built again.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where there is no home; [`Error::Busy`] where another process has it open;
    /// [`Error::Corrupt`] where it has damage that needs a decision; [`Error::Invalid`] for a mistake in its
    /// `chuan.toml`.
    pub async fn open(root: impl AsRef<Path>) -> Result<Node, Error> {
        Ok(OpenHome::open(root.as_ref(), "embedded").await.map(Node)?)
    }

    /// Makes another key for the node with the id `node`, in a home whose node key is lost, and opens the
    /// home. Other nodes accept the new key once an operator has granted it: see [`Grant::node_key`].
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the key is there, or the home is that of another node; otherwise as for
    /// [`Node::open`].
    pub async fn renew(root: impl AsRef<Path>, node: NodeId) -> Result<Node, Error> {
        let root = root.as_ref().to_owned();
        let home = Threads::default().run(move || Home::renew(&root, &node)).await?;
        Node::open(home.root()).await
    }

    /// The node's name, key, role, and the addresses at which peers may reach it.
    pub fn identity(&self) -> Result<Identity, Error> {
        let context = &self.0.services.context;
        Ok(identity(&context.home, &context.config(), context.listening())?)
    }

    /// Listens and answers peers until [`Node::close`], or until the last clone is dropped; exchanges
    /// statements with peers by itself. `listen` is `IP:PORT`, or `NAME:PORT`; without it, the configured
    /// address. Returns the address, with the port that was chosen for port 0.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where the node listens already, or is closed; [`Error::Io`] where the address cannot
    /// be used; [`Error::Invalid`] where it cannot be read.
    pub async fn serve(&self, listen: Option<&str>) -> Result<SocketAddr, Error> {
        Ok(self.0.services.serve.start(listen).await?)
    }

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
        let command = Command::Join(Join { ticket: ticket.to_owned(), ..Join::default() });
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

    /// Applies the complete roots of a file, and passes them on to peers. A new root may end revocations and
    /// take rights away: see [`Node::revocations_that_end`] and [`Node::taken_by_roots`].
    pub async fn apply_roots(&self, file: impl Into<PathBuf>) -> Result<Offered, Error> {
        let carry = CarryRoots::Apply { file: file.into(), yes: true };
        Ok(answer!(Offer)(transfer::roots(&mut self.session(), carry).await?)?)
    }

    /// The revocations that the roots of a file would end, a line each: the new root removes the key that
    /// signed them. Their nodes would get their rights back.
    pub async fn revocations_that_end(&self, file: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        Ok(transfer::revocations_that_end(&mut self.session(), file.as_ref()).await?)
    }

    /// The memberships, rights and channels that the roots of a file would take away, a line each.
    pub async fn taken_by_roots(&self, file: impl AsRef<Path>) -> Result<Vec<String>, Error> {
        Ok(transfer::taken_by_roots(&mut self.session(), file.as_ref()).await?)
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

    /// Adds the signatures of another copy of the request in a file: of `copy`, to the file `file`. Signs
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the copy is of another request.
    pub async fn merge_request(
        &self,
        file: impl Into<PathBuf>,
        copy: impl Into<PathBuf>,
    ) -> Result<RequestShown, Error> {
        let (file, copy) = (file.into(), copy.into());
        let merge = move |_: &Services| {
            let (request, _) = request::merge(&file, &copy)?;
            Ok(request::shown(&file, &request))
        };
        Ok(self.0.services.blocking(merge).await?)
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
