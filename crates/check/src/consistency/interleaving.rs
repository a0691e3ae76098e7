//! The exact search for one order of everything that keeps the order of each session: depth first over how far each session has come, with a memory
//! of the states that led nowhere.
//!
//! - What only looks goes first: taking a read that fits never hurts. So does a write that nobody has yet to see.
//! - A value that somebody still has to see, and nobody can write again, must not be overwritten.
//! - Where values are unique, the state is a function of how far each session has come; else of what the keys hold, too.
//! - Choices are tried in the order of invocation, which is near an order that works if there is one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use base::mix;
use history::NIL;

use super::clocks::Edges;
use super::sessions::{INITIAL, NONE, Sessions, Sight};
use crate::limit::Limit;

/// What the search found.
pub(super) enum Interleaving {
    /// An order, as places in the sessions.
    Order(Vec<u32>),
    /// There is none.
    None,
    /// The budget ran out, or somebody stopped the check.
    GaveUp(&'static str),
}

/// Searches an order along `edges` within `budget` states.
pub(super) fn interleave(sessions: &Sessions, edges: &[(u32, u32)], budget: usize, limit: &Limit) -> Interleaving {
    Search::new(sessions, edges).run(budget, limit)
}

/// Replays an order by the definition: whether it keeps every session, contains all that certainly happened, and explains what was seen.
pub(super) fn replay(sessions: &Sessions, order: &[u32]) -> bool {
    let values = Values::of(sessions);
    let mut holds = values.initial.clone();
    let mut taken = vec![false; sessions.len()];
    for &op in order {
        let (i, key) = (op as usize, sessions.key[op as usize] as usize);
        let previous = sessions.previous[i];
        let fits = match values.needs[i] {
            Need::Anything => true,
            Need::Value(value) => holds[key] == value,
            Need::Not(value) => holds[key] != value,
        };
        if !fits || taken[i] || previous != NONE && !taken[previous as usize] {
            return false;
        }
        taken[i] = true;
        holds[key] = if values.gives[i] == NONE { holds[key] } else { values.gives[i] };
    }
    sessions.optional.iter().for_each(|op| taken[*op as usize] = true);
    taken.into_iter().all(|taken| taken)
}

/// What an operation needs to find.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Anything,
    Value(u32),
    Not(u32),
}

/// A point at which there was a choice.
struct Fork {
    /// How many operations had been taken.
    taken: usize,
    /// The write that was tried last.
    tried: u32,
    /// Whether no other has to be tried.
    only: bool,
}

struct Search<'a> {
    sessions: &'a Sessions,
    needs: Vec<Need>,
    /// The value that each operation sets, or [`NONE`].
    gives: Vec<u32>,
    optional: Vec<bool>,
    /// The next operation of each operation's session.
    next: Vec<u32>,
    /// The first operation of each session that is not taken.
    heads: Vec<u32>,
    after: Edges,
    /// How many known predecessors are not taken yet.
    waits: Vec<u32>,
    /// The number of the value that each key holds.
    holds: Vec<u32>,
    /// Who must see each value.
    readers: Edges,
    /// How many of them are not taken yet.
    unseen: Vec<u32>,
    /// How many writes of each value are not taken yet.
    writes_left: Vec<u32>,
    /// Whether something on the key can tell values apart in another way than by needing one.
    subtle: Vec<bool>,
    /// Operations that only look, need no certain value, and wait for another.
    doubters: Vec<u32>,
    /// Heads that write and wait for no other.
    ready: BTreeSet<u32>,
    /// Must still be taken.
    left: usize,
    taken: Vec<(u32, u32)>,
    state: u128,
    /// Whether what the keys hold is part of the state.
    values_matter: bool,
}

