use base::{Rng, Seed};
use history::{Completion, ErrorKind, History, NIL, Request};

use crate::ClosedLoop;

/// Registers whose values are written again and again, so that only a search can tell what a read saw.
#[derive(Clone, Copy, Debug)]
pub struct Hard {
    /// Operations.
    pub operations: u64,
    /// Processes in a closed loop, busy four fifths of the time.
    pub processes: u32,
    /// Values are drawn from so many.
    pub values: u64,
    /// Share of compare-and-sets, which expect any value; half of the rest are reads.
    pub cas: f64,
    /// Share of operations with unknown outcome.
    pub pending: f64,
    /// The seed.
    pub seed: u64,
}

impl Hard {
    /// Ten thousand operations of twenty processes on one register with the values 0 to 4, one in a hundred without an answer.
    pub const REGISTER: Hard = Hard { operations: 10_000, processes: 20, values: 5, cas: 0.0, pending: 0.01, seed: 1 };

    /// A linearizable history.
    pub fn history(self) -> History {
        let mut rng = Rng::new(Seed(self.seed).derive("hard history"));
        let mut clients = ClosedLoop::new(self.processes);
        let mut register = NIL;
        let mut operations = Vec::with_capacity(self.operations as usize);
        for _ in 0..self.operations {
            let turn = clients.next(&mut rng);
            let (request, completion) = self.operation(&mut rng, &mut register);
            let lost = completion.outcome == history::Outcome::Info;
            operations.push(turn.operation(request, completion));
            clients.done(&mut rng, turn, lost);
        }
        History::from_operations(operations)
    }

    fn operation(self, rng: &mut Rng, register: &mut u64) -> (Request, Completion) {
        let before = *register;
        let lost = rng.chance(self.pending);
        let happens = !lost || rng.chance(0.5);
        let value = rng.below(self.values);
        let (request, fits) = if rng.chance(self.cas) {
            let expected = rng.below(self.values);
            (Request::cas(0, expected, value), expected == before)
        } else if rng.chance(0.5) {
            return (
                Request::read(0),
                if lost { Completion::info(ErrorKind::Timeout) } else { Completion::ok(before) },
            );
        } else {
            (Request::write(0, value), true)
        };
        if happens && fits {
            *register = value;
        }
        let completion = match (lost, fits) {
            (true, _) => Completion::info(ErrorKind::Timeout),
            (false, true) => Completion::ok(NIL),
            (false, false) => Completion::fail(ErrorKind::Precondition),
        };
        (request, completion)
    }
}
