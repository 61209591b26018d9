//! The requirements on every ledger, as one suite: each implementation runs [`run`] from its own tests.
//!
//! The checks panic with `assert!` where a guarantee of [`Ledger`] is broken. They use the trait and
//! [`Subject`] only.

use bytes::Bytes;

use crate::{
    error::{Error, Result},
    id::{LibraryId, ManifestId, StatementId},
    limits,
    statement::{Body, Channel, Header, Key, Release, Statement, StatementKind},
    store::{
        RefMove,
        ledger::{Ledger, Record},
    },
};

/// A ledger under test, and the failures that the suite causes.
pub trait Subject {
    /// The ledger.
    fn ledger(&self) -> &dyn Ledger;
    /// Simulates the loss of the process. The ledger is open again afterwards.
    fn crash(&mut self);
    /// Damages a record beyond repair, in all copies. The damage may be found only when the ledger is opened
    /// again.
    fn damage(&mut self, arrival: u64);
    /// Makes a write of some file of the home fail, so that the ledger is poisoned.
    fn poison(&mut self);
}

/// The check of one guarantee.
type Guarantee = fn(&mut dyn Subject) -> Result<()>;

/// Runs every check, each on a fresh ledger.
pub fn run(make: &dyn Fn() -> Box<dyn Subject>) {
    let checks: [(&str, Guarantee); 10] = [
        ("acknowledged means durable", acknowledged_means_durable),
        ("statements are listed in order", statements_in_order),
        ("the first of one sequence stays the first", first_stays_first),
        ("appending is idempotent", appending_is_idempotent),
        ("more signatures keep the arrival number", signatures_are_kept),
        ("superseded statements are not listed", superseded_are_not_listed),
        ("refs move", refs_move),
        ("a batch is kept whole or not at all, and within bounds", bounds_hold),
        ("damage is named, and other records stay valid", damage_is_named),
        ("poison stops writes, not reads", poison_stops_writes),
    ];
    for (name, check) in checks {
        let mut subject = make();
        if let Err(error) = check(subject.as_mut()) {
            panic!("{name}: {error}");
        }
    }
}

fn acknowledged_means_durable(subject: &mut dyn Subject) -> Result<()> {
    assert_eq!(subject.ledger().highest_arrival(), 0, "a fresh ledger has given no number");
    let (one, two) = (release(1, 1, 1, &[5])?, release(1, 2, 1, &[5])?);
    subject.ledger().append(vec![
        Record::from(&one),
        Record::from(&two),
        Record::Ref(ref_move("live", 1)),
    ])?;
    for _ in 0..2 {
        let kept = subject.ledger().statements(None, StatementKind::Release)?;
        let [first, second] = kept.as_slice() else { panic!("{} statements for two", kept.len()) };
        assert_eq!((first.id, &first.bytes, first.library), (one.id(), one.bytes(), library(1)));
        assert_eq!((second.id, &second.bytes, second.library), (two.id(), two.bytes(), library(1)));
        assert!(0 < first.arrival && first.arrival < second.arrival, "arrival numbers do not ascend from 1");
        assert!(second.arrival < subject.ledger().highest_arrival(), "a ref has no arrival number");
        assert_eq!(subject.ledger().refs()?, [ref_move("live", 1)]);
        assert!(subject.ledger().lost()?.is_empty());
        subject.crash();
    }
    let highest = subject.ledger().highest_arrival();
    subject.ledger().append(vec![Record::from(&release(1, 3, 1, &[5])?)])?;
    assert!(highest < subject.ledger().highest_arrival(), "a number was given twice");
    Ok(())
}

fn statements_in_order(subject: &mut dyn Subject) -> Result<()> {
    let (a, b) = (library(1), library(2));
    let [b1, a300, a2] = [channel(2, 1)?, channel(1, 300)?, channel(1, 2)?];
    let other = release(1, 1, 1, &[5])?;
    let made = [&b1, &a300, &a2, &other];
    subject.ledger().append(made.into_iter().map(Record::from).collect())?;
    for _ in 0..2 {
        assert_eq!(listed(subject, Some(&a), StatementKind::Channel)?, [a2.id(), a300.id()]);
        assert_eq!(listed(subject, Some(&b), StatementKind::Channel)?, [b1.id()]);
        assert_eq!(listed(subject, Some(&a), StatementKind::Release)?, [other.id()]);
        assert_eq!(listed(subject, Some(&b), StatementKind::Release)?, []);
        let (of_a, of_b) = (vec![a2.id(), a300.id()], vec![b1.id()]);
        let all = if a < b { [of_a, of_b] } else { [of_b, of_a] }.concat();
        assert_eq!(listed(subject, None, StatementKind::Channel)?, all);
        subject.crash();
    }
    Ok(())
}

