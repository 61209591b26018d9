//! Two libraries on one mirror: a member of one of them learns nothing about the other.
//!
//! Symptom: the owner of library B published a release that named the manifest, a class or the chunks of
//! library A. A mirror of both libraries found all data on its disk, took the release for whole and served
//! A's films to B's members. Cause: pages and chunks were looked up by their hashes alone. Fix: content
//! belongs to a library; the hash of a page includes the library's id, and every look-up names a library.
//!
//! Each attack runs twice: on a mirror that has A on the same disk as B, and on one that does not. All
//! answers and requests of the mirror must be the same, byte for byte. So neither content nor its presence
//! leaks.

use bytes::Bytes;

use crate::{
    error::Error,
    id::{ChunkId, Commitment, ManifestId, NodeId},
    manifest::{PageSource, table::ClassTable},
    statement::{Key, Verbs},
    store::{Object, ObjectId, Objects},
    sync::{
        fetch::Options,
        frame::Frame,
        message::{End, Request, Want},
        pair::{Disk, Files, Pair, answer, cut, to_bytes},
        tests::{film, library, rights::requests},
    },
};

/// Members of B, by the seeds of their keys, and a node that is not a member.
const MEMBER: u8 = 20;
const WATCHER: u8 = 21;
const REVOKED: u8 = 22;
const STRANGER: u8 = 23;

/// A mirror of library A, `films`, and of library B, `other`, whose owner attacks.
struct World {
    films: Pair,
    other: Pair,
    /// The manifest of A's release.
    manifest: ManifestId,
    commitment: Commitment,
    files: Files,
    /// The mirror's answers and requests about B, in order.
    messages: Vec<Vec<u8>>,
}

impl World {
    /// `is_beside`: whether the mirror has A on the same disk as B.
    fn open(is_beside: bool) -> Self {
        let disk = Disk::default();
        let mut films = Pair::found("films", &disk);
        let files = library(20, 2000);
        let release = films.publish(&files);
        films.pull().unwrap();
        let (commitment, _) = films.mirror.header(&release).unwrap();
        let manifest = films.mirror.library.release(&release).unwrap().body.manifest;
        let mut other = Pair::found("other", &if is_beside { disk } else { Disk::default() });
        other.admit_to(MEMBER, Verbs::PULL);
        other.admit_to(WATCHER, Verbs::STATEMENTS);
        let revoked = other.admit_to(REVOKED, Verbs::PULL);
        other.revoke(revoked);
        other.publish(&own_files());
        other.pull().unwrap();
        Self { films, other, manifest, commitment, files, messages: Vec::new() }
    }

    /// The page of A with this id; the owner of B got it from a member of A.
    fn page_of_a(&self, id: crate::id::PageId) -> Bytes {
        self.films.origin.store.page(&id).unwrap()
    }

    /// The mirror pulls B from its owner. The owner answers the first request with B's statements and these
    /// frames, and later requests not at all. Then members of B and other nodes request the named class from
    /// the mirror.
    fn attack(&mut self, name: &str, frames: &[Frame], named: Commitment) {
        let mut answer: Vec<_> = self
            .other
            .origin
            .library
            .statements()
            .into_iter()
            .map(|statement| Frame::Statement(statement.bytes().clone()))
            .chain(frames.iter().cloned())
            .map(|frame| to_bytes(&frame))
            .collect();
        answer.push(to_bytes(&Frame::End(End { complete: true, ..End::default() })));
        let before = self.other.mirror.channel();
        for options in [Options::default(), Options { resume: true, ..Options::default() }] {
            let error = self
                .other
                .pull_with(options, &mut |id, _| if id == 0 { answer.clone() } else { vec![] })
                .unwrap_err();
            assert!(matches!(error, Error::Peer(_) | Error::Missing(_)), "{name}: {error}");
            assert_eq!(self.other.mirror.channel(), before, "{name}: the channel moved");
            self.messages.push(format!("{name}: {error}").into_bytes());
            self.messages.extend(self.other.asked.lock().unwrap().iter().map(|request| request.to_vec()));
        }
        self.ask(named);
    }

    /// Requests a class of B, and B's newest release, from the mirror, as each of the nodes.
    fn ask(&mut self, named: Commitment) {
        // By gossip the mirror learns of releases that it does not hold.
        let statements = self.other.origin.library.statements().into_iter().cloned().collect::<Vec<_>>();
        self.other.mirror.learn(&statements);
        let id = self.other.mirror.library.id();
        let newest = self.other.origin.channel().unwrap().release;
        let mut all = Vec::new();
        for commitment in [named, self.commitment] {
            all.extend(requests(id, commitment));
            all.extend(requests(self.films.mirror.library.id(), commitment));
        }
        for request in requests(id, named) {
            if let Request::Pull(pull) = request {
                all.push(Request::Pull(crate::sync::message::Pull { want: Want::Release(newest), ..pull }));
            }
        }
        for seed in [MEMBER, WATCHER, REVOKED, STRANGER] {
            let peer: NodeId = Key::from_seed([seed; 32]).node();
            for request in &all {
                let frames = answer(&self.other.mirror, &peer, request.clone());
                self.messages.push(frames.iter().flat_map(to_bytes).collect());
            }
        }
    }

