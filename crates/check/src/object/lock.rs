//! Locks and permits that belong to a process. `O(n log n)`, linear on histories nearly in order, where processes are sequential.
//!
//! A process certainly holds from the end of its acquire to the beginning of its release, and it need not hold longer: acquires
//! as late and releases as early as possible are best for all at once. So a lock is linearizable if and only if these spans do not
//! overlap, and a semaphore if at no instant there are more of them than permits. Tokens that grow give holders an order: each then takes
//! the lock at the earliest instant that is left.
//!
//! An acquire of unknown outcome is left out; a release of unknown outcome may have happened at once. A process that goes on after
//! one of these, or has two operations at a time, or releases what it does not hold, is for the search.

use history::object::{Action, Call, NEVER, NOTHING, Objects};

use super::model::{Fenced, Reentrant, Semaphore};
use super::search::{Asked, decide as search};
use super::values::Values;
use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;
use crate::sequential::SequentialModel;
use crate::sort::nearly_sorted;

/// A lock that its holder releases.
pub static OWNED_MUTEX: Object = Object {
    name: "owned-mutex",
    summary: "a lock is held by one process at a time, and only that process releases it",
    exactness: Exactness::Exact,
    decide: |history, options| reentrant(history, options, 1),
};

/// A lock that its holder may take again.
pub static REENTRANT_MUTEX: Object = Object {
    name: "reentrant-mutex",
    summary: "a lock is held by one process at a time, which may take it again",
    exactness: Exactness::Exact,
    decide: |history, options| reentrant(history, options, u32::MAX),
};

/// A lock with fencing tokens.
pub static FENCED_MUTEX: Object = Object {
    name: "fenced-mutex",
    summary: "a lock is held by one process at a time, and every holder has a greater token",
    exactness: Exactness::Exact,
    decide: |history, options| judge(history, options, &Fenced, FENCED, by_token),
};

/// A semaphore of two permits (Jepsen's default).
pub static SEMAPHORE: Object = Object {
    name: "semaphore",
    summary: "at most two permits are held at a time",
    exactness: Exactness::Exact,
    decide: |history, options| semaphore(history, options, 2),
};

/// A lock that its holder may take `most` times before giving it back as often.
pub(crate) fn reentrant(history: &Objects, options: &Options, most: u32) -> Findings {
    let rule = Rule { most, nested: true, tokens: false };
    judge(history, options, &Reentrant { most }, rule, |holds| overlap(holds, 1))
}

/// So many permits.
pub(crate) fn semaphore(history: &Objects, options: &Options, permits: u32) -> Findings {
    let rule = Rule { most: u32::MAX, nested: false, tokens: false };
    judge(history, options, &Semaphore { permits }, rule, |holds| overlap(holds, permits as usize))
}

/// What a process may do.
#[derive(Clone, Copy)]
struct Rule {
    /// How often it may take the lock without giving it back.
    most: u32,
    /// Whether it then holds it once.
    nested: bool,
    /// Whether every acquire gives a token.
    tokens: bool,
}

const FENCED: Rule = Rule { most: 1, nested: true, tokens: true };

fn judge<M>(
    history: &Objects,
    options: &Options,
    model: &M,
    rule: Rule,
    conflict: impl Fn(Vec<Hold>) -> Option<Conflict> + Sync,
) -> Findings
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>> + Sync,
{
    each_key(history, options, &|part| match Holds::gather(part, rule) {
        Some(holds) => told(part, options, model, conflict(holds)),
        None => search(part, options, model, true),
    })
}

