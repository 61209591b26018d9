//! The requirements on every store of objects, as one suite: each implementation runs [`run`] from its own
//! tests.
//!
//! The checks panic with `assert!` where a guarantee of [`Objects`] is broken. They use the traits and
//! [`Subject`] only, so that they cannot depend on how a store is implemented. No check keeps a handle across
//! a [`Subject::crash`].

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, PageId},
    limits,
    manifest::PageSource,
    store::{
        Appended, Check, PageState,
        objects::{Object, ObjectId, Objects},
    },
};

/// A store under test, and the failures that the suite causes.
pub trait Subject {
    /// The objects of a library.
    fn of(&self, library: &LibraryId) -> Arc<dyn Objects>;
    /// Simulates the loss of the process: uncommitted objects are gone. The store is open again afterwards.
    fn crash(&mut self);
    /// Simulates the loss of the process and of all derived data, which is then rebuilt from the primary
    /// data. A store without derived data crashes.
    fn rebuild(&mut self);
    /// Damages the stored bytes of a committed object of a library. The store does not notice.
    fn damage(&mut self, library: &LibraryId, id: ObjectId);
    /// Makes a write of some file of the home fail, so that the store is poisoned.
    fn poison(&mut self);
}

/// The check of one guarantee.
type Guarantee = fn(&mut dyn Subject) -> Result<()>;

/// Runs every check, each on a fresh store.
pub fn run(make: &dyn Fn() -> Box<dyn Subject>) {
    let checks: [(&str, Guarantee); 12] = [
        ("visible means durable", visible_means_durable),
        ("a crash loses only what is not committed", crash_loses_only_uncommitted),
        ("groups commit by themselves", groups_commit_by_themselves),
        ("appending is idempotent", appending_is_idempotent),
        ("answers are in the order of the ids", answers_in_order),
        ("bounds hold", bounds_hold),
        ("marks only rise", marks_only_rise),
        ("a library sees its own objects only", libraries_are_apart),
        ("libraries are apart after a crash and a rebuild", libraries_stay_apart),
        ("damage in one library does not affect another", damage_stays_in_its_library),
        ("damage is found, lost and healed", damage_is_found_and_healed),
        ("poison stops writes, not reads", poison_stops_writes),
    ];
    for (name, check) in checks {
        let mut subject = make();
        if let Err(error) = check(subject.as_mut()) {
            panic!("{name}: {error}");
        }
    }
}

fn visible_means_durable(subject: &mut dyn Subject) -> Result<()> {
    let objects = subject.of(&library(1));
    assert_eq!(objects.library(), library(1));
    let (one, page) = (chunk(1, 1000), page(1, 1));
    let appended = objects.append(vec![one.clone(), page.clone()])?;
    assert_eq!(
        appended,
        Appended { chunks: 1, chunk_bytes: 1000, pages: 1, page_bytes: page.bytes().len() as u64 },
        "append counts new objects"
    );
    assert!(!has(&*objects, &one)?, "a chunk is seen before its commit");
    assert_eq!(read(&*objects, &one)?, None, "a chunk is read before its commit");
    assert_eq!(state(&*objects, &page)?, PageState::Absent, "a page is seen before its commit");
    objects.commit()?;
    assert!(has(&*objects, &one)?, "a committed chunk is not seen");
    assert_eq!(read(&*objects, &one)?.as_ref(), Some(one.bytes()));
    assert_eq!(read(&*objects, &page)?.as_ref(), Some(page.bytes()));
    assert_eq!(state(&*objects, &page)?, PageState::Present);
    let again = subject.of(&library(1));
    assert!(has(&*again, &one)?, "handles of one library differ");
    Ok(())
}

fn crash_loses_only_uncommitted(subject: &mut dyn Subject) -> Result<()> {
    let (kept, dropped) = (chunk(1, 5000), chunk(2, 5000));
    keep(subject, &library(1), vec![kept.clone()])?;
    subject.of(&library(1)).append(vec![dropped.clone()])?;
    subject.crash();
    let objects = subject.of(&library(1));
    assert_eq!(
        read(&*objects, &kept)?.as_ref(),
        Some(kept.bytes()),
        "a committed chunk is gone after a crash"
    );
    assert!(!has(&*objects, &dropped)?, "an uncommitted chunk is seen after a crash");
    assert_eq!(objects.append(vec![kept, dropped.clone()])?.chunks, 1, "only the dropped chunk is new");
    objects.commit()?;
    assert!(has(&*objects, &dropped)?);
    Ok(())
}

