//! The asking side: fetches a release, verified from the signature down, and moves the channel last.
//!
//! ```text
//! pull ──► statements, table, headers, pages, chunks      the data that the source believes missing here
//!      ──► walk the held pages: is data missing? ◄─┐
//!          ──► pages and chunks by position ───────┘      until no data is missing
//!      ──► commit ──► mark whole ──► statements, channel ──► commit
//! ```
//!
//! The driver polls [`Fetch`] with [`poll_request`](Fetch::poll_request) and feeds it the frames of the
//! answers. `Fetch` opens no stream and reads no clock. It reads and writes the store, and so blocks. `claim`
//! verifies the statements, `opening` takes the first frames of a pull's answer, `intake` checks arrived data
//! against the expected data, `wants` finds the missing data and `completing` requests it.
//!
//! A source that does not have the release answers with the releases that it holds ([`Report::holding`]). The
//! fetch then ends without an error, and the driver chooses another source or another release.
//!
//! Where the release may not fit on the disk ([`Options::usable_bytes`]), `room` counts the missing chunks
//! before any of them is requested.
//!
//! A fetch that ends early leaves the library unchanged. The pages and chunks that arrived stay in the store,
//! and the next fetch with [`Options::resume`] requests the rest by position.

mod claim;
mod completing;
mod intake;
mod opening;
mod report;
mod room;
mod wants;

use std::{collections::BTreeMap, sync::Arc};

pub use self::report::{Options, Report};
use self::{
    claim::{Claim, Target},
    intake::Intake,
    room::Room,
    wants::{Ask, Wants},
};
use crate::{
    error::{Error, Result},
    id::{ChunkId, Commitment, PageId, StatementId},
    limits::FETCH_REQUESTS,
    manifest::table::{ClassHeader, ClassTable},
    statement::library::Library,
    store::Objects,
    sync::{
        delta::DeltaKind,
        frame::Frame,
        message::{End, Holding, Mode, Pull, Request, Scope, Want},
    },
};

/// A release being fetched from one source.
///
/// Poll [`poll_request`](Self::poll_request) until it returns `None`, and send each request. Feed every frame
/// of an answer to [`handle`](Self::handle) and the end of its stream to [`handle_end`](Self::handle_end),
/// and poll again. The fetch is over when `poll_request` returns `None` and no answer is outstanding: it is
/// done, or the source does not have the release. After an error only [`suspend`](Self::suspend) may be
/// called.
///
/// After each frame, stop the streams of the answers that [`poll_stop`](Self::poll_stop) returns: the rest of
/// these answers is useless, and their frames are dropped.
pub struct Fetch {
    options: Options,
    claim: Claim,
    intake: Intake,
    phase: Phase,
    target: Option<Target>,
    /// The release that the last pull named as announced.
    asked_for: Option<StatementId>,
    /// How often the pull was repeated because the source's statements announced a newer release.
    turns: u32,
    /// The releases that the source holds, where it does not have the wanted one.
    holding: Option<Holding>,
    table: Option<ClassTable>,
    headers: BTreeMap<Commitment, ClassHeader>,
    /// Classes still to be completed, the next at the end.
    left: Vec<(Commitment, ClassHeader)>,
    room: Room,
    wants: Wants,
    pass: Pass,
    in_flight: BTreeMap<u64, Flight>,
    /// Answers whose rest is useless, and whether their stream is still to be stopped.
    stopped: BTreeMap<u64, bool>,
    next_id: u64,
    /// The highest turn of which a frame has arrived.
    turn: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request was sent yet.
    New,
    /// The pull is under way.
    Pulling,
    /// Missing data is requested by position.
    Completing,
    /// The fetch is over: the release is whole here, or the source does not have it.
    Done,
}

/// One walk over a class.
#[derive(Clone, Debug, Default)]
struct Pass {
    /// Requested pages and chunks that did not come.
    undelivered: u64,
    /// [`Report::fetched`] at the start of the pass.
    before: (u64, u64),
    /// How many passes before this one, one after the other, brought no data.
    barren: u32,
    /// The versions of the class that are held whole; set with the first request for its chunks.
    have: Option<Vec<Commitment>>,
}

/// A request whose answer is outstanding.
#[derive(Debug, Default)]
struct Flight {
    turn: u64,
    pages: Vec<PageId>,
    chunks: Vec<ChunkId>,
    ended: bool,
}

