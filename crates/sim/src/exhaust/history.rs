//! The operations of the clients as part of a state, and whether they are linearizable so far.
//!
//! Kept is what linearizability can see: which operations were over when another began, and what each returned. Order of events that
//! says nothing about that is forgotten, so that histories which differ in it alone are one.

use std::collections::BTreeSet;

use history::{Completion, Function, NIL, Outcome, Request};
use proto::Target;

/// The operations of each client so far, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct History {
    pub(super) clients: Vec<Vec<Entry>>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    /// By client, how many of its first operations include every one that was `ok` before this began.
    seen: Vec<u8>,
    pub(super) end: End,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// It has not. It may have happened.
    Open,
    /// `info`: it may happen at any time.
    Unknown,
    /// `fail`: it did not happen.
    Failed,
    /// `ok`, with what was read.
    Ok(u64),
}

impl History {
    pub(super) fn new(clients: usize) -> Self {
        History { clients: vec![Vec::new(); clients] }
    }

    /// The next operation of a client that has none under way, if it has one left.
    pub(super) fn next(&self, client: usize, asks: &[(Request, Target)]) -> Option<u32> {
        let entries = &self.clients[client];
        let idle = entries.last().is_none_or(|entry| entry.end != End::Open);
        (idle && entries.len() < asks.len()).then_some(entries.len() as u32)
    }

    /// A client begins its next operation. Without `recorded`, only that is kept.
    pub(super) fn invoke(&mut self, client: usize, recorded: bool) {
        let last_ok = |entries: &Vec<Entry>| entries.iter().rposition(|entry| matches!(entry.end, End::Ok(_)));
        let seen = |entries: &Vec<Entry>| last_ok(entries).map_or(0, |place| place as u8 + 1);
        let seen = if recorded { self.clients.iter().map(seen).collect() } else { Vec::new() };
        self.clients[client].push(Entry { seen, end: End::Open });
    }

    /// An operation ends, unless it has ended before.
    pub(super) fn complete(&mut self, client: usize, operation: u32, completion: &Completion, recorded: bool) {
        let Some(entry) = self.clients[client].get_mut(operation as usize) else { return };
        if entry.end == End::Open {
            entry.end = match completion.outcome {
                Outcome::Ok if recorded => End::Ok(completion.result),
                Outcome::Ok => End::Ok(NIL),
                Outcome::Fail => End::Failed,
                Outcome::Info => End::Unknown,
            };
        }
    }

    /// Whether some order of the operations, each at a moment between its begin and its end, explains every result (Herlihy & Wing,
    /// 1990). Keys are judged one by one, which the property allows.
    pub(super) fn is_linearizable(&self, asks: &[Vec<(Request, Target)>]) -> bool {
        let keys: BTreeSet<u32> = asks.iter().flatten().map(|(request, _)| request.key).collect();
        keys.into_iter().all(|key| Puzzle::new(self, asks, key).is_solvable())
    }
}

/// The operations of one key, to be put in order.
struct Puzzle {
    operations: Vec<(Request, End)>,
    /// By operation, the ones that must come before.
    before: Vec<u64>,
    /// The ones that must be in the order.
    needed: u64,
}

impl Puzzle {
    fn new(history: &History, asks: &[Vec<(Request, Target)>], key: u32) -> Self {
        let mut places = Vec::new();
        let mut puzzle = Puzzle { operations: Vec::new(), before: Vec::new(), needed: 0 };
        for (client, entries) in history.clients.iter().enumerate() {
            for (place, entry) in entries.iter().enumerate() {
                let request = asks[client][place].0;
                if request.key == key && entry.end != End::Failed {
                    puzzle.needed |= u64::from(matches!(entry.end, End::Ok(_))) << places.len();
                    puzzle.operations.push((request, entry.end));
                    places.push((client, place, entry));
                }
            }
        }
        let precedes = |(client, place, entry): &(usize, usize, &Entry), later: &Entry| {
            matches!(entry.end, End::Ok(_)) && *place < usize::from(later.seen[*client])
        };
        let mask = |later: &Entry| {
            let set = places.iter().enumerate().filter(|(_, earlier)| precedes(earlier, later));
            set.fold(0, |mask, (index, _)| mask | 1 << index)
        };
        puzzle.before = places.iter().map(|(_, _, entry)| mask(entry)).collect();
        puzzle
    }