fn groups_commit_by_themselves(subject: &mut dyn Subject) -> Result<()> {
    let len = limits::CHUNK_BYTES;
    let count = 2 * limits::GROUP_BYTES / len as u64 + 1;
    let first = chunk(0, len);
    for seed in 0..count {
        subject.of(&library(1)).append(vec![chunk(seed, len)])?;
    }
    subject.crash();
    let held = has(&*subject.of(&library(1)), &first)?;
    assert!(held, "the bytes of two groups were appended and the first chunk is not durable");
    Ok(())
}

fn appending_is_idempotent(subject: &mut dyn Subject) -> Result<()> {
    let objects = subject.of(&library(1));
    let (one, page) = (chunk(1, 100), page(1, 1));
    let appended = objects.append(vec![one.clone(), one.clone(), page.clone(), page.clone()])?;
    assert_eq!((appended.chunks, appended.pages), (1, 1), "twice in one append is once");
    assert_eq!(objects.append(vec![one.clone()])?, Appended::default(), "a waiting object is not new");
    objects.commit()?;
    assert_eq!(objects.append(vec![one, page])?, Appended::default(), "a held object is not new");
    objects.commit()
}

fn answers_in_order(subject: &mut dyn Subject) -> Result<()> {
    let objects = subject.of(&library(1));
    let all: Vec<Object> = (0u16..200).map(|seed| chunk(seed.into(), 1 + usize::from(seed) * 37)).collect();
    objects.append(all.clone())?;
    objects.commit()?;
    // In reverse order, every third id unknown, and one id twice.
    let mut wanted: Vec<Object> = all.iter().rev().cloned().collect();
    for (at, slot) in wanted.iter_mut().enumerate().filter(|(at, _)| at % 3 == 0) {
        *slot = chunk(10_000 + at as u64, 10);
    }
    wanted.extend(all.last().cloned());
    let ids: Vec<ChunkId> = wanted.iter().map(chunk_id).collect();
    let has = objects.has_chunks(&ids)?;
    for check in [Check::Verify, Check::Trust] {
        let read = objects.read_chunks(&ids, check)?;
        assert_eq!(read.len(), ids.len());
        for ((object, held), bytes) in wanted.iter().zip(&has).zip(read) {
            assert_eq!(*held, all.iter().any(|one| one.id() == object.id()));
            assert_eq!(bytes, held.then(|| object.bytes().clone()));
        }
    }
    assert_eq!(objects.has_chunks(&[])?, Vec::<bool>::new());
    assert!(objects.read_chunks(&[], Check::Verify)?.is_empty());
    Ok(())
}

fn bounds_hold(subject: &mut dyn Subject) -> Result<()> {
    let objects = subject.of(&library(1));
    let too_many = vec![ChunkId::of(b"none"); limits::BATCH_IDS + 1];
    assert!(matches!(objects.has_chunks(&too_many), Err(Error::Invalid(_))), "a batch has a bound");
    for len in [0, limits::CHUNK_BYTES + 1] {
        let refused = objects.append(vec![chunk(1, len)]);
        assert!(matches!(refused, Err(Error::Invalid(_))), "a chunk of {len} bytes is taken");
    }
    let largest = chunk(1, limits::CHUNK_BYTES);
    objects.append(vec![largest.clone(), chunk(2, 1)])?;
    objects.commit()?;
    assert_eq!(read(&*objects, &largest)?.as_ref(), Some(largest.bytes()));
    Ok(())
}

fn marks_only_rise(subject: &mut dyn Subject) -> Result<()> {
    let objects = subject.of(&library(1));
    let (one, absent) = (page(1, 1), page(1, 2));
    objects.append(vec![one.clone()])?;
    objects.commit()?;
    let (paged, full) = ((page_id(&one), PageState::Paged), (page_id(&one), PageState::Full));
    objects.mark(&[paged, (page_id(&absent), PageState::Full)])?;
    assert_eq!(state(&*objects, &one)?, PageState::Paged);
    assert_eq!(state(&*objects, &absent)?, PageState::Absent, "a page that is not held was marked");
    objects.mark(&[full, paged])?;
    assert_eq!(state(&*objects, &one)?, PageState::Full, "a mark was lowered");
    Ok(())
}

