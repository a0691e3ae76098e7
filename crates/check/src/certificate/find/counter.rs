//! A counter that is only ever incremented by one.
//!
//! The k-th increment happens between the latest beginning of a read of less than `k` and the earliest end of a read of `k` or more. Of those that have
//! begun by then, the one that ended first goes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::object::{Action, NEVER};

use super::super::counter::Counts;
use super::Part;
use crate::sort::nearly_sorted;

/// Why a counter is not shown by an order of its increments; `None`: it is. `Err`: it is not of this kind.
pub(super) fn refute(part: Part<'_>) -> Result<Option<String>, ()> {
    let counts = Counts::of(part.calls().map(|(_, call)| call), part.places.len()).ok_or(())?;
    Ok(counts.refute(&increments(&counts)))
}

/// An order of the operations.
pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let counts = Counts::of(part.calls().map(|(_, call)| call), part.places.len())?;
    let places: Vec<u32> = part.calls().filter(|(_, call)| call.action == Action::Add).map(|(i, _)| i).collect();
    let reads = part.calls().filter(|(_, call)| call.action == Action::Read && call.is_ok());
    let mut reads: Vec<(i64, u64, u32)> = reads.map(|(i, call)| (call.result, call.invoked, i)).collect();
    nearly_sorted(&mut reads, |read| *read);
    let adds: Vec<u32> = increments(&counts).into_iter().map(|at| places[at as usize]).collect();
    Some(merged(&reads, &adds))
}

/// The increments in order; those that need not happen last, or nowhere.
fn increments(counts: &Counts) -> Vec<u32> {
    let mut latest: Vec<u64> = counts.reads.iter().map(|(_, end)| *end).collect();
    for k in (1..latest.len()).rev() {
        latest[k - 1] = latest[k - 1].min(latest[k]);
    }
    let (mut waiting, mut order) = (BinaryHeap::new(), Vec::with_capacity(counts.adds.len()));
    let mut adds = counts.adds.iter().zip(0..).peekable();
    for end in &latest[1..] {
        while let Some(((_, completed), at)) = adds.next_if(|((invoked, _), _)| invoked <= end) {
            waiting.push(Reverse((*completed, at)));
        }
        order.extend(waiting.pop().map(|Reverse((_, at))| at));
    }
    let mut left: Vec<u32> = waiting.into_iter().map(|Reverse((_, at))| at).chain(adds.map(|(_, at)| at)).collect();
    left.retain(|at| counts.adds[*at as usize].1 != NEVER);
    left.sort_unstable();
    order.extend(left);
    order
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
