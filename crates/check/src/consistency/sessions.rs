//! A history as weak models see it: what each process did, one operation after another, and whose value each operation saw. Real time
//! plays no part.
//!
//! - A failed mutation did not happen, and a read without an answer says nothing; but a failed compare-and-set that found another value
//!   is an observation: the value was *not* what it expected.
//! - A mutation of unknown outcome happened if somebody saw its value; else nothing can tell, and it is left out.
//! - A session ends with an operation of unknown outcome: nothing the process does later comes certainly after it.
//! - Where values are unique, a value names its write. Else the choice of the write is part of the question ([`super::settle`]).

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::{Columns, ErrorKind, Function, History, NIL, Outcome};

/// No operation: what a blind write saw, what came before the first of a session.
pub(super) const NONE: u32 = u32::MAX;
/// In place of an operation: the value that the key held at first.
pub(super) const INITIAL: u32 = u32::MAX - 1;

/// What an operation saw, as long as it is not known whose value it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// This value.
    Value(u64),
    /// Any value but this.
    Not(u64),
}

/// Operations in order of invocation, as columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    /// Places in the checked history.
    pub index: Vec<u32>,
    pub session: Vec<u32>,
    /// The operation before it in its session, or [`NONE`].
    pub previous: Vec<u32>,
    pub key: Vec<u32>,
    /// Whether it set its key to a value.
    pub writes: Vec<bool>,
    /// The operation whose value it saw, [`INITIAL`], or [`NONE`].
    pub from: Vec<u32>,
    /// How many sessions there are.
    pub sessions: usize,
    /// How many keys there are; they are dense.
    pub keys: usize,
    /// What saw a value that may be of several operations.
    pub unsettled: Vec<(u32, Sight)>,
    /// Mutations of unknown outcome: they happened only if somebody saw them; ascending.
    pub optional: Vec<u32>,
    /// The value that each operation sets. Only kept while something is unsettled.
    sets: Vec<u64>,
}

/// Operations that saw a value which nobody can have written, as places in the history.
pub(super) type Nowhere = Vec<u32>;

impl Sessions {
    /// Reads the columns. Linear.
    pub fn of(history: &History) -> (Sessions, Nowhere) {
        Gather::new(&history.operations).run()
    }

    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Only these operations (ascending). What saw the value of one that is left out saw nothing; use [`Sessions::closed`] first.
    pub fn only(&self, kept: &[u32]) -> Sessions {
        let place: BTreeMap<u32, u32> = kept.iter().enumerate().map(|(new, old)| (*old, new as u32)).collect();
        let moved = |op: u32| if op == INITIAL { INITIAL } else { place.get(&op).copied().unwrap_or(NONE) };
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        let previous = |(new, old): (usize, &u32)| last.insert(self.session[*old as usize], new as u32).unwrap_or(NONE);
        fn pick<T: Copy>(kept: &[u32], column: &[T]) -> Vec<T> {
            kept.iter().map(|op| column[*op as usize]).collect()
        }
        Sessions {
            index: pick(kept, &self.index),
            session: pick(kept, &self.session),
            previous: kept.iter().enumerate().map(previous).collect(),
            key: pick(kept, &self.key),
            writes: pick(kept, &self.writes),
            from: kept.iter().map(|op| moved(self.from[*op as usize])).collect(),
            sessions: self.sessions,
            keys: self.keys,
            unsettled: self.unsettled.iter().filter_map(|(op, sight)| Some((*place.get(op)?, *sight))).collect(),
            optional: self.optional.iter().filter_map(|op| place.get(op).copied()).collect(),
            sets: if self.sets.is_empty() { Vec::new() } else { pick(kept, &self.sets) },
        }
    }

    /// These operations and all whose values they may have seen, ascending.
    pub fn closed(&self, ops: &[u32]) -> Vec<u32> {
        let mut kept: std::collections::BTreeSet<u32> = std::collections::BTreeSet::new();
        let mut wanted = ops.to_vec();
        while let Some(op) = wanted.pop() {
            if !kept.insert(op) {
                continue;
            }
            let from = self.from[op as usize];
            wanted.extend((from < INITIAL).then_some(from));
            if let Some(sight) = self.sight(op) {
                wanted.extend(self.makers(op, sight));
            }
        }
        kept.into_iter().collect()
    }

