//! [`Library`]: a library of an open home.

use std::{path::PathBuf, sync::Arc};

use chuan_engine::{id::LibraryId, statement};

use super::{
    Change, Channels, Entry, Error, File, Members, Policy, Progress, Publish, Published, Pull, Pulled,
    Release, ReleaseName, Restore, Restored, Update, answer,
};
use crate::{
    authority,
    command::{Command, Conflicts, Diff, ListClasses, Ls, Releases},
    exit::{self, Exit, Failure},
    job::Job,
    keyring::{Ask, Keyring},
    library::channels,
    open_home::OpenHome,
    outcome::{self, Carried, ClassRow, ConflictRow, Differed, LibraryStatus, Listed, Outcome},
    session::Session,
    spec::{At, Spec},
    transfer::{self, Carry, CarryRoots},
};

/// A library of an open home. Cheap to clone; the home stays open as long as a handle lives.
///
/// Commands that change the library wait for each other. Commands that sign use the keys in the home, or the
/// key files of [`Library::with_key`]; the passphrase of a key file comes from the variable
/// `CHUAN_KEY_PASSPHRASE`.
#[derive(Clone, Debug)]
pub struct Library {
    pub(super) home: Arc<OpenHome>,
    id: LibraryId,
    keys: Vec<PathBuf>,
}

impl Library {
    pub(super) fn new(home: &Arc<OpenHome>, id: LibraryId) -> Self {
        Self { home: Arc::clone(home), id, keys: Vec::new() }
    }

    /// The same library, with one more key file to sign with. With at least one key file, keys in the home
    /// are not used.
    pub fn with_key(mut self, file: impl Into<PathBuf>) -> Self {
        self.keys.push(file.into());
        self
    }

    /// Its id.
    pub fn id(&self) -> LibraryId {
        self.id
    }

    /// Its label, by its current root. It is not unique.
    pub fn name(&self) -> String {
        self.view().map_or_else(|_| self.id.short(), |library| library.name().to_owned())
    }

    /// Reads the changes in a folder, signs a release and moves the channel `live` to it.
    ///
    /// If it is cancelled at any moment, the library is as before, and content that was read is not read
    /// again.
    pub fn publish(&self, publish: Publish) -> Progress<Published> {
        let library = self.clone();
        Progress::new(Update::of, move |job| async move {
            let options = publish.command(library.id.to_string(), false);
            Published::of(library.published(options, job).await?)
        })
    }

    /// Compares a folder with the published content. Changes and signs nothing.
    pub fn preview_publish(&self, publish: Publish) -> Progress<outcome::Published> {
        let library = self.clone();
        Progress::new(Update::of, move |job| async move {
            let options = publish.command(library.id.to_string(), true);
            library.published(options, job).await
        })
    }

    /// Fetches the announced release of a channel, or its newest ancestor if no source has it; or the release
    /// that is named. Only content that is not held here is fetched. The channel moves last, when everything
    /// is durable, and never back.
    ///
    /// If it is cancelled at any moment, the library is as before, and the next pull continues from there.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`] where no release is here and no node that answered has one. If an older release is
    /// here, that is no error: see [`Pulled::behind`].
    pub fn pull(&self, pull: impl Into<Pull>) -> Progress<Pulled> {
        let (library, pull) = (self.clone(), pull.into());
        Progress::new(Update::of, move |job| async move {
            let pull = library.numbered(pull).await?;
            let command = Command::Pull(pull.command(&library.id, false));
            Pulled::of(*library.ask(command, job, answer!(Pull)).await?)
        })
    }

    /// Counts what a pull would fetch. Fetches pages to count chunks, and moves nothing.
    pub fn preview_pull(&self, pull: impl Into<Pull>) -> Progress<outcome::Pulled> {
        let (library, pull) = (self.clone(), pull.into());
        Progress::new(Update::of, move |job| async move {
            let pull = library.numbered(pull).await?;
            let command = Command::Pull(pull.command(&library.id, true));
            library.ask(command, job, answer!(Pull)).await.map(|pulled| *pulled)
        })
    }

