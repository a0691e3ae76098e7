use std::collections::BTreeSet;

use base::{NodeId, ProcessId, Rng, Time};
use history::{Completion, Operation, Outcome, Phase, Request};

/// Processes that each have one operation at a time and are busy four fifths of the time. Turns come in order of the instants at
/// which operations take effect, so whoever answers them one after another makes a linearizable history.
pub struct ClosedLoop {
    /// The processes in order of the instant at which their next operation takes effect.
    next: BTreeSet<(u64, u32)>,
    free_since: Vec<u64>,
    ids: Vec<u32>,
}

/// The next operation: by whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The process, by the id that it has now.
    pub process: u32,
    /// The invocation, ns.
    pub sent: u64,
    /// The completion, ns.
    pub done: u64,
    place: u32,
}

impl Turn {
    /// The operation on a register that this turn is.
    pub fn operation(&self, request: Request, completion: Completion) -> Operation {
        let lost = completion.outcome == Outcome::Info;
        Operation {
            process: ProcessId(self.process),
            node: NodeId(0),
            request,
            due: Time(self.sent),
            sent: Time(self.sent),
            done: if lost { Time::MAX } else { Time(self.done) },
            completion,
            phase: Phase::Load,
        }
    }
}

impl ClosedLoop {
    /// All begin at once.
    pub fn new(processes: u32) -> ClosedLoop {
        ClosedLoop {
            next: (0..processes).map(|p| (1_000 + u64::from(p) * 50, p)).collect(),
            free_since: vec![0; processes as usize],
            ids: (0..processes).collect(),
        }
    }

    /// The next operation to take effect.
    pub fn next(&mut self, rng: &mut Rng) -> Turn {
        let (at, place) = self.next.pop_first().expect("every turn is given back");
        let sent = at - rng.below(at - self.free_since[place as usize]).min(400_000);
        let done = at + rng.below(400_000);
        Turn { process: self.ids[place as usize], sent, done, place }
    }

    /// Gives the turn back. `lost`: it was never answered, so the process goes on under a new id.
    pub fn done(&mut self, rng: &mut Rng, turn: Turn, lost: bool) {
        if lost {
            self.ids[turn.place as usize] += self.ids.len() as u32;
        }
        self.free_since[turn.place as usize] = turn.done;
        self.next.insert((turn.done + 1 + rng.below(500_000), turn.place));
    }
}
