//! The trace of a run: a hash over every event, and the text of the last ones.

use std::collections::VecDeque;

use chuan_engine::id::LibraryId;

/// Lines that are kept for a report.
const LINES: usize = 400;

/// The events of a run.
#[derive(Debug)]
pub(super) struct Trace {
    hash: LibraryId,
    events: u64,
    last: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self { hash: LibraryId::from_bytes([0; 32]), events: 0, last: VecDeque::new() }
    }
}

impl Trace {
    /// Adds an event.
    pub(super) fn add(&mut self, event: String) {
        self.hash = LibraryId::of(&[self.hash.as_bytes().as_slice(), event.as_bytes()].concat());
        self.events += 1;
        if self.last.len() == LINES {
            self.last.pop_front();
        }
        self.last.push_back(event);
    }

    /// The hash over all events, and their number.
    pub(super) fn digest(&self) -> (String, u64) {
        (self.hash.to_string(), self.events)
    }

    /// The last events, one a line.
    pub(super) fn text(&self) -> String {
        self.last.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}