    /// Brings a folder to a release. Every byte is verified before it is written. Paths that cannot be
    /// restored are counted in the answer, and do not stop the others.
    pub fn restore(&self, restore: Restore) -> Progress<Restored> {
        let library = self.clone();
        Progress::new(Update::of, move |job| library.restored(restore, false, job))
    }

    /// The changes that a restore would make, in path order. Changes nothing.
    pub fn preview_restore(&self, restore: Restore) -> Progress<Restored, Change> {
        let library = self.clone();
        Progress::new(Change::of, move |job| library.restored(restore, true, job))
    }

    /// A file of a release.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] where the release or its manifest is not here, or has no file at `path`;
    /// [`Error::Stale`] where the release is named by a channel, and is older than the policy of the file's
    /// class allows.
    pub async fn file(&self, release: impl Into<ReleaseName>, path: &str) -> Result<File, Error> {
        Ok(File::open(self, release.into(), path.to_owned()).await?)
    }

    /// The releases that are known here, newest first.
    pub async fn releases(&self) -> Result<Vec<Release>, Error> {
        let command = Command::Releases(Releases { library: Some(self.id.to_string()) });
        let list = self.ask(command, Job::silent(), answer!(Releases)).await?;
        Ok(list.releases.into_iter().map(Release::of).collect::<exit::Result<_>>()?)
    }

    /// The entries of a release, in path order.
    pub fn entries(&self, release: impl Into<ReleaseName>) -> Progress<Listed, Entry> {
        let (library, release) = (self.clone(), release.into());
        Progress::new(Entry::of, move |job| async move {
            let command = Command::Ls(Ls { release: library.spec(&release)? });
            library.ask(command, job, answer!(Ls)).await
        })
    }

    /// The differences between two releases, in path order. Reads only subtrees that differ.
    pub fn diff(
        &self,
        old: impl Into<ReleaseName>,
        new: impl Into<ReleaseName>,
    ) -> Progress<Differed, Change> {
        let (library, old, new) = (self.clone(), old.into(), new.into());
        Progress::new(Change::of, move |job| async move {
            let command = Command::Diff(Diff { old: library.spec(&old)?, new: library.spec(&new)? });
            library.ask(command, job, answer!(Diff)).await
        })
    }

    /// Its channels.
    pub fn channels(&self) -> Channels {
        Channels(self.clone())
    }

    /// Its members.
    pub fn members(&self) -> Members {
        Members(self.clone())
    }

    /// Its policy.
    pub fn policy(&self) -> Policy {
        Policy(self.clone())
    }

    /// The classes in the releases to which channels point here, and those that releases list by name.
    pub async fn classes(&self) -> Result<Vec<ClassRow>, Error> {
        let command = Command::Classes(ListClasses { library: self.id.to_string() });
        Ok(self.ask(command, Job::silent(), answer!(Classes)).await?.classes)
    }

    /// Every contradiction that is known here, unsettled ones first, each with its signed statements as
    /// proof.
    pub async fn conflicts(&self) -> Result<Vec<ConflictRow>, Error> {
        let command = Command::Conflicts(Conflicts { library: Some(self.id.to_string()) });
        Ok(self.ask(command, Job::silent(), answer!(Conflicts)).await?.conflicts)
    }

    /// Its root, channels and keys, as they are now.
    pub async fn status(&self) -> Result<LibraryStatus, Error> {
        let status = self.ask(Command::Status, Job::silent(), answer!(Status)).await?;
        let id = self.id.to_string();
        let found = status.libraries.into_iter().find(|library| library.id == id);
        found.ok_or_else(|| self.gone().into())
    }

    /// Writes all statements that are known here to a file, which is replaced if it exists.
    pub async fn export(&self, file: impl Into<PathBuf>) -> Result<Carried, Error> {
        let carry = Carry::Export { library: self.id.to_string(), file: file.into() };
        let outcome = transfer::statements(&mut self.session(Job::silent()), carry).await?;
        Ok(answer!(Statements)(outcome)?)
    }

