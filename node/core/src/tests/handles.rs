//! The embedding API: files in parts, commands that are dropped, and acts of operators.

use std::ops::Range;

use super::*;
use crate::{
    Error as HandleError,
    handle::{
        AuditLog, Change, ChangeKind, Channel, Classes, File, Following, Grant, Invite, Library as Handle,
        MemberState, Publish, Restore,
    },
};

/// Length of a file of several hundred chunks.
const FILM_BYTES: usize = 5 << 20;

/// A generator of pseudo-random numbers, from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(len).collect()
    }
}

/// Writes a file into the folder that is published.
fn write_bytes(place: &Place, name: &str, bytes: &[u8]) {
    std::fs::create_dir_all(place.path("films")).unwrap();
    std::fs::write(place.path("films").join(name), bytes).unwrap();
}

async fn films(node: &Node) -> Handle {
    node.library("films").await.unwrap()
}

/// A node that has published `film` with these bytes.
async fn with_film(place: &Place, bytes: &[u8]) -> (Node, File) {
    write_bytes(place, "film", bytes);
    let node = place.node("origin").await;
    let published = node.found("films", Publish::new(place.path("films"))).await.unwrap();
    let film = films(&node).await.file(&published.release, "film").await.unwrap();
    (node, film)
}

/// The bytes that a range of a file has.
fn part(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    let at = |at: u64| usize::try_from(at).unwrap().min(bytes.len());
    bytes[at(range.start)..at(range.end).max(at(range.start))].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_range_of_a_file_equals_the_file() {
    let place = Place::new();
    let mut random = Random(0x5eed);
    let bytes = random.bytes(FILM_BYTES);
    let (_node, film) = with_film(&place, &bytes).await;
    assert_eq!((film.len(), film.path(), film.is_empty()), (FILM_BYTES as u64, "film", false));
    let len = film.len();
    // All of it crosses every chunk border; the others are empty, or reach past the end.
    let mut ranges = vec![0..len, 0..0, 7..7, len - 3..len + 99, len..len + 1, len + 5..len + 9, 0..u64::MAX];
    for _ in 0..200 {
        let start = random.below(len + 1000);
        ranges.push(start..start + random.below(300_000));
    }
    for range in ranges {
        let read = film.read_at(range.clone()).await.unwrap();
        assert!(read == part(&bytes, &range), "{range:?} has other bytes, {} of them", read.len());
    }
    #[expect(clippy::reversed_empty_ranges, reason = "it is the case that is tested")]
    let reversed = 9..3;
    assert!(film.read_at(reversed).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_and_an_empty_file_are_read() {
    let place = Place::new();
    write_bytes(&place, "empty", b"");
    let (node, film) = with_film(&place, b"a short film").await;
    assert_eq!(film.read_at(2..7).await.unwrap(), &b"short"[..]);
    let empty = films(&node).await.file(Channel::LIVE, "empty").await.unwrap();
    assert!(empty.is_empty() && empty.read_at(0..10).await.unwrap().is_empty());
    assert_eq!(empty.reader(0..10).next().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_returns_the_range_in_order() {
    let place = Place::new();
    let bytes = Random(7).bytes(FILM_BYTES);
    let (_node, film) = with_film(&place, &bytes).await;
    let range = 12_345..film.len() - 678;
    let mut reader = film.reader(range.clone());
    let mut read = Vec::new();
    // A future that is dropped before its part is read loses nothing.
    loop {
        let part = tokio::select! {
            biased;
            part = reader.next() => part.unwrap(),
            () = std::future::ready(()) => continue,
        };
        let Some(part) = part else { break };
        read.extend_from_slice(&part);
        assert_eq!(reader.position(), range.start + read.len() as u64);
    }
    assert!(read == part(&bytes, &range), "{} of {} bytes", read.len(), range.end - range.start);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_too_long_is_refused() {
    let place = Place::new();
    // A file of zeros has one chunk, many times.
    let (_node, film) = with_film(&place, &vec![0; usize::try_from(File::MAX_READ).unwrap() + 1]).await;
    assert!(matches!(film.read_at(0..film.len()).await, Err(HandleError::Invalid(_))));
    assert_eq!(film.read_at(1..film.len()).await.unwrap().len() as u64, File::MAX_READ);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_chunk_is_an_error_of_its_own() {
    const FILM: &str = "a film whose bytes will be damaged";
    let place = Place::new();
    let (node, film) = with_film(&place, FILM.as_bytes()).await;
    node.close().await;
    drop((node, film));
    let mut damaged = 0;
    for item in std::fs::read_dir(place.path("origin/store/segments")).unwrap() {
        let path = item.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let Some(at) = bytes.windows(FILM.len()).position(|bytes| bytes == FILM.as_bytes()) else { continue };
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        damaged += 1;
    }
    assert_eq!(damaged, 1);
    let node = Node::open(place.path("origin")).await.unwrap();
    let film = films(&node).await.file(Channel::LIVE, "film").await.unwrap();
    let error = film.read_at(0..4).await.unwrap_err();
    assert!(matches!(error, HandleError::Corrupt(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_content_has_an_equal_tag_in_every_release() {
    let place = Place::new();
    let bytes = Random(3).bytes(FILM_BYTES);
    let (node, first) = with_film(&place, &bytes).await;
    write_bytes(&place, "copy", &bytes);
    write_bytes(&place, "short", b"short");
    let library = films(&node).await;
    let second = library.publish(Publish::new(place.path("films"))).await.unwrap();
    let tag = async |name: &str| library.file(second.release, name).await.unwrap().etag().to_owned();
    assert_eq!((first.etag(), first.etag().len()), (tag("film").await.as_str(), 64));
    assert_eq!(tag("copy").await, first.etag());
    assert_ne!(tag("short").await, first.etag());
    assert_ne!(first.release(), second.release);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_things_are_told_apart_from_other_errors() {
    let place = Place::new();
    let (node, _) = with_film(&place, b"film").await;
    let library = films(&node).await;
    let missing = [
        node.library("opera").await.err(),
        library.file(Channel::LIVE, "other").await.err(),
        library.file(12, "film").await.err(),
        library.file(Channel::new("canary").unwrap(), "film").await.err(),
        library.file(chuan_engine::id::StatementId::from_bytes([1; 32]), "film").await.err(),
        library.restore(Restore::new(7, place.path("copy"))).await.err(),
    ];
    for (number, error) in missing.into_iter().enumerate() {
        assert!(matches!(error, Some(HandleError::Missing(_))), "{number}: {error:?}");
    }
    assert!(matches!(library.file(1, "a/../b").await, Err(HandleError::Invalid(_))));
    let again = node.found("films", Publish::new(place.path("films"))).await;
    assert!(matches!(again, Err(HandleError::Invalid(_))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_pull_is_cancelled_and_continues_later() {
    let place = Place::new();
    write_bytes(&place, "film", &Random(11).bytes(FILM_BYTES));
    let origin = place.origin().await;
    let mirror = place.node("mirror").await;
    let ticket = films(&origin).await.members().invite(Invite::new()).await.unwrap().ticket;
    let library = mirror.join_library(&ticket).await.unwrap();
    assert_eq!((library.id(), library.name()), (films(&origin).await.id(), "films".to_owned()));
    let mut events = mirror.events();

    // The turn of the library is taken, so the pull says that it waits, and then waits until it is cancelled.
    let turn = mirror.services().turn("films", &Job::silent()).await.unwrap();
    let mut pull = library.pull(Channel::LIVE);
    assert!(pull.next().await.is_some());
    drop(pull);
    drop(turn);
    // Another pull has its turn after the dropped one has ended.
    let pulled = library.pull(Channel::LIVE).await.unwrap();
    assert!(pulled.changed && !pulled.behind);
    assert_eq!(pulled.from, Some(origin.id()));
    let mut pulls = 0;
    while let Ok(event) = tokio::time::timeout(std::time::Duration::from_millis(50), events.next()).await {
        let is_pulled = format!("{event:?}").contains("Pulled");
        pulls += usize::from(is_pulled);
    }
    assert_eq!(pulls, 1, "the dropped pull went on");

    let copy = library.file(&pulled.release, "film").await.unwrap();
    let film = films(&origin).await.file(&pulled.release, "film").await.unwrap();
    assert_eq!(copy.etag(), film.etag());
    assert_eq!(copy.read_at(0..copy.len()).await.unwrap(), film.read_at(0..film.len()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_entries_and_differences_are_listed() {
    let place = Place::new();
    let (node, _) = with_film(&place, b"film").await;
    write_bytes(&place, "second", b"second film");
    let library = films(&node).await;
    let second = library.publish(Publish::new(place.path("films")).message("two films")).await.unwrap();
    assert_eq!((second.sequence, second.report.library_name.as_str()), (2, "films"));
    let releases = library.releases().await.unwrap();
    let shown: Vec<_> = releases.iter().map(|release| (release.sequence, release.files)).collect();
    assert_eq!(shown, [(2, Some(2)), (1, Some(1))]);
    assert_eq!(
        (releases[0].id, releases[0].channels.as_slice()),
        (second.release, [Channel::LIVE].as_slice())
    );

    let mut entries = library.entries(Channel::LIVE);
    let mut paths = Vec::new();
    while let Some(entry) = entries.next().await {
        paths.push((entry.path, entry.size));
    }
    assert_eq!(paths, [("film".to_owned(), 4), ("second".to_owned(), 11)]);
    assert_eq!(entries.await.unwrap().files, 2);

    let mut diff = library.diff(1, second.release);
    let change =
        Change { path: "second".into(), kind: ChangeKind::Added, size_old: None, size_new: Some(11) };
    assert_eq!((diff.next().await, diff.next().await), (Some(change), None));
    assert_eq!(diff.await.unwrap().added, 1);

    let restore = || Restore::new(Channel::LIVE, place.path("copy"));
    let mut planned = library.preview_restore(restore());
    assert_eq!(planned.next().await.unwrap().kind, ChangeKind::Written);
    drop(planned);
    assert_eq!(library.restore(restore()).await.unwrap().failures, 0);
    assert_eq!(std::fs::read(place.path("copy/second")).unwrap(), b"second film");
    let preview = library.preview_publish(Publish::new(place.path("films"))).await.unwrap();
    assert_eq!((preview.dry_run, preview.files_new), (true, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_move_channels_and_change_members() {
    let place = Place::new();
    let (node, _) = with_film(&place, b"film").await;
    write_bytes(&place, "film", b"another film");
    let library = films(&node).await;
    library.publish(Publish::new(place.path("films"))).await.unwrap();
    let (channels, canary) = (library.channels(), Channel::new("canary").unwrap());

    let set = channels.set(canary.clone(), 1, Following::new().follow(true)).await.unwrap();
    assert!(set.announced.by_operator && set.announced.follow && set.up_to_date);
    channels.promote(canary, Channel::LIVE).await.unwrap();
    let back = channels.rollback_to(Channel::LIVE, 2).await.unwrap();
    assert_eq!(back.announced.sequence, 2);
    let history = channels.history(Channel::LIVE).await.unwrap();
    let releases: Vec<_> = history.iter().map(|said| said.sequence).collect();
    assert_eq!(releases, [2, 1, 2, 1]);
    assert_eq!(channels.list().await.unwrap().len(), 2);
    assert!(matches!(channels.vouch(Channel::LIVE).await, Err(HandleError::Denied(_))));

    let key = place.node("mirror").await.key();
    let members = library.members();
    let grant = Grant::new().class("trailers").name("mirror").node_key(key);
    let member = members.grant(key.node(), grant).await.unwrap();
    assert_eq!(
        (member.state, member.classes, member.key),
        (MemberState::Member, Classes::Listed(vec!["trailers".into()]), Some(key))
    );
    let all = members.grant(key.node(), Grant::new().all_classes()).await.unwrap();
    assert_eq!((all.state, all.classes), (MemberState::Member, Classes::All));
    let unknown = members.grant(NodeId::from_bytes([9; 32]), Grant::new().all_classes()).await;
    assert!(matches!(unknown, Err(HandleError::Invalid(_))), "{unknown:?}");

    // An act in a file changes nothing before it is applied.
    let file = place.path("revoke.request");
    let shown = members.revoke(key.node(), "stolen").to_file(&file).await.unwrap();
    assert!(shown.complete && !shown.applied);
    let state =
        async || members.list().await.unwrap().into_iter().find(|row| row.node == key.node()).unwrap();
    assert_eq!(state().await.state, MemberState::Member);
    let other =
        node.sign_request(&file, chuan_engine::id::StatementId::from_bytes([9; 32]), Vec::new()).await;
    assert!(matches!(other, Err(HandleError::Denied(_))), "{other:?}");
    let act = node.show_request(&file).await.unwrap().statement.parse().unwrap();
    let signed = node.sign_request(&file, act, Vec::new()).await.unwrap();
    assert_eq!((&signed.signed_by, signed.complete), (&shown.signed_by, true));
    std::fs::copy(&file, place.path("copy")).unwrap();
    let merged = node.merge_request(&file, place.path("copy")).await.unwrap();
    assert_eq!(merged.signed_by, shown.signed_by);
    assert!(node.apply_request(&file).await.unwrap().applied);
    let revoked = state().await;
    assert_eq!(
        (revoked.state, revoked.classes, revoked.reason.as_str()),
        (MemberState::Revoked, Classes::None, "stolen")
    );
}

/// An embedding program branches on the error of a home, and sees the error of the system behind it.
#[tokio::test(flavor = "multi_thread")]
async fn the_errors_of_a_home_keep_their_source() {
    let place = Place::new();
    write_bytes(&place, "film", b"film");
    let error = Node::init(place.path("films/film/home"), None, Role::Mirror).await.unwrap_err();
    assert!(matches!(error, HandleError::Io(_)), "{error:?}");
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::NotADirectory));
    let missing = Node::open(place.path("none")).await;
    assert!(matches!(missing, Err(HandleError::Missing(_))), "{missing:?}");

    let node = place.node("origin").await;
    let (id, key) = (node.id(), node.key());
    assert_eq!(node.identity().unwrap().id, id.to_string());
    node.close().await;
    drop(node);
    let renewed = Node::renew(place.path("origin"), id).await;
    assert!(matches!(renewed, Err(HandleError::Invalid(_))), "the key is not lost: {renewed:?}");
    std::fs::remove_file(place.path("origin/keys/node.key")).unwrap();
    let renewed = Node::renew(place.path("origin"), id).await.unwrap();
    assert_eq!(renewed.id(), id);
    assert_ne!(renewed.key(), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_travel_in_files() {
    let place = Place::new();
    let (node, _) = with_film(&place, b"film").await;
    let other = place.node("other").await;
    let library = films(&node).await;
    let carried = library.export(place.path("films.statements")).await.unwrap();
    let offered = other.import(place.path("films.statements")).await.unwrap();
    assert_eq!((offered.statements.len() as u64, offered.refused()), (carried.statements, 0));
    assert_eq!(other.libraries().iter().map(Handle::id).collect::<Vec<_>>(), [library.id()]);
    library.export_roots(place.path("films.roots")).await.unwrap();
    assert!(node.revocations_that_end(place.path("films.roots")).await.unwrap().is_empty());
    node.apply_roots(place.path("films.roots")).await.unwrap();

    assert_eq!(library.status().await.unwrap().releases, 1);
    assert!(library.conflicts().await.unwrap().is_empty());
    assert_eq!(library.classes().await.unwrap().len(), 1);
    assert_eq!(library.policy().show().await.unwrap().statement, None);
    let empty = place.path("empty.toml");
    std::fs::write(&empty, "excludes = [\"*.tmp\"]\n").unwrap();
    assert!(library.policy().set(&empty).await.unwrap().set);
    assert_eq!(library.policy().show().await.unwrap().excludes, ["*.tmp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_and_the_audit_log_are_checked() {
    let place = Place::new();
    let (node, _) = with_film(&place, b"film").await;
    let verified = node.store().verify(true).await.unwrap();
    assert!(verified.ok && verified.releases == 1, "{verified:?}");
    assert_eq!(node.store().rebuild().await.unwrap().lost, 0);
    let log = node.audit_log();
    let mut records = log.records();
    let mut verbs = Vec::new();
    while let Some(record) = records.next().await {
        verbs.push(record.verb);
    }
    assert_eq!(records.await.unwrap().count, verbs.len() as u64);
    assert_eq!(verbs[0], "opened");
    assert_eq!(log.record(0).await.unwrap().verb, "opened");
    assert!(matches!(log.record(verbs.len() as u64).await, Err(HandleError::Missing(_))));
    let mut last = log.follow(1);
    assert!(last.next().await.is_some());
    drop(last);
    assert_ne!(log.verify(None).await.unwrap().finding, "altered");
    assert_eq!(log.export(place.path("log")).await.unwrap().count, verbs.len() as u64);
    assert_eq!(AuditLog::verify_export(place.path("log"), None).await.unwrap().count, verbs.len() as u64);
}

/// A closed node takes no command and does not listen, although handles to it live.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_node_refuses_commands() {
    let place = Place::new();
    let (node, film) = with_film(&place, b"film").await;
    let mut events = node.events();
    node.close().await;
    assert!(matches!(films(&node).await.pull(Channel::LIVE).await, Err(HandleError::Busy(_))));
    assert!(matches!(node.serve(Some("127.0.0.1:0")).await, Err(HandleError::Busy(_))));
    while events.next().await.is_some() {}
    assert_eq!(&film.read_at(0..4).await.unwrap()[..], b"film");
}