    /// The value that an operation sets. Only known while something is unsettled.
    pub fn value(&self, op: u32) -> u64 {
        self.sets.get(op as usize).copied().unwrap_or(NIL)
    }

    /// What an unsettled operation saw.
    pub fn sight(&self, op: u32) -> Option<Sight> {
        self.unsettled.iter().find(|(unsettled, _)| *unsettled == op).map(|(_, sight)| *sight)
    }

    /// The operations whose value an operation may have seen, latest first. Linear.
    pub fn makers(&self, op: u32, sight: Sight) -> Vec<u32> {
        let key = self.key[op as usize];
        let fits = |maker: &u32| {
            let i = *maker as usize;
            *maker != op && self.writes[i] && self.key[i] == key && shows(sight, self.sets[i])
        };
        (0..self.len() as u32).rev().filter(fits).collect()
    }

    /// The same with these choices made: `from` in place of what was unsettled, without the optional operations that are not `kept`.
    pub fn settled(&self, from: &[u32], kept: &[bool]) -> Sessions {
        let mut sessions = Sessions { from: from.to_vec(), unsettled: Vec::new(), ..self.clone() };
        if self.optional.iter().any(|op| !kept[*op as usize]) {
            let kept: Vec<u32> = (0..self.len() as u32).filter(|op| kept[*op as usize]).collect();
            sessions = sessions.only(&kept);
        }
        sessions.optional = Vec::new();
        sessions
    }
}

/// Whether a value is one that was seen.
pub(super) fn shows(sight: Sight, value: u64) -> bool {
    match sight {
        Sight::Value(seen) => value == seen,
        Sight::Not(denied) => value != denied,
    }
}

/// What an operation of the history saw and did; `None` if it certainly had no effect and says nothing.
fn effect(columns: &Columns, i: usize) -> Option<(Option<Sight>, Option<u64>)> {
    let (argument, expected) = (columns.argument[i], columns.expected[i]);
    Some(match (columns.function[i], columns.outcome[i]) {
        (Function::Read, Outcome::Ok) => (Some(Sight::Value(columns.result[i])), None),
        (Function::Read, _) => return None,
        (Function::Write, Outcome::Fail) => return None,
        (Function::Write, _) => (None, Some(argument)),
        (Function::Cas, Outcome::Fail) if columns.error[i] == ErrorKind::Precondition => {
            (Some(Sight::Not(expected)), None)
        }
        (Function::Cas, Outcome::Fail) => return None,
        (Function::Cas, _) => (Some(Sight::Value(expected)), Some(argument)),
    })
}

/// Numbers as dense ones: their own when those are dense enough, else their rank.
struct Dense {
    count: usize,
    ranked: Option<Vec<u32>>,
}

impl Dense {
    fn of(numbers: &[u32]) -> Dense {
        let greatest = numbers.iter().max().map_or(0, |&number| number as usize + 1);
        if greatest <= numbers.len() * 2 + 64 {
            return Dense { count: greatest, ranked: None };
        }
        let mut ranked = numbers.to_vec();
        ranked.sort_unstable();
        ranked.dedup();
        Dense { count: ranked.len(), ranked: Some(ranked) }
    }

    fn number(&self, number: u32) -> u32 {
        self.ranked.as_ref().map_or(number, |ranked| ranked.binary_search(&number).unwrap_or(0) as u32)
    }
}

/// The mutations that may have made each value, as places in the history.
enum Writers {
    /// By value: values are dense and no two mutations set the same.
    Dense { writers: Vec<u32> },
    /// The first by key and value, and after each the next of the same.
    Hashed { first: HashMap<(u32, u64), u32, BuildHasherDefault<Fingerprint>>, next: Vec<u32> },
}

impl Writers {
    fn of(columns: &Columns, keys: &Dense) -> Writers {
        Writers::dense(columns).unwrap_or_else(|| Writers::hashed(columns, keys))
    }

