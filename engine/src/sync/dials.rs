//! The order in which a puller dials its sources, side by side: each a little after the one before, as RFC
//! 8305 does with the addresses of one host. Pure: the caller dials, sleeps, and passes the time since the
//! pull began.
//!
//! A source that does not answer so delays the others by [`SOURCE_STAGGER`] and not by the time limit of a
//! handshake. Of the sources that answer, the first in the order of preference is taken.

use std::time::Duration;

use crate::limits::{SOURCE_GRACE, SOURCE_STAGGER, SOURCES_DIALLED};

/// The sources that are left, by their numbers in the order of preference.
#[derive(Debug)]
pub struct DialOrder {
    places: Vec<Place>,
    /// When the last dial began; `None` once a dial has failed since.
    begun: Option<Duration>,
}

#[derive(Debug)]
struct Place {
    number: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Untried,
    /// It has not answered since then.
    Dialling(Duration),
    /// It is busy, and is dialled again then.
    Busy(Duration),
    Answered,
}

/// The next step of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialStep {
    /// Dial this source.
    Dial(usize),
    /// Use the connection to this source, and end all other dials.
    Take {
        /// The source.
        number: usize,
        /// Sources before it in the order, which did not answer in time. They are dialled again once all
        /// others are over.
        silent: Vec<usize>,
    },
    /// Wait for the end of a dial, or until then.
    Wait(Option<Duration>),
    /// No source is left.
    End,
}

impl DialOrder {
    /// `count` sources: number 0 is the first in the order.
    pub fn new(count: usize) -> Self {
        let places = (0..count).map(|number| Place { number, state: State::Untried });
        Self { places: places.collect(), begun: None }
    }

    /// The next step.
    pub fn next(&mut self, now: Duration) -> DialStep {
        if let Some(at) = self.places.iter().position(|place| place.state == State::Answered) {
            let preferred = self.places.iter().take(at);
            let grace = preferred.filter_map(|place| match place.state {
                State::Dialling(since) => Some(since + SOURCE_GRACE),
                _ => None,
            });
            return match grace.max().filter(|until| *until > now) {
                Some(until) => DialStep::Wait(Some(until)),
                None => self.take(at),
            };
        }
        if self.places.is_empty() {
            return DialStep::End;
        }
        if self.dialled().count() >= SOURCES_DIALLED {
            return DialStep::Wait(None);
        }
        let turn = self.begun.map_or(now, |begun| begun + SOURCE_STAGGER);
        let due = |place: &Place| match place.state {
            State::Untried => Some(turn),
            State::Busy(until) => Some(turn.max(until)),
            _ => None,
        };
        match self.places.iter_mut().find(|place| due(place).is_some_and(|due| due <= now)) {
            Some(place) => {
                place.state = State::Dialling(now);
                self.begun = Some(now);
                DialStep::Dial(place.number)
            }
            None => DialStep::Wait(self.places.iter().filter_map(due).min()),
        }
    }

    /// A dial has succeeded.
    pub fn answered(&mut self, number: usize) {
        if let Some(place) = self.places.iter_mut().find(|place| place.number == number) {
            place.state = State::Answered;
        }
    }

    /// A dial has failed: the next one need not wait.
    pub fn failed(&mut self, number: usize) {
        self.places.retain(|place| place.number != number);
        self.begun = None;
    }

    /// A source is busy, at its dial or after it was taken: it is dialled again at `until`, and the next one
    /// need not wait.
    pub fn busy(&mut self, number: usize, until: Duration) {
        self.begun = None;
        match self.places.iter_mut().find(|place| place.number == number) {
            Some(place) => place.state = State::Busy(until),
            None => self.places.insert(0, Place { number, state: State::Busy(until) }),
        }
    }

