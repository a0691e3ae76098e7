//! Where a hunt looks next, by what its runs have shown.
//!
//! Every run says which edges between abstract states its servers went over, and when first ([`World::coverage`](crate::World::coverage)).
//! An edge that few runs went over leads to a rare state. As much work as goes into new runs goes into other futures of such states: the
//! run is repeated up to that instant, and from there copies of the world go on, each with draws of its own; some under other
//! faults, since what leads to a state may keep from what should follow.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{Rng, Seed};

use crate::explore::case::{Case, Faults, Fork, Scope, pick};
use crate::explore::run::{Figures, Run, Specimen};
use crate::explore::swarm::Level;
use crate::trace::Transcript;

/// How many rare states are kept.
const KEPT: usize = 256;
/// How many futures of one are tried at a time.
const FUTURES: u64 = 12;
/// How long a future is.
const SPANS: [Duration; 3] = [Duration::from_millis(400), Duration::from_millis(1_000), Duration::from_millis(2_500)];
/// Most forks on the way to a state.
const FORKS: usize = 4;

/// What the runs of a hunt have shown.
#[derive(Clone, Debug, Default)]
pub struct Guide {
    runs: u64,
    /// By edge: how many runs went over it. A list: every run goes over hundreds of them.
    seen: Seen,
    /// By edge: a case that goes over it, when, and how often futures of it were tried.
    rare: BTreeMap<u16, (Case, u64, u64)>,
    /// Events in new runs, and in futures of rare states.
    spent: (u64, u64),
}

/// Something to run: a new case, or futures of a rare state.
#[derive(Clone, Debug)]
pub struct Job {
    case: Case,
    futures: Vec<Case>,
}

/// A run of a job.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was run.
    pub case: Case,
    /// What it showed.
    pub run: Run,
    /// What it took, less what another run of the job took already.
    pub figures: Figures,
    /// Whether it is a whole run, and not one more future of another.
    pub whole: bool,
}

impl Job {
    /// Runs it.
    ///
    /// # Errors
    /// What is wrong with the case's parameters.
    pub fn run(&self, specimen: &dyn Specimen) -> Result<Vec<Done>, String> {
        if self.futures.is_empty() {
            let run = self.case.run(specimen, Transcript::Off)?;
            return Ok(vec![Done { case: self.case.clone(), figures: run.figures(), run, whole: true }]);
        }
        let runs = self.case.run_futures(&self.futures, specimen)?;
        let done =
            |(case, (run, figures)): (&Case, (Run, Figures))| Done { case: case.clone(), run, figures, whole: false };
        Ok(self.futures.iter().zip(runs).map(done).collect())
    }
}

#[derive(Clone, Debug)]
struct Seen(Vec<u64>);

impl Default for Seen {
    fn default() -> Self {
        Seen(vec![0; 1 << 16])
    }
}

impl Seen {
    fn runs(&self, edge: u16) -> u64 {
        self.0[usize::from(edge)]
    }
}

impl Guide {
    /// What to run for a seed: a case that is drawn, or futures of a rare state.
    pub fn job(&mut self, seed: u64, scope: &Scope, specimen: &dyn Specimen) -> Job {
        let rng = &mut Seed(seed).nth(0xf0_4c).rng();
        let turn = scope.level == Level::Guided && self.spent.1 < self.spent.0;
        // Now and then a new run all the same: what comes in one round must not be all of one kind.
        let rare = if turn && rng.chance(0.8) { self.choose(rng) } else { None };
        match rare {
            Some((case, at)) => Job { futures: futures(&case, at, scope, rng), case },
            None => Job { case: Case::draw(seed, scope, specimen), futures: Vec::new() },
        }
    }

    /// A rare state: the rarer, and the less it was tried, the likelier.
    fn choose(&mut self, rng: &mut Rng) -> Option<(Case, u64)> {
        let weight = |edge: &u16, tried: u64| 1.0 / ((self.seen.runs(*edge) + 1) * (tried + 1)) as f64;
        let total: f64 = self.rare.iter().map(|(edge, (_, _, tried))| weight(edge, *tried)).sum();
        let mut point = rng.unit() * total;
        let chosen = self.rare.iter().find(|(edge, (_, _, tried))| {
            point -= weight(edge, *tried);
            point <= 0.0
        });
        let edge = chosen.map(|(edge, _)| *edge).or(self.rare.keys().next().copied())?;
        let (case, at, tried) = self.rare.get_mut(&edge)?;
        *tried += 1;
        Some((case.clone(), *at))
    }

    /// Takes note of a run.
    pub fn learn(&mut self, done: &Done) {
        let Done { case, run, figures, whole } = done;
        self.runs += 1;
        match whole {
            true => self.spent.0 += figures.events,
            false => self.spent.1 += figures.events,
        }
        for (edge, _) in &run.coverage {
            self.seen.0[usize::from(*edge)] += 1;
        }
        if !matches!(case.faults, Faults::Drawn(_)) || case.forks.len() >= FORKS {
            return;
        }
        let last_fork = case.forks.last().map_or(0, |fork| fork.at);
        for (edge, at) in run.coverage.iter().filter(|(_, at)| *at > last_fork) {
            let rare = self.seen.runs(*edge) * 50 <= self.runs + 50;
            if rare && !self.rare.contains_key(edge) {
                self.rare.insert(*edge, (case.clone(), *at, 0));
            }
        }
        if self.runs.is_multiple_of(64) || self.rare.len() > 2 * KEPT {
            self.forget();
        }
    }

    /// Edges that were gone over.
    pub fn edges(&self) -> usize {
        self.seen.0.iter().filter(|runs| **runs > 0).count()
    }

    /// States that turned out to be common, or to lead nowhere, are kept no longer.
    fn forget(&mut self) {
        let (seen, runs) = (&self.seen, self.runs);
        self.rare.retain(|edge, (_, _, tried)| seen.runs(*edge) * 20 <= runs + 100 && *tried < 8);
        while self.rare.len() > KEPT {
            let commonest = self.rare.keys().max_by_key(|edge| seen.runs(**edge)).copied();
            commonest.map(|edge| self.rare.remove(&edge));
        }
    }
}

/// Cases that share the past of this one up to an instant.
fn futures(case: &Case, at: u64, scope: &Scope, rng: &mut Rng) -> Vec<Case> {
    let future = |place: u64| {
        let (salt, span) = (rng.next_u64(), pick(rng, &SPANS));
        let storm = (Duration::from_nanos(at) + span).min(scope.storm);
        let forks = case.forks.iter().copied().chain([Fork { at, salt, anew: place % 2 == 1 }]).collect();
        Case { forks, storm, calm: Duration::ZERO, ..case.clone() }
    };
    (0..FUTURES).map(future).collect()
}
