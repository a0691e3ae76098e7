//! Eventual convergence: when the writing has ended, all see the same, and it is one of the last writes.
//!
//! **Definition.** The *final reads* of a key are those of the final phase of a run; where there is no such phase, those that were invoked after
//! every acknowledged mutation of the key had completed. The final reads of a key must agree, and what they saw must not have been replaced:
//! no acknowledged write was invoked after its own write had completed. A write of unknown outcome may land at any time, so a final read
//! may see its value whatever others see.

use std::collections::BTreeMap;

use history::{Columns, Function, History, NIL, Outcome, Phase};

use super::story::plain;
use crate::model::{Model, Options};
use crate::report::{Anomaly, AnomalyKind, Report};
use crate::verdict::Verdict;

/// Eventual convergence. `O(n log n)`; exact. `unknown` without final reads.
pub static CONVERGENCE: Model = Model {
    name: "eventual-convergence",
    summary: "when writing has ended, all reads of a key agree on one of its last writes",
    decide,
};

fn decide(history: &History, options: &Options) -> Report {
    let columns = &history.operations;
    let keys = Keys::of(columns);
    let finals: Vec<usize> = (0..columns.len()).filter(|&i| is_read(columns, i) && keys.is_final(columns, i)).collect();
    let report = Report::new("eventual-convergence", Verdict::Valid, history.len());
    if finals.is_empty() {
        return Report { verdict: Verdict::unknown("no read was invoked after all writing had ended"), ..report };
    }
    let mut broken: BTreeMap<u32, Anomaly> = BTreeMap::new();
    let mut agreed: BTreeMap<u32, usize> = BTreeMap::new();
    for i in finals {
        let key = columns.key[i];
        if let std::collections::btree_map::Entry::Vacant(place) = broken.entry(key)
            && let Some(anomaly) = keys.trouble(history, i, &mut agreed)
        {
            place.insert(anomaly);
        }
    }
    let verdict = if broken.is_empty() { Verdict::Valid } else { Verdict::Invalid };
    let count = broken.len();
    let anomalies = broken.into_values().take(options.anomalies.max(1)).collect();
    Report { verdict, anomalies, broken: count, ..report }
}

fn is_read(columns: &Columns, i: usize) -> bool {
    columns.function[i] == Function::Read && columns.outcome[i] == Outcome::Ok
}

/// What is known of a value.
#[derive(Clone, Copy)]
struct Written {
    /// When the last of its writes had certainly been made; `u64::MAX` if one may still be.
    by: u64,
    /// One of its writes.
    write: usize,
}

/// What is known of each key.
struct Keys {
    /// Whether the run has a final phase.
    phase: bool,
    /// By key: when the last acknowledged mutation had completed, and the one that was invoked last.
    ended: BTreeMap<u32, (u64, usize)>,
    written: BTreeMap<(u32, u64), Written>,
}

impl Keys {
    fn of(columns: &Columns) -> Keys {
        let mut keys = Keys { phase: false, ended: BTreeMap::new(), written: BTreeMap::new() };
        for i in 0..columns.len() {
            keys.phase |= is_read(columns, i) && columns.phase[i] == Phase::Final;
            if !columns.function[i].is_mutation() || columns.outcome[i] == Outcome::Fail {
                continue;
            }
            let by = if columns.outcome[i] == Outcome::Info { u64::MAX } else { columns.done[i] };
            let written = keys.written.entry((columns.key[i], columns.argument[i])).or_insert(Written { by, write: i });
            written.by = written.by.max(by);
            if columns.outcome[i] == Outcome::Ok {
                let ended = keys.ended.entry(columns.key[i]).or_insert((by, i));
                ended.0 = ended.0.max(by);
                if columns.sent[i] >= columns.sent[ended.1] {
                    ended.1 = i;
                }
            }
        }
        keys
    }

    fn is_final(&self, columns: &Columns, i: usize) -> bool {
        let ended = self.ended.get(&columns.key[i]);
        if self.phase {
            columns.phase[i] == Phase::Final
        } else {
            ended.is_none_or(|(ended, _)| *ended <= columns.sent[i])
        }
    }

    /// What is wrong with a final read; `agreed` holds the first of each key that counts.
    fn trouble(&self, history: &History, i: usize, agreed: &mut BTreeMap<u32, usize>) -> Option<Anomaly> {
        let columns = &history.operations;
        let (key, value) = (columns.key[i], columns.result[i]);
        let written = self.written.get(&(key, value)).copied();
        if written.is_none() && value != NIL {
            return Some(super::from_nowhere(history, i as u32));
        }
        let by = written.map_or(0, |written| written.by);
        if by == u64::MAX {
            return None;
        }
        let own = written.map(|written| written.write);
        if let Some((_, last)) = self.ended.get(&key).filter(|(_, last)| columns.sent[*last] > by || own.is_none())
            && columns.done[*last] <= columns.sent[i]
        {
            let told = "When all writing had ended, {1} was not seen: {0} saw what it had replaced.";
            let operations = own.into_iter().chain([*last, i]);
            let title = "the last write was not seen in the end";
            return Some(plain(history, AnomalyKind::Object(title), title, told, &[i, *last], operations));
        }
        let first = *agreed.entry(key).or_insert(i);
        if columns.result[first] != value {
            let of = |i: usize| self.written.get(&(key, columns.result[i])).map(|written| written.write);
            let told = "When all writing had ended, {0} and {1} saw different values.";
            let operations = of(first).into_iter().chain(of(i)).chain([first, i]);
            let title = "reads disagree in the end";
            return Some(plain(history, AnomalyKind::Object(title), title, told, &[first, i], operations));
        }
        None
    }
}
