//! Pulls over a wire that loses, repeats, changes and inserts frames, and into a store that loses objects.

use bytes::Bytes;
use proptest::{prelude::*, sample::Index};

use super::film;
use crate::{
    id::{LibraryId, PageId, Salt},
    manifest::{
        Page, Sums,
        page::Items,
        table::{ClassHeader, ClassTable},
    },
    statement::{
        Key,
        library::{Founders, found},
    },
    store::ObjectId,
    sync::{
        fetch::Options,
        frame::{ChunkCodec, ChunkFrame, Frame},
        pair::{Files, NOW_MS, Pair, to_bytes},
    },
};

/// A fault of the wire, or of an attacker on it.
#[derive(Clone, Debug)]
enum Fault {
    /// Frames from here on are lost.
    Stop(Index),
    /// The stream ends within a frame.
    Cut(Index, Index),
    /// A bit flips.
    Flip(Index, Index),
    /// A frame is lost.
    Drop(Index),
    /// A frame is repeated.
    Repeat(Index),
    /// Two frames are swapped.
    Swap(Index, Index),
    /// A page, chunk or statement that no release names is inserted before a frame.
    Insert(Index, u8),
}

impl Fault {
    fn apply(&self, frames: &mut Vec<Vec<u8>>) {
        match self {
            Fault::Stop(at) => frames.truncate(at.index(frames.len())),
            Fault::Cut(at, byte) => {
                let at = at.index(frames.len());
                let len = byte.index(frames[at].len());
                frames[at].truncate(len);
                frames.truncate(at + 1);
            }
            Fault::Flip(at, bit) => {
                let at = at.index(frames.len());
                let bit = bit.index(8 * frames[at].len());
                frames[at][bit / 8] ^= 1 << (bit % 8);
            }
            Fault::Drop(at) => drop(frames.remove(at.index(frames.len()))),
            Fault::Repeat(at) => {
                let at = at.index(frames.len());
                frames.insert(at, frames[at].clone());
            }
            Fault::Swap(a, b) => {
                let (a, b) = (a.index(frames.len()), b.index(frames.len()));
                frames.swap(a, b);
            }
            Fault::Insert(at, kind) => frames.insert(at.index(frames.len()), to_bytes(&unnamed_frame(*kind))),
        }
    }
}

/// A library that neither node knows.
const FOREIGN: LibraryId = LibraryId::from_bytes([0x77; 32]);

/// A well-formed frame that no release names.
fn unnamed_frame(kind: u8) -> Frame {
    let page = Page { slot: 0, level: 0, items: Items::Entries(vec![]) };
    let header = ClassHeader {
        name: "default".into(),
        slot: 0,
        salt: Salt::from_bytes([1; 32]),
        root: PageId::of(&FOREIGN, &page.encode()),
        level: 0,
        sums: Sums::default(),
        policy: vec![],
    };
    match kind % 5 {
        0 => Frame::Page(page.encode().into()),
        1 => Frame::Chunk(ChunkFrame {
            ordinal: 0,
            codec: ChunkCodec::Raw,
            raw_len: 5,
            data: Bytes::from_static(b"bytes"),
        }),
        2 => Frame::Table(ClassTable { classes: vec![(0, header.id(&FOREIGN))] }.encode().into()),
        3 => Frame::Header(header.encode().into()),
        _ => {
            let [root, operator, publisher] = [11, 12, 13].map(|seed| Key::from_seed([seed; 32]));
            let keys = Founders { root: &root, operator: &operator, publisher: &publisher };
            let (_, first) = found("forged", keys, Salt::from_bytes([9; 32]), NOW_MS).unwrap();
            Frame::Statement(first.bytes().clone())
        }
    }
}

fn faults() -> impl Strategy<Value = Vec<(u64, Fault)>> {
    let at = any::<Index>;
    let fault = prop_oneof![
        at().prop_map(Fault::Stop),
        (at(), at()).prop_map(|(frame, byte)| Fault::Cut(frame, byte)),
        (at(), at()).prop_map(|(frame, bit)| Fault::Flip(frame, bit)),
        at().prop_map(Fault::Drop),
        at().prop_map(Fault::Repeat),
        (at(), at()).prop_map(|(a, b)| Fault::Swap(a, b)),
        (at(), any::<u8>()).prop_map(|(frame, kind)| Fault::Insert(frame, kind)),
    ];
    proptest::collection::vec((prop_oneof![3 => Just(0), 1 => 1u64..4], fault), 1..4)
}

/// An edit of a library between two releases.
#[derive(Clone, Debug)]
enum Edit {
    Add(u8, u64, usize),
    Remove(Index),
    Rename(Index, u8),
    Splice(Index, Index, usize, u64),
    Copy(Index, u8),
}

