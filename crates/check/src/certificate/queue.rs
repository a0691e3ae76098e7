//! Queues, first in first out: the values in the order in which they go through.
//!
//! Let each value that is taken out go in at the earliest instant that is neither before its enqueue was invoked nor before the value ahead of it
//! went in, and come out at the earliest that is neither before its dequeue was invoked, nor before the value ahead of it came out, nor
//! before it went in itself; values that stay go in after all of these. If every operation is still open at its instant, and a dequeue that
//! found nothing is at one where all ahead of it is out and all behind it is not in, then the operations by instant, and those of one
//! instant by the values' order, are an order of the queue: each is within its interval, and what comes out went in first of what is inside.

use history::object::{Action, Call, NOTHING, Objects};

/// One thing that goes through the queue: a value that goes in and comes out, or stays; or a dequeue alone, which found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passage {
    pub(super) enqueue: Option<u32>,
    pub(super) dequeue: Option<u32>,
}

/// Replays the passages of one key after another.
pub(super) struct Replay<'a> {
    history: &'a Objects,
    seen: Vec<bool>,
}

impl<'a> Replay<'a> {
    /// Nothing was replayed so far.
    pub(super) fn of(history: &'a Objects) -> Replay<'a> {
        Replay { history, seen: vec![false; history.len()] }
    }

    /// Why the passages do not prove that the operations at these places, all that may have happened on one key, are linearizable; `None`: they do.
    /// Linear.
    pub(super) fn refute(&mut self, places: &[u32], passages: &[Passage]) -> Option<String> {
        let mut queue = Queue::default();
        let key = places.first().map(|&i| self.history.calls[i as usize].key);
        for passage in passages {
            let (enqueue, dequeue) = (self.take(passage.enqueue, key), self.take(passage.dequeue, key));
            let (Ok(enqueue), Ok(dequeue)) = (enqueue, dequeue) else {
                return Some("an operation goes through the queue twice, or never happened".to_string());
            };
            if !queue.pass(enqueue, dequeue) {
                return Some(format!("{passage:?} does not fit behind what is ahead of it"));
            }
        }
        let missing = |i: &&u32| !self.seen[**i as usize] && self.history.calls[**i as usize].is_ok();
        places.iter().find(missing).map(|i| format!("operation {i} goes not through the queue"))
    }

    /// The operation at this place, which is of this key and was not taken before.
    #[inline]
    fn take(&mut self, place: Option<u32>, key: Option<u32>) -> Result<Option<&'a Call>, ()> {
        let Some(i) = place.map(|place| place as usize) else { return Ok(None) };
        let call = self.history.calls.get(i).filter(|call| call.may_have_happened() && Some(call.key) == key);
        match call {
            Some(call) if !std::mem::replace(&mut self.seen[i], true) => Ok(Some(call)),
            _ => Err(()),
        }
    }
}

#[derive(Default)]
struct Queue {
    /// When the last value went in, and out.
    entered: u64,
    left: u64,
    /// Whether a value stays.
    stays: bool,
}

impl Queue {
    #[inline]
    fn pass(&mut self, enqueue: Option<&Call>, dequeue: Option<&Call>) -> bool {
        match (enqueue, dequeue) {
            (Some(enqueue), dequeue) => {
                self.entered = self.entered.max(enqueue.invoked);
                let enters = enqueue.action == Action::Enqueue && self.entered <= enqueue.completed;
                enters && self.leave(enqueue.argument, dequeue)
            }
            (None, Some(dequeue)) => {
                self.left = self.left.max(self.entered);
                let leaves = dequeue.is_ok() && self.leave(NOTHING, Some(dequeue));
                self.entered = self.left;
                leaves
            }
            (None, None) => false,
        }
    }

    #[inline]
    fn leave(&mut self, value: i64, dequeue: Option<&Call>) -> bool {
        let Some(dequeue) = dequeue else {
            self.stays = true;
            return true;
        };
        self.left = self.left.max(self.entered).max(dequeue.invoked);
        let takes = dequeue.action == Action::Dequeue && (!dequeue.is_ok() || dequeue.result == value);
        takes && self.left <= dequeue.completed && !self.stays
    }
}

#[cfg(test)]
mod tests {
    use base::{Rng, Seed};
    use testkit::brute_objects::{self as brute, ObjectMix, random_objects};

    use super::*;

    /// Without operations of unknown outcome, what goes through is known, and only in which order is not.
    #[test]
    fn some_order_of_passages_holds_if_and_only_if_the_queue_is_linearizable() {
        let actions = &[Action::Enqueue, Action::Dequeue];
        let mix = ObjectMix {
            rule: brute::fifo,
            actions,
            operations: 8,
            unique: true,
            pending: 0.0,
            lies: 0.3,
            sequential: false,
        };
        let mut rng = Rng::new(Seed(1).derive("passages"));
        let (mut valid, mut invalid) = (0, 0);
        for _ in 0..3_000 {
            let history = random_objects(&mut rng, mix);
            let places: Vec<u32> = (0..history.len() as u32).filter(|&i| history.calls[i as usize].is_ok()).collect();
            let mut holds = false;
            permutations(&mut passages(&history, &places), 0, &mut |passages| {
                holds |= Replay::of(&history).refute(&places, passages).is_none();
            });
            let expected = brute::linearizable(&history, brute::fifo);
            assert_eq!(holds, expected, "{history:#?}");
            *if expected { &mut valid } else { &mut invalid } += 1;
        }
        assert!(valid > 300 && invalid > 300, "{valid} {invalid}");
    }

    /// Each value with the first dequeue of it; dequeues that are left stand alone.
    fn passages(history: &Objects, places: &[u32]) -> Vec<Passage> {
        let call = |i: u32| &history.calls[i as usize];
        let (enqueues, mut dequeues): (Vec<u32>, Vec<u32>) =
            places.iter().partition(|&&i| call(i).action == Action::Enqueue);
        let value = |enqueue: u32| {
            let at = dequeues.iter().position(|&i| call(i).result == call(enqueue).argument);
            Passage { enqueue: Some(enqueue), dequeue: at.map(|at| dequeues.remove(at)) }
        };
        let mut all: Vec<Passage> = enqueues.into_iter().map(value).collect();
        all.extend(dequeues.into_iter().map(|i| Passage { enqueue: None, dequeue: Some(i) }));
        all
    }

    fn permutations(all: &mut [Passage], from: usize, see: &mut impl FnMut(&[Passage])) {
        if from == all.len() {
            return see(all);
        }
        for at in from..all.len() {
            all.swap(from, at);
            permutations(all, from + 1, see);
            all.swap(from, at);
        }
    }
}