/// Different statements of one sequence are listed in the order of arrival, whatever their ids.
fn first_stays_first(subject: &mut dyn Subject) -> Result<()> {
    let made: Vec<Statement> = (0..8).map(|n| release(1, 1, n, &[5])).collect::<Result<_>>()?;
    for statement in &made {
        subject.ledger().append(vec![Record::from(statement)])?;
    }
    let ids: Vec<_> = made.iter().map(Statement::id).collect();
    assert!(!ids.is_sorted(), "the test needs ids in another order");
    for _ in 0..2 {
        assert_eq!(listed(subject, None, StatementKind::Release)?, ids);
        subject.crash();
    }
    Ok(())
}

fn appending_is_idempotent(subject: &mut dyn Subject) -> Result<()> {
    let one = release(1, 1, 1, &[5])?;
    let more = one.cosign(&Key::from_seed([6; 32]))?;
    subject.ledger().append(vec![Record::from(&one), Record::from(&one)])?;
    subject.ledger().append(vec![Record::from(&one), Record::from(&more)])?;
    for _ in 0..2 {
        let kept = subject.ledger().statements(None, StatementKind::Release)?;
        assert_eq!(
            kept.iter().map(|kept| &kept.bytes).collect::<Vec<_>>(),
            [one.bytes()],
            "it is kept again"
        );
        subject.crash();
    }
    Ok(())
}

fn signatures_are_kept(subject: &mut dyn Subject) -> Result<()> {
    let (one, other) = (release(1, 1, 1, &[5])?, release(1, 1, 2, &[5])?);
    let more = one.cosign(&Key::from_seed([6; 32]))?;
    subject.ledger().append(vec![Record::from(&one), Record::from(&other)])?;
    let arrivals = |subject: &dyn Subject| -> Result<Vec<(u64, Bytes)>> {
        let kept = subject.ledger().statements(None, StatementKind::Release)?;
        Ok(kept.into_iter().map(|kept| (kept.arrival, kept.bytes)).collect())
    };
    let before = arrivals(subject)?;
    subject.ledger().append(vec![Record::countersigned(&more)])?;
    for _ in 0..2 {
        let expected: Vec<_> =
            before.iter().map(|(at, _)| *at).zip([more.bytes().clone(), other.bytes().clone()]).collect();
        assert_eq!(arrivals(subject)?, expected, "signatures are lost, or the arrival number has changed");
        subject.crash();
    }
    Ok(())
}

fn superseded_are_not_listed(subject: &mut dyn Subject) -> Result<()> {
    let (one, two) = (release(1, 1, 1, &[5])?, release(1, 2, 1, &[5])?);
    subject.ledger().append(vec![Record::from(&one), Record::from(&two)])?;
    let highest = subject.ledger().highest_arrival();
    subject.ledger().supersede(&[one.id()])?;
    assert_eq!(
        listed(subject, None, StatementKind::Release)?,
        [two.id()],
        "a superseded statement is listed"
    );
    subject.crash();
    assert!(listed(subject, None, StatementKind::Release)?.contains(&two.id()));
    assert!(subject.ledger().highest_arrival() >= highest, "numbers went back");
    Ok(())
}

fn refs_move(subject: &mut dyn Subject) -> Result<()> {
    let (live, canary, later) = (ref_move("live", 1), ref_move("canary", 1), ref_move("live", 2));
    let foreign = RefMove { library: library(2), ..live.clone() };
    for record in [&live, &canary, &foreign, &later] {
        subject.ledger().append(vec![Record::Ref(record.clone())])?;
    }
    for _ in 0..2 {
        let mut refs = subject.ledger().refs()?;
        refs.sort_by_key(|to| (to.library != library(1), to.channel.clone()));
        assert_eq!(refs, [canary.clone(), later.clone(), foreign.clone()]);
        subject.crash();
    }
    Ok(())
}

