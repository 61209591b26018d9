//! Properties of a source that are kept besides file content: folders, links, hard links, holes.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use rustix::io::Errno;

use super::{
    gap_tests::{check_gaps, check_left_out},
    tests::{Library, check_refused},
    *,
};
use crate::{
    chunk::testing::noise,
    manifest::{Entry, EntryKind},
    xattr::{self, Xattrs},
};

#[test]
fn relative_links_that_stay_inside_are_entries_and_others_are_left_out() {
    let mut library = Library::new();
    library.write("s01/e1.mkv", b"x");
    for (target, link) in [
        ("s01", "latest"),
        ("../s01/./e1.mkv", "picks/best.mkv"),
        (".", "loop"),
        ("nothing", "broken"),
        ("/etc", "absolute"),
        ("../outside", "out"),
        ("s01/../s01", "odd"),
        ("line\nbreak", "bad"),
    ] {
        fs::create_dir_all(library.path(link).parent().unwrap()).unwrap();
        symlink(target, library.path(link)).unwrap();
    }
    fs::set_permissions(library.path("picks"), fs::Permissions::from_mode(0o2750)).unwrap();
    let tally = library.publish();
    let target = |entry: &Entry| entry.target.as_ref().map(ToString::to_string);
    let links: Vec<_> =
        library.entries().into_iter().filter_map(|(path, entry)| Some((path, target(&entry)?))).collect();
    let expected =
        [("broken", "nothing"), ("latest", "s01"), ("loop", "."), ("picks/best.mkv", "../s01/./e1.mkv")];
    assert_eq!(links, expected.map(|(path, target)| (path.to_owned(), target.to_owned())));
    check_left_out(&tally.skipped, &[("absolute", "leads out"), ("out", "leads out")]);
    check_gaps(&tally.gaps, &[("bad", "control", false), ("odd", "goes up again", false)]);
    assert_eq!(library.entries()["picks"].mode, 0o2750);
    assert_eq!(library.entries()["latest"].kind, EntryKind::Symlink);

    let roots = library.previous.clone();
    library.publish();
    assert_eq!(library.previous, roots, "the same folder is the same tree");
    fs::remove_file(library.path("latest")).unwrap();
    symlink("picks", library.path("latest")).unwrap();
    library.publish();
    assert_eq!(target(&library.entries()["latest"]).unwrap(), "picks");
    let link = Ingest { source: library.path("picks/best.mkv"), ..library.ingest() };
    check_refused(library.try_publish(&link), &["best.mkv", "symbolic link"]);
}

#[test]
fn names_of_one_file_are_a_link_group() {
    let mut library = Library::new();
    library.write("b/first.mkv", &noise(1, 300_000));
    for name in ["b/second.mkv", "a.srt", "c.mkv"] {
        fs::hard_link(library.path("b/first.mkv"), library.path(name)).unwrap();
    }
    library.write("outside.mkv", b"x");
    fs::hard_link(library.path("outside.mkv"), library.home.path().join("elsewhere")).unwrap();
    library.publish();
    let group =
        |library: &Library, name: &str| library.entries()[name].link_group().map(|path| path.to_string());
    let names = ["a.srt", "b/first.mkv", "b/second.mkv", "c.mkv", "outside.mkv"];
    let first = Some("a.srt".to_owned());
    assert_eq!(names.map(|name| group(&library, name)), [None, first.clone(), first.clone(), first, None]);
    let roots = library.previous.clone();
    assert_eq!(library.publish().files_read, 0);
    assert_eq!(library.previous, roots, "the same folder is the same tree");

    // The first name is gone: the next name becomes the first, and no file is read.
    fs::remove_file(library.path("a.srt")).unwrap();
    library.publish();
    let first = Some("b/first.mkv".to_owned());
    assert_eq!(
        names[1..].iter().map(|name| group(&library, name)).collect::<Vec<_>>(),
        [None, first.clone(), first, None]
    );
    fs::remove_file(library.path("b/second.mkv")).unwrap();
    library.write("b/second.mkv", b"a file of its own");
    library.publish();
    assert_eq!(group(&library, "b/second.mkv"), None);
}

#[test]
fn holes_are_kept() {
    let mut library = Library::new();
    let sparse = |name: &str, size: u64, parts: &[u64]| {
        use std::os::unix::fs::FileExt;
        let file = fs::File::create(library.path(name)).unwrap();
        file.set_len(size).unwrap();
        parts.iter().for_each(|at| file.write_all_at(&[7; 4096], *at).unwrap());
        file.sync_all().unwrap();
    };
    let mib = 1 << 20;
    sparse("small.img", 128 * 1024, &[0]);
    sparse("large.img", 40 * mib, &[mib, 20 * mib]);
    sparse("all.img", mib, &[]);
    library.write("full.img", &noise(1, 3_000_000));
    library.publish();
    let entries = library.entries();
    if entries["all.img"].holes().is_empty() {
        eprintln!("skipped: {} keeps no holes", library.home.path().display());
        return;
    }
    assert!(entries["all.img"].holes().into_iter().eq(std::iter::once(0..mib)));
    assert_eq!(entries["full.img"].holes(), []);
    for (name, data) in [("small.img", vec![0]), ("large.img", vec![mib, 20 * mib])] {
        let holes = entries[name].holes();
        assert!(!holes.is_empty(), "{name}");
        let in_hole = |at: &u64| holes.iter().any(|hole| hole.contains(at));
        assert!(!data.iter().any(in_hole), "{name}: {holes:?}");
        let zeros: u64 = holes.iter().map(|hole| hole.end - hole.start).sum();
        // Blocks are at most 64 KiB on the file systems that tests run on.
        assert!(zeros + 65_536 * 2 * data.len() as u64 >= entries[name].size, "{name}: {holes:?}");
        assert_eq!(library.content(&entries[name]), fs::read(library.path(name)).unwrap());
    }
    let kept = entries["large.img"].clone();
    assert_eq!(library.publish().files_read, 0);
    assert_eq!(library.entries()["large.img"], kept);
}

