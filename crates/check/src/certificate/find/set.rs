//! Sets. Without whole reads every element by itself, if it is added at most once and removed at most once; with whole reads, sets
//! that only grow.

use history::object::{Action, Call, NEVER};

use super::super::definition::elements;
use super::Part;
use crate::object::Values;

pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let whole = part.calls().any(|(_, call)| call.action == Action::Read && call.is_ok());
    if whole { growing(part) } else { each_element(part) }
}

fn each_element(part: Part<'_>) -> Option<Vec<u32>> {
    let mut values = Values::new(part.places.len());
    let numbers: Vec<u32> = part.calls().map(|(_, call)| values.number(call.argument) as u32).collect();
    let count = numbers.iter().max().map_or(0, |number| *number as usize + 1);
    let mut starts = vec![0u32; count + 1];
    numbers.iter().for_each(|number| starts[*number as usize + 1] += 1);
    (0..count).for_each(|number| starts[number + 1] += starts[number]);
    let (mut next, mut sorted) = (starts.clone(), vec![0; numbers.len()]);
    for (place, number) in part.places.iter().zip(&numbers) {
        sorted[next[*number as usize] as usize] = *place;
        next[*number as usize] += 1;
    }
    let mut order = Vec::with_capacity(sorted.len());
    for range in starts.windows(2) {
        element(part, &sorted[range[0] as usize..range[1] as usize], &mut order)?;
    }
    Some(order)
}

/// One element, whose operations stand in order of invocation. `None`: it is added or removed twice.
fn element(part: Part<'_>, places: &[u32], order: &mut Vec<u32>) -> Option<()> {
    let calls = || places.iter().map(|&i| (i, &part.history.calls[i as usize]));
    let only = |action: Action| {
        let mut those = calls().filter(|(_, call)| call.action == action);
        (those.next().map(|(_, call)| call), those.next().is_none())
    };
    let ((add, added_once), (remove, removed_once)) = (only(Action::Add), only(Action::Remove));
    if !added_once || !removed_once || calls().any(|(_, call)| call.action == Action::Read) {
        return None;
    }
    let found = |call: &Call| call.action == Action::Contains && call.is_ok() && call.result != 0;
    let absent = |call: &Call| call.action == Action::Contains && call.is_ok() && call.result == 0;
    let those = || calls().filter(|(_, call)| found(call)).map(|(_, call)| call);
    let found_begin = those().map(|call| call.invoked).max().unwrap_or(0);
    let found_end = those().map(|call| call.completed).min().unwrap_or(NEVER);
    // An addition of unknown outcome that nobody saw is left out.
    let add = add.filter(|add| add.is_ok() || found_end != NEVER);
    let (begin, end) = add.map_or((NEVER, NEVER), |add| (add.invoked, add.completed));
    let (first, last) = remove.map_or((NEVER, NEVER), |remove| (remove.invoked, remove.completed));
    // Added as late, removed as early as those who found it allow.
    let (added, removed) = (end.min(found_end).min(last), first.max(found_begin).max(begin));
    let late = |call: &Call| absent(call) && call.invoked > added;
    let fits = calls().all(|(_, call)| !late(call) || call.completed >= removed);
    let mut take = |some: &dyn Fn(&Call) -> bool| order.extend(calls().filter(|(_, call)| some(call)).map(|(i, _)| i));
    let adds = |call: &Call| call.action == Action::Add && add.is_some();
    if add.is_some() && begin <= added && removed <= last && fits {
        take(&|call| absent(call) && !late(call));
        take(&adds);
        take(&found);
        take(&|call| call.action == Action::Remove);
        take(&late);
    } else {
        take(&|call| absent(call) || call.action == Action::Remove);
        take(&adds);
        take(&found);
    }
    Some(())
}

/// Additions in the order in which whole reads see them.
fn growing(part: Part<'_>) -> Option<Vec<u32>> {
    let history = part.history;
    let mut values = Values::new(part.places.len());
    let mut adds: Vec<u32> = Vec::new();
    let mut reads: Vec<(usize, u64, u32)> = Vec::new();
    for (i, call) in part.calls() {
        match call.action {
            Action::Add if values.number(call.argument) == adds.len() => adds.push(i),
            Action::Read if call.is_ok() => reads.push((elements(history, call).len(), call.invoked, i)),
            Action::Read => {}
            _ => return None,
        }
    }
    reads.sort_unstable();
    let (mut order, mut placed) = (Vec::with_capacity(part.places.len()), vec![false; adds.len()]);
    let mut count = 0;
    for (length, _, read) in reads {
        if length > count {
            let start = order.len();
            for element in elements(history, &history.calls[read as usize]) {
                let number = values.number(*element);
                if !std::mem::replace(placed.get_mut(number)?, true) {
                    order.push(adds[number]);
                }
            }
            order[start..].sort_unstable();
            count = length;
        }
        order.push(read);
    }
    let left = adds.iter().zip(placed).filter(|(add, placed)| !placed && history.calls[**add as usize].is_ok());
    order.extend(left.map(|(add, _)| *add));
    Some(order)
}
