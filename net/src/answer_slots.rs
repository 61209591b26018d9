//! [`AnswerSlots`]: the slots for answers. Libraries share them evenly, and in a library the keys that ask
//! for it: the operators of a library can make any number of nodes, and none of them may keep the nodes of
//! another library from an answer. [`next`] and [`yields`] decide, without a clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chuan_engine::{id::LibraryId, statement::PublicKey};
use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

use crate::limits;

/// A request that needs a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its library. `None` where the peer is no member of it: such a request gets a slot that no other
    /// request wants, and ends no answer.
    pub(crate) library: Option<LibraryId>,
    /// The key that the peer proved.
    pub(crate) key: PublicKey,
}

impl Claim {
    /// The number of answers in its library, and of these the number under its key.
    fn held(&self, held: &[(u64, Claim)]) -> (usize, usize) {
        let of_library = held.iter().filter(|(_, claim)| claim.library == self.library);
        let of_key = of_library.clone().filter(|(_, claim)| claim.key == self.key);
        (of_library.count(), of_key.count())
    }
}

/// The waiting request that gets a free slot: of the library with the fewest answers, there of the key with
/// the fewest, and there the earliest.
fn next(held: &[(u64, Claim)], waiting: &[(u64, Claim)]) -> Option<u64> {
    let order = |(number, claim): &&(u64, Claim)| (claim.library.is_none(), claim.held(held), *number);
    waiting.iter().min_by_key(order).map(|(number, _)| *number)
}

/// The answer that makes room for a waiting request where all slots are taken: the newest one of the
/// greediest key in the greediest library, if that has two answers more than the library of the request; else
/// the newest one of the greediest key in this library, if that has two answers more than the key of the
/// request. So no two requests end each other's answers in turn.
fn yields(held: &[(u64, Claim)], waiting: &Claim) -> Option<u64> {
    waiting.library?;
    let (of_library, of_key) = waiting.held(held);
    let greediest = held.iter().max_by_key(|(_, claim)| claim.held(held).0);
    let from = greediest.filter(|(_, claim)| claim.held(held).0 > of_library + 1);
    let library = from.map_or(waiting.library, |(_, claim)| claim.library);
    let of_it = held.iter().filter(|(_, claim)| claim.library == library);
    let (number, claim) = of_it.max_by_key(|(number, claim)| (claim.held(held).1, *number))?;
    (from.is_some() || claim.held(held).1 > of_key + 1).then_some(*number)
}

/// The slots of one kind of answers.
#[derive(Debug)]
pub(crate) struct AnswerSlots {
    slots: usize,
    /// Held for short decisions only.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the last request.
    last: u64,
    held: BTreeMap<u64, Held>,
    waiting: BTreeMap<u64, (Claim, oneshot::Sender<Slot>)>,
}

#[derive(Debug)]
struct Held {
    claim: Claim,
    /// Notified where the answer must end.
    yields: Arc<Notify>,
    is_yielding: bool,
}

/// A slot; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<AnswerSlots>,
    number: u64,
    yields: Arc<Notify>,
}

/// A request in the queue; leaves it when it is dropped.
struct Queued<'a> {
    slots: &'a AnswerSlots,
    number: u64,
}

impl AnswerSlots {
    pub(crate) fn new(slots: usize) -> Arc<Self> {
        Arc::new(Self { slots, state: Mutex::default() })
    }

    /// A slot for an answer. Waits until one is free, and after a while ends an answer of a library or key
    /// that has more than its share. `None` cannot occur while the slots exist. Cancel-safe.
    pub(crate) async fn acquire(self: &Arc<Self>, claim: Claim) -> Option<Slot> {
        let (queued, mut granted) = self.enter(claim);
        loop {
            tokio::select! {
                biased;
                slot = &mut granted => return slot.ok(),
                () = sleep(limits::ANSWER_YIELD_AFTER) => self.make_room(queued.number),
            }
        }
    }

    fn enter(self: &Arc<Self>, claim: Claim) -> (Queued<'_>, oneshot::Receiver<Slot>) {
        let (sender, granted) = oneshot::channel();
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.waiting.insert(number, (claim, sender));
        self.hand_out(state);
        (Queued { slots: self, number }, granted)
    }

    /// Gives the free slots to waiting requests.
    fn hand_out(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        let mut granted = Vec::new();
        while state.held.len() < self.slots {
            let Some(number) = next(&state.held(), &state.waiting()) else { break };
            let Some((claim, sender)) = state.waiting.remove(&number) else { break };
            let yields: Arc<Notify> = Arc::default();
            state.held.insert(number, Held { claim, yields: Arc::clone(&yields), is_yielding: false });
            granted.push((sender, Slot { slots: Arc::clone(self), number, yields }));
        }
        drop(state);
        // A request that has left the queue meanwhile drops its slot, which takes the lock.
        granted.into_iter().for_each(|(sender, slot)| drop(sender.send(slot)));
    }

