//! The thread that writes segment files: what the log decides, in its order.
//!
//! ```text
//! log: packs ──steps──► disk: writes ──groups──► settle: syncs, tells index and waiters
//! ```
//!
//! While one group is made durable the next is written already, but not its end: **no marker is written before the group
//! ahead of it is durable**, and no segment is begun before the one ahead of it is. So whatever a crash leaves, all that
//! stands before a marker but its own group was acknowledged, as if groups were written one at a time.

use std::{sync::Arc, thread};

use chuan_engine::{
    Error, Result, limits,
    segment::{Footer, FooterEntry, SegmentHeader, SegmentId, align_up},
};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{
    Options,
    aligned::AlignedBuf,
    entry::Position,
    file::AppendFile,
    group::Piece,
    layout::Layout,
    queue::{Queue, Refusal},
    settle::{self, Answer, Durable, Settled},
    space::{self, Space},
    walk,
};

/// What a segment's first allocation is, so that a small store stays small.
const FIRST_ALLOCATION: u64 = 4 * 1024 * 1024;
/// Steps that wait at most: the log packs one piece while another is written.
const STEPS: usize = 2;

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Begin a segment.
    Create(SegmentHeader),
    /// Write blocks of the open group.
    Write(Piece),
    /// Write the last blocks of the open group, and make it durable.
    Commit(Piece, Settled),
    /// End the segment with the footer for these records; those before `listed_from` are read back from the file.
    Seal { segment: SegmentId, end: u64, entries: Vec<FooterEntry>, listed_from: u64 },
    /// Answer once all groups before are durable and visible.
    Barrier(Answer),
}

