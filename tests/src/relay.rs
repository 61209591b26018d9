//! A seeded UDP relay: a bad network between two nodes on one machine.
//!
//! It replaces a kernel feature that may be missing (netem). Each direction has its own delay, jitter, loss,
//! reordering and rate, drawn from the seed in the order of arrival. Every datagram is recorded with the time
//! at which it *arrived* at the relay, so that a test can count round trips without trusting either node. The
//! relay does not read the datagrams.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, hash_map::Entry},
    io,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::rng::Rng;

/// The largest datagram that is relayed.
const DATAGRAM_BYTES: usize = 65_535;
/// Socket buffer in bytes for datagrams that have arrived and were not read.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// How often an idle thread checks whether the relay has ended.
const TICK: Duration = Duration::from_millis(20);

/// The faults of one direction. The default is a perfect wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    /// Added to every datagram.
    pub delay: Duration,
    /// Up to this much more delay, evenly distributed; it may reorder datagrams.
    pub jitter: Duration,
    /// Probability that a datagram is lost, 0 to 1.
    pub loss: f64,
    /// Probability that a datagram is delayed by one more `delay`.
    pub reorder: f64,
    /// Bytes a second that pass; `None` is without limit.
    pub rate: Option<u64>,
    /// Bytes that may wait to pass at `rate`; datagrams beyond it are lost. `None` is without limit.
    pub queue: Option<u64>,
}

/// The direction of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the dialling node to the serving one.
    ToServer,
    /// From the serving node to the dialling one.
    ToClient,
}

/// A datagram as the relay recorded it.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Time of arrival at the relay, since the relay's start.
    pub at: Duration,
    /// Its direction.
    pub direction: Direction,
    /// Its payload in bytes.
    pub bytes: usize,
    /// Whether the relay dropped it.
    pub lost: bool,
}

/// A running relay; it ends on drop.
#[derive(Debug)]
pub struct Relay {
    /// The address to which the dialling node connects.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay in front of `server`. The same seed and the same order of arrival give the same losses.
    pub fn start(server: SocketAddr, to_server: Path, to_client: Path, seed: u64) -> Result<Self> {
        let front = open().context("bind the relay")?;
        let address = front.local_addr()?;
        let shared = Arc::new(Shared {
            start: Instant::now(),
            ended: AtomicBool::new(false),
            server,
            lines: Mutex::new([Line::new(to_server, seed), Line::new(to_client, !seed)]),
            seen: Mutex::default(),
            queue: Mutex::default(),
            woken: Condvar::new(),
        });
        let front = Arc::new(front);
        let threads = vec![
            thread::spawn({
                let (shared, front) = (shared.clone(), front.clone());
                move || receive_front(&shared, &front)
            }),
            thread::spawn({
                let shared = shared.clone();
                move || deliver(&shared)
            }),
        ];
        Ok(Self { address, shared, threads })
    }

    /// All recorded datagrams, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shared.seen).clone()
    }

    /// Clears the record.
    pub fn clear(&self) {
        lock(&self.shared.seen).clear();
    }

    /// Changes the faults of a direction, from the next datagram on.
    pub fn set(&self, direction: Direction, path: Path) {
        line(&mut lock(&self.shared.lines), direction).path = path;
    }

    /// The share of datagrams lost on purpose in a direction, 0 to 1; 0 when there were none.
    pub fn measured_loss(&self, direction: Direction) -> f64 {
        let seen = self.seen();
        let all = seen.iter().filter(|seen| seen.direction == direction).count();
        let lost = seen.iter().filter(|seen| seen.direction == direction && seen.lost).count();
        if all == 0 { 0.0 } else { lost as f64 / all as f64 }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.shared.woken.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    ended: AtomicBool,
    server: SocketAddr,
    lines: Mutex<[Line; 2]>,
    seen: Mutex<Vec<Seen>>,
    queue: Mutex<BinaryHeap<Reverse<Parcel>>>,
    woken: Condvar,
}

