use history::Outcome;
use history::txn::{INITIAL, Kind, Transactions};

use super::{Keep, is_known_read, must_precede, orders, some_subset, writes};

/// Parallel snapshot isolation by the axioms of Cerone, Bernardi & Gotsman (2015): some order of arbitration and some transitive
/// visibility inside it, which relates any two writers of a key and contains what is kept, explain every read by the last visible writer.
pub fn parallel(history: &Transactions, keep: Keep) -> bool {
    some_subset(history, |members| {
        orders(members, &|a, b| must_precede(history, keep, a, b), &mut |order| {
            let pairs: Vec<(usize, usize)> = (0..order.len()).flat_map(|b| (0..b).map(move |a| (a, b))).collect();
            (0..1u64 << pairs.len()).any(|mask| {
                let sees = |a: usize, b: usize| {
                    let bit = pairs.iter().position(|pair| *pair == (a, b));
                    bit.is_some_and(|bit| mask >> bit & 1 == 1)
                };
                is_visibility(history, keep, order, &sees) && explains(history, order, &sees)
            })
        })
    })
}

fn is_visibility(history: &Transactions, keep: Keep, order: &[u32], sees: &dyn Fn(usize, usize) -> bool) -> bool {
    let all = 0..order.len();
    let pairs = all.clone().flat_map(|b| (0..b).map(move |a| (a, b)));
    let conflict = |a: u32, b: u32| {
        let (left, right) = (history.ops(a), history.ops(b));
        left.iter().any(|l| writes(l) && right.iter().any(|r| writes(r) && r.key == l.key))
    };
    let needed =
        |(a, b): &(usize, usize)| must_precede(history, keep, order[*a], order[*b]) || conflict(order[*a], order[*b]);
    pairs.clone().filter(needed).all(|(a, b)| sees(a, b))
        && pairs.filter(|(a, b)| sees(*a, *b)).all(|(a, b)| (b..order.len()).all(|c| !sees(b, c) || sees(a, c)))
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
