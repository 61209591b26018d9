//! The thread that writes segment files: it carries out the steps of the log, in order.
//!
//! ```text
//! log: packs ──steps──► disk: writes ──groups──► settle: syncs, updates index, answers waiters
//! ```
//!
//! While one group is made durable, the next is written already, but not its end: **no marker is written
//! before the group ahead of it is durable**, and no segment is begun before the segment ahead of it is. So
//! after any crash, all records before a marker, except those of its own group, were acknowledged, as if
//! groups were written one at a time. All libraries share this one order of steps: their groups lie in files
//! of their own and share nothing else.

use std::{sync::Arc, thread};

use chuan_engine::{
    Error, Result,
    id::LibraryId,
    limits,
    segment::{Footer, FooterEntry, SegmentHeader, SegmentName, align_up},
};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    Options,
    aligned::AlignedBuf,
    file::AppendFile,
    group::Piece,
    layout::Layout,
    queue::{Queue, Refusal},
    settle::{self, Answer, Durable, Settled},
    space::{self, Space},
    walk,
};

/// The first allocation of a library, small so that a small library stays small. Each further allocation
/// doubles the size.
const FIRST_ALLOCATION: u64 = 256 * 1024;
/// Maximum steps that wait: the log packs one piece while another is written.
const STEPS: usize = 2;

/// One step of the disk thread.
#[derive(Debug)]
pub(crate) enum Step {
    /// Begin a segment.
    Create(SegmentHeader, Allocation),
    /// Open a segment again, to append after `end`.
    Resume { number: u32, library: LibraryId, end: u64 },
    /// Write blocks of a group to a segment.
    Write(u32, Piece),
    /// Write the last blocks of a group, and make it durable.
    Commit(Piece, Settled),
    /// Seal a segment with a footer for these records. Records before `listed_from` are listed from the file.
    Seal { number: u32, segment: SegmentName, end: u64, entries: Vec<FooterEntry>, listed_from: u64 },
    /// Close a segment after its last group, to be resumed later.
    Close { number: u32, end: u64 },
    /// Answer once all earlier groups are durable and visible.
    Barrier(Answer),
}

/// How much is allocated to a new segment at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// Little: it is the first segment of its library.
    First,
    /// The maximum size of a segment.
    Whole,
}

/// The log's handle to the thread.
#[derive(Debug)]
pub(crate) struct Disk {
    steps: Option<Sender<Step>>,
    /// Buffers that were written and are free again.
    free: Receiver<AlignedBuf>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread.
    pub(crate) fn start(
        layout: Layout,
        options: Options,
        queue: Arc<Queue>,
        settle: settle::Settle,
    ) -> Result<Self> {
        let (steps, steps_in) = bounded(STEPS);
        let (used, free) = bounded(STEPS + 1);
        let writer = Writer { layout, options, open: Vec::new(), used, settle, queue };
        let thread = thread::Builder::new()
            .name("chuan-disk".to_owned())
            .spawn(move || writer.run(&steps_in))
            .map_err(|error| Error::io("start the store's disk thread", error))?;
        Ok(Self { steps: Some(steps), free, thread: Some(thread) })
    }

    /// Sends a step; blocks while too many steps wait.
    pub(crate) fn send(&self, step: Step) -> Result<()> {
        // The thread has reported to the queue why it ended.
        let gone = || Error::Poisoned("the store's disk thread is gone".to_owned());
        self.steps.as_ref().ok_or_else(gone)?.send(step).map_err(|_| gone())
    }

    /// A free buffer, if there is one.
    pub(crate) fn free_buffer(&self) -> Option<AlignedBuf> {
        self.free.try_recv().ok()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.steps = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's disk thread panicked");
        }
    }
}

/// The state of the thread.
struct Writer {
    layout: Layout,
    options: Options,
    /// At most [`OPEN_SEGMENTS`](limits::OPEN_SEGMENTS): the log ensures that.
    open: Vec<OpenSegment>,
    used: Sender<AlignedBuf>,
    settle: settle::Settle,
    queue: Arc<Queue>,
}

/// A segment that is open for writing.
struct OpenSegment {
    file: AppendFile,
    number: u32,
    library: LibraryId,
    /// The end of the last group.
    end: u64,
    /// Whether its directory entry may not be durable yet.
    is_new: bool,
}

