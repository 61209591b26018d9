//! The events of a running node: for pages, alerts and embedders. A node that restarts begins a new stream.

use serde::{Deserialize, Serialize};

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamped {
    /// Milliseconds since 1970, by the node's clock.
    pub at_ms: i64,
    /// The event.
    #[serde(flatten)]
    pub event: NodeEvent,
}

/// An event of a node. Ids are in their text form. New variants may be added: skip unknown ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeEvent {
    /// The node began to listen for peers.
    Listening {
        /// `IP:PORT`.
        address: String,
    },
    /// The node no longer listens.
    Stopped,
    /// New statements of a library became durable.
    Statements {
        /// The library.
        library: String,
        /// How many.
        count: u64,
    },
    /// A channel of this home moved to a release whose data is complete here.
    ChannelMoved {
        /// The library.
        library: String,
        /// The channel.
        channel: String,
        /// The release.
        release: String,
        /// Its sequence.
        sequence: u64,
    },
    /// A newer release of a channel is announced than is here.
    Behind {
        /// The library.
        library: String,
        /// The channel.
        channel: String,
        /// The announced release.
        release: String,
    },
    /// A pull ended with an answer.
    Pulled {
        /// The library.
        library: String,
        /// The channel that the pull was for.
        channel: String,
        /// The release that came; empty where none did.
        release: String,
        /// The node that sent it; empty where none did.
        from: String,
        /// Plain bytes of the chunks that came.
        bytes: u64,
        /// Duration in milliseconds.
        took_ms: u64,
    },
    /// A followed library could not be fetched. It is tried again; sent once for each reason.
    NotFollowed {
        /// The library; its name in the settings where that is the reason.
        library: String,
        /// The reason, and the remedy.
        reason: String,
    },
    /// A peer answered an exchange of statements after it had not answered before, or for the first time.
    PeerReached {
        /// The library that was exchanged.
        library: String,
        /// The peer.
        node: String,
    },
    /// A peer did not answer an exchange of statements after it had answered before.
    PeerLost {
        /// The library that was exchanged.
        library: String,
        /// The peer.
        node: String,
    },
    /// A node became a member by a ticket that this node redeemed.
    Joined {
        /// The library.
        library: String,
        /// The new member.
        node: String,
        /// Its name.
        name: String,
    },
}