fn bounds_hold(subject: &mut dyn Subject) -> Result<()> {
    let one = Record::from(&release(1, 1, 1, &[5])?);
    let long = RefMove { channel: "x".repeat(limits::NAME_BYTES + 1), ..ref_move("live", 1) };
    let nameless = RefMove { channel: String::new(), ..ref_move("live", 1) };
    for wrong in [long, nameless] {
        let refused = subject.ledger().append(vec![one.clone(), Record::Ref(wrong)]);
        assert!(matches!(refused, Err(Error::Invalid(_))), "a channel's name has no bound");
    }
    let Record::Statement { id, library, kind, sequence, .. } = one else { return Ok(()) };
    for len in [0, limits::STATEMENT_BYTES + 1] {
        let bytes = Bytes::from(vec![0; len]);
        let wrong = Record::Statement { id, library, kind, sequence, bytes, again: false };
        let refused = subject.ledger().append(vec![wrong]);
        assert!(matches!(refused, Err(Error::Invalid(_))), "a statement of {len} bytes is taken");
    }
    for _ in 0..2 {
        assert_eq!(listed(subject, None, StatementKind::Release)?, [], "a part of a refused batch is kept");
        assert!(subject.ledger().refs()?.is_empty());
        subject.crash();
    }
    Ok(())
}

fn damage_is_named(subject: &mut dyn Subject) -> Result<()> {
    let made: Vec<Statement> = (1..=3).map(|n| release(1, n, 1, &[5])).collect::<Result<_>>()?;
    for statement in &made {
        subject.ledger().append(vec![Record::from(statement)])?;
    }
    let before = subject.ledger().statements(None, StatementKind::Release)?;
    let [first, second, third] = before.as_slice() else { panic!("{} statements for three", before.len()) };
    let highest = subject.ledger().highest_arrival();
    subject.damage(second.arrival);
    for _ in 0..2 {
        subject.crash();
        let lost: Vec<u64> = subject.ledger().lost()?.iter().map(|lost| lost.arrival).collect();
        assert_eq!(lost, [second.arrival], "the lost record is not named");
        let kept = subject.ledger().statements(None, StatementKind::Release)?;
        assert_eq!(kept, [first.clone(), third.clone()], "other records are not as they were");
        assert_eq!(subject.ledger().highest_arrival(), highest, "numbers went back");
    }
    subject.ledger().append(made.iter().map(Record::from).collect())?;
    for _ in 0..2 {
        let ids: Vec<_> = made.iter().map(Statement::id).collect();
        assert_eq!(
            listed(subject, None, StatementKind::Release)?,
            ids,
            "a lost statement that was appended again is not kept"
        );
        subject.crash();
    }
    Ok(())
}

fn poison_stops_writes(subject: &mut dyn Subject) -> Result<()> {
    let (one, two) = (release(1, 1, 1, &[5])?, release(1, 2, 1, &[5])?);
    subject.ledger().append(vec![Record::from(&one)])?;
    subject.poison();
    assert!(matches!(subject.ledger().append(vec![Record::from(&two)]), Err(Error::Poisoned(_))));
    assert!(matches!(subject.ledger().supersede(&[one.id()]), Err(Error::Poisoned(_))));
    assert_eq!(listed(subject, None, StatementKind::Release)?, [one.id()], "a poisoned ledger still reads");
    subject.crash();
    subject.ledger().append(vec![Record::from(&two)])?;
    assert_eq!(listed(subject, None, StatementKind::Release)?, [one.id(), two.id()]);
    Ok(())
}

fn listed(
    subject: &dyn Subject,
    library: Option<&LibraryId>,
    kind: StatementKind,
) -> Result<Vec<StatementId>> {
    let kept = subject.ledger().statements(library, kind)?;
    Ok(kept.into_iter().map(|kept| kept.id).collect())
}

fn library(seed: u8) -> LibraryId {
    LibraryId::of(&[seed])
}

/// A release of library number `of`. `n` distinguishes releases of one sequence.
fn release(of: u8, sequence: u64, n: i64, seeds: &[u8]) -> Result<Statement> {
    let body = Body::Release(Release {
        parents: Vec::new(),
        manifest: ManifestId::of(&library(of), b"a table"),
        message: String::new(),
        classes: Vec::new(),
    });
    let header = Header { library: Some(library(of)), sequence, time_ms: n };
    let keys: Vec<_> = seeds.iter().map(|seed| Key::from_seed([*seed; 32])).collect();
    Statement::sign(header, &body, &keys.iter().collect::<Vec<_>>())
}

/// A channel statement of library number `of`.
fn channel(of: u8, sequence: u64) -> Result<Statement> {
    let key = Key::from_seed([7; 32]);
    let body = Body::Channel(Channel {
        name: "live".to_owned(),
        release: StatementId::of(b"a release"),
        active: key.public(),
        follow: false,
        term: None,
    });
    Statement::sign(Header { library: Some(library(of)), sequence, time_ms: 1 }, &body, &[&key])
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
