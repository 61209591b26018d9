//! The commands of an open home, one file each. A command reads and changes state through the services only.

pub(crate) mod audit;
pub(crate) mod cat;
pub(crate) mod channels;
pub(crate) mod class_list;
pub(crate) mod conflicts;
pub(crate) mod diff;
pub(crate) mod join;
pub(crate) mod listing;
pub(crate) mod maintain;
pub(crate) mod members;
pub(crate) mod restore;
pub(crate) mod rotate;
pub(crate) mod statements;
pub(crate) mod status;

use std::sync::Arc;

use crate::{
    command::Command,
    exit::{Failure, Result},
    job::Job,
    outcome::Outcome,
    publish, pull,
    services::Services,
};

/// Runs any command but `status`, which needs to know its process.
pub(crate) async fn run(services: &Arc<Services>, command: Command, job: &Job) -> Result<Outcome> {
    match command {
        Command::Id => status::identity(&services.context).map(Outcome::Id),
        Command::Ingest(options) => {
            publish::ingest(services, options, job).await.map(|ingested| Outcome::Ingest(Box::new(ingested)))
        }
        Command::Rotate(options) => rotate::rotate(services, options).await.map(Outcome::Rotate),
        Command::Join(options) => join::join(services, options, job).await.map(Outcome::Join),
        Command::Pull(options) => {
            pull::pull(services, options, job).await.map(|pulled| Outcome::Pull(Box::new(pulled)))
        }
        Command::Restore(options) => restore::restore(services, options, job).await.map(Outcome::Restore),
        Command::Releases(options) => listing::releases(services, options).await.map(Outcome::Releases),
        Command::Ls(options) => listing::ls(services, options, job).await.map(Outcome::Ls),
        Command::Diff(options) => diff::diff(services, options, job).await.map(Outcome::Diff),
        Command::Cat(options) => cat::cat(services, options, job).await.map(Outcome::Cat),
        Command::Verify(options) => maintain::verify(services, options, job).await.map(Outcome::Verify),
        Command::Rebuild => maintain::rebuild(services, job).await.map(Outcome::Rebuild),
        Command::Audit(options) => audit::audit(services, options.verb, job).await,
        Command::Statements(options) => {
            statements::statements(services, options, job).await.map(Outcome::Statements)
        }
        Command::Offer(options) => statements::offer(services, options, job).await.map(Outcome::Offer),
        Command::Classes(options) => class_list::classes(services, options).await.map(Outcome::Classes),
        Command::Channels(options) => channels::channels(services, options).await.map(Outcome::Channels),
        Command::History(options) => channels::history(services, options).await.map(Outcome::History),
        Command::Conflicts(options) => conflicts::conflicts(services, options).await.map(Outcome::Conflicts),
        Command::Members(options) => members::members(services, options).await.map(Outcome::Members),
        Command::Status => Err(Failure::internal("status is answered by the process that holds the home")),
    }
}
