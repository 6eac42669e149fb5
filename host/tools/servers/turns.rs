//! Turns at something that takes only so much at once, shared fairly between
//! callers.
//!
//! Whoever asks waits behind the other requests of the same caller only:
//! callers are served in rotation, and where there are many turns, one caller
//! never gets all of them. So neither a thousand calls nor a slow one of
//! somebody delay anybody else's first.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use tokio::sync::oneshot;

use super::lock;

/// Tells callers apart: one for each run of a program.
pub(crate) type CallerId = u64;

/// From so many turns on, an eighth of what is left is kept for other callers.
const MIN_SHARED: usize = 8;

/// How often a large request may be passed by smaller ones.
const MAX_PASSED: u32 = 64;

pub(crate) struct Turns {
    limit: usize,
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    bytes: usize,
    held: HashMap<CallerId, usize>,
    /// Whoever was served longest ago comes first.
    queues: VecDeque<Queue>,
    last_number: u64,
}

struct Queue {
    caller: CallerId,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    number: u64,
    bytes: usize,
    passed: u32,
    called: oneshot::Sender<()>,
}

/// A turn, until it is dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    caller: CallerId,
    bytes: usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        state.give_back(self.caller, self.bytes);
        self.turns.call_next(&mut state);
    }
}

impl State {
    fn give_back(&mut self, caller: CallerId, bytes: usize) {
        self.taken -= 1;
        self.bytes -= bytes;
        if let Some(held) = self.held.get_mut(&caller) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&caller);
            }
        }
    }

    fn give(&mut self, caller: CallerId, bytes: usize) {
        self.taken += 1;
        self.bytes += bytes;
        *self.held.entry(caller).or_insert(0) += 1;
    }
}

impl Turns {
    /// So many turns at once, which carry so many bytes together. A request
    /// with more bytes gets a turn when nobody else has one.
    pub(crate) fn new(limit: usize, max_bytes: usize) -> Self {
        Self {
            limit: limit.max(1),
            max_bytes,
            state: Mutex::default(),
        }
    }

    /// Waits for a turn. Dropped meanwhile, it leaves the queue.
    pub(crate) async fn take(&self, caller: CallerId, bytes: usize) -> Turn<'_> {
        let turn = || Turn {
            turns: self,
            caller,
            bytes,
        };
        let (number, called) = {
            let mut state = lock(&self.state);
            if state.queues.is_empty() && self.may_have(&state, caller, bytes) {
                state.give(caller, bytes);
                return turn();
            }
            let (sender, called) = oneshot::channel();
            state.last_number += 1;
            let waiting = Waiting {
                number: state.last_number,
                bytes,
                passed: 0,
                called: sender,
            };
            let queues = &mut state.queues;
            match queues.iter_mut().find(|queue| queue.caller == caller) {
                Some(queue) => queue.waiting.push_back(waiting),
                None => queues.push_back(Queue {
                    caller,
                    waiting: VecDeque::from([waiting]),
                }),
            }
            let number = state.last_number;
            self.call_next(&mut state);
            (number, called)
        };
        let place = Place {
            turns: self,
            caller,
            bytes,
            number,
        };
        // The sender is dropped by `Place` only.
        let _ = called.await;
        std::mem::forget(place);
        turn()
    }

    fn may_have(&self, state: &State, caller: CallerId, bytes: usize) -> bool {
        let held = state.held.get(&caller).copied().unwrap_or(0);
        let left = self.limit - (state.taken - held);
        let share = match self.limit {
            MIN_SHARED.. => (left - left / 8).max(1),
            _ => left,
        };
        state.taken < self.limit && held < share && self.has_room(state, bytes)
    }

    fn has_room(&self, state: &State, bytes: usize) -> bool {
        state.taken == 0 || state.bytes.saturating_add(bytes) <= self.max_bytes
    }

    /// Gives turns to those who wait and may have one.
    fn call_next(&self, state: &mut State) {
        let mut index = 0;
        while state.taken < self.limit && index < state.queues.len() {
            let Queue { caller, waiting } = &state.queues[index];
            let (caller, bytes) = (*caller, waiting[0].bytes);
            if !self.may_have(state, caller, bytes) {
                if !self.has_room(state, bytes) {
                    let head = &mut state.queues[index].waiting[0];
                    head.passed += 1;
                    if head.passed > MAX_PASSED {
                        return;
                    }
                }
                index += 1;
                continue;
            }
            let mut queue = state.queues.remove(index).expect("the index is in range");
            let head = queue.waiting.pop_front().expect("no queue is empty");
            if !queue.waiting.is_empty() {
                state.queues.push_back(queue);
            }
            state.give(caller, bytes);
            let _ = head.called.send(());
        }
    }
}

