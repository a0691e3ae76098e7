use std::collections::BTreeMap;

use base::{Rng, Seed};
use history::Outcome;
use history::object::{Action, Call, NOTHING, Objects};

use crate::ClosedLoop;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First in, first out.
    Queue,
    /// Last in, first out.
    Stack,
    /// Least first.
    PriorityQueue,
    /// Add, remove and contains.
    Set,
    /// Add and whole reads.
    GrowingSet,
    /// Increments of one and reads.
    Counter,
    /// Additions and subtractions of any amount, and reads.
    Amounts,
    /// Acquire and release.
    Lock,
}

/// What a large history of an object is made of.
#[derive(Clone, Copy, Debug)]
pub struct LargeObject {
    /// Of what.
    pub kind: Kind,
    /// Operations.
    pub operations: u64,
    /// Processes in a closed loop, busy four fifths of the time.
    pub processes: u32,
    /// Keys, chosen uniformly.
    pub keys: u32,
    /// Share of operations with unknown outcome.
    pub pending: f64,
    /// Values are drawn from so many; 0: each is new.
    pub values: u64,
    /// The seed.
    pub seed: u64,
}

impl LargeObject {
    /// A million operations of twenty processes on one object, every value new.
    pub const fn million(kind: Kind) -> LargeObject {
        LargeObject { kind, operations: 1_000_000, processes: 20, keys: 1, pending: 0.0, values: 0, seed: 1 }
    }

    /// A linearizable history.
    pub fn history(self) -> Objects {
        let mut rng = Rng::new(Seed(self.seed).derive("large object"));
        let mut clients = ClosedLoop::new(self.processes);
        let mut contents = vec![Contents::default(); self.keys as usize];
        let mut made: Vec<(Call, Vec<i64>)> = Vec::with_capacity(self.operations as usize);
        for number in 1..=self.operations as i64 {
            let turn = clients.next(&mut rng);
            let key = rng.below(u64::from(self.keys)) as u32;
            let mut call = Call::new(turn.process, Action::Read, turn.sent, turn.done);
            call.key = key;
            let lost = rng.chance(self.pending);
            // A lock that nobody knows to hold would stay taken for ever.
            let happens = !lost || (self.kind != Kind::Lock && rng.chance(0.5));
            let value = if self.values > 0 { rng.below(self.values) as i64 } else { number };
            let list = self.ask(&mut rng, &mut call, value, &mut contents[key as usize], happens);
            if lost {
                call.outcome = Outcome::Info;
                call.result = NOTHING;
            }
            // A process that neither holds the lock nor can have it does nothing.
            if call.action != Action::Generate {
                made.push((call, if lost { Vec::new() } else { list }));
            }
            clients.done(&mut rng, turn, lost);
        }
        made.sort_by_key(|(call, _)| call.invoked);
        let mut history = Objects::default();
        made.iter().for_each(|(call, list)| history.push(*call, list));
        history
    }

    fn ask(self, rng: &mut Rng, call: &mut Call, value: i64, contents: &mut Contents, happens: bool) -> Vec<i64> {
        let mutates = rng.chance(0.5);
        let mut list = Vec::new();
        let mut after = contents.clone_if(!happens);
        let contents = after.as_mut().unwrap_or(contents);
        match self.kind {
            Kind::Queue | Kind::PriorityQueue => {
                (call.action, call.argument) =
                    if mutates { (Action::Enqueue, value) } else { (Action::Dequeue, NOTHING) };
                call.result = match (mutates, self.kind) {
                    (true, kind) => contents.put(value, kind == Kind::PriorityQueue),
                    (false, _) => contents.take_first(),
                };
            }
            Kind::Stack => {
                (call.action, call.argument) = if mutates { (Action::Push, value) } else { (Action::Pop, NOTHING) };
                call.result = if mutates { contents.put(value, false) } else { contents.take_last() };
            }
            Kind::Set => {
                call.argument = if self.values > 0 { value } else { (value - 1) / 4 };
                call.action = *rng.pick(&[Action::Add, Action::Remove, Action::Contains, Action::Contains]);
                let has = contents.counts.contains_key(&call.argument);
                match call.action {
                    Action::Add => drop(contents.counts.insert(call.argument, 1)),
                    Action::Remove => drop(contents.counts.remove(&call.argument)),
                    _ => call.result = i64::from(has),
                }
            }
            Kind::GrowingSet => {
                // Reads get rarer, because they get longer.
                if rng.below(contents.counts.len() as u64 + 2) == 0 {
                    list = contents.counts.keys().copied().collect();
                } else {
                    (call.action, call.argument) = (Action::Add, value);
                    contents.counts.insert(value, 1);
                }
            }
            Kind::Counter | Kind::Amounts => {
                if mutates {
                    let amount = if self.kind == Kind::Counter { 1 } else { rng.within(1..=9) as i64 - 4 };
                    (call.action, call.argument) = (Action::Add, amount);
                    contents.sum += amount;
                } else {
                    call.result = contents.sum;
                }
            }
            Kind::Lock => match contents.holder {
                None => (call.action, contents.holder) = (Action::Acquire, Some(call.process)),
                Some(holder) if holder == call.process => {
                    (call.action, contents.holder) = (Action::Release, None);
                }
                Some(_) => call.action = Action::Generate,
            },
        }
        list
    }
}

#[derive(Clone, Default)]
struct Contents {
    values: std::collections::VecDeque<i64>,
    counts: BTreeMap<i64, u32>,
    sum: i64,
    holder: Option<u32>,
}

impl Contents {
    fn clone_if(&self, wanted: bool) -> Option<Contents> {
        wanted.then(|| self.clone())
    }

    fn put(&mut self, value: i64, sorted: bool) -> i64 {
        let at = if sorted { self.values.partition_point(|other| *other < value) } else { self.values.len() };
        self.values.insert(at, value);
        NOTHING
    }

    fn take_first(&mut self) -> i64 {
        self.values.pop_front().unwrap_or(NOTHING)
    }

    fn take_last(&mut self) -> i64 {
        self.values.pop_back().unwrap_or(NOTHING)
    }
}
