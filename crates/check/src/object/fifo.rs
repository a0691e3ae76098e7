//! The search for queues in which values repeat.
//!
//! Enqueues in their order spell a word, and dequeues in theirs spell the beginning of the same word. So an order is found letter by letter: the
//! next enqueue and the next dequeue are chosen together, of one value, each among those before which no other must come. What is
//! enqueued wrongly is seen at once, and not only when the queue has been emptied up to there, as it is in an order of all operations
//! in time. Two such orders merge into one of all operations if no dequeue returned before the invocation of its own enqueue or of
//! one before that: everything takes effect as early as that allows.
//!
//! - A dequeue that found nothing goes between two letters, at an instant at which all before may have happened and all after need
//!   not have.
//! - An enqueue of unknown outcome can be a letter, and a dequeue of unknown outcome can take any letter. Of those that are alike the one
//!   invoked first goes first.
//! - The most promising choice is followed first: more letters, fewer operations before their turn, far fewer of unknown outcome.
//!   All that were tried are kept, so a choice is never tried twice.

use std::collections::BTreeMap;

use history::object::{Action, NOTHING};

use super::cut::Cut;
use super::search::Asked;
use crate::sequential::{Best, Budget, Interval, Map, Searched, Table};

type Op = Interval<Asked, Vec<i64>>;

/// Searches an order of operations on a queue. `None`: something else was done to it.
pub(super) fn search(operations: &[Op], budget: &Budget) -> Option<Searched> {
    let problem = Problem::of(operations)?;
    let mut search = Search {
        problem: &problem,
        open: Best::default(),
        seen: Map::default(),
        known: Vec::new(),
        used: Table::default(),
        trail: Vec::new(),
    };
    search.run(budget)
}

/// Operations of a kind that returned, in order of invocation.
#[derive(Default)]
struct Side {
    invoked: Vec<u64>,
    completed: Vec<u64>,
    value: Vec<u32>,
    operation: Vec<u32>,
}

impl Side {
    fn push(&mut self, op: &Op, value: u32, operation: u32) {
        self.invoked.push(op.invoked);
        self.completed.push(op.completed.unwrap_or(u64::MAX));
        self.value.push(value);
        self.operation.push(operation);
    }

    fn len(&self) -> usize {
        self.invoked.len()
    }

    /// The first return of those that are left: nothing invoked later can come next.
    fn first_return(&self, cut: Cut) -> u64 {
        let mut first = u64::MAX;
        for at in cut.low as usize..self.len() {
            if self.invoked[at] > first {
                break;
            }
            if !cut.has(at) {
                first = first.min(self.completed[at]);
            }
        }
        first
    }

    /// Those that are left and were invoked by `until`.
    fn left(&self, cut: Cut, until: u64) -> impl Iterator<Item = usize> {
        let invoked = (cut.low as usize..self.len()).take_while(move |&at| self.invoked[at] <= until);
        invoked.filter(move |&at| !cut.has(at))
    }

    /// Of those that are left, are invoked by `until` and are of the same value, those that no other is better than: invoked and returned earlier.
    fn next(&self, cut: Cut, until: u64) -> Vec<usize> {
        let all: Vec<usize> = self.left(cut, until).collect();
        let better = |a: usize, b: usize| {
            let (left, right) = ((self.completed[a], self.invoked[a], a), (self.completed[b], self.invoked[b], b));
            self.value[a] == self.value[b] && left.0 <= right.0 && left.1 <= right.1 && left < right
        };
        all.iter().copied().filter(|&b| !all.iter().any(|&a| better(a, b))).collect()
    }
}

struct Problem {
    enqueues: Side,
    dequeues: Side,
    empties: Side,
    /// Of each value, its enqueues of unknown outcome: invocation and operation, in order.
    pending: Vec<Vec<(u64, u32)>>,
    /// Dequeues of unknown outcome.
    takers: Vec<(u64, u32)>,
}

impl Problem {
    fn of(operations: &[Op]) -> Option<Problem> {
        let (mut enqueues, mut dequeues, mut empties) = (Side::default(), Side::default(), Side::default());
        let (mut pending, mut takers) = (Vec::<Vec<(u64, u32)>>::new(), Vec::new());
        let mut names: BTreeMap<i64, u32> = BTreeMap::new();
        let mut order: Vec<u32> = (0..operations.len() as u32).collect();
        order.sort_by_key(|&i| operations[i as usize].invoked);
        for i in order {
            let op = &operations[i as usize];
            let seen = op.answer.as_ref().and_then(|answer| answer.first()).copied();
            let value = match op.call.1 {
                Action::Enqueue => op.call.2,
                Action::Dequeue => seen.unwrap_or(NOTHING),
                _ => return None,
            };
            let next = names.len() as u32;
            let name = *names.entry(value).or_insert(next);
            pending.resize_with(names.len(), Vec::new);
            match (op.call.1, op.completed, seen) {
                (Action::Enqueue, None, _) => pending[name as usize].push((op.invoked, i)),
                (Action::Enqueue, Some(_), _) => enqueues.push(op, name, i),
                (_, None, _) => takers.push((op.invoked, i)),
                (_, Some(_), None) => return None,
                (_, Some(_), Some(NOTHING)) => empties.push(op, name, i),
                (_, Some(_), Some(_)) => dequeues.push(op, name, i),
            }
        }
        Some(Problem { enqueues, dequeues, empties, pending, takers })
    }
}