impl<'a> Search<'a> {
    fn new(sessions: &'a Sessions, edges: &[(u32, u32)]) -> Search<'a> {
        let n = sessions.len();
        let values = Values::of(sessions);
        let mut optional = vec![false; n];
        sessions.optional.iter().for_each(|op| optional[*op as usize] = true);
        let (mut next, mut heads, mut waits) = (vec![NONE; n], vec![NONE; sessions.sessions], vec![0; n]);
        for op in 0..n {
            match sessions.previous[op] {
                NONE => heads[sessions.session[op] as usize] = op as u32,
                previous => next[previous as usize] = op as u32,
            }
        }
        edges.iter().for_each(|(_, target)| waits[*target as usize] += 1);
        let mut unseen = vec![0; values.count];
        let mut writes_left = vec![0; values.count];
        let mut subtle = vec![false; sessions.keys];
        let mut readers = Vec::new();
        let mut doubters = Vec::new();
        for op in 0..n {
            let key = sessions.key[op] as usize;
            match values.needs[op] {
                Need::Value(value) if !optional[op] => unseen[value as usize] += 1,
                Need::Value(_) | Need::Not(_) => subtle[key] = true,
                Need::Anything => {}
            }
            match values.needs[op] {
                Need::Value(value) => readers.push((op as u32, value)),
                Need::Not(_) => doubters.push(op as u32),
                Need::Anything => {}
            }
            if values.gives[op] != NONE {
                writes_left[values.gives[op] as usize] += 1;
            }
        }
        let swapped: Vec<(u32, u32)> = edges.iter().map(|(source, target)| (*target, *source)).collect();
        let mut search = Search {
            sessions,
            optional,
            next,
            after: Edges::new(&swapped, n),
            waits,
            holds: values.initial,
            readers: Edges::new(&readers, values.count),
            unseen,
            writes_left,
            values_matter: !sessions.unsettled.is_empty() || subtle.contains(&true),
            subtle,
            doubters,
            ready: BTreeSet::new(),
            left: 0,
            taken: Vec::with_capacity(n),
            state: 0,
            needs: values.needs,
            gives: values.gives,
            heads,
        };
        search.left = search.optional.iter().filter(|optional| !**optional).count();
        (0..sessions.sessions).for_each(|session| search.arrive(search.heads[session]));
        search
    }

    fn run(mut self, budget: usize, limit: &Limit) -> Interleaving {
        let mut known: HashSet<u128> = HashSet::new();
        let mut forks: Vec<Fork> = Vec::new();
        let all: Vec<u32> = self.heads.clone();
        self.look(all);
        loop {
            if self.left == 0 {
                return Interleaving::Order(self.taken.iter().map(|(op, _)| *op).collect());
            }
            let fresh = known.insert(self.state);
            if known.len() > budget {
                return Interleaving::GaveUp("too many orders to try");
            }
            if let Some(reason) = limit.exceeded().filter(|_| known.len().is_multiple_of(1024)) {
                return Interleaving::GaveUp(reason);
            }
            let choice = if fresh { self.choice(0) } else { None };
            let mut choice = choice.map(|op| (op, self.taken.len()));
            while choice.is_none() {
                let Some(fork) = forks.pop() else { return Interleaving::None };
                self.back_to(fork.taken);
                if !fork.only {
                    choice = self.choice(fork.tried + 1).map(|op| (op, fork.taken));
                }
            }
            let Some((op, taken)) = choice else { return Interleaving::None };
            forks.push(Fork { taken, tried: op, only: self.harmless(op) });
            self.take(op);
            self.look_after(op);
        }
    }

    /// The first write from `start` on that can be taken.
    fn choice(&self, start: u32) -> Option<u32> {
        self.ready.range(start..).copied().find(|op| self.may_write(*op))
    }

    fn may_write(&self, op: u32) -> bool {
        let held = self.holds[self.sessions.key[op as usize] as usize] as usize;
        let sees = self.needs[op as usize] == Need::Value(held as u32);
        let counts = sees && !self.optional[op as usize];
        let fits = self.needs[op as usize] == Need::Anything || sees;
        fits && (self.unseen[held] <= u32::from(counts) || self.writes_left[held] > 0)
    }

    /// Whether taking a write that can be taken excludes nothing: nobody has to see what it replaces or what it writes.
    fn harmless(&self, op: u32) -> bool {
        let (i, key) = (op as usize, self.sessions.key[op as usize] as usize);
        self.needs[i] == Need::Anything
            && !self.optional[i]
            && !self.subtle[key]
            && self.unseen[self.gives[i] as usize] == 0
            && self.unseen[self.holds[key] as usize] == 0
    }

    /// Takes operations that only look and fit, among these and those that come after them.
    fn look(&mut self, mut candidates: Vec<u32>) {
        while let Some(op) = candidates.pop() {
            if op == NONE || self.gives[op as usize] != NONE || !self.is_head(op) || self.waits[op as usize] > 0 {
                continue;
            }
            let held = self.holds[self.sessions.key[op as usize] as usize];
            let fits = match self.needs[op as usize] {
                Need::Anything => true,
                Need::Value(value) => value == held,
                Need::Not(value) => value != held,
            };
            if fits {
                self.take(op);
                candidates.push(self.next[op as usize]);
                candidates.extend_from_slice(self.after.to(op));
            }
        }
    }

    /// The same after a write.
    fn look_after(&mut self, op: u32) {
        let key = self.sessions.key[op as usize] as usize;
        let mut candidates = vec![self.next[op as usize]];
        candidates.extend_from_slice(self.after.to(op));
        let readers = self.readers.to(self.gives[op as usize]);
        let doubtful = if self.subtle[key] { self.doubters.len() } else { 0 };
        if readers.len() + doubtful > self.heads.len() {
            candidates.extend_from_slice(&self.heads);
        } else {
            candidates.extend_from_slice(readers);
            candidates.extend_from_slice(&self.doubters[..doubtful]);
        }
        self.look(candidates);
    }

    fn is_head(&self, op: u32) -> bool {
        self.heads[self.sessions.session[op as usize] as usize] == op
    }

    /// An operation has become a head, or waits for no other any longer.
    fn arrive(&mut self, op: u32) {
        if op != NONE && self.gives[op as usize] != NONE && self.waits[op as usize] == 0 && self.is_head(op) {
            self.ready.insert(op);
        }
    }

    fn take(&mut self, op: u32) {
        let i = op as usize;
        let (session, key) = (self.sessions.session[i] as usize, self.sessions.key[i] as usize);
        self.taken.push((op, self.holds[key]));
        self.left -= usize::from(!self.optional[i]);
        if let Need::Value(value) = self.needs[i] {
            self.unseen[value as usize] -= u32::from(!self.optional[i]);
        }
        if self.gives[i] != NONE {
            self.ready.remove(&op);
            self.writes_left[self.gives[i] as usize] -= 1;
            self.hold(key, self.gives[i]);
        }
        self.state = self.state.wrapping_add(word(session as u64, 0));
        self.heads[session] = self.next[i];
        for at in 0..self.after.to(op).len() {
            let later = self.after.to(op)[at];
            self.waits[later as usize] -= 1;
            self.arrive(later);
        }
        self.arrive(self.next[i]);
    }

    fn hold(&mut self, key: usize, value: u32) {
        if self.values_matter {
            let of = |value: u32| word(u64::MAX - key as u64, u64::from(value) + 1);
            self.state = self.state.wrapping_sub(of(self.holds[key])).wrapping_add(of(value));
        }
        self.holds[key] = value;
    }

    fn back_to(&mut self, taken: usize) {
        while self.taken.len() > taken {
            if let Some((op, held)) = self.taken.pop() {
                self.untake(op, held);
            }
        }
    }

    fn untake(&mut self, op: u32, held: u32) {
        let i = op as usize;
        let (session, key) = (self.sessions.session[i] as usize, self.sessions.key[i] as usize);
        if self.next[i] != NONE {
            self.ready.remove(&self.next[i]);
        }
        for at in 0..self.after.to(op).len() {
            let later = self.after.to(op)[at];
            self.waits[later as usize] += 1;
            self.ready.remove(&later);
        }
        self.heads[session] = op;
        self.state = self.state.wrapping_sub(word(session as u64, 0));
        if self.gives[i] != NONE {
            self.hold(key, held);
            self.writes_left[self.gives[i] as usize] += 1;
            self.ready.insert(op);
        }
        if let Need::Value(value) = self.needs[i] {
            self.unseen[value as usize] += u32::from(!self.optional[i]);
        }
        self.left += usize::from(!self.optional[i]);
    }
}

/// A summand of the state: states are told apart by 128 bits.
fn word(a: u64, b: u64) -> u128 {
    u128::from(mix(a, b)) << 64 | u128::from(mix(b ^ 0x5851_F42D_4C95_7F2D, a))
}

/// Values by number.
struct Values {
    count: usize,
    needs: Vec<Need>,
    gives: Vec<u32>,
    initial: Vec<u32>,
}

impl Values {
    fn of(sessions: &Sessions) -> Values {
        if sessions.unsettled.is_empty() { Values::by_write(sessions) } else { Values::by_value(sessions) }
    }

