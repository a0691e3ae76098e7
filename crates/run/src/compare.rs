//! Two plans side by side: what pairs of runs say of their figures.

use measure::Paired;
use report::{Micros, Results, Verdict};
use serde::Serialize;

/// What came of runs in pairs: first the baseline, then the candidate, and again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What the candidate is measured against.
    pub baseline: Side,
    /// What is measured.
    pub candidate: Side,
    /// How many pairs were run.
    pub pairs: usize,
    /// Figure by figure; those that neither side has are left out.
    pub figures: Vec<Figure>,
}

/// One of the two plans.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The plan's name.
    pub plan: String,
    /// Its system.
    pub system: String,
    /// Runs whose verdict is `valid`.
    pub valid: usize,
    /// Runs whose verdict is `invalid`; the rest is `unknown`.
    pub invalid: usize,
    /// What kept the others from `valid`: the folder of each, its verdict, and the first reason.
    pub broken: Vec<String>,
    /// Runs whose latencies and rates cannot be believed.
    pub untrusted: usize,
}

/// One figure of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Its unit: `/s`, `us`, or empty.
    pub unit: &'static str,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// The runs' figures, in pairs; `null` where a run has none.
    pub runs: Vec<(Option<f64>, Option<f64>)>,
    /// What they say together; `null` if a run has none.
    pub found: Option<Found>,
}

/// What pairs say of a figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// Median of the baseline.
    pub baseline: f64,
    /// Median of the candidate.
    pub candidate: f64,
    /// The candidate as a multiple of the baseline (Hodges-Lehmann).
    pub ratio: f64,
    /// The ratios that the pairs are compatible with; `null` with fewer than six pairs.
    pub interval: Option<(f64, f64)>,
    /// The confidence of the interval.
    pub confidence: Option<f64>,
    /// p-value of the exact sign-flip test.
    pub p: f64,
    /// Whether that is more than chance.
    pub resolved: bool,
}

/// A figure that is compared.
struct Measure {
    name: &'static str,
    unit: &'static str,
    more_is_better: bool,
    of: fn(&Results) -> Option<f64>,
}

const MEASURES: &[Measure] = &[
    Measure { name: "ok rate", unit: "/s", more_is_better: true, of: |results| Some(results.rate.achieved) },
    Measure { name: "p50", unit: "us", more_is_better: false, of: |results| latency(results.latency_us.p50) },
    Measure { name: "p99", unit: "us", more_is_better: false, of: |results| latency(results.latency_us.p99) },
    Measure {
        name: "CPU per ok",
        unit: "us",
        more_is_better: false,
        of: |results| results.resources.as_ref()?.cpu_us_per_ok,
    },
    Measure {
        name: "syncs per acknowledged write",
        unit: "",
        more_is_better: false,
        of: |results| results.resources.as_ref()?.syncs_per_write,
    },
];

impl Comparison {
    /// Compares the results of runs in pairs: (baseline, candidate).
    pub fn of(pairs: &[(Results, Results)]) -> Comparison {
        let baselines: Vec<&Results> = pairs.iter().map(|pair| &pair.0).collect();
        let candidates: Vec<&Results> = pairs.iter().map(|pair| &pair.1).collect();
        let figures = MEASURES.iter().map(|measure| Figure::of(measure, pairs));
        Comparison {
            baseline: Side::of(&baselines),
            candidate: Side::of(&candidates),
            pairs: pairs.len(),
            figures: figures.filter(|figure| figure.runs.iter().any(|(a, b)| a.is_some() || b.is_some())).collect(),
        }
    }

    /// Whether every run kept its promise: only then do its figures mean anything.
    pub fn is_valid(&self) -> bool {
        self.baseline.valid == self.pairs && self.candidate.valid == self.pairs
    }
}

impl Side {
    fn of(runs: &[&Results]) -> Side {
        let first = runs.first();
        let broken = |run: &&&Results| run.verdict != Verdict::Valid;
        let why = |run: &&Results| {
            let reason = run.reasons.first().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{} {}{reason}", run.folder, run.verdict.name())
        };
        Side {
            plan: first.map(|run| run.name.clone()).unwrap_or_default(),
            system: first.map(|run| run.system.clone()).unwrap_or_default(),
            valid: runs.iter().filter(|run| run.verdict == Verdict::Valid).count(),
            invalid: runs.iter().filter(|run| run.verdict == Verdict::Invalid).count(),
            broken: runs.iter().filter(broken).map(why).collect(),
            untrusted: runs.iter().filter(|run| !run.trusted).count(),
        }
    }
}

