//! Which graph has to be acyclic for a level.
//!
//! *Serial*: a node per transaction; all dependencies (Papadimitriou 1979; Adya 1999).
//! *Snapshot*: a node for the start `s` and one for the commit `c` of a transaction. What it depends on (`ww`, `wr`, order of the process, real
//! time) committed before it started, `c -> s`; what overwrote its reads committed after that, `s -> c`. A cycle of this graph is a cycle
//! of dependencies without adjacent anti-dependencies, which is what snapshot isolation excludes (Cerone, Bernardi & Gotsman 2015, theorem 4.1).
//! *Prefix*: the same, but of two writers of a key the second only commits later: `ww` is `c -> c` (Biswas & Enea 2019, axiom Prefix).
//! *Parallel*: a node per transaction and no anti-dependencies; besides, no transaction may read a version when a later one of that key
//! precedes it in this graph: parallel snapshot isolation (Cerone et al., axiom set of PSI), and with other orders Adya's consistent views.

use crate::txn::anomaly::Class;
use crate::txn::graph::{Edge, EdgeKind};

/// A kind of graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Of serializability.
    Serial,
    /// Of snapshot isolation.
    Snapshot,
    /// Of prefix consistency.
    Prefix,
    /// Of parallel snapshot isolation.
    Parallel,
}

impl Form {
    /// The anomaly that a history without such an order has, whatever its order of versions.
    pub fn class(self) -> Class {
        match self {
            Form::Serial => Class::G2Item,
            Form::Snapshot => Class::GNonadjacent,
            Form::Prefix => Class::PrefixCycle,
            Form::Parallel => Class::GSingle,
        }
    }

    /// Whether an order of this form is one of `other` too.
    pub fn contains(self, other: Form) -> bool {
        self == other || self == Form::Serial || self == Form::Snapshot && other != Form::Serial
    }

    /// Whether start and commit are two nodes.
    pub fn split(self) -> bool {
        matches!(self, Form::Snapshot | Form::Prefix)
    }

    /// Whether two versions that nobody read need no order: any order of the commits gives them one.
    pub fn ignores_unread(self) -> bool {
        matches!(self, Form::Serial | Form::Prefix)
    }
}

/// The nodes of a graph: those of the transactions, then instants.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Its kind.
    pub form: Form,
    /// Transactions.
    pub count: u32,
    /// Instants.
    pub instants: u32,
}

impl Layout {
    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        (self.count * self.width() + self.instants) as usize
    }

    /// Nodes of a transaction.
    pub fn width(&self) -> u32 {
        if self.form.split() { 2 } else { 1 }
    }

    /// Where a transaction starts.
    pub fn start(&self, t: u32) -> u32 {
        t * self.width()
    }

    /// Where a transaction commits.
    pub fn commit(&self, t: u32) -> u32 {
        t * self.width() + self.width() - 1
    }

    /// What an earlier version of the same key must have been committed before.
    pub fn head(&self, t: u32) -> u32 {
        if self.form == Form::Prefix { self.commit(t) } else { self.start(t) }
    }

    /// The transaction of a node; `None` of an instant.
    pub fn transaction(&self, node: u32) -> Option<u32> {
        let t = node / self.width();
        (t < self.count).then_some(t)
    }

    /// The nodes between which an edge stands.
    pub fn ends(&self, edge: &Edge) -> (u32, u32) {
        let out = |t: u32, node: fn(&Layout, u32) -> u32| {
            if t < self.count { node(self, t) } else { t - self.count + self.count * self.width() }
        };
        match edge.kind() {
            EdgeKind::Ww => (self.commit(edge.from), self.head(edge.to)),
            EdgeKind::Rw => (self.start(edge.from), self.commit(edge.to)),
            _ => (out(edge.from, Layout::commit), out(edge.to, Layout::start)),
        }
    }

    /// Whether the graph has such edges at all.
    pub fn has(&self, edge: &Edge) -> bool {
        self.form != Form::Parallel || edge.kind() != EdgeKind::Rw
    }
}
