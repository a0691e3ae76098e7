//! Consistency models of registers decided from their definitions, by trying every choice of who saw whose value and every order.
//! Only for small histories. Shares nothing with the checkers.
//!
//! - Sequential consistency: Lamport, 1979. PRAM: Lipton & Sandberg, 1988.
//! - Causal consistency, causal convergence and causal memory: CC, CCv and CM of Bouajjani, Enea, Guerraoui & Hamza, POPL 2017,
//!   definitions 1 to 3 (not their bad patterns).
//! - Session guarantees: what is visible and in which order, after Terry et al., 1994 and Viotti & Vukolić, 2016.

use history::{ErrorKind, Function, NIL, Operation, Outcome};

mod random;

pub use random::{Sessions, random_sessions};

/// Something that happened.
#[derive(Clone, Copy)]
struct Op {
    session: usize,
    key: u32,
    needs: Option<Need>,
    sets: Option<u64>,
    /// The only thing after it in its session is nothing, and it need not have happened.
    pending: bool,
}

#[derive(Clone, Copy)]
enum Need {
    Value(u64),
    NotValue(u64),
}

impl Need {
    fn met(self, value: u64) -> bool {
        match self {
            Need::Value(wanted) => value == wanted,
            Need::NotValue(denied) => value != denied,
        }
    }
}

/// Whether everything fits into one order that keeps the order of each process.
pub fn sequential(operations: &[Operation]) -> bool {
    some_past(operations, &|ops| {
        let all: Vec<usize> = (0..ops.len()).collect();
        orders(&all, &|a, b| session_order(ops, a, b), &mut |order| explains(ops, order, &|_| true))
    })
}

/// Whether every process can put its own operations and the mutations of all others into an order that explains its own.
pub fn pram(operations: &[Operation]) -> bool {
    some_past(operations, &|ops| {
        sessions(ops).all(|session| {
            let mine = |i: &usize| ops[*i].session == session;
            let all: Vec<usize> = (0..ops.len()).filter(|i| mine(i) || ops[*i].sets.is_some()).collect();
            orders(&all, &|a, b| session_order(ops, a, b), &mut |order| explains(ops, order, &|i| mine(&i)))
        })
    })
}

/// Whether causes can be chosen so that each operation by itself is explained by an order of its causes.
pub fn causal(operations: &[Operation]) -> bool {
    some_causes(operations, &|ops, co| {
        (0..ops.len()).all(|op| {
            let past: Vec<usize> = (0..ops.len()).filter(|i| co[*i][op] || *i == op).collect();
            orders(&past, &|a, b| co[a][b], &mut |order| explains(ops, order, &|i| i == op))
        })
    })
}

/// Whether causes can be chosen so that each process can explain all its operations by one order of what it knows.
pub fn causal_memory(operations: &[Operation]) -> bool {
    some_causes(operations, &|ops, co| {
        (0..ops.len()).all(|op| {
            let past: Vec<usize> = (0..ops.len()).filter(|i| co[*i][op] || *i == op).collect();
            let own = |i: usize| ops[i].session == ops[op].session;
            orders(&past, &|a, b| co[a][b], &mut |order| explains(ops, order, &own))
        })
    })
}

/// Whether causes and one order of everything can be chosen so that each operation is explained by its causes in that order.
pub fn causal_convergence(operations: &[Operation]) -> bool {
    some_causes(operations, &|ops, co| {
        let all: Vec<usize> = (0..ops.len()).collect();
        orders(&all, &|a, b| co[a][b], &mut |order| {
            (0..ops.len()).all(|op| {
                let past: Vec<usize> = order.iter().copied().filter(|i| co[*i][op] || *i == op).collect();
                explains(ops, &past, &|i| i == op)
            })
        })
    })
}

/// Whether each process can order the writes of each key, those of one process as that one wrote them, so that each of its reads returns the latest
/// of what is visible to it, and its own earlier writes are.
pub fn read_your_writes(operations: &[Operation]) -> bool {
    some_view(operations, &|_, _| Vec::new(), &|ops, sources, read| {
        let own = |i: &usize| session_order(ops, *i, read) && ops[*i].sets.is_some();
        (0..ops.len()).filter(own).chain(sources[read]).collect()
    })
}

/// The same where what was visible to an earlier read stays visible.
pub fn monotonic_reads(operations: &[Operation]) -> bool {
    some_view(operations, &|_, _| Vec::new(), &seen_so_far)
}

/// The same where moreover whoever sees a write sees all that its process had written before, and in that order.
pub fn monotonic_writes(operations: &[Operation]) -> bool {
    let written_before = |ops: &[Op], _: &[Option<usize>]| {
        let pair = |a: usize, b: usize| session_order(ops, a, b) && ops[a].sets.is_some() && ops[b].sets.is_some();
        pairs(ops.len(), &pair)
    };
    some_view(operations, &written_before, &seen_so_far)
}

