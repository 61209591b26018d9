//! The policy file: the classes of a library as its operators write them. One file is the source of two
//! statements: `publish --policy` reads the part that is signed with a release (names, patterns and fallback
//! paths), and `policy set` the part that all members read. Each command lists the settings that it left to
//! the other.

use std::{collections::BTreeSet, path::Path};

use chuan_engine::{
    ingest::Patterns,
    limits::CLASSES,
    manifest::{policy::ClassRules, table::is_class_name},
    statement::{ClassPolicy, Classes, Mirror, Policy, Region},
};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

use crate::{
    command::parse_duration,
    exit::{Failure, Result},
    file,
};

/// The maximum length of a policy file, in bytes.
const POLICY_FILE_BYTES: usize = 1 << 20;

/// A valid policy file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PolicyText {
    /// The settings of the library; its rows are in `classes`.
    pub(crate) library: Policy,
    /// The classes, in the order of the file.
    pub(crate) classes: Vec<ClassText>,
}

/// A class of a policy file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ClassText {
    /// Its name.
    pub(crate) name: String,
    /// The rules for its paths.
    pub(crate) rules: ClassRules,
    /// Its row of the policy.
    pub(crate) row: ClassPolicy,
}

impl PolicyText {
    /// The rules of its classes, by name.
    pub(crate) fn rules(&self) -> Vec<(String, ClassRules)> {
        self.classes.iter().map(|class| (class.name.clone(), class.rules.clone())).collect()
    }

    /// The settings that `publish --policy` leaves to `policy set`, a line each.
    pub(crate) fn left_by_publish(&self) -> Vec<String> {
        let rows = self.classes.iter().filter(|class| class.row != ClassPolicy::default());
        let mut left: Vec<_> = rows.map(|class| format!("how class `{}` is kept", class.name)).collect();
        if !self.library.junk {
            left.push("junk".to_owned());
        }
        if !self.library.excludes.is_empty() {
            left.push("excludes".to_owned());
        }
        left
    }

    /// The settings that `policy set` leaves to `publish --policy`, a line each.
    pub(crate) fn left_by_set(&self) -> Vec<String> {
        let ruled = self.classes.iter().filter(|class| !class.rules.is_empty());
        ruled.map(|class| format!("the paths of class `{}`", class.name)).collect()
    }
}

