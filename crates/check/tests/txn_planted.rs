//! Every named anomaly, planted into the middle of a large valid history: it is found, and its witness is the shortest one and names
//! the planted transactions alone.
//!
//! `ASSIZE_TRANSACTIONS=1000000 cargo test --release -p assize-check --test txn_planted` does the same in a million transactions.

use std::collections::BTreeSet;

use base::{Rng, Seed, Time};
use check::Verdict;
use check::txn::{LEVELS, check_transactions};
use history::Outcome;
use history::txn::{Builder, INITIAL, Kind, Micro, NEVER, Transactions, UNREAD, notation};

/// Its name, the fewest transactions that show it, the weakest levels that forbid it, and how it is drawn.
type Plant = (&'static str, usize, &'static str, &'static str);

const LISTS: &[Plant] = &[
    ("garbage-read", 1, "read-uncommitted", "p0: (x=[9])"),
    ("duplicate-elements", 0, "read-uncommitted", "p0: (x+1)\np1:       (x=[1,1])"),
    ("incompatible-order", 2, "read-uncommitted", "p0: (x+1)\np1: (x+2)\np2:      (x=[1,2])\np3:      (x=[2,1])"),
    ("G0", 2, "read-uncommitted", "p0: (x+1 y+1)\np1: (x+2 y+2)\np2:            (x=[1,2] y=[2,1])"),
    ("G0-process", 2, "strong-session-read-uncommitted", "p0: (x+1) (x+2)\np1:             (x=[2,1])"),
    ("G0-realtime", 2, "strong-read-uncommitted", "p0: (x+1)\np1:      (x+2)\np2:            (x=[2,1])"),
    ("G1a", 2, "read-committed", "p0: (x+1 !)\np1:        (x=[1])"),
    ("G1b", 2, "read-committed", "p0: (x+1 x+2)\np1:   (x=[1])"),
    ("G1c", 2, "read-committed", "p0: (x+1 y=[1])\np1: (y+1 x=[1])"),
    ("G1c-process", 2, "strong-session-read-committed", "p0: (x=[1]) (x+1)"),
    ("G1c-realtime", 2, "strong-read-committed", "p0: (x=[1])\np1:         (x+1)"),
    ("dirty-update", 2, "read-committed", "p0: (x+1 !)\np1:        (x+2)\np2:              (x=[1,2])"),
    ("future-read", 1, "read-committed", "p0: (x=[1] x+1)"),
    ("lost-update", 2, "cursor-stability", "p0: (x=[] x+1)\np1: (x=[] x+2)\np2:               (x=[1,2])"),
    ("vanished-transaction", 2, "monotonic-atomic-view", "p0: (x+1 y+1)\np1: (x=[1] y=[])"),
    ("G-monotonic", 3, "monotonic-view", "p0: (x+1)\np1: (x=[1] y+1)\np2: (y=[1] x=[])"),
    ("G-MSR", 4, "monotonic-snapshot-read", "p0: (x+1)\np1: (y+1)\np2: (x=[1] y=[])\np3: (y=[1] x=[])"),
    ("internal", 1, "read-atomic", "p0: (x+1 x=[])"),
    ("fractured-read", 2, "read-atomic", "p0: (x+1 y+1)\np1: (y=[] x=[1])"),
    ("causal-violation-process", 3, "causal", "p0: (x+1)\np1: (x=[1] y+1)\np2: (x=[] y=[1])"),
    ("prefix-violation-process", 4, "prefix", "p0: (x+1)\np1: (y+1)\np2: (x=[1] y=[])\np3: (y=[1] x=[])"),
    ("G-single", 2, "consistent-view", "p0: (x+1 y+1)\np1: (y=[] x=[1])"),
    ("G-single-process", 2, "strong-session-consistent-view", "p0: (x+1) (x=[])"),
    ("G-single-realtime", 2, "strong-consistent-view", "p0: (x+1)\np1:       (x=[])"),
    ("G-nonadjacent", 4, "snapshot-isolation", "p0: (x+1)\np1: (y+1)\np2: (x=[1] y=[])\np3: (y=[1] x=[])"),
    (
        "G-nonadjacent-process",
        6,
        "strong-session-snapshot-isolation",
        "p0: (x+1               )\np1: (y+1               )\np2: (x=[1]) (y=[])\np3: (y=[1]) (x=[])",
    ),
    (
        "G-nonadjacent-realtime",
        5,
        "strong-snapshot-isolation",
        "p0: (x+1               )\np1: (y+1               )\np2: (x=[1])\np3: (y=[1] x=[]        )\np4:         (y=[])",
    ),
    ("G-update", 2, "update-serializable", "p0: (x=[] y+1)\np1: (y=[] x+1)"),
    ("G2-item", 2, "repeatable-read", "p0: (x=[] y+1)\np1: (y=[] x+1)"),
    ("G2-item-process", 3, "strong-session-serializable", "p0: (y+1) (x=[])\np1: (x+1 y=[]  )"),
    ("G2-item-realtime", 3, "strict-serializable", "p0: (y+1)\np1: (x+1 y=[]  )\np2:        (x=[])"),
];

const REGISTERS: &[Plant] = &[
    ("garbage-read", 1, "read-uncommitted", "p0: (x=9)"),
    ("cyclic-versions", 2, "read-uncommitted", "p0: (x=2 x:=1)\np1: (x=1 x:=2)"),
    ("G1a", 2, "read-committed", "p0: (x=nil x:=1 !)\np1:            (x=1)"),
    ("G1b", 2, "read-committed", "p0: (x=nil x:=1 x:=2)\np1:       (x=1)"),
    ("G1c", 2, "read-committed", "p0: (y=1 x=nil x:=1)\np1: (x=1 y=nil y:=1)"),
    ("own-write-missed", 1, "read-committed", "p0: (x=nil x:=1 x=nil)"),
    ("future-read", 1, "read-committed", "p0: (x=1 x:=1)"),
    ("internal", 1, "read-atomic", "p0: (x=nil x:=1)\np1:                 (x=1 x=nil)"),
    ("fractured-read", 2, "read-atomic", "p0: (x=nil x:=1 y=nil y:=1)\np1: (y=nil x=1)"),
    ("causal-violation", 3, "causal", "p0: (x=nil x:=1)\np1: (x=1 y=nil y:=1)\np2: (x=nil y=1)"),
    ("lost-update", 2, "cursor-stability", "p0: (x=nil x:=1)\np1: (x=nil x:=2)"),
    ("G-single", 2, "consistent-view", "p0: (x=nil x:=1 y=nil y:=1)\np1: (y=nil x=1)"),
    ("G-single-realtime", 2, "strong-consistent-view", "p0: (x=nil x:=1)\np1:                 (x=nil)"),
    ("G-nonadjacent", 4, "snapshot-isolation", "p0: (x=nil x:=1)\np1: (y=nil y:=1)\np2: (x=1 y=nil)\np3: (x=nil y=1)"),
    ("G2-item", 2, "repeatable-read", "p0: (x=nil y=nil y:=1)\np1: (y=nil x=nil x:=1)"),
    (
        "G2-item-realtime",
        3,
        "strict-serializable",
        "p0: (y=nil y:=1)\np1: (x=nil x:=1 y=nil)\np2:                  (x=nil)",
    ),
];

#[test]
fn planted_in_lists() {
    planted(LISTS, true);
}

#[test]
fn planted_in_registers() {
    planted(REGISTERS, false);
}

fn planted(plants: &[Plant], lists: bool) {
    let large = large(lists);
    assert_eq!(check_transactions(&large).verdict("strict-serializable"), Verdict::Valid);
    for (name, transactions, level, drawing) in plants {
        let history = plant(&large, &notation(drawing));
        let report = check_transactions(&history);
        assert_eq!(report.verdict(level), Verdict::Invalid, "{level} forbids {name}: {:?}", report.counts);
        let found = report.anomalies.iter().find(|anomaly| anomaly.name() == *name);
        let found = found.unwrap_or_else(|| panic!("{name} not among {:?}", report.counts));
        let members: BTreeSet<u32> = found.transactions.iter().copied().collect();
        assert_eq!(members.len(), *transactions, "{name}: {:?}", found.story);
        let strangers = members.iter().filter(|t| history.process[**t as usize] < PLANTED).count();
        assert_eq!(strangers, 0, "{name}: {:?}", found.story);
        let broken = report.why(check::txn::Level::find(level).expect("a level"));
        assert!(broken.is_some(), "{level} has no reason");
    }
}

/// Processes of planted transactions are from here on.
const PLANTED: u32 = 1_000;

/// The one in the middle of the other, with keys of its own.
fn plant(large: &Transactions, small: &Transactions) -> Transactions {
    let mut builder = Builder::new(true);
    let middle = large.len() as u64;
    copy(&mut builder, large, "", 0, |rank| rank * 1_000);
    copy(&mut builder, small, "planted ", PLANTED, |rank| middle * 1_000 + 1 + rank);
    builder.finish().expect("below the limits")
}

fn copy(builder: &mut Builder, from: &Transactions, prefix: &str, process: u32, order: impl Fn(u64) -> u64) {
    let keys: Vec<u32> = from.keys.iter().map(|key| builder.key(&format!("{prefix}{key}"))).collect();
    let versions: Vec<u32> =
        (0..from.sizes().1).map(|v| builder.fresh(keys[from.version_key[v] as usize], from.version_value[v])).collect();
    for t in 0..from.len() as u32 {
        let at = t as usize;
        builder.begin(process + from.process[at], order(u64::from(from.invoked[at])), from.sent[at]);
        from.ops(t).iter().for_each(|op| copy_op(builder, from, op, &keys, &versions));
        let completed = if from.completed[at] == NEVER { u64::MAX } else { order(u64::from(from.completed[at])) };
        builder.end(completed, from.done[at], from.outcome[at]);
    }
}

fn copy_op(builder: &mut Builder, from: &Transactions, op: &Micro, keys: &[u32], versions: &[u32]) {
    let key = keys[op.key as usize];
    match op.kind {
        Kind::Append => builder.append(versions[op.value as usize]),
        Kind::Write => builder.write(versions[op.value as usize]),
        _ if op.value == UNREAD => builder.unread(op.kind, key),
        Kind::Read => builder.read(key, (op.value != INITIAL).then(|| versions[op.value as usize])),
        Kind::ReadList => {
            let list: Vec<u32> = from.list(op).iter().map(|version| versions[*version as usize]).collect();
            builder.read_list(key, &list);
        }
    }
}

/// Strict serializable transactions of four micro-operations by twenty processes; every write to a register follows a read.
fn large(lists: bool) -> Transactions {
    let count = std::env::var("ASSIZE_TRANSACTIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000u64);
    let mut rng = Rng::new(Seed(3).derive("planted"));
    let mut builder = Builder::new(true);
    let mut live: Vec<(u32, Vec<u32>)> = (0..50).map(|key| (builder.key(&key.to_string()), Vec::new())).collect();
    let mut next_key = 50;
    for at in 0..count {
        let instant = at * 100 + 5_000;
        builder.begin((at % 20) as u32, instant - rng.below(900), Time(instant));
        for _ in 0..4 {
            let slot = rng.below(50) as usize;
            let (key, versions) = &mut live[slot];
            if lists && rng.chance(0.5) {
                builder.read_list(*key, versions);
            } else if lists {
                versions.push(builder.fresh(*key, at as i64));
                builder.append(versions[versions.len() - 1]);
                if versions.len() == 20 {
                    live[slot] = (builder.key(&next_key.to_string()), Vec::new());
                    next_key += 1;
                }
            } else {
                builder.read(*key, versions.last().copied());
                if rng.chance(0.5) {
                    *versions = vec![builder.fresh(*key, at as i64)];
                    builder.write(versions[0]);
                }
            }
        }
        builder.end(instant + rng.below(900), Time(instant + 900), Outcome::Ok);
    }
    builder.finish().expect("below the limits")
}

#[test]
fn the_page_names_every_level_and_anomaly() {
    let page = include_str!("../../../docs/isolation.md");
    let mut names: Vec<&str> =
        LEVELS.iter().flat_map(|level| level.aliases.iter().chain([&level.name])).copied().collect();
    names.extend(LISTS.iter().chain(REGISTERS).map(|(name, ..)| name.trim_end_matches("-realtime")));
    let missing: Vec<&&str> = names.iter().filter(|name| !page.contains(name.trim_end_matches("-process"))).collect();
    assert!(missing.is_empty(), "docs/isolation.md says nothing of {missing:?}");
}
