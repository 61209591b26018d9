//! Which items a publish leaves out because of their names: patterns in the syntax of a `.gitignore`, in four
//! lists.
//!
//! The lists are the built-in junk list, the library's policy, the `.chuanignore` of each folder on the path
//! (a deeper list wins), and the caller's own list. A later list wins over an earlier one; within a list the
//! last matching pattern wins. Git's lists of the user or the system are not used, and hidden files are
//! content. An excluded item is not opened and not listed, and its name is not checked.

use std::{
    ffi::{OsStr, OsString},
    io::Read,
    os::unix::ffi::OsStrExt,
    path::Path,
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{
    error::{Error, Result},
    limits::{EXCLUDE_BYTES, EXCLUDE_PATTERNS},
};

/// The name of the exclude list in a folder. The file itself is content.
pub const EXCLUDE_FILE: &str = ".chuanignore";

/// Files that desktop systems, network drives and unfinished downloads leave in folders, and that are not
/// published on purpose.
pub const JUNK: &[&str] = &[
    // macOS
    ".DS_Store",
    "._*",
    "Icon[\r]",
    ".AppleDouble",
    ".apdisk",
    ".DocumentRevisions-V100",
    ".fseventsd",
    ".Spotlight-V100",
    ".TemporaryItems",
    ".Trashes",
    // Windows
    "desktop.ini",
    "ehthumbs.db",
    "Thumbs.db",
    "$RECYCLE.BIN",
    "System Volume Information",
    "~$*",
    // Linux and network drives
    ".Trash-[0-9]*",
    ".nfs[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]*",
    "lost+found/",
    ".~lock.*#",
    "@eaDir",
    "\\#recycle/",
    // Downloads and copies in progress
    "*.part",
    "*.partial",
    "*.filepart",
    "*.crdownload",
    "*.!qB",
    "*.!ut",
    "*.aria2",
    ".syncthing.*.tmp",
];

/// The lists that apply to the whole source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patterns {
    /// Whether the [junk](JUNK) is left out.
    pub junk: bool,
    /// The library's own patterns.
    pub policy: Vec<String>,
    /// The caller's own patterns, which win over all other lists.
    pub own: Vec<String>,
}

impl Default for Patterns {
    fn default() -> Self {
        Self { junk: true, policy: Vec::new(), own: Vec::new() }
    }
}

impl Patterns {
    /// Checks that all patterns are valid.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a malformed pattern, naming it.
    pub fn check(&self) -> Result<()> {
        Excludes::new(self).map(drop)
    }
}

/// The compiled lists.
#[derive(Debug)]
pub(super) struct Excludes {
    /// The lists before the folders' lists, the first with the lowest precedence.
    before: Vec<List>,
    own: Option<List>,
}

/// A list of patterns.
#[derive(Debug)]
pub(super) struct List {
    matcher: Gitignore,
    /// The origin of the patterns, for messages.
    name: String,
    /// Length in bytes of the path of the list's folder. Patterns are matched with the rest of a path.
    base: usize,
}

/// The verdict of a list.
enum Verdict {
    Leave(String),
    Take,
}

impl Excludes {
    /// Compiles the lists.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a malformed pattern, naming it.
    pub(super) fn new(patterns: &Patterns) -> Result<Self> {
        let mut before = Vec::new();
        if patterns.junk {
            before.extend(List::new("junk".to_owned(), 0, JUNK.iter().copied(), true)?);
        }
        let policy = patterns.policy.iter().map(String::as_str);
        before.extend(List::new("the library's policy".to_owned(), 0, policy, false)?);
        let own =
            List::new("the option `exclude`".to_owned(), 0, patterns.own.iter().map(String::as_str), false)?;
        Ok(Self { before, own })
    }

