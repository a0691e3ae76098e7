//! Orders of transactions: run one after another, on lists and registers that hold what was put in.
//!
//! An order that explains every read, and keeps real time (of histories without intervals: the order of each process), makes the history
//! strict serializable, and with that every level holds.

use std::collections::BTreeMap;

use history::Outcome;
use history::txn::{INITIAL, Kind, Micro, NEVER, Transactions, UNREAD};

use super::file::Doubt;

/// Why the order does not prove that the transactions are strict serializable; `None`: it does. Linear in micro-operations and list elements.
pub fn refute_order(transactions: &Transactions, order: &[u32]) -> Option<String> {
    doubt(transactions, order).map(|doubt| doubt.why)
}

/// The same, and at which place of the order.
pub(super) fn doubt(transactions: &Transactions, order: &[u32]) -> Option<Doubt> {
    let mut store = Store::new(transactions);
    let mut seen = vec![false; transactions.len()];
    let mut before = Before::default();
    for (place, &t) in order.iter().enumerate() {
        let at = t as usize;
        if at >= seen.len() || std::mem::replace(&mut seen[at], true) || transactions.outcome[at] == Outcome::Fail {
            return Some(Doubt::of_transaction(place, t, "is in the order twice, failed, or does not exist"));
        }
        if !before.may_follow(transactions, at) {
            return Some(Doubt::of_transaction(place, t, "was over before one that precedes it had begun"));
        }
        if !transactions.ops(t).iter().all(|op| store.run(op)) {
            return Some(Doubt::of_transaction(place, t, "does not read what the ones before it have written"));
        }
    }
    let missing = |t: &usize| !seen[*t] && transactions.outcome[*t] == Outcome::Ok;
    (0..seen.len()).find(missing).map(|t| Doubt::of_transaction(order.len(), t as u32, "is not in the order"))
}

/// What the transactions so far say about time.
#[derive(Default)]
struct Before {
    /// The latest invocation.
    latest: u32,
    /// The last transaction of each process.
    last: BTreeMap<u32, usize>,
}

impl Before {
    fn may_follow(&mut self, transactions: &Transactions, t: usize) -> bool {
        if !transactions.timed {
            return self.last.insert(transactions.process[t], t).is_none_or(|before| before < t);
        }
        let fits = transactions.completed[t] == NEVER || transactions.completed[t] > self.latest;
        self.latest = self.latest.max(transactions.invoked[t]);
        fits
    }
}

/// What every key holds.
struct Store<'a> {
    transactions: &'a Transactions,
    /// The elements of all lists, those of a key together.
    elements: Vec<u32>,
    /// Of each key, where its list begins, and ends so far.
    lists: Vec<(u32, u32)>,
    registers: Vec<u32>,
}

impl<'a> Store<'a> {
    /// With room for everything that is appended, so that no list ever moves.
    fn new(transactions: &'a Transactions) -> Store<'a> {
        let keys = transactions.keys.len();
        let mut lists = vec![(0, 0); keys];
        let appends = transactions.ops.iter().filter(|op| op.kind == Kind::Append);
        appends.for_each(|op| lists[op.key as usize].1 += 1);
        let mut end = 0;
        for list in &mut lists {
            let begin = end;
            end += list.1;
            *list = (begin, begin);
        }
        Store { transactions, elements: vec![0; end as usize], lists, registers: vec![INITIAL; keys] }
    }

    /// False: a read returned something else.
    #[inline]
    fn run(&mut self, op: &Micro) -> bool {
        let key = op.key as usize;
        match op.kind {
            Kind::Append => {
                let (_, end) = &mut self.lists[key];
                self.elements[*end as usize] = op.value;
                *end += 1;
            }
            Kind::Write => self.registers[key] = op.value,
            Kind::Read | Kind::ReadList if op.value == UNREAD => {}
            Kind::Read => return self.registers[key] == op.value,
            Kind::ReadList => {
                let (begin, end) = self.lists[key];
                return self.elements[begin as usize..end as usize] == *self.transactions.list(op);
            }
        }
        true
    }
}