/// The contradiction among the processes of a conflict, by search: the others make none.
fn told<M>(part: Part<'_>, options: &Options, model: &M, conflict: Option<Conflict>) -> Findings
where
    M: SequentialModel<Call = Asked, Answer = Vec<i64>> + Sync,
{
    let Some(Conflict { processes, until }) = conflict else { return Findings::default() };
    let of_them = part.happened().filter(|(_, call)| call.invoked <= until && processes.contains(&call.process));
    let places: Vec<u32> = of_them.map(|(i, _)| i as u32).collect();
    let findings = search(Part { places: &places, ..part }, options, model, true);
    if findings.is_empty() { search(part, options, model, true) } else { findings }
}

/// From taking to giving back.
#[derive(Clone, Copy)]
struct Hold {
    process: u32,
    token: i64,
    /// Invocation and completion of both.
    acquire: (u64, u64),
    release: (u64, u64),
}

/// Processes that contradict each other by what they had done at a time.
struct Conflict {
    processes: Vec<u32>,
    until: u64,
}

/// What is known of a process.
#[derive(Clone, Copy, Default)]
struct Process {
    busy_until: Option<u64>,
    /// How often it holds.
    depth: u32,
}

struct Holds {
    all: Vec<Hold>,
    /// The holds of a process that are open, the last one last.
    open: Vec<Vec<usize>>,
    processes: Vec<Process>,
    values: Values,
}

impl Holds {
    /// The holds of all processes. `None`: a process is not sequential, or does what no lock allows.
    fn gather(part: Part<'_>, rule: Rule) -> Option<Vec<Hold>> {
        let mut holds =
            Holds { all: Vec::new(), open: Vec::new(), processes: Vec::new(), values: Values::new(part.places.len()) };
        for (_, call) in part.happened() {
            holds.add(call, rule)?;
        }
        Some(holds.all)
    }

    fn add(&mut self, call: &Call, rule: Rule) -> Option<()> {
        let number = self.values.number(call.process.into());
        if number == self.processes.len() {
            self.processes.push(Process::default());
            self.open.push(Vec::new());
        }
        let process = &mut self.processes[number];
        if process.busy_until.is_some_and(|until| call.invoked <= until) {
            return None;
        }
        process.busy_until = Some(call.completed);
        let span = (call.invoked, call.completed);
        match call.action {
            // What may not have happened had better not.
            Action::Acquire if !call.is_ok() => {}
            Action::Acquire => {
                process.depth += 1;
                if process.depth > rule.most || (rule.tokens && call.result == NOTHING) {
                    return None;
                }
                if process.depth == 1 || !rule.nested {
                    self.open[number].push(self.all.len());
                    let never = (NEVER, NEVER);
                    let hold = Hold { process: call.process, token: call.result, acquire: span, release: never };
                    self.all.push(hold);
                }
            }
            Action::Release if process.depth == 0 => return if call.is_ok() { None } else { Some(()) },
            Action::Release => {
                process.depth -= 1;
                if process.depth == 0 || !rule.nested {
                    self.all[self.open[number].pop()?].release = span;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// The first instant at which more than `permits` are certainly held.
fn overlap(holds: Vec<Hold>, permits: usize) -> Option<Conflict> {
    let mut by_begin = holds;
    nearly_sorted(&mut by_begin, |hold| hold.acquire.1);
    // The holds that have not ended, by their ends.
    let mut held: Vec<(u64, u32)> = Vec::new();
    for hold in by_begin {
        held.retain(|(end, _)| *end > hold.acquire.1);
        held.push((hold.release.0, hold.process));
        if held.len() > permits {
            let processes = held.into_iter().map(|(_, process)| process).collect();
            return Some(Conflict { processes, until: hold.acquire.1 });
        }
    }
    None
}

/// The first holder that cannot come after one with a lesser token.
fn by_token(holds: Vec<Hold>) -> Option<Conflict> {
    let mut by_token = holds;
    nearly_sorted(&mut by_token, |hold| hold.token);
    let (mut now, mut latest) = (0, 0);
    for (i, hold) in by_token.iter().enumerate() {
        let same = i > 0 && by_token[i - 1].token == hold.token;
        let before = if same { by_token[i - 1].process } else { latest };
        if same || hold.acquire.1 < now {
            return Some(Conflict { processes: vec![before, hold.process], until: NEVER });
        }
        if hold.release.0.max(hold.acquire.0) > now {
            (now, latest) = (hold.release.0.max(hold.acquire.0), hold.process);
        }
    }
    None
}
