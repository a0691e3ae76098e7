//! Locks of an owner and permits: every acquire as late, every release as early as it can be.

use history::object::{Action, NEVER, NOTHING};

use super::Part;
use crate::object::Values;
use crate::sort::nearly_sorted;

/// Acquires of unknown outcome are left out, releases of what is held happen at once.
/// `None`: a process has two operations at a time.
pub(super) fn order(part: Part<'_>) -> Option<Vec<u32>> {
    let mut processes = Values::new(part.places.len());
    // Of each process, how often it holds and until when it is busy.
    let mut held: Vec<(u32, u64)> = Vec::new();
    let mut instants: Vec<(u64, bool, u32)> = Vec::with_capacity(part.places.len());
    for (i, call) in part.calls() {
        let process = processes.number(call.process.into());
        held.resize(held.len().max(process + 1), (0, 0));
        let (held, busy) = &mut held[process];
        if *busy > 0 && call.invoked <= *busy {
            return None;
        }
        *busy = call.completed;
        let acquires = call.action == Action::Acquire;
        if acquires && call.is_ok() {
            *held += 1;
            instants.push((call.completed, true, i));
        } else if !acquires && (call.is_ok() || *held > 0) {
            *held = held.saturating_sub(1);
            instants.push((call.invoked, false, i));
        }
    }
    nearly_sorted(&mut instants, |instant| *instant);
    Some(instants.into_iter().map(|(.., i)| i).collect())
}

/// Holders in order of their tokens. `None`: somebody has none.
pub(super) fn order_by_token(part: Part<'_>) -> Option<Vec<u32>> {
    let mut processes = Values::new(part.places.len());
    let mut holding: Vec<Option<usize>> = Vec::new();
    // The token, the acquire and the release of each hold.
    let mut holds: Vec<(i64, u32, Option<u32>)> = Vec::new();
    for (i, call) in part.calls() {
        let process = processes.number(call.process.into());
        holding.resize(holding.len().max(process + 1), None);
        match call.action {
            Action::Acquire if !call.is_ok() => {}
            Action::Acquire if call.result == NOTHING || call.completed == NEVER => return None,
            Action::Acquire => {
                holding[process] = Some(holds.len());
                holds.push((call.result, i, None));
            }
            _ => match holding[process].take() {
                Some(hold) => holds[hold].2 = Some(i),
                None if call.is_ok() => return None,
                None => {}
            },
        }
    }
    nearly_sorted(&mut holds, |(token, ..)| *token);
    Some(holds.into_iter().flat_map(|(_, acquire, release)| std::iter::once(acquire).chain(release)).collect())
}
