//! Ids that are given out once. `O(n log n)`.

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object};
use crate::model::Options;

/// A generator of unique ids.
pub static UNIQUE_IDS: Object =
    Object { name: "unique-ids", summary: "no id is given out twice", exactness: Exactness::Exact, decide };

fn decide(history: &Objects, _options: &Options) -> Findings {
    let given = history
        .calls
        .iter()
        .enumerate()
        .filter(|(_, call)| call.action == Action::Generate && call.is_ok() && call.result != NOTHING);
    let mut given: Vec<(i64, usize)> = given.map(|(i, call)| (call.result, i)).collect();
    given.sort_unstable();
    let mut findings = Findings::default();
    for pair in given.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let because = format!("the id {} was given out twice", pair[0].0);
        findings.add("duplicate id", format!("id {}", pair[0].0), because, [pair[0].1, pair[1].1]);
    }
    findings
}
