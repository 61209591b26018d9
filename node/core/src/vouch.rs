//! The service `vouch`: signs fresh statements for every channel while the node listens, if the home has a
//! timekeeper's key. Ages are labels. Content is withheld for its age only if the policy of its class
//! requires that, and only by this node's own commands, such as `restore` and `cat`; never from a peer.

use std::{collections::BTreeMap, sync::Arc};

use chuan_engine::{
    id::{LibraryId, StatementId},
    statement::{Library, RoleKind, library::fresh},
};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::{
    context::{Context, Stage},
    exit::Result,
    keyring::Keyring,
    library::LibraryService,
};

/// The statement of each channel that this process vouched for last.
type Vouched = BTreeMap<(LibraryId, String), StatementId>;

/// Vouches for channels.
struct Vouching {
    context: Arc<Context>,
    library: Arc<LibraryService>,
    vouched: Vouched,
    /// Kept open: decrypting a key with a passphrase takes half a second and half of the memory that a node
    /// may use.
    keyring: Option<Keyring>,
}

/// Signs freshness for every channel at the configured interval, and at once when a channel moved, until
/// [`Stage::Work`] stops.
pub(crate) fn start(context: &Arc<Context>, library: &Arc<LibraryService>) {
    let supervisor = &context.supervisor;
    let vouching = Vouching {
        context: Arc::clone(context),
        library: Arc::clone(library),
        vouched: Vouched::new(),
        keyring: None,
    };
    supervisor.spawn(Stage::Work, run(vouching, supervisor.stopping(Stage::Work)));
}

async fn run(mut vouching: Vouching, stop: CancellationToken) {
    let mut changes = vouching.library.changes();
    let mut settings = vouching.context.settings();
    let clock = vouching.context.clock;
    let mut due = clock.instant();
    loop {
        if stop.is_cancelled() {
            return;
        }
        changes.mark_unchanged();
        let now = clock.instant();
        if now >= due {
            vouching.vouched.clear();
            due = now + vouching.context.config().fresh_every.duration();
        }
        let context = Arc::clone(&vouching.context);
        let work = context.blocking(move || {
            vouching.vouch();
            Ok(vouching)
        });
        let Ok(done) = work.await else { return };
        vouching = done;
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = timeout_at(due, changes.changed()) => if let Ok(Err(_)) = changed { return },
            // The interval may be another one now.
            Ok(()) = settings.changed() => due = clock.instant(),
        }
    }
}

impl Vouching {
    /// Vouches for the channels that moved since the last time. A failure is logged, and tried again with the
    /// next change, with the keys read again: their files may have been replaced.
    fn vouch(&mut self) {
        for library in self.library.all() {
            if !self.context.home.role_key_path(&library.id(), RoleKind::Timekeeper).exists() {
                continue;
            }
            for said in library.channels() {
                let channel = (library.id(), said.body.name.clone());
                let statement = said.statement.id();
                if self.vouched.get(&channel) == Some(&statement) {
                    continue;
                }
                match self.vouch_for(&library, &said.body.name) {
                    Ok(()) => drop(self.vouched.insert(channel, statement)),
                    Err(failure) => {
                        self.keyring = None;
                        tracing::warn!(%failure, library = library.name(), "this node's timekeeper could not vouch");
                    }
                }
            }
        }
    }

    fn vouch_for(&mut self, library: &Library, channel: &str) -> Result<()> {
        let home = &self.context.home;
        let keyring = self.keyring.get_or_insert_with(|| Keyring::of_home(home.clone()));
        for key in keyring.role_keys(library, RoleKind::Timekeeper)? {
            let now = self.context.now_ms();
            self.library.change(&library.id(), |library| Ok(vec![fresh(library, &key, channel, now)?]))?;
        }
        Ok(())
    }
}
