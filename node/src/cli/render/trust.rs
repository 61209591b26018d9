//! The answers about keys, roots and statements, as text.

use std::io::{self, Write};

use crate::outcome::KeyShown;

pub(super) fn key(out: &mut impl Write, shown: &KeyShown) -> io::Result<()> {
    writeln!(out, "{}", shown.key)?;
    writeln!(out, "fingerprint  {}", shown.fingerprint)?;
    let passphrase = if shown.encrypted { "with a passphrase" } else { "WITHOUT a passphrase" };
    writeln!(out, "secret half  {} ({passphrase})", shown.file)
}
