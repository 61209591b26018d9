//! Brings an index up to date with the content of the segments after the positions it knows. This happens at
//! open, where the log also learns where to continue, and when a new index is built beside the one in use.
//!
//! The rules, for each library separately: a record is valid if a marker follows it. Only bytes after the
//! last marker of the library's last segment are ever cut. A record that is damaged before a marker is
//! reported with its file and offset, its id is put into the lost set if it is known, and its bytes stay. A
//! segment in which anything new or damaged was found is not appended to again: its last sync may have
//! failed. A segment whose library is known neither from its header nor from the index is left alone and
//! reported: none of its records is given to any library.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
};

use chuan_engine::{
    Error, Result,
    id::LibraryId,
    own_file,
    segment::{FIRST_GROUP, FooterEntry, RECORD_HEADER_BYTES, RecordKey, SegmentName, align_up},
    store::ObjectId,
};

use crate::{
    digest::{Damaged, Digest},
    entry::{Indexed, Location},
    index::{Change, Index},
    layout::Layout,
    log::{Resume, ResumeLibrary},
    rebuild::DamagedPlace,
    slot::Positions,
    view::{HeaderState, Sealing, SegmentView},
};

/// Damage reports kept for the caller; all are logged.
const REPORTS: usize = 1000;
/// Records moved to the lost set at a time.
const LOSE_BATCH: usize = 1024;

/// The result of a recovery.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Where the log continues; only used at open.
    pub(crate) resume: Resume,
    /// Segments whose records were listed from their footer or scanned.
    pub(crate) segments: u64,
    /// Segments that had to be scanned.
    pub(crate) scanned: u64,
    /// Records that were given to the index.
    pub(crate) records: u64,
    /// Damage, each with its file and offset.
    pub(crate) damage: Vec<DamagedPlace>,
}

/// Whether the store is written in the meantime.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until<'a> {
    /// The store is not written: everything in the segments is taken, the torn remains of a crash are cut,
    /// and the records of missing segments are lost.
    End,
    /// The store is written: groups are taken up to these positions, which are durable, and no file is
    /// changed. Another index knows these segments.
    Durable(&'a Positions, &'a BTreeMap<u32, SegmentName>),
}

/// Brings the index up to date with the segments. `progress` gets the segments done and the segments in all.
pub(crate) fn recover(
    layout: &Layout,
    index: &Index,
    until: Until<'_>,
    progress: &dyn Fn(u64, u64),
) -> Result<Recovered> {
    let numbers = layout.list_segments()?;
    let known = index.segments();
    let mut recovery =
        Recovery { layout, index, until, positions: index.positions()?, recovered: Recovered::default() };
    if matches!(until, Until::End) {
        recovery.lose_missing(&numbers, &known)?;
    }
    // Also numbers of segments of which nothing is left: a number is used once.
    let known_ends = recovery.positions.values().map(|position| &position.segment);
    let last = numbers.last().into_iter().chain(known.keys()).chain(known_ends).max().copied();
    recovery.recovered.resume.last_segment = last.unwrap_or(0);
    recovery.begin_resume();
    let (todo, names) = recovery.todo(&numbers, &known)?;
    // The last segment of each library: the only one that may be cut or appended to.
    let last: BTreeMap<LibraryId, u32> = names.iter().map(|(number, name)| (name.library, *number)).collect();
    for (done, number) in (0..).zip(&todo) {
        progress(done, todo.len() as u64);
        let view = SegmentView::open(layout, *number, names.get(number).copied())?;
        recovery.segment(&view, &last)?;
    }
    progress(todo.len() as u64, todo.len() as u64);
    Ok(recovery.recovered)
}

struct Recovery<'a> {
    layout: &'a Layout,
    index: &'a Index,
    until: Until<'a>,
    /// The positions of the index, updated during the recovery.
    positions: Positions,
    recovered: Recovered,
}