    /// Why the item at `path` is left out, if it is. `folders` are the lists of the folders on the path,
    /// outermost first.
    pub(super) fn reason<'a>(
        &'a self,
        folders: impl DoubleEndedIterator<Item = &'a List>,
        path: &OsStr,
        is_folder: bool,
    ) -> Option<String> {
        let lists = self.own.iter().chain(folders.rev()).chain(self.before.iter().rev());
        match lists.into_iter().find_map(|list| list.verdict(path, is_folder)) {
            Some(Verdict::Leave(reason)) => Some(reason),
            Some(Verdict::Take) | None => None,
        }
    }
}

/// The error for an exclude list that cannot be used, so that it is not known what must be left out.
pub(super) fn no_list(path: &str, kind: &str) -> Error {
    Error::Invalid(format!("{path} is a {kind}, not a file with patterns; correct or remove it"))
}

impl List {
    /// `None` if there is no pattern.
    fn new<'a>(
        name: String,
        base: usize,
        lines: impl Iterator<Item = &'a str>,
        folds_case: bool,
    ) -> Result<Option<Self>> {
        // Paths are relative to the list's folder. With this root, no prefix is removed from them.
        let mut builder = GitignoreBuilder::new(".");
        // Fails only if patterns were added before.
        let _ = builder.case_insensitive(folds_case);
        let mut count = 0;
        for (number, line) in (1..).zip(lines) {
            count = number;
            builder.add_line(None, line).map_err(|error| {
                Error::Invalid(format!("malformed pattern `{}` in {name}: {error}", line.escape_debug()))
            })?;
        }
        if count > EXCLUDE_PATTERNS {
            return Err(Error::Invalid(format!("{name} has more than {EXCLUDE_PATTERNS} patterns")));
        }
        let matcher = builder.build();
        let matcher = matcher.map_err(|error| Error::Invalid(format!("the patterns of {name}: {error}")))?;
        Ok((!matcher.is_empty()).then_some(Self { matcher, name, base }))
    }

    /// Reads the list of the folder at `prefix`, which ends with a `/` unless it is the source itself.
    pub(super) fn read(mut file: impl Read, prefix: &str) -> Result<Option<Self>> {
        let name = format!("{prefix}{EXCLUDE_FILE}");
        let mut bytes = Vec::new();
        let limit = EXCLUDE_BYTES as u64 + 1;
        Read::by_ref(&mut file)
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io(format!("reading {name}"), error))?;
        if bytes.len() > EXCLUDE_BYTES {
            return Err(Error::Invalid(format!("{name} is longer than {EXCLUDE_BYTES} bytes")));
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Error::Invalid(format!("{name} is not UTF-8 text: save it as UTF-8")))?;
        if text.contains('\0') {
            return Err(Error::Invalid(format!(
                "{name} has zero bytes, as text in UTF-16 has: save it as UTF-8"
            )));
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        // Old editors end lines with a carriage return only. Beside line feeds it belongs to a pattern
        // (`Icon\r`).
        let lines: Vec<_> =
            if text.contains('\n') { text.lines().collect() } else { text.split('\r').collect() };
        Self::new(name, prefix.len(), lines.into_iter(), false)
    }

    fn verdict(&self, path: &OsStr, is_folder: bool) -> Option<Verdict> {
        let inner = OsStr::from_bytes(path.as_bytes().get(self.base..)?);
        match self.matcher.matched(Path::new(inner), is_folder) {
            Match::None => None,
            Match::Whitelist(_) => Some(Verdict::Take),
            Match::Ignore(glob) => {
                let pattern = glob.original().escape_debug();
                Some(Verdict::Leave(format!("excluded by `{pattern}` ({})", self.name)))
            }
        }
    }
}

