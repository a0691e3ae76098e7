//! One schedule that explains every read and keeps real time, found without any graph: then every level holds.
//!
//! A transaction runs as soon as it was invoked, nothing that had completed before that is still to run, and the store looks as
//! its reads say: every key holds the version it read, and whoever else read the versions it replaces has run. Each of these conditions,
//! once true, stays true until the transaction has run, so the order in which they are tried is of no importance: if nothing can
//! run there is no schedule (Kahn, 1962, with edges that are never made). Whatever else is odd about the data also says "no schedule";
//! what it is, the slower passes of [`append`](super::append) and [`register`](super::register) tell.
//!
//! Pass 1 compares every read with the longest one of its key, pass 2 runs the transactions. Both are linear in micro-operations and list
//! elements; a transaction waits for one version at a time and is woken at most twice for each.

use std::collections::BTreeMap;

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};

const NONE: u32 = u32::MAX;
/// Of what a micro-operation needs: nothing.
const NOTHING: u32 = u32::MAX;
/// Of a write: the first of its transaction to its key.
const FIRST: u32 = 1 << 31;
/// Of a first write: the transaction is one of the readers of the version it replaces.
const READER: u32 = 1 << 30;
/// Set beside the place of a transaction in a list of waiting ones.
const DONE: u32 = u32::MAX - 1;

/// The live transactions in an order that explains all reads and keeps real time (of histories without intervals, the order of each process);
/// `None` if there is none, or if the data is not enough to say so: a register written without being read.
pub fn schedule(transactions: &Transactions) -> Option<Vec<u32>> {
    let (keys, versions) = transactions.sizes();
    if keys + versions >= READER as usize {
        return None;
    }
    let mut store = Store::new(transactions);
    store.read()?;
    store.run()
}

/// A version, or the initial one of a key.
#[derive(Clone, Copy)]
struct Node {
    /// The version that it replaces; [`NONE`] if no read tells.
    before: u32,
    /// Transactions that have read it and not yet run.
    readers: u32,
    /// The first of those that wait for it.
    waiting: u32,
}

/// What is known of a key. While reading: by the transaction at hand.
#[derive(Clone, Copy)]
struct Slot {
    /// The longest list that was read: its place in the elements and its length.
    start: u32,
    length: u32,
    /// The transaction that the following are about.
    transaction: u32,
    /// How many writes it has made, the first one's place among the micro-operations, and the last version.
    own: u32,
    first: u32,
    last: u32,
    /// The version that it read.
    base: u32,
    /// While running: the version that the key holds.
    current: u32,
}

struct Store<'a> {
    transactions: &'a Transactions,
    versions: u32,
    /// Versions, then the initial versions of the keys.
    nodes: Vec<Node>,
    slots: Vec<Slot>,
    /// What each micro-operation needs: of a read the version that the key must hold; of a first write flags; of a further write to a list
    /// the version that it must follow.
    needs: Vec<u32>,
}