impl Recovery<'_> {
    /// Where the log continues if nothing new is found.
    fn begin_resume(&mut self) {
        let libraries = self.positions.iter().map(|(library, position)| {
            let has_sealed = false;
            (*library, ResumeLibrary { open: None, last_group: position.group, has_sealed })
        });
        self.recovered.resume.libraries = libraries.collect();
    }

    /// The segments that may hold records unknown to the index, and their names.
    fn todo(
        &self,
        numbers: &[u32],
        known: &BTreeMap<u32, SegmentName>,
    ) -> Result<(Vec<u32>, BTreeMap<u32, SegmentName>)> {
        let mut todo = Vec::new();
        let mut names = BTreeMap::new();
        for number in numbers {
            let is_behind = |name: &SegmentName| {
                self.positions.get(&name.library).is_some_and(|position| *number < position.segment)
            };
            let also_known = match self.until {
                Until::End => None,
                Until::Durable(_, known) => known.get(number),
            };
            let mut name = known.get(number).or(also_known).copied();
            if name.is_none() {
                name = SegmentView::name(self.layout, *number)?;
            }
            if name.as_ref().is_some_and(is_behind) {
                continue;
            }
            todo.push(*number);
            names.extend(name.map(|name| (*number, name)));
        }
        Ok((todo, names))
    }

    /// Takes in one segment, from the position that the index knows, or from the start.
    fn segment(&mut self, view: &SegmentView, last: &BTreeMap<LibraryId, u32>) -> Result<()> {
        let Some(name) = view.name else { return self.unknown_library(view) };
        let Some(limit) = self.limit(view, &name) else { return Ok(()) };
        self.recovered.segments += 1;
        let known = self.positions.get(&name.library).copied().filter(|known| known.segment == view.number);
        if known.is_some_and(|position| position.id != name.id) {
            let path = view.path.display();
            return Err(Error::Corrupt(format!(
                "the index knows another segment than {path}; it is rebuilt"
            )));
        }
        if view.header != HeaderState::Intact {
            self.report(format!("{} at offset 0: the segment header is damaged", view.path.display()));
        }
        let start = known.map_or(FIRST_GROUP, |position| position.end);
        if align_up(view.len) < start {
            let path = view.path.display();
            let why = format!(
                "{path} at offset {}: the file ends here, but {start} bytes were committed",
                view.len
            );
            self.report(why.clone());
            return self.lose_where(&name.library, |location| {
                (location.segment == view.number && end_of(location) > view.len).then_some(why.as_str())
            });
        }
        let group = self.positions.get(&name.library).map_or(0, |position| position.group);
        let mut digest = Digest::new(view, name, known, group);
        match &view.footer {
            Sealing::Sealed { footer, .. } => digest.take_footer(&footer.entries, start)?,
            Sealing::Open | Sealing::Damaged { .. } => {
                self.recovered.scanned += 1;
                if matches!(view.footer, Sealing::Damaged { .. }) {
                    let text = format!("{}: the footer is damaged", view.path.display());
                    digest.damage.push(Damaged { id: None, is_gap: false, text });
                }
                digest.scan(start, limit)?;
            }
        }
        self.finish_segment(view, name, digest, last.get(&name.library) == Some(&view.number))
    }

    /// Handles a segment of an unknown library. A crash right after the file was created leaves one; nothing
    /// was acknowledged in it.
    fn unknown_library(&mut self, view: &SegmentView) -> Result<()> {
        if matches!(self.until, Until::End) && !view.is_blank()? {
            self.report(format!(
                "{} at offset 0: the segment header is damaged, so its library is unknown; it is \
                 quarantined: nothing of it is read, and the file stays as it is",
                view.path.display()
            ));
        }
        Ok(())
    }

    /// The offset up to which a segment is read; `None` if it is not read.
    fn limit(&self, view: &SegmentView, name: &SegmentName) -> Option<u64> {
        let end = view.records_end();
        match self.until {
            Until::End => Some(end),
            Until::Durable(durable, _) => {
                let position = durable.get(&name.library)?;
                match view.number.cmp(&position.segment) {
                    std::cmp::Ordering::Less => Some(end),
                    std::cmp::Ordering::Equal => Some(end.min(position.end)),
                    std::cmp::Ordering::Greater => None,
                }
            }
        }
    }

    /// Adds the records and damage found to the index, and decides whether the segment may be appended to.
    fn finish_segment(
        &mut self,
        view: &SegmentView,
        name: SegmentName,
        digest: Digest<'_>,
        is_last: bool,
    ) -> Result<()> {
        let found_nothing = digest.position.end == digest.start && digest.damage.is_empty();
        for Damaged { id, is_gap, text } in &digest.damage {
            let (library, id, is_gap) = (Some(name.library), *id, *is_gap);
            self.list(DamagedPlace { text: text.clone(), library, id, is_gap });
        }
        if !found_nothing {
            let damaged: Vec<(ObjectId, String)> =
                digest.damage.into_iter().filter_map(|damaged| Some((damaged.id?, damaged.text))).collect();
            self.recovered.records += digest.records.len() as u64;
            let change = Change {
                library: name.library,
                records: &digest.records,
                fresh: false,
                damaged: &damaged,
                position: digest.position,
            };
            self.index.apply(&change)?;
            self.positions.insert(name.library, digest.position);
        }
        let resume = self.recovered.resume.libraries.entry(name.library).or_default();
        resume.last_group = resume.last_group.max(digest.position.group);
        resume.has_sealed |= matches!(view.footer, Sealing::Sealed { .. });
        if !matches!(self.until, Until::End) || !is_last || !matches!(view.footer, Sealing::Open) {
            return Ok(());
        }
        if let Some(torn) = digest.torn.filter(|_| !self.index.is_read_only()) {
            cut(view, digest.position.end, torn)?;
        }
        if found_nothing && digest.torn.is_none() && view.header == HeaderState::Intact {
            resume.open = Some(digest.position);
        }
        Ok(())
    }

    /// Moves the records of segments whose files are gone to the lost set.
    fn lose_missing(&mut self, numbers: &[u32], known: &BTreeMap<u32, SegmentName>) -> Result<()> {
        let there: BTreeSet<u32> = numbers.iter().copied().collect();
        let mut gone: BTreeMap<LibraryId, BTreeMap<u32, String>> = BTreeMap::new();
        for (number, name) in known.iter().filter(|(number, _)| !there.contains(number)) {
            let file = self.layout.segment(*number);
            let why = format!("{}: the segment file is gone, with all its records", file.display());
            self.report(why.clone());
            gone.entry(name.library).or_default().insert(*number, why);
        }
        // One walk over the index of a library, however many of its segments are missing.
        for (library, segments) in &gone {
            self.lose_where(library, |location| segments.get(&location.segment).map(String::as_str))?;
            segments.keys().try_for_each(|number| self.index.forget_segment(*number))?;
        }
        Ok(())
    }

    /// Moves a library's records to the lost set if `why` gives a reason.
    fn lose_where<'a>(&self, library: &LibraryId, why: impl Fn(&Location) -> Option<&'a str>) -> Result<()> {
        let mut lost = Vec::new();
        self.index.visit(library, |indexed, location| {
            if let Some(why) = why(&location) {
                lost.push((indexed, location, why.to_owned()));
            }
            if lost.len() == LOSE_BATCH {
                self.index.lose(library, &std::mem::take(&mut lost))?;
            }
            Ok(())
        })?;
        self.index.lose(library, &lost)
    }

    fn report(&mut self, text: String) {
        self.list(DamagedPlace { text, ..DamagedPlace::default() });
    }

    fn list(&mut self, damage: DamagedPlace) {
        match self.until {
            Until::End => tracing::error!("{}", damage.text),
            // The caller of a rebuild gets the damage, and finds out whether it does harm.
            Until::Durable(..) => tracing::info!("{}", damage.text),
        }
        if self.recovered.damage.len() < REPORTS {
            self.recovered.damage.push(damage);
        }
    }
}

