//! Chuan as a library: a node to embed.
//!
//! A [`Node`] is an open home. It publishes folders, serves its content to the members of a library, pulls
//! missing content, restores releases to folders, and reads files of releases. [`handle`] has the handles to
//! the things in a home; they need a tokio runtime. While a node is open, the `chuan` program works on its
//! home through the admin socket.
//!
//! An origin and a mirror in one process:
//!
//! ```
//! use chuan::{Node, command::Role, handle::{Channel, Grant, Invite, Publish, Restore}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! std::fs::create_dir(dir.join("films"))?;
//! std::fs::write(dir.join("films/流浪地球.mp4"), "not really a film")?;
//!
//! let origin = Node::init(dir.join("origin"), Some("origin"), Role::Origin).await?;
//! let published = origin.found("films", Publish::new(dir.join("films"))).await?;
//! let films = origin.library("films").await?;
//! origin.serve(Some("127.0.0.1:0")).await?;
//! let ticket = films.members().invite(Invite::new()).await?.ticket;
//!
//! let mirror = Node::init(dir.join("mirror"), Some("mirror"), Role::Mirror).await?;
//! let copy = mirror.join_library(&ticket).await?;
//! let pulled = copy.pull(Channel::LIVE).await?;
//! assert_eq!(pulled.release, published.release);
//! let film = copy.file(&pulled.release, "流浪地球.mp4").await?;
//! assert_eq!(&film.read_at(11..film.len()).await?[..], b"a film");
//! copy.restore(Restore::new(Channel::LIVE, dir.join("copy"))).await?;
//!
//! films.members().grant(mirror.id(), Grant::new().class("trailers")).await?;
//! films.members().revoke(mirror.id(), "its disk was stolen").await?;
//!
//! mirror.close().await;
//! origin.close().await;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! [`handle`] explains the calls, and has a mirror that follows its origin; the folder `examples` of this
//! crate has four small programs.
//!
//! # Where things are
//!
//! [`handle`] is the embedding API. [`command`] has the requests of the command line and [`outcome`] the
//! answers; [`exit`] has exit codes and the errors with which commands end; [`spec`] is the notation of a
//! release. The last four are modules of `chuan-api`. [`job`] carries progress and cancellation. [`home`] is
//! the layout on disk, [`keyring`] the secret keys, [`mod@node`] an open home with a method for each command.
//! [`session`] runs a command in this process or in the process that holds the home; [`authority`] runs
//! commands that the caller's key signs. [`transfer`] moves statements between a home and files,
//! [`audit_log`] verifies an exported audit log, [`ledger`] inspects the two files of a ledger, and [`home`]
//! also backs up a home and moves it.
//!
//! Inside an open home, services own the state: `library`, `peers`, `exchange`, `serve`, `vouch` and `audit`,
//! over one `context`. `commands`, `publish`, `pull` and `rotate` work through them.
//!
//! This crate connects the parts. The rules for chunks, manifests, statements and the protocol are in
//! `chuan-engine`, whose types are at [`engine`]. The program `chuan` is built by the crate `chuan-cli`.

mod admin;
mod audit;
pub mod audit_log;
pub mod authority;
mod busy;
mod commands;
mod context;
mod exchange;
pub mod file;
mod follow;
pub mod handle;
pub mod home;
mod introduction;
pub mod job;
mod key_file;
pub mod keyring;
pub mod ledger;
mod library;
mod limits;
mod net_error;
pub mod node;
mod open_home;
mod peers;
mod policy;
mod publish;
mod pull;
mod redeem;
mod report;
mod rotation;
mod sent;
mod serve;
mod services;
pub mod session;
mod signed_record;
#[cfg(test)]
mod sim;
mod system;
#[cfg(test)]
mod tests;
pub mod transfer;
mod vouch;

use chuan_api::human;

/// Bytes of a file, as [`File::read_at`] returns them: a part of a buffer that clones share. It is the type
/// of the crate `bytes`, which HTTP servers take as it is, and the only type of another project in this API.
#[doc(no_inline)]
pub use bytes::Bytes;
pub use chuan_api::{
    command,
    exit::{self, Exit, Failure},
    outcome, spec,
};
pub use chuan_engine as engine;
pub use chuan_storage::resources::try_threads;
pub use context::EventStream;
pub use handle::{Error, File, Library};
pub use node::Node;
