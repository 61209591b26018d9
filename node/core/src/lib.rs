//! Chuan as a library: a node to embed.
//!
//! A [`Node`] is an open home. It publishes folders, serves its content to the members of a library, pulls
//! missing content, and restores releases to folders. Each of its methods is a command of the `chuan`
//! program; while a node is open, that program works on its home through the admin socket.
//!
//! An origin and a mirror in one process:
//!
//! ```
//! use chuan::{Job, Node, command::{Invite, Join, Publish, Pull, Restore, Role}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! std::fs::create_dir(dir.join("films"))?;
//! std::fs::write(dir.join("films/流浪地球.mp4"), "not really a film")?;
//! let job = Job::silent();
//!
//! let origin = Node::init(&dir.join("origin"), Some("origin"), Role::Origin).await?;
//! let source = dir.join("films");
//! let library = "films".to_owned();
//! origin.publish(Publish { source, library, ..Publish::default() }, &job).await?;
//! origin.serve(Some("127.0.0.1:0")).await?;
//! let ticket = origin.invite(Invite::default()).await?.ticket;
//!
//! let mirror = Node::init(&dir.join("mirror"), Some("mirror"), Role::Mirror).await?;
//! mirror.join(Join { ticket }).await?;
//! let pulled = mirror.pull(Pull::default(), &job).await?;
//! assert_eq!((pulled.files, pulled.chunks_fetched), (1, 1));
//!
//! mirror.restore(Restore::all("films".parse()?, dir.join("copy")), &job).await?;
//! assert_eq!(std::fs::read(dir.join("copy/流浪地球.mp4"))?, b"not really a film");
//!
//! mirror.close().await;
//! origin.close().await;
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! # Where things are
//!
//! [`command`] has the requests and [`outcome`] the answers; [`exit`] has errors and exit codes. These are
//! modules of `chuan-api`. [`job`] carries progress and cancellation. [`home`] is the layout on disk,
//! [`keyring`] the secret keys, [`mod@node`] the facade, [`admin`] the socket through which other processes
//! reach an open home. [`session`] runs a command in this process or in the process that holds the home;
//! [`authority`] runs commands that the caller's key signs. [`transfer`] moves statements between a home and
//! files, [`audit_log`] verifies an exported audit log, [`ledger`] inspects the two files of a ledger.
//!
//! Inside an open home, services own the state: `library`, `peers`, `exchange`, `serve`, `vouch` and `audit`,
//! over one `context`. `commands`, `publish`, `pull` and `rotate` work through them.
//!
//! This crate wires. The rules for chunks, manifests, statements and the protocol are in `chuan-engine`,
//! whose types are at [`engine`]. The program `chuan` is built by the crate `chuan-cli`.

pub mod admin;
mod audit;
pub mod audit_log;
pub mod authority;
mod commands;
mod context;
mod exchange;
pub mod file;
pub mod home;
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
mod serve;
mod services;
pub mod session;
#[cfg(test)]
mod tests;
pub mod transfer;
mod vouch;

use chuan_api::human;

pub use chuan_api::node_event::{NodeEvent, Stamped};
pub use chuan_api::{
    command,
    exit::{self, Exit, Failure, Result},
    outcome, spec,
};
pub use chuan_engine as engine;
pub use context::{EventStream, Next};
pub use job::{Cancel, Event, Job};
pub use node::Node;