/// The file, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    junk: Option<bool>,
    excludes: Option<Vec<String>>,
    #[serde(default, rename = "class")]
    classes: Vec<ClassEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassEntry {
    name: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    fallback: Vec<String>,
    mirror: Option<MirrorWord>,
    every: Option<String>,
    priority: Option<u8>,
    complete_by: Option<String>,
    rto: Option<String>,
    rpo: Option<String>,
    #[serde(default)]
    viewers: u64,
    #[serde(default)]
    replicas: u16,
    #[serde(default)]
    regions: Vec<String>,
    #[serde(default)]
    retention: Retention,
    max_stale: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Retention {
    releases: u64,
    time: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MirrorWord {
    Static,
    Incremental,
    Dynamic,
}

impl From<MirrorWord> for Mirror {
    fn from(word: MirrorWord) -> Self {
        match word {
            MirrorWord::Static => Mirror::Static,
            MirrorWord::Incremental => Mirror::Incremental,
            MirrorWord::Dynamic => Mirror::Dynamic,
        }
    }
}

/// Reads the policy file at `path`.
///
/// # Errors
///
/// [`Exit::Invalid`](crate::Exit::Invalid) with the file and its mistake,
/// [`Exit::Missing`](crate::Exit::Missing) where the file does not exist.
pub(crate) fn read(path: &Path) -> Result<PolicyText> {
    let text = String::from_utf8(file::read_at_most(path, POLICY_FILE_BYTES)?)
        .map_err(|_| Failure::invalid(format!("{} is not UTF-8 text", path.display())))?;
    parse(&text).map_err(|failure| Failure::new(failure.exit, format!("{}: {failure}", path.display())))
}

fn parse(text: &str) -> Result<PolicyText> {
    let file: PolicyFile =
        Figment::from(Toml::string(text)).extract().map_err(|error| Failure::invalid(error.to_string()))?;
    // A policy without any rule is written as `excludes = []`; an empty file is more likely a mistake.
    if file.classes.is_empty() && file.junk.is_none() && file.excludes.is_none() {
        return Err(Failure::invalid("it has no [[class]], no excludes and no junk"));
    }
    let default = Policy::default();
    let (junk, excludes) = (file.junk.unwrap_or(default.junk), file.excludes.unwrap_or_default());
    let library = Policy { junk, excludes, ..default };
    if file.classes.len() > CLASSES {
        return Err(Failure::invalid(format!("a library has at most {CLASSES} classes")));
    }
    let mut names = BTreeSet::new();
    for class in &file.classes {
        if !names.insert(&class.name) {
            return Err(Failure::invalid(format!("class `{}` is there twice", class.name)));
        }
    }
    library.check().map_err(|error| Failure::invalid(error.to_string()))?;
    Patterns { policy: library.excludes.clone(), ..Patterns::default() }
        .check()
        .map_err(|error| Failure::invalid(format!("excludes: {error}")))?;
    let classes = file.classes.into_iter().map(ClassEntry::class).collect::<Result<_>>()?;
    Ok(PolicyText { library, classes })
}

impl ClassEntry {
    fn class(self) -> Result<ClassText> {
        let name = &self.name;
        let invalid = |what: &dyn std::fmt::Display| Failure::invalid(format!("class `{name}`: {what}"));
        // A class is useless if no grant can name it.
        if !is_class_name(name) || Classes::new(vec![name.clone()]).is_err() {
            return Err(invalid(
                &"use 1 to 64 bytes of visible text, without white space or any of *?[]{},/ ",
            ));
        }
        let ms = |key: &str, text: &Option<String>| -> Result<u64> {
            let Some(text) = text else { return Ok(0) };
            let seconds = parse_duration(text).map_err(|failure| invalid(&format!("{key}: {failure}")))?;
            Ok(seconds.saturating_mul(1000))
        };
        let mut regions = self.regions.iter().map(|name| name.parse()).collect::<Result<Vec<Region>, _>>();
        if let Ok(regions) = &mut regions {
            regions.sort_unstable();
            regions.dedup();
        }
        let row = ClassPolicy {
            mirror: self.mirror.map(Mirror::from),
            every_ms: ms("every", &self.every)?,
            priority: match self.priority {
                Some(0) => return Err(invalid(&"priority: use 1 to 255; a higher number goes first")),
                priority => priority.unwrap_or(0),
            },
            complete_by_ms: ms("complete_by", &self.complete_by)?,
            rto_ms: ms("rto", &self.rto)?,
            rpo_ms: ms("rpo", &self.rpo)?,
            viewers: self.viewers,
            replicas: self.replicas,
            regions: regions.map_err(|error| invalid(&format!("regions: {error}")))?,
            keep_releases: self.retention.releases,
            keep_ms: ms("retention.time", &self.retention.time)?,
            max_stale_ms: ms("max_stale", &self.max_stale)?,
            unknown: Vec::new(),
        };
        let paths = ClassRules::of_written(&self.paths).map_err(|error| invalid(&error))?;
        let rules = ClassRules { fallback: self.fallback.clone(), ..paths };
        rules.check().map_err(|error| invalid(&error))?;
        Ok(ClassText { name: self.name, rules, row })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn one_file_has_the_settings_of_both_commands() {
        let text = parse(
            r#"
            excludes = ["*.part", "cache/"]

            [[class]]
            name = "masters"
            paths = ["masters/**", "**/*.mov"]
            mirror = "static"

            [[class]]
            name = "新闻"
            paths = ["news/**"]
            fallback = ["news/closed.mp4"]
            mirror = "dynamic"
            every = "5m"
            priority = 200
            complete_by = "1h"
            rto = "15m"
            rpo = "1h"
            viewers = 5000
            replicas = 3
            regions = ["eu", "cn-north"]
            retention = { releases = 10, time = "90d" }
            max_stale = "10m"

            [[class]]
            name = "default"
            "#,
        )
        .unwrap();
        let names: Vec<_> = text.classes.iter().map(|class| class.name.as_str()).collect();
        assert_eq!(names, ["masters", "新闻", "default"]);
        assert_eq!(text.classes[0].rules.paths, ["**/*.mov", "masters/**"]);
        assert_eq!(text.classes[0].row.mirror, Some(Mirror::Static));
        let news = &text.classes[1];
        assert_eq!(news.rules.fallback, ["news/closed.mp4"]);
        let regions: Vec<_> = news.row.regions.iter().map(Region::as_str).collect();
        assert_eq!((news.row.max_stale_ms, regions), (600_000, vec!["cn-north", "eu"]));
        assert_eq!((news.row.keep_releases, news.row.keep_ms), (10, 90 * 86_400_000));
        assert_eq!(
            text.left_by_publish(),
            ["how class `masters` is kept", "how class `新闻` is kept", "excludes"]
        );
        assert_eq!(text.left_by_set(), ["the paths of class `masters`", "the paths of class `新闻`"]);
    }

    #[test]
    fn a_policy_without_rules_can_be_set() {
        for text in ["junk = true", "excludes = []", "junk = true\nexcludes = []"] {
            assert_eq!(parse(text).unwrap(), PolicyText::default(), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_mistake() {
        for (text, part) in [
            ("", "no [[class]]"),
            ("excludes = [\"masters/a\"]", "names a path"),
            ("excludes = [\"[z-a]\"]", "[z-a]"),
            ("junk = \"no\"", "junk"),
            ("[[class]]\nname = \"a\"\npath = [\"x\"]", "path"),
            ("[[class]]\npaths = [\"x\"]", "name"),
            ("[[class]]\nname = \"a\"\n[[class]]\nname = \"a\"", "twice"),
            ("[[class]]\nname = \"a b\"", "`a b`"),
            ("[[class]]\nname = \"a*\"", "`a*`"),
            ("[[class]]\nname = \"a\"\npaths = [\"\"]", "pattern"),
            ("[[class]]\nname = \"a\"\nmirror = \"live\"", "live"),
            ("[[class]]\nname = \"a\"\nmax_stale = \"soon\"", "soon"),
            ("[[class]]\nname = \"a\"\nevery = \"0s\"", "every"),
            ("[[class]]\nname = \"a\"\npriority = 0", "priority"),
            ("[[class]]\nname = \"a\"\nregions = [\"EU\"]", "upper-case"),
            ("[[class]]\nname = \"a\"\nfallback = [\"../x\"]", ".."),
            ("[[class]]\nname = \"a\"\nretention = { keep = 3 }", "keep"),
            ("[[class", "["),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Invalid, "{text}");
            assert!(failure.message.contains(part), "{text}: {failure}");
        }
    }
}
