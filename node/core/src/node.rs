//! [`Node`]: an open home, as embedders see it. Here are the commands of the program, a method each, and the
//! end of a node; `handle` has its begin, and the calls with typed answers.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use chuan_engine::id::NodeId;

use crate::{
    authority,
    command::{
        AuditVerb, Cat, Channels, Command, Conflicts, Diff, History, Ingest, Invite, Join, ListClasses, Ls,
        Members, Offer, Publish, Pull, Releases, Restore, Rotate, Statements, Verify,
    },
    commands,
    context::EventStream,
    exit::{Failure, Result},
    follow,
    home::{Home, config::Config},
    job::Job,
    keyring::Keyring,
    limits::CLOSE_PATIENCE,
    open_home::OpenHome,
    outcome::{
        Carried, ChannelHistory, ChannelList, ClassList, ConflictList, Differed, Identity, Ingested, Invited,
        Joined, Listed, MemberList, Offered, Outcome, Published, Pulled, Rebuilt, ReleaseList, Restored,
        Rotated, Shown, Status, Verified,
    },
    peers, publish, pull,
    services::Services,
    session::{self, Session},
};

/// An open home: a node of this process, which holds content, and serves it while it listens.
///
/// - [`Node::init`] makes a home, [`Node::open`] opens it. One process at a time has a home open; others
///   reach it through its admin socket, as the program `chuan` does.
/// - [`Node::found`] and [`Node::join_library`] make a library known here, [`Node::library`] returns the
///   handle to it. [`handle`](crate::handle) explains handles, with a complete mirror as the example.
/// - [`Node::serve`] listens for peers. Without it, the node reaches others, and is not reached.
/// - [`Node::events`] is the stream of events that happen while it runs, [`Node::metrics`] the counters.
/// - [`Node::close`] ends it in an orderly way. A process that ends without it loses nothing.
///
/// Cheap to clone. The home is free again when every clone and every handle is dropped and its tasks have
/// ended.
///
/// The methods that take a type of [`command`](crate::command) are the commands of the program, one each. All
/// may run at once, except that two that change one library wait for each other. Dropping their futures stops
/// waiting for the command, not the command: use the [`Job`]'s [`Cancel`](crate::job::Cancel) for that.
#[derive(Clone, Debug)]
pub struct Node(pub(crate) Arc<OpenHome>);

impl Node {
    /// How long [`Node::close`] waits for commands of this process before it cancels them.
    pub const CLOSE_WAIT: Duration = CLOSE_PATIENCE;

    /// Opens the home to serve it. Waits a moment for a process that is about to end; fails with the name of
    /// the holder if another process holds the home.
    pub async fn open_to_serve(root: &Path) -> Result<Node> {
        session::open_to_serve(root).await.map(Node)
    }

    /// The node that ran the commands of a session, if that was in this process. It must be closed: commands
    /// of other processes may run in it by now.
    pub fn of_session(session: Session) -> Option<Node> {
        session.into_home().map(Node)
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.0.services.context.me()
    }

    /// The address at which the node listens; `None` while it does not.
    pub fn listening(&self) -> Option<SocketAddr> {
        self.0.listening()
    }

    /// The events of the node from now on.
    pub fn events(&self) -> EventStream {
        self.0.services.context.events.subscribe()
    }

    /// The metrics of the node as OpenMetrics text.
    pub fn metrics(&self) -> String {
        self.0.services.context.metrics.encode()
    }

    /// Runs any command to its end; its progress, notes and rows go to `job`.
    pub async fn run(&self, command: Command, job: Job) -> Result<Outcome> {
        self.0.run(command, job).await
    }

