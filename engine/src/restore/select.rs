//! The selection of a restore: everything, one path with what is beneath it, or the paths that match a
//! pattern.

use globset::GlobMatcher;

use super::{
    action::Wanted,
    plan::{has_ended, is_beneath},
};
use crate::{
    error::{Error, Result},
    id::PageId,
    manifest::{Entry, EntryKind, EntryPath, PageSource, Sums, page::Page, pattern, union},
};

/// The selected entries.
pub(super) struct Selection<'a, S: PageSource + ?Sized> {
    source: &'a S,
    trees: &'a [(u8, PageId)],
    paths: Paths,
}

/// The selected paths.
#[derive(Clone, Debug)]
pub(super) enum Paths {
    All,
    /// This path and what is beneath it.
    Exact(String),
    /// The matching paths, and what is beneath them.
    Matching(GlobMatcher),
}

impl Paths {
    /// Whether a path is selected.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        match self {
            Paths::All => true,
            Paths::Exact(exact) => path == exact.as_bytes() || is_beneath(path, exact.as_bytes()),
            Paths::Matching(glob) => std::str::from_utf8(path).is_ok_and(|path| {
                let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                ends.into_iter().any(|end| path.get(..end).is_some_and(|above| glob.is_match(above)))
            }),
        }
    }
}

impl<'a, S: PageSource + ?Sized> Selection<'a, S> {
    /// Selects the paths of `trees` that `filter` names. A path of the release has precedence over a pattern:
    /// names may contain brackets. A leading `./` or `/` and a trailing `/` are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] if nothing is selected; [`Error::Invalid`] if `filter` is neither a path of the
    /// release nor a pattern.
    pub(super) fn new(source: &'a S, trees: &'a [(u8, PageId)], filter: Option<&str>) -> Result<Self> {
        let mut selection = Self { source, trees, paths: Paths::All };
        let Some(filter) = filter else { return Ok(selection) };
        let plain = pattern::plain(filter);
        if plain.is_empty() {
            return Ok(selection);
        }
        if let Ok(path) = EntryPath::new(plain)
            && union::has(source, trees, &path)?
        {
            selection.paths = Paths::Exact(plain.to_owned());
            return Ok(selection);
        }
        selection.paths = Paths::Matching(pattern::parse(plain)?.compile_matcher());
        let first = selection.entries().next().transpose()?;
        match first {
            Some(_) => Ok(selection),
            None => Err(Error::Missing(format!(
                "nothing in the release is called `{filter}` or matches it; `chuan ls` lists its paths"
            ))),
        }
    }

    /// The selected paths.
    pub(super) const fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The entries, in path order.
    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Wanted>> {
        // Parent folders of selected paths.
        let mut above: Vec<(EntryPath, Option<Entry>)> = Vec::new();
        union::union(self.source, self.trees).filter_map(move |item| {
            let (_, path, entry) = match item {
                Ok(item) => item,
                Err(error) => return Some(Err(error)),
            };
            let bytes = path.as_str().as_bytes();
            while above.pop_if(|(folder, _)| has_ended(folder.as_str().as_bytes(), bytes)).is_some() {}
            if self.paths.has(bytes) {
                let holding = above.iter_mut().filter(|(f, _)| is_beneath(bytes, f.as_str().as_bytes()));
                let above =
                    holding.filter_map(|(folder, entry)| Some((folder.clone(), entry.take()?))).collect();
                return Some(Ok(Wanted { path, entry, above }));
            }
            if entry.kind == EntryKind::Folder {
                above.push((path, Some(entry)));
            }
            None
        })
    }

    /// The sums of all trees.
    pub(super) fn sums(&self) -> Result<Sums> {
        self.trees.iter().try_fold(Sums::default(), |all, (_, root)| {
            let sums = Page::decode(&self.source.page(root)?)?.sums()?;
            all.checked_add(sums).ok_or_else(|| Error::Invalid("the classes' sums overflow".into()))
        })
    }

    /// Whether the release has this path, or a path beneath it.
    pub(super) fn has(&self, path: &str) -> Result<bool> {
        // A path that no release can have is not in this one.
        EntryPath::new(path).map_or(Ok(false), |path| union::has(self.source, self.trees, &path))
    }

    /// The release's entry of a path, if the path is selected.
    pub(super) fn find(&self, path: &EntryPath) -> Result<Option<Entry>> {
        if !self.paths.has(path.as_str().as_bytes()) {
            return Ok(None);
        }
        Ok(union::find(self.source, self.trees, path)?.map(|(_, entry)| entry))
    }
}
