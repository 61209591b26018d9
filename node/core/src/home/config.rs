//! `chuan.toml`: what an operator decides about a node. Read at each start, under `CHUAN_…` variables; written once, by
//! `init`.

use std::{collections::BTreeMap, path::Path, time::Duration};

use chuan_engine::statement::{Region, check_address};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use super::file;
use crate::{
    command::{Packing, Role, parse_duration},
    exit::{Failure, Result},
    spec::check_name,
};

/// The port a node listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 4040;

/// What an operator decides about a node. Every field but `name` has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What people call the node.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The region that the node says it stands in. `id` and `status --json` show it, and no rule uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where `serve` listens: `IP:PORT`; port 0 takes any free one.
    pub listen: String,
    /// Where peers reach it (`HOST:PORT`), if that is not where it listens: behind a forwarded port or a name.
    pub announce: Vec<String>,
    /// What sources are to save: bytes or time.
    pub packing: Packing,
    /// How often a node vouches for channels, if it holds a timekeeper's key and serves.
    pub fresh_every: Period,
    /// What differs for some peers, by their name or id.
    pub peer: BTreeMap<String, Peer>,
}

/// What an operator decides about a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// What it is to save when this node pulls from it.
    pub packing: Option<Packing>,
}

/// A time in whole seconds, written like `10m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(u64);

impl Period {
    /// The time itself.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl TryFrom<String> for Period {
    type Error = Failure;

    fn try_from(text: String) -> Result<Self> {
        parse_duration(&text).map(Self)
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        format!("{}s", period.0)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: String::new(),
            role: Role::default(),
            region: None,
            listen: format!("0.0.0.0:{DEFAULT_PORT}"),
            announce: Vec::new(),
            packing: Packing::default(),
            fresh_every: Period(10 * 60),
            peer: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the file at `path`, then variables `CHUAN_LISTEN`, `CHUAN_ANNOUNCE` (`["a:1", "b:2"]`) and `CHUAN_PACKING`
    /// over it.
    pub fn read(path: &Path) -> Result<Config> {
        let config: Config = Figment::from(Serialized::defaults(Config::default()))
            .merge(Toml::file_exact(path))
            .merge(Env::prefixed("CHUAN_").only(&["listen", "announce", "packing"]))
            .extract()
            .map_err(|error| Failure::invalid(format!("{}: {error}", path.display())))?;
        check_name("node", &config.name)
            .map_err(|failure| Failure::invalid(format!("{}: {failure}", path.display())))?;
        if let Some(region) = &config.region {
            let parsed: Result<Region, _> = region.parse();
            parsed.map_err(|error| Failure::invalid(format!("{}: region: {error}", path.display())))?;
        }
        // Peers would turn away a hello with any other.
        for address in &config.announce {
            check_address(address)
                .map_err(|error| Failure::invalid(format!("{}: announce: {error}", path.display())))?;
        }
        Ok(config)
    }

    /// Writes a first `chuan.toml`, with a word on each setting.
    pub(super) fn write_first(path: &Path, name: &str, role: Role) -> Result<()> {
        check_name("node", name)?;
        let text = format!(
            "# Settings of this chuan node; `chuan serve` reads them when it starts.\n\
             \n\
             # What people call the node.\n\
             name = \"{name}\"\n\
             # What it is for: origin, mirror or edge.\n\
             role = \"{}\"\n\
             \n\
             # The region it claims to stand in, for `chuan id` and `status --json`. The region that counts is the one\n\
             # that an operator's grant binds the node to.\n\
             # region = \"eu\"\n\
             # Where `chuan serve` listens (UDP). Port 0 takes any free one.\n\
             listen = \"0.0.0.0:{DEFAULT_PORT}\"\n\
             # Where peers reach this node, if not where it listens: [\"mirror.example.org:{DEFAULT_PORT}\"].\n\
             announce = []\n\
             # What this node's sources are to save: bytes (smallest), time (fastest), or whatever the link is slower at\n\
             # (auto). For one peer: a table [peer.\"its name\"] with a line packing = \"smallest\".\n\
             packing = \"auto\"\n",
            role.as_str()
        );
        file::write_atomic(path, text.as_bytes(), 0o644)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn the_first_file_reads_back_as_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chuan.toml");
        Config::write_first(&path, "北京-1", Role::Edge).unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config, Config { name: "北京-1".into(), role: Role::Edge, ..Config::default() });
    }

    #[test]
    fn mistakes_are_named_with_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chuan.toml");
        for text in [
            "name = 3",
            "nme = \"x\"",
            "name = \"x\"\nfresh_every = \"often\"",
            "name = \"a b\"",
            "name = \"x\"\nannounce = [\"ä.example:1\"]",
            "name = \"x\"\nrole = \"king\"",
            "name = \"x\"\nregion = \"EU\"",
            "name = ",
        ] {
            std::fs::write(&path, text).unwrap();
            let failure = Config::read(&path).unwrap_err();
            assert_eq!(failure.exit, Exit::Invalid, "{text}");
            assert!(failure.message.contains("chuan.toml"), "{text}: {failure}");
        }
        assert!(Config::write_first(&path, "a\"b", Role::Edge).is_err());
    }
}
