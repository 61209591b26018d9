//! The passphrase of a key file: from a variable, else from the terminal, without echo.

use std::{env, ffi::OsString, fmt, io, path::Path};

use age::secrecy::{ExposeSecret, SecretString};

use crate::exit::{Failure, Result};

/// The variable with the passphrase of the key files that a command reads or makes.
pub const PASSPHRASE: &str = "CHUAN_KEY_PASSPHRASE";
/// The variable with the new passphrase of a key file.
pub const NEW_PASSPHRASE: &str = "CHUAN_KEY_NEW_PASSPHRASE";

/// The variable with the passphrase of a backup of a home.
pub const BACKUP_PASSPHRASE: &str = "CHUAN_BACKUP_PASSPHRASE";

/// A passphrase. Its memory is cleared when it is dropped, and its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl Passphrase {
    /// The passphrase, for the library that encrypts.
    pub(super) fn into_secret(self) -> SecretString {
        self.0
    }

    fn text(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<String> for Passphrase {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// The way to get a passphrase that no variable contains.
#[derive(Clone, Copy, Debug)]
pub enum Ask {
    /// From the terminal, by this function: it shows the text, and reads a line without echo. Blocks.
    Terminal(fn(&str) -> io::Result<String>),
    /// None: an embedded node, or a node that answers its admin socket, has no terminal.
    Nobody,
}

impl Ask {
    /// The passphrase of the file at `path`.
    pub(super) fn known(self, path: &Path) -> Result<Passphrase> {
        self.get(PASSPHRASE, &format!("passphrase of {}: ", path.display()))
    }

    /// The passphrase of the backup at `path`.
    pub(crate) fn of_backup(self, path: &Path) -> Result<Passphrase> {
        self.get(BACKUP_PASSPHRASE, &format!("passphrase of {}: ", path.display()))
    }

    /// A new passphrase for the file at `path`: from `variable`, else typed twice.
    pub fn fresh(self, variable: &'static str, path: &Path) -> Result<Passphrase> {
        let typed = env::var_os(variable).is_none();
        let passphrase = self.get(variable, &format!("new passphrase for {}: ", path.display()))?;
        if passphrase.text().is_empty() {
            return Err(Failure::usage("an empty passphrase protects nothing; give another one"));
        }
        if typed && self.get(variable, "the same again: ")?.text() != passphrase.text() {
            return Err(Failure::usage("the two passphrases differ; nothing was written"));
        }
        Ok(passphrase)
    }

    fn get(self, variable: &'static str, prompt: &str) -> Result<Passphrase> {
        if let Some(text) = env::var_os(variable) {
            return from_variable(text, variable);
        }
        let nobody = || {
            Failure::usage(format!(
                "a passphrase is needed, and there is no terminal to ask for it; set {variable}"
            ))
        };
        match self {
            Ask::Nobody => Err(nobody()),
            Ask::Terminal(read) => read(prompt).map(Passphrase::from).map_err(|error| match error.kind() {
                io::ErrorKind::Interrupted => Failure::interrupted(),
                _ => nobody(),
            }),
        }
    }
}

fn from_variable(text: OsString, variable: &str) -> Result<Passphrase> {
    text.into_string()
        .map(Passphrase::from)
        .map_err(|_| Failure::usage(format!("{variable} is not UTF-8; type the passphrase instead")))
}