impl Shared {
    fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Decides on a datagram and queues it, unless it is lost.
    fn take(&self, direction: Direction, bytes: &[u8], socket: &Arc<UdpSocket>, to: SocketAddr) {
        let now = Instant::now();
        let due = line(&mut lock(&self.lines), direction).fate(now, bytes.len());
        let at = now.duration_since(self.start);
        let order = {
            let mut seen = lock(&self.seen);
            seen.push(Seen { at, direction, bytes: bytes.len(), lost: due.is_none() });
            seen.len()
        };
        if let Some(due) = due {
            let parcel = Parcel { due, order, bytes: bytes.to_vec(), socket: socket.clone(), to };
            lock(&self.queue).push(Reverse(parcel));
            self.woken.notify_one();
        }
    }
}

/// One direction: its faults, its random stream, and the time until which its wire is busy.
#[derive(Debug)]
struct Line {
    path: Path,
    rng: Rng,
    busy_until: Option<Instant>,
}

impl Line {
    fn new(path: Path, seed: u64) -> Self {
        Self { path, rng: Rng::new(seed), busy_until: None }
    }

    /// The time at which a datagram that arrives `now` leaves; `None` if it is lost.
    fn fate(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        // Always three draws, so that the result for one datagram does not shift the next one's.
        let [lost, held, jitter] = [self.rng.unit(), self.rng.unit(), self.rng.unit()];
        if lost < self.path.loss {
            return None;
        }
        let mut due = now;
        if let Some(rate) = self.path.rate {
            let passing = |bytes: u64| Duration::from_secs_f64(bytes as f64 / rate as f64);
            let turn = self.busy_until.map_or(now, |busy| busy.max(now));
            if self.path.queue.is_some_and(|queue| turn - now > passing(queue)) {
                return None;
            }
            due = turn + passing(bytes as u64);
            self.busy_until = Some(due);
        }
        due += self.path.delay + self.path.jitter.mul_f64(jitter);
        if held < self.path.reorder {
            due += self.path.delay;
        }
        Some(due)
    }
}

#[derive(Debug)]
struct Parcel {
    due: Instant,
    order: usize,
    bytes: Vec<u8>,
    socket: Arc<UdpSocket>,
    to: SocketAddr,
}

impl Parcel {
    fn key(&self) -> (Instant, usize) {
        (self.due, self.order)
    }
}

impl PartialEq for Parcel {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Parcel {}

impl PartialOrd for Parcel {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Parcel {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Receives from the dialling nodes; gives each a socket of its own towards the server, with a thread for the
/// answers.
fn receive_front(shared: &Arc<Shared>, front: &Arc<UdpSocket>) {
    let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut answers = Vec::new();
    let mut buffer = vec![0; DATAGRAM_BYTES];
    while !shared.ended() {
        let Some((bytes, client)) = receive(front, &mut buffer) else { continue };
        let back = match backs.entry(client) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => {
                let Ok(back) = open().map(Arc::new) else { continue };
                let (shared, front, answering) = (shared.clone(), front.clone(), back.clone());
                answers.push(thread::spawn(move || receive_back(&shared, &answering, &front, client)));
                place.insert(back).clone()
            }
        };
        shared.take(Direction::ToServer, bytes, &back, shared.server);
    }
    for answer in answers {
        let _ = answer.join();
    }
}

/// A socket of the relay. Its buffer holds a burst, which must not be lost before the relay has decided on
/// it.
fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(TICK))?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES)?;
    Ok(socket)
}

fn receive_back(shared: &Shared, back: &UdpSocket, front: &Arc<UdpSocket>, client: SocketAddr) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    while !shared.ended() {
        if let Some((bytes, _)) = receive(back, &mut buffer) {
            shared.take(Direction::ToClient, bytes, front, client);
        }
    }
}

