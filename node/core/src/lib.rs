//! Chuan as a library: a node to embed, and the command line built on it.
//!
//! A [`Node`] is a home, open. It publishes folders, serves what it holds to the members of a library, pulls what it
//! lacks, and writes releases out again. Each of its methods is a command of the `chuan` program; while a node is
//! open, that program works on its home through the admin socket.
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
//! [`command`] has what can be asked and [`outcome`] what is answered; [`job`] carries progress and cancellation, [`exit`]
//! failures and their numbers. [`home`] is the layout on disk, [`keyring`] the secret keys, [`mod@node`] what runs in an open home, [`admin`] the socket
//! through which other processes reach it, and [`cli`] the program; [`carry`] takes statements in and out by
//! file. This crate wires and shows; what is true of
//! chunks, manifests, statements and the protocol is decided in `chuan-engine`.

pub mod admin;
mod audit;
mod authority;
pub mod carry;
pub mod cli;
pub mod home;
pub mod job;
pub mod keyring;
mod net_error;
pub mod node;
mod policy;
mod session;

use chuan_api::human;

pub use chuan_api::{
    command,
    exit::{self, Exit, Failure, Result},
    outcome, spec,
};
pub use job::{Cancel, Event, Job};
pub use node::Node;
