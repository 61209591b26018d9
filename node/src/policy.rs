//! The policy file of `publish --policy`: the classes of a library as its operators write them. What becomes of it is in
//! [`node`](crate::Node).

use std::{collections::BTreeSet, path::Path};

use chuan_engine::{
    limits::CLASSES,
    manifest::{
        policy::{Mirror, Policy},
        table::is_class_name,
    },
    statement::Classes,
};
use figment::{
    Figment,
    providers::{Format, Toml},
};
use serde::Deserialize;

use crate::{
    command::parse_duration,
    exit::{Failure, Result},
};

/// The file, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default, rename = "class")]
    classes: Vec<ClassEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClassEntry {
    name: String,
    #[serde(default)]
    paths: Vec<String>,
    mirror: Option<MirrorWord>,
    max_stale: Option<String>,
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

/// Reads the policy file at `path`: its classes by name, in its order.
///
/// # Errors
///
/// [`Exit::Invalid`](crate::Exit::Invalid) naming the file and what is wrong in it, [`Exit::Missing`](crate::Exit::Missing)
/// where it is not there.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, Policy)>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::io(format!("read the policy {}", path.display()), error))?;
    parse(&text).map_err(|failure| Failure::new(failure.exit, format!("{}: {failure}", path.display())))
}

fn parse(text: &str) -> Result<Vec<(String, Policy)>> {
    let file: PolicyFile =
        Figment::from(Toml::string(text)).extract().map_err(|error| Failure::invalid(error.to_string()))?;
    if file.classes.is_empty() {
        return Err(Failure::invalid("it has no [[class]]"));
    }
    if file.classes.len() > CLASSES {
        return Err(Failure::invalid(format!("a library has at most {CLASSES} classes")));
    }
    let mut names = BTreeSet::new();
    for class in &file.classes {
        if !names.insert(&class.name) {
            return Err(Failure::invalid(format!("class `{}` is there twice", class.name)));
        }
    }
    file.classes.into_iter().map(|class| Ok((class.name.clone(), class.policy()?))).collect()
}

impl ClassEntry {
    fn policy(self) -> Result<Policy> {
        let name = &self.name;
        let invalid = |what: &dyn std::fmt::Display| Failure::invalid(format!("class `{name}`: {what}"));
        // A name that no grant could name would be of no use.
        if !is_class_name(name) || Classes::new(vec![name.clone()]).is_err() {
            return Err(invalid(
                &"use 1 to 64 bytes of visible text, without white space or any of *?[]{},/ ",
            ));
        }
        let max_stale_s = self.max_stale.as_deref().map(parse_duration).transpose();
        let max_stale_s = max_stale_s.map_err(|failure| invalid(&format!("max_stale: {failure}")))?;
        let policy = Policy {
            mirror: self.mirror.map(Mirror::from),
            max_stale_ms: max_stale_s.unwrap_or(0).saturating_mul(1000),
            ..Policy::of_paths(self.paths.iter().cloned())
        };
        policy.check().map_err(|error| invalid(&error))?;
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Exit;

    #[test]
    fn classes_are_read_in_order() {
        let classes = parse(
            r#"
            [[class]]
            name = "masters"
            paths = ["masters/**", "**/*.mov"]
            mirror = "static"

            [[class]]
            name = "新闻"
            paths = ["news/**"]
            mirror = "dynamic"
            max_stale = "10m"

            [[class]]
            name = "default"
            mirror = "incremental"
            "#,
        )
        .unwrap();
        let names: Vec<_> = classes.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["masters", "新闻", "default"]);
        assert_eq!(classes[0].1.paths, ["**/*.mov", "masters/**"]);
        assert_eq!((classes[1].1.mirror, classes[1].1.max_stale_ms), (Some(Mirror::Dynamic), 600_000));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "no [[class]]"),
            ("[[class]]\nname = \"a\"\npath = [\"x\"]", "path"),
            ("[[class]]\npaths = [\"x\"]", "name"),
            ("[[class]]\nname = \"a\"\n[[class]]\nname = \"a\"", "twice"),
            ("[[class]]\nname = \"a b\"", "`a b`"),
            ("[[class]]\nname = \"a*\"", "`a*`"),
            ("[[class]]\nname = \"a\"\npaths = [\"\"]", "pattern"),
            ("[[class]]\nname = \"a\"\nmirror = \"live\"", "live"),
            ("[[class]]\nname = \"a\"\nmax_stale = \"soon\"", "soon"),
            ("[[class", "["),
        ] {
            let failure = parse(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Invalid, "{text}");
            assert!(failure.message.contains(part), "{text}: {failure}");
        }
    }
}
