//! Questions before an act that takes something away. Without a terminal, an act that takes more than the
//! command line names fails until `--yes` is given; other acts go on.

use std::{
    io::{self, IsTerminal},
    path::Path,
};

use chuan::{authority, keyring::Keyring, session::Session, transfer};
use chuan_api::{
    command::{Publish, Signed},
    exit::Result,
    outcome::Outcome,
};

use super::{
    language::translated,
    sign::{confirm, text_of},
};
use crate::text;

/// Shows on a terminal what an act takes away, and asks. Returns the act, confirmed if the answer is yes.
pub(super) async fn act(session: &mut Session, keyring: &Keyring, command: Signed) -> Result<Signed> {
    if let Signed::Publish { options, keys } = command {
        return founding(session, keyring, options).await.map(|options| Signed::Publish { options, keys });
    }
    let dry = if io::stdin().is_terminal() && command.may_ask() { command.clone().dry() } else { None };
    let Some(dry) = dry else { return Ok(command) };
    let outcome = authority::run(session, keyring, dry).await?;
    let is_to_ask = match &outcome {
        Outcome::Preview(preview) => preview.asks && preview.refused.is_none(),
        Outcome::Policy(shown) => !shown.takes.is_empty(),
        _ => false,
    };
    if !is_to_ask {
        return Ok(command);
    }
    confirm(&text_of(&outcome)?, &text!("ask-do"), "the same command with `--dry-run`")?;
    Ok(command.confirmed())
}

/// Asks on a terminal before a publish founds a library in a home that has another one.
async fn founding(session: &mut Session, keyring: &Keyring, options: Publish) -> Result<Publish> {
    if !io::stdin().is_terminal() || keyring.is_named() {
        return Ok(options);
    }
    let others = authority::founded_beside(session, &options).await?;
    if others.is_empty() {
        return Ok(options);
    }
    let name = &options.library;
    let text = format!("no library {name} is known here; this home has {}", others.join(", "));
    confirm(format!("{text}\n").as_bytes(), &format!("found the library {name}?"), "`chuan status`")?;
    Ok(Publish { found: true, ..options })
}

/// Names what a new root takes away, and the revocations that it ends, and waits for a yes.
pub(super) async fn roots(session: &mut Session, file: &Path) -> Result<()> {
    let ended = transfer::revocations_that_end(session, file).await?;
    let taken = transfer::taken_by_roots(session, file).await?;
    if ended.is_empty() && taken.is_empty() {
        return Ok(());
    }
    let mut text = lines(&taken);
    if !taken.is_empty() {
        text.push_str(&format!("{}\n", text!("keep-signed")));
    }
    text.push_str(&lines(&ended));
    if !ended.is_empty() {
        text.push_str(&format!("{}\n", text!("keep-revoked")));
    }
    let look = format!(
        "`chuan root show {}` ({} revocations end with it, and it takes away: {})",
        file.display(),
        ended.len(),
        if taken.is_empty() { "nothing".to_owned() } else { taken.join("; ") }
    );
    confirm(text.as_bytes(), &text!("ask-apply-root"), &look)
}

/// Names what a request takes from nodes that it does not name, and waits for a yes.
pub(super) async fn request(session: &mut Session, file: &Path) -> Result<()> {
    let taken = authority::request::taken_from_others(session, file).await?;
    if taken.is_empty() {
        return Ok(());
    }
    let look = format!("`chuan sign {} --show` ({})", file.display(), taken.join("; "));
    confirm(lines(&taken).as_bytes(), &text!("ask-apply"), &look)
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}\n", translated(line))).collect()
}
