//! The passphrase of a key file, typed at the terminal without echo.

use chuan::keyring::Ask;

/// Asks at the terminal. Blocks.
pub(super) const TERMINAL: Ask = Ask::Terminal(|prompt| rpassword::prompt_password(prompt));
