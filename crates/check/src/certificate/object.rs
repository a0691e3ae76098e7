//! Orders of any object: replayed one operation at a time.

use super::witness;
use crate::sequential::{IntervalOf, SequentialModel};

/// Why the order does not prove that the operations are linearizable; `None`: it does. Linear.
pub fn refute_order<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], order: &[u32]) -> Option<String> {
    let mut seen = vec![false; operations.len()];
    let (mut state, mut latest) = (model.initial(), 0);
    for &i in order {
        let Some(op) = operations.get(i as usize).filter(|_| !std::mem::replace(&mut seen[i as usize], true)) else {
            return Some(format!("operation {i} is in the order twice, or does not exist"));
        };
        let late = op.completed.is_some_and(|completed| completed < latest);
        let Some(next) = model.step(&state, &op.call, op.answer.as_ref()).filter(|_| !late) else {
            return Some(format!("operation {i} does not fit after what came before it"));
        };
        (state, latest) = (next, latest.max(op.invoked));
    }
    let missing = |i: &usize| !seen[*i] && operations[*i].completed.is_some();
    (0..operations.len()).find(missing).map(|i| format!("operation {i} is not in the order"))
}

/// Whether no order explains the operations at these places; `None`: too many to tell.
pub fn contradicts<M: SequentialModel>(model: &M, operations: &[IntervalOf<M>], places: &[u32]) -> Option<bool> {
    let witness: Vec<&IntervalOf<M>> = places.iter().map(|&i| &operations[i as usize]).collect();
    let intervals: Vec<_> = witness.iter().map(|op| (op.invoked, op.completed)).collect();
    witness::contradicts(&intervals, model.initial(), |at, state| {
        model.step(state, &witness[at].call, witness[at].answer.as_ref())
    })
}