    /// A write is its value.
    fn by_write(sessions: &Sessions) -> Values {
        let n = sessions.len() as u32;
        let need = |(op, from): (usize, &u32)| match *from {
            NONE => Need::Anything,
            INITIAL => Need::Value(n + sessions.key[op]),
            from => Need::Value(from),
        };
        Values {
            count: sessions.len() + sessions.keys,
            needs: sessions.from.iter().enumerate().map(need).collect(),
            gives: (0..n).map(|op| if sessions.writes[op as usize] { op } else { NONE }).collect(),
            initial: (0..sessions.keys as u32).map(|key| n + key).collect(),
        }
    }

    fn by_value(sessions: &Sessions) -> Values {
        let mut numbers: BTreeMap<(u32, u64), u32> = BTreeMap::new();
        let mut number = |key: u32, value: u64| {
            let fresh = numbers.len() as u32;
            *numbers.entry((key, value)).or_insert(fresh)
        };
        let initial = (0..sessions.keys as u32).map(|key| number(key, NIL)).collect();
        let unsettled: BTreeMap<u32, Sight> = sessions.unsettled.iter().copied().collect();
        let (mut needs, mut gives) = (Vec::new(), Vec::new());
        for op in 0..sessions.len() {
            let key = sessions.key[op];
            needs.push(match (unsettled.get(&(op as u32)), sessions.from[op]) {
                (Some(Sight::Value(value)), _) => Need::Value(number(key, *value)),
                (Some(Sight::Not(value)), _) => Need::Not(number(key, *value)),
                (None, NONE) => Need::Anything,
                (None, INITIAL) => Need::Value(number(key, NIL)),
                (None, from) => Need::Value(number(key, sessions.value(from))),
            });
            gives.push(if sessions.writes[op] { number(key, sessions.value(op as u32)) } else { NONE });
        }
        Values { count: numbers.len(), needs, gives, initial }
    }
}
