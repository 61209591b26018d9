//! `cat`: the bytes of a file, verified by their hashes before they are sent.

use std::{
    io::{self, Write},
    sync::Arc,
};

use bytes::Bytes;
use chuan_engine::restore::read_range;

use crate::{
    command::{ByteRange, Cat},
    exit::{Failure, Result},
    job::Job,
    library::release,
    outcome::Shown,
    services::Services,
};

/// The content of a file, or a part of it, as data of `job`.
pub(crate) async fn cat(services: &Arc<Services>, options: Cat, job: &Job) -> Result<Shown> {
    let job = job.clone();
    services
        .blocking(move |services| {
            let found = release::resolve_to_read(&services.context, &services.library, &options.release)?;
            let holdings = &services.library.holdings;
            let (path, entry) = found.file(&services.context, holdings, &options.path, &options.release)?;
            let objects = services.context.objects(&found.library.id());
            let range = options.range.unwrap_or(ByteRange::From(0, None));
            let (start, len) = range.within(entry.size)?;
            let mut out = Out { job: &job, failure: None };
            let written = read_range(&*objects, &entry.content, start..start + len, &mut out);
            let written = written.map_err(|error| out.failure.take().unwrap_or_else(|| error.into()))?;
            Ok(Shown {
                release: found.id.to_string(),
                channel: found.channel_name(),
                fresh_age_seconds: found.fresh_age_seconds(),
                path: path.to_string(),
                size: entry.size,
                bytes: written,
            })
        })
        .await
}

/// Sends bytes to a job.
struct Out<'a> {
    job: &'a Job,
    /// The failure with which the job accepts no more bytes.
    failure: Option<Failure>,
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.job.data(Bytes::copy_from_slice(bytes)) {
            Ok(()) => Ok(bytes.len()),
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