impl Fetch {
    /// Prepares to fetch `want` into `store`, the objects of the library. `library` is the state of the
    /// library that is known now. The fetch keeps its own copy, stores no statement and moves no channel: the
    /// [`Report`] has the statements when it is done. `now_ms` is the time in milliseconds since 1970.
    pub fn new(
        store: Arc<dyn Objects>,
        library: Library,
        want: Want,
        now_ms: i64,
        options: Options,
    ) -> Result<Self> {
        if store.library() != library.id() {
            return Err(Error::Invalid("a fetch into the objects of another library".into()));
        }
        Ok(Self {
            claim: Claim::new(library, want, options.node, now_ms),
            options,
            intake: Intake::new(store)?,
            phase: Phase::New,
            target: None,
            asked_for: None,
            turns: 0,
            holding: None,
            table: None,
            headers: BTreeMap::new(),
            left: Vec::new(),
            room: Room::default(),
            wants: Wants::default(),
            pass: Pass::default(),
            in_flight: BTreeMap::new(),
            stopped: BTreeMap::new(),
            next_id: 0,
            turn: 0,
        })
    }

    /// The progress of the fetch.
    pub fn report(&self) -> &Report {
        &self.intake.report
    }

    /// The next request that may be sent now, and the number of its answer. At most [`FETCH_REQUESTS`]
    /// requests by position are outstanding at a time.
    pub fn poll_request(&mut self) -> Result<Option<(u64, Request)>> {
        loop {
            match self.phase {
                Phase::New => {
                    self.phase = Phase::Pulling;
                    let pull = self.pull()?;
                    return Ok(Some(self.send(Flight::default(), pull)));
                }
                Phase::Pulling | Phase::Done => return Ok(None),
                Phase::Completing => {
                    if self.in_flight.len() >= FETCH_REQUESTS {
                        return Ok(None);
                    }
                    self.look_on()?;
                    if let Some(request) = self.ask()? {
                        return Ok(Some(request));
                    }
                    if !self.in_flight.is_empty() {
                        return Ok(None);
                    }
                    self.end_pass()?;
                }
            }
        }
    }

    /// Continues the walk until there is enough to request, or the walk is over. No chunks are requested
    /// while they are only counted.
    fn look_on(&mut self) -> Result<()> {
        loop {
            self.wants.walk(&mut self.intake)?;
            if !self.only_counts() {
                return Ok(());
            }
            let chunks = self.wants.take_chunks();
            if chunks.is_empty() {
                return Ok(());
            }
            self.intake.count_missing(&chunks);
        }
    }

    /// An answer whose rest is useless. Its stream may be stopped; the fetch does not wait for its end.
    pub fn poll_stop(&mut self) -> Option<u64> {
        let (id, _) = self.stopped.iter().find(|(_, is_open)| **is_open)?;
        let id = *id;
        self.stopped.insert(id, false);
        Some(id)
    }

    /// Takes a frame of the answer to request `id`.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] where the source broke the protocol or sent data that no verified object names; the
    /// [`Error`] that a refusal means; [`Error::Invalid`] where signed data is malformed; the store's errors.
    pub fn handle(&mut self, id: u64, frame: Frame) -> Result<()> {
        if self.stopped.contains_key(&id) {
            return Ok(());
        }
        let flight = self.in_flight.get(&id).filter(|flight| !flight.ended);
        let turn = flight.ok_or_else(|| Error::Peer("an answer continues after its end".into()))?.turn;
        self.turn = self.turn.max(turn);
        let useless = self.intake.useless_bytes();
        match self.phase {
            Phase::Pulling => self.take_opening(id, frame)?,
            _ => self.take_asked(id, frame)?,
        }
        if self.intake.useless_bytes() > useless { self.check_waste(id) } else { Ok(()) }
    }

