//! Comments: rows that are inserted blindly and read all at once. Who sees a row must see every row that had been acknowledged before it
//! was inserted; otherwise the reply stands there without the comment. `O(n log n)` over all elements read.
//!
//! Strict serializability forbids it. Serializability alone does not, nor does a database that orders transactions on different keys by
//! clocks that disagree (Cockroach Labs call it the causal reverse).

use std::collections::BTreeMap;

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;

/// Rows that are seen in the order in which they were acknowledged (Jepsen's comments).
pub static COMMENTS: Object = Object {
    name: "comments",
    summary: "a read that sees a row sees every row that was acknowledged before that one was inserted",
    exactness: Exactness::Conditions,
    decide,
};

fn decide(history: &Objects, options: &Options) -> Findings {
    each_key(history, options, &of_key)
}

fn of_key(part: Part<'_>) -> Findings {
    let (history, mut findings) = (part.history, Findings::default());
    let insertions = part.happened().filter(|(_, call)| call.action == Action::Add && call.argument != NOTHING);
    let insertions: Vec<usize> = insertions.map(|(i, _)| i).collect();
    // Of a row that was inserted twice, the insertion that began first: seen, it may be that one.
    let mut first: BTreeMap<i64, usize> = BTreeMap::new();
    for &i in &insertions {
        first.entry(history.calls[i].argument).or_insert(i);
    }
    let mut acknowledged: Vec<usize> = insertions.into_iter().filter(|&i| history.calls[i].is_ok()).collect();
    acknowledged.sort_by_key(|&i| history.calls[i].completed);
    for (read, call) in part.happened() {
        if call.action != Action::Read || !call.is_ok() {
            continue;
        }
        let mut seen: Vec<i64> = history.list(call).to_vec();
        seen.sort_unstable();
        let Some(&reply) = seen.iter().filter_map(|row| first.get(row)).max_by_key(|&&i| history.calls[i].invoked)
        else {
            continue;
        };
        let before = |i: &&usize| history.calls[**i].completed < history.calls[reply].invoked;
        let missed = |i: &&usize| seen.binary_search(&history.calls[**i].argument).is_err();
        let Some(&comment) = acknowledged.iter().take_while(before).find(missed) else { continue };
        let (comment_row, reply_row) = (history.calls[comment].argument, history.calls[reply].argument);
        let because = format!(
            "{comment_row} was acknowledged before {reply_row} was inserted, yet the read sees {reply_row} without {comment_row}"
        );
        findings.add("row seen without an earlier one", part.name(), because, [comment, reply, read]);
    }
    findings
}
