//! Linearizability of key-value registers with compare-and-set, in linear time when the values written to a key are unique.
//!
//! All operations that see one value form its *cluster*: the write, the reads, the compare-and-set that replaces it. Let `f`
//! be the earliest completion in it and `s` the latest invocation. If `f < s` the register must hold the value from `f` to
//! `s` (a *forward* zone); otherwise it needs the value at one instant between `s` and `f` only (a *backward* zone). The key is
//! linearizable if and only if no read completes before its write is invoked, forward zones do not overlap, and no backward zone
//! lies inside a forward one (Gibbons & Korach, *Testing Shared Memories*, SIAM J. Comput. 26, 1997).
//!
//! - A write with unknown outcome never completes. If nobody saw its value it is left out; else it happened.
//! - A successful compare-and-set glues its cluster behind that of the value it found. Glued clusters form a *chain*, which is
//!   one zone, after its inner order has been checked.
//! - A failed compare-and-set says only what the value was *not*. Each zone is given an instant from which its value was there, and the
//!   compare-and-set one at which another value was. If there is none, it is placed into the order that the zones give; if that fails too,
//!   and whenever a value was written twice, `exact` search decides within its budget.
//! - Histories of reads and writes alone need no zones, if they are linearizable: `single_pass` shows it.
//!
//! Zones touch leniently: an operation that completes at the instant at which another is invoked is concurrent with it.
//!
//! # The map
//!
//! - `single_pass` shows most histories at once; `keys` shares the others out among threads, which `decide` each key in stages:
//! - `clusters` gathers, `chains` glues, `zones` are made and swept, `dates` and `orders` place failed compare-and-sets;
//! - `suspects` finds the operations that a contradiction is told by.

mod chains;
mod clusters;
mod dates;
mod decide;
mod keys;
mod orders;
mod single_pass;
mod suspects;
mod zones;

use std::collections::BTreeSet;

use history::{Columns, History};

use crate::certificate::{self, register::Since};
use crate::model::Options;
use crate::report::Report;
use crate::verdict::Verdict;
use crate::witness;

use clusters::greatest_dense;
use decide::{Shard, Trouble, What, decide_shard};
use keys::{Keys, Part, in_parallel};

/// Decides linearizability, key by key (it is a local property), on `options.threads` threads. Linear in the history, but for
/// keys that need the exact search.
pub fn linearizable(history: &History, options: &Options) -> Report {
    let columns = &history.operations;
    let keys = Keys::of(columns);
    let bits = options.threads.clamp(1, 64).min(keys.count.max(1)).next_power_of_two().trailing_zeros();
    let parts: Vec<Part> = (0..1 << bits).map(|shard| Part { shard, bits }).collect();
    if !options.certificate {
        let shown = in_parallel(&parts, |part| single_pass::shows(columns, &keys, part));
        if shown.into_iter().all(|shown| shown) {
            let doubt = if options.recheck { certificate::values::refute(columns, None) } else { None };
            let verdict = doubt.map_or(Verdict::Valid, Verdict::bug);
            return Report::new("linearizable", verdict, history.len());
        }
    }
    let greatest = greatest_dense(columns);
    let mut decided = in_parallel(&parts, |part| decide_shard(columns, &keys, part, greatest, options));
    let valid = decided.iter().all(|shard| shard.troubles.is_empty());
    let doubt = if options.recheck && valid { refute(columns, &decided) } else { None };
    let order = options.certificate.then(|| {
        let mut orders = std::collections::BTreeMap::new();
        decided.iter_mut().for_each(|shard| orders.append(&mut shard.orders));
        orders.into_values().flatten().collect()
    });
    let mut troubles: Vec<Trouble> = decided.into_iter().flat_map(|shard| shard.troubles).collect();
    troubles.sort_by_key(|trouble| trouble.key);
    let report = judge(history, troubles, order, options);
    match doubt {
        Some(doubt) => Report::new(report.model, Verdict::bug(doubt), report.operations),
        None => report,
    }
}

/// Why what the shards found does not prove that every key is linearizable, if so: keys with an order are shown by that, those with failed
/// compare-and-sets by the times of their values, all others by the order of their values.
fn refute(columns: &Columns, decided: &[Shard]) -> Option<String> {
    let order: Vec<u32> = decided.iter().flat_map(|shard| shard.orders.values()).flatten().copied().collect();
    let rows: Vec<Since> = decided.iter().flat_map(|shard| shard.since.iter().copied()).collect();
    let ordered: BTreeSet<u32> = decided.iter().flat_map(|shard| shard.orders.keys().copied()).collect();
    let dated: BTreeSet<u32> = rows.iter().map(|row| row.key).filter(|key| !ordered.contains(key)).collect();
    let by_order = || certificate::register::refute_orders(columns, &order, |key| ordered.contains(&key));
    let by_times = || certificate::register::refute(columns, &rows, |key| dated.contains(&key));
    let elsewhere = |key| ordered.contains(&key) || dated.contains(&key);
    let some = (!ordered.is_empty() || !dated.is_empty()).then_some(&elsewhere as &dyn Fn(u32) -> bool);
    let doubt = (!ordered.is_empty()).then(by_order).flatten();
    let doubt = doubt.or_else(|| (!dated.is_empty()).then(by_times).flatten());
    doubt.or_else(|| certificate::values::refute(columns, some))
}

/// Turns troubles into a verdict. A witness that is no contradiction alone is a bug of ours and makes the key unknown.
fn judge(history: &History, troubles: Vec<Trouble>, order: Option<Vec<u32>>, options: &Options) -> Report {
    let mut verdict = Verdict::Valid;
    let mut anomalies = Vec::new();
    let mut broken = 0;
    let mut undecided = 0;
    for trouble in troubles {
        let found = match trouble.what {
            What::Undecided(reason) => Err(reason),
            What::Broken(..) if anomalies.len() >= options.anomalies.max(1) => Ok(None),
            What::Broken(kind, suspects) => witness::confirm(history, kind, &suspects).map(Some),
        };
        match found {
            Ok(anomaly) => {
                broken += 1;
                verdict = Verdict::Invalid;
                anomalies.extend(anomaly);
            }
            Err(reason) => {
                undecided += 1;
                if undecided == 1 {
                    verdict =
                        verdict.merge(Verdict::unknown(format!("key {}: {reason}", history.key_name(trouble.key))));
                }
            }
        }
    }
    if let (Verdict::Unknown { reason }, true) = (&mut verdict, undecided > 1) {
        reason.push_str(&format!(" (and {} more keys)", undecided - 1));
    }
    let order = order.filter(|_| verdict == Verdict::Valid);
    Report { anomalies, broken, order, ..Report::new("linearizable", verdict, history.len()) }
}
