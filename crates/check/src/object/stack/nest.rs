//! Stacks where it is known which pop took which push: exact, in `O(nd)` for `n` operations on a stack that is `d` high.
//!
//! A value is certainly there between the return of its push and the invocation of its pop. (Lee & Mathur, *Efficient decrease-and-conquer
//! linearizability monitoring*, 2024, and Abdulla et al., PLDI 2025, take histories apart in like ways.)
//!
//! - A value that is certainly there at no time is pushed and popped at one instant, which disturbs nobody.
//! - At an instant at which no value is certainly there, the stack may as well be empty: what must be before and what may be after
//!   are judged apart. Pops that found nothing need such an instant.
//! - Between two such instants some value lies at the bottom: its push can come before all others, and its pop after all others. Any such
//!   value may lie there, since what is left when it is taken away must fit without it.

/// When a value was pushed and popped, from invocation to return; `u64::MAX`: never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) pushed: (u64, u64),
    pub(super) popped: (u64, u64),
    /// The operations; `u32::MAX`: it was not popped.
    pub(super) push: u32,
    pub(super) pop: u32,
}

impl Value {
    /// Whether it is certainly there at no time.
    fn is_thin(&self) -> bool {
        self.pushed.1 >= self.popped.0
    }
}

/// An operation of the order; its invocation.
type Placed = (u64, u32);

enum Task {
    Emit(Placed),
    /// Values of which some is certainly there all the time, in order of the returns of their pushes.
    Nest(Vec<u32>),
}

/// An order of all operations, `empties` (invocation, return, operation) among them, if there is one.
pub(super) fn nest(values: &[Value], empties: &[(u64, u64, u32)]) -> Option<Vec<u32>> {
    let mut order: Vec<Placed> = Vec::with_capacity(values.len() * 2 + empties.len());
    let mut tasks = first_tasks(values, empties)?;
    while let Some(task) = tasks.pop() {
        match task {
            Task::Emit(placed) => order.push(placed),
            Task::Nest(mut inside) => {
                let at = bottom(values, &inside)?;
                let value = values[inside.remove(at) as usize];
                if value.pop != u32::MAX {
                    tasks.push(Task::Emit((value.popped.0, value.pop)));
                }
                let parts = apart(values, inside);
                tasks.extend(parts.into_iter().rev().map(|(_, part)| Task::Nest(part)));
                tasks.push(Task::Emit((value.pushed.0, value.push)));
            }
        }
    }
    with_thin(values, order)
}

/// The parts of the history between instants at which the stack may be empty, and what found it so; the first last.
fn first_tasks(values: &[Value], empties: &[(u64, u64, u32)]) -> Option<Vec<Task>> {
    let mut thick: Vec<u32> = (0..values.len() as u32).filter(|&i| !values[i as usize].is_thin()).collect();
    thick.sort_by_key(|&i| values[i as usize].pushed.1);
    let parts = apart(values, thick);
    let mut tasks: Vec<((u64, u64), u64, Task)> = Vec::new();
    for &(invoked, returned, operation) in empties {
        let before = parts.partition_point(|((begin, _), _)| *begin < invoked);
        let until = if before > 0 { parts[before - 1].0.1 } else { 0 };
        let instant = invoked.max(until);
        if instant > returned {
            return None;
        }
        tasks.push(((instant, 0), invoked, Task::Emit((invoked, operation))));
    }
    tasks.extend(parts.into_iter().map(|((begin, _), part)| ((begin, 1), begin, Task::Nest(part))));
    tasks.sort_by_key(|(instant, invoked, _)| std::cmp::Reverse((*instant, *invoked)));
    Some(tasks.into_iter().map(|(.., task)| task).collect())
}

/// Takes values apart at the instants at which none is certainly there: from when to when each part is, and its values.
fn apart(values: &[Value], sorted: Vec<u32>) -> Vec<((u64, u64), Vec<u32>)> {
    let mut parts: Vec<((u64, u64), Vec<u32>)> = Vec::new();
    for i in sorted {
        let Value { pushed, popped, .. } = values[i as usize];
        match parts.last_mut() {
            Some(((_, end), part)) if pushed.1 < *end => {
                *end = (*end).max(popped.0);
                part.push(i);
            }
            _ => parts.push(((pushed.1, popped.0), vec![i])),
        }
    }
    parts
}

/// The place of a value that can lie at the bottom.
fn bottom(values: &[Value], inside: &[u32]) -> Option<usize> {
    let all = || inside.iter().map(|&i| &values[i as usize]);
    let first = all().map(|value| value.pushed.1).min()?;
    let last = all().map(|value| value.popped.0).max()?;
    all().position(|value| value.pushed.0 <= first && value.popped.1 >= last)
}

/// The order with the values in it that are pushed and popped at one instant.
fn with_thin(values: &[Value], order: Vec<Placed>) -> Option<Vec<u32>> {
    let mut thin: Vec<(u64, &Value)> = Vec::new();
    for value in values.iter().filter(|value| value.is_thin() && value.pop != u32::MAX) {
        let instant = value.pushed.0.max(value.popped.0);
        if instant > value.popped.1 || instant > value.pushed.1 {
            return None;
        }
        thin.push((instant, value));
    }
    thin.sort_by_key(|(instant, _)| *instant);
    let mut thin = thin.into_iter().peekable();
    let (mut all, mut latest) = (Vec::with_capacity(values.len() * 2), 0);
    for (invoked, operation) in order {
        latest = invoked.max(latest);
        while let Some((_, value)) = thin.next_if(|(instant, _)| *instant < latest) {
            all.extend([value.push, value.pop]);
        }
        all.push(operation);
    }
    all.extend(thin.flat_map(|(_, value)| [value.push, value.pop]));
    Some(all)
}
