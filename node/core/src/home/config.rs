//! `chuan.toml`: the settings of a node. Read at each start, and by a serving node at SIGHUP; `CHUAN_…`
//! variables override it. Written once, by `init`.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

use chuan_engine::statement::{Region, check_reachable};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};

use crate::file;
use crate::{
    command::{Packing, Role, parse_duration},
    exit::{Failure, Result},
    spec::check_new_name,
};

/// The default port on which a node listens.
pub const DEFAULT_PORT: u16 = 4040;

/// The settings of a node. Every field but `name` has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The node's name, for people.
    pub name: String,
    /// The node's role.
    pub role: Role,
    /// The region that the node claims. `id` and `status --json` show it, and no rule uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The address on which `serve` listens: `IP:PORT`; port 0 takes any free port.
    pub listen: String,
    /// Addresses (`HOST:PORT`) at which peers reach the node, where these differ from `listen`: a forwarded
    /// port, or a DNS name.
    pub announce: Vec<String>,
    /// Whether sources save bytes or time.
    pub packing: Packing,
    /// How often a node vouches for channels, if it holds a timekeeper's key and serves.
    pub fresh_every: Period,
    /// The log of `serve`, as directives of `tracing`: `info`, or `chuan_net=debug,warn`. Options and
    /// `RUST_LOG` override it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Libraries that are fetched while the node serves, without a command. A mirror follows every library of
    /// which it is a member, and needs none of these.
    pub follow: Vec<Follow>,
    /// Settings for single peers, by their name or id.
    pub peer: BTreeMap<String, Peer>,
}

/// A library that the node follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Follow {
    /// The library, by its name or id.
    pub library: String,
}

/// The settings for a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Peer {
    /// Whether the peer saves bytes or time when this node pulls from it; `None`: as [`Config::packing`].
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
            log: None,
            follow: Vec::new(),
            peer: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the file at `path`. The variables `CHUAN_LISTEN`, `CHUAN_ANNOUNCE` (`["a:1", "b:2"]`) and
    /// `CHUAN_PACKING` override it.
    pub fn read(path: &Path) -> Result<Config> {
        let config: Config = Figment::from(Serialized::defaults(Config::default()))
            .merge(Toml::file_exact(path))
            .merge(Env::prefixed("CHUAN_").only(&["listen", "announce", "packing"]))
            .extract()
            .map_err(|error| Failure::invalid(format!("{}: {}", path.display(), plain(&error))))?;
        check_new_name("node", &config.name)
            .map_err(|failure| Failure::invalid(format!("{}: {failure}", path.display())))?;
        if let Some(region) = &config.region {
            let parsed: Result<Region, _> = region.parse();
            parsed.map_err(|error| Failure::invalid(format!("{}: region: {error}", path.display())))?;
        }
        // Peers refuse a hello with an invalid address, and cannot dial one without a port.
        for address in &config.announce {
            check_reachable(address)
                .map_err(|error| Failure::invalid(format!("{}: announce: {error}", path.display())))?;
        }
        if !is_place(&config.listen) {
            return Err(Failure::invalid(format!(
                "{} (or CHUAN_LISTEN): listen: `{}` is not an address to listen on; write IP:PORT, such as 0.0.0.0:4040 or \
                 [::]:4040",
                path.display(),
                config.listen
            )));
        }
        config
            .check_follow()
            .map_err(|failure| Failure::invalid(format!("{}: follow: {failure}", path.display())))?;
        Ok(config)
    }

    fn check_follow(&self) -> Result<()> {
        for (at, follow) in self.follow.iter().enumerate() {
            let library = &follow.library;
            if library.is_empty() {
                return Err(Failure::invalid("a table [[follow]] names no library; add library = \"NAME\""));
            }
            if self.follow.iter().take(at).any(|before| before.library == *library) {
                return Err(Failure::invalid(format!(
                    "`{library}` is there twice; keep one table [[follow]] of it"
                )));
            }
        }
        Ok(())
    }

    /// The names of the settings that differ in `other`.
    pub fn changed(&self, other: &Config) -> Vec<&'static str> {
        let Config { name, role, region, listen, announce, packing, fresh_every, log, follow, peer } = self;
        let changed = [
            ("name", *name != other.name),
            ("role", *role != other.role),
            ("region", *region != other.region),
            ("listen", *listen != other.listen),
            ("announce", *announce != other.announce),
            ("packing", *packing != other.packing),
            ("fresh_every", *fresh_every != other.fresh_every),
            ("log", *log != other.log),
            ("follow", *follow != other.follow),
            ("peer", *peer != other.peer),
        ];
        changed.into_iter().filter_map(|(name, is_changed)| is_changed.then_some(name)).collect()
    }

    /// Writes a first `chuan.toml`, with a comment on each setting.
    pub(super) fn write_first(path: &Path, name: &str, role: Role) -> Result<()> {
        check_new_name("node", name)?;
        let text = format!(
            "# Settings of this chuan node; `chuan serve` reads them when it starts, and again at SIGHUP.\n\
             \n\
             # The node's name, for people.\n\
             name = \"{name}\"\n\
             # The node's role: origin, mirror or edge.\n\
             role = \"{}\"\n\
             \n\
             # The region that the node claims, for `chuan id`, and for `chuan status` in JSON. No rule uses it: the effective region\n\
             # is in the operators' grant for the node.\n\
             # region = \"eu\"\n\
             # The address on which `chuan serve` listens (UDP). Port 0 takes any free port.\n\
             listen = \"0.0.0.0:{DEFAULT_PORT}\"\n\
             # Addresses at which peers reach this node, if not at `listen`: [\"mirror.example.org:{DEFAULT_PORT}\"].\n\
             announce = []\n\
             # Whether sources save bytes (smallest) or time (fastest), or choose by the speed of the link (auto).\n\
             # For one peer: a table [peer.\"its name\"] with a line packing = \"smallest\".\n\
             packing = \"auto\"\n\
             \n\
             # A serving mirror fetches the releases of all its libraries by itself; an origin or edge fetches those of the libraries\n\
             # that such tables name, each by its name or id.\n\
             # [[follow]]\n\
             # library = \"films\"\n",
            role.as_str()
        );
        file::write_atomic(path, text.as_bytes(), 0o644)
    }
}

