//! [`BusyPeer`]: a peer that refuses as busy and is asked again. A pull and a join use it in the same way: it
//! may be the only peer, and it is often busy only with connections that this node left behind.

use std::time::Duration;

use chuan_engine::sync::busy::BusyWaits;

use crate::{
    exit::{Exit, Failure, Result},
    job::Job,
    system::Randomness,
};

/// The waits for one peer.
#[derive(Debug, Default)]
pub(crate) struct BusyPeer {
    waits: BusyWaits,
    is_told: bool,
}

impl BusyPeer {
    /// How long to wait before the peer is asked again; `None` where it was waited for long enough.
    pub(crate) fn next(&mut self, randomness: Randomness) -> Result<Option<Duration>> {
        Ok(self.waits.next(randomness.number()?))
    }

    /// Says once that the peer is asked again.
    pub(crate) async fn tell(&mut self, busy: &Failure, job: &Job) {
        if !std::mem::replace(&mut self.is_told, true) {
            let total = chuan_engine::limits::BUSY_WAIT_TOTAL.as_secs();
            job.say(format!("{busy}: asking it again for up to {total} s")).await;
        }
    }
}

/// Whether a peer refused as busy, so that it may answer later.
pub(crate) fn is_busy(failure: &Failure) -> bool {
    failure.exit == Exit::Busy && !failure.is_final
}
