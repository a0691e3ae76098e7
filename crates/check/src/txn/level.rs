//! Isolation levels: the map, and what each forbids.
//!
//! Every level is a set of forbidden anomalies, each in the plain, the process or the real-time graph (Adya 1999; Cerone, Bernardi &
//! Gotsman 2015; the model graph of Elle). A level that forbids an anomaly in one variant forbids it in the smaller ones.

use super::anomaly::{Class, Variant};

/// An isolation level.
#[derive(PartialEq, Eq)]
pub struct Level {
    /// The usual name.
    pub name: &'static str,
    /// Other names of it, and of levels that no client can tell from it.
    pub aliases: &'static [&'static str],
    /// What it promises, in a sentence.
    pub summary: &'static str,
    /// The anomalies that it forbids, beside those of the levels it contains.
    pub forbids: &'static [(Class, Variant)],
    /// The levels that it contains directly.
    pub above: &'static [&'static str],
}

use Class::{
    CyclicVersions, DirtyUpdate, DuplicateElements, FracturedRead, FutureRead, G0, G1a, G1b, G1c, G2Item, GMonotonic,
    GMsr, GNonadjacent, GSingle, GUpdate, GarbageRead, IncompatibleOrder, Internal, LostUpdate, OwnWriteMissed,
    PrefixCycle, StaleCausal, VanishedTransaction,
};
use Variant::{Plain, Process, Realtime};

macro_rules! levels {
    ($($name:literal $([$($alias:literal),*])?: $summary:literal, [$($class:ident $variant:ident),*], above [$($above:literal),*];)+) => {
        /// Every level, weaker ones before those that contain them.
        pub static LEVELS: &[Level] = &[$(Level {
            name: $name, aliases: &[$($($alias),*)?], summary: $summary, forbids: &[$(($class, $variant)),*], above: &[$($above),*],
        },)+];

        /// The names of all levels, other names too, and first the one that is asked for if none is named.
        pub static NAMES: &[&str] = &["strict-serializable", $($name, $($($alias,)*)?)+];
    };
}

