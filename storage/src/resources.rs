//! Whether the system gives this process the threads that it is about to use. RocksDB and the async runtime
//! end the process where they cannot start one; tried before, that is an error.

use std::{
    io,
    sync::{Arc, Mutex, mpsc},
    thread,
};

/// Starts `count` threads at one time, and ends them; each with a stack of this size, or of the system's
/// usual one. The answer holds for the moment only: another process of the user may take the threads.
///
/// # Errors
///
/// The system's error for the last thread that it refused.
pub fn try_threads(count: usize, stack_bytes: Option<usize>) -> io::Result<()> {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(wait));
    let mut started = Vec::new();
    let mut refused = None;
    for _ in 0..count {
        let wait = Arc::clone(&wait);
        let builder = thread::Builder::new();
        let builder = match stack_bytes {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        };
        match builder.spawn(move || drop(wait.lock().map(|wait| wait.recv()))) {
            Ok(thread) => started.push(thread),
            Err(error) => refused = Some(error),
        }
    }
    drop(release);
    started.into_iter().for_each(|thread| drop(thread.join()));
    refused.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stack of this size is more address space than a process has.
    const IMPOSSIBLE: usize = usize::MAX / 4;

    #[test]
    fn threads_that_the_system_refuses_are_an_error() {
        try_threads(3, None).unwrap();
        assert!(try_threads(2, Some(IMPOSSIBLE)).is_err());
    }
}
