//! The asking side: fetches a release, verified from the signature down, and moves the channel last.
//!
//! ```text
//! pull ──► statements, table, headers, pages, chunks      whatever the source thinks is missing here
//!      ──► walk what is held: what is missing?  ◄──┐
//!          ──► pages and chunks by position ───────┘      until nothing is
//!      ──► commit ──► mark whole ──► statements, channel ──► commit
//! ```
//!
//! [`Fetch`] is driven by [`poll_request`](Fetch::poll_request) and fed with the frames of the answers. It opens no
//! stream and reads no clock, but reads and writes the store, and so blocks. `claim` has the statements, `opening` takes
//! what an answer opens with, `intake` holds what arrives against what was named, `wants` finds what is missing and
//! `completing` asks for it.
//!
//! A source that does not have the release says what it has ([`Report::holding`]), and the fetch ends there without a
//! fault: whoever drives it chooses another source, or another release.
//!
//! A fetch that ends early leaves the library as it was; pages and chunks that came stay in the store, and the next
//! fetch with [`Options::resume`] asks for the rest by position.

mod claim;
mod completing;
mod intake;
mod opening;
mod report;
mod wants;

use std::{collections::BTreeMap, sync::Arc};

pub use self::report::{Options, Report};
use self::{
    claim::{Claim, Target},
    intake::Intake,
    wants::{Ask, Wants},
};
use crate::{
    error::{Error, Result},
    id::{ChunkId, Commitment, PageId, StatementId},
    limits::FETCH_REQUESTS,
    manifest::table::{ClassHeader, ClassTable},
    statement::library::Library,
    store::{Ledger, Objects},
    sync::{
        delta::DeltaKind,
        frame::Frame,
        message::{End, Holding, Mode, Pull, Request, Scope, Want},
    },
};

/// A release being fetched from one source.
///
/// Ask [`poll_request`](Self::poll_request) until it gives nothing, send what it gives, feed every frame of an answer to
/// [`handle`](Self::handle) and its end to [`handle_end`](Self::handle_end), and ask again. When it gives nothing and no
/// answer is outstanding, the fetch is at its end: done, or the source does not have the release. After an error it is of
/// no more use, but for [`suspend`](Self::suspend).
///
/// After each frame, stop the answers that [`poll_stop`](Self::poll_stop) names: nothing more of them is of use, and their
/// frames are dropped.
pub struct Fetch {
    options: Options,
    /// Where statements and channels' moves are kept once all is whole.
    ledger: Arc<dyn Ledger>,
    claim: Claim,
    intake: Intake,
    phase: Phase,
    target: Option<Target>,
    /// The release that the source was told of as announced.
    asked_for: Option<StatementId>,
    /// How often the source was asked anew, for a release that its statements named.
    turns: u32,
    /// What the source has instead of what it was asked for.
    holding: Option<Holding>,
    table: Option<ClassTable>,
    headers: BTreeMap<Commitment, ClassHeader>,
    /// Classes still to be completed, the next at the end.
    left: Vec<(Commitment, ClassHeader)>,
    wants: Wants,
    pass: Pass,
    in_flight: BTreeMap<u64, Flight>,
    /// Answers of which nothing more is of use, and whether their stream is still to be stopped.
    stopped: BTreeMap<u64, bool>,
    next_id: u64,
    /// The highest turn of which something has come.
    turn: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has been asked.
    New,
    /// The pull is under way.
    Pulling,
    /// What is missing is asked for by position.
    Completing,
    /// The release is whole here.
    Done,
}

/// One walk over a class.
#[derive(Clone, Debug, Default)]
struct Pass {
    /// Pages and chunks asked for that did not come.
    undelivered: u64,
    /// What had been fetched when it began.
    before: (u64, u64),
    /// How many passes before it brought nothing.
    barren: u32,
    /// Versions of the class that are held whole, once chunks of it were asked for.
    have: Option<Vec<Commitment>>,
}

/// A request under way.
#[derive(Debug, Default)]
struct Flight {
    turn: u64,
    pages: Vec<PageId>,
    chunks: Vec<ChunkId>,
    ended: bool,
}

