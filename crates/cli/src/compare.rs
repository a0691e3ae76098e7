//! `assize compare`: two plans in turn, A B A B, and which is faster.

use base::units::{show_count, show_duration};
use run::compare::{Comparison, Figure, Side};
use run::plan::Source;
use run::{Order, RunError, Stop};
use std::time::Duration;

use crate::arguments::CompareOptions;
use crate::exit::Exit;
use crate::failed;
use crate::run::{overrides, plan_text};

/// Runs both plans in turn and says what differs.
pub fn command(baseline: &str, candidate: &str, options: &CompareOptions) -> Exit {
    let set = match overrides(&options.set) {
        Ok(set) => set,
        Err(text) => {
            eprintln!("error: {text}");
            return Exit::Usage;
        }
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => {
            eprintln!("error: signals cannot be caught: {error}");
            return Exit::Unavailable;
        }
    };
    let contest = Contest { set: &set, options, stop: &stop };
    let mut pairs = Vec::new();
    let held = contest.hold(baseline, candidate, &mut pairs);
    // What was measured before an end that nobody planned is told all the same.
    let told = (held.is_ok() || !pairs.is_empty()).then(|| told(&Comparison::of(&pairs), options.json));
    held.map_or_else(|error| failed(&error), |()| told.unwrap_or(Exit::Unknown))
}

struct Contest<'a> {
    set: &'a [(String, String)],
    options: &'a CompareOptions,
    stop: &'a Stop,
}

impl Contest<'_> {
    /// Pair after pair, each kept as soon as it is whole.
    fn hold(
        &self,
        baseline: &str,
        candidate: &str,
        pairs: &mut Vec<(report::Results, report::Results)>,
    ) -> Result<(), RunError> {
        let plans = [plan_text(baseline)?, plan_text(candidate)?];
        // What is wrong with the second plan is told before the first one has run.
        plans.iter().try_for_each(|plan| self.read(plan, 0).map(drop))?;
        let first = self.options.seed.unwrap_or(1);
        for round in 0..u64::from(self.options.times) {
            let seed = first.wrapping_add(round);
            pairs.push((self.run("A", &plans[0], seed, round)?, self.run("B", &plans[1], seed, round)?));
        }
        Ok(())
    }

    fn read(&self, (name, text): &(String, String), seed: u64) -> Result<run::plan::Plan, RunError> {
        let source = Source { name, text, set: self.set, seed: Some(seed) };
        run::plan::read(&source).map_err(RunError::Plan)
    }

    fn run(&self, side: &str, plan: &(String, String), seed: u64, round: u64) -> Result<report::Results, RunError> {
        let plan = self.read(plan, seed)?;
        let command = std::env::args().collect();
        let order = Order { plan, runs: &self.options.runs, stop: self.stop, command };
        let results = run::conduct(order, &mut |_| {})?;
        if !self.options.json {
            println!("{}", line(side, round, self.options.times, &results));
        }
        Ok(results)
    }
}

/// `1/6 A bench-etcd: valid, 5 120/s, p50 10.4 ms, p99 31.5 ms`.
fn line(side: &str, round: u64, times: u32, results: &report::Results) -> String {
    let latency = |micros: Option<report::Micros>| show(micros.and_then(report::Micros::finite), "us");
    let untrusted = if results.trusted { "" } else { " (untrusted)" };
    format!(
        "{}/{times} {side} {}: {}, {}, p50 {}, p99 {}{untrusted}",
        round + 1,
        results.name,
        results.verdict.name(),
        show(Some(results.rate.achieved), "/s"),
        latency(results.latency_us.p50),
        latency(results.latency_us.p99),
    )
}

fn told(found: &Comparison, json: bool) -> Exit {
    if json {
        match serde_json::to_string(found) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("error: the comparison cannot be written: {error}"),
        }
    } else {
        print!("{}", table(found));
    }
    let invalid = found.baseline.invalid + found.candidate.invalid;
    match (invalid, found.is_valid()) {
        (0, true) => Exit::Success,
        (0, false) => Exit::Unknown,
        _ => Exit::Invalid,
    }
}

fn table(found: &Comparison) -> String {
    let (a, b) = (&found.baseline, &found.candidate);
    let mut text = format!(
        "\nA {} ({}), B {} ({}): {} pairs, run in turn\n\n{:<29}{:>12}{:>12}{:>9}{:>18}{:>8}\n",
        a.plan, a.system, b.plan, b.system, found.pairs, "", "A", "B", "B/A", "95 % interval", "p"
    );
    found.figures.iter().for_each(|figure| text.push_str(&row(figure)));
    text.push('\n');
    for (side, runs) in [("A", a), ("B", b)] {
        text.push_str(&doubts(side, runs, found.pairs));
    }
    if found.is_valid() {
        text.push_str("every run is valid\n");
    }
    text
}

fn row(figure: &Figure) -> String {
    let says = figure.says();
    let Some(found) = &figure.found else { return format!("{:<29}{says}\n", figure.name) };
    let interval = found.interval.map_or("-".into(), |(low, high)| format!("{} … {}", ratio(low), ratio(high)));
    format!(
        "{:<29}{:>12}{:>12}{:>9}{:>18}{:>8.3}  {says}\n",
        figure.name,
        show(Some(found.baseline), figure.unit),
        show(Some(found.candidate), figure.unit),
        ratio(found.ratio),
        interval,
        found.p,
    )
}

/// A figure of a run that broke its promise is none.
fn doubts(side: &str, runs: &Side, pairs: usize) -> String {
    let mut text = String::new();
    if runs.valid < pairs {
        text.push_str(&format!(
            "{side} is valid in {} of {pairs} runs only: its figures were measured while it broke its promise, or nobody can say\n",
            runs.valid
        ));
        runs.broken.iter().for_each(|run| text.push_str(&format!("  {run}\n")));
    }
    if runs.untrusted > 0 {
        text.push_str(&format!(
            "{side} is untrusted in {} of {pairs} runs: the load generator was late\n",
            runs.untrusted
        ));
    }
    text
}

fn ratio(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

fn show(value: Option<f64>, unit: &str) -> String {
    match (value, unit) {
        (None, _) => "never".into(),
        (Some(value), "us") => show_duration(Duration::from_nanos((value * 1e3) as u64)),
        (Some(value), "/s") => format!("{}/s", show_count(value.round() as u64)),
        (Some(value), _) => format!("{value:.3}{unit}"),
    }
}