impl<'a> Store<'a> {
    fn new(transactions: &'a Transactions) -> Store<'a> {
        let (keys, versions) = transactions.sizes();
        let slot = |key: usize| Slot {
            start: 0,
            length: 0,
            transaction: NONE,
            own: 0,
            first: NONE,
            last: NONE,
            base: NONE,
            current: (versions + key) as u32,
        };
        Store {
            transactions,
            versions: versions as u32,
            nodes: vec![Node { before: NONE, readers: 0, waiting: NONE }; versions + keys],
            slots: (0..keys).map(slot).collect(),
            needs: Vec::with_capacity(transactions.ops.len()),
        }
    }

    /// Pass 1: what every micro-operation needs, and which version follows which.
    fn read(&mut self) -> Option<()> {
        for t in 0..self.transactions.len() as u32 {
            let outcome = self.transactions.outcome[t as usize];
            for op in self.transactions.ops(t) {
                let need = match op.kind {
                    _ if outcome == Outcome::Fail => NOTHING,
                    Kind::Append | Kind::Write => self.read_write(t, op)?,
                    Kind::Read | Kind::ReadList if outcome != Outcome::Ok || op.value == UNREAD => NOTHING,
                    Kind::ReadList => self.read_list(t, op)?,
                    Kind::Read => self.read_register(t, op)?,
                };
                self.needs.push(need);
            }
        }
        Some(())
    }

    fn slot(&mut self, t: u32, key: u32) -> &mut Slot {
        let slot = &mut self.slots[key as usize];
        if slot.transaction != t {
            (slot.transaction, slot.own, slot.first, slot.base) = (t, 0, NONE, NONE);
        }
        slot
    }

    fn read_write(&mut self, t: u32, op: &Micro) -> Option<u32> {
        let at = self.needs.len() as u32;
        let slot = self.slot(t, op.key);
        let previous = std::mem::replace(&mut slot.last, op.value);
        let first = slot.own == 0;
        slot.own += 1;
        if first {
            slot.first = at;
        }
        let base = slot.base;
        if op.kind == Kind::Write {
            return self.replace(t, op.value, base, first);
        }
        Some(match (first, base) {
            (true, NONE) => FIRST,
            (true, _) => FIRST | READER,
            (false, _) => previous,
        })
    }

    /// A version of a register replaces the one that was read, so one must have been. What an unknown transaction read is not known.
    fn replace(&mut self, t: u32, version: u32, base: u32, first: bool) -> Option<u32> {
        if self.transactions.outcome[t as usize] == Outcome::Info {
            return Some(NOTHING);
        }
        let node = &mut self.nodes[version as usize];
        if base == NONE || std::mem::replace(&mut node.before, base) != NONE {
            return None;
        }
        Some(if first { FIRST | READER } else { NOTHING })
    }

    fn read_register(&mut self, t: u32, op: &Micro) -> Option<u32> {
        let version = if op.value == INITIAL { self.versions + op.key } else { op.value };
        let slot = self.slot(t, op.key);
        if slot.own > 0 {
            return (slot.last == version).then_some(NOTHING);
        }
        self.need(op.key, version)
    }

    fn read_list(&mut self, t: u32, op: &Micro) -> Option<u32> {
        let (transactions, initial) = (self.transactions, self.versions + op.key);
        let slot = self.slot(t, op.key);
        let own = slot.own as usize;
        let mut list = transactions.list(op);
        if own > 0 {
            list = without_own(transactions, t, op.key, own, list)?;
        }
        let known = &transactions.elements[slot.start as usize..(slot.start + slot.length) as usize];
        if list.len() <= known.len() {
            if *list != known[..list.len()] {
                return None;
            }
        } else {
            if *known != list[..known.len()] {
                return None;
            }
            let length = known.len();
            (slot.start, slot.length) = (op.value, list.len() as u32);
            let mut before = known.last().copied().unwrap_or(initial);
            for version in &list[length..] {
                let node = &mut self.nodes[*version as usize];
                if std::mem::replace(&mut node.before, before) != NONE {
                    return None;
                }
                before = *version;
            }
        }
        self.need(op.key, list.last().copied().unwrap_or(initial))
    }

    /// A read of a version that others had made: the first of the key in its transaction, or the same again.
    fn need(&mut self, key: u32, version: u32) -> Option<u32> {
        let slot = &mut self.slots[key as usize];
        if slot.base != NONE {
            return (slot.base == version).then_some(NOTHING);
        }
        slot.base = version;
        self.nodes[version as usize].readers += 1;
        if slot.own > 0 {
            self.needs[slot.first as usize] |= READER;
        }
        Some(version)
    }

    /// Whether a transaction happened; `None` if it wrote to a register after a read that is not known.
    fn is_live(&self, t: u32) -> Option<bool> {
        match self.transactions.outcome[t as usize] {
            Outcome::Ok => Some(true),
            Outcome::Fail => Some(false),
            Outcome::Info => {
                let ops = || self.transactions.ops(t).iter();
                let node = |op: &Micro| self.nodes[op.value as usize];
                if ops().any(|op| op.kind == Kind::Write && node(op).readers > 0) {
                    return None;
                }
                Some(ops().any(|op| op.kind == Kind::Append && node(op).before != NONE))
            }
        }
    }

    /// Pass 2: runs everything as soon as it can.
    fn run(mut self) -> Option<Vec<u32>> {
        let count = self.transactions.len();
        let mut runner =
            Runner { next: vec![NONE; count], ready: Vec::new(), order: Vec::with_capacity(count), after: Vec::new() };
        let mut live = 0;
        if self.transactions.timed {
            for event in events(self.transactions) {
                let t = event >> 1;
                if event & 1 == 1 {
                    if runner.next[t as usize] != DONE {
                        return None; // Nothing invoked from here on may run before this one.
                    }
                } else if self.is_live(t)? {
                    live += 1;
                    runner.ready.push(t);
                    self.settle(&mut runner);
                }
            }
        } else {
            live = self.by_process(&mut runner)?;
            self.settle(&mut runner);
        }
        (runner.order.len() == live).then_some(runner.order)
    }

    /// Without intervals: the first of each process is ready, each of the others after the one before it. How many there are.
    fn by_process(&self, runner: &mut Runner) -> Option<usize> {
        runner.after = vec![NONE; self.transactions.len()];
        let mut last = BTreeMap::new();
        let mut live = 0;
        for t in 0..self.transactions.len() as u32 {
            if !self.is_live(t)? {
                continue;
            }
            live += 1;
            let process = self.transactions.process[t as usize];
            match last.get(&process) {
                None => runner.ready.push(t),
                Some(before) => runner.after[*before as usize] = t,
            }
            // What follows an unknown outcome need not follow that transaction.
            if self.transactions.outcome[t as usize] == Outcome::Ok {
                last.insert(process, t);
            } else {
                last.remove(&process);
            }
        }
        Some(live)
    }

    /// Runs what is ready, and what becomes so by that.
    fn settle(&mut self, runner: &mut Runner) {
        while let Some(t) = runner.ready.pop() {
            match self.obstacle(t) {
                None => {
                    self.apply(t, runner);
                    runner.next[t as usize] = DONE;
                    runner.order.push(t);
                    runner.ready.extend(runner.after.get(t as usize).filter(|next| **next != NONE));
                }
                Some(NOTHING) => {}
                Some(version) => {
                    runner.next[t as usize] = std::mem::replace(&mut self.nodes[version as usize].waiting, t);
                }
            }
        }
    }

    /// The version that a transaction must wait for; [`NOTHING`] if it can never run.
    fn obstacle(&self, t: u32) -> Option<u32> {
        let first = self.transactions.first[t as usize] as usize;
        let ops = self.transactions.ops(t);
        let needs = &self.needs[first..first + ops.len()];
        ops.iter().zip(needs).find_map(|(op, need)| {
            if *need == NOTHING {
                return None;
            }
            match op.kind {
                Kind::Read | Kind::ReadList => (self.slots[op.key as usize].current != *need).then_some(*need),
                Kind::Append | Kind::Write if need & FIRST != 0 => self.hindered(op, need & READER),
                Kind::Append | Kind::Write => self.strays(op, *need).then_some(NOTHING),
            }
        })
    }

    /// A first write waits until its key holds the version that it replaces and all others that read it have run. An append that nobody read
    /// comes after the longest list that was read.
    fn hindered(&self, op: &Micro, reader: u32) -> Option<u32> {
        let before = match self.nodes[op.value as usize].before {
            NONE => self.tail(op.key),
            before => before,
        };
        let wait = self.slots[op.key as usize].current != before
            || self.nodes[before as usize].readers > u32::from(reader != 0);
        wait.then_some(before)
    }

    /// Whether a further append of a transaction does not follow its last one, or was not read although that was.
    fn strays(&self, op: &Micro, previous: u32) -> bool {
        let before = self.nodes[op.value as usize].before;
        before != previous && (before != NONE || self.nodes[previous as usize].before != NONE)
    }

    fn tail(&self, key: u32) -> u32 {
        let slot = &self.slots[key as usize];
        match slot.length {
            0 => self.versions + key,
            length => self.transactions.elements[(slot.start + length - 1) as usize],
        }
    }

    fn apply(&mut self, t: u32, runner: &mut Runner) {
        let first = self.transactions.first[t as usize] as usize;
        for (at, op) in self.transactions.ops(t).iter().enumerate() {
            match (op.kind, self.needs[first + at]) {
                (Kind::Read | Kind::ReadList, NOTHING) => {}
                (Kind::Read | Kind::ReadList, need) => {
                    let node = &mut self.nodes[need as usize];
                    node.readers -= 1;
                    if node.readers <= 1 {
                        runner.wake(node);
                    }
                }
                (Kind::Append | Kind::Write, _) => {
                    let node = &mut self.nodes[op.value as usize];
                    if node.before != NONE {
                        self.slots[op.key as usize].current = op.value;
                        runner.wake(node);
                    }
                }
            }
        }
    }
}

/// Which transactions wait, are ready, have run.
struct Runner {
    /// The next that waits for the same version; [`DONE`] once it has run.
    next: Vec<u32>,
    ready: Vec<u32>,
    order: Vec<u32>,
    /// Without intervals: the next of the same process.
    after: Vec<u32>,
}

impl Runner {
    fn wake(&mut self, node: &mut Node) {
        let mut at = std::mem::replace(&mut node.waiting, NONE);
        while at != NONE {
            self.ready.push(at);
            at = self.next[at as usize];
        }
    }
}

/// A list without the transaction's own appends at its end; `None` if they are not there.
fn without_own<'a>(transactions: &Transactions, t: u32, key: u32, own: usize, list: &'a [u32]) -> Option<&'a [u32]> {
    let (base, end) = list.split_at_checked(list.len().checked_sub(own)?)?;
    let appends = transactions.ops(t).iter().filter(|op| op.kind == Kind::Append && op.key == key);
    appends.take(own).map(|op| &op.value).eq(end).then_some(base)
}

/// Invocations (even) and completions (odd) of transactions that did not fail, in order.
fn events(transactions: &Transactions) -> impl Iterator<Item = u32> {
    let mut events = vec![NONE; transactions.len() * 2];
    for t in 0..transactions.len() {
        let completed = transactions.completed[t];
        match transactions.outcome[t] {
            Outcome::Fail => continue,
            Outcome::Ok if completed != NEVER => events[completed as usize] = (t as u32) << 1 | 1,
            _ => {}
        }
        events[transactions.invoked[t] as usize] = (t as u32) << 1;
    }
    events.into_iter().filter(|event| *event != NONE)
}
