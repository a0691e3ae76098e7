//! Which pop took which push, where values repeat.
//!
//! Walk over the returns in time, most promising first. When a push took effect stays open as long as it can: of each value on the stack is known the
//! span of time in which it must have been pushed. When a value is popped, every other must have been pushed before it or after the pop, and its span
//! ends or begins there; a value that can be neither is in the way. So the order of operations that overlap is not guessed, but follows
//! from what is popped.
//!
//! - A push goes on the stack when it returns. A pop may take the value of a push that is still open: that disturbs nobody.
//! - A pop takes effect when it returns, or earlier where its value is in the way of another.
//! - A push of unknown outcome is as one that is open for ever. A pop of unknown outcome takes a value where one is in the way.
//!
//! This is a search for what is likely: of configurations that differ only in the operations of unknown outcome that they used, one is followed.

use super::{Done, Problem};
use crate::object::cut::Cut;
use crate::sequential::{Best, Budget, Map, Table};

/// Configurations that are tried, and complete pairings that are judged.
const PATIENCE: usize = 200_000;
const JUDGED: usize = 32;

const NONE: u32 = u32::MAX;

/// An order, if one was found.
pub(super) fn search(problem: &Problem, budget: &Budget) -> Option<Vec<u32>> {
    let Problem { pushes, pops, empties, .. } = problem;
    let list = |all: &[Done], kind: Kind| -> Vec<(u64, Kind, u32)> {
        (0..).zip(all).map(|(at, done)| (done.returned, kind, at)).collect()
    };
    let mut returns = [list(pushes, Kind::Push), list(pops, Kind::Pop), list(empties, Kind::Empty)].concat();
    returns.sort_unstable();
    let mut search = Search {
        problem,
        returns,
        open: Best::default(),
        seen: Map::default(),
        cells: Table::default(),
        used: Table::default(),
        trail: Vec::new(),
    };
    search.run(budget)
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Push,
    Pop,
    Empty,
}

/// A value on the stack. Values lie in order of the ends of their spans.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Cell {
    push: u32,
    /// The span in which it must have been pushed.
    span: (u64, u64),
    below: u32,
}

#[derive(Clone, Copy)]
struct Config {
    /// The next return.
    level: u32,
    /// The top cell.
    top: u32,
    /// Pushes and pops that were dealt with.
    pushes: Cut,
    pops: Cut,
    /// The last pop, and the last that found nothing, were not before.
    popped: u64,
    floor: u64,
    /// How many pending pushes of each value were popped, as a name; how many in all, and how many pending pops.
    used: u32,
    pended: u32,
    took: u32,
    trail: u32,
}

impl Config {
    fn rank(&self) -> (i64, u32) {
        let early = self.pops.mask.count_ones() + self.pushes.mask.count_ones();
        (i64::from(self.level) - i64::from(early) - 8 * i64::from(self.took + self.pended), self.level)
    }
}

struct Search<'a> {
    problem: &'a Problem,
    returns: Vec<(u64, Kind, u32)>,
    open: Best<(i64, u32), Config>,
    seen: Map<(u32, u32, Cut, Cut), ()>,
    cells: Table<Cell>,
    used: Table<Vec<u16>>,
    /// The step before, and a push with its pop.
    trail: Vec<(u32, Done, Done)>,
}

