//! Finds the records that no copy has, from what is left: arrival numbers, frame headers and record headers.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{Scan, Side, plan::Merged, record::LedgerRecord, scan::Damage};

/// Returns lost records in place of those that are missing from `records`, and the highest arrival number
/// assigned.
pub(super) fn find(scans: &[(Side, &Scan)], records: &BTreeMap<u64, Merged>) -> (Vec<LedgerRecord>, u64) {
    let base = scans.iter().map(|(_, scan)| scan.base()).max().unwrap_or(0);
    let highest = highest(scans, records, base);
    let heads = heads(scans, records);
    let place = |number: u64| place(scans, number);
    let mut lost: BTreeMap<u64, LedgerRecord> = heads
        .iter()
        .map(|(number, head)| (*number, LedgerRecord::lost_like(head, &place(*number))))
        .collect();
    // Above the base, numbers are assigned without gaps.
    for gap in gaps(base.saturating_add(1)..=highest, records, &lost) {
        lost.insert(*gap.start(), LedgerRecord::lost(*gap.start(), *gap.end(), &place(*gap.start())));
    }
    // Up to the base, only the count of records tells whether some are missing. The damaged ranges tell
    // where.
    let carried = scans.iter().find_map(|(_, scan)| scan.header).map(|header| header.records);
    let here = records.range(..=base).count() + lost.range(..=base).count();
    if carried.is_none_or(|carried| (here as u64) < carried) {
        for hole in holes(scans) {
            let (first, last) = (*hole.start(), (*hole.end()).min(base));
            for gap in gaps(first..=last, records, &lost) {
                lost.insert(*gap.start(), LedgerRecord::lost(*gap.start(), *gap.end(), &place(*gap.start())));
            }
        }
    }
    (lost.into_values().collect(), highest)
}

/// The highest number that the readable frames and records name. It is one higher if a copy of the newest
/// generation has bytes after all of these: copies of one generation have the same bytes at the same offsets,
/// so at least one more number was assigned. It is one higher too if instead every such copy ends inside the
/// part that the generation began with: nothing tells whether batches followed. A batch that was begun only
/// in `a` is not considered: it was cut off before.
fn highest(scans: &[(Side, &Scan)], records: &BTreeMap<u64, Merged>, base: u64) -> u64 {
    let merged = records.values().map(|merged| merged.record.last()).max().unwrap_or(0);
    let known = scans.iter().map(|(_, scan)| scan.reach()).max().unwrap_or(0).max(merged).max(base);
    let newest = scans.iter().map(|(_, scan)| scan.identity.generation).max();
    let newest =
        || scans.iter().map(|(_, scan)| scan).filter(move |scan| Some(scan.identity.generation) == newest);
    let end = newest().map(|scan| scan.len).max();
    let goes_on = end > newest().map(|scan| scan.known_end()).max();
    known.saturating_add(u64::from(goes_on || newest().all(|scan| scan.is_cut_in_image())))
}

/// Records of which only headers are left, by number.
fn heads(scans: &[(Side, &Scan)], records: &BTreeMap<u64, Merged>) -> BTreeMap<u64, LedgerRecord> {
    let damage = scans.iter().flat_map(|(_, scan)| &scan.damage);
    let heads = damage.flat_map(|damage| &damage.heads);
    heads.filter(|head| !records.contains_key(&head.number)).map(|head| (head.number, head.clone())).collect()
}

/// The ranges of numbers in `range` that are in neither `records` nor `lost`.
fn gaps(
    range: RangeInclusive<u64>,
    records: &BTreeMap<u64, Merged>,
    lost: &BTreeMap<u64, LedgerRecord>,
) -> Vec<RangeInclusive<u64>> {
    if range.is_empty() {
        return Vec::new();
    }
    let mut taken: Vec<(u64, u64)> = records
        .range(range.clone())
        .map(|(number, merged)| (*number, merged.record.last()))
        .chain(lost.range(range.clone()).map(|(number, record)| (*number, record.last())))
        .collect();
    taken.sort_unstable();
    let mut gaps = Vec::new();
    let mut next = *range.start();
    for (first, last) in taken {
        if first > next {
            gaps.push(next..=first - 1);
        }
        next = next.max(last.saturating_add(1));
    }
    if next <= *range.end() {
        gaps.push(next..=*range.end());
    }
    gaps
}

/// Ranges of numbers in which every copy is damaged.
fn holes(scans: &[(Side, &Scan)]) -> Vec<RangeInclusive<u64>> {
    let mut common = vec![0..=u64::MAX];
    for (_, scan) in scans {
        let mut own: Vec<_> = scan.damage.iter().map(|damage| hole(scan, damage)).collect();
        if scan.closing.is_none() {
            // The copy may end inside the part that its generation began with.
            let last = scan.records.last_key_value().map_or(0, |(_, at)| at.record.last());
            own.push(last.saturating_add(1)..=u64::MAX);
        }
        common = common
            .iter()
            .flat_map(|hole| {
                own.iter().map(|own| *hole.start().max(own.start())..=*hole.end().min(own.end()))
            })
            .filter(|hole| !hole.is_empty())
            .collect();
    }
    common
}

/// The numbers that a damaged range may have held.
fn hole(scan: &Scan, damage: &Damage) -> RangeInclusive<u64> {
    if let Some(header) = damage.header {
        return header.first..=header.last;
    }
    let before = scan.records.values().take_while(|at| at.offset < damage.offset).last();
    let after = scan.records.values().find(|at| at.offset >= damage.end);
    let first = before.map_or(0, |at| at.record.last()).saturating_add(1);
    first..=after.map_or(u64::MAX, |at| at.record.number.saturating_sub(1))
}

/// Where the record with this number was, for people.
fn place(scans: &[(Side, &Scan)], number: u64) -> String {
    let places = scans.iter().filter_map(|(side, scan)| {
        let damage = scan.damage.iter().find(|damage| hole(scan, damage).contains(&number))?;
        Some(format!("{side} at {}", damage.offset))
    });
    let places: Vec<_> = places.collect();
    if places.is_empty() { "no copy has it".to_owned() } else { places.join(", ") }
}