impl Fetch {
    /// Prepares to fetch `want` into `store`, the objects of the library. `library` is what is known of the library now; the
    /// fetch keeps its own copy, and stores what is new only when it is done. `now_ms` is the time in milliseconds since 1970.
    pub fn new(
        store: Arc<dyn Objects>,
        ledger: Arc<dyn Ledger>,
        library: Library,
        want: Want,
        now_ms: i64,
        options: Options,
    ) -> Result<Self> {
        if store.library() != library.id() {
            return Err(Error::Invalid("a fetch into the objects of another library".into()));
        }
        Ok(Self {
            ledger,
            claim: Claim::new(library, want, options.channel.clone(), options.node, now_ms),
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
            wants: Wants::default(),
            pass: Pass::default(),
            in_flight: BTreeMap::new(),
            stopped: BTreeMap::new(),
            next_id: 0,
            turn: 0,
        })
    }

    /// How far it is.
    pub fn report(&self) -> &Report {
        &self.intake.report
    }

    /// The next request that may go out now, and a number for its answer; at most
    /// [`FETCH_REQUESTS`] are under way at a time.
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

    /// Walks on until there is enough to ask for, or nothing more to look at. A dry run asks for no chunks.
    fn look_on(&mut self) -> Result<()> {
        loop {
            self.wants.walk(&mut self.intake)?;
            if !self.options.is_dry_run {
                return Ok(());
            }
            let chunks = self.wants.take_chunks();
            if chunks.is_empty() {
                return Ok(());
            }
            self.intake.count_missing(&chunks);
        }
    }

    /// An answer of which nothing more is of use: its stream may be stopped, and need not end.
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
    /// [`Error::Peer`] where the source broke the protocol or sent what was not named; what [`Error`] a refusal stands
    /// for; [`Error::Invalid`] where what was signed is malformed; the store's errors.
    pub fn handle(&mut self, id: u64, frame: Frame) -> Result<()> {
        if self.stopped.contains_key(&id) {
            return Ok(());
        }
        let flight = self.in_flight.get(&id).filter(|flight| !flight.ended);
        let turn = flight.ok_or_else(|| Error::Peer("an answer goes on after its end".into()))?.turn;
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
                if self.is_of_older()? =>
            {
                self.stop(id)
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

    /// Stops an answer that brings more for nothing than of use. The pull's may do so honestly, where what is held here is
    /// damaged: what it was to bring is then asked for by position. Nothing of that comes for nothing.
    fn check_waste(&mut self, id: u64) -> Result<()> {
        if !self.intake.is_wasteful() || self.stopped.contains_key(&id) {
            return Ok(());
        }
        if self.phase == Phase::Pulling {
            return self.stop(id);
        }
        let wasted = self.intake.report.wasted_bytes;
        Err(Error::Peer(format!(
            "of what it sent, {wasted} bytes were of no use, and cost more than all that were"
        )))
    }

    /// Takes no more of the pull's answer.
    fn stop(&mut self, id: u64) -> Result<()> {
        let ended = self.end_answer(id, End::default());
        self.in_flight.remove(&id);
        self.stopped.insert(id, true);
        ended
    }

    /// The stream of the answer to request `id` has ended between frames; fails where the answer had not.
    pub fn handle_end(&mut self, id: u64) -> Result<()> {
        if self.stopped.contains_key(&id) {
            return Ok(());
        }
        match self.in_flight.remove(&id) {
            Some(flight) if flight.ended => Ok(()),
            _ => Err(Error::Peer("an answer ended without its end".into())),
        }
    }

    /// Makes durable what has come so far. For a source that vanished: the next fetch goes on from there.
    pub fn suspend(&mut self) -> Result<()> {
        self.intake.commit()
    }

    fn pull(&mut self) -> Result<Request> {
        let store = self.intake.store();
        // Who resumes has parts of the release that no commitment names, and walks.
        let (mode, have) = match self.options.resume {
            true => (Mode::Pages, Vec::new()),
            false => (Mode::All, self.claim.have(store)?),
        };
        let known = self.claim.known(store);
        self.asked_for = self.claim.announced();
        self.intake.set_bases(&have);
        let is_dry_run = self.options.is_dry_run;
        Ok(Request::Pull(Pull {
            library: self.claim.library(),
            want: self.claim.want().clone(),
            classes: self.options.classes.clone(),
            have,
            known,
            scope: is_dry_run.then(Scope::default),
            mode: if is_dry_run { Mode::Pages } else { mode },
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
        // Chunks that are asked for while others are under way wait for nothing.
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
    Error::Peer(format!("a {:?} frame out of place", frame.kind()))
}