levels! {
    "read-uncommitted" ["PL-1"]: "writes of transactions do not interleave",
        [GarbageRead Plain, DuplicateElements Plain, IncompatibleOrder Plain, CyclicVersions Plain, G0 Plain], above [];
    "read-committed" ["PL-2"]: "reads see committed, final writes, and no transactions see each other",
        [G1a Plain, G1b Plain, G1c Plain, DirtyUpdate Plain, FutureRead Plain, OwnWriteMissed Plain], above ["read-uncommitted"];
    "cursor-stability" ["PL-CS"]: "no update is lost", [LostUpdate Plain], above ["read-committed"];
    "monotonic-atomic-view" ["MAV"]: "once one write of another transaction was seen, all of its writes are",
        [VanishedTransaction Plain], above ["read-committed"];
    "monotonic-view" ["PL-2L"]: "once something was seen, everything that it depended on is", [GMonotonic Plain],
        above ["monotonic-atomic-view"];
    "monotonic-snapshot-read" ["PL-MSR"]: "every statement reads one state of the database, none an older one than the statement before",
        [GMsr Plain], above ["monotonic-atomic-view"];
    "consistent-view" ["PL-2+", "forward-consistent-view", "PL-FCV"]: "every transaction reads one consistent state", [GSingle Plain],
        above ["cursor-stability", "monotonic-view"];
    "read-atomic": "of another transaction's writes, all are seen or none",
        [Internal Plain, FracturedRead Plain], above ["monotonic-atomic-view"];
    "update-atomic" ["ROLA"]: "read atomic, and no update is lost", [], above ["read-atomic", "cursor-stability"];
    "causal" ["causal-cerone"]: "what is seen includes everything that caused it, the process's own past too",
        [FracturedRead Process, StaleCausal Process, G0 Process, G1c Process], above ["read-atomic"];
    "prefix" ["prefix-consistency"]: "every transaction reads a prefix of one order of all commits, its process's past included",
        [PrefixCycle Process], above ["causal", "monotonic-snapshot-read"];
    "parallel-snapshot-isolation" ["PSI"]: "causal, and of two concurrent transactions that write to the same key one aborts",
        [GSingle Process], above ["causal", "consistent-view", "update-atomic"];
    "snapshot-isolation" ["PL-SI", "SI"]: "reads come from one snapshot, and of two concurrent writers to the same key one aborts",
        [StaleCausal Plain, GNonadjacent Plain], above ["consistent-view", "monotonic-snapshot-read", "update-atomic"];
    "repeatable-read" ["PL-2.99"]: "what was read does not change before the end of the transaction", [G2Item Plain, GNonadjacent Plain],
        above ["consistent-view"];
    "update-serializable" ["PL-3U"]: "transactions that write are serializable, and so is each of the others with these alone",
        [GUpdate Plain], above ["consistent-view"];
    "serializable" ["PL-3", "conflict-serializable", "view-serializable", "1SR"]: "as if transactions had run one after another", [],
        above ["repeatable-read", "snapshot-isolation", "update-serializable"];
    "strong-session-read-uncommitted" ["strong-session-PL-1"]: "read uncommitted, in the order of each process", [G0 Process],
        above ["read-uncommitted"];
    "strong-session-read-committed" ["strong-session-PL-2"]: "read committed, in the order of each process", [G1c Process],
        above ["read-committed", "strong-session-read-uncommitted"];
    "strong-session-consistent-view": "consistent view, in the order of each process", [GSingle Process],
        above ["consistent-view", "strong-session-read-committed"];
    "strong-session-snapshot-isolation": "snapshot isolation that includes what the process did before",
        [GNonadjacent Process],
        above ["snapshot-isolation", "strong-session-consistent-view", "prefix", "parallel-snapshot-isolation"];
    "strong-session-serializable" ["session-serializable"]: "serializable, in the order of each process", [G2Item Process],
        above ["serializable", "strong-session-snapshot-isolation"];
    "strong-read-uncommitted" ["strong-PL-1"]: "read uncommitted, in real time", [G0 Realtime],
        above ["strong-session-read-uncommitted"];
    "strong-read-committed" ["strong-PL-2"]: "read committed, in real time", [G1c Realtime],
        above ["strong-session-read-committed", "strong-read-uncommitted"];
    "strong-consistent-view": "consistent view, in real time", [GSingle Realtime],
        above ["strong-session-consistent-view", "strong-read-committed"];
    "strong-snapshot-isolation": "snapshot isolation that includes everything committed before the transaction began",
        [GNonadjacent Realtime], above ["strong-session-snapshot-isolation", "strong-consistent-view"];
    "strict-serializable" ["PL-SS", "strong-serializable"]: "as if transactions had run one after another, each at an instant of its interval",
        [G2Item Realtime], above ["strong-session-serializable", "strong-snapshot-isolation"];
}

impl std::fmt::Debug for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Level {
    /// The level of this name, or of this other name, in upper or lower case.
    pub fn find(name: &str) -> Option<&'static Level> {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        LEVELS.iter().find(|level| is(&level.name) || level.aliases.iter().any(is))
    }

    /// Whether every history of this level is one of `other` too.
    pub fn contains(&self, other: &Level) -> bool {
        self == other || self.above.iter().filter_map(|name| Level::find(name)).any(|level| level.contains(other))
    }

    /// Which order of transactions it needs beside their data.
    pub fn variant(&self) -> Variant {
        let own = self.forbids.iter().map(|(_, variant)| *variant);
        let above = self.above.iter().filter_map(|name| Level::find(name)).map(Level::variant);
        own.chain(above).max().unwrap_or(Plain)
    }

    /// Whether an anomaly breaks this level.
    pub fn forbids(&self, class: Class, variant: Variant) -> bool {
        self.forbids.iter().any(|(c, v)| *c == class && variant <= *v)
            || self.above.iter().filter_map(|name| Level::find(name)).any(|level| level.forbids(class, variant))
    }
}
