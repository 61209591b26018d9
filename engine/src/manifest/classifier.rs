//! Assigns paths to classes. Every path is in exactly one class: the class whose pattern it matches, or
//! `default`.
//!
//! Uses only the policies of the classes, so that a path is in the same class for every publisher.

use globset::{Candidate, GlobSet, GlobSetBuilder};

use super::{
    path::EntryPath,
    pattern,
    policy::ClassRules,
    table::{DEFAULT_CLASS, is_class_name},
};
use crate::{
    error::{Error, Result},
    limits::CLASSES,
};

/// The properties of a class that decide about paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its slot in the class table.
    pub slot: u8,
    /// Its name.
    pub name: String,
    /// Its policy.
    pub policy: ClassRules,
    /// Whether the publisher may put paths in it.
    pub is_ours: bool,
}

impl Class {
    /// The class `default`, in the slot of the first class of a library. It has the paths that are in no
    /// other class.
    pub fn default_class() -> Self {
        let (slot, name) = DEFAULT_CLASS;
        Self { slot, name: name.to_owned(), policy: ClassRules::default(), is_ours: true }
    }

    /// Whether this is the class of the paths that are in no other class.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT_CLASS.1
    }
}

/// Assigns paths to classes.
#[derive(Clone, Debug)]
pub struct Classifier {
    classes: Vec<Class>,
    patterns: GlobSet,
    /// For each pattern of the set, the index of its class.
    owners: Vec<usize>,
    /// The index of the class for paths that no pattern matches.
    rest: Option<usize>,
}

impl Default for Classifier {
    /// A classifier with the class `default` only.
    fn default() -> Self {
        Self {
            classes: vec![Class::default_class()],
            patterns: GlobSet::empty(),
            owners: Vec::new(),
            rest: Some(0),
        }
    }
}

impl Classifier {
    /// Makes a classifier for the classes of a library.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a malformed pattern or policy, an invalid or repeated name or slot, and a class
    /// `default` with patterns.
    pub fn new(mut classes: Vec<Class>) -> Result<Self> {
        classes.sort_by_key(|class| class.slot);
        check(&classes)?;
        let mut set = GlobSetBuilder::new();
        let mut owners = Vec::new();
        for (index, class) in classes.iter().enumerate() {
            let named = |error| Error::Invalid(format!("class `{}`: {error}", class.name));
            class.policy.check().map_err(named)?;
            for text in &class.policy.paths {
                set.add(pattern::parse(text).map_err(named)?);
                owners.push(index);
            }
        }
        let patterns = set.build();
        let patterns =
            patterns.map_err(|error| Error::Invalid(format!("the classes' path patterns: {error}")))?;
        let rest = classes.iter().position(Class::is_default);
        Ok(Self { classes, patterns, owners, rest })
    }