/// The thread, as the log sees it.
#[derive(Debug)]
pub(crate) struct Disk {
    steps: Option<Sender<Step>>,
    /// Buffers that were written.
    free: Receiver<AlignedBuf>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Disk {
    /// Starts the thread. It appends to `file`, where one is given, after `end`.
    pub(crate) fn start(
        layout: Layout,
        options: Options,
        file: Option<(AppendFile, Position)>,
        queue: Arc<Queue>,
        settle: settle::Settle,
    ) -> Result<Self> {
        let (steps, steps_in) = bounded(STEPS);
        let (used, free) = bounded(STEPS + 1);
        let open = file.map(|(file, position)| Open {
            file,
            number: position.segment,
            end: position.end,
            is_new: false,
        });
        let writer = Writer { layout, options, open, used, settle, queue };
        let thread = thread::Builder::new()
            .name("chuan-disk".to_owned())
            .spawn(move || writer.run(&steps_in))
            .map_err(|error| Error::io("start the store's disk thread", error))?;
        Ok(Self { steps: Some(steps), free, thread: Some(thread) })
    }

    /// Hands on a step; waits while too much is under way.
    pub(crate) fn send(&self, step: Step) -> Result<()> {
        // Whoever is gone has told the queue why.
        let gone = || Error::Poisoned("the store's disk thread is gone".to_owned());
        self.steps.as_ref().ok_or_else(gone)?.send(step).map_err(|_| gone())
    }

    /// A buffer that was written before, if there is one.
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

/// The thread's own state.
struct Writer {
    layout: Layout,
    options: Options,
    open: Option<Open>,
    used: Sender<AlignedBuf>,
    settle: settle::Settle,
    queue: Arc<Queue>,
}

/// The segment that is written.
struct Open {
    file: AppendFile,
    number: u32,
    /// The end of the last group.
    end: u64,
    /// Whether its name in the directory may not be durable.
    is_new: bool,
}

impl Writer {
    fn run(mut self, steps: &Receiver<Step>) {
        let _guard = self.queue.guard();
        for step in steps {
            if let Err(error) = self.step(step) {
                // In place before anyone who waits for an answer finds nobody there.
                self.queue.refuse(Refusal::of(&error));
                return;
            }
        }
        if let Err(error) = self.close() {
            tracing::warn!(
                "the store was closed in haste and will be looked over at the next start: {error}"
            );
        }
    }

    fn step(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Create(header) => self.create(&header),
            Step::Write(piece) => self.write(piece),
            Step::Commit(piece, settled) => self.commit(piece, settled),
            Step::Seal { segment, end, entries, listed_from } => {
                self.settle.wait()?;
                self.seal(segment, end, entries, listed_from)
            }
            Step::Barrier(answer) => self.settle.barrier(answer),
        }
    }

    fn create(&mut self, header: &SegmentHeader) -> Result<()> {
        self.settle.wait()?;
        let file = AppendFile::create(&self.layout.segment(header.number), &self.options)?;
        let mut open = Open { file, number: header.number, end: limits::SEGMENT_BLOCK as u64, is_new: true };
        // A store that has filled a segment is likely to fill the next: it is allocated in one piece.
        let first = if header.number > 1 { self.options.segment_bytes } else { FIRST_ALLOCATION };
        open.preallocate(first.min(self.options.segment_bytes), &self.layout);
        let mut block = AlignedBuf::with_capacity(limits::SEGMENT_BLOCK);
        block.push(&header.encode());
        // Durable with the first group: without one, nothing of the segment counts.
        open.file.write(block.as_slice(), 0)?;
        self.open = Some(open);
        Ok(())
    }

    fn write(&mut self, piece: Piece) -> Result<()> {
        let Some(open) = &mut self.open else { return Err(no_segment()) };
        let end = piece.offset + piece.buf.len() as u64;
        open.make_room(end, &self.layout, &self.options)?;
        open.file.write(piece.buf.as_slice(), piece.offset)?;
        // A full pool lets the buffer go.
        let _ = self.used.try_send(piece.buf);
        Ok(())
    }

    fn commit(&mut self, piece: Piece, settled: Settled) -> Result<()> {
        // The piece holds the markers.
        self.settle.wait()?;
        self.write(piece)?;
        let Some(open) = &mut self.open else { return Err(no_segment()) };
        open.end = settled.position.end;
        let durable = Durable {
            file: open.file.handle(),
            is_new: std::mem::take(&mut open.is_new),
            slack: open.file.allocated().saturating_sub(open.end),
        };
        self.settle.group(durable, settled)
    }

    /// Ends the open segment with its footer. Nothing is synced: the records are durable, and a footer that is lost or
    /// torn costs a scan.
    fn seal(
        &mut self,
        segment: SegmentId,
        end: u64,
        mut entries: Vec<FooterEntry>,
        listed_from: u64,
    ) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Err(no_segment()) };
        if listed_from > limits::SEGMENT_BLOCK as u64 {
            let path = self.layout.segment(open.number);
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

    /// An orderly end: gives preallocated space back, and what was written of a group that was never ended.
    fn close(&mut self) -> Result<()> {
        self.settle.wait()?;
        if self.queue.is_refused() {
            return Ok(());
        }
        match &mut self.open {
            Some(open) if open.file.allocated() > open.end => open.file.truncate(open.end),
            _ => Ok(()),
        }
    }
}

impl Open {
    /// Allocates up to `end` and beyond, where there is space; fails where `end` would go into the reserve.
    fn make_room(&mut self, end: u64, layout: &Layout, options: &Options) -> Result<()> {
        if end <= self.file.allocated() {
            return Ok(());
        }
        let wanted = align_up(end - self.file.allocated());
        if Space::of(layout.dir())?.usable() < wanted {
            return Err(space::full(layout.dir(), "the disk is full"));
        }
        if end > FIRST_ALLOCATION {
            self.preallocate(options.segment_bytes.max(end), layout);
        }
        if end > self.file.allocated() {
            self.file.allocate(end);
        }
        Ok(())
    }

    /// Allocates up to `end` if that leaves at least as much again.
    fn preallocate(&mut self, end: u64, layout: &Layout) {
        let wanted = end.saturating_sub(self.file.allocated());
        if Space::of(layout.dir()).is_ok_and(|space| space.usable() / 2 >= wanted) {
            self.file.allocate(end);
        }
    }
}

fn no_segment() -> Error {
    Error::Invalid("a group without a segment".to_owned())
}