/// How far the word is spelled, and with what.
#[derive(Clone, Copy)]
struct Config {
    enqueues: Cut,
    dequeues: Cut,
    empties: Cut,
    /// How many pending enqueues of each value are letters, as a name in [`Search::used`]; and how many pending dequeues took one.
    used: u32,
    pended: u32,
    took: u32,
    /// The latest invocation of anything in the order.
    latest: u64,
    /// Its last step, plus one.
    trail: u32,
}

#[derive(Clone, Copy)]
enum Step {
    Pair(u32, u32),
    Empty(u32),
}

impl Config {
    /// What a letter is worth, and what an operation out of its turn and one of unknown outcome cost.
    fn rank(&self) -> i64 {
        let early = self.enqueues.mask.count_ones() + self.dequeues.mask.count_ones();
        let letters = i64::from(self.dequeues.count() + self.took);
        letters - i64::from(early) - 8 * i64::from(self.took + self.pended)
    }
}

/// What was tried with the same enqueues and dequeues, as a list.
struct Known {
    empties: Cut,
    used: u32,
    next: u32,
}

const NONE: u32 = u32::MAX;

struct Search<'a> {
    problem: &'a Problem,
    open: Best<i64, Config>,
    seen: Map<(Cut, Cut), u32>,
    known: Vec<Known>,
    used: Table<Vec<u16>>,
    trail: Vec<(u32, Step)>,
}