impl Writer {
    fn run(mut self, steps: &Receiver<Step>) {
        let _guard = self.queue.guard();
        for step in steps {
            if let Err(error) = self.step(step) {
                // Set before the thread ends: a caller that waits for an answer then finds the reason.
                self.queue.refuse(Refusal::of(&error));
                return;
            }
        }
        if let Err(error) = self.close_all() {
            tracing::warn!(
                "the store was not closed in an orderly way and will be checked at the next start: {error}"
            );
        }
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Create(header, allocation) => self.create(&header, allocation),
            Step::Resume { number, library, end } => self.resume(number, library, end),
            Step::Write(number, piece) => self.write(number, piece),
            Step::Commit(piece, settled) => self.commit(piece, settled),
            Step::Seal { number, segment, end, entries, listed_from } => {
                self.settle.wait()?;
                self.seal(number, segment, end, entries, listed_from)
            }
            Step::Close { number, end } => self.close(number, end),
            Step::Barrier(answer) => self.settle.barrier(answer),
        }
    }

    fn create(&mut self, header: &SegmentHeader, allocation: Allocation) -> Result<()> {
        self.settle.wait()?;
        let SegmentHeader { name, number } = *header;
        let file = AppendFile::create(&self.layout.segment(number), &self.options)?;
        let end = limits::SEGMENT_BLOCK as u64;
        let mut open = OpenSegment { file, number, library: name.library, end, is_new: true };
        let first = match allocation {
            Allocation::First => FIRST_ALLOCATION,
            Allocation::Whole => self.options.segment_bytes,
        };
        open.preallocate(first.min(self.options.segment_bytes), &self.layout);
        let mut block = AlignedBuf::with_capacity(limits::SEGMENT_BLOCK);
        block.push(&header.encode());
        // Durable with the first group: without a group, nothing of the segment is valid.
        open.file.write(block.as_slice(), 0)?;
        self.open.push(open);
        Ok(())
    }

    fn resume(&mut self, number: u32, library: LibraryId, end: u64) -> Result<()> {
        let file = AppendFile::open(&self.layout.segment(number), &self.options)?;
        self.queue.set_slack(&library, file.allocated().saturating_sub(end));
        self.open.push(OpenSegment { file, number, library, end, is_new: false });
        Ok(())
    }

    fn write(&mut self, number: u32, piece: Piece) -> Result<()> {
        let open = self.open.iter_mut().find(|open| open.number == number).ok_or_else(no_segment)?;
        let end = piece.offset + piece.buf.len() as u64;
        open.make_room(end, &self.layout, &self.options)?;
        open.file.write(piece.buf.as_slice(), piece.offset)?;
        // If the pool is full, the buffer is freed.
        let _ = self.used.try_send(piece.buf);
        Ok(())
    }

    fn commit(&mut self, piece: Piece, settled: Settled) -> Result<()> {
        let number = settled.position.segment;
        // The piece holds the markers.
        self.settle.wait()?;
        self.write(number, piece)?;
        let open = self.open.iter_mut().find(|open| open.number == number).ok_or_else(no_segment)?;
        open.end = settled.position.end;
        let durable = Durable {
            file: open.file.handle(),
            is_new: std::mem::take(&mut open.is_new),
            slack: open.file.allocated().saturating_sub(open.end),
        };
        self.settle.group(durable, settled)
    }

    /// Seals a segment with its footer. Nothing is synced: the records are durable, and a lost or torn footer
    /// only costs a scan.
    fn seal(
        &mut self,
        number: u32,
        segment: SegmentName,
        end: u64,
        mut entries: Vec<FooterEntry>,
        listed_from: u64,
    ) -> Result<()> {
        let mut open = self.take(number)?;
        if listed_from > limits::SEGMENT_BLOCK as u64 {
            let path = self.layout.segment(number);
            let mut before = walk::list(&path, segment, limits::SEGMENT_BLOCK as u64, listed_from)?;
            before.append(&mut entries);
            entries = before;
        }
        let at = u32::try_from(end).map_err(|_| Error::Invalid("a segment beyond 4 GiB".to_owned()))?;
        let bytes = Footer { segment, entries }.encode(at);
        let mut aligned = AlignedBuf::with_capacity(bytes.len());
        aligned.push(&bytes);
        open.file.write(aligned.as_slice(), end)?;
        open.file.truncate(end + bytes.len() as u64)
    }

    /// Closes a segment that is not used for now, and frees its preallocated space.
    fn close(&mut self, number: u32, end: u64) -> Result<()> {
        self.settle.wait()?;
        let mut open = self.take(number)?;
        debug_assert_eq!(open.end, end, "a segment is closed between groups");
        open.give_back()?;
        self.queue.set_slack(&open.library, 0);
        Ok(())
    }

    fn take(&mut self, number: u32) -> Result<OpenSegment> {
        let at = self.open.iter().position(|open| open.number == number).ok_or_else(no_segment)?;
        Ok(self.open.swap_remove(at))
    }

    /// An orderly end: frees preallocated space and cuts off written parts of groups that were never ended.
    fn close_all(&mut self) -> Result<()> {
        self.settle.wait()?;
        if self.queue.is_refused() {
            return Ok(());
        }
        self.open.iter_mut().try_for_each(OpenSegment::give_back)
    }
}

impl OpenSegment {
    /// Allocates up to `end` and beyond, if there is space; fails if `end` would go into the reserve.
    fn make_room(&mut self, end: u64, layout: &Layout, options: &Options) -> Result<()> {
        if end <= self.file.allocated() {
            return Ok(());
        }
        let wanted = align_up(end - self.file.allocated());
        if Space::of(layout.dir())?.usable() < wanted {
            return Err(space::full(layout.dir(), "the disk is full"));
        }
        let doubled = (2 * self.file.allocated()).max(FIRST_ALLOCATION).min(options.segment_bytes);
        self.preallocate(doubled.max(end), layout);
        if end > self.file.allocated() {
            self.file.allocate(end);
        }
        Ok(())
    }

    /// Allocates up to `end` if at least as much space remains.
    fn preallocate(&mut self, end: u64, layout: &Layout) {
        let wanted = end.saturating_sub(self.file.allocated());
        if Space::of(layout.dir()).is_ok_and(|space| space.usable() / 2 >= wanted) {
            self.file.allocate(end);
        }
    }

    /// Cuts the file after its last group.
    fn give_back(&mut self) -> Result<()> {
        if self.file.allocated() > self.end { self.file.truncate(self.end) } else { Ok(()) }
    }
}

fn no_segment() -> Error {
    Error::Invalid("a group without a segment".to_owned())
}
