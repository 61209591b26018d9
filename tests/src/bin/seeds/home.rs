//! Seeds of the targets over small files of a home and over the index: `scan`, `index`, `peers`.

/// A record of the scan cache.
fn record(n: u64) -> Vec<u8> {
    let fields = [n + 1_793_000_000, n * 1000, 0xfe01].map(u64::to_le_bytes).concat();
    [fields, [7u32, 1].map(u32::to_le_bytes).concat()].concat()
}

/// Scan caches: after a byte that asks for right checksums, the header and the records without theirs.
pub(super) fn scan() -> Vec<Vec<u8>> {
    let file = |claimed: u64, records: u64| {
        let body = (0..records).flat_map(|n| if n % 3 == 0 { vec![0; 32] } else { record(n) });
        let header = [
            &b"CHSC\x01\0\0\0"[..],
            &1_793_000_000i64.to_le_bytes(),
            &5u32.to_le_bytes(),
            &[0; 4],
            &claimed.to_le_bytes(),
            &[0x9a; 32],
        ];
        [vec![1], header.concat(), body.collect()].concat()
    };
    let mut other = file(3, 3);
    if let Some(byte) = other.get_mut(40) {
        *byte ^= 1;
    }
    vec![file(0, 0), file(3, 3), file(2, 3), file(1030, 1030), file(u64::MAX, 2), other]
}

/// Entries of every column family: the number of the family, the key after its length, the value.
pub(super) fn index() -> Vec<Vec<u8>> {
    let (library, id) = ([1; 32], [2; 32]);
    let entry = |family: u8, key: Vec<u8>, value: Vec<u8>| {
        let len = u8::try_from(key.len()).unwrap_or(u8::MAX);
        [vec![family, len], key, value].concat()
    };
    let of = |prefix: u8| [&[prefix][..], &library].concat();
    let object = [library, id].concat();
    let location = |lens: [u32; 2]| [3, 4096, lens[0], lens[1]].map(u32::to_le_bytes).concat();
    let position =
        [&[1, 0, 0, 0][..], &[7; 16], &8192u64.to_le_bytes(), &[9, 0, 0, 0], &2u64.to_le_bytes()].concat();
    let lost = [&library[..], &[1], &id].concat();
    vec![
        entry(0, of(b'p'), position),
        entry(0, of(b't'), [4u64, 9000, 2, 700].map(u64::to_le_bytes).concat()),
        entry(0, vec![b's', 0, 0, 0, 3], [[7; 16].as_slice(), &library].concat()),
        entry(1, object.clone(), location([300, 300])),
        entry(1, object.clone(), location([300, 262_144])),
        entry(1, object.clone(), location([u32::MAX, u32::MAX])),
        entry(2, object.clone(), location([4000, 4000])),
        entry(3, object.clone(), vec![2]),
        entry(3, object, vec![3]),
        entry(4, lost, b"segments/00000003.seg at 4096".to_vec()),
    ]
}

/// Address books: a file after its length, then what other nodes tell.
pub(super) fn peers() -> Vec<Vec<u8>> {
    let file = |text: &str| {
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        [&len.to_le_bytes()[..], text.as_bytes()].concat()
    };
    let id = "5f".repeat(32);
    let one = format!(
        r#"{{"peers":[{{"id":"{id}","name":"镜像","addresses":["192.0.2.7:4433"],"hearsay":["203.0.113.1:1"],"libraries":["{id}"]}}]}}"#
    );
    let twice = format!(r#"{{"peers":[{{"id":"{id}","name":"a"}},{{"id":"{id}","name":"a"}}]}}"#);
    let many: Vec<_> = (0..40).map(|n| format!(r#""192.0.2.{n}:4433""#)).collect();
    let many = format!(r#"{{"peers":[{{"id":"{id}","addresses":[{0}],"hearsay":[{0}]}}]}}"#, many.join(","));
    let told = |node: u8, how: u8| vec![node << 4 | 1, 3, 0, 1, 2, how];
    let talk: Vec<u8> = (0..24).flat_map(|n| told(n % 6, n)).collect();
    vec![
        [file(""), talk.clone()].concat(),
        [file(&one), talk.clone()].concat(),
        [file(&twice), talk.clone()].concat(),
        [file(&many), talk].concat(),
        [file("{}"), vec![128, 1, 3, 5, b'a', b':', b'1', b'2', b'3', 1]].concat(),
    ]
}
