//! A point: a command, a fault, and the call at which it strikes.

use std::{fmt, str::FromStr};

use anyhow::{Context, Error, Result, bail};

use super::tracer::Act;

/// A command under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Job {
    /// The first `publish` of a library.
    First,
    /// A `publish` of a second release.
    Publish,
    /// A `pull` of a second release.
    Pull,
    /// A `restore` of the second release over the first one.
    Restore,
    /// A `rotate`.
    Rotate,
    /// A `rebuild`.
    Rebuild,
    /// A `channel set` with which the ledger is compacted.
    Compact,
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL before the call.
    Kill,
    /// SIGKILL after the call.
    After,
    /// The power fails before the call: nothing that was not synced stays.
    Power,
    /// The power fails before the call: of the bytes and entries that were not synced, some stay.
    Torn,
    /// The call fails with EIO.
    Eio,
    /// The call fails with ENOSPC.
    Enospc,
    /// The call fails with EDQUOT.
    Edquot,
}

/// A moment of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// At this call, from 1.
    Call(u64),
    /// After the command has ended with success.
    End,
}

/// A point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// The command.
    pub job: Job,
    /// The fault.
    pub fault: Fault,
    /// The call.
    pub moment: Moment,
}

impl Job {
    /// All commands.
    pub const ALL: [Job; 7] =
        [Job::First, Job::Publish, Job::Pull, Job::Restore, Job::Rotate, Job::Rebuild, Job::Compact];

    /// The word in a point's name.
    pub const fn name(self) -> &'static str {
        match self {
            Job::First => "first-publish",
            Job::Publish => "publish",
            Job::Pull => "pull",
            Job::Restore => "restore",
            Job::Rotate => "rotate",
            Job::Rebuild => "rebuild",
            Job::Compact => "compact",
        }
    }
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 7] =
        [Fault::Kill, Fault::After, Fault::Power, Fault::Torn, Fault::Eio, Fault::Enospc, Fault::Edquot];

    /// The word in a point's name.
    pub const fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::After => "after",
            Fault::Power => "power",
            Fault::Torn => "torn",
            Fault::Eio => "eio",
            Fault::Enospc => "enospc",
            Fault::Edquot => "edquot",
        }
    }

    /// Whether the power fails.
    pub const fn is_power(self) -> bool {
        matches!(self, Fault::Power | Fault::Torn)
    }

    /// The act of the tracer on the call.
    pub(super) const fn act(self) -> Act {
        match self {
            Fault::Kill | Fault::Power | Fault::Torn => Act::KillBefore,
            Fault::After => Act::KillAfter,
            Fault::Eio => Act::Fail(libc::EIO),
            Fault::Enospc => Act::Fail(libc::ENOSPC),
            Fault::Edquot => Act::Fail(libc::EDQUOT),
        }
    }
}

impl Point {
    /// Every point of a command that makes `calls` calls.
    pub fn all(job: Job, calls: u64) -> impl Iterator<Item = Point> {
        Fault::ALL.into_iter().flat_map(move |fault| {
            let end = fault.is_power().then_some(Moment::End);
            let moments = (1..=calls).map(Moment::Call).chain(end);
            moments.map(move |moment| Point { job, fault, moment })
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.job.name(), self.fault.name())?;
        match self.moment {
            Moment::Call(number) => write!(f, "{number}"),
            Moment::End => f.write_str("end"),
        }
    }
}

impl FromStr for Point {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<_> = text.split(':').collect();
        let [job, fault, moment] = parts.as_slice() else {
            bail!(
                "`{text}` is no point; write COMMAND:FAULT:CALL, such as publish:power:17 or pull:torn:end"
            );
        };
        let job = Job::ALL.into_iter().find(|known| known.name() == *job);
        let fault = Fault::ALL.into_iter().find(|known| known.name() == *fault);
        let moment = match *moment {
            "end" => Moment::End,
            number => Moment::Call(number.parse().with_context(|| format!("the call of `{text}`"))?),
        };
        let (job, fault) = (job.context("an unknown command"), fault.context("an unknown fault"));
        Ok(Point {
            job: job.with_context(|| format!("in `{text}`"))?,
            fault: fault.with_context(|| format!("in `{text}`"))?,
            moment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_as_it_is_written() {
        for job in Job::ALL {
            for point in Point::all(job, 3) {
                assert_eq!(point.to_string().parse::<Point>().unwrap(), point);
            }
        }
        for bad in ["", "publish", "publish:kill", "publish:kill:x", "push:kill:1", "publish:burn:1"] {
            assert!(bad.parse::<Point>().is_err(), "{bad}");
        }
    }
}
