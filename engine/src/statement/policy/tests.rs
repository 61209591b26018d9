//! The form of a policy: one form for one meaning, unknown fields kept, and bounds enforced.

use proptest::prelude::*;

use super::*;

fn sample() -> Policy {
    let news = ClassPolicy {
        mirror: Some(Mirror::Dynamic),
        every_ms: 300_000,
        priority: 200,
        complete_by_ms: 3_600_000,
        rto_ms: 900_000,
        rpo_ms: 3_600_000,
        viewers: 5000,
        replicas: 3,
        regions: ["cn-north", "eu"].map(|name| name.parse().unwrap()).to_vec(),
        keep_releases: 10,
        keep_ms: 90 * 86_400_000,
        max_stale_ms: 600_000,
        unknown: Vec::new(),
    };
    Policy {
        junk: false,
        excludes: vec!["*.part".into(), "!keep.part".into(), "cache/".into()],
        classes: BTreeMap::from([(2, news)]),
        unknown: Vec::new(),
    }
}

fn encode(policy: &Policy) -> Vec<u8> {
    let mut out = Vec::new();
    policy.encode(&mut out);
    out
}

fn decode(bytes: &[u8]) -> Result<Policy> {
    let mut reader = Reader::new(bytes, "policy");
    let policy = Policy::decode(&mut reader)?;
    reader.finish()?;
    policy.check()?;
    Ok(policy)
}

#[test]
fn the_bytes_are_the_format() {
    let row = concat!(
        "01000100",
        "03",
        "02000800",
        "e093040000000000",
        "03000100",
        "c8",
        "04000800",
        "80ee360000000000",
        "05000800",
        "a0bb0d0000000000",
        "06000800",
        "80ee360000000000",
        "07000800",
        "8813000000000000",
        "08000200",
        "0300",
        "09000f00",
        "02",
        "0800",
        "636e2d6e6f727468",
        "0200",
        "6575",
        "0a000800",
        "0a00000000000000",
        "0b000800",
        "00587ccf01000000",
        "0c000800",
        "c027090000000000",
    );
    let whole = [
        concat!("01000100", "00"),
        concat!(
            "02001e00",
            "0300",
            "0600",
            "2a2e70617274",
            "0a00",
            "216b6565702e70617274",
            "0600",
            "63616368652f"
        ),
        "02018300",
        row,
    ];
    assert_eq!(data_encoding::HEXLOWER.encode(&encode(&sample())), whole.concat());
    assert_eq!(decode(&encode(&sample())).unwrap(), sample());
    assert_eq!(decode(&[]).unwrap(), Policy::default(), "no bytes set no field");
    assert!(Policy::default().junk, "junk is left out unless the policy says otherwise");
}

/// A newer chuan sets more fields: an older one keeps them, passes them on, and uses the others, unless an
/// unknown field is critical.
#[test]
fn unknown_fields_are_kept() {
    let field = |number, critical| Field { number, critical, value: b"crisis".to_vec() };
    let mut policy = sample();
    policy.unknown = vec![field(3, false), field(700, false)];
    policy.classes.get_mut(&2).unwrap().unknown = vec![field(13, false)];
    assert_eq!(decode(&encode(&policy)).unwrap(), policy);
    assert_eq!(policy.unknown_critical(), None);
    policy.classes.get_mut(&2).unwrap().unknown.push(field(14, true));
    let read = decode(&encode(&policy)).unwrap();
    assert_eq!((read.unknown_critical(), &read), (Some(14), &policy));
}

#[test]
fn one_meaning_has_one_form() {
    for (bytes, why) in [
        (&[1, 0, 1, 0, 1][..], "the default for junk is not written"),
        (&[1, 0x80, 1, 0, 0], "a known field is not critical"),
        (&[2, 0, 2, 0, 0, 0], "an empty list of excludes is not written"),
        (&[0, 1, 0, 0], "an empty row is left out"),
        (&[0, 1, 5, 0, 3, 0, 1, 0, 0], "a priority of zero is not written"),
        (&[3, 0, 0, 0, 1, 0, 1, 0, 0], "fields ascend"),
        (&[3, 0, 0, 0, 3, 0, 0, 0], "each field is there once"),
        (&[1, 0, 2, 0, 0, 0], "a value has no bytes behind it"),
    ] {
        assert!(decode(bytes).is_err(), "{why}");
    }
    let good = encode(&sample());
    for at in 0..good.len() {
        // A policy that is cut off at the end of a field is a shorter policy.
        assert!([0, 5, 39].contains(&at) || decode(&good[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn bounds_and_paths_are_refused() {
    let of = |edit: &dyn Fn(&mut Policy)| {
        let mut policy = sample();
        edit(&mut policy);
        policy.check().unwrap_err().to_string()
    };
    for pattern in ["masters/secret.mov", "/masters", "a/b/", ""] {
        let error = of(&|policy| policy.excludes = vec![pattern.into()]);
        assert!(error.contains("the exclude"), "{pattern}: {error}");
    }
    of(&|policy| policy.excludes = vec!["x".into(); POLICY_EXCLUDES + 1]);
    of(&|policy| drop(policy.classes.insert(64, sample().classes[&2].clone())));
    of(&|policy| drop(policy.classes.insert(3, ClassPolicy::default())));
    of(&|policy| policy.unknown = vec![Field { number: EXCLUDES, critical: false, value: vec![] }]);
    of(&|policy| policy.classes.get_mut(&2).unwrap().regions.reverse());
    let error = of(&|policy| policy.excludes = (0..60).map(|n| format!("{n}{}", "x".repeat(1000))).collect());
    assert!(error.contains("bytes of a policy"), "{error}");
}

#[test]
fn staleness_needs_an_age() {
    let row = ClassPolicy { max_stale_ms: 1000, ..ClassPolicy::default() };
    assert!(row.is_stale(None) && row.is_stale(Some(1001)) && !row.is_stale(Some(1000)));
    assert!(!ClassPolicy::default().is_stale(None), "without a maximum age nothing is stale");
}

proptest! {
    #[test]
    fn decoded_policies_are_canonical(edits in prop::collection::vec((any::<u16>(), any::<u8>(), 0..3u8), 1..6)) {
        let mut bytes = encode(&sample());
        for (at, byte, how) in edits {
            let at = usize::from(at) % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        if let Ok(policy) = decode(&bytes) {
            prop_assert_eq!(encode(&policy), bytes);
        }
    }
}
