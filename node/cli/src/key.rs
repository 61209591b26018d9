//! `chuan key`: makes secret keys, shows their public halves, changes their passphrases. Works on files,
//! without a home.

use std::path::{Path, PathBuf};

use chuan::{
    engine::statement::Key,
    home::keys::generate,
    keyring::{self, NEW_PASSPHRASE, PASSPHRASE},
};
use chuan_api::{
    exit::{Failure, Result},
    outcome::KeyShown,
};
use clap::Subcommand;

use super::passphrase::TERMINAL;

/// A command on a key file.
#[derive(Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// Make a key and write it to a file, encrypted with a passphrase; print its public half
    New {
        /// The file; must not exist yet
        file: PathBuf,
        /// Use no passphrase: every reader of the file has the key
        #[arg(long)]
        plain: bool,
    },
    /// Print the public half of a key, and its fingerprint to compare by voice
    Show {
        /// The key file
        file: PathBuf,
    },
    /// Give a key file a passphrase, or another one
    Passphrase {
        /// The key file
        file: PathBuf,
        /// Remove the passphrase
        #[arg(long)]
        plain: bool,
    },
}

/// Runs the command. Blocks while a passphrase is typed.
pub(super) fn run(verb: &KeyVerb) -> Result<KeyShown> {
    let ask = TERMINAL;
    let (path, key) = match verb {
        KeyVerb::New { file, plain } => {
            keyring::check_free(file)?;
            let passphrase = if *plain { None } else { Some(ask.fresh(PASSPHRASE, file)?) };
            let key = generate()?;
            keyring::create(file, &key, passphrase)?;
            (file, key)
        }
        KeyVerb::Show { file } => (file, keyring::read(file, ask)?),
        KeyVerb::Passphrase { file, plain } => {
            let key = keyring::read(file, ask)?;
            let variable = if keyring::is_encrypted(file)? { NEW_PASSPHRASE } else { PASSPHRASE };
            let passphrase = if *plain { None } else { Some(ask.fresh(variable, file)?) };
            keyring::write(file, &key, passphrase)?;
            (file, key)
        }
    };
    shown(path, &key)
}

fn shown(path: &Path, key: &Key) -> Result<KeyShown> {
    let public = key.public();
    Ok(KeyShown {
        file: path.to_str().map(str::to_owned).ok_or_else(|| {
            Failure::usage(format!("the file name {} is not UTF-8; choose another", path.display()))
        })?,
        key: public.to_string(),
        fingerprint: public.fingerprint().to_string(),
        node: public.node().to_string(),
        encrypted: keyring::is_encrypted(path)?,
    })
}