    /// The classes, ascending by slot.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The slots in which the publisher may put paths, ascending.
    pub fn slots(&self) -> impl Iterator<Item = u8> + '_ {
        self.classes.iter().filter(|class| class.is_ours).map(|class| class.slot)
    }

    /// The class of a file or link at `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if patterns of two classes match, with the names of both; [`Error::Denied`] if its
    /// class is not [ours](Class::is_ours).
    pub fn class_of(&self, path: &EntryPath) -> Result<&Class> {
        let found = self.matching(path, path.as_str())?;
        let class = found.or(self.rest).and_then(|index| self.classes.get(index));
        match class {
            Some(class) if class.is_ours => Ok(class),
            Some(class) => Err(Error::Denied(format!(
                "{path} is in class `{}`, which this publisher may not publish; leave it out of the folder",
                class.name
            ))),
            None => Err(Error::Denied(format!(
                "{path} is in no class that this publisher may publish; leave it out of the folder, or give a class a \
                 pattern that matches it"
            ))),
        }
    }

    /// The class of a folder, if the class is [ours](Class::is_ours). In other classes, the paths in a folder
    /// imply the folder. A folder that no pattern matches is in the class that a path in it would have. If
    /// patterns of several classes match, the folder is in the class of the lowest slot, since the folder
    /// itself does not tell what it contains.
    pub fn class_of_folder(&self, path: &EntryPath) -> Option<&Class> {
        let first = |text: &str| {
            let matches = self.patterns.matches_candidate(&Candidate::new(text));
            matches.into_iter().filter_map(|pattern| self.owners.get(pattern).copied()).min()
        };
        let found = match self.owners.as_slice() {
            [] => None,
            _ => first(path.as_str()).or_else(|| first(&format!("{path}/"))),
        };
        let class = found.or(self.rest).and_then(|index| self.classes.get(index));
        class.filter(|class| class.is_ours)
    }

    /// The index of the only class with a pattern that matches `text`. `path` is the path for error messages.
    fn matching(&self, path: &EntryPath, text: &str) -> Result<Option<usize>> {
        if self.owners.is_empty() {
            return Ok(None);
        }
        let owner = |pattern: usize| self.owners.get(pattern).copied();
        let mut matches = self.patterns.matches_candidate(&Candidate::new(text)).into_iter();
        let Some(first) = matches.next() else { return Ok(None) };
        match matches.find(|pattern| owner(*pattern) != owner(first)) {
            None => Ok(owner(first)),
            Some(second) => {
                let [one, other] = [first, second].map(|pattern| self.describe(pattern));
                Err(Error::Invalid(format!(
                    "{path} is in two classes: in {one} and in {other}; change the patterns so that only one matches"
                )))
            }
        }
    }

    /// Describes a pattern and its class, for messages.
    fn describe(&self, pattern: usize) -> String {
        let class = self.owners.get(pattern).and_then(|owner| Some((*owner, self.classes.get(*owner)?)));
        let Some((owner, class)) = class else { return String::new() };
        // The patterns of a class are consecutive in the set.
        let first = self.owners.partition_point(|other| *other < owner);
        let text = class.policy.paths.get(pattern - first).map_or("", String::as_str);
        format!("`{}` by `{text}`", class.name)
    }
}

