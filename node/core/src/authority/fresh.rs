//! `fresh`: a timekeeper signs that a channel points to its current release now.

use chuan_engine::statement::{RoleKind, library::fresh};

use crate::{
    command::Fresh,
    exit::Result,
    keyring::Keyring,
    library::{channels::named as channel_named, local_refs::fresh_age},
    outcome::Vouched,
    session::Session,
};

/// Signs freshness now, with every available timekeeper key. Durable in the home when it returns.
pub(super) async fn vouch(session: &mut Session, keyring: &Keyring, options: Fresh) -> Result<Vouched> {
    let library = session.newest(Some(&options.library)).await?;
    channel_named(&library, &options.channel)?;
    let keys = keyring.role_keys(&library, RoleKind::Timekeeper)?;
    let mut statements = Vec::new();
    for key in &keys {
        statements.push(fresh(&library, key, &options.channel, session.now_ms())?);
    }
    session.offer_effective(&library, &statements).await?;
    let library = session.library(Some(&library.id().to_string())).await?;
    let said = channel_named(&library, &options.channel)?;
    Ok(Vouched {
        library: library.id().to_string(),
        library_name: library.name().to_owned(),
        channel: options.channel.clone(),
        statement: said.statement.id().to_string(),
        release: said.body.release.to_string(),
        sequence: library.release(&said.body.release).map_or(0, |said| said.statement.sequence()),
        signers: keys.iter().map(|key| key.public().to_string()).collect(),
        fresh_age_seconds: fresh_age(&library, &options.channel, session.now_ms()),
    })
}