    /// Ends an answer for a waiting request, if one has to yield to it. At most as many answers are ending as
    /// requests wait.
    fn make_room(&self, number: u64) {
        let mut state = self.lock();
        let Some((claim, _)) = state.waiting.get(&number) else { return };
        let ending = state.held.values().filter(|held| held.is_yielding).count();
        let chosen = yields(&state.held(), claim).filter(|_| ending < state.waiting.len());
        if let Some(held) = chosen.and_then(|number| state.held.get_mut(&number)) {
            held.is_yielding = true;
            held.yields.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The answers that go on.
    fn held(&self) -> Vec<(u64, Claim)> {
        let held = self.held.iter().filter(|(_, held)| !held.is_yielding);
        held.map(|(number, held)| (*number, held.claim)).collect()
    }

    fn waiting(&self) -> Vec<(u64, Claim)> {
        self.waiting.iter().map(|(number, (claim, _))| (*number, *claim)).collect()
    }
}

impl Slot {
    /// Notified where the answer must end, to make room for another one.
    pub(crate) fn yields(&self) -> Arc<Notify> {
        Arc::clone(&self.yields)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.slots.lock();
        state.held.remove(&self.number);
        self.slots.hand_out(state);
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.slots.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use chuan_engine::statement::Key;

    use super::*;

    /// A request of the key with this number; library 0 stands for none.
    fn claim(library: u8, key: u8) -> Claim {
        let key = Key::from_seed([key; 32]).public();
        Claim { library: (library > 0).then(|| LibraryId::from_bytes([library; 32])), key }
    }

    /// Requests with the numbers 1, 2, 3 …
    fn numbered(claims: &[(u8, u8)]) -> Vec<(u64, Claim)> {
        (1..).zip(claims.iter().map(|(library, key)| claim(*library, *key))).collect()
    }

    #[test]
    fn a_free_slot_goes_to_the_library_and_the_key_with_the_fewest_answers() {
        let held = numbered(&[(1, 1), (1, 1), (1, 2), (2, 3)]);
        assert_eq!(next(&held, &[]), None);
        assert_eq!(next(&held, &numbered(&[(1, 9), (2, 3)])), Some(2), "the library first");
        assert_eq!(next(&held, &numbered(&[(1, 1), (1, 2), (1, 3)])), Some(3), "then the key");
        assert_eq!(next(&held, &numbered(&[(1, 4), (1, 3)])), Some(1), "then the earliest");
        assert_eq!(next(&held, &numbered(&[(0, 5), (1, 1)])), Some(2), "members first");
        assert_eq!(next(&held, &numbered(&[(0, 5)])), Some(1));
    }

    #[test]
    fn the_newest_answer_of_the_greediest_yields() {
        let held = numbered(&[(1, 1), (1, 2), (1, 2), (1, 3), (2, 4)]);
        assert_eq!(yields(&held, &claim(3, 5)), Some(3));
        assert_eq!(yields(&held, &claim(2, 5)), Some(3));
        assert_eq!(yields(&held, &claim(0, 5)), None, "a member of no library ends no answer");
        assert_eq!(yields(&held, &claim(1, 5)), Some(3), "in one library the key decides");
        assert_eq!(yields(&held, &claim(1, 3)), None, "both would have two then, and one in turn");
        assert_eq!(yields(&numbered(&[(1, 1), (1, 2)]), &claim(1, 3)), None);
        assert_eq!(yields(&numbered(&[(1, 1), (1, 2)]), &claim(2, 3)), Some(2));
        assert_eq!(yields(&numbered(&[(1, 1)]), &claim(2, 3)), None);
        assert_eq!(yields(&[], &claim(2, 3)), None);
    }

    /// Each of many requests of one library asks for room; then those of a second library come.
    #[tokio::test(start_paused = true)]
    async fn libraries_share_the_slots_evenly_and_no_answer_ends_for_nothing() {
        let slots = AnswerSlots::new(8);
        let mut held = Vec::new();
        for key in 0..8 {
            held.push((1, slots.acquire(claim(1, key)).await.unwrap()));
        }
        // The next key of this library has no smaller share than any other.
        let late = tokio::time::timeout(limits::ANSWER_WAIT_TIMEOUT, slots.acquire(claim(1, 9))).await;
        assert!(late.is_err());
        let mut ended = 0;
        for key in 0..8 {
            let getting =
                tokio::time::timeout(limits::ANSWER_WAIT_TIMEOUT, slots.acquire(claim(2, 100 + key)));
            tokio::pin!(getting);
            let got = loop {
                let notified: Vec<_> = held.iter().map(|(_, slot)| slot.yields()).collect();
                let waits = notified.iter().map(|it| Box::pin(it.notified())).collect::<Vec<_>>();
                tokio::select! {
                    biased;
                    got = &mut getting => break got,
                    (at, _) = first_of(waits) => {
                        ended += 1;
                        assert_eq!(held.remove(at).0, 1, "the greedy library yields");
                    }
                }
            };
            let Ok(Some(slot)) = got else { break };
            held.push((2, slot));
        }
        let of_second = held.iter().filter(|(library, _)| *library == 2).count();
        assert_eq!((held.len(), of_second, ended), (8, 4, 4));
        drop(held);
        let state = slots.lock();
        assert!(state.held.is_empty() && state.waiting.is_empty());
    }

    /// The first of these futures that is ready, with its position.
    async fn first_of<F: Future<Output = ()> + Unpin>(mut all: Vec<F>) -> (usize, ()) {
        std::future::poll_fn(|cx| {
            for (at, one) in all.iter_mut().enumerate() {
                if std::pin::Pin::new(one).poll(cx).is_ready() {
                    return std::task::Poll::Ready((at, ()));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }

    /// A request that gives up while a slot is on its way keeps none.
    #[tokio::test(start_paused = true)]
    async fn a_request_that_leaves_the_queue_keeps_no_slot() {
        let slots = AnswerSlots::new(1);
        let first = slots.acquire(claim(1, 1)).await.unwrap();
        let (queued, granted) = slots.enter(claim(1, 2));
        drop(first);
        assert_eq!(slots.lock().held.len(), 1);
        drop((queued, granted));
        let again = slots.acquire(claim(1, 3)).await.unwrap();
        assert_eq!(slots.lock().held.len(), 1);
        drop(again);
    }
}
