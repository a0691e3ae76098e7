use base::{NodeId, ProcessId, Rng, Time};
use history::{Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};

/// When an operation is invoked and when it completes.
type Span = (u64, u64);

/// Which small histories to make.
#[derive(Clone, Copy, Debug)]
pub struct Small {
    /// Operations in each.
    pub operations: usize,
    /// With compare-and-set.
    pub cas: bool,
    /// With failures: of writes, and of compare-and-sets that found another value.
    pub failures: bool,
    /// With unknown outcomes.
    pub pending: bool,
}

/// Calls `each` with every history of one key in which the i-th operation to be invoked writes only the value i + 1, if any: every
/// order of invocations and completions (none at the same instant), every function, outcome and value read.
pub fn every_history(small: Small, each: &mut dyn FnMut(&[Operation])) {
    let menu: Vec<Vec<Operation>> = (0..small.operations).map(|i| choices(small, i)).collect();
    let mut spans = vec![(0, 0); small.operations];
    arrange(small.operations, 0, 0, &mut Vec::new(), &mut spans, &mut |spans| {
        let mut history: Vec<Operation> = menu.iter().map(|choices| choices[0]).collect();
        fill(&menu, spans, 0, &mut history, each);
    });
}

fn fill(
    menu: &[Vec<Operation>],
    spans: &[Span],
    at: usize,
    history: &mut Vec<Operation>,
    each: &mut dyn FnMut(&[Operation]),
) {
    let Some(choices) = menu.get(at) else { return each(history) };
    for choice in choices {
        history[at] = with_span(*choice, spans[at]);
        fill(menu, spans, at + 1, history, each);
    }
}

/// Every order of the events of `count` intervals whose beginnings are in order.
fn arrange(
    count: usize,
    begun: usize,
    now: u64,
    open: &mut Vec<usize>,
    spans: &mut Vec<Span>,
    each: &mut dyn FnMut(&[Span]),
) {
    if begun == count && open.is_empty() {
        return each(spans);
    }
    if begun < count {
        spans[begun].0 = now + 1;
        open.push(begun);
        arrange(count, begun + 1, now + 1, open, spans, each);
        open.retain(|i| *i != begun);
    }
    for i in open.clone() {
        spans[i].1 = now + 1;
        open.retain(|j| *j != i);
        arrange(count, begun, now + 1, open, spans, each);
        open.push(i);
    }
}

fn choices(small: Small, i: usize) -> Vec<Operation> {
    let own = i as u64 + 1;
    let others: Vec<u64> = std::iter::once(NIL).chain((1..=small.operations as u64).filter(|v| *v != own)).collect();
    let mut choices = Vec::new();
    let mut add = |request, completion| choices.push(operation(i as u32, request, completion));
    let outcomes = |failure| {
        let mut outcomes = vec![Completion::ok(NIL)];
        if small.pending {
            outcomes.push(Completion::info(ErrorKind::Timeout));
        }
        if small.failures {
            outcomes.push(Completion::fail(failure));
        }
        outcomes
    };
    others.iter().for_each(|value| add(Request::read(0), Completion::ok(*value)));
    outcomes(ErrorKind::Other).into_iter().for_each(|outcome| add(Request::write(0, own), outcome));
    if small.cas {
        for expected in &others {
            outcomes(ErrorKind::Precondition).into_iter().for_each(|o| add(Request::cas(0, *expected, own), o));
        }
    }
    choices
}

fn operation(process: u32, request: Request, completion: Completion) -> Operation {
    let (process, never) = (ProcessId(process), Time::MAX);
    Operation {
        process,
        node: NodeId(0),
        request,
        due: never,
        sent: never,
        done: never,
        completion,
        phase: Phase::Load,
    }
}

fn with_span(mut op: Operation, (sent, done): (u64, u64)) -> Operation {
    (op.due, op.sent) = (Time(sent), Time(sent));
    op.done = if op.completion.outcome == Outcome::Info { Time::MAX } else { Time(done) };
    op
}

/// What random histories are made of.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Operations, at most.
    pub operations: u64,
    /// Keys.
    pub keys: u64,
    /// Written values are unique; otherwise they are drawn from a few.
    pub unique: bool,
    /// Share of compare-and-sets.
    pub cas: f64,
    /// Share of unknown outcomes.
    pub pending: f64,
    /// Share of answers that are falsified after the execution.
    pub lies: f64,
}

/// A random history: an execution of real registers whose intervals are then drawn around the instants of effect, so that it is
/// linearizable, unless a falsified answer makes it otherwise. Times are few, so that events coincide.
pub fn random_history(rng: &mut Rng, mix: Mix) -> Vec<Operation> {
    let count = rng.within(2..=mix.operations);
    let mut registers = vec![NIL; mix.keys as usize];
    let mut history = Vec::new();
    for i in 0..count {
        let key = rng.below(mix.keys) as u32;
        let value = if mix.unique { i + 1 } else { rng.below(3) + 1 };
        let op = execute(rng, mix, i as u32, key, value, &mut registers[key as usize]);
        let at = i * 3 + 10;
        let span = (at - rng.within(0..=8), at + rng.within(0..=8));
        history.push(with_span(op, span));
    }
    for op in &mut history {
        if rng.chance(mix.lies) {
            falsify(rng, op, count);
        }
    }
    history.sort_by_key(|op| op.sent);
    history
}

fn execute(rng: &mut Rng, mix: Mix, process: u32, key: u32, value: u64, register: &mut u64) -> Operation {
    let old = *register;
    if rng.chance(mix.cas) {
        let expected = if rng.chance(0.6) { old } else { rng.below(value.max(2)) };
        let expected = if expected == 0 { NIL } else { expected };
        let request = Request::cas(key, expected, value);
        let info = rng.chance(mix.pending);
        let happens = expected == old && (!info || rng.chance(0.5));
        if happens {
            *register = value;
        }
        let completion = match (info, happens) {
            (true, _) => Completion::info(ErrorKind::Timeout),
            (false, true) => Completion::ok(NIL),
            (false, false) => Completion::fail(ErrorKind::Precondition),
        };
        return operation(process, request, completion);
    }
    if rng.chance(0.5) {
        return operation(process, Request::read(key), Completion::ok(old));
    }
    let request = Request::write(key, value);
    if rng.chance(mix.pending) {
        if rng.chance(0.5) {
            *register = value;
        }
        return operation(process, request, Completion::info(ErrorKind::Timeout));
    }
    if rng.chance(0.05) {
        return operation(process, request, Completion::fail(ErrorKind::Other));
    }
    *register = value;
    operation(process, request, Completion::ok(NIL))
}

fn falsify(rng: &mut Rng, op: &mut Operation, count: u64) {
    let other = rng.below(count + 1);
    let other = if other == 0 { NIL } else { other };
    match op.request.function {
        Function::Read => op.completion.result = other,
        Function::Cas if other != op.request.argument => op.request.expected = other,
        _ if op.done != Time::MAX => {
            let later = rng.within(0..=6);
            (op.sent, op.done) = (Time(op.sent.0 + later), Time(op.done.0 + later));
        }
        _ => {}
    }
}
