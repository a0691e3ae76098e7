//! A counter that is only ever incremented by one.
//!
//! The k-th increment happens between the latest beginning of a read of less than `k` and the earliest end of a read of `k` or more. Whoever
//! must go first goes first; of two that may go as late, the one that ended earlier.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::object::{Action, NOTHING};

use super::Part;
use crate::sort::nearly_sorted;

pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let mut reads: Vec<(i64, u64, u32)> = Vec::new();
    let (mut earliest, mut latest) = (vec![0], vec![u64::MAX]);
    for (i, call) in part.calls() {
        match call.action {
            Action::Add if call.argument == 1 && call.result == NOTHING => {}
            Action::Read if !call.is_ok() => {}
            Action::Read if (0..=part.places.len() as i64).contains(&call.result) => {
                reads.push((call.result, call.invoked, i));
                let value = call.result as usize;
                earliest.resize(earliest.len().max(value + 2), 0);
                latest.resize(latest.len().max(value + 2), u64::MAX);
                earliest[value + 1] = call.invoked.max(earliest[value + 1]);
                latest[value] = call.completed.min(latest[value]);
            }
            _ => return None,
        }
    }
    for k in 1..earliest.len() {
        earliest[k] = earliest[k].max(earliest[k - 1]);
    }
    for k in (0..latest.len() - 1).rev() {
        latest[k] = latest[k].min(latest[k + 1]);
    }
    nearly_sorted(&mut reads, |read| *read);
    let adds = increments(part, &earliest, &latest)?;
    Some(merged(&reads, &adds))
}

/// The increments in order; those that need not happen last, or nowhere.
fn increments(part: Part<'_>, earliest: &[u64], latest: &[u64]) -> Option<Vec<u32>> {
    let most = earliest.len().saturating_sub(2);
    // The first instant that each overlaps, the last, its end.
    let mut runs: Vec<(usize, usize, u64, u32)> = Vec::new();
    for (i, call) in part.calls().filter(|(_, call)| call.action == Action::Add) {
        let first = latest.get(1..).map_or(1, |latest| latest.partition_point(|at| *at < call.invoked) + 1);
        let last = earliest.partition_point(|at| *at <= call.completed) - 1;
        runs.push((first, if call.is_ok() { last } else { usize::MAX }, call.completed, i));
    }
    nearly_sorted(&mut runs, |run| run.0);
    let mut runs = runs.into_iter().peekable();
    let (mut waiting, mut adds) = (BinaryHeap::new(), Vec::new());
    for k in 1..=most {
        while let Some((_, last, end, i)) = runs.next_if(|(first, ..)| *first <= k) {
            waiting.push(Reverse((last, end, i)));
        }
        adds.push(waiting.pop().filter(|Reverse((last, ..))| *last >= k)?.0.2);
    }
    let left = waiting.into_iter().map(|Reverse((.., i))| i).chain(runs.map(|(.., i)| i));
    let mut left: Vec<u32> = left.filter(|&i| part.history.calls[i as usize].is_ok()).collect();
    left.sort_unstable();
    adds.extend(left);
    Some(adds)
}

/// Every read of `v` behind `v` increments.
fn merged(reads: &[(i64, u64, u32)], adds: &[u32]) -> Vec<u32> {
    let mut order = Vec::with_capacity(reads.len() + adds.len());
    let mut reads = reads.iter().peekable();
    for count in 0..=adds.len() {
        while let Some((.., i)) = reads.next_if(|(value, ..)| *value <= count as i64) {
            order.push(*i);
        }
        order.extend(adds.get(count));
    }
    order.extend(reads.map(|(.., i)| *i));
    order
}
