//! [`Policy`]: how the classes of a library are to be kept.

use std::path::PathBuf;

use super::{Act, Error, Library, act, answer};
use crate::{
    authority,
    command::{Keys, PolicyVerb, ReadPolicy, SetPolicy, ShowPolicy, Signed},
    exit,
    job::Job,
    outcome::{Outcome, PolicyShown},
};

/// The policy of a library, which says how its classes are to be kept. Files are TOML, as for
/// [`Publish::policy`](super::Publish::policy).
#[derive(Clone, Debug)]
pub struct Policy(pub(super) Library);

impl Policy {
    /// The current policy.
    pub async fn show(&self) -> Result<PolicyShown, Error> {
        self.read(PolicyVerb::Show(ShowPolicy { library: self.library() })).await
    }

    /// Errors and warnings about a policy file; without a file, about the current policy.
    pub async fn check(&self, file: Option<PathBuf>) -> Result<PolicyShown, Error> {
        self.read(PolicyVerb::Check(ReadPolicy { library: self.library(), file })).await
    }

    /// The meaning of a policy file for each class, in words; without a file, that of the current policy.
    pub async fn explain(&self, file: Option<PathBuf>) -> Result<PolicyShown, Error> {
        self.read(PolicyVerb::Explain(ReadPolicy { library: self.library(), file })).await
    }

    /// Sets the policy from a file; a setting that the file leaves out is unset.
    pub fn set(&self, file: impl Into<PathBuf>) -> Act<PolicyShown> {
        Act::new(&self.0, Ok(self.command(file.into(), false)), of_outcome)
    }

    /// The changes that [`Policy::set`] would make. Signs nothing.
    pub async fn preview(&self, file: impl Into<PathBuf>) -> Result<PolicyShown, Error> {
        let outcome = act::signed(&self.0, self.command(file.into(), true)).await?;
        Ok(of_outcome(outcome)?)
    }

    fn command(&self, file: PathBuf, dry_run: bool) -> Signed {
        let options = SetPolicy { library: self.library(), file, dry_run, yes: true, request: None };
        Signed::Policy { options, keys: Keys::default() }
    }

    async fn read(&self, verb: PolicyVerb) -> Result<PolicyShown, Error> {
        let outcome = authority::read_policy(&mut self.0.session(Job::silent()), verb).await?;
        Ok(of_outcome(outcome)?)
    }

    fn library(&self) -> String {
        self.0.id().to_string()
    }
}

fn of_outcome(outcome: Outcome) -> exit::Result<PolicyShown> {
    answer!(Policy)(outcome).map(|shown| *shown)
}
