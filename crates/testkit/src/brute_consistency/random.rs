use base::{NodeId, ProcessId, Rng, Time};
use history::{Completion, ErrorKind, NIL, Operation, Phase, Request};

/// What random histories of processes that keep at it are made of.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// Operations, at most.
    pub operations: u64,
    /// Processes at a time.
    pub processes: u64,
    /// Keys.
    pub keys: u64,
    /// Written values are unique; otherwise they are drawn from a few.
    pub unique: bool,
    /// Share of reads.
    pub reads: f64,
    /// Share of compare-and-sets among mutations.
    pub cas: f64,
    /// Share of unknown outcomes.
    pub pending: f64,
    /// How likely a write reaches another replica before the next operation.
    pub delivery: f64,
    /// Replicas receive the writes of each other in order.
    pub in_order: bool,
    /// Share of answers that are falsified.
    pub lies: f64,
}

/// A random history of processes, each on a replica of its own; writes reach the other replicas late, perhaps out of order. So most histories
/// keep some models and break others. Times are those of the execution: operations of different processes overlap a little.
pub fn random_sessions(rng: &mut Rng, mix: Sessions) -> Vec<Operation> {
    let count = rng.within(2..=mix.operations);
    let mut replicas = vec![vec![NIL; mix.keys as usize]; mix.processes as usize];
    // On the way: to whom, from whom, key, value.
    let mut wires: Vec<(usize, usize, usize, u64)> = Vec::new();
    let mut ids: Vec<u64> = (0..mix.processes).collect();
    let mut free = vec![0; mix.processes as usize];
    let mut history: Vec<Operation> = Vec::new();
    for i in 0..count {
        deliver(rng, mix, &mut replicas, &mut wires);
        let process = rng.below(mix.processes) as usize;
        let key = rng.below(mix.keys) as usize;
        let value = if mix.unique { i + 1 } else { rng.below(3) + 1 };
        let (request, mut completion) = operate(rng, mix, key, value, &mut replicas[process][key]);
        let wrote = request.function.is_mutation() && replicas[process][key] == value;
        if wrote {
            wires.extend((0..replicas.len()).filter(|p| *p != process).map(|to| (to, process, key, value)));
        }
        if !request.function.is_mutation() && rng.chance(mix.lies) {
            let lie = rng.below(count + 1);
            completion.result = if lie == 0 { NIL } else { lie };
        }
        if request.function.is_mutation() && rng.chance(mix.pending) {
            completion = Completion::info(ErrorKind::Timeout);
        }
        let sent = free[process].max(i * 4);
        let done = sent + rng.within(1..=7);
        free[process] = done + 1;
        let info = completion.outcome == history::Outcome::Info;
        history.push(Operation {
            process: ProcessId(ids[process] as u32),
            node: NodeId(process as u16),
            request,
            due: Time(sent),
            sent: Time(sent),
            done: if info { Time::MAX } else { Time(done) },
            completion,
            phase: Phase::Load,
        });
        if info {
            ids[process] += mix.processes;
        }
    }
    history.sort_by_key(|op| op.sent);
    history
}

fn deliver(rng: &mut Rng, mix: Sessions, replicas: &mut [Vec<u64>], wires: &mut Vec<(usize, usize, usize, u64)>) {
    let mut at = 0;
    while at < wires.len() {
        let (to, from, key, value) = wires[at];
        let first = !wires[..at].iter().any(|(t, f, ..)| (*t, *f) == (to, from));
        if rng.chance(mix.delivery) && (first || !mix.in_order) {
            replicas[to][key] = value;
            wires.remove(at);
        } else {
            at += 1;
        }
    }
}

fn operate(rng: &mut Rng, mix: Sessions, key: usize, value: u64, register: &mut u64) -> (Request, Completion) {
    let (old, key) = (*register, key as u32);
    if rng.chance(mix.reads) {
        return (Request::read(key), Completion::ok(old));
    }
    if rng.chance(mix.cas) {
        let expected = if rng.chance(0.7) { old } else { rng.below(value) + 1 };
        let request = Request::cas(key, expected, value);
        if expected != old {
            return (request, Completion::fail(ErrorKind::Precondition));
        }
        *register = value;
        return (request, Completion::ok(NIL));
    }
    if rng.chance(0.05) {
        return (Request::write(key, value), Completion::fail(ErrorKind::Other));
    }
    *register = value;
    (Request::write(key, value), Completion::ok(NIL))
}