fn libraries_are_apart(subject: &mut dyn Subject) -> Result<()> {
    let (a, b) = (library(1), library(2));
    let (one, page) = (chunk(1, 3000), page(1, 1));
    keep(subject, &a, vec![one.clone(), page.clone()])?;
    assert_foreign(subject, &b, &one, &page)?;
    subject.of(&b).mark(&[(page_id(&page), PageState::Full)])?;
    assert_eq!(state(&*subject.of(&a), &page)?, PageState::Present, "another library's handle marked a page");

    let appended = subject.of(&b).append(vec![one.clone()])?;
    assert_eq!(
        (appended.chunks, appended.chunk_bytes),
        (1, 3000),
        "an append reveals what another library holds"
    );
    assert!(!has(&*subject.of(&b), &one)?, "a waiting chunk is seen because another library holds it");
    subject.of(&b).commit()?;
    assert_eq!(read(&*subject.of(&b), &one)?.as_ref(), Some(one.bytes()));
    assert_eq!(read(&*subject.of(&a), &one)?.as_ref(), Some(one.bytes()));
    Ok(())
}

fn libraries_stay_apart(subject: &mut dyn Subject) -> Result<()> {
    let (a, b) = (library(1), library(2));
    let (one, both, only_b, page) = (chunk(1, 3000), chunk(2, 500), chunk(3, 700), page(1, 1));
    // In turns, so that records of both libraries lie between each other, as far as the store allows.
    keep(subject, &a, vec![one.clone()])?;
    keep(subject, &b, vec![both.clone()])?;
    keep(subject, &a, vec![both.clone(), page.clone()])?;
    keep(subject, &b, vec![only_b.clone()])?;
    for rebuild in [false, true, true] {
        if rebuild {
            subject.rebuild()
        } else {
            subject.crash()
        };
        assert_foreign(subject, &b, &one, &page)?;
        assert!(!has(&*subject.of(&a), &only_b)?, "a chunk of another library is seen");
        for (library, object) in [(&a, &one), (&a, &both), (&a, &page), (&b, &both), (&b, &only_b)] {
            let read = read(&*subject.of(library), object)?;
            assert_eq!(read.as_ref(), Some(object.bytes()), "{:?} of {library:?} is gone", object.id());
        }
    }
    Ok(())
}

fn damage_stays_in_its_library(subject: &mut dyn Subject) -> Result<()> {
    let (a, b) = (library(1), library(2));
    let one = chunk(1, 3000);
    keep(subject, &a, vec![one.clone()])?;
    keep(subject, &b, vec![one.clone()])?;
    subject.damage(&a, one.id());
    assert_eq!(
        read(&*subject.of(&b), &one)?.as_ref(),
        Some(one.bytes()),
        "another library's copy is damaged"
    );
    assert!(matches!(read(&*subject.of(&a), &one), Err(Error::Corrupt(_))), "a damaged chunk is read");
    assert!(!has(&*subject.of(&a), &one)?, "a lost chunk counts as held because another library holds it");
    assert_eq!(read(&*subject.of(&a), &one)?, None, "a lost chunk is read from another library");
    assert_eq!(subject.of(&a).lost()?, [one.id()]);
    assert!(subject.of(&b).lost()?.is_empty(), "a library lists what another has lost");
    Ok(())
}

fn damage_is_found_and_healed(subject: &mut dyn Subject) -> Result<()> {
    let a = library(1);
    let (one, two, page) = (chunk(1, 3000), chunk(2, 3000), page(1, 1));
    keep(subject, &a, vec![one.clone(), two.clone(), page.clone()])?;
    assert!(subject.of(&a).lost()?.is_empty());
    subject.damage(&a, one.id());
    subject.damage(&a, page.id());
    let objects = subject.of(&a);
    assert!(
        matches!(read(&*objects, &one), Err(Error::Corrupt(_))),
        "damage is not found by a verified read"
    );
    assert!(matches!(read(&*objects, &page), Err(Error::Corrupt(_))), "a damaged page is read");
    let mut lost = objects.lost()?;
    lost.sort();
    assert_eq!(lost, [one.id(), page.id()]);
    assert!(!has(&*objects, &one)?, "a lost chunk counts as held");
    if let ObjectId::Page(id) = page.id() {
        let again = objects.page(&id);
        assert!(
            matches!(again, Err(Error::Corrupt(_))),
            "a damaged page is missing the second time: {again:?}"
        );
        let absent = objects.page(&PageId::from_bytes([9; 32]));
        assert!(
            matches!(absent, Err(Error::Missing(_))),
            "a page that was never held is damaged: {absent:?}"
        );
    }
    assert_eq!(state(&*objects, &page)?, PageState::Absent);
    assert_eq!(read(&*objects, &two)?.as_ref(), Some(two.bytes()), "an undamaged chunk is not read");

    let appended = objects.append(vec![one.clone(), page.clone()])?;
    assert_eq!((appended.chunks, appended.pages), (1, 1), "lost objects are written again");
    objects.commit()?;
    assert!(objects.lost()?.is_empty(), "an object that was written again is still lost");
    drop(objects);
    subject.crash();
    let objects = subject.of(&a);
    assert_eq!(read(&*objects, &one)?.as_ref(), Some(one.bytes()));
    assert_eq!(read(&*objects, &page)?.as_ref(), Some(page.bytes()));
    assert!(objects.lost()?.is_empty());
    Ok(())
}

