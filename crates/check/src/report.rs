use history::Operation;

use crate::txn::TxnAnomaly;
use crate::verdict::Verdict;

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The name of the model.
    pub model: &'static str,
    /// Whether the history keeps it.
    pub verdict: Verdict,
    /// The reasons of an `invalid` verdict, one per key at most, by key. Beyond [`Options::anomalies`](crate::Options) they are only counted.
    pub anomalies: Vec<Anomaly>,
    /// Keys (or other parts) that break the model.
    pub broken: usize,
    /// Operations judged.
    pub operations: usize,
    /// An order in which the operations took effect, as indices into the history: the certificate of a `valid` verdict.
    /// Keys one after another; real time holds within a key, which is enough because linearizability is local (Herlihy & Wing, 1990).
    /// Only if [`Options::certificate`](crate::Options) asked for it.
    pub order: Option<Vec<u32>>,
    /// Of transactions: every level, and everything that was found.
    pub isolation: Option<Box<Isolation>>,
}

/// What a history of transactions keeps and what it breaks, whatever level was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Isolation {
    /// Every level and whether it holds.
    pub levels: Vec<(&'static str, Verdict)>,
    /// The levels that hold and are contained in no other that holds.
    pub strongest: Vec<&'static str>,
    /// The levels that are violated and contain no other that is.
    pub weakest_violated: Vec<&'static str>,
    /// Every kind of anomaly that was found, by name.
    pub found: Vec<IsolationAnomaly>,
    /// Those that the level in question forbids, with the edges of their cycles.
    pub evidence: Vec<TxnAnomaly>,
}

/// A kind of anomaly that a history has.
#[derive(Clone, Debug, PartialEq)]
pub struct IsolationAnomaly {
    /// As Elle calls it: `G-single-realtime`.
    pub name: String,
    /// How many were seen; of cycles, one.
    pub count: usize,
    /// The first of them.
    pub witness: Option<Anomaly>,
}

impl Report {
    /// A report without anomalies or certificate.
    pub fn new(model: &'static str, verdict: Verdict, operations: usize) -> Report {
        Report { model, verdict, anomalies: Vec::new(), broken: 0, operations, order: None, isolation: None }
    }
}

/// The kind of contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnomalyKind {
    /// A read returned a value that nobody wrote.
    PhantomRead,
    /// A read returned the value of a write that failed.
    AbortedRead,
    /// A read returned before the write of its value was invoked.
    ReadFromTheFuture,
    /// A read returned a value that had been overwritten before it was invoked.
    StaleRead,
    /// A value was seen again after another had replaced it.
    SplitBrain,
    /// Two compare-and-sets replaced the same value.
    LostUpdate,
    /// Compare-and-sets that wait for each other's values.
    CasCycle,
    /// No order of the operations explains what was seen.
    NoOrder,
    /// A contradiction of an object other than a register, as its checker names it.
    Object(&'static str),
    /// Transactions that an isolation level forbids; the title has the name of the anomaly.
    Isolation,
}

impl AnomalyKind {
    /// The name in reports.
    pub fn title(self) -> &'static str {
        match self {
            AnomalyKind::PhantomRead => "phantom read",
            AnomalyKind::AbortedRead => "aborted read",
            AnomalyKind::ReadFromTheFuture => "read from the future",
            AnomalyKind::StaleRead => "stale read",
            AnomalyKind::SplitBrain => "two values at once",
            AnomalyKind::LostUpdate => "lost update",
            AnomalyKind::CasCycle => "cycle of compare-and-sets",
            AnomalyKind::NoOrder => "no order explains what was seen",
            AnomalyKind::Object(title) => title,
            AnomalyKind::Isolation => "isolation anomaly",
        }
    }
}

/// One reason why a history is invalid.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// Its kind.
    pub kind: AnomalyKind,
    /// The kind and where: `stale read, key 3`.
    pub title: String,
    /// The reason in sentences.
    pub story: Vec<String>,
    /// The witness: operations that are a contradiction alone, in order of invocation.
    pub operations: Vec<Operation>,
    /// Their places in the checked history.
    pub indices: Vec<u32>,
    /// The witness as a picture, if it is not one of `operations`.
    pub drawing: Option<String>,
}

impl Anomaly {
    /// The witness as a picture: a self-contained SVG that reads on light and on dark ground.
    pub fn svg(&self) -> String {
        self.drawing.clone().unwrap_or_else(|| crate::picture::svg(&self.title, &self.operations))
    }
}
