//! Long fork: two reads that see two writes in opposite orders, which parallel snapshot isolation allows and snapshot isolation
//! does not. Each key is written once. `O(r²)` over the reads of a group of keys, few in practice.

use std::collections::BTreeMap;

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object};
use crate::model::Options;

/// No long fork (Jepsen's rules).
pub static LONG_FORK: Object = Object {
    name: "long-fork",
    summary: "of two reads of the same keys, each written once, one sees all that the other sees",
    exactness: Exactness::Exact,
    decide,
};

fn decide(history: &Objects, _options: &Options) -> Findings {
    let mut groups: BTreeMap<Vec<i64>, Vec<(Vec<bool>, usize)>> = BTreeMap::new();
    for (i, call) in history.calls.iter().enumerate() {
        let list = history.list(call);
        let reads_only = !list.is_empty() && list.chunks_exact(3).all(|part| part[0] == 0);
        if call.action != Action::Transact || !call.is_ok() || !reads_only {
            continue;
        }
        let mut seen: Vec<(i64, bool)> = list.chunks_exact(3).map(|part| (part[1], part[2] != NOTHING)).collect();
        seen.sort_unstable();
        let (keys, seen): (Vec<i64>, Vec<bool>) = seen.into_iter().unzip();
        groups.entry(keys).or_default().push((seen, i));
    }
    let mut findings = Findings::default();
    for (keys, mut reads) in groups {
        // Of reads that see the same, one is enough.
        reads.sort();
        reads.dedup_by(|a, b| a.0 == b.0);
        for (at, (a, i)) in reads.iter().enumerate() {
            for (b, j) in &reads[at + 1..] {
                let more = |x: &[bool], y: &[bool]| x.iter().zip(y).position(|(x, y)| *x && !*y);
                if let (Some(one), Some(other)) = (more(a, b), more(b, a)) {
                    let (one, other) = (keys[one], keys[other]);
                    let because = format!("one read saw key {one} and not key {other}, the other the opposite");
                    findings.add("long fork", format!("keys {one} and {other}"), because, [*i, *j]);
                }
            }
        }
    }
    findings
}