impl Edit {
    fn apply(&self, files: &mut Files) {
        let path = |n: u8| format!("{}/{n}.mkv", n % 3);
        let pick = |files: &Files, at: &Index| files.keys().nth(at.index(files.len())).cloned().unwrap();
        match self {
            Edit::Add(n, seed, len) => drop(files.insert(path(*n), film(*seed, *len))),
            _ if files.is_empty() => {}
            Edit::Remove(at) => drop(files.remove(&pick(files, at))),
            Edit::Rename(at, n) => {
                let film = files.remove(&pick(files, at)).unwrap();
                files.insert(path(*n), film);
            }
            Edit::Splice(at, from, len, seed) => {
                let film_here = files.get_mut(&pick(files, at)).unwrap();
                let from = from.index(film_here.len() + 1);
                let to = (from + len / 2).min(film_here.len());
                film_here.splice(from..to, film(*seed, *len));
            }
            Edit::Copy(at, n) => {
                let film = files[&pick(files, at)].clone();
                files.insert(path(*n), film);
            }
        }
    }
}

fn edits(count: usize) -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<Index>;
    // Few seeds, so that the same content occurs at several paths.
    let edit = prop_oneof![
        3 => (any::<u8>(), 0u64..6, 0usize..30_000).prop_map(|(n, seed, len)| Edit::Add(n, seed, len)),
        1 => at().prop_map(Edit::Remove),
        1 => (at(), any::<u8>()).prop_map(|(at, n)| Edit::Rename(at, n)),
        2 => (at(), at(), 0usize..600, any::<u64>()).prop_map(|(a, b, len, seed)| Edit::Splice(a, b, len, seed)),
        1 => (at(), any::<u8>()).prop_map(|(at, n)| Edit::Copy(at, n)),
    ];
    proptest::collection::vec(edit, 0..count)
}

fn edited(mut files: Files, edits: &[Edit]) -> Files {
    edits.iter().for_each(|edit| edit.apply(&mut files));
    files
}

/// Whether the mirror stored only data that the origin published.
fn only_published(pair: &Pair) -> bool {
    let (published, statements) =
        (pair.origin.store.appended.lock().unwrap(), pair.origin.ledger.appended.lock().unwrap());
    pair.mirror.store.appended.lock().unwrap().is_subset(&published)
        && pair.mirror.ledger.appended.lock().unwrap().is_subset(&statements)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 96 } else { 256 }))]

    #[test]
    fn any_edit_arrives_in_one_round_trip(first in edits(12), then in edits(8)) {
        let mut pair = Pair::new();
        let files = edited(Files::new(), &first);
        pair.publish(&files);
        pair.pull().unwrap();
        let files = edited(files, &then);
        let release = pair.publish(&files);
        let pulled = pair.pull().unwrap();
        prop_assert_eq!(pair.mirror.files(&release).unwrap(), files);
        prop_assert_eq!(pulled.report.round_trips, 1);
        prop_assert_eq!(pair.mirror.channel(), pair.origin.channel());
    }

    #[test]
    fn a_bad_wire_ends_in_the_release_or_in_an_error_and_the_state_before(
        first in edits(10),
        then in edits(8),
        faults in faults(),
        resume in any::<bool>(),
    ) {
        let mut pair = Pair::new();
        let before = edited(Files::new(), &first);
        let old = pair.publish(&before);
        pair.pull().unwrap();
        let at = pair.mirror.channel();
        let files = edited(before.clone(), &then);
        let release = pair.publish(&files);

        let mut apply = |id: u64, mut frames: Vec<Vec<u8>>| {
            for (_, fault) in faults.iter().filter(|(answer, _)| *answer == id) {
                if !frames.is_empty() && !frames.iter().any(Vec::is_empty) {
                    fault.apply(&mut frames);
                }
            }
            frames
        };
        match pair.pull_with(Options { resume, ..Options::default() }, &mut apply) {
            Ok(pulled) if pulled.report.release == Some(release) => {
                prop_assert_eq!(pair.mirror.files(&release).unwrap(), files.clone());
            }
            // Without the channel's statement, the source seems to have no newer release.
            _ => {
                prop_assert_eq!(pair.mirror.channel(), at);
                prop_assert_eq!(pair.mirror.files(&old).unwrap(), before);
            }
        }
        prop_assert!(only_published(&pair));

        pair.pull_with(Options { resume: true, ..Options::default() }, &mut |_, frames| frames).unwrap();
        prop_assert_eq!(pair.mirror.files(&release).unwrap(), files);
        prop_assert_eq!(pair.mirror.channel(), pair.origin.channel());
    }

    #[test]
    fn lost_objects_are_fetched_again(
        first in edits(12),
        then in edits(4),
        losses in proptest::collection::vec((any::<Index>(), any::<bool>()), 1..20),
    ) {
        let mut pair = Pair::new();
        let files = edited(Files::new(), &first);
        pair.publish(&files);
        pair.pull().unwrap();
        let mut held: Vec<ObjectId> = pair.mirror.store.appended.lock().unwrap().iter().copied().collect();
        held.sort();
        for (at, known) in losses {
            let id = *at.get(&held);
            if known { pair.mirror.store.inner.lose(id) } else { pair.mirror.store.inner.damage(id) };
        }
        let files = edited(files, &then);
        let release = pair.publish(&files);
        pair.pull().unwrap();
        // Damage that no pull has read yet is found by reading, and repaired by the next pull.
        while pair.mirror.files(&release).is_err() {
            pair.pull().unwrap();
        }
        prop_assert_eq!(pair.mirror.files(&release).unwrap(), files);
    }
}
