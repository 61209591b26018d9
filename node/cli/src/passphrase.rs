//! The passphrase of a key file, typed at the terminal without echo.

use chuan::keyring::Ask;

use super::language::translated;

/// Asks at the terminal. Blocks.
pub(super) const TERMINAL: Ask =
    Ask::Terminal(|prompt| rpassword::prompt_password(translated(prompt).as_ref()));