impl Search<'_> {
    fn run(&mut self, budget: &Budget) -> Option<Vec<u32>> {
        let (cut, used) = (Cut::default(), self.used.place(Vec::new()));
        let start = Config {
            level: 0,
            top: NONE,
            pushes: cut,
            pops: cut,
            popped: 0,
            floor: 0,
            used,
            pended: 0,
            took: 0,
            trail: NONE,
        };
        self.open.push(start.rank(), start);
        let mut judged = 0;
        for _ in 0..PATIENCE.min(budget.configurations) {
            let config = self.open.pop()?;
            if budget.limit.exceeded().is_some() {
                return None;
            }
            if let Some(config) = self.follow(config)? {
                judged += 1;
                let order = self.problem.order(&self.pairs(&config), true);
                if order.is_some() || judged == JUDGED {
                    return order;
                }
            }
        }
        None
    }

    fn pairs(&self, config: &Config) -> Vec<(Done, Done)> {
        let (mut pairs, mut at) = (Vec::new(), config.trail);
        while at != NONE {
            let (before, push, pop) = self.trail[at as usize];
            pairs.push((push, pop));
            at = before;
        }
        pairs
    }

    /// Follows a configuration as long as nothing must be chosen, and puts its choices up. The inner value: it explains everything.
    /// `None`: operations are too far apart to be told.
    fn follow(&mut self, mut config: Config) -> Option<Option<Config>> {
        loop {
            let Some(&(_, kind, at)) = self.returns.get(config.level as usize) else { return Some(Some(config)) };
            let at = at as usize;
            match kind {
                Kind::Push if !config.pushes.has(at) => {
                    let push = self.problem.pushes[at];
                    let span = (push.invoked.max(config.floor), push.returned);
                    config.top = self.lay(config.top, at as u32, span);
                    config.pushes = config.pushes.with(at)?;
                }
                Kind::Pop if !config.pops.has(at) => return self.choose(config, Some(at)).map(|()| None),
                Kind::Empty => {
                    let since = config.popped.max(self.problem.empties[at].invoked);
                    let Some(top) = self.after(config.top, since) else {
                        return self.choose(config, None).map(|()| None);
                    };
                    (config.top, config.popped, config.floor) = (top, since, since);
                }
                _ => {}
            }
            config.level += 1;
        }
    }

    /// Puts a value on the stack.
    fn lay(&mut self, below: u32, push: u32, span: (u64, u64)) -> u32 {
        self.cells.place(Cell { push, span, below })
    }

    /// The stack when nothing on it was pushed before `since`. `None`: something was.
    fn after(&mut self, top: u32, since: u64) -> Option<u32> {
        let (mut all, mut at) = (Vec::new(), top);
        while let Some(cell) = self.cells.all.get(at as usize) {
            if cell.span.1 < since {
                return None;
            }
            all.push((cell.push, (cell.span.0.max(since), cell.span.1)));
            at = cell.below;
        }
        Some(all.into_iter().rev().fold(NONE, |below, (push, span)| self.lay(below, push, span)))
    }

    /// The values that can be popped at `since` or later, with those above them, from the top on.
    fn tops(&self, top: u32, since: u64) -> Vec<Cell> {
        let (mut tops, mut at, mut latest) = (Vec::new(), top, 0);
        while let Some(cell) = self.cells.all.get(at as usize).filter(|cell| cell.span.1 >= latest) {
            if cell.span.1 < since {
                latest = latest.max(cell.span.0);
            }
            tops.push(*cell);
            at = cell.below;
        }
        tops
    }

    /// The stack without the value at a place of its `tops`, which was popped at `since` or later.
    fn without(&mut self, tops: &[Cell], place: usize, since: u64) -> u32 {
        let Cell { span: (_, pushed), below, .. } = tops[place];
        let narrowed = tops[..place].iter().map(|cell| match cell.span {
            (begin, end) if begin > pushed => (end, begin.max(since), cell.push),
            (begin, end) if end < since => (end.min(pushed), begin, cell.push),
            (begin, end) => (end, begin, cell.push),
        });
        let mut above: Vec<(u64, u64, u32)> = narrowed.collect();
        above.sort_unstable();
        above.into_iter().fold(below, |below, (end, begin, push)| self.lay(below, push, (begin, end)))
    }

    /// What can be popped at a return: the value of the pop itself (`None`: it found nothing), or one that is in its way.
    fn choose(&mut self, config: Config, pop: Option<usize>) -> Option<()> {
        let Config { level, top, pushes, pops, .. } = config;
        if self.seen.insert((level, top, pushes, pops), ()).is_some() {
            return Some(());
        }
        let (problem, now) = (self.problem, self.returns[level as usize].0);
        if let Some(pop) = pop {
            self.pop(config, problem.pops[pop], |config| Some(Config { pops: config.pops.with(pop)?, ..config }))?;
            self.take_open(config, pop, now)?;
        }
        let open = (pops.low as usize..problem.pops.len()).take(128);
        for other in open.filter(|&other| Some(other) != pop && !pops.has(other)) {
            if problem.pops[other].invoked <= now {
                self.pop(config, problem.pops[other], |config| {
                    Some(Config { pops: config.pops.with(other)?, ..config })
                })?;
            }
        }
        if let Some(taker) = problem.takers.get(config.took as usize).filter(|taker| taker.invoked <= now) {
            self.pop(config, *taker, |config| Some(Config { took: config.took + 1, ..config }))?;
        }
        Some(())
    }

    /// Each way in which a pop takes a value from the stack.
    fn pop(&mut self, config: Config, pop: Done, done: impl Fn(Config) -> Option<Config>) -> Option<()> {
        let problem = self.problem;
        let since = config.popped.max(pop.invoked);
        let tops = self.tops(config.top, since);
        let value = |cell: &Cell| problem.pushes[cell.push as usize].value;
        for (place, cell) in tops.iter().enumerate() {
            let fits = pop.returned == u64::MAX || value(cell) == pop.value;
            // Of equal values the one that was pushed latest; another only if it must have been pushed later.
            let better = |other: &Cell| value(other) == value(cell) && other.span.0 >= cell.span.0;
            if fits && !tops[..place].iter().any(better) {
                let top = self.without(&tops, place, since);
                let push = problem.pushes[cell.push as usize];
                self.put(done(Config { top, popped: since, ..config })?, push, pop);
            }
        }
        Some(())
    }

    /// The pop takes the value of a push that has not returned.
    fn take_open(&mut self, config: Config, pop: usize, now: u64) -> Option<()> {
        let problem = self.problem;
        let Done { value, .. } = problem.pops[pop];
        let pops = config.pops.with(pop)?;
        let open = (config.pushes.low as usize..problem.pushes.len()).take(128).find(|&push| {
            let done = problem.pushes[push];
            done.value == value && done.invoked <= now && !config.pushes.has(push)
        });
        if let Some(push) = open {
            let pushes = config.pushes.with(push)?;
            self.put(Config { pushes, pops, ..config }, problem.pushes[push], problem.pops[pop]);
        }
        let mut counts = self.used.all[config.used as usize].clone();
        counts.resize(counts.len().max(value as usize + 1), 0);
        let pending = problem.pending[value as usize].get(usize::from(counts[value as usize]));
        if let Some(push) = pending.filter(|push| push.invoked <= now) {
            counts[value as usize] += 1;
            let used = self.used.place(counts);
            self.put(Config { used, pended: config.pended + 1, pops, ..config }, *push, problem.pops[pop]);
        }
        Some(())
    }

    fn put(&mut self, config: Config, push: Done, pop: Done) {
        self.trail.push((config.trail, push, pop));
        let config = Config { trail: self.trail.len() as u32 - 1, ..config };
        self.open.push(config.rank(), config);
    }
}