    /// The owner of B publishes A's files without holding a byte of them: it knows the chunk ids from A's
    /// pages.
    fn publish_without_chunks(&mut self) -> Commitment {
        let release = self.other.publish(&self.files);
        for chunk in chunks(&self.files) {
            assert!(self.other.origin.store.inner.lose(ObjectId::Chunk(ChunkId::of(chunk))));
        }
        self.other.origin.header(&release).unwrap().0
    }

    /// The mirror's messages during all attacks, made one after the other.
    fn run(mut self) -> Vec<Vec<u8>> {
        // A release of B names A's manifest.
        let (table, header) =
            (self.page_of_a(self.manifest.as_page()), self.page_of_a(self.commitment.as_page()));
        self.other.announce(self.manifest, Vec::new());
        let frames = [Frame::Table(table), Frame::Header(header.clone())];
        self.attack("its manifest", &[], self.commitment);
        self.attack("its manifest and table", &frames[..1], self.commitment);
        self.attack("its manifest, table and header", &frames, self.commitment);

        // A table of B names A's class, with the table's own hash in B.
        let table = ClassTable { classes: vec![(0, self.commitment)] };
        self.other.announce(table.id(&self.other.origin.library.id()), Vec::new());
        let frames = [Frame::Table(table.encode().into()), Frame::Header(header.clone())];
        self.attack("its class", &frames[..1], self.commitment);
        self.attack("its class and header", &frames, self.commitment);

        // A's header as a class of B: its root page is A's.
        let own = Commitment::of(&self.other.origin.library.id(), &header);
        let table = ClassTable { classes: vec![(0, own)] };
        self.other.announce(table.id(&self.other.origin.library.id()), Vec::new());
        self.attack("its tree", &[Frame::Table(table.encode().into()), Frame::Header(header)], own);

        // B's own pages name A's chunks; the answer is cut after 1, 2, 4 … frames, and whole.
        let named = self.publish_without_chunks();
        for frames in (0..).map(|step| 1 << step) {
            let mut cut_short = true;
            let pulled = self.other.pull_with(Options::default(), &mut |id, mut all| {
                cut_short &= id > 0 || all.len() > frames;
                all.truncate(if id == 0 { frames } else { 0 });
                all
            });
            self.messages.push(format!("its chunks, {frames} frames: {}", pulled.unwrap_err()).into_bytes());
            self.messages.extend(self.other.asked.lock().unwrap().iter().map(|request| request.to_vec()));
            self.ask(named);
            if !cut_short {
                break;
            }
        }
        let error = self.other.pull().unwrap_err();
        assert!(matches!(&error, Error::Missing(text) if text.contains("lacks")), "{error}");
        self.messages.push(error.to_string().into_bytes());
        self.ask(named);
        self.check_stays_useful();
        self.messages
    }

    /// B's own content is fetched and served, also where A has the same content: it is stored twice.
    fn check_stays_useful(&mut self) {
        let release = self.other.origin.channel().unwrap().release;
        for chunk in chunks(&self.files) {
            let object = Object::Chunk { id: ChunkId::of(chunk), bytes: Bytes::copy_from_slice(chunk) };
            self.other.origin.store.append(vec![object]).unwrap();
        }
        self.other.origin.store.commit().unwrap();
        let pulled = self.other.pull_with(Options { resume: true, ..Options::default() }, &mut |_, all| all);
        let distinct = chunks(&self.files).len() as u64;
        assert_eq!(pulled.unwrap().report.chunks_fetched, distinct, "another library's chunks were used");
        assert_eq!(self.other.mirror.files(&release).unwrap(), self.files);
        let (commitment, _) = self.other.mirror.header(&release).unwrap();
        let before = self.messages.len();
        self.ask(commitment);
        let largest = self.messages.drain(before..).map(|answer| answer.len()).max();
        assert!(largest > Some(20_000), "members get no content: {largest:?}");
    }
}

fn own_files() -> Files {
    (0..5).map(|n| (format!("own/{n}.mkv"), film(900 + n, 1000))).collect()
}

/// The distinct chunks of files.
fn chunks(files: &Files) -> Vec<&[u8]> {
    let mut chunks: Vec<_> = files.values().flat_map(|bytes| cut(bytes)).collect();
    chunks.sort_unstable();
    chunks.dedup();
    chunks
}

#[test]
fn a_mirror_of_two_libraries_reveals_nothing_about_one_to_the_other() {
    let [beside, alone] = [true, false].map(|is_beside| World::open(is_beside).run());
    assert_eq!(beside.len(), alone.len());
    for (number, (beside, alone)) in beside.iter().zip(&alone).enumerate() {
        assert!(
            beside == alone,
            "message {number} reveals that the other library is there:\n{}\n{}",
            String::from_utf8_lossy(beside),
            String::from_utf8_lossy(alone)
        );
    }
    let files = library(20, 2000);
    for chunk in chunks(&files).into_iter().filter(|chunk| chunk.len() > 64) {
        let is_there = |said: &Vec<u8>| said.windows(chunk.len()).any(|part| part == chunk);
        assert!(!beside.iter().any(is_there), "a chunk of the other library was sent");
    }
}