impl Figure {
    fn of(measure: &Measure, pairs: &[(Results, Results)]) -> Figure {
        let runs: Vec<_> = pairs.iter().map(|(a, b)| ((measure.of)(a), (measure.of)(b))).collect();
        let both: Option<Vec<(f64, f64)>> = runs.iter().map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        Figure {
            name: measure.name,
            unit: measure.unit,
            more_is_better: measure.more_is_better,
            runs,
            found: both.and_then(|both| Paired::of(&both)).map(Found::from),
        }
    }

    /// What is to be said of it, in words.
    pub fn says(&self) -> String {
        let Some(found) = &self.found else { return "cannot be compared: a run has no such figure".into() };
        if found.resolved {
            let better = (found.ratio > 1.0) == self.more_is_better;
            return if better { "better".into() } else { "worse".into() };
        }
        match found.interval {
            // As wide as the interval is, so large a difference could hide.
            Some((low, high)) => format!("no difference resolvable below {:.0} %", ((high / low).sqrt() - 1.0) * 100.0),
            None => "no difference resolvable: fewer than 6 pairs".into(),
        }
    }
}

impl From<Paired> for Found {
    fn from(paired: Paired) -> Found {
        Found {
            baseline: paired.median_a,
            candidate: paired.median_b,
            ratio: paired.ratio,
            interval: paired.interval.map(|interval| (interval.low, interval.high)),
            confidence: paired.interval.map(|interval| interval.confidence),
            p: paired.p,
            resolved: paired.is_resolved(),
        }
    }
}

fn latency(micros: Option<Micros>) -> Option<f64> {
    micros.and_then(Micros::finite)
}

#[cfg(test)]
mod tests {
    use report::Rate;

    use super::*;

    fn run(rate: f64, verdict: Verdict) -> Results {
        let mut results = Results { verdict, folder: "runs/x".into(), ..Results::default() };
        results.rate = Rate { asked: rate, achieved: rate };
        results.latency_us.p99 = Some(Micros::Never);
        results
    }

    fn compared(rates: &[(f64, f64)]) -> Comparison {
        let pair = |&(a, b): &(f64, f64)| (run(a, Verdict::Valid), run(b, Verdict::Valid));
        Comparison::of(&rates.iter().map(pair).collect::<Vec<_>>())
    }

    #[test]
    fn a_clear_difference_is_called_one() {
        let rates = [(100.0, 300.0), (110.0, 320.0), (90.0, 280.0), (100.0, 310.0), (95.0, 290.0), (105.0, 305.0)];
        let found = compared(&rates);
        assert!(found.is_valid());
        assert_eq!(found.figures.iter().map(|figure| figure.name).collect::<Vec<_>>(), ["ok rate"]);
        assert_eq!(found.figures[0].says(), "better");
        let back: Vec<(f64, f64)> = rates.iter().map(|(a, b)| (*b, *a)).collect();
        assert_eq!(compared(&back).figures[0].says(), "worse");
    }

    #[test]
    fn noise_is_not_called_a_difference() {
        let noise = [(100.0, 120.0), (100.0, 90.0), (100.0, 105.0), (100.0, 80.0), (100.0, 101.0), (100.0, 99.0)];
        assert_eq!(compared(&noise).figures[0].says(), "no difference resolvable below 22 %");
        assert_eq!(compared(&noise[..3]).figures[0].says(), "no difference resolvable: fewer than 6 pairs");
    }

    #[test]
    fn a_run_that_broke_its_promise_makes_the_comparison_worthless() {
        let found = Comparison::of(&[(run(100.0, Verdict::Valid), run(900.0, Verdict::Invalid))]);
        assert!(!found.is_valid());
        assert_eq!((found.baseline.valid, found.candidate.valid), (1, 0));
        assert_eq!(found.candidate.broken, ["runs/x invalid"]);
    }
}