/// Monotonic reads where moreover whoever sees a write sees all that its process had read before, and in that order.
pub fn writes_follow_reads(operations: &[Operation]) -> bool {
    let read_before = |ops: &[Op], sources: &[Option<usize>]| {
        let pair = |a: usize, b: usize| {
            let reads_a = |read: usize| sources[read] == Some(a) && (session_order(ops, read, b) || read == b);
            ops[b].sets.is_some() && (0..ops.len()).any(reads_a)
        };
        pairs(ops.len(), &pair)
    };
    some_view(operations, &read_before, &seen_so_far)
}

/// What a process's reads up to this one saw.
fn seen_so_far(ops: &[Op], sources: &[Option<usize>], read: usize) -> Vec<usize> {
    (0..ops.len()).filter(|i| *i == read || session_order(ops, *i, read)).filter_map(|i| sources[i]).collect()
}

fn pairs(count: usize, related: &dyn Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    (0..count).flat_map(|a| (0..count).map(move |b| (a, b))).filter(|(a, b)| related(*a, *b)).collect()
}

fn session_order(ops: &[Op], a: usize, b: usize) -> bool {
    a < b && ops[a].session == ops[b].session
}

fn sessions(ops: &[Op]) -> impl Iterator<Item = usize> {
    let count = ops.iter().map(|op| op.session + 1).max().unwrap_or(0);
    0..count
}

/// Whether the test holds for some choice of which pending mutations happened.
fn some_past(operations: &[Operation], test: &dyn Fn(&[Op]) -> bool) -> bool {
    let ops = happenings(operations);
    let pending: Vec<usize> = (0..ops.len()).filter(|i| ops[*i].pending).collect();
    (0..1u32 << pending.len()).any(|chosen| {
        let left_out = |i: usize| pending.iter().position(|p| *p == i).is_some_and(|bit| chosen & (1 << bit) == 0);
        let past: Vec<Op> = (0..ops.len()).filter(|i| !left_out(*i)).map(|i| ops[i]).collect();
        test(&past)
    })
}

/// What may have happened, with the sessions; an operation of unknown outcome ends its session.
fn happenings(operations: &[Operation]) -> Vec<Op> {
    let mut begun: Vec<(u32, usize)> = Vec::new();
    let mut count = 0;
    let mut ops = Vec::new();
    for op in operations {
        let session = match begun.iter().find(|(process, _)| *process == op.process.0) {
            Some((_, session)) => *session,
            None => {
                begun.push((op.process.0, count));
                count += 1;
                count - 1
            }
        };
        let info = op.completion.outcome == Outcome::Info;
        if info {
            begun.retain(|(process, _)| *process != op.process.0);
        }
        let request = &op.request;
        let (needs, sets) = match (request.function, op.completion.outcome) {
            (Function::Read, Outcome::Ok) => (Some(Need::Value(op.completion.result)), None),
            (Function::Write, Outcome::Ok | Outcome::Info) => (None, Some(request.argument)),
            (Function::Cas, Outcome::Ok | Outcome::Info) => {
                (Some(Need::Value(request.expected)), Some(request.argument))
            }
            (Function::Cas, Outcome::Fail) if op.completion.error == ErrorKind::Precondition => {
                (Some(Need::NotValue(request.expected)), None)
            }
            _ => continue,
        };
        ops.push(Op { session, key: request.key, needs, sets, pending: info });
    }
    ops
}

/// Calls `test` with every order of these operations that keeps `before`, until one passes.
fn orders(ops: &[usize], before: &dyn Fn(usize, usize) -> bool, test: &mut dyn FnMut(&[usize]) -> bool) -> bool {
    fn extend(
        left: &mut Vec<usize>,
        order: &mut Vec<usize>,
        before: &dyn Fn(usize, usize) -> bool,
        test: &mut dyn FnMut(&[usize]) -> bool,
    ) -> bool {
        if left.is_empty() {
            return test(order);
        }
        for at in 0..left.len() {
            let op = left[at];
            if left.iter().any(|other| before(*other, op)) {
                continue;
            }
            left.remove(at);
            order.push(op);
            let found = extend(left, order, before, test);
            order.pop();
            left.insert(at, op);
            if found {
                return true;
            }
        }
        false
    }
    extend(&mut ops.to_vec(), &mut Vec::new(), before, test)
}