/// The index key of a record; `None` if it is not indexed.
pub(crate) fn indexed(key: RecordKey) -> Option<Indexed> {
    match key {
        RecordKey::Chunk(id) => Some(Indexed::Chunk(id)),
        RecordKey::Page(id) => Some(Indexed::Page(id)),
        RecordKey::Marker(_) | RecordKey::Reserved(..) => None,
    }
}

/// The location of a record that a footer lists.
pub(crate) fn location(segment: u32, entry: &FooterEntry) -> Location {
    Location { segment, offset: entry.offset, stored_len: entry.stored_len, raw_len: entry.raw_len }
}

fn end_of(location: &Location) -> u64 {
    u64::from(location.offset) + RECORD_HEADER_BYTES as u64 + u64::from(location.stored_len)
}

/// Cuts off the bytes after the last marker of a library's last segment: they were never acknowledged.
fn cut(view: &SegmentView, end: u64, bytes: u64) -> Result<()> {
    tracing::warn!(
        "{}: cutting {bytes} bytes after the last marker, which no commit acknowledged",
        view.path.display()
    );
    own_file::open(OpenOptions::new().write(true), &view.path)
        .and_then(|file| file.set_len(end))
        .map_err(|error| Error::io(format!("truncate {}", view.path.display()), error))
}