/// Whether a text is `IP:PORT` or `NAME:PORT`, as an address to listen on; the port may be 0.
fn is_place(text: &str) -> bool {
    let is_named = |(host, port): (&str, &str)| {
        !host.is_empty() && !host.contains([':', '/']) && port.parse::<u16>().is_ok()
    };
    text.parse::<SocketAddr>().is_ok() || text.rsplit_once(':').is_some_and(is_named)
}

/// The text of an error in the settings. The parser puts backticks around a list of words that have them
/// already.
fn plain(error: &figment::Error) -> String {
    error.to_string().replace("`one of `", "one of `").replace("``", "`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    /// Symptom: "expected `one of `auto`, `smallest`, `fastest``".
    #[test]
    fn the_words_of_a_setting_are_listed_without_nested_backticks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chuan.toml");
        std::fs::write(&path, "name = \"x\"\npacking = \"fast\"").unwrap();
        let failure = Config::read(&path).unwrap_err();
        assert!(failure.message.contains("expected one of `auto`, `smallest`, `fastest` for"), "{failure}");
    }

    #[test]
    fn the_first_file_reads_back_as_the_defaults() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chuan.toml");
        Config::write_first(&path, "北京-1", Role::Edge).unwrap();
        let config = Config::read(&path).unwrap();
        assert_eq!(config, Config { name: "北京-1".into(), role: Role::Edge, ..Config::default() });
    }

    #[test]
    fn an_error_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chuan.toml");
        for text in [
            "name = 3",
            "nme = \"x\"",
            "name = \"x\"\nfresh_every = \"often\"",
            "name = \"a b\"",
            "name = \"deadbeef\"",
            "name = \"x\"\nannounce = [\"ä.example:1\"]",
            "name = \"x\"\nannounce = [\"films.example.org\"]",
            "name = \"x\"\nlisten = \"0.0.0.0\"",
            "name = \"x\"\nlisten = \"0.0.0.0:40400000\"",
            "name = \"x\"\nrole = \"king\"",
            "name = \"x\"\nregion = \"EU\"",
            "name = \"x\"\n[[follow]]",
            "name = \"x\"\n[[follow]]\nlibrary = \"films\"\ninto = \"/srv/films\"",
            "name = \"x\"\n[[follow]]\nlibrary = \"films\"\n[[follow]]\nlibrary = \"films\"",
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
