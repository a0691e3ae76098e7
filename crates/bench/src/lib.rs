//! What benchmarks run on: large histories, made in memory.

mod txn;

pub use txn::LargeTxn;

use base::{NodeId, ProcessId, Rng, Seed, Time};
use history::{Completion, ErrorKind, History, NIL, Operation, Phase, Request};

/// What a large history is made of.
#[derive(Clone, Copy, Debug)]
pub struct Large {
    /// Operations.
    pub operations: u64,
    /// Processes in a closed loop, busy four fifths of the time.
    pub processes: u32,
    /// Keys, chosen uniformly.
    pub keys: u32,
    /// Share of compare-and-sets; half of the rest are reads.
    pub cas: f64,
    /// Share of mutations with unknown outcome.
    pub pending: f64,
}

impl Large {
    /// The million operations of twenty processes on one register.
    pub const REGISTER: Large = Large { operations: 1_000_000, processes: 20, keys: 1, cas: 0.0, pending: 0.0 };

    /// A linearizable history: operations take effect in order, at an instant inside their intervals.
    pub fn history(self) -> History {
        let mut rng = Rng::new(Seed(1).derive("large history"));
        let mut registers = vec![NIL; self.keys as usize];
        // The processes in order of the instant at which their next operation takes effect.
        let mut next: std::collections::BTreeSet<(u64, u32)> =
            (0..self.processes).map(|p| (1_000 + u64::from(p) * 50, p)).collect();
        let mut free_since = vec![0u64; self.processes as usize];
        let mut ids: Vec<u32> = (0..self.processes).collect();
        let mut operations = Vec::with_capacity(self.operations as usize);
        for value in 1..=self.operations {
            let Some((at, process)) = next.pop_first() else { break };
            let sent = at - rng.below(at - free_since[process as usize]).min(400_000);
            let done = at + rng.below(400_000);
            let (request, completion) = self.operation(&mut rng, value, &mut registers);
            let info = completion.outcome == history::Outcome::Info;
            operations.push(Operation {
                process: ProcessId(ids[process as usize]),
                node: NodeId(0),
                request,
                due: Time(sent),
                sent: Time(sent),
                done: if info { Time::MAX } else { Time(done) },
                completion,
                phase: Phase::Load,
            });
            if info {
                ids[process as usize] += self.processes;
            }
            free_since[process as usize] = done;
            next.insert((done + 1 + rng.below(500_000), process));
        }
        History::from_operations(operations)
    }

    fn operation(self, rng: &mut Rng, value: u64, registers: &mut [u64]) -> (Request, Completion) {
        let key = rng.below(u64::from(self.keys)) as u32;
        let register = &mut registers[key as usize];
        if rng.chance(self.cas) {
            let request = Request::cas(key, *register, value);
            *register = value;
            return (request, Completion::ok(NIL));
        }
        if rng.chance(0.5) {
            return (Request::read(key), Completion::ok(*register));
        }
        if rng.chance(self.pending) {
            if rng.chance(0.5) {
                *register = value;
            }
            return (Request::write(key, value), Completion::info(ErrorKind::Timeout));
        }
        *register = value;
        (Request::write(key, value), Completion::ok(NIL))
    }
}