/// Whether an order explains what the operations in scope saw.
fn explains(ops: &[Op], order: &[usize], in_scope: &dyn Fn(usize) -> bool) -> bool {
    let mut registers: Vec<(u32, u64)> = Vec::new();
    for &i in order {
        let op = ops[i];
        let value = registers.iter().rev().find(|(key, _)| *key == op.key).map_or(NIL, |(_, value)| *value);
        if in_scope(i) && op.needs.is_some_and(|need| !need.met(value)) {
            return false;
        }
        registers.extend(op.sets.map(|value| (op.key, value)));
    }
    true
}

/// Calls `test` with every choice of the operation that each saw (`None`: the initial value), until one passes.
fn some_sources(ops: &[Op], test: &dyn Fn(&[Option<usize>]) -> bool) -> bool {
    fn choose(ops: &[Op], sources: &mut Vec<Option<usize>>, test: &dyn Fn(&[Option<usize>]) -> bool) -> bool {
        let i = sources.len();
        let Some(op) = ops.get(i) else { return test(sources) };
        let mut choices = Vec::new();
        match op.needs {
            None => choices.push(None),
            Some(need) => {
                choices.extend(need.met(NIL).then_some(None));
                let fits = |j: &usize| *j != i && ops[*j].key == op.key && ops[*j].sets.is_some_and(|v| need.met(v));
                choices.extend((0..ops.len()).filter(fits).map(Some));
            }
        }
        choices.into_iter().any(|choice| {
            sources.push(choice);
            let found = choose(ops, sources, test);
            sources.pop();
            found
        })
    }
    choose(ops, &mut Vec::new(), test)
}

/// Whether the test holds for some causes: the order of processes, and from what an operation saw to itself, closed transitively.
fn some_causes(operations: &[Operation], test: &dyn Fn(&[Op], &Matrix) -> bool) -> bool {
    some_past(operations, &|ops| {
        some_sources(ops, &|sources| {
            let direct = |a: usize, b: usize| session_order(ops, a, b) || sources[b] == Some(a);
            let co = closure(ops.len(), &direct);
            (0..ops.len()).all(|op| !co[op][op]) && test(ops, &co)
        })
    })
}

/// Whether one comes before another, for all pairs.
type Matrix = Vec<Vec<bool>>;

fn closure(count: usize, direct: &dyn Fn(usize, usize) -> bool) -> Matrix {
    let mut co: Matrix = (0..count).map(|a| (0..count).map(|b| direct(a, b)).collect()).collect();
    for c in 0..count {
        for a in 0..count {
            for b in 0..count {
                co[a][b] |= co[a][c] && co[c][b];
            }
        }
    }
    co
}

/// The mutations that must be visible where others are.
type Follows<'a> = &'a dyn Fn(&[Op], &[Option<usize>]) -> Vec<(usize, usize)>;
/// The mutations that are visible to an operation to begin with.
type Visible<'a> = &'a dyn Fn(&[Op], &[Option<usize>], usize) -> Vec<usize>;

/// Whether each process has a view: for each key an order of its mutations that keeps `follows` and the order in which each process wrote, by
/// which the latest of the visible ones is what each of its operations saw.
fn some_view(operations: &[Operation], follows: Follows<'_>, visible: Visible<'_>) -> bool {
    some_past(operations, &|ops| {
        some_sources(ops, &|sources| {
            let follows = follows(ops, sources);
            let needed = closure(ops.len(), &|a, b| follows.contains(&(a, b)));
            (0..ops.len()).all(|op| !needed[op][op])
                && sessions(ops).all(|session| has_view(ops, sources, session, &needed, visible))
        })
    })
}

fn has_view(ops: &[Op], sources: &[Option<usize>], session: usize, needed: &[Vec<bool>], visible: Visible<'_>) -> bool {
    let mut keys: Vec<u32> = ops.iter().map(|op| op.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let sees = |read: usize| {
        let first = visible(ops, sources, read);
        let also = |i: &usize| first.contains(i) || first.iter().any(|seen| needed[*i][*seen]);
        (0..ops.len()).filter(also).collect::<Vec<usize>>()
    };
    keys.into_iter().all(|key| {
        let reads: Vec<(Need, Vec<usize>)> = (0..ops.len())
            .filter(|i| ops[*i].session == session && ops[*i].key == key)
            .filter_map(|i| Some((ops[i].needs?, sees(i))))
            .collect();
        let writes: Vec<usize> = (0..ops.len()).filter(|i| ops[*i].key == key && ops[*i].sets.is_some()).collect();
        let before = |a: usize, b: usize| needed[a][b] || session_order(ops, a, b);
        orders(&writes, &before, &mut |order| {
            reads.iter().all(|(need, sees)| {
                let latest = order.iter().rev().find(|write| sees.contains(write));
                need.met(latest.and_then(|write| ops[*write].sets).unwrap_or(NIL))
            })
        })
    })
}