    /// Takes a frame of the pull's answer.
    fn take_opening(&mut self, id: u64, frame: Frame) -> Result<()> {
        match frame {
            Frame::End(end) => self.end_answer(id, end),
            Frame::Error(refusal) => Err(refusal.into_error()),
            Frame::Holding(holding) if self.table.is_none() && self.headers.is_empty() => {
                self.take_holding(holding)
            }
            other if self.holding.is_some() => Err(out_of_place(&other)),
            Frame::Statement(bytes) if self.target.is_none() => {
                self.intake.report.statement_bytes += bytes.len() as u64;
                self.claim.offer(bytes)
            }
            Frame::Table(_) | Frame::Header(_) | Frame::Page(_) | Frame::Chunk(_) | Frame::Delta(_)
                if self.is_outdated()? =>
            {
                self.stop(id)
            }
            Frame::Chunk(_) if self.may_not_fit() => {
                self.count_first(id);
                Ok(())
            }
            Frame::Delta(delta) if delta.kind == DeltaKind::Chunks && self.may_not_fit() => {
                self.count_first(id);
                Ok(())
            }
            Frame::Table(bytes) if self.table.is_none() => self.take_table(bytes),
            Frame::Header(bytes) => self.take_header(bytes),
            Frame::Page(bytes) => match self.intake.page(bytes)? {
                Some(steps) => self.intake.learn(steps),
                None => Ok(()),
            },
            Frame::Chunk(chunk) => self.intake.chunk(chunk),
            Frame::Delta(delta) => self.intake.delta(&delta),
            other => Err(out_of_place(&other)),
        }
    }

    /// Takes a frame of the answer to a request by position.
    fn take_asked(&mut self, id: u64, frame: Frame) -> Result<()> {
        match frame {
            Frame::End(end) => self.end_answer(id, end),
            Frame::Error(refusal) => Err(refusal.into_error()),
            Frame::Page(bytes) => {
                if let Some(steps) = self.intake.page(bytes)? {
                    self.wants.look_into(steps);
                }
                Ok(())
            }
            Frame::Chunk(chunk) => self.intake.chunk(chunk),
            Frame::Delta(delta) if delta.kind == DeltaKind::Chunks => self.intake.delta(&delta),
            other => Err(out_of_place(&other)),
        }
    }

    /// Stops an answer with more useless than useful bytes. The answer to a pull may be so without a fault of
    /// the source, where held data is damaged here: the rest is then requested by position. An answer to a
    /// request by position has no reason for useless bytes, so it fails the fetch.
    fn check_waste(&mut self, id: u64) -> Result<()> {
        if !self.intake.is_wasteful() || self.stopped.contains_key(&id) {
            return Ok(());
        }
        if self.phase == Phase::Pulling {
            return self.stop(id);
        }
        let wasted = self.intake.report.wasted_bytes;
        Err(Error::Peer(format!(
            "the source sent {wasted} bytes of no use, which cost more than all useful bytes"
        )))
    }

    /// Takes no more of the pull's answer.
    fn stop(&mut self, id: u64) -> Result<()> {
        let ended = self.end_answer(id, End::default());
        self.in_flight.remove(&id);
        self.stopped.insert(id, true);
        ended
    }

    /// The stream of the answer to request `id` has ended between frames. Fails where the answer itself had
    /// no end.
    pub fn handle_end(&mut self, id: u64) -> Result<()> {
        if self.stopped.contains_key(&id) {
            return Ok(());
        }
        match self.in_flight.remove(&id) {
            Some(flight) if flight.ended => Ok(()),
            _ => Err(Error::Peer("an answer ended without its end".into())),
        }
    }

    /// Makes the arrived data durable, for example when the source disconnects. The next fetch continues from
    /// there.
    pub fn suspend(&mut self) -> Result<()> {
        self.intake.commit()
    }

    fn pull(&mut self) -> Result<Request> {
        let store = self.intake.store();
        // A resumed fetch has parts of the release that no commitment names; the walk finds them.
        let (mode, have) = match self.options.resume {
            true => (Mode::Pages, Vec::new()),
            false => (Mode::All, self.claim.have(store)?),
        };
        let known = self.claim.known(store);
        self.asked_for = self.claim.announced();
        self.intake.set_bases(&have);
        let only_counts = self.only_counts();
        Ok(Request::Pull(Pull {
            library: self.claim.library(),
            want: self.claim.want().clone(),
            classes: self.options.classes.clone(),
            have,
            known,
            scope: only_counts.then(Scope::default),
            mode: if only_counts { Mode::Pages } else { mode },
            budget: self.options.budget,
            packing: self.options.packing,
            announced: self.asked_for,
        }))
    }

