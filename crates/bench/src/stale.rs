use base::{NodeId, ProcessId, Rng, Seed, Time};
use history::{Completion, ErrorKind, History, NIL, Operation, Phase, Request};

/// A large history of processes that each read a prefix of one log of writes, some way behind: sequentially consistent, but not
/// linearizable.
#[derive(Clone, Copy, Debug)]
pub struct Stale {
    /// Operations, half of them reads.
    pub operations: u64,
    /// Processes at a time.
    pub processes: u32,
    /// Keys, chosen uniformly.
    pub keys: u32,
    /// Share of writes with unknown outcome, after which a process begins anew; all of them happened.
    pub pending: f64,
}

impl Stale {
    /// The history; values count up from 1.
    pub fn history(self) -> History {
        let mut rng = Rng::new(Seed(1).derive("stale history"));
        // By key: the writes so far, as (place in the log, value).
        let mut log: Vec<Vec<(u64, u64)>> = vec![Vec::new(); self.keys as usize];
        let mut length = 0;
        let mut views = vec![0; self.processes as usize];
        let mut ids: Vec<u32> = (0..self.processes).collect();
        let mut free = vec![0; self.processes as usize];
        let mut operations = Vec::with_capacity(self.operations as usize);
        for i in 0..self.operations {
            let process = rng.below(u64::from(self.processes)) as usize;
            let key = rng.below(u64::from(self.keys)) as u32;
            let (request, mut completion);
            if rng.chance(0.5) {
                let view = &mut views[process];
                *view += rng.below(length - *view + 1);
                let written = &log[key as usize];
                let seen = written[..written.partition_point(|(place, _)| place < view)].last();
                (request, completion) = (Request::read(key), Completion::ok(seen.map_or(NIL, |(_, value)| *value)));
            } else {
                log[key as usize].push((length, i + 1));
                length += 1;
                views[process] = length;
                (request, completion) = (Request::write(key, i + 1), Completion::ok(NIL));
            }
            let info = request.function.is_mutation() && rng.chance(self.pending);
            if info {
                completion = Completion::info(ErrorKind::Timeout);
            }
            let sent = free[process].max(i * 1_000);
            let done = sent + rng.within(1..=20_000);
            free[process] = done + 1;
            operations.push(Operation {
                process: ProcessId(ids[process]),
                node: NodeId(0),
                request,
                due: Time(sent),
                sent: Time(sent),
                done: if info { Time::MAX } else { Time(done) },
                completion,
                phase: Phase::Load,
            });
            if info {
                ids[process] += self.processes;
                views[process] = 0;
            }
        }
        History::from_operations(operations)
    }
}
