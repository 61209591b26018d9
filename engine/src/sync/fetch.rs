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
//! stream and reads no clock, but reads and writes the store, and so blocks. `claim` has the statements, `intake`
//! holds what arrives against what was named, `wants` finds what is missing.
//!
//! A fetch that ends early leaves the library as it was; pages and chunks that came stay in the store, and the next
//! fetch with [`Options::resume`] asks for the rest by position.

mod claim;
mod intake;
mod report;
mod wants;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;

pub use self::report::{Options, Report};
use self::{
    claim::{Claim, Target},
    intake::Intake,
    wants::{Ask, Wants},
};
use crate::{
    error::{Error, Result},
    id::{ChunkId, Commitment, ManifestId, PageId},
    limits::{BARREN_PASSES, FETCH_REQUESTS},
    manifest::table::{ClassHeader, ClassTable},
    statement::library::Library,
    store::{Ledger, Objects, PageState},
    sync::{
        frame::Frame,
        message::{End, Mode, Pull, Request, Want},
        place::Place,
    },
    verify::{self, Missing},
};

/// A release being fetched from one source.
///
/// Ask [`poll_request`](Self::poll_request) until it gives nothing, send what it gives, feed every frame of an answer to
/// [`handle`](Self::handle) and its end to [`handle_end`](Self::handle_end), and ask again. When it gives nothing and no
/// answer is outstanding, the fetch is done. After an error it is of no more use, but for [`suspend`](Self::suspend).
pub struct Fetch {
    options: Options,
    /// Where statements and channels' moves are kept once all is whole.
    ledger: Arc<dyn Ledger>,
    claim: Claim,
    intake: Intake,
    phase: Phase,
    target: Option<Target>,
    table: Option<ClassTable>,
    headers: BTreeMap<Commitment, ClassHeader>,
    /// Classes still to be completed, the next at the end.
    left: Vec<(Commitment, ClassHeader)>,
    wants: Wants,
    pass: Pass,
    in_flight: BTreeMap<u64, Flight>,
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
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    /// Pages and chunks asked for that did not come.
    undelivered: u64,
    /// What had been fetched when it began.
    before: (u64, u64),
    /// How many passes before it brought nothing.
    barren: u32,
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
    /// Prepares to fetch `want` into `store`, the objects of the library. `library` is what is known of the library now; the fetch keeps its own
    /// copy, and stores what is new only when it is done. `now_ms` is the time in milliseconds since 1970.
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
            claim: Claim::new(library, want, options.node, now_ms),
            options,
            intake: Intake::new(store)?,
            phase: Phase::New,
            target: None,
            table: None,
            headers: BTreeMap::new(),
            left: Vec::new(),
            wants: Wants::default(),
            pass: Pass::default(),
            in_flight: BTreeMap::new(),
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
                    self.wants.walk(&mut self.intake)?;
                    if let Some(request) = self.ask() {
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

    /// Takes a frame of the answer to request `id`.
    ///
    /// # Errors
    ///
    /// [`Error::Peer`] where the source broke the protocol or sent what was not named; what [`Error`] a refusal stands
    /// for; [`Error::Invalid`] where what was signed is malformed; the store's errors.
    pub fn handle(&mut self, id: u64, frame: Frame) -> Result<()> {
        let flight = self.in_flight.get(&id).filter(|flight| !flight.ended);
        let turn = flight.ok_or_else(|| Error::Peer("an answer goes on after its end".into()))?.turn;
        self.turn = self.turn.max(turn);
        let pulling = self.phase == Phase::Pulling;
        match frame {
            Frame::Header(bytes) | Frame::Page(bytes) if self.is_deaf() => {
                self.intake.waste(bytes.len());
                Ok(())
            }
            Frame::Chunk(chunk) if self.is_deaf() => {
                self.intake.waste(chunk.data.len());
                Ok(())
            }
            Frame::Delta(delta) if self.is_deaf() => {
                self.intake.waste(delta.data.len());
                Ok(())
            }
            Frame::Delta(delta) if pulling => self.intake.delta(&delta),
            Frame::Statement(bytes) if pulling && self.target.is_none() => self.claim.offer(&bytes),
            Frame::Table(bytes) if pulling && self.table.is_none() => self.take_table(bytes),
            Frame::Header(bytes) if pulling => self.take_header(bytes),
            Frame::Page(bytes) => match self.intake.page(bytes)? {
                Some(steps) if pulling => self.intake.learn(steps),
                Some(steps) => {
                    self.wants.look_into(steps);
                    Ok(())
                }
                None => Ok(()),
            },
            Frame::Chunk(chunk) => self.intake.chunk(chunk),
            Frame::End(end) => self.end_answer(id, end),
            Frame::Error(refusal) => Err(refusal.into_error()),
            other => Err(Error::Peer(format!("a {:?} frame out of place", other.kind()))),
        }
    }

    /// The stream of the answer to request `id` has ended between frames; fails where the answer had not.
    pub fn handle_end(&mut self, id: u64) -> Result<()> {
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
        self.intake.set_bases(&have);
        Ok(Request::Pull(Pull {
            library: self.claim.library(),
            want: self.claim.want().clone(),
            classes: self.options.classes.clone(),
            have,
            known,
            scope: None,
            mode,
            budget: self.options.budget,
            packing: self.options.packing,
        }))
    }

    /// The next request by position, if something is wanted.
    fn ask(&mut self) -> Option<(u64, Request)> {
        let (commitment, _) = self.left.last()?;
        let (library, commitment) = (self.claim.library(), *commitment);
        let (flight, request) = match self.wants.ask()? {
            Ask::Pages(positions, pages) => {
                let flight = Flight { pages, ..Flight::default() };
                (flight, Request::Pages { library, commitment, positions })
            }
            Ask::Chunks(scope, chunks) => {
                let flight = Flight { chunks, ..Flight::default() };
                (flight, Request::Chunks { library, commitment, scope })
            }
        };
        Some(self.send(flight, request))
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

    fn take_table(&mut self, bytes: Bytes) -> Result<()> {
        let target = self.resolve()?;
        if ManifestId::of(&self.claim.library(), &bytes) != target.manifest {
            // What follows is of an older release, which is of no use here.
            return if self.is_deaf() { Ok(()) } else { Err(mismatch()) };
        }
        self.table = Some(ClassTable::decode(&bytes)?);
        self.intake.document(target.manifest.as_page(), bytes)
    }

    fn take_header(&mut self, bytes: Bytes) -> Result<()> {
        let commitment = Commitment::of(&self.claim.library(), &bytes);
        let named = self.table()?.classes.iter().find(|(_, named)| *named == commitment);
        let slot = named.map(|(slot, _)| *slot);
        let header = ClassHeader::decode(&bytes)?;
        if slot != Some(header.slot) {
            return Err(Error::Peer(format!("class header {} is not in the table", commitment.short())));
        }
        self.check_name(&header)?;
        self.intake.expect(Place::root(&header));
        self.headers.insert(commitment, header);
        self.intake.report.add_up(self.headers.values());
        self.intake.document(commitment.as_page(), bytes)
    }

    /// Makes sure that a class is called what the release lists it as. By that name its publisher's key was judged; by the
    /// header's everybody reads it.
    fn check_name(&mut self, header: &ClassHeader) -> Result<()> {
        let release = self.resolve()?.release;
        match self.claim.listed_as(&release, header.slot) {
            Some(listed) if listed != header.name => Err(Error::Invalid(format!(
                "the release lists the class in slot {} as `{listed}`, and its header calls it `{}`: its publisher made it \
                 wrong, an operator can move the channel to another release",
                header.slot, header.name
            ))),
            _ => Ok(()),
        }
    }

    /// The wanted release, from the statements that came before.
    fn resolve(&mut self) -> Result<Target> {
        if let Some(target) = self.target {
            return Ok(target);
        }
        let target = self.claim.resolve()?;
        self.intake.report.release = Some(target.release);
        self.intake.report.is_source_behind = self.claim.is_source_behind();
        self.target = Some(target);
        Ok(target)
    }

    /// The class table: as it came, or where it did not come, as it is held.
    fn table(&mut self) -> Result<&ClassTable> {
        let target = self.resolve()?;
        if self.table.is_none() {
            let held = ClassTable::load(self.intake.store(), &target.manifest);
            let is_behind = self.is_deaf();
            self.table = Some(held.map_err(|_| if is_behind { behind() } else { mismatch() })?);
        }
        self.table.as_ref().ok_or_else(mismatch)
    }

    /// Whether the pull's answer is not listened to: it is about an older release than the one known here.
    fn is_deaf(&self) -> bool {
        self.phase == Phase::Pulling && self.intake.report.is_source_behind
    }

    fn end_answer(&mut self, id: u64, end: End) -> Result<()> {
        if self.phase == Phase::Pulling {
            self.phase = Phase::Completing;
            self.begin_completing(end)?;
        }
        if let Some(flight) = self.in_flight.get_mut(&id) {
            flight.ended = true;
            let pages = flight.pages.iter().filter(|page| self.intake.forget_page(page)).count();
            let chunks = flight.chunks.iter().filter(|chunk| self.intake.forget_chunk(chunk)).count();
            self.pass.undelivered += (pages + chunks) as u64;
        }
        Ok(())
    }

    /// After the pull's answer: knows what is to be complete, and what it adds up to.
    fn begin_completing(&mut self, end: End) -> Result<()> {
        self.intake.settle()?;
        let table = self.table()?.clone();
        let mut came = std::mem::take(&mut self.headers);
        let mut absent = Vec::new();
        for (slot, commitment) in table.classes {
            let header = match came.remove(&commitment) {
                Some(header) => Some(header),
                // What was granted once and is not any more is not asked for.
                None => ClassHeader::load(self.intake.store(), &commitment)
                    .ok()
                    .filter(|header| self.claim.is_granted(&header.name)),
            };
            match header {
                Some(header) if self.asks_for(&header.name) => {
                    self.check_name(&header)?;
                    self.left.push((commitment, header));
                }
                Some(_) => {}
                None => absent.push(slot),
            }
        }
        self.check_classes(&absent, end)?;
        self.intake.report.classes_absent = absent.len() as u64;
        self.intake.report.add_up(self.left.iter().map(|(_, header)| header));
        self.begin_pass(0);
        Ok(())
    }

    fn asks_for(&self, class: &str) -> bool {
        self.options.classes.is_empty() || self.options.classes.iter().any(|name| name == class)
    }

    /// Makes sure that all is there to be fetched that must be, where the classes in the slots `absent` did not come.
    fn check_classes(&self, absent: &[u8], end: End) -> Result<()> {
        let came: Vec<_> = self.left.iter().map(|(_, header)| header.name.as_str()).collect();
        if let Some(name) = self.options.classes.iter().find(|name| !came.contains(&name.as_str())) {
            return Err(Error::Missing(format!(
                "the release has no class `{name}`, or the source withholds it"
            )));
        }
        if !self.options.classes.is_empty() || absent.is_empty() {
            return Ok(());
        }
        let store = self.intake.store();
        let withheld = absent.iter().find_map(|slot| self.claim.due(store, *slot));
        // Only a source that holds all classes can tell what is not granted from what it does not have.
        let lacking = (!end.complete).then(|| self.claim.named_and_not_in(&came)).flatten();
        if let Some(class) = withheld.or_else(|| lacking.map(|name| format!("`{name}`"))) {
            return Err(Error::Missing(format!(
                "the source does not hold class {class}, or withholds it; pull from another source"
            )));
        }
        if came.is_empty() {
            return Err(Error::Missing("no class of the release is granted to this node".into()));
        }
        Ok(())
    }

    fn begin_pass(&mut self, barren: u32) {
        self.wants = self.left.last().map_or_else(Wants::default, |(_, header)| Wants::new(header));
        self.pass = Pass { undelivered: 0, before: self.intake.report.fetched(), barren };
    }

    /// A class has been walked to its end: it is whole, or is walked again as long as that brings something.
    fn end_pass(&mut self) -> Result<()> {
        self.intake.commit()?;
        let Some((commitment, header)) = self.left.last().cloned() else { return self.finish() };
        let Pass { undelivered, before, barren } = self.pass;
        let is_barren = before == self.intake.report.fetched();
        if undelivered == 0 && self.is_whole(&commitment, &header)? {
            self.left.pop();
            self.begin_pass(0);
        } else if is_barren && (undelivered > 0 || barren >= BARREN_PASSES) {
            return Err(Error::Missing(format!(
                "the source lacks {undelivered} pages or chunks of class `{}`; pull from another source too",
                header.name
            )));
        } else {
            // Something did not come, or was found damaged here only now, and the next pass wants it.
            self.begin_pass(if is_barren { barren + 1 } else { 0 });
        }
        Ok(())
    }

    /// Walks a class once more, over what is durable, and marks what is whole.
    fn is_whole(&mut self, commitment: &Commitment, header: &ClassHeader) -> Result<bool> {
        match verify::mark_full(self.intake.store(), commitment, &mut Missing::up_to(1)) {
            Ok(walked) => Ok(walked.state == PageState::Full),
            // The header was held, and turns out to be damaged.
            Err(Error::Corrupt(_) | Error::Missing(_)) => {
                self.intake.document(commitment.as_page(), header.encode().into())?;
                self.intake.commit()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Everything is whole and durable: only now do the statements become known here, and the channel moves last.
    fn finish(&mut self) -> Result<()> {
        let target = self.resolve()?;
        // What a limited publisher took of another class shows only where both are: the release is not this node's.
        self.claim.check_trespass(self.intake.store(), &target.release)?;
        let records = self.claim.keepsakes(&*self.ledger, &target)?;
        if !records.is_empty() {
            self.ledger.append(records)?;
        }
        self.intake.report.done = true;
        self.phase = Phase::Done;
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

fn mismatch() -> Error {
    Error::Peer("its class table is not the one that the release names".into())
}

fn behind() -> Error {
    Error::Missing("the source is behind what is known here; pull from another source".into())
}