impl Search<'_> {
    /// `None`: an operation is too far ahead of another to be told apart.
    fn run(&mut self, budget: &Budget) -> Option<Searched> {
        let (cut, used) = (Cut::default(), self.used.place(Vec::new()));
        let (enqueues, dequeues, empties) = (cut, cut, cut);
        self.put(Config { enqueues, dequeues, empties, used, pended: 0, took: 0, latest: 0, trail: 0 });
        let (mut reached, mut at) = (0, 0);
        while let Some(config) = self.open.pop() {
            let config = self.find_empty(config)?;
            if !self.is_new(&config) {
                continue;
            }
            if config.dequeues.count() > reached {
                (reached, at) = (config.dequeues.count(), config.latest);
            }
            let (dequeues, empties) = (self.problem.dequeues.len(), self.problem.empties.len());
            if config.dequeues.low as usize == dequeues && config.empties.low as usize == empties {
                return Some(Searched::Order(self.order(&config)));
            }
            if let Some(reason) = self.too_much(budget) {
                return Some(Searched::GaveUp { at, reason });
            }
            self.branch(config)?;
        }
        Some(Searched::None)
    }

    fn put(&mut self, config: Config) {
        self.open.push(config.rank(), config);
    }

    fn too_much(&self, budget: &Budget) -> Option<&'static str> {
        let full = self.known.len() == self.known.capacity();
        let each = 2 * size_of::<Known>() + 2 * size_of::<(Cut, Cut)>() + 4 * size_of::<Config>();
        if self.known.len() > budget.configurations {
            return Some("the budget of the exact search ran out");
        }
        if full && !budget.limit.reserve((self.known.len() * each) as u64) {
            return Some(budget.limit.exceeded().unwrap_or("there is no room for more configurations"));
        }
        budget.limit.exceeded()
    }

    /// Puts in every dequeue that found nothing and fits here: that changes nothing.
    fn find_empty(&mut self, mut config: Config) -> Option<Config> {
        let Problem { enqueues, dequeues, empties, .. } = self.problem;
        if config.empties.low as usize == empties.len() {
            return Some(config);
        }
        let next = enqueues.first_return(config.enqueues).min(dequeues.first_return(config.dequeues));
        if config.latest > next {
            return Some(config);
        }
        for at in empties.left(config.empties, next) {
            if config.latest <= empties.completed[at] {
                self.trail.push((config.trail, Step::Empty(empties.operation[at])));
                (config.empties, config.trail) = (config.empties.with(at)?, self.trail.len() as u32);
            }
        }
        Some(config)
    }

    /// Whether nothing like this, or better, was tried: with as many dequeues of nothing behind, and no more pending operations used.
    fn is_new(&mut self, config: &Config) -> bool {
        let first = self.seen.entry((config.enqueues, config.dequeues)).or_insert(NONE);
        let mut at = *first;
        while at != NONE {
            let known = &self.known[at as usize];
            if known.empties.includes(config.empties) && self.used.no_more(known.used, config.used) {
                return false;
            }
            at = known.next;
        }
        let next = self.known.len() as u32;
        self.known.push(Known { empties: config.empties, used: config.used, next: *first });
        *first = next;
        true
    }

    /// Every next letter. `None`: one is too far ahead.
    fn branch(&mut self, config: Config) -> Option<()> {
        let problem = self.problem;
        let until = problem.empties.first_return(config.empties);
        let dequeued_by = problem.dequeues.first_return(config.dequeues).min(until);
        // A dequeue that is left takes this letter or a later one, and so must not return before it is there.
        let enqueued_by = problem.enqueues.first_return(config.enqueues).min(dequeued_by);
        let enqueues = problem.enqueues.next(config.enqueues, enqueued_by);
        for d in problem.dequeues.next(config.dequeues, dequeued_by) {
            let (value, dequeue) = (problem.dequeues.value[d], problem.dequeues.operation[d]);
            let latest = config.latest.max(problem.dequeues.invoked[d]);
            let taken = Config { dequeues: config.dequeues.with(d)?, latest, ..config };
            for &e in enqueues.iter().filter(|&&e| problem.enqueues.value[e] == value) {
                self.pair(taken, e, dequeue)?;
            }
            self.pair_pending(taken, value, enqueued_by, dequeue);
        }
        let taker = problem.takers.get(config.took as usize).filter(|taker| taker.0 <= dequeued_by);
        if let Some(&(invoked, taker)) = taker {
            let taken = Config { took: config.took + 1, latest: config.latest.max(invoked), ..config };
            enqueues.iter().try_for_each(|&e| self.pair(taken, e, taker))?;
        }
        Some(())
    }

    /// The enqueue at `e` is the next letter, which `dequeue` takes.
    fn pair(&mut self, config: Config, e: usize, dequeue: u32) -> Option<()> {
        let side = &self.problem.enqueues;
        self.trail.push((config.trail, Step::Pair(side.operation[e], dequeue)));
        let (latest, trail) = (config.latest.max(side.invoked[e]), self.trail.len() as u32);
        self.put(Config { enqueues: config.enqueues.with(e)?, latest, trail, ..config });
        Some(())
    }

    /// The same with a pending enqueue of this value, if one was invoked by then.
    fn pair_pending(&mut self, config: Config, value: u32, until: u64, dequeue: u32) {
        let mut counts = self.used.all[config.used as usize].clone();
        counts.resize(counts.len().max(value as usize + 1), 0);
        let count = &mut counts[value as usize];
        let next = self.problem.pending[value as usize].get(usize::from(*count));
        let Some(&(invoked, enqueue)) = next.filter(|(invoked, _)| *invoked <= until) else { return };
        *count += 1;
        self.trail.push((config.trail, Step::Pair(enqueue, dequeue)));
        let (used, latest, trail) = (self.used.place(counts), config.latest.max(invoked), self.trail.len() as u32);
        self.put(Config { used, pended: config.pended + 1, latest, trail, ..config });
    }

    /// All operations in order: each as early as those before it allow.
    fn order(&self, config: &Config) -> Vec<u32> {
        let mut steps = Vec::new();
        let mut at = config.trail;
        while at != 0 {
            let (before, step) = self.trail[at as usize - 1];
            steps.push(step);
            at = before;
        }
        let Problem { enqueues, dequeues, empties, pending, takers } = self.problem;
        let mut invoked: Map<u32, u64> = Map::default();
        for side in [enqueues, dequeues, empties] {
            invoked.extend(side.operation.iter().copied().zip(side.invoked.iter().copied()));
        }
        invoked.extend(pending.iter().flatten().chain(takers).map(|(at, operation)| (*operation, *at)));
        let at = |operation: u32| invoked.get(&operation).copied().unwrap_or(0);
        // The instants of the last enqueue and of the last dequeue, and the place of the last letter.
        let (mut enqueued, mut dequeued, mut place) = (0, 0, 0u32);
        let mut placed: Vec<(u64, u32, u8, u32)> = Vec::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Pair(enqueue, dequeue) => {
                    place += 1;
                    enqueued = at(enqueue).max(enqueued);
                    dequeued = at(dequeue).max(enqueued).max(dequeued);
                    placed.extend([(enqueued, place, 0, enqueue), (dequeued, place, 1, dequeue)]);
                }
                Step::Empty(operation) => {
                    let instant = at(operation).max(enqueued).max(dequeued);
                    (enqueued, dequeued) = (instant, instant);
                    placed.push((instant, place, 2, operation));
                }
            }
        }
        for left in enqueues.left(config.enqueues, u64::MAX) {
            place += 1;
            enqueued = enqueues.invoked[left].max(enqueued);
            placed.push((enqueued, place, 0, enqueues.operation[left]));
        }
        placed.sort_unstable();
        placed.into_iter().map(|(.., operation)| operation).collect()
    }
}