    /// The next request by position, if something is wanted.
    fn ask(&mut self) -> Result<Option<(u64, Request)>> {
        let Some((commitment, _)) = self.left.last() else { return Ok(None) };
        let (library, commitment) = (self.claim.library(), *commitment);
        let Some(ask) = self.wants.ask() else { return Ok(None) };
        let (flight, request) = match ask {
            Ask::Pages(positions, pages) => {
                let flight = Flight { pages, ..Flight::default() };
                (flight, Request::Pages { library, commitment, positions })
            }
            Ask::Chunks(scope, chunks) => {
                let flight = Flight { chunks, ..Flight::default() };
                let (have, packing) = (self.versions()?, self.options.packing);
                (flight, Request::Chunks { library, commitment, scope, have, packing })
            }
        };
        Ok(Some(self.send(flight, request)))
    }

    fn send(&mut self, mut flight: Flight, request: Request) -> (u64, Request) {
        // A request for chunks that is sent while other requests are outstanding waits for no answer.
        let beside = self.in_flight.values().filter(|other| !other.ended).map(|other| other.turn).max();
        flight.turn = match beside {
            Some(turn) if flight.pages.is_empty() => turn,
            _ => self.turn + 1,
        };
        let trips = &mut self.intake.report.round_trips;
        *trips = (*trips).max(flight.turn);
        let id = self.next_id;
        self.next_id += 1;
        self.in_flight.insert(id, flight);
        (id, request)
    }

    fn end_answer(&mut self, id: u64, end: End) -> Result<()> {
        if self.phase == Phase::Pulling {
            self.end_pull(end)?;
        }
        if let Some(flight) = self.in_flight.get_mut(&id) {
            flight.ended = true;
            let pages = flight.pages.iter().filter(|page| self.intake.forget_page(page)).count();
            let chunks = flight.chunks.iter().filter(|chunk| self.intake.forget_chunk(chunk)).count();
            self.pass.undelivered += (pages + chunks) as u64;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("phase", &self.phase)
            .field("intake", &self.intake)
            .finish_non_exhaustive()
    }
}

fn out_of_place(frame: &Frame) -> Error {
    Error::Peer(format!("a frame of kind `{}` is out of place", frame.kind()))
}

impl Fetch {
    /// Whether chunks are counted and not requested.
    pub(super) fn only_counts(&self) -> bool {
        self.options.is_dry_run || self.is_counting()
    }

    /// Whether missing chunks are counted before they are requested.
    pub(super) fn is_counting(&self) -> bool {
        self.room.state == room::State::Counting
    }

    /// Whether the classes may have more bytes than the disk can take, which is not known yet.
    pub(super) fn may_not_fit(&self) -> bool {
        let total = self.intake.report.bytes_total;
        let is_short = self.options.usable_bytes.is_some_and(|usable| total > usable);
        is_short && !self.options.is_dry_run && self.room.state == room::State::Unknown
    }

    /// Drops the rest of the pull's answer, and pulls pages alone.
    pub(super) fn count_first(&mut self, id: u64) {
        self.in_flight.remove(&id);
        self.stopped.insert(id, true);
        self.room.state = room::State::Counting;
        (self.phase, self.target, self.table) = (Phase::New, None, None);
        self.headers.clear();
    }

    /// Begins to count where all pages may be held already.
    pub(super) fn count_if_short(&mut self) {
        if self.may_not_fit() {
            self.room.state = room::State::Counting;
        }
    }

    /// Keeps a class that was counted, to fetch it.
    pub(super) fn note_counted(&mut self, class: Option<(Commitment, ClassHeader)>) {
        if self.is_counting() {
            self.room.counted.extend(class);
        }
    }

    /// Compares the missing chunks of all classes with the room, and begins to fetch them.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] with both figures.
    pub(super) fn check_room(&mut self) -> Result<()> {
        let report = &self.intake.report;
        // Chunks that came before the count take a part of the room.
        let needed = report.chunk_bytes_missing.saturating_add(report.chunk_bytes_fetched);
        if let Some(usable) = self.options.usable_bytes.filter(|usable| needed > *usable) {
            return Err(Error::Full(format!(
                "the release needs about {needed} bytes, and the store can take {usable}; its chunks were not fetched. Free \
                 some space there or move the home to a larger disk"
            )));
        }
        self.room.state = room::State::Enough;
        self.intake.settle()?;
        self.intake.report.chunk_bytes_held = 0;
        self.left = std::mem::take(&mut self.room.counted);
        self.left.reverse();
        self.begin_pass(0);
        Ok(())
    }
}
