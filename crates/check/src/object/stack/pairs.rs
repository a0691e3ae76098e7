//! Which pop took which push, where values repeat.
//!
//! Walk over the returns in time, most promising first. Where a push took effect stays open as long as it can: of each value on the stack is known the
//! span of time in which it must have been pushed. A value can be popped if none of the others must have been pushed after it; they were then all pushed
//! before the end of its span. So the order of pushes that overlap is not guessed, but follows from the pops.
//!
//! - A push goes on the stack when it returns. A pop may take the value of a push that is still open: that disturbs nobody.
//! - A pop takes effect when it returns, or earlier where a value lies on what must be popped.
//! - A push of unknown outcome is as one that is open for ever. A pop of unknown outcome takes a value where one is in the way.
//!
//! This is a search for what is likely: of configurations that differ only in the operations of unknown outcome that they used, one is followed.

use super::{Done, Problem};
use crate::object::cut::Cut;
use crate::sequential::{Best, Budget, Map, Table};

/// Configurations that are tried, and complete pairings that are judged.
const PATIENCE: usize = 500_000;
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

/// A value on the stack. Values lie in order of the ends of their spans, those of equal ends in order of their beginnings.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Cell {
    push: u32,
    /// The span in which it must have been pushed.
    span: (u64, u64),
    /// The latest beginning of a span of this and all below.
    latest: u64,
    below: u32,
}

#[derive(Clone, Copy)]
struct Config {
    /// The next return.
    level: u32,
    /// The top cell.
    top: u32,
    /// Pushes and pops that were dealt with; pops that found nothing.
    pushes: Cut,
    pops: Cut,
    empties: Cut,
    /// When the stack was last seen empty.
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
    seen: Map<(u32, u32, Cut, Cut, Cut), ()>,
    cells: Table<Cell>,
    used: Table<Vec<u16>>,
    /// The step before, and a push with its pop.
    trail: Vec<(u32, Done, Done)>,
}

impl Search<'_> {
    fn run(&mut self, budget: &Budget) -> Option<Vec<u32>> {
        let (cut, used) = (Cut::default(), self.used.place(Vec::new()));
        let (pushes, pops, empties) = (cut, cut, cut);
        let start =
            Config { level: 0, top: NONE, pushes, pops, empties, floor: 0, used, pended: 0, took: 0, trail: NONE };
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
            config = self.see_empty(config)?;
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
                Kind::Empty if !config.empties.has(at) => return self.choose(config, None).map(|()| None),
                _ => {}
            }
            config.level += 1;
        }
    }

    /// Lets all open pops that found nothing take effect, if the stack is empty.
    fn see_empty(&self, mut config: Config) -> Option<Config> {
        let Some(&(now, ..)) = self.returns.get(config.level as usize).filter(|_| config.top == NONE) else {
            return Some(config);
        };
        let low = config.empties.low as usize;
        for (at, pop) in self.problem.empties.iter().enumerate().skip(low).take(128) {
            if !config.empties.has(at) && pop.invoked <= now {
                (config.empties, config.floor) = (config.empties.with(at)?, now);
            }
        }
        Some(config)
    }

    /// Puts a value on the stack.
    fn lay(&mut self, below: u32, push: u32, span: (u64, u64)) -> u32 {
        let latest = if below == NONE { 0 } else { self.cells.all[below as usize].latest };
        self.cells.place(Cell { push, span, latest: latest.max(span.0), below })
    }

    /// The values that can be popped, from the top on.
    fn tops(&self, top: u32) -> Vec<Cell> {
        let (mut tops, mut at) = (Vec::new(), top);
        let Some(latest) = self.cells.all.get(top as usize).map(|cell| cell.latest) else { return tops };
        while let Some(cell) = self.cells.all.get(at as usize).filter(|cell| cell.span.1 >= latest) {
            tops.push(*cell);
            at = cell.below;
        }
        tops
    }

    /// The stack without the value at a place of its `tops`.
    fn without(&mut self, tops: &[Cell], place: usize) -> u32 {
        let Cell { span: (_, end), below, .. } = tops[place];
        // What may lie above was pushed before it.
        let mut above: Vec<(u64, u32)> = tops[..place].iter().map(|cell| (cell.span.0, cell.push)).collect();
        above.sort_unstable();
        above.into_iter().fold(below, |below, (begin, push)| self.lay(below, push, (begin, end)))
    }

    /// What can be popped at a return: the value of the pop itself (`None`: it found nothing), or one that may be in its way.
    fn choose(&mut self, config: Config, pop: Option<usize>) -> Option<()> {
        let Config { level, top, pushes, pops, empties, .. } = config;
        if self.seen.insert((level, top, pushes, pops, empties), ()).is_some() {
            return Some(());
        }
        let now = self.returns[config.level as usize].0;
        let problem = self.problem;
        let tops = self.tops(config.top);
        let wanted = pop.map(|pop| problem.pops[pop].value);
        for place in 0..tops.len() {
            let push = problem.pushes[tops[place].push as usize];
            let again = |other: &Cell| problem.pushes[other.push as usize].value == push.value;
            // Of equal values the one that was pushed latest; another only if it must have been pushed later.
            if tops[..place].iter().any(|other| again(other) && other.span.0 >= tops[place].span.0) {
                continue;
            }
            let top = self.without(&tops, place);
            let popped = Config { top, ..config };
            if let Some(pop) = pop.filter(|_| wanted == Some(push.value)) {
                self.put(Config { pops: config.pops.with(pop)?, ..popped }, push, problem.pops[pop]);
            }
            let early = (config.pops.low as usize..problem.pops.len()).take(128).find(|&other| {
                let done = problem.pops[other];
                Some(other) != pop && done.value == push.value && done.invoked <= now && !config.pops.has(other)
            });
            if let Some(other) = early {
                self.put(Config { pops: config.pops.with(other)?, ..popped }, push, problem.pops[other]);
            }
            if let Some(taker) = problem.takers.get(config.took as usize).filter(|taker| taker.invoked <= now) {
                self.put(Config { took: config.took + 1, ..popped }, push, *taker);
            }
        }
        pop.map_or(Some(()), |pop| self.take_open(config, pop, now))
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