/// A path whose last component need not be UTF-8.
pub(super) fn joined(prefix: &str, name: &[u8]) -> OsString {
    let mut path = OsString::from(prefix);
    path.push(OsStr::from_bytes(name));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(prefix: &str, text: &str) -> List {
        List::read(text.as_bytes(), prefix).unwrap().unwrap()
    }

    fn is_left_out(excludes: &Excludes, folders: &[List], path: &[u8]) -> bool {
        let is_folder = path.ends_with(b"/");
        let path = path.strip_suffix(b"/").unwrap_or(path);
        excludes.reason(folders.iter(), OsStr::from_bytes(path), is_folder).is_some()
    }

    #[test]
    fn junk_is_left_out_and_what_looks_like_it_is_not() {
        let excludes = Excludes::new(&Patterns::default()).unwrap();
        let junk: &[&[u8]] = &[
            b".DS_Store",
            b"a/.ds_store",
            b"a/._film.mkv",
            b"Icon\r",
            b"a/b/Icon\r",
            b"THUMBS.DB",
            b"Desktop.ini",
            b"a/@eaDir/",
            b"film.mkv.part",
            b"x.crdownload",
            b"x.!qB",
            b".Trash-1000/",
            b".Trashes/",
            b"lost+found/",
            b"._\xff",
            b"$RECYCLE.BIN/",
            b"~$report.docx",
            b".nfs000001a2",
            b"#recycle/",
        ];
        for path in junk {
            assert!(is_left_out(&excludes, &[], path), "{:?} was taken", OsStr::from_bytes(path));
        }
        let content: &[&[u8]] = &[
            b"Icon",
            b"icon.png",
            b".hidden",
            b"a/.well-known/x",
            b"part",
            b"film.part1.rar",
            b"a.partial.mkv",
            b"thumbs",
            b".chuanignore",
            b"lost+found",
            b".nfsdb",
            b"_.DS_Store_",
            b"\xff",
        ];
        for path in content {
            assert!(!is_left_out(&excludes, &[], path), "{:?} was left out", OsStr::from_bytes(path));
        }
        let all = Excludes::new(&Patterns { junk: false, ..Patterns::default() }).unwrap();
        assert!(!is_left_out(&all, &[], b".DS_Store"));
    }

    #[test]
    fn a_later_list_wins_and_in_a_list_the_last_match() {
        let patterns = Patterns {
            junk: true,
            policy: vec!["*.tmp".into(), "!keep.tmp".into()],
            own: vec!["*.log".into(), "!own.part".into()],
        };
        let excludes = Excludes::new(&patterns).unwrap();
        let folders =
            [list("", "!*.tmp\nkeep.tmp\n*.iso\n"), list("a/b/", "\u{feff}# a note\n!*.iso\r\n/top\n")];
        let out = |depth: usize, path: &[u8]| is_left_out(&excludes, &folders[..depth], path);
        assert!(out(0, b"x.tmp") && !out(0, b"keep.tmp"), "the policy");
        assert!(!out(1, b"x.tmp") && out(1, b"keep.tmp"), "the source's own list wins over the policy");
        assert!(out(1, b"a/x.iso") && !out(2, b"a/b/x.iso"), "a deeper list wins");
        assert!(out(2, b"a/b/top") && !out(2, b"a/b/c/top"), "a leading slash is the list's folder");
        assert!(out(0, b"x.log") && !out(0, b"own.part") && out(0, b"x.part"), "the caller's own list wins");
    }

    #[test]
    fn malformed_lists_are_named() {
        let patterns = Patterns { own: vec!["ok".into(), "[z-a]".into()], ..Patterns::default() };
        let error = Excludes::new(&patterns).unwrap_err().to_string();
        assert!(error.contains("[z-a]") && error.contains("the option `exclude`"), "{error}");
        let error = List::read(&b"x\n[z-a]\n"[..], "d/").unwrap_err().to_string();
        assert!(error.contains("d/.chuanignore"), "{error}");
        assert!(List::read(&b"\xff"[..], "").is_err());
        assert!(List::read(&vec![b'x'; EXCLUDE_BYTES + 1][..], "").is_err());
        assert!(List::read(&b"# nothing\n\n"[..], "").unwrap().is_none());
    }
}
