use history::Outcome;
use history::txn::{INITIAL, Kind, Transactions};

use super::{Keep, is_known_read, must_precede, orders, some_subset, writes};

/// Parallel snapshot isolation by the axioms of Cerone, Bernardi & Gotsman (2015): some order of arbitration and some transitive
/// visibility inside it, which relates any two writers of a key and contains what is kept, explain every read by the last visible writer.
pub fn parallel(history: &Transactions, keep: Keep) -> bool {
    some_subset(history, |members| {
        orders(members, &|a, b| must_precede(history, keep, a, b), &mut |order| {
            let pairs: Vec<(usize, usize)> = (0..order.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
            let needed = pairs.iter().map(|(a, b)| {
                must_precede(history, keep, order[*a], order[*b]) || conflict(history, order[*a], order[*b])
            });
            let needed = needed.enumerate().fold(0u64, |mask, (bit, needed)| mask | u64::from(needed) << bit);
            (0..1u64 << pairs.len()).filter(|mask| mask & needed == needed).any(|mask| {
                // The pairs stand by their second element, then by their first.
                let sees = |a: usize, b: usize| mask >> (b * b.saturating_sub(1) / 2 + a) & 1 == 1;
                is_transitive(order.len(), &sees) && explains(history, order, &sees)
            })
        })
    })
}

fn conflict(history: &Transactions, a: u32, b: u32) -> bool {
    let (left, right) = (history.ops(a), history.ops(b));
    left.iter().any(|l| writes(l) && right.iter().any(|r| writes(r) && r.key == l.key))
}

fn is_transitive(count: usize, sees: &dyn Fn(usize, usize) -> bool) -> bool {
    let through = |a: usize, b: usize| (b + 1..count).all(|c| !sees(b, c) || sees(a, c));
    (0..count).all(|b| (0..b).all(|a| !sees(a, b) || through(a, b)))
}

fn explains(history: &Transactions, order: &[u32], sees: &dyn Fn(usize, usize) -> bool) -> bool {
    let read = (0..order.len()).filter(|at| history.outcome[order[*at] as usize] == Outcome::Ok);
    read.into_iter().all(|at| {
        let ops = history.ops(order[at]);
        ops.iter().enumerate().filter(|(_, op)| is_known_read(op)).all(|(place, op)| {
            let written = |t: u32| history.ops(t).iter().filter(|o| writes(o) && o.key == op.key).map(|o| o.value);
            let mut versions: Vec<u32> = (0..at).filter(|a| sees(*a, at)).flat_map(|a| written(order[a])).collect();
            versions.extend(ops[..place].iter().filter(|o| writes(o) && o.key == op.key).map(|o| o.value));
            match op.kind {
                Kind::Read => versions.last().copied().unwrap_or(INITIAL) == op.value,
                _ => versions == history.list(op),
            }
        })
    })
}
