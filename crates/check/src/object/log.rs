//! A log per partition, as Kafka has: an offset has one value, and consumers go forward. `O(n log n)` over all records.
//!
//! The order of versions is the order of offsets, as sends and polls tell it.

use std::collections::{BTreeMap, BTreeSet};

use history::object::{Action, NOTHING, Objects};

use super::{Exactness, Findings, Object};
use crate::model::Options;

/// Logs that are sent to and polled from.
pub static KAFKA: Object = Object {
    name: "kafka",
    summary: "an offset holds one value and a value one offset; sends and polls of a process go forward and skip nothing; no acknowledged value is lost, no failed one seen",
    exactness: Exactness::Conditions,
    decide,
};

/// One record sent or polled.
#[derive(Clone, Copy)]
struct Record {
    call: usize,
    polled: bool,
    log: i64,
    offset: i64,
    value: i64,
}

fn decide(history: &Objects, _options: &Options) -> Findings {
    let records = records(history);
    let mut findings = Findings::default();
    let versions = versions(&records, &mut findings);
    values(history, &records, &mut findings);
    positions(history, &records, &versions, &mut findings);
    findings
}

fn records(history: &Objects) -> Vec<Record> {
    let mut records = Vec::new();
    for (call, operation) in history.calls.iter().enumerate().filter(|(_, call)| call.action == Action::Log) {
        for quad in history.list(operation).chunks_exact(4) {
            let polled = quad[0] != 0;
            if !polled || operation.is_ok() {
                records.push(Record { call, polled, log: quad[1], offset: quad[2], value: quad[3] });
            }
        }
    }
    records
}

/// The offsets that are known to hold a value. An offset with two values is a contradiction, as is a value at two offsets.
fn versions(records: &[Record], findings: &mut Findings) -> BTreeMap<i64, BTreeMap<i64, Record>> {
    let mut logs: BTreeMap<i64, BTreeMap<i64, Record>> = BTreeMap::new();
    let mut offsets: BTreeMap<(i64, i64), Record> = BTreeMap::new();
    for record in records.iter().filter(|record| record.offset != NOTHING) {
        let Record { log, offset, value, call, .. } = *record;
        let known = *logs.entry(log).or_default().entry(offset).or_insert(*record);
        if known.value != value {
            let because = format!("offset {offset} of log {log} holds {} and {value}", known.value);
            findings.add("inconsistent offset", format!("log {log}"), because, [known.call, call]);
        }
        let known = *offsets.entry((log, value)).or_insert(*record);
        if known.offset != offset {
            let because = format!("{value} is in log {log} at offset {} and at {offset}", known.offset);
            findings.add("duplicate", format!("log {log}"), because, [known.call, call]);
        }
    }
    logs
}

/// Lost values, and values that nobody sent or whose send failed.
fn values(history: &Objects, records: &[Record], findings: &mut Findings) {
    let mut sends: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.polled) {
        sends.insert((record.log, record.value), record.call);
    }
    let mut polled: BTreeSet<(i64, i64)> = BTreeSet::new();
    let mut last: BTreeMap<i64, Record> = BTreeMap::new();
    for record in records.iter().filter(|record| record.polled) {
        let Record { log, value, call, offset, .. } = *record;
        if polled.insert((log, value)) {
            match sends.get(&(log, value)) {
                Some(&send) if history.calls[send].may_have_happened() => {}
                Some(&send) => {
                    let because = format!("{value} was polled from log {log}, but its send failed");
                    findings.add("aborted read", format!("log {log}"), because, [send, call]);
                }
                None => {
                    let because = format!("{value} was polled from log {log}, but nobody sent it");
                    findings.add("phantom value", format!("log {log}"), because, [call]);
                }
            }
        }
        if last.get(&log).is_none_or(|last| last.offset < offset) {
            last.insert(log, *record);
        }
    }
    for record in records.iter().filter(|record| !record.polled && history.calls[record.call].is_ok()) {
        let Some(last) = last.get(&record.log).filter(|last| record.offset != NOTHING && record.offset < last.offset)
        else {
            continue;
        };
        if !polled.contains(&(record.log, record.value)) {
            let Record { log, value, offset, .. } = *record;
            let because = format!(
                "{value} was acknowledged at offset {offset} of log {log}; offset {} was polled, it never was",
                last.offset
            );
            findings.add("lost value", format!("log {log}"), because, [record.call, last.call]);
        }
    }
}

/// Per process, sends and polls of a log go forward, and polls skip nothing that is known to be there.
fn positions(
    history: &Objects,
    records: &[Record],
    versions: &BTreeMap<i64, BTreeMap<i64, Record>>,
    findings: &mut Findings,
) {
    let mut at: BTreeMap<(u32, i64, bool), Record> = BTreeMap::new();
    let mut assigned: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, call) in history.calls.iter().enumerate().filter(|(_, call)| call.action == Action::Assign) {
        assigned.entry(call.process).or_default().push(i);
    }
    for record in records.iter().filter(|record| record.offset != NOTHING && history.calls[record.call].is_ok()) {
        let Record { call, polled, log, offset, .. } = *record;
        let process = history.calls[call].process;
        let Some(before) = at.insert((process, log, polled), *record) else { continue };
        let moved = assigned.get(&process).is_some_and(|calls| calls.iter().any(|&i| before.call < i && i < call));
        if polled && moved {
            continue;
        }
        let verb = if polled { "polled" } else { "sent" };
        if offset <= before.offset {
            let title = if polled { "poll went back" } else { "send went back" };
            let because =
                format!("p{process} {verb} offset {} of log {log}, and offset {offset} after it", before.offset);
            findings.add(title, format!("log {log}"), because, [before.call, call]);
        } else if let Some(skipped) = skipped(versions, log, before.offset, offset).filter(|_| polled) {
            let because = format!(
                "p{process} polled offset {} of log {log} and then {offset}, but offset {} is there",
                before.offset, skipped.offset
            );
            findings.add("poll skipped", format!("log {log}"), because, [before.call, call, skipped.call]);
        }
    }
}

fn skipped(versions: &BTreeMap<i64, BTreeMap<i64, Record>>, log: i64, from: i64, to: i64) -> Option<Record> {
    let between = from.checked_add(1)?..to;
    (!between.is_empty()).then(|| versions.get(&log)?.range(between).next().map(|(_, record)| *record))?
}
