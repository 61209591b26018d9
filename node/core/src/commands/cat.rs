//! `cat`: the bytes of a file, verified by their hashes before they are sent.

use std::{
    io::{self, Write},
    sync::Arc,
};

use bytes::Bytes;
use chuan_engine::{
    manifest::{EntryKind, EntryPath, union},
    restore::read_range,
};

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
            let held = found.held(&services.library.holdings)?;
            let objects = services.context.objects(&found.library.id());
            let path = EntryPath::new(options.path.as_str())?;
            let found_file = union::find(&*objects, &held.trees(), &path)?;
            let file = found_file.filter(|(_, entry)| entry.kind == EntryKind::File);
            let (slot, entry) = file.ok_or_else(|| {
                let elsewhere = match held.classes_absent() {
                    0 => String::new(),
                    absent => format!(" (classes not granted to this node: {absent})"),
                };
                Failure::missing(format!(
                    "no file `{path}` in {}{elsewhere}; `chuan ls {}` lists them",
                    options.release, options.release
                ))
            })?;
            if let Some(class) = held.classes.iter().find(|class| class.header.slot == slot) {
                found.check_age(class)?;
            }
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
