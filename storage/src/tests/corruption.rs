//! A flipped bit anywhere either makes no difference, or is logged with the file's name, and `rebuild` then
//! restores everything that the segments still hold. `CHUAN_FLIPS` sets how many offsets are tried.

use std::{fs, path::Path};

use chuan_engine::{
    segment::RECORD_HEADER_BYTES,
    store::objects::{Object, Objects},
};

use super::support::{
    Contents, FILMS, Numbers, capture_log, chunk, contents, copy_dir, files, films, flip, name, page, put,
    read_back, rebuild, scratch, small,
};
use crate::{DiskStore, Result};

const SEED: u64 = 20_261_122;
const FLIPS: u64 = 150;

/// A store with several segments, an index with several generations of tables, and the range of each record.
struct Template {
    objects: Vec<Object>,
    /// Segment file, first byte and end of each object's record.
    spans: Vec<(String, u64, u64)>,
}

fn template(dir: &Path) -> Template {
    let mut objects: Vec<Object> = (0..60).map(|seed| chunk(seed, 200 + seed as usize * 180)).collect();
    objects.extend((0..12).map(page));
    for part in objects.chunks(30) {
        let store = DiskStore::open(dir, small()).unwrap();
        for objects in part.chunks(5) {
            put(&films(&store), objects);
        }
    }
    let store = DiskStore::open(dir, small()).unwrap();
    let mut spans = vec![(String::new(), 0, 0); objects.len()];
    let index = store.inner().index.get().unwrap();
    index
        .visit(&FILMS, |indexed, place| {
            let is_it = |object: &Object| name(object) == format!("{:?}", indexed.id());
            let at = objects.iter().position(is_it).unwrap();
            let start = u64::from(place.offset);
            let file = format!("segments/{:08}.seg", place.segment);
            spans[at] = (file, start, start + RECORD_HEADER_BYTES as u64 + u64::from(place.stored_len));
            Ok(())
        })
        .unwrap();
    Template { objects, spans }
}

/// Half of the offsets are spread evenly over the files, the other half by length.
fn sample(dir: &Path, count: u64) -> Vec<(String, u64, u8)> {
    let mut numbers = Numbers(SEED);
    let all: Vec<(String, u64)> = files(dir)
        .into_iter()
        .filter(|(_, len)| *len > 0)
        .map(|(path, len)| (path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned(), len))
        .collect();
    let total: u64 = all.iter().map(|(_, len)| len).sum();
    let pick_long = |at: u64| {
        let mut at = at;
        let file = all.iter().find(|(_, len)| {
            let here = at < *len;
            at = if here { at } else { at - len };
            here
        });
        (file.unwrap().0.clone(), at)
    };
    (0..count)
        .map(|round| {
            let (file, offset) = if round % 2 == 0 {
                pick_long(numbers.below(total))
            } else {
                let (file, len) = &all[(round / 2) as usize % all.len()];
                (file.clone(), numbers.below(*len))
            };
            (file, offset, numbers.below(8) as u8)
        })
        .collect()
}

/// Uses the store as a user does: opens it and reads everything.
fn use_store(dir: &Path, objects: &[Object]) -> Result<(Contents, Vec<String>)> {
    let store = DiskStore::open(dir, small())?;
    let (found, mut errors) = read_back(&films(&store), objects);
    if let Err(error) = films(&store).lost() {
        errors.push(error.to_string());
    }
    Ok((found, errors))
}

#[test]
fn a_flipped_bit_is_never_a_silent_loss() {
    let home = scratch();
    let (whole, broken) = (home.path().join("whole"), home.path().join("broken"));
    let template = template(&whole);
    let expected = contents(&template.objects);
    assert_eq!(use_store(&whole, &template.objects).unwrap(), (expected.clone(), Vec::new()));
    let count = std::env::var("CHUAN_FLIPS").ok().and_then(|count| count.parse().ok()).unwrap_or(FLIPS);
    let (mut harmless, mut reported) = (0, 0);
    for (file, offset, bit) in sample(&whole, count) {
        let at = format!("seed {SEED}: {file}, byte {offset}, bit {bit}");
        if broken.exists() {
            fs::remove_dir_all(&broken).unwrap();
        }
        copy_dir(&whole, &broken);
        flip(&broken.join(&file), offset, bit);
        let (used, mut logged) = capture_log(|| use_store(&broken, &template.objects));
        let found = match used {
            Ok((found, errors)) => {
                logged.extend(errors);
                found
            }
            Err(error) => {
                logged.push(error.to_string());
                Contents::new()
            }
        };
        for (name, bytes) in &found {
            assert_eq!(expected.get(name), Some(bytes), "{at}: wrong bytes");
        }
        if found == expected {
            harmless += 1;
            continue;
        }
        reported += 1;
        let named = if file.starts_with("segments") { file.as_str() } else { "index" };
        assert!(logged.iter().any(|line| line.contains(named)), "{at}: {named} is not named in {logged:?}");
        let (_, _) = capture_log(|| rebuild(&broken).unwrap());
        let ((found, _), _) = capture_log(|| use_store(&broken, &template.objects).unwrap());
        for (object, (segment, start, end)) in template.objects.iter().zip(&template.spans) {
            let hit = *segment == file && (*start..*end).contains(&offset);
            assert!(hit || found.contains_key(&name(object)), "{at}: {} did not come back", name(object));
        }
    }
    println!("{count} flips: {harmless} made no difference, {reported} were reported");
    assert!(reported > 0);
}