    fn may_have_happened(columns: &Columns, i: usize) -> bool {
        columns.function[i].is_mutation() && columns.outcome[i] != Outcome::Fail
    }

    fn dense(columns: &Columns) -> Option<Writers> {
        let room = columns.len() as u64 * 4 + 1024;
        // NIL becomes 0, so that reads do not count.
        let greatest = columns.argument.iter().fold(0, |greatest, &value| value.wrapping_add(1).max(greatest));
        let mut writers = vec![NONE; if greatest <= room { greatest as usize } else { return None }];
        for i in (0..columns.len()).filter(|&i| Writers::may_have_happened(columns, i)) {
            let writer = writers.get_mut(columns.argument[i] as usize)?;
            if std::mem::replace(writer, i as u32) != NONE {
                return None;
            }
        }
        Some(Writers::Dense { writers })
    }

    fn hashed(columns: &Columns, keys: &Dense) -> Writers {
        let mut first = HashMap::default();
        let mut next = vec![NONE; columns.len()];
        for i in (0..columns.len()).rev().filter(|&i| Writers::may_have_happened(columns, i)) {
            let place = (keys.number(columns.key[i]), columns.argument[i]);
            next[i] = first.insert(place, i as u32).unwrap_or(NONE);
        }
        Writers::Hashed { first, next }
    }

    /// The first mutation that sets this value, other than `but`.
    fn first(&self, columns: &Columns, keys: &Dense, key: u32, value: u64, but: u32) -> u32 {
        match self {
            Writers::Dense { writers } => {
                let writer = writers.get(value as usize).copied().unwrap_or(NONE);
                let other_key = writer != NONE && keys.number(columns.key[writer as usize]) != key;
                if writer == but || other_key { NONE } else { writer }
            }
            Writers::Hashed { first, .. } => {
                let writer = first.get(&(key, value)).copied().unwrap_or(NONE);
                if writer == but && writer != NONE { self.next(writer, but) } else { writer }
            }
        }
    }

    /// The next that sets the same value, other than `but`.
    fn next(&self, writer: u32, but: u32) -> u32 {
        match self {
            Writers::Dense { .. } => NONE,
            Writers::Hashed { next, .. } => match next[writer as usize] {
                next if next == but && next != NONE => self.next(next, but),
                next => next,
            },
        }
    }
}

/// Whose value an operation saw, as far as it is certain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Of(u32),
    Unsettled(Sight),
    Nowhere,
}

struct Gather<'a> {
    columns: &'a Columns,
    keys: Dense,
    writers: Writers,
    /// By place in the history: whether a mutation of unknown outcome happened, may have, or is as good as not.
    pending: BTreeMap<u32, Pending>,
    nowhere: Nowhere,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pending {
    Unseen,
    Optional,
    Happened,
}