/// A user lost the tags of an archive: extended attributes were neither kept nor mentioned.
#[test]
fn extended_attributes_are_taken_if_requested_and_else_counted() {
    let mut library = Library::new();
    for (name, bytes) in [("large.mkv", noise(1, 600_000)), ("small.nfo", b"x".to_vec()), ("none", vec![1])] {
        library.write(name, &bytes);
    }
    let tag = |name: &str, value: &[u8]| {
        let file = fs::File::open(library.path(name)).unwrap();
        xattr::set(file, &Xattrs::from([(b"xdg.tags".to_vec(), value.to_vec())]))
    };
    if tag("small.nfo", b"approved") == Err(Errno::OPNOTSUPP) {
        eprintln!("skipped: no extended attributes in {}", library.home.path().display());
        return;
    }
    tag("large.mkv", b"seen").unwrap();
    assert_eq!(library.publish().xattrs_left, 2);
    assert!(library.entries().values().all(|entry| entry.xattrs().is_empty()));
    let without = library.previous.clone();

    // The files are unchanged: their attributes are taken although no content is read.
    let wanted = Ingest { xattrs: true, ..library.ingest() };
    let tally = library.try_publish(&wanted).unwrap();
    assert_eq!((tally.xattrs_left, tally.files_read), (0, 0));
    let value = |library: &Library, name: &str| library.entries()[name].xattrs().into_values().next();
    assert_eq!(value(&library, "large.mkv"), Some(b"seen".to_vec()));
    assert_eq!(value(&library, "small.nfo"), Some(b"approved".to_vec()));
    assert_eq!(value(&library, "none"), None);

    let set = |name: &str, value: Vec<u8>| {
        let file = fs::File::open(library.path(name)).unwrap();
        xattr::set(file, &Xattrs::from([(b"xdg.tags".to_vec(), value)])).unwrap();
    };
    set("small.nfo", vec![1; 1025]);
    set("large.mkv", b"new".to_vec());
    let wanted = Ingest { xattrs: true, ..library.ingest() };
    assert_eq!(library.try_publish(&wanted).unwrap().xattrs_left, 1, "one is too long");
    assert_eq!(value(&library, "large.mkv"), Some(b"new".to_vec()));
    assert_eq!(value(&library, "small.nfo"), None);

    // Without the option they leave the release, and that is counted.
    assert_eq!(library.publish().xattrs_left, 1);
    assert_eq!(library.previous, without);
}

/// Symptom: a `.chuanignore` that was a link, a folder or a pipe was ignored without a word, and what it
/// excludes was published.
#[test]
fn an_exclude_list_of_another_kind_is_followed_or_is_a_gap() {
    let mut library = Library::new();
    library.write("lists/common", b"*.tmp\r*.bak");
    library.write("linked/film.mkv", b"film");
    library.write("linked/a.tmp", b"x");
    library.write("linked/b.bak", b"x");
    std::os::unix::fs::symlink("../lists/common", library.path("linked/.chuanignore")).unwrap();
    std::fs::create_dir_all(library.path("folder/.chuanignore")).unwrap();
    library.write("folder/secret", b"x");
    library.write("out/secret", b"x");
    std::os::unix::fs::symlink("/etc/hostname", library.path("out/.chuanignore")).unwrap();
    library.write("wide/secret", b"x");
    library.write("wide/.chuanignore", b"*\0.\0t\0m\0p\0");
    let tally = library.publish();
    let files = library.files();
    assert_eq!(
        files.iter().filter(|path| !path.starts_with("lists")).collect::<Vec<_>>(),
        ["linked/film.mkv"],
        "{tally:?}"
    );
    super::gap_tests::check_gaps(
        &tally.gaps,
        &[
            ("folder/.chuanignore", "folder/.chuanignore is a folder, not a file", false),
            ("out/.chuanignore", "link that leads to no file of the published folder", false),
            ("wide/.chuanignore", "zero bytes", false),
        ],
    );
}

/// Symptom: a link that became a folder during the scan was a gap, and the publish ended with 12.
#[test]
fn a_link_that_is_another_item_by_now_is_unsettled() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("x")).unwrap();
    let source = source::Source::open(dir.path()).unwrap();
    let root = source.root().unwrap();
    let found =
        item::link(EntryPath::new("x").unwrap(), std::os::fd::AsFd::as_fd(&root), "x", &|_| Ok(false));
    assert!(matches!(found, Ok(walk::Found::Unsettled { .. })), "{found:?}");
}
