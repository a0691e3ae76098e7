//! What the weak levels look at: sessions, who read from whom, and who wrote which keys.

use history::Outcome;
use history::txn::{Kind, Transactions};

const NONE: u32 = u32::MAX;
/// The writer of what was there before every transaction.
pub const NOBODY: u32 = u32::MAX;

/// Sessions, reads and writes, flat. Whoever makes one fills `first_read` and `reads`, and adds the rest.
pub struct Reads {
    /// Sessions, each with its transactions in order, which all precede each other.
    pub sessions: Vec<Vec<u32>>,
    /// The transaction that precedes each in its process; `u32::MAX` if none does. Mostly the one before it in its session.
    pub previous: Vec<u32>,
    /// Where the reads of each transaction begin; one more entry than transactions.
    pub first_read: Vec<u32>,
    /// Key and writer of every read of another transaction's write, in program order.
    pub reads: Vec<(u32, u32)>,
    /// Where the keys that each transaction writes begin; one more entry than transactions.
    pub first_write: Vec<u32>,
    /// The keys, sorted, each once.
    pub writes: Vec<u32>,
    /// How many keys there are.
    pub keys: usize,
}

impl Reads {
    /// Nothing yet.
    pub fn with_capacity(transactions: &Transactions) -> Reads {
        let is_read = |kind: Kind| matches!(kind, Kind::Read | Kind::ReadList);
        let reads = transactions.ops.iter().filter(|op| is_read(op.kind)).count();
        Reads {
            sessions: Vec::new(),
            previous: Vec::new(),
            first_read: Vec::with_capacity(transactions.len() + 1),
            reads: Vec::with_capacity(reads),
            first_write: Vec::with_capacity(transactions.len() + 1),
            writes: Vec::with_capacity(transactions.ops.len() - reads),
            keys: transactions.keys.len(),
        }
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        self.first_read.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The reads of a transaction.
    pub fn of(&self, t: u32) -> &[(u32, u32)] {
        &self.reads[self.first_read[t as usize] as usize..self.first_read[t as usize + 1] as usize]
    }

    /// The keys that a transaction writes.
    pub fn written(&self, t: u32) -> &[u32] {
        &self.writes[self.first_write[t as usize] as usize..self.first_write[t as usize + 1] as usize]
    }

    /// The keys that each transaction writes. Those that never happened are in no session, and nobody asks.
    pub fn add_writes(&mut self, transactions: &Transactions) {
        for t in 0..transactions.len() as u32 {
            let begin = self.writes.len();
            self.first_write.push(begin as u32);
            for op in transactions.ops(t).iter().filter(|op| matches!(op.kind, Kind::Write | Kind::Append)) {
                if !self.writes[begin..].iter().rev().take(8).any(|key| *key == op.key) {
                    self.writes.push(op.key);
                }
            }
            if self.writes.len() - begin > 1 {
                self.writes[begin..].sort_unstable();
            }
            if self.writes.len() - begin > 8 {
                let mut own = self.writes.split_off(begin);
                own.dedup();
                self.writes.append(&mut own);
            }
        }
        self.first_write.push(self.writes.len() as u32);
    }

    /// The `ok` transactions of each process, then every observed one of unknown outcome by itself; and the `ok` one before each in
    /// its process. What follows an unknown outcome need not follow that transaction.
    pub fn add_sessions(&mut self, transactions: &Transactions, live: &[bool]) {
        let session_of = numbers(&transactions.process);
        let mut alone: Vec<Vec<u32>> = Vec::new();
        let mut sessions: Vec<Vec<u32>> =
            vec![Vec::new(); session_of.iter().max().map_or(0, |most| *most as usize + 1)];
        self.previous = vec![NONE; transactions.len()];
        for t in (0..transactions.len() as u32).filter(|t| live[*t as usize]) {
            let session = &mut sessions[session_of[t as usize] as usize];
            self.previous[t as usize] = session.last().copied().unwrap_or(NONE);
            if transactions.outcome[t as usize] == Outcome::Info {
                alone.push(vec![t]);
            } else {
                session.push(t);
            }
        }
        sessions.retain(|session| !session.is_empty());
        sessions.append(&mut alone);
        self.sessions = sessions;
    }

    /// The same with every transaction in a session of its own.
    pub fn without_sessions(&self) -> Reads {
        Reads {
            sessions: (0..self.len() as u32).map(|t| vec![t]).collect(),
            previous: vec![NONE; self.len()],
            first_read: self.first_read.clone(),
            reads: self.reads.clone(),
            first_write: self.first_write.clone(),
            writes: self.writes.clone(),
            keys: self.keys,
        }
    }

    /// The session of every transaction and its place there; `u32::MAX` if it is in none.
    pub(super) fn places(&self) -> (Vec<u32>, Vec<u32>) {
        let (mut session_of, mut place_of) = (vec![NONE; self.len()], vec![NONE; self.len()]);
        for (session, members) in self.sessions.iter().enumerate() {
            for (place, t) in members.iter().enumerate() {
                (session_of[*t as usize], place_of[*t as usize]) = (session as u32, place as u32);
            }
        }
        (session_of, place_of)
    }
}

/// Small numbers for processes, in order of their first transaction.
fn numbers(processes: &[u32]) -> Vec<u32> {
    let mut made = 0;
    let mut number = |known: &mut u32| {
        if *known == NONE {
            *known = made;
            made += 1;
        }
        *known
    };
    let most = processes.iter().max().map_or(0, |most| *most as usize);
    if most < processes.len() * 2 + 1024 {
        let mut known = vec![NONE; most + 1];
        return processes.iter().map(|process| number(&mut known[*process as usize])).collect();
    }
    let mut known = std::collections::BTreeMap::new();
    processes.iter().map(|process| number(known.entry(*process).or_insert(NONE))).collect()
}
