//! Whether this home knows what its own publisher has said. A home restored from a backup does not: what it published then would
//! contradict what the key has signed before. So a publish first hears what peers know.

use chuan_engine::{
    id::LibraryId,
    statement::{Body, Library, PublicKey},
};

use super::{Inner, Node, on_thread};
use crate::{
    exit::{Failure, Result},
    spec::LIVE,
};

impl Node {
    /// Hears what peers know of a library, and fails where this home turns out to be behind what `publisher` has said, or
    /// where `live` stands by now. Fails too where peers are known and none can be reached: then nobody can tell.
    pub(super) async fn catch_up(&self, id: &LibraryId, publisher: &PublicKey) -> Result<()> {
        let Some(before) = self.0.libraries.get(id) else { return Ok(()) };
        // All of them: one that answers fast may know less than one that is far away.
        let spread = self.ask_everybody(id).await?;
        if spread.known > 0 && spread.reached == 0 {
            return Err(Failure::peer(format!(
                "none of the {} peers of {} that are known can be reached, so nobody can tell whether this home is behind what \
                 its key has signed; try again when one can, or publish with --force",
                spread.known,
                before.name()
            )));
        }
        let Some(after) = self.0.libraries.get(id) else { return Ok(()) };
        if said_by(&after, publisher) > said_by(&before, publisher) {
            return Err(behind(&after));
        }
        let (node, id) = (self.0.clone(), *id);
        on_thread(move || node.check_current(&id)).await
    }
}

impl Inner {
    /// Fails where the release on which `live` stands has not come here. One that came and was damaged since is no reason: a
    /// publish mends it.
    fn check_current(&self, id: &LibraryId) -> Result<()> {
        self.follow_channels(id, &[])?;
        let Some(library) = self.libraries.get(id) else { return Ok(()) };
        let Some(release) = library.channel(LIVE).and_then(|said| library.release(&said.body.release)) else {
            return Ok(());
        };
        let here = self.here(&library, LIVE)?.map(|said| said.statement.id());
        if here == Some(release.statement.id()) || self.is_complete(&library, &release.body.manifest)? {
            return Ok(());
        }
        Err(behind(&library))
    }
}

/// How many releases and moves of channels a key has signed, as far as is known.
fn said_by(library: &Library, publisher: &PublicKey) -> usize {
    let all = library.statements().into_iter();
    let own = all.filter(|statement| {
        matches!(statement.body(), Body::Release(_) | Body::Channel(_))
            && statement.signers().any(|key| key == publisher)
    });
    own.count()
}

fn behind(library: &Library) -> Failure {
    let name = library.name();
    Failure::denied(format!(
        "this home is behind what is known of {name}: was it restored from a backup? `chuan pull {name}`, then publish"
    ))
}
