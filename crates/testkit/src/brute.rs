use std::collections::BTreeMap;

use history::{ErrorKind, Function, NIL, Operation, Outcome};

/// Whether some order of the operations respects real time and explains what registers returned, straight from the definition
/// (Herlihy & Wing, 1990): tries every order. Shares nothing with the checkers. At most 64 operations, and only few are feasible.
pub fn linearizable(operations: &[Operation]) -> bool {
    let relevant: Vec<&Operation> = operations.iter().filter(|op| matters(op)).collect();
    assert!(relevant.len() <= 64, "too many operations for brute force");
    extend(&relevant, 0, &mut BTreeMap::new())
}

/// Failed mutations did not happen, and reads without an answer say nothing; but a cas that found another value is an observation.
fn matters(op: &Operation) -> bool {
    match (op.request.function, op.completion.outcome) {
        (Function::Read, outcome) => outcome == Outcome::Ok,
        (Function::Cas, Outcome::Fail) => op.completion.error == ErrorKind::Precondition,
        (_, outcome) => outcome != Outcome::Fail,
    }
}

fn completed(op: &Operation) -> bool {
    op.completion.outcome != Outcome::Info
}

/// Whether the order that `taken` stands for can be extended until everything that completed is in it.
fn extend(operations: &[&Operation], taken: u64, registers: &mut BTreeMap<u32, u64>) -> bool {
    let left = |i: &usize| taken & (1 << i) == 0;
    if !(0..operations.len()).filter(left).any(|i| completed(operations[i])) {
        return true;
    }
    for i in (0..operations.len()).filter(left) {
        let op = operations[i];
        // Nothing that is still left may have completed before this was invoked.
        if (0..operations.len()).filter(left).any(|j| completed(operations[j]) && operations[j].done < op.sent) {
            continue;
        }
        let key = op.request.key;
        let before = registers.get(&key).copied().unwrap_or(NIL);
        let Some(after) = apply(op, before) else { continue };
        registers.insert(key, after);
        let found = extend(operations, taken | 1 << i, registers);
        registers.insert(key, before);
        if found {
            return true;
        }
    }
    false
}

fn apply(op: &Operation, value: u64) -> Option<u64> {
    let request = &op.request;
    match (request.function, op.completion.outcome) {
        (Function::Read, _) => (value == op.completion.result).then_some(value),
        (Function::Write, _) => Some(request.argument),
        (Function::Cas, Outcome::Fail) => (value != request.expected).then_some(value),
        (Function::Cas, _) => (value == request.expected).then_some(request.argument),
    }
}