/// A place in the queue, or a turn of which nobody heard yet.
struct Place<'a> {
    turns: &'a Turns,
    caller: CallerId,
    bytes: usize,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.turns.state);
        let queues = &mut state.queues;
        let queue = queues.iter().position(|queue| queue.caller == self.caller);
        let place = queue.and_then(|queue| {
            let mut waiting = queues[queue].waiting.iter();
            let place = waiting.position(|waiting| waiting.number == self.number)?;
            Some((queue, place))
        });
        match place {
            Some((queue, place)) => {
                queues[queue].waiting.remove(place);
                if queues[queue].waiting.is_empty() {
                    queues.remove(queue);
                }
            }
            None => state.give_back(self.caller, self.bytes),
        }
        self.turns.call_next(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    type Asked<'a> = std::pin::Pin<Box<dyn Future<Output = Turn<'a>> + 'a>>;

    fn ask(turns: &Turns, caller: CallerId, bytes: usize) -> Asked<'_> {
        let mut asked: Asked<'_> = Box::pin(turns.take(caller, bytes));
        if let Some(turn) = (&mut asked).now_or_never() {
            return Box::pin(std::future::ready(turn));
        }
        asked
    }

    fn is_served<'a>(asked: &mut Asked<'a>) -> Option<Turn<'a>> {
        asked.now_or_never()
    }

    #[test]
    fn callers_are_served_in_rotation_however_many_requests_one_has() {
        let turns = Turns::new(1, 100);
        let mut first = ask(&turns, 1, 0);
        let held = is_served(&mut first).unwrap();
        let mut many: Vec<_> = (0..100).map(|_| ask(&turns, 1, 0)).collect();
        let mut other = ask(&turns, 2, 0);
        let mut third = ask(&turns, 3, 0);
        drop(held);
        let held = is_served(&mut many[0]).unwrap();
        assert!(is_served(&mut many[1]).is_none());
        assert!(is_served(&mut other).is_none());
        drop(held);
        let held = is_served(&mut other).unwrap();
        drop(held);
        assert!(is_served(&mut many[1]).is_none());
        drop(is_served(&mut third).unwrap());
        assert!(is_served(&mut many[1]).is_some());
    }

    #[test]
    fn one_caller_never_gets_all_of_many_turns() {
        let turns = Turns::new(128, 100);
        let mut many: Vec<_> = (0..200).map(|_| ask(&turns, 1, 0)).collect();
        let held: Vec<_> = many.iter_mut().filter_map(is_served).collect();
        assert_eq!(held.len(), 112);
        let mut others: Vec<_> = (2..6).map(|caller| ask(&turns, caller, 0)).collect();
        let others: Vec<_> = others.iter_mut().filter_map(is_served).collect();
        assert_eq!(others.len(), 4, "each other caller is served at once");
        let few = Turns::new(2, 100);
        let mut both = [ask(&few, 1, 0), ask(&few, 1, 0)];
        assert!(both.iter_mut().all(|one| is_served(one).is_some()));
    }

    #[test]
    fn bytes_are_bounded_and_a_large_request_goes_alone() {
        let turns = Turns::new(10, 100);
        let mut small = ask(&turns, 1, 60);
        let small = is_served(&mut small).unwrap();
        let mut large = ask(&turns, 1, 1_000);
        assert!(is_served(&mut large).is_none());
        let mut other = ask(&turns, 2, 30);
        assert!(is_served(&mut other).is_some(), "a small one may pass");
        drop(small);
        let large = is_served(&mut large).unwrap();
        let mut other = ask(&turns, 2, 1);
        assert!(is_served(&mut other).is_none());
        drop(large);
        assert!(is_served(&mut other).is_some());
    }

    #[test]
    fn smaller_requests_pass_a_large_one_only_so_often() {
        let turns = Turns::new(10, 100);
        let mut first = ask(&turns, 1, 60);
        let mut held = is_served(&mut first).unwrap();
        let mut large = ask(&turns, 1, 90);
        let mut passed = 0;
        loop {
            let mut small = ask(&turns, 2, 60);
            drop(held);
            match is_served(&mut small) {
                Some(turn) => held = turn,
                None => break,
            }
            passed += 1;
            assert!(passed < 200, "the large one starves");
        }
        assert!(is_served(&mut large).is_some());
    }

    #[test]
    fn who_gives_up_leaves_the_queue_and_gives_back_what_was_given() {
        let turns = Turns::new(1, 100);
        let mut first = ask(&turns, 1, 10);
        let held = is_served(&mut first).unwrap();
        let gives_up = ask(&turns, 2, 10);
        let not_heard = ask(&turns, 3, 10);
        let mut last = ask(&turns, 4, 10);
        drop(gives_up);
        drop(held);
        assert!(is_served(&mut last).is_none());
        drop(not_heard);
        assert!(is_served(&mut last).is_some());
        drop(first);
        assert_eq!(lock(&turns.state).taken, 0);
        assert_eq!(lock(&turns.state).bytes, 0);
    }
}
