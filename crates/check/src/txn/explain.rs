//! A cycle of transactions in sentences: who did what, and why each must precede the next.

use history::txn::{Kind, Micro, Transactions};

use super::anomaly::TxnAnomaly;
use super::cycles::Found;
use super::graph::{Edge, EdgeKind};

/// The witness of a cycle: its transactions, and a sentence per edge.
pub fn explain(transactions: &Transactions, found: Found) -> TxnAnomaly {
    let members: Vec<u32> = found.cycle.iter().map(|edge| edge.from).collect();
    let mut story: Vec<String> = members.iter().map(|t| show_transaction(transactions, *t)).collect();
    for edge in &found.cycle {
        story.push(format!("T{} must precede T{}: {}", edge.from, edge.to, reason(transactions, edge)));
    }
    let names: Vec<String> = members.iter().chain(members.first()).map(|t| format!("T{t}")).collect();
    story.push(format!("so {}: no order is left", names.join(" before ")));
    TxnAnomaly { class: found.class, variant: found.variant, story, transactions: members, cycle: found.cycle }
}

/// `T3 (p1): append x 1, read y [2]`
pub fn show_transaction(transactions: &Transactions, t: u32) -> String {
    let ops: Vec<String> = transactions.ops(t).iter().map(|op| transactions.show(op)).collect();
    let outcome = match transactions.outcome[t as usize] {
        history::Outcome::Ok => "",
        history::Outcome::Fail => " (failed)",
        history::Outcome::Info => " (unknown outcome, but observed)",
    };
    let process = match transactions.anonymous {
        true => String::new(),
        false => format!(" (process {})", transactions.process[t as usize]),
    };
    format!("T{t}{process}: {}{outcome}", ops.join(", "))
}

/// Why the first transaction of an edge must precede the second.
pub fn reason(transactions: &Transactions, edge: &Edge) -> String {
    let (from, to) = (edge.from, edge.to);
    match edge.kind() {
        EdgeKind::So => format!("process {} ran T{from} first", transactions.process[from as usize]),
        EdgeKind::Rt => {
            let (done, sent) = (transactions.done[from as usize], transactions.sent[to as usize]);
            let gap = sent.since(done);
            if gap.is_zero() {
                return format!("T{from} had completed when T{to} was invoked");
            }
            format!("T{from} had completed {} before T{to} was invoked", base::units::show_duration(gap))
        }
        kind => data_reason(transactions, kind, edge),
    }
}

fn data_reason(transactions: &Transactions, kind: EdgeKind, edge: &Edge) -> String {
    let (from, to, key) = (edge.from, edge.to, edge.key());
    let name = &transactions.keys[key as usize];
    // Of several reads, one that tells: which shows the version, or does not.
    let read = |t, shows: bool, versions: &[u32]| {
        let fits = |op: &&Micro| versions.iter().any(|version| sees(transactions, op, *version)) == shows;
        let first = || reads(transactions, t, key).next();
        reads(transactions, t, key).find(fits).or_else(first).map(|op| seen(transactions, op))
    };
    let unread = || "which it did not see".to_string();
    let writes = |t: u32| -> Vec<u32> {
        let ops = transactions.ops(t).iter();
        ops.filter(|op| op.key == key && matches!(op.kind, Kind::Append | Kind::Write)).map(|op| op.value).collect()
    };
    let value = |versions: &[u32]| versions.last().map_or("?".into(), |version| transactions.value(*version));
    match kind {
        EdgeKind::Wr => {
            let seen = seen_of(transactions, to, key, &writes(from));
            let read = read(to, true, &seen).unwrap_or_else(unread);
            format!("T{to} read {name} = {read}, where {} is of T{from}", value(&seen))
        }
        EdgeKind::Rw => {
            let first: Vec<u32> = writes(to).into_iter().take(1).collect();
            let read = read(from, false, &first).unwrap_or_else(unread);
            format!("T{from} read {name} = {read}, without {} of T{to}", value(&first))
        }
        _ => {
            let (a, b) = (value(&writes(from)), writes(to).first().map_or("?".into(), |v| transactions.value(*v)));
            format!("{name} had {a} of T{from} before {b} of T{to}")
        }
    }
}

/// What a transaction saw among some versions of a key.
fn seen_of(transactions: &Transactions, t: u32, key: u32, versions: &[u32]) -> Vec<u32> {
    let saw = |version: &u32| reads(transactions, t, key).any(|op| sees(transactions, op, *version));
    versions.iter().copied().filter(saw).collect()
}

fn sees(transactions: &Transactions, op: &Micro, version: u32) -> bool {
    op.kind == Kind::Read && op.value == version || transactions.list(op).contains(&version)
}

fn reads(transactions: &Transactions, t: u32, key: u32) -> impl Iterator<Item = &Micro> {
    let ops = transactions.ops(t).iter();
    ops.filter(move |op| op.key == key && matches!(op.kind, Kind::ReadList | Kind::Read))
}

fn seen(transactions: &Transactions, op: &Micro) -> String {
    match op.kind {
        Kind::ReadList => transactions.show_list(transactions.list(op)),
        _ => transactions.value(op.value),
    }
}
