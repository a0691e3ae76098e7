//! What benchmarks run on: large histories, made in memory; and what they measure with.

mod closed_loop;
mod hard;
mod objects;
mod stale;
mod text;
mod txn;
mod usage;

pub use closed_loop::{ClosedLoop, Turn};
pub use hard::Hard;
pub use objects::{Kind, LargeObject};
pub use stale::Stale;
pub use text::{edn_of_objects, edn_of_registers, edn_of_transactions};
pub use txn::LargeTxn;
pub use usage::Usage;

use base::{Rng, Seed};
use history::{Completion, ErrorKind, History, NIL, Request};

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
    /// Share of compare-and-sets that fail, because they expect a value that is not there.
    pub failing: f64,
    /// Share of mutations with unknown outcome.
    pub pending: f64,
}

impl Large {
    /// The million operations of twenty processes on one register.
    pub const REGISTER: Large =
        Large { operations: 1_000_000, processes: 20, keys: 1, cas: 0.0, failing: 0.0, pending: 0.0 };

    /// A linearizable history: operations take effect in order, at an instant inside their intervals.
    pub fn history(self) -> History {
        let mut rng = Rng::new(Seed(1).derive("large history"));
        let mut registers = vec![NIL; self.keys as usize];
        let mut clients = ClosedLoop::new(self.processes);
        let mut operations = Vec::with_capacity(self.operations as usize);
        for value in 1..=self.operations {
            let turn = clients.next(&mut rng);
            let (request, completion) = self.operation(&mut rng, value, &mut registers);
            let lost = completion.outcome == history::Outcome::Info;
            operations.push(turn.operation(request, completion));
            clients.done(&mut rng, turn, lost);
        }
        History::from_operations(operations)
    }

    fn operation(self, rng: &mut Rng, value: u64, registers: &mut [u64]) -> (Request, Completion) {
        let key = rng.below(u64::from(self.keys)) as u32;
        let register = &mut registers[key as usize];
        if rng.chance(self.cas) {
            let other = rng.within(1..=value.max(2) - 1);
            if rng.chance(self.failing) && other != *register {
                return (Request::cas(key, other, value), Completion::fail(ErrorKind::Precondition));
            }
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