    /// The sources that are dialled now.
    pub fn dialled(&self) -> impl Iterator<Item = usize> + '_ {
        let is_dialled = |place: &&Place| matches!(place.state, State::Dialling(_));
        self.places.iter().filter(is_dialled).map(|place| place.number)
    }

    fn take(&mut self, at: usize) -> DialStep {
        let number = self.places.remove(at).number;
        let silent = self.places.iter().take(at);
        let silent = silent.filter(|place| matches!(place.state, State::Dialling(_)));
        let silent: Vec<usize> = silent.map(|place| place.number).collect();
        for place in &mut self.places {
            if matches!(place.state, State::Dialling(_) | State::Answered) {
                place.state = State::Untried;
            }
        }
        self.places.sort_by_key(|place| silent.contains(&place.number));
        self.begun = None;
        DialStep::Take { number, silent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(20);

    /// Dials sources of which each answers after its time, or never. Returns the sources in the order in
    /// which they were taken, each with the time at which that was and with those that were silent.
    fn taken(answers: &[Option<Duration>]) -> Vec<(Duration, usize, Vec<usize>)> {
        const NEVER: Duration = Duration::from_secs(5);
        let mut order = DialOrder::new(answers.len());
        let (mut now, mut ends, mut taken) = (Duration::ZERO, Vec::new(), Vec::new());
        loop {
            let until = match order.next(now) {
                DialStep::Dial(number) => {
                    ends.push((now + answers[number].unwrap_or(NEVER), number));
                    assert!(ends.len() <= SOURCES_DIALLED, "too many dials side by side");
                    continue;
                }
                DialStep::Take { number, silent } => {
                    taken.push((now, number, silent));
                    ends.clear();
                    continue;
                }
                DialStep::Wait(until) => until,
                DialStep::End => return taken,
            };
            ends.sort_unstable();
            match ends.first().copied() {
                Some((at, number)) if until.is_none_or(|until| at <= until) => {
                    now = at;
                    ends.remove(0);
                    match answers[number] {
                        Some(_) => order.answered(number),
                        None => order.failed(number),
                    }
                }
                _ => now = until.expect("a step waits for a dial or a time"),
            }
        }
    }

    /// Symptom: a source that was off delayed each pull by the five seconds of its handshake.
    #[test]
    fn a_source_that_is_silent_costs_a_stagger() {
        let alone = taken(&[Some(RTT)]);
        assert_eq!(alone, [(RTT, 0, vec![])]);
        let beside = taken(&[None, Some(RTT)]);
        assert_eq!((beside[0].1, &beside[0].2), (1, &vec![0]));
        assert!(beside[0].0 <= SOURCE_GRACE.max(SOURCE_STAGGER + RTT), "{beside:?}");
        // Each further one costs another.
        let last = taken(&[None, None, None, Some(RTT)]);
        assert_eq!(
            (last[0].0, last[0].1),
            ((3 * SOURCE_STAGGER + RTT).max(2 * SOURCE_STAGGER + SOURCE_GRACE), 3)
        );
    }

    #[test]
    fn sources_are_taken_in_their_order_within_the_grace() {
        let slow = SOURCE_STAGGER + RTT;
        assert!(slow < SOURCE_GRACE, "the grace is for a source that answers a little late");
        let numbers = |answers: &[Option<Duration>]| -> Vec<usize> {
            taken(answers).into_iter().map(|(_, number, _)| number).collect()
        };
        assert_eq!(numbers(&[Some(slow), Some(Duration::ZERO)]), [0, 1]);
        assert_eq!(numbers(&[Some(RTT), Some(RTT), Some(RTT)]), [0, 1, 2]);
        // One that takes longer comes after all others, and is not left out.
        assert_eq!(numbers(&[Some(2 * SOURCE_GRACE), Some(RTT), Some(RTT)]), [1, 2, 0]);
        assert_eq!(numbers(&[None; 20]), [0; 0]);
    }

    #[test]
    fn a_busy_source_waits_while_others_are_dialled() {
        let (mut order, now) = (DialOrder::new(2), Duration::ZERO);
        assert_eq!(order.next(now), DialStep::Dial(0));
        order.busy(0, RTT);
        assert_eq!(order.next(now), DialStep::Dial(1));
        order.answered(1);
        assert_eq!(order.next(now), DialStep::Take { number: 1, silent: vec![] });
        // It was taken, and is busy only then.
        order.busy(1, 3 * RTT);
        assert_eq!(order.next(now), DialStep::Wait(Some(RTT)));
        assert_eq!(order.next(RTT), DialStep::Dial(0));
        order.failed(0);
        assert_eq!(order.next(RTT), DialStep::Wait(Some(3 * RTT)));
        assert_eq!(order.next(3 * RTT), DialStep::Dial(1));
        order.failed(1);
        assert_eq!(order.next(3 * RTT), DialStep::End);
    }
}
