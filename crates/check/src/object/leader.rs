//! Who leads which term: no term has two leaders. `O(n log n)`.
//!
//! Raft's election safety (Ongaro & Ousterhout, *In Search of an Understandable Consensus Algorithm*, 2014, figure 3). Whoever was seen is enough: a node
//! that believes in a leader of an old term is no contradiction.

use std::collections::BTreeMap;

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;

/// Leaders of terms.
pub static LEADER: Object = Object {
    name: "leader",
    summary: "no term has two leaders",
    exactness: Exactness::Exact,
    decide: |history: &Objects, options: &Options| each_key(history, options, &judge),
};

fn judge(part: Part<'_>) -> Findings {
    let mut findings = Findings::default();
    let mut terms: BTreeMap<i64, usize> = BTreeMap::new();
    for (i, call) in part.happened() {
        if call.action != Action::Inspect || !call.is_ok() || call.argument == NOTHING || call.result == NOTHING {
            continue;
        }
        let first = *terms.entry(call.result).or_insert(i);
        let leader = part.history.calls[first].argument;
        if leader != call.argument {
            let because = format!("both {leader} and {} led term {}", call.argument, call.result);
            findings.add("two leaders", part.name(), because, [first, i]);
        }
    }
    findings
}
