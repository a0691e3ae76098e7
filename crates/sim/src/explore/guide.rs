//! Where a hunt looks next, by what its runs have shown.
//!
//! Every run says which edges between abstract states its servers went over, and when first ([`World::coverage`](crate::World::coverage)).
//! An edge that few runs went over leads to a rare state. Half of the later cases begin there: they repeat the run up to that instant
//! and then draw anew, so that many futures of a rare state are tried instead of the one that happened. A fork repeats its past;
//! a copy of the world would save that time, but not every actor can be copied.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Seed;

use crate::explore::case::{Case, Faults, Fork, Scope};
use crate::explore::run::{Run, Specimen};
use crate::explore::swarm::Level;

/// How many rare states are kept.
const KEPT: usize = 256;
/// How long a future is.
const FUTURE: Duration = Duration::from_millis(2_500);

/// What the runs of a hunt have shown.
#[derive(Clone, Debug, Default)]
pub struct Guide {
    runs: u64,
    /// By edge: how many runs went over it.
    seen: BTreeMap<u16, u64>,
    /// By edge: a case that goes over it, when, and how many forks of it were tried.
    rare: BTreeMap<u16, (Case, u64, u64)>,
}

impl Guide {
    /// The case of a seed: drawn, or a fork of a rare state.
    pub fn case(&mut self, seed: u64, scope: &Scope, specimen: &dyn Specimen) -> Case {
        let mut rng = Seed(seed).nth(0xf0_4c).rng();
        if scope.level != Level::Guided || self.rare.is_empty() || rng.chance(0.5) {
            return Case::draw(seed, scope, specimen);
        }
        // The rarer the state, and the less it was tried, the likelier.
        let weight = |edge: &u16, tried: u64| 1.0 / ((self.seen[edge] + 1) * (tried + 1)) as f64;
        let total: f64 = self.rare.iter().map(|(edge, (_, _, tried))| weight(edge, *tried)).sum();
        let mut point = rng.unit() * total;
        let chosen = self.rare.iter().find(|(edge, (_, _, tried))| {
            point -= weight(edge, *tried);
            point <= 0.0
        });
        let Some(edge) = chosen.map(|(edge, _)| *edge).or(self.rare.keys().next().copied()) else {
            return Case::draw(seed, scope, specimen);
        };
        let Some((case, at, tried)) = self.rare.get_mut(&edge) else { return Case::draw(seed, scope, specimen) };
        *tried += 1;
        let storm = (Duration::from_nanos(*at) + FUTURE).min(scope.storm);
        let forks = case.forks.iter().copied().chain([Fork { at: *at, salt: seed }]).collect();
        Case { forks, storm, calm: Duration::ZERO, ..case.clone() }
    }

    /// Takes note of a run.
    pub fn learn(&mut self, case: &Case, run: &Run) {
        self.runs += 1;
        for (edge, _) in &run.coverage {
            *self.seen.entry(*edge).or_default() += 1;
        }
        if !matches!(case.faults, Faults::Drawn(_)) || case.forks.len() >= 3 {
            return;
        }
        let last_fork = case.forks.last().map_or(0, |fork| fork.at);
        for (edge, at) in run.coverage.iter().filter(|(_, at)| *at > last_fork) {
            let rare = self.seen[edge] * 50 <= self.runs + 50;
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
        self.seen.len()
    }

    /// States that turned out to be common, or to lead nowhere, are kept no longer.
    fn forget(&mut self) {
        let (seen, runs) = (&self.seen, self.runs);
        self.rare.retain(|edge, (_, _, tried)| seen[edge] * 20 <= runs + 100 && *tried < 64);
        while self.rare.len() > KEPT {
            let commonest = self.rare.keys().max_by_key(|edge| seen[edge]).copied();
            commonest.map(|edge| self.rare.remove(&edge));
        }
    }
}