impl<'a> Gather<'a> {
    fn new(columns: &'a Columns) -> Gather<'a> {
        let keys = Dense::of(&columns.key);
        let writers = Writers::of(columns, &keys);
        Gather { columns, keys, writers, pending: BTreeMap::new(), nowhere: Vec::new() }
    }

    fn run(mut self) -> (Sessions, Nowhere) {
        self.find_pending();
        let mut sessions = self.collect();
        if sessions.unsettled.is_empty() {
            sessions.sets = Vec::new();
        }
        (sessions, self.nowhere)
    }

    /// Whose value the operation at `i` saw.
    fn seen(&self, i: usize, sight: Option<Sight>) -> Seen {
        let key = self.keys.number(self.columns.key[i]);
        let value = match sight {
            None => return Seen::Nothing,
            Some(Sight::Value(value)) => value,
            Some(denial) => return Seen::Unsettled(denial),
        };
        let writer = self.writers.first(self.columns, &self.keys, key, value, i as u32);
        match (value == NIL, writer) {
            (true, NONE) => Seen::Of(INITIAL),
            (false, NONE) => Seen::Nowhere,
            (false, _) if self.writers.next(writer, i as u32) == NONE => Seen::Of(writer),
            _ => Seen::Unsettled(Sight::Value(value)),
        }
    }

    /// Which mutations of unknown outcome happened: those that an operation which happened saw.
    fn find_pending(&mut self) {
        let columns = self.columns;
        let is_pending = |i: &usize| columns.outcome[*i] == Outcome::Info && columns.function[*i].is_mutation();
        self.pending = (0..columns.len()).filter(is_pending).map(|i| (i as u32, Pending::Unseen)).collect();
        if self.pending.is_empty() {
            return;
        }
        let mut marks = Vec::new();
        for i in (0..columns.len()).filter(|&i| columns.outcome[i] != Outcome::Info) {
            self.see(i, Pending::Happened, &mut marks);
            while let Some((writer, certainty)) = marks.pop() {
                let Some(known) = self.pending.get_mut(&writer).filter(|known| **known < certainty) else { continue };
                *known = certainty;
                self.see(writer as usize, certainty, &mut marks);
            }
        }
    }

    /// Marks what an operation saw, or may have seen, if it happened with this certainty.
    fn see(&self, i: usize, certainty: Pending, marks: &mut Vec<(u32, Pending)>) {
        let Some((sight, _)) = effect(self.columns, i) else { return };
        match self.seen(i, sight) {
            Seen::Nothing | Seen::Nowhere | Seen::Of(INITIAL) => {}
            Seen::Of(writer) => marks.push((writer, certainty)),
            Seen::Unsettled(sight) => {
                let key = self.columns.key[i];
                let may_be = |writer: &u32| {
                    let w = *writer as usize;
                    self.columns.key[w] == key && w != i && shows(sight, self.columns.argument[w])
                };
                marks.extend(self.pending.keys().copied().filter(may_be).map(|writer| (writer, Pending::Optional)));
            }
        }
    }

    fn collect(&mut self) -> Sessions {
        let columns = self.columns;
        let mut sessions = Sessions { keys: self.keys.count, ..Sessions::default() };
        sessions.reserve(columns.len());
        let processes = Dense::of(&columns.process);
        let mut session_of = vec![NONE; processes.count];
        let mut last = Vec::new();
        let mut place = vec![NONE; columns.len()];
        for i in 0..columns.len() {
            let session = &mut session_of[processes.number(columns.process[i]) as usize];
            if *session == NONE {
                *session = last.len() as u32;
                last.push(NONE);
            }
            let id = *session;
            if columns.outcome[i] == Outcome::Info {
                *session = NONE;
            }
            let pending = self.pending.get(&(i as u32)).copied().unwrap_or(Pending::Happened);
            let Some((sight, sets)) = effect(columns, i).filter(|_| pending != Pending::Unseen) else { continue };
            let op = sessions.len() as u32;
            let from = match self.seen(i, sight) {
                Seen::Nothing => NONE,
                Seen::Of(writer) => writer,
                Seen::Unsettled(sight) => {
                    sessions.unsettled.push((op, sight));
                    NONE
                }
                // What may not have happened is no contradiction by itself: it must not be what somebody saw.
                Seen::Nowhere if columns.outcome[i] == Outcome::Info => {
                    sessions.unsettled.extend(sight.map(|sight| (op, sight)));
                    NONE
                }
                Seen::Nowhere => {
                    self.nowhere.push(i as u32);
                    NONE
                }
            };
            place[i] = op;
            if columns.outcome[i] == Outcome::Info {
                sessions.optional.push(op);
            }
            sessions.index.push(i as u32);
            sessions.session.push(id);
            sessions.previous.push(std::mem::replace(&mut last[id as usize], op));
            sessions.key.push(self.keys.number(columns.key[i]));
            sessions.writes.push(sets.is_some());
            sessions.sets.push(sets.unwrap_or(NIL));
            sessions.from.push(from);
        }
        sessions.sessions = last.len();
        for from in sessions.from.iter_mut().filter(|from| **from < INITIAL) {
            *from = place[*from as usize];
        }
        sessions
    }
}

impl Sessions {
    fn reserve(&mut self, operations: usize) {
        for column in [&mut self.index, &mut self.session, &mut self.previous, &mut self.key, &mut self.from] {
            column.reserve(operations);
        }
        self.writes.reserve(operations);
        self.sets.reserve(operations);
    }
}
