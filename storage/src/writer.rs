//! The one thread that packs: takes jobs from the queue in order, and owns the log.
//!
//! It ends at the first failure and reports the reason to the queue. The log decides where records go and
//! when a group ends; other threads write the group and make it durable.

use std::{sync::Arc, thread};

use chuan_engine::{Error, Result};

use crate::{
    log::Log,
    queue::{Job, Queue, Refusal},
};

/// Starts the thread.
pub(crate) fn start(log: Log, queue: Arc<Queue>) -> Result<thread::JoinHandle<()>> {
    thread::Builder::new()
        .name("chuan-store".to_owned())
        .spawn(move || run(log, &queue))
        .map_err(|error| Error::io("start the store's thread", error))
}

fn run(mut log: Log, queue: &Arc<Queue>) {
    let _guard = queue.guard();
    while let Some(job) = queue.next() {
        let result = match job {
            Job::Objects(library, objects) => {
                objects.into_iter().try_for_each(|object| log.put(library, object))
            }
            Job::Barrier(library, answer) => log.commit(&library).and_then(|()| log.barrier(answer)),
            Job::Release(library, answer) => log.release(&library).and_then(|cost| {
                queue.forget(&library, cost);
                log.barrier(answer)
            }),
        };
        if let Err(error) = result {
            queue.refuse(Refusal::of(&error));
            return;
        }
    }
}
