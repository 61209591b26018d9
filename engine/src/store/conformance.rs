//! What every store must do, as one suite: each implementation runs [`run`] from its own tests.
//!
//! The checks panic with `assert!` where a promise of [`Store`] is broken. They use the trait and [`Subject`] only, so
//! that they cannot lean on how a store is made.

pub mod ledger;
pub mod objects;

use bytes::Bytes;

use super::{Appended, Check, LostId, Mark, Object, PageState, RefMove, Store};
use crate::{
    error::{Error, Result},
    id::{ChunkId, LibraryId, ManifestId, PageId, StatementId},
    limits,
    statement::{Body, Channel, Header, Key, Release, Statement, StatementKind},
};

/// A store under test and the misfortunes it can meet.
pub trait Subject {
    /// The store.
    fn store(&self) -> &dyn Store;
    /// Loses the process: what is not committed is gone; the store is open again afterwards.
    fn crash(&mut self);
    /// Damages a committed object where it lies, unseen.
    fn damage(&mut self, id: LostId);
    /// Makes a write fail, so that the store is poisoned.
    fn poison(&mut self);
}

/// One promise, checked.
type Promise = fn(&mut dyn Subject) -> Result<()>;

/// Runs every check, each on a fresh store.
pub fn run(make: &dyn Fn() -> Box<dyn Subject>) {
    let checks: [(&str, Promise); 13] = [
        ("visible means durable", visible_means_durable),
        ("a crash loses only what is not committed", crash_loses_only_uncommitted),
        ("groups commit by themselves", groups_commit_by_themselves),
        ("appending is idempotent", appending_is_idempotent),
        ("answers stand in the order asked", answers_in_order),
        ("bounds hold", bounds_hold),
        ("marks only rise", marks_only_rise),
        ("statements are listed in order", statements_in_order),
        ("the first of one sequence stays the first", first_stays_first),
        ("more signatures are kept, outdated statements not listed", statements_change),
        ("refs move", refs_move),
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
    let store = subject.store();
    let (one, page) = (chunk(1, 1000), page(1));
    let appended = store.append(vec![one.clone(), page.clone()])?;
    assert_eq!(
        appended,
        Appended { chunks: 1, chunk_bytes: 1000, pages: 1, page_bytes: page.len() as u64 },
        "append counts what is new"
    );
    assert!(!has(store, &one)?, "a chunk is seen before its commit");
    assert_eq!(read(store, &one)?, None, "a chunk is read before its commit");
    assert_eq!(states(store, &[&page])?, [PageState::Absent], "a page is seen before its commit");
    store.commit()?;
    assert!(has(store, &one)?, "a committed chunk is not seen");
    assert_eq!(read(store, &one)?, Some(bytes_of(&one)));
    assert_eq!(store.read_pages(&[page_id(&page)])?, [Some(bytes_of(&page))]);
    assert_eq!(states(store, &[&page])?, [PageState::Present]);
    Ok(())
}

fn crash_loses_only_uncommitted(subject: &mut dyn Subject) -> Result<()> {
    let (kept, dropped) = (chunk(1, 5000), chunk(2, 5000));
    subject.store().append(vec![kept.clone()])?;
    subject.store().commit()?;
    subject.store().append(vec![dropped.clone()])?;
    subject.crash();
    let store = subject.store();
    assert_eq!(read(store, &kept)?, Some(bytes_of(&kept)), "a committed chunk is gone after a crash");
    assert!(!has(store, &dropped)?, "an uncommitted chunk is seen after a crash");
    assert_eq!(store.append(vec![kept, dropped.clone()])?.chunks, 1, "only what was dropped is new");
    store.commit()?;
    assert!(has(store, &dropped)?);
    Ok(())
}

fn groups_commit_by_themselves(subject: &mut dyn Subject) -> Result<()> {
    let len = limits::CHUNK_BYTES;
    let count = 2 * limits::GROUP_BYTES / len as u64 + 1;
    let first = chunk(0, len);
    for seed in 0..count {
        subject.store().append(vec![chunk(seed, len)])?;
    }
    subject.crash();
    assert!(has(subject.store(), &first)?, "two groups' bytes were appended and the first is not durable");
    Ok(())
}

fn appending_is_idempotent(subject: &mut dyn Subject) -> Result<()> {
    let store = subject.store();
    let (one, page) = (chunk(1, 100), page(1));
    let appended = store.append(vec![one.clone(), one.clone(), page.clone(), page.clone()])?;
    assert_eq!((appended.chunks, appended.pages), (1, 1), "twice in one append is once");
    assert_eq!(store.append(vec![one.clone()])?, Appended::default(), "what waits is not new");
    store.commit()?;
    assert_eq!(store.append(vec![one, page])?, Appended::default(), "what is held is not new");
    store.commit()
}

fn answers_in_order(subject: &mut dyn Subject) -> Result<()> {
    let store = subject.store();
    let all: Vec<Object> = (0u16..200).map(|seed| chunk(seed.into(), 1 + usize::from(seed) * 37)).collect();
    store.append(all.clone())?;
    store.commit()?;
    // Backwards, every third unknown, and one asked for twice.
    let mut wanted: Vec<Object> = all.iter().rev().cloned().collect();
    for (at, slot) in wanted.iter_mut().enumerate().filter(|(at, _)| at % 3 == 0) {
        *slot = chunk(10_000 + at as u64, 10);
    }
    wanted.extend(all.last().cloned());
    let ids: Vec<ChunkId> = wanted.iter().map(chunk_id).collect();
    let has = store.has_chunks(&ids)?;
    for check in [Check::Verify, Check::Trust] {
        let read = store.read_chunks(&ids, check)?;
        assert_eq!(read.len(), ids.len());
        for ((object, held), bytes) in wanted.iter().zip(&has).zip(read) {
            assert_eq!(*held, all.iter().any(|one| chunk_id(one) == chunk_id(object)));
            assert_eq!(bytes, held.then(|| bytes_of(object)));
        }
    }
    assert_eq!(store.has_chunks(&[])?, Vec::<bool>::new());
    assert!(store.read_chunks(&[], Check::Verify)?.is_empty());
    Ok(())
}

fn bounds_hold(subject: &mut dyn Subject) -> Result<()> {
    let store = subject.store();
    let too_many = vec![ChunkId::of(b"none"); limits::BATCH_IDS + 1];
    assert!(matches!(store.has_chunks(&too_many), Err(Error::Invalid(_))), "a batch has a bound");
    for len in [0, limits::CHUNK_BYTES + 1] {
        let refused = store.append(vec![chunk(1, len)]);
        assert!(matches!(refused, Err(Error::Invalid(_))), "a chunk of {len} bytes is taken");
    }
    let largest = chunk(1, limits::CHUNK_BYTES);
    store.append(vec![largest.clone(), chunk(2, 1)])?;
    store.commit()?;
    assert_eq!(read(store, &largest)?, Some(bytes_of(&largest)));
    Ok(())
}

fn marks_only_rise(subject: &mut dyn Subject) -> Result<()> {
    let store = subject.store();
    let (one, absent) = (page(1), page(2));
    store.append(vec![one.clone()])?;
    store.commit()?;
    let (paged, full) =
        (Mark::Page(page_id(&one), PageState::Paged), Mark::Page(page_id(&one), PageState::Full));
    store.mark(&[paged, Mark::Page(page_id(&absent), PageState::Full)])?;
    assert_eq!(states(store, &[&one, &absent])?, [PageState::Paged, PageState::Absent]);
    store.mark(&[full, paged])?;
    assert_eq!(states(store, &[&one])?, [PageState::Full], "a mark was lowered");
    Ok(())
}

fn statements_in_order(subject: &mut dyn Subject) -> Result<()> {
    let (a, b) = (library(1), library(2));
    let made = [
        statement(b, StatementKind::Channel, 1)?,
        statement(a, StatementKind::Channel, 300)?,
        statement(a, StatementKind::Channel, 2)?,
        statement(a, StatementKind::Release, 1)?,
    ];
    subject.store().append(made.to_vec())?;
    assert!(subject.store().statements(None, StatementKind::Channel)?.is_empty());
    subject.store().commit()?;
    subject.crash();
    let store = subject.store();
    let [b1, a300, a2, release] = made.map(|object| bytes_of(&object));
    let listed = |library, kind| -> Result<Vec<Bytes>> {
        Ok(store.statements(library, kind)?.into_iter().map(|(_, bytes)| bytes).collect())
    };
    assert_eq!(listed(Some(&a), StatementKind::Channel)?, [a2.clone(), a300.clone()]);
    assert_eq!(listed(Some(&a), StatementKind::Release)?, [release]);
    let (first, second) = if a < b { (vec![a2, a300], vec![b1]) } else { (vec![b1], vec![a2, a300]) };
    assert_eq!(listed(None, StatementKind::Channel)?, [first, second].concat());
    Ok(())
}

/// Statements that say different things at one sequence, in the order in which they came, whatever their ids.
fn first_stays_first(subject: &mut dyn Subject) -> Result<()> {
    let made: Vec<Statement> = (0..8).map(|n| said(1, n, &[5])).collect::<Result<_>>()?;
    for said in &made {
        subject.store().append(vec![Object::from(said)])?;
        subject.store().commit()?;
    }
    let ids: Vec<_> = made.iter().map(Statement::id).collect();
    assert!(!ids.is_sorted(), "the test needs ids in another order");
    for _ in 0..2 {
        let listed = subject.store().statements(None, StatementKind::Release)?;
        assert_eq!(listed.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ids);
        subject.crash();
    }
    Ok(())
}

fn statements_change(subject: &mut dyn Subject) -> Result<()> {
    let (one, other) = (said(1, 1, &[5])?, said(2, 2, &[5])?);
    let more = one.cosign(&Key::from_seed([6; 32]))?;
    subject.store().append(vec![Object::from(&one), Object::from(&other)])?;
    subject.store().commit()?;
    subject.store().append(vec![Object::from(&more)])?;
    subject.store().commit()?;
    let listed = |subject: &dyn Subject| -> Result<Vec<Bytes>> {
        let all = subject.store().statements(None, StatementKind::Release)?;
        Ok(all.into_iter().map(|(_, bytes)| bytes).collect())
    };
    assert_eq!(
        listed(subject)?,
        [one.bytes().clone(), other.bytes().clone()],
        "what is held is not written again"
    );
    subject.store().append(vec![Object::countersigned(&more)])?;
    subject.store().commit()?;
    subject.crash();
    assert_eq!(listed(subject)?, [more.bytes().clone(), other.bytes().clone()], "signatures are lost");
    subject.store().mark(&[Mark::Outdated(one.id())])?;
    assert_eq!(listed(subject)?, [other.bytes().clone()], "an outdated statement is listed");
    Ok(())
}

fn refs_move(subject: &mut dyn Subject) -> Result<()> {
    let (live, canary) = (ref_move("live", 1), ref_move("canary", 1));
    let later = ref_move("live", 2);
    subject.store().append(vec![Object::Ref(live.clone()), Object::Ref(canary.clone())])?;
    assert!(subject.store().refs()?.is_empty(), "a ref moved before its commit");
    subject.store().commit()?;
    let mut refs = subject.store().refs()?;
    refs.sort_by(|a, b| a.channel.cmp(&b.channel));
    assert_eq!(refs, [canary.clone(), live]);
    subject.store().append(vec![chunk(1, 10), Object::Ref(later.clone())])?;
    subject.store().commit()?;
    subject.crash();
    let mut refs = subject.store().refs()?;
    refs.sort_by(|a, b| a.channel.cmp(&b.channel));
    assert_eq!(refs, [canary, later]);
    assert!(has(subject.store(), &chunk(1, 10))?, "a ref is visible and what came before it is not");
    Ok(())
}

fn damage_is_found_and_healed(subject: &mut dyn Subject) -> Result<()> {
    let (one, two, page) = (chunk(1, 3000), chunk(2, 3000), page(1));
    subject.store().append(vec![one.clone(), two.clone(), page.clone()])?;
    subject.store().commit()?;
    assert!(subject.store().lost()?.is_empty());
    subject.damage(LostId::Chunk(chunk_id(&one)));
    subject.damage(LostId::Page(page_id(&page)));
    let store = subject.store();
    assert!(matches!(read(store, &one), Err(Error::Corrupt(_))), "damage is not found by a verified read");
    assert!(matches!(store.read_pages(&[page_id(&page)]), Err(Error::Corrupt(_))));
    let mut lost = store.lost()?;
    lost.sort();
    assert_eq!(lost, [LostId::Chunk(chunk_id(&one)), LostId::Page(page_id(&page))]);
    assert!(!has(store, &one)?, "a lost chunk counts as held");
    assert_eq!(states(store, &[&page])?, [PageState::Absent]);
    assert_eq!(read(store, &two)?, Some(bytes_of(&two)), "the neighbour suffers");

    let appended = store.append(vec![one.clone(), page.clone()])?;
    assert_eq!((appended.chunks, appended.pages), (1, 1), "what is lost is written again");
    store.commit()?;
    assert!(store.lost()?.is_empty(), "what was written again is still lost");
    subject.crash();
    let store = subject.store();
    assert_eq!(read(store, &one)?, Some(bytes_of(&one)));
    assert_eq!(store.read_pages(&[page_id(&page)])?, [Some(bytes_of(&page))]);
    assert!(store.lost()?.is_empty());
    Ok(())
}

fn poison_stops_writes(subject: &mut dyn Subject) -> Result<()> {
    let (kept, page) = (chunk(1, 100), page(1));
    subject.store().append(vec![kept.clone(), page.clone()])?;
    subject.store().commit()?;
    subject.poison();
    let store = subject.store();
    assert!(matches!(store.append(vec![chunk(2, 100)]), Err(Error::Poisoned(_))));
    assert!(matches!(store.commit(), Err(Error::Poisoned(_))));
    assert!(matches!(store.mark(&[Mark::Page(page_id(&page), PageState::Full)]), Err(Error::Poisoned(_))));
    assert_eq!(read(store, &kept)?, Some(bytes_of(&kept)), "a poisoned store still reads");
    subject.crash();
    subject.store().append(vec![chunk(3, 100)])?;
    subject.store().commit()?;
    assert!(has(subject.store(), &chunk(3, 100))? && has(subject.store(), &kept)?);
    Ok(())
}

/// A chunk of `len` bytes that differ for every `seed`.
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

fn page(seed: u64) -> Object {
    let bytes = Bytes::from(format!("page {seed}").repeat(20));
    Object::Page { id: PageId::unbound(&bytes), bytes }
}

fn library(seed: u8) -> LibraryId {
    LibraryId::of(&[seed])
}

/// A signed statement of either kind that needs no more than a name and an id.
fn statement(library: LibraryId, kind: StatementKind, sequence: u64) -> Result<Object> {
    let key = Key::from_seed([7; 32]);
    let body = match kind {
        StatementKind::Channel => Body::Channel(Channel {
            name: "live".to_owned(),
            release: StatementId::of(b"a release"),
            active: key.public(),
            follow: false,
            term: None,
        }),
        _ => Body::Release(Release {
            parents: Vec::new(),
            manifest: ManifestId::unbound(b"a table"),
            message: String::new(),
            classes: Vec::new(),
        }),
    };
    let header = Header { library: Some(library), sequence, time_ms: 1 };
    Ok(Object::from(&Statement::sign(header, &body, &[&key])?))
}

/// A release that is told from others of its sequence by `n`.
fn said(sequence: u64, n: i64, seeds: &[u8]) -> Result<Statement> {
    let body = Body::Release(Release {
        parents: Vec::new(),
        manifest: ManifestId::unbound(b"a table"),
        message: String::new(),
        classes: Vec::new(),
    });
    let header = Header { library: Some(library(1)), sequence, time_ms: n };
    let keys: Vec<_> = seeds.iter().map(|seed| Key::from_seed([*seed; 32])).collect();
    Statement::sign(header, &body, &keys.iter().collect::<Vec<_>>())
}

fn ref_move(channel: &str, sequence: u64) -> RefMove {
    RefMove {
        library: library(1),
        channel: channel.to_owned(),
        statement: StatementId::of(&sequence.to_be_bytes()),
        release: StatementId::of(channel.as_bytes()),
        sequence,
    }
}

fn bytes_of(object: &Object) -> Bytes {
    match object {
        Object::Chunk { bytes, .. } | Object::Page { bytes, .. } | Object::Statement { bytes, .. } => {
            bytes.clone()
        }
        Object::Ref(_) => Bytes::new(),
    }
}

fn chunk_id(object: &Object) -> ChunkId {
    ChunkId::of(&bytes_of(object))
}

fn page_id(object: &Object) -> PageId {
    PageId::unbound(&bytes_of(object))
}

fn has(store: &dyn Store, object: &Object) -> Result<bool> {
    Ok(store.has_chunks(&[chunk_id(object)])? == [true])
}

fn read(store: &dyn Store, object: &Object) -> Result<Option<Bytes>> {
    Ok(store.read_chunks(&[chunk_id(object)], Check::Verify)?.pop().flatten())
}

fn states(store: &dyn Store, pages: &[&Object]) -> Result<Vec<PageState>> {
    store.page_states(&pages.iter().map(|page| page_id(page)).collect::<Vec<_>>())
}