    /// Writes its roots to a new file, to propose the next root with it.
    pub async fn export_roots(&self, file: impl Into<PathBuf>) -> Result<Carried, Error> {
        let carry = CarryRoots::Export { library: self.id.to_string(), file: file.into() };
        let outcome = transfer::roots(&mut self.session(Job::silent()), carry).await?;
        Ok(answer!(Statements)(outcome)?)
    }

    async fn published(
        &self,
        options: crate::command::Publish,
        job: Job,
    ) -> exit::Result<outcome::Published> {
        let library_name = self.view()?.name().to_owned();
        let mut session = self.session(job);
        let published = authority::publish(&mut session, &self.keyring(), options).await?;
        Ok(outcome::Published { library_name, ..published })
    }

    /// The same pull with the id of its release instead of a sequence, which as text could be the beginning
    /// of an id. Asks peers where no release with that sequence is known here.
    async fn numbered(&self, mut pull: Pull) -> exit::Result<Pull> {
        let sequence @ ReleaseName::Sequence(_) = &pull.release else { return Ok(pull) };
        let id = match self.text(sequence) {
            Err(failure) if failure.exit == Exit::Missing => {
                self.home.services.exchange.ask_all(&self.id, &Job::silent()).await?;
                self.text(sequence)?
            }
            known => known?,
        };
        pull.release = ReleaseName::Id(id.parse()?);
        Ok(pull)
    }

    async fn restored(self, restore: Restore, dry_run: bool, job: Job) -> exit::Result<Restored> {
        let spec = self.spec(&restore.release)?;
        let command = Command::Restore(restore.command(spec, dry_run));
        Restored::of(self.ask(command, job, answer!(Restore)).await?)
    }

    /// Runs a command, and reads its answer.
    pub(super) async fn ask<T>(
        &self,
        command: Command,
        job: Job,
        read: impl FnOnce(Outcome) -> exit::Result<T>,
    ) -> exit::Result<T> {
        read(self.home.run(command.absolute()?, job).await?)
    }

    /// A session in this home, for commands that sign.
    pub(super) fn session(&self, job: Job) -> Session {
        Session::within(Arc::clone(&self.home), job)
    }

    /// The keys to sign with.
    pub(super) fn keyring(&self) -> Keyring {
        let home = self.home.services.context.home.clone();
        Keyring::new(self.keys.clone(), Some(home), Ask::Nobody)
    }

    /// The statements of the library, as they are now.
    pub(super) fn view(&self) -> exit::Result<Arc<statement::Library>> {
        self.home.services.library.get(&self.id).ok_or_else(|| self.gone())
    }

    /// A release in the notation of commands.
    pub(super) fn spec(&self, release: &ReleaseName) -> exit::Result<Spec> {
        Ok(Spec { library: self.id.to_string(), at: At::Name(self.text(release)?) })
    }

    /// A release as text within its library. A sequence becomes the id of its release, and a channel must
    /// exist: as text, both could be the beginning of an id.
    pub(super) fn text(&self, release: &ReleaseName) -> exit::Result<String> {
        match release {
            ReleaseName::Id(id) => Ok(id.to_string()),
            ReleaseName::Sequence(sequence) => {
                let library = self.view()?;
                let releases = library.releases().into_iter();
                let found: Vec<_> = releases.filter(|said| said.statement.sequence() == *sequence).collect();
                let name = library.name();
                match found.as_slice() {
                    [said] => Ok(said.statement.id().to_string()),
                    [] => Err(Failure::missing(format!("{name} has no release {sequence} here"))),
                    _ => Err(Failure::invalid(format!(
                        "{name} has several releases {sequence}; name one by its id"
                    ))),
                }
            }
            ReleaseName::Channel(channel) => {
                let library = self.view()?;
                channels::named(&library, channel.as_str())?;
                Ok(channel.to_string())
            }
        }
    }

    fn gone(&self) -> Failure {
        Failure::missing(format!("library {} is not here any more", self.id.short()))
    }
}