/// Sends every parcel when it is due.
fn deliver(shared: &Shared) {
    let mut queue = lock(&shared.queue);
    while !shared.ended() {
        let now = Instant::now();
        match queue.peek().map(|Reverse(parcel)| parcel.due) {
            Some(due) if due <= now => {
                let Some(Reverse(parcel)) = queue.pop() else { continue };
                drop(queue);
                // A refused send is a lost datagram: the other end may be gone, as some tests intend.
                let _: io::Result<usize> = parcel.socket.send_to(&parcel.bytes, parcel.to);
                queue = lock(&shared.queue);
            }
            due => {
                let pause = due.map_or(TICK, |due| (due - now).min(TICK));
                queue = shared.woken.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

fn receive<'b>(socket: &UdpSocket, buffer: &'b mut [u8]) -> Option<(&'b [u8], SocketAddr)> {
    let (len, from) = socket.recv_from(buffer).ok()?;
    Some((buffer.get(..len)?, from))
}

fn line(lines: &mut [Line; 2], direction: Direction) -> &mut Line {
    let [to_server, to_client] = lines;
    match direction {
        Direction::ToServer => to_server,
        Direction::ToClient => to_client,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo behind the relay.
    fn echo() -> (SocketAddr, Arc<AtomicBool>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(TICK)).unwrap();
        let address = socket.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let stop = ended.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; DATAGRAM_BYTES];
            while !stop.load(Ordering::Relaxed) {
                if let Some((bytes, from)) = receive(&socket, &mut buffer) {
                    socket.send_to(bytes, from).unwrap();
                }
            }
        });
        (address, ended)
    }

    #[test]
    fn measured_loss_is_the_set_loss_within_a_point() {
        for loss in [0.0, 0.01, 0.1, 0.3] {
            let mut line = Line::new(Path { loss, ..Path::default() }, 42);
            let now = Instant::now();
            let lost = (0..100_000).filter(|_| line.fate(now, 1200).is_none()).count() as f64 / 100_000.0;
            assert!((lost - loss).abs() < 0.01, "asked for {loss}, lost {lost}");
        }
        let (server, ended) = echo();
        let relay = Relay::start(server, Path { loss: 0.2, ..Path::default() }, Path::default(), 7).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for number in 0..5_000u32 {
            client.send_to(&number.to_le_bytes(), relay.address).unwrap();
            if number % 50 == 0 {
                thread::sleep(Duration::from_millis(1)); // not to overrun the socket's buffer, which would lose more
            }
        }
        while relay.seen().iter().filter(|seen| seen.direction == Direction::ToServer).count() < 4_900 {
            thread::sleep(Duration::from_millis(1));
        }
        let measured = relay.measured_loss(Direction::ToServer);
        // 5,000 datagrams: three standard deviations are 1.7 points.
        assert!((measured - 0.2).abs() < 0.02, "asked for 0.2, measured {measured}");
        ended.store(true, Ordering::Relaxed);
    }

    #[test]
    fn a_round_trip_takes_both_delays_and_is_written_down() {
        let (server, ended) = echo();
        let delay = Duration::from_millis(40);
        let path = Path { delay, ..Path::default() };
        let relay = Relay::start(server, path, path, 1).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let start = Instant::now();
        client.send_to(b"there and back", relay.address).unwrap();
        let mut buffer = [0; 64];
        let (len, _) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"there and back");
        assert!(start.elapsed() >= 2 * delay);
        let seen = relay.seen();
        assert_eq!(seen.len(), 2);
        assert!(seen[1].at - seen[0].at >= delay);
        ended.store(true, Ordering::Relaxed);
    }

    #[test]
    fn a_full_queue_drops_datagrams_until_it_has_drained() {
        let path = Path { rate: Some(120_000), queue: Some(12_000), ..Path::default() };
        let mut line = Line::new(path, 1);
        let now = Instant::now();
        // Ten wait, and one passes.
        assert_eq!((0..100).filter_map(|_| line.fate(now, 1200)).count(), 11);
        assert_eq!((0..100).filter_map(|_| line.fate(now + Duration::from_millis(50), 1200)).count(), 5);
    }

    #[test]
    fn a_rate_spreads_datagrams_over_time() {
        let mut line = Line::new(Path { rate: Some(120_000), ..Path::default() }, 1);
        let now = Instant::now();
        let last = (0..100).filter_map(|_| line.fate(now, 1200)).max().unwrap();
        assert_eq!((last - now).as_millis(), 1000);
    }
}
