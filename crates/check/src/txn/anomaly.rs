//! What can be wrong with transactions, by the names of the field (Adya 1999; Kingsbury & Alvaro 2020).

use super::graph::{Edge, EdgeKind};

/// The kind of an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Class {
    /// A read saw a value that nobody wrote.
    GarbageRead,
    /// A list holds an element twice.
    DuplicateElements,
    /// Two reads of a list are not prefixes of each other, or contradict the order inside a transaction.
    IncompatibleOrder,
    /// Versions of a key precede each other.
    CyclicVersions,
    /// A cycle of overwrites.
    G0,
    /// A read saw the write of a transaction that failed.
    G1a,
    /// A read saw a write that its own transaction overwrote.
    G1b,
    /// A cycle of overwrites and reads of them.
    G1c,
    /// A committed write followed the write of a transaction that failed.
    DirtyUpdate,
    /// A transaction read its own write before it made it.
    FutureRead,
    /// A transaction did not read its own latest write of a register.
    OwnWriteMissed,
    /// A transaction's read contradicts what it had read or written before.
    Internal,
    /// A transaction saw one write of another, and later missed another one of the same (OTV).
    VanishedTransaction,
    /// A transaction saw one write of another and missed an earlier or simultaneous one.
    FracturedRead,
    /// A read missed a write that causally preceded it.
    StaleCausal,
    /// Two transactions read the same version and both replaced it.
    LostUpdate,
    /// A transaction missed something that what it had seen or written before depended on.
    GMonotonic,
    /// What a transaction read first and later is of no two states of the database, one after the other.
    GMsr,
    /// A cycle with one anti-dependency (read skew).
    GSingle,
    /// A cycle in which every anti-dependency follows a read or the order of a process: no prefix of one order was read.
    PrefixCycle,
    /// A cycle with several anti-dependencies, no two of them adjacent (long fork).
    GNonadjacent,
    /// A cycle with anti-dependencies and at most one transaction that only reads.
    GUpdate,
    /// A cycle with adjacent anti-dependencies (write skew).
    G2Item,
}

impl Class {
    /// Every class.
    pub const ALL: [Class; 23] = [
        Class::GarbageRead,
        Class::DuplicateElements,
        Class::IncompatibleOrder,
        Class::CyclicVersions,
        Class::G0,
        Class::G1a,
        Class::G1b,
        Class::G1c,
        Class::DirtyUpdate,
        Class::FutureRead,
        Class::OwnWriteMissed,
        Class::Internal,
        Class::VanishedTransaction,
        Class::FracturedRead,
        Class::StaleCausal,
        Class::LostUpdate,
        Class::GMonotonic,
        Class::GMsr,
        Class::GSingle,
        Class::PrefixCycle,
        Class::GNonadjacent,
        Class::GUpdate,
        Class::G2Item,
    ];

    /// The class of this name.
    pub fn find(name: &str) -> Option<Class> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The usual name.
    pub fn name(self) -> &'static str {
        match self {
            Class::GarbageRead => "garbage-read",
            Class::DuplicateElements => "duplicate-elements",
            Class::IncompatibleOrder => "incompatible-order",
            Class::CyclicVersions => "cyclic-versions",
            Class::G0 => "G0",
            Class::G1a => "G1a",
            Class::G1b => "G1b",
            Class::G1c => "G1c",
            Class::DirtyUpdate => "dirty-update",
            Class::FutureRead => "future-read",
            Class::OwnWriteMissed => "own-write-missed",
            Class::Internal => "internal",
            Class::VanishedTransaction => "vanished-transaction",
            Class::FracturedRead => "fractured-read",
            Class::StaleCausal => "causal-violation",
            Class::LostUpdate => "lost-update",
            Class::GMonotonic => "G-monotonic",
            Class::GMsr => "G-MSR",
            Class::GSingle => "G-single",
            Class::PrefixCycle => "prefix-violation",
            Class::GNonadjacent => "G-nonadjacent",
            Class::GUpdate => "G-update",
            Class::G2Item => "G2-item",
        }
    }
}

impl Class {
    /// Whether its cycles are of more usual classes too, looked at for the sake of one level.
    pub fn is_aspect(self) -> bool {
        matches!(self, Class::VanishedTransaction | Class::GMonotonic | Class::GMsr | Class::GUpdate)
    }
}

/// Which order of transactions an anomaly needs beside their data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variant {
    /// None.
    Plain,
    /// That of each process.
    Process,
    /// Real time (which contains that of each process).
    Realtime,
}

impl Variant {
    /// All, weakest first.
    pub const ALL: [Variant; 3] = [Variant::Plain, Variant::Process, Variant::Realtime];

    /// Whether this variant's graph has such edges.
    pub fn has(self, kind: EdgeKind) -> bool {
        match kind {
            EdgeKind::So => self >= Variant::Process,
            EdgeKind::Rt => self == Variant::Realtime,
            _ => true,
        }
    }

    fn suffix(self) -> &'static str {
        ["", "-process", "-realtime"][self as usize]
    }
}

/// One anomaly and its witness.
#[derive(Clone, Debug, PartialEq)]
pub struct TxnAnomaly {
    /// Its kind.
    pub class: Class,
    /// What order it needs.
    pub variant: Variant,
    /// The reason in sentences.
    pub story: Vec<String>,
    /// The transactions of the witness: first those of a cycle, in its order.
    pub transactions: Vec<u32>,
    /// The edges of the cycle, between transactions; empty if the anomaly is none.
    pub cycle: Vec<Edge>,
}

impl TxnAnomaly {
    /// `G-single-realtime`
    pub fn name(&self) -> String {
        format!("{}{}", self.class.name(), self.variant.suffix())
    }
}
