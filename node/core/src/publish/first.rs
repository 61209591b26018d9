//! The first release of a library is not empty by mistake.

use chuan_engine::ingest::Tally;

use crate::{
    command::Publish,
    exit::{Failure, Result},
};

/// Fails for a first release without content where the caller has not said that it may be empty. The source
/// may have become empty since the founding began.
pub(super) fn check(options: &Publish, is_first: bool, tally: &Tally) -> Result<()> {
    match is_first && tally.is_empty() && !options.allow_empty {
        true => Err(nothing_to_publish(options)),
        false => Ok(()),
    }
}

/// The error for a source without content that would found a library.
pub(crate) fn nothing_to_publish(options: &Publish) -> Failure {
    Failure::usage(format!(
        "{} has nothing to publish; give the option `allow-empty` to found an empty library {}",
        options.source.display(),
        options.library
    ))
}