    /// Reads `chuan.toml` again, and uses it from now on, except the address to listen on, which is used at
    /// the next start. Returns the names of the settings that changed.
    ///
    /// # Errors
    ///
    /// The file cannot be read or breaks a rule; the settings stay as they were.
    pub async fn reload(&self) -> Result<Vec<&'static str>> {
        let read = |services: &Services| {
            let changed = services.context.reload()?;
            services.warn_of_unknown_follows();
            Ok(changed)
        };
        self.0.services.blocking(read).await
    }

    /// The settings as they are now.
    pub fn config(&self) -> Arc<Config> {
        self.0.services.context.config()
    }

    /// Cancels every command that runs here, those of other processes included.
    pub fn stop_commands(&self) {
        self.0.stop_commands();
    }

    /// Begins to follow: from now on the node fetches new releases by itself.
    /// A mirror follows every library of which it is a member, an origin or edge those
    /// that `[[follow]]` names. A fetch that fails is tried again; the log tells of it. Idempotent; ends with
    /// [`Node::close`].
    pub fn follow(&self) {
        self.0.services.warn_of_unknown_follows();
        follow::start(&self.0.services);
    }

    /// Returns once the home is at its path no more: it was moved, deleted or replaced, or its disk was taken
    /// away. From then on the process must end without closing the node, which would write into the next home
    /// at that path. Looks every two seconds. Cancel-safe.
    pub async fn home_lost(&self) -> Failure {
        self.0.lost().await
    }

    /// Closes the node: takes no more commands and no more peers, and returns when everything under way has
    /// ended. Idempotent; more handles and clones of the node may live, and their commands fail with
    /// [`Exit::Busy`](crate::Exit::Busy). The home is free again when they are dropped.
    ///
    /// Commands of other processes run to their end. Commands of this process have
    /// [`Node::CLOSE_WAIT`] to end, and are then cancelled; the same command continues from there after
    /// the home is opened again. A command that does not obey within as long again, for example because its
    /// future is not polled, is left behind.
    ///
    /// Not cancel-safe: if the future is dropped, the node takes no more commands, but may answer peers.
    pub async fn close(&self) {
        self.0.close().await;
    }

    /// Reads the changes in a folder, signs a release with this home's keys and moves the channel `live` to
    /// it. A new library name founds a library, whose keys stay in this home. A folder becomes the content of
    /// the library; a single file is added to it, or replaces its old version.
    ///
    /// If it is stopped at any moment, the library is as before, and content that was read is not read again.
    pub async fn publish(&self, options: Publish, job: &Job) -> Result<Published> {
        let mut session = Session::within(Arc::clone(&self.0), job.clone());
        authority::publish(&mut session, &self.keyring(), options).await
    }

    /// Makes a ticket for a library whose operator key is in this home. The ticket's statement is durable
    /// when it returns; the ticket's secret is only in the answer.
    pub async fn invite(&self, options: Invite) -> Result<Invited> {
        let mut session = Session::within(Arc::clone(&self.0), Job::silent());
        authority::invite(&mut session, &self.keyring(), options).await
    }

    /// Becomes a member of the library that a ticket invites to, and remembers its redeemer as a source. The
    /// ticket's secret does not leave this node. Durable when it returns; joining again with the same ticket
    /// is harmless.
    pub async fn join(&self, options: Join) -> Result<Joined> {
        let job = Job::silent();
        self.0.track(&job, commands::join::join(&self.0.services, options, &job)).await
    }

    /// Fetches the announced release of a channel, or its newest ancestor if no source has it, or the release
    /// that is named: only content that is not held here. The channel moves last, when everything is durable,
    /// and never back. If it is stopped at any moment, the library is as before, and the next pull continues
    /// from there.
    ///
    /// If no release came although a newer one is announced, [`Pulled::is_behind`] is true.
    pub async fn pull(&self, options: Pull, job: &Job) -> Result<Pulled> {
        self.0.track(job, pull::pull(&self.0.services, options, job)).await
    }

    /// Brings a folder to a release. Every byte is verified before it is written.
    pub async fn restore(&self, options: Restore, job: &Job) -> Result<Restored> {
        self.0.track(job, commands::restore::restore(&self.0.services, options, job)).await
    }

    /// Reads the changes in a folder, durably, and returns the contents of a release of it. Not visible to
    /// peers before a publisher signs it.
    pub async fn ingest(&self, options: Ingest, job: &Job) -> Result<Ingested> {
        self.0.track(job, publish::ingest(&self.0.services, options, job)).await
    }

    /// The releases of a library that are known here, newest first.
    pub async fn releases(&self, options: Releases) -> Result<ReleaseList> {
        self.0.track(&Job::silent(), commands::listing::releases(&self.0.services, options)).await
    }

    /// The entries of a release, as rows of `job` in path order.
    pub async fn ls(&self, options: Ls, job: &Job) -> Result<Listed> {
        self.0.track(job, commands::listing::ls(&self.0.services, options, job)).await
    }

    /// The differences between two releases, as rows of `job` in path order. Reads only subtrees that differ.
    pub async fn diff(&self, options: Diff, job: &Job) -> Result<Differed> {
        self.0.track(job, commands::diff::diff(&self.0.services, options, job)).await
    }

    /// The content of a file, or a part of it, as data of `job`.
    pub async fn cat(&self, options: Cat, job: &Job) -> Result<Shown> {
        self.0.track(job, commands::cat::cat(&self.0.services, options, job)).await
    }

    /// Walks every release that is held and checks that every object it names is held too. With `deep`, first
    /// compares every stored byte with its hash. A finding is an answer, not an error.
    pub async fn verify(&self, options: Verify, job: &Job) -> Result<Verified> {
        self.0.track(job, commands::maintain::verify(&self.0.services, options, job)).await
    }

    /// Builds the index again from the segments, while other commands and peers use the old one. Fails with
    /// [`Exit::Busy`](crate::Exit::Busy) where another rebuild is under way.
    pub async fn rebuild(&self, job: &Job) -> Result<Rebuilt> {
        self.0.track(job, commands::maintain::rebuild(&self.0.services, job)).await
    }

    /// Reads, verifies or exports the audit log. Records come as rows, or as bytes where an export names no
    /// file.
    pub async fn audit(&self, verb: AuditVerb, job: &Job) -> Result<Outcome> {
        self.0.track(job, commands::audit::audit(&self.0.services, verb, job)).await
    }

    /// All statements of a library that are known here, as a bundle among the data of `job`.
    pub async fn statements(&self, options: Statements, job: &Job) -> Result<Carried> {
        self.0.track(job, commands::statements::statements(&self.0.services, options, job)).await
    }

    /// Takes finished statements and returns the outcome of each. Stored statements are durable when it
    /// returns, and effective ones apply; a channel moves here only to a release whose data is here.
    pub async fn offer(&self, options: Offer) -> Result<Offered> {
        let job = Job::silent();
        self.0.track(&job, commands::statements::offer(&self.0.services, options, &job)).await
    }

    /// The classes in the releases to which channels point here, and those that releases list by name. A
    /// class that is not granted to this node is included only if a release lists it.
    pub async fn classes(&self, options: ListClasses) -> Result<ClassList> {
        self.0.track(&Job::silent(), commands::class_list::classes(&self.0.services, options)).await
    }

    /// The newest release of each channel of a library, and the release in this home.
    pub async fn channels(&self, options: Channels) -> Result<ChannelList> {
        self.0.track(&Job::silent(), commands::channels::channels(&self.0.services, options)).await
    }

    /// The releases of a channel over time, newest first: every effective statement about it.
    pub async fn history(&self, options: History) -> Result<ChannelHistory> {
        self.0.track(&Job::silent(), commands::channels::history(&self.0.services, options)).await
    }

    /// Every contradiction that is known here, unsettled ones first, each with its signed statements as
    /// proof.
    pub async fn conflicts(&self, options: Conflicts) -> Result<ConflictList> {
        self.0.track(&Job::silent(), commands::conflicts::conflicts(&self.0.services, options)).await
    }

    /// Every node that the statements of a library name as a member, revoked ones included.
    pub async fn members(&self, options: Members) -> Result<MemberList> {
        self.0.track(&Job::silent(), commands::members::members(&self.0.services, options)).await
    }

    /// Libraries, channels, the store and the peers, as they are now.
    pub async fn status(&self) -> Result<Status> {
        self.0.track(&Job::silent(), commands::status::status(&self.0.services, self.0.holder())).await
    }

    /// Replaces the node's key. The old key stays valid for the grace, for peers that do not know the new key
    /// yet. Reachable peers get the new statement before it returns.
    pub async fn rotate(&self, options: Rotate) -> Result<Rotated> {
        self.0.track(&Job::silent(), commands::rotate::rotate(&self.0.services, options)).await
    }

    fn keyring(&self) -> Keyring {
        Keyring::of_home(self.0.services.context.home.clone())
    }
}

/// The identity of the node of a home. `listening` is the address at which it listens, if it does.
pub fn identity(home: &Home, config: &Config, listening: Option<SocketAddr>) -> Result<Identity> {
    peers::identity(home, config, listening)
}