fn check(classes: &[Class]) -> Result<()> {
    let refuse = |text: String| Err(Error::Invalid(text));
    if classes.len() > CLASSES {
        return refuse(format!("a library has at most {CLASSES} classes, including removed ones"));
    }
    for (at, class) in classes.iter().enumerate() {
        let name = &class.name;
        if !is_class_name(name) {
            return refuse(format!(
                "invalid class name `{}`: use 1 to 64 bytes of visible text without any of *?[]{{}},/",
                name.escape_debug()
            ));
        }
        if usize::from(class.slot) >= CLASSES {
            return refuse(format!("class `{name}` has slot {}, which is out of range", class.slot));
        }
        let before = classes.get(..at).unwrap_or_default();
        if before.iter().any(|other| other.slot == class.slot || other.name == *name) {
            return refuse(format!("class `{name}` or its slot is there twice"));
        }
        if class.is_default() && !class.policy.paths.is_empty() {
            return refuse(format!(
                "class `{name}` has the paths that are in no other class: give it no patterns"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::manifest::testing::path;

    fn class(slot: u8, name: &str, patterns: &[&str]) -> Class {
        let policy = ClassRules::of_paths(patterns.iter().copied());
        Class { slot, name: name.into(), policy, is_ours: true }
    }

    fn films() -> Classifier {
        Classifier::new(vec![
            class(2, "subtitles", &["**/*.srt", "**/*.ass"]),
            class(1, "masters", &["masters/**/*.mov", "archive/*", "masters/raw/**"]),
            Class::default_class(),
        ])
        .unwrap()
    }

    fn class_of(text: &str) -> String {
        films().class_of(&path(text)).unwrap().name.clone()
    }

    #[test]
    fn patterns_are_those_of_a_restore() {
        for (text, expected) in [
            ("masters/a.mov", "masters"),
            ("masters/a/b/c.mov", "masters"),
            ("archive/a", "masters"),
            ("archive/a/b", "default"),
            ("a.srt", "subtitles"),
            ("电影/川.srt", "subtitles"),
            ("a.mov", "default"),
            ("Masters/a.mov", "default"),
            (".srt", "subtitles"),
        ] {
            assert_eq!(class_of(text), expected, "{text}");
        }
    }

    #[test]
    fn a_path_in_two_classes_is_named_with_both() {
        let error = films().class_of(&path("masters/raw/a.srt")).unwrap_err().to_string();
        for part in ["masters/raw/a.srt", "`masters` by `masters/raw/**`", "`subtitles` by `**/*.srt`"] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        // Two patterns of one class are not a conflict.
        assert_eq!(class_of("masters/raw/a.mov"), "masters");
    }

    #[test]
    fn a_folder_is_in_the_class_of_its_content() {
        let of = |text| films().class_of_folder(&path(text)).unwrap().name.clone();
        assert_eq!([of("masters/raw"), of("archive"), of("masters"), of("a.srt")].join(" "), {
            "masters masters default subtitles"
        });
        assert_eq!(class_of("masters/raw"), "default");
    }

    /// Every folder is an entry. A folder that patterns of two classes match must not fail a publish, and a
    /// folder whose class belongs to another publisher must not be in our class.
    #[test]
    fn a_folder_never_fails_a_publish() {
        let both = [class(2, "raw", &["**/raw"]), class(1, "films", &["films/*"]), Class::default_class()];
        let both = Classifier::new(both.to_vec()).unwrap();
        assert!(both.class_of(&path("films/raw")).is_err());
        assert_eq!(both.class_of_folder(&path("films/raw")).unwrap().slot, 1);
        let theirs = Class { is_ours: false, ..class(1, "masters", &["masters/**"]) };
        let some = Classifier::new(vec![theirs, class(2, "trailers", &["a/trailers/**"])]).unwrap();
        let slot = |text| some.class_of_folder(&path(text)).map(|class| class.slot);
        assert_eq!((slot("masters"), slot("a"), slot("a/trailers")), (None, None, Some(2)));
    }

    #[test]
    fn a_path_in_a_class_of_another_publisher_is_refused() {
        let theirs = Class { is_ours: false, ..class(1, "masters", &["masters/**"]) };
        let some = Classifier::new(vec![theirs, class(2, "trailers", &["trailers/**"])]).unwrap();
        assert!(some.class_of(&path("trailers/a")).is_ok());
        for (text, part) in [("masters/a", "`masters`"), ("a", "no class")] {
            let error = some.class_of(&path(text)).unwrap_err();
            assert!(matches!(&error, Error::Denied(why) if why.contains(part)), "{error}");
        }
        assert_eq!(some.slots().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn classes_that_contradict_are_refused() {
        for (bad, part) in [
            (vec![class(1, "a", &["x"]), class(1, "b", &["y"])], "twice"),
            (vec![class(1, "a", &["x"]), class(2, "a", &["y"])], "twice"),
            (vec![class(64, "a", &["x"])], "slot 64"),
            (vec![class(1, "a/b", &["x"])], "a/b"),
            (vec![class(1, "a", &["x[", "y"])], "x["),
            (vec![class(0, "default", &["x"])], "no patterns"),
        ] {
            let error = Classifier::new(bad).unwrap_err().to_string();
            assert!(error.contains(part), "{part} is not in {error}");
        }
    }

    proptest! {
        /// A path is in one class or causes an error. If it is in one class, only patterns of this class
        /// match it.
        #[test]
        fn classification_is_a_partition(
            patterns in prop::collection::vec(prop::collection::btree_set("(\\*\\*/)?[ab?*]{1,2}(/[ab*]{1,2})?(/\\*\\*)?", 0..4), 0..5),
            paths in prop::collection::vec("[ab]{1,2}(/[ab]{1,2}){0,2}", 1..20),
        ) {
            let mut classes = vec![Class::default_class()];
            for (slot, patterns) in (1..).zip(&patterns) {
                let policy = ClassRules::of_paths(patterns.iter().cloned());
                classes.push(Class { slot, name: format!("c{slot}"), policy, is_ours: true });
            }
            let alone: Vec<_> = classes
                .iter()
                .skip(1)
                .map(|class| Classifier::new(vec![Class::default_class(), class.clone()]).unwrap())
                .collect();
            let all = Classifier::new(classes).unwrap();
            for text in paths {
                let text = path(&text);
                let matching: Vec<_> = alone
                    .iter()
                    .map(|one| one.class_of(&text).unwrap().slot)
                    .filter(|slot| *slot != 0)
                    .collect();
                match (all.class_of(&text), &matching[..]) {
                    (Ok(class), []) => prop_assert!(class.is_default()),
                    (Ok(class), [slot]) => prop_assert_eq!(class.slot, *slot),
                    (Err(Error::Invalid(_)), [_, _, ..]) => {}
                    other => prop_assert!(false, "{text}: {other:?}"),
                }
            }
        }
    }
}
