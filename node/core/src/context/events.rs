//! The event stream of a node. Owns how far a slow reader may fall behind.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chuan_api::node_event::{NodeEvent, Stamped};
use tokio::sync::broadcast;

/// Events that wait for the slowest reader; older ones are dropped for it, and counted.
const BACKLOG: usize = 1024;

/// Sends the events of a node to all readers; `None` once the node is closed.
#[derive(Debug)]
pub(crate) struct Events(Mutex<Option<broadcast::Sender<Stamped>>>);

impl Default for Events {
    fn default() -> Self {
        Self(Mutex::new(Some(broadcast::Sender::new(BACKLOG))))
    }
}

impl Events {
    /// Sends an event, and logs it. Never waits for a reader; without a reader it is dropped.
    pub(crate) fn emit(&self, at_ms: i64, event: NodeEvent) {
        log(&event);
        if let Some(sender) = &*self.lock() {
            let _ = sender.send(Stamped { at_ms, event });
        }
    }

    /// A stream of the events from now on. It has ended already once the node is closed.
    pub(crate) fn subscribe(&self) -> EventStream {
        let receiver = match &*self.lock() {
            Some(sender) => sender.subscribe(),
            None => broadcast::channel(1).1,
        };
        EventStream(receiver)
    }

    /// Ends every stream behind the events that were sent.
    pub(crate) fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<broadcast::Sender<Stamped>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line of an event in the log.
fn log(event: &NodeEvent) {
    match event {
        NodeEvent::Listening { address } => tracing::info!(address, "serving"),
        NodeEvent::Stopped => tracing::info!("stopped serving"),
        NodeEvent::ChannelMoved { library, channel, release, sequence } => {
            let (library, release) = (short(library), short(release));
            tracing::info!(library, channel, release, sequence, "a channel moved");
        }
        NodeEvent::Behind { library, channel, release } => {
            let (library, release) = (short(library), short(release));
            tracing::info!(library, channel, release, "a newer release is announced");
        }
        NodeEvent::Pulled { library, channel, release, from, bytes, took_ms } => {
            let (library, release, from, seconds) =
                (short(library), short(release), short(from), took_ms / 1000);
            tracing::info!(library, channel, release, from, bytes, seconds, "pulled");
        }
        NodeEvent::PeerReached { library, node } => {
            tracing::info!(library = short(library), peer = short(node), "a peer is reached");
        }
        NodeEvent::PeerLost { library, node } => {
            tracing::info!(library = short(library), peer = short(node), "a peer is lost");
        }
        NodeEvent::Joined { library, node, name } => {
            tracing::info!(library = short(library), node = short(node), name, "a node joined");
        }
        other => tracing::debug!(?other, "event"),
    }
}

/// The beginning of an id in text form.
fn short(id: &str) -> &str {
    id.get(..10).unwrap_or(id)
}

/// The events of a node from the moment at which the stream was made.
#[derive(Debug)]
pub struct EventStream(broadcast::Receiver<Stamped>);

/// The next item of an [`EventStream`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(Stamped),
    /// The reader was too slow, and so many events were dropped before the next one.
    Missed(u64),
}

impl EventStream {
    /// The next event; `None` once the node is closed. Cancel-safe: no event is lost where the future is
    /// dropped.
    pub async fn next(&mut self) -> Option<Next> {
        match self.0.recv().await {
            Ok(event) => Some(Next::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Next::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::{
        Event, Level, Metadata, Subscriber,
        field::{Field, Visit},
        span,
    };

    use super::*;

    /// Keeps the level and the message of each line of the log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<(Level, String)>>>);

    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().unwrap().push((*event.metadata().level(), message.0));
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    /// Symptom: the log of `serve` never said who joined or pulled, or which peer was lost.
    #[test]
    fn what_peers_do_is_in_the_log_at_level_info() {
        let [library, node, name, channel, release] =
            ["library", "node", "name", "channel", "release"].map(str::to_owned);
        let (lines, events) = (Lines::default(), Events::default());
        tracing::subscriber::with_default(lines.clone(), || {
            for event in [
                NodeEvent::PeerReached { library: library.clone(), node: node.clone() },
                NodeEvent::PeerLost { library: library.clone(), node: node.clone() },
                NodeEvent::Joined { library: library.clone(), node, name },
                NodeEvent::ChannelMoved { library, channel, release, sequence: 1 },
                NodeEvent::Stopped,
            ] {
                events.emit(0, event);
            }
        });
        let expected =
            ["a peer is reached", "a peer is lost", "a node joined", "a channel moved", "stopped serving"];
        let expected = expected.map(|message| (Level::INFO, message.to_owned()));
        assert_eq!(*lines.0.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn a_slow_reader_learns_how_many_events_it_missed() {
        let events = Events::default();
        let mut stream = events.subscribe();
        let total = BACKLOG as u64 + 7;
        for at_ms in 0..total {
            events.emit(i64::try_from(at_ms).unwrap(), NodeEvent::Stopped);
        }
        assert_eq!(stream.next().await, Some(Next::Missed(7)));
        assert_eq!(stream.next().await, Some(Next::Event(Stamped { at_ms: 7, event: NodeEvent::Stopped })));
        events.end();
        assert_eq!(events.subscribe().next().await, None);
        let mut rest = 0;
        while let Some(Next::Event(_)) = stream.next().await {
            rest += 1;
        }
        assert_eq!(rest, BACKLOG - 1);
    }
}