fn poison_stops_writes(subject: &mut dyn Subject) -> Result<()> {
    let (a, b) = (library(1), library(2));
    let (kept, page) = (chunk(1, 100), page(1, 1));
    keep(subject, &a, vec![kept.clone(), page.clone()])?;
    subject.poison();
    for library in [&a, &b] {
        let objects = subject.of(library);
        assert!(matches!(objects.append(vec![chunk(2, 100)]), Err(Error::Poisoned(_))));
        assert!(matches!(objects.commit(), Err(Error::Poisoned(_))));
        assert!(matches!(objects.mark(&[(page_id(&page), PageState::Full)]), Err(Error::Poisoned(_))));
    }
    assert_eq!(read(&*subject.of(&a), &kept)?.as_ref(), Some(kept.bytes()), "a poisoned store still reads");
    subject.crash();
    keep(subject, &a, vec![chunk(3, 100)])?;
    assert!(has(&*subject.of(&a), &chunk(3, 100))? && has(&*subject.of(&a), &kept)?);
    Ok(())
}

/// Checks that a library does not see objects that only another library has.
fn assert_foreign(subject: &dyn Subject, library: &LibraryId, chunk: &Object, page: &Object) -> Result<()> {
    let objects = subject.of(library);
    assert!(!has(&*objects, chunk)?, "a chunk of another library is seen");
    for check in [Check::Verify, Check::Trust] {
        assert_eq!(
            objects.read_chunks(&[chunk_id(chunk)], check)?,
            [None],
            "a chunk of another library is read"
        );
    }
    assert_eq!(read(&*objects, page)?, None, "a page of another library is read");
    assert_eq!(state(&*objects, page)?, PageState::Absent, "a page of another library is seen");
    assert!(objects.lost()?.is_empty());
    Ok(())
}

/// Appends and commits.
fn keep(subject: &dyn Subject, library: &LibraryId, objects: Vec<Object>) -> Result<()> {
    let to = subject.of(library);
    to.append(objects)?;
    to.commit()
}

/// A chunk of `len` bytes that depend on `seed`.
fn chunk(seed: u64, len: usize) -> Object {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ len as u64;
    let bytes: Bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()
    })
    .flatten()
    .take(len)
    .collect();
    Object::Chunk { id: ChunkId::of(&bytes), bytes }
}

/// A page of library number `of`.
fn page(of: u8, seed: u64) -> Object {
    let bytes = Bytes::from(format!("page {seed}").repeat(20));
    Object::Page { id: PageId::of(&library(of), &bytes), bytes }
}

fn library(seed: u8) -> LibraryId {
    LibraryId::of(&[seed])
}

fn chunk_id(object: &Object) -> ChunkId {
    ChunkId::of(object.bytes())
}

fn page_id(object: &Object) -> PageId {
    match object.id() {
        ObjectId::Page(id) => id,
        ObjectId::Chunk(id) => PageId::from_bytes(*id.as_bytes()),
    }
}

fn has(objects: &dyn Objects, object: &Object) -> Result<bool> {
    Ok(objects.has_chunks(&[chunk_id(object)])? == [true])
}

/// A verified read.
fn read(objects: &dyn Objects, object: &Object) -> Result<Option<Bytes>> {
    let mut read = match object.id() {
        ObjectId::Chunk(id) => objects.read_chunks(&[id], Check::Verify)?,
        ObjectId::Page(id) => objects.read_pages(&[id])?,
    };
    Ok(read.pop().flatten())
}

fn state(objects: &dyn Objects, page: &Object) -> Result<PageState> {
    Ok(objects.page_states(&[page_id(page)])?.pop().unwrap_or(PageState::Absent))
}