    fn is_solvable(&self) -> bool {
        self.solve(0, NIL, &mut BTreeSet::new())
    }

    /// Whether the rest can follow when `done` are done and the key holds `value`.
    fn solve(&self, done: u64, value: u64, tried: &mut BTreeSet<(u64, u64)>) -> bool {
        if done & self.needed == self.needed {
            return true;
        }
        if !tried.insert((done, value)) {
            return false;
        }
        (0..self.operations.len()).any(|index| {
            let ready = done >> index & 1 == 0 && self.before[index] & !done == 0;
            let after = ready.then(|| self.apply(index, value)).flatten();
            after.is_some_and(|value| self.solve(done | 1 << index, value, tried))
        })
    }

    /// What the key holds after an operation; `None` if it cannot have ended as it did.
    fn apply(&self, index: usize, value: u64) -> Option<u64> {
        let (request, end) = self.operations[index];
        match (request.function, end) {
            (Function::Read, End::Ok(result)) => (result == value).then_some(value),
            (Function::Read, _) => Some(value),
            (Function::Write, _) => Some(request.argument),
            (Function::Cas, End::Ok(_)) => (value == request.expected).then_some(request.argument),
            (Function::Cas, _) => Some(if value == request.expected { request.argument } else { value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(asks: &[Vec<Request>], events: &[(usize, Option<Completion>)]) -> bool {
        let asks: Vec<Vec<_>> =
            asks.iter().map(|client| client.iter().map(|request| (*request, Target::Leader)).collect()).collect();
        let mut history = History::new(asks.len());
        for (client, completion) in events {
            match completion {
                None => history.invoke(*client, true),
                Some(completion) => {
                    let last = history.clients[*client].len() as u32 - 1;
                    history.complete(*client, last, completion, true);
                }
            }
        }
        history.is_linearizable(&asks)
    }

    #[test]
    fn a_read_after_a_write_must_see_it_and_one_beside_it_may() {
        let asks = [vec![Request::write(0, 1)], vec![Request::read(0)]];
        let ok = |value| Some(Completion::ok(value));
        assert!(!judge(&asks, &[(0, None), (0, ok(NIL)), (1, None), (1, ok(NIL))]));
        assert!(judge(&asks, &[(0, None), (1, None), (0, ok(NIL)), (1, ok(NIL))]));
        assert!(judge(&asks, &[(0, None), (1, None), (1, ok(1))]), "an open write may have happened");
        assert!(!judge(&asks, &[(1, None), (1, ok(1)), (0, None)]), "before it began it may not");
    }

    #[test]
    fn what_failed_did_not_happen_and_what_is_unknown_may() {
        let asks = [vec![Request::write(0, 1)], vec![Request::read(0), Request::read(0)]];
        let fail = Completion::fail(history::ErrorKind::Unavailable);
        let info = Completion::info(history::ErrorKind::Timeout);
        let reads =
            |first, second| [(1, None), (1, Some(Completion::ok(first))), (1, None), (1, Some(Completion::ok(second)))];
        let after = |end: Completion, reads: &[(usize, Option<Completion>)]| {
            judge(&asks, &[&[(0, None), (0, Some(end))], reads].concat())
        };
        assert!(!after(fail, &reads(1, 1)));
        assert!(after(info, &reads(NIL, 1)));
        assert!(!after(info, &reads(1, NIL)));
    }

    #[test]
    fn a_compare_and_set_that_succeeded_met_what_it_expected() {
        let asks = [vec![Request::cas(0, NIL, 1)], vec![Request::cas(0, NIL, 2)]];
        let ok = Some(Completion::ok(NIL));
        assert!(judge(&asks, &[(0, None), (1, None), (0, ok)]));
        assert!(!judge(&asks, &[(0, None), (1, None), (0, ok), (1, ok)]));
    }
}
