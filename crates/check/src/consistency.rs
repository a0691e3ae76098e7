//! Models of registers that are weaker than linearizability.
//!
//! - One file each: [`sequential`] (and its exact search, [`interleaving`]), [`causal`] (and causal convergence), [`memory`] (causal memory), [`pram`];
//!   the session guarantees ([`guarantees`] is what they share): [`read_your_writes`], [`monotonic_reads`], [`monotonic_writes`],
//!   [`writes_follow_reads`].
//! - By time and in the end: [`staleness`](mod@staleness) (a number), [`convergence`].
//! - [`sessions`]: a history as these models see it; [`settle`]: where it is not certain whose value was seen.
//! - [`clocks`], [`overwritten`], [`saturate`]: who comes before whom, and what follows from that.
//! - [`shrink`]: the smallest witness; [`story`]: how it is told and drawn.
//!
//! [`MAP`] says which implies which. What is linearizable keeps all of them, so that question is asked first: it is the cheapest.

mod causal;
mod clocks;
mod convergence;
mod guarantees;
mod interleaving;
mod memory;
mod monotonic_reads;
mod monotonic_writes;
mod overwritten;
mod pram;
mod read_your_writes;
mod saturate;
mod sequential;
mod sessions;
mod settle;
mod shrink;
mod staleness;
mod story;
mod writes_follow_reads;

pub use causal::{CAUSAL, CAUSAL_CONVERGENCE};
pub use convergence::CONVERGENCE;
pub use memory::CAUSAL_MEMORY;
pub use monotonic_reads::MONOTONIC_READS;
pub use monotonic_writes::MONOTONIC_WRITES;
pub use pram::PRAM;
pub use read_your_writes::READ_YOUR_WRITES;
pub use sequential::SEQUENTIAL;
pub use staleness::{BOUNDED_STALENESS, Bound, Staleness, bound, staleness};
pub use writes_follow_reads::WRITES_FOLLOW_READS;

use history::{History, Outcome};

use crate::explain;
use crate::model::Options;
use crate::report::{Anomaly, AnomalyKind, Report};
use crate::verdict::Verdict;

use sessions::Sessions;
use settle::{Refute, Settled, settle};

/// Which model implies which directly, stronger first: every history of the one is a history of the other.
pub static MAP: &[(&str, &str)] = &[
    ("linearizable", "sequential"),
    ("sequential", "causal-convergence"),
    ("sequential", "causal-memory"),
    ("causal-convergence", "causal"),
    ("causal-convergence", "monotonic-writes"),
    ("causal-convergence", "writes-follow-reads"),
    ("causal-memory", "causal"),
    ("causal-memory", "pram"),
    ("causal-memory", "writes-follow-reads"),
    ("causal", "read-your-writes"),
    ("pram", "read-your-writes"),
    ("pram", "monotonic-writes"),
    ("monotonic-writes", "monotonic-reads"),
    ("writes-follow-reads", "monotonic-reads"),
    ("linearizable", "bounded-staleness"),
];

/// Whether whatever is linearizable keeps this model.
pub(crate) fn is_implied(model: &str) -> bool {
    model == "linearizable" || MAP.iter().any(|(stronger, weaker)| *weaker == model && is_implied(stronger))
}

/// Effort while shrinking: what is hard to decide stays.
const SMALL: usize = 20_000;
/// Configurations of the search by which linearizability is tried first.
const FIRST_TRY: usize = 100_000;

/// How a model is decided.
#[derive(Clone, Copy)]
struct Theory<'a> {
    /// Judges sessions with so much effort.
    decide: &'a dyn Fn(&Sessions, usize) -> Settled,
}

/// Judges a history by what has to be forbidden, when it is certain whose value was seen.
fn judge_by(history: &History, options: &Options, model: &'static str, refute: Refute) -> Report {
    let decide =
        |sessions: &Sessions, effort: usize| settle(sessions, refute, &options.limit, effort.saturating_mul(20));
    judge(history, options, model, Theory { decide: &decide })
}

/// Judges a history by a theory.
fn judge(history: &History, options: &Options, model: &'static str, theory: Theory<'_>) -> Report {
    let report = Report::new(model, Verdict::Valid, history.len());
    if is_linearizable(history, options) {
        return report;
    }
    let (sessions, nowhere) = Sessions::of(history);
    if !nowhere.is_empty() {
        let anomalies = nowhere.iter().take(options.anomalies.max(1)).map(|&i| from_nowhere(history, i)).collect();
        return Report { verdict: Verdict::Invalid, anomalies, broken: nowhere.len(), ..report };
    }
    match (theory.decide)(&sessions, options.budget) {
        Settled::Kept => report,
        Settled::Undecided(reason) => Report { verdict: Verdict::unknown(reason), ..report },
        Settled::Broken(refutation) => {
            let suspects = refutation.map(|refutation| refutation.operations());
            match witness(history, &sessions, suspects, theory) {
                Some(anomaly) => Report { verdict: Verdict::Invalid, anomalies: vec![anomaly], broken: 1, ..report },
                None => {
                    let reason = "a suspected contradiction could not be confirmed (a bug in assize)";
                    Report { verdict: Verdict::unknown(reason), ..report }
                }
            }
        }
    }
}

fn is_linearizable(history: &History, options: &Options) -> bool {
    let options = Options {
        own_run: false,
        certificate: false,
        anomalies: 1,
        budget: options.budget.min(FIRST_TRY),
        ..options.clone()
    };
    crate::register::linearizable(history, &options).verdict == Verdict::Valid
}

/// The smallest contradiction among the suspects, or among all.
fn witness(history: &History, sessions: &Sessions, suspects: Option<Vec<u32>>, theory: Theory<'_>) -> Option<Anomaly> {
    let decide = |sessions: &Sessions| (theory.decide)(sessions, SMALL);
    let mut broken = |sessions: &Sessions| matches!(decide(sessions), Settled::Broken(_));
    let all = || (0..sessions.len() as u32).collect();
    let suspects = suspects.map(|ops| sessions.closed(&ops)).filter(|ops| broken(&sessions.only(ops)));
    let suspected = sessions.only(&suspects.unwrap_or_else(all));
    let left = suspected.only(&shrink::shrink(&suspected, &mut broken));
    let Settled::Broken(refutation) = decide(&left) else { return None };
    let everything = || story::Refutation::new("no order explains what was seen", story::Argument::nothing_fits());
    Some(story::anomaly(history, &refutation.unwrap_or_else(everything), &left.index))
}

/// A read of a value that nobody can have written.
fn from_nowhere(history: &History, read: u32) -> Anomaly {
    let columns = &history.operations;
    let operation = columns.get(read as usize);
    let seen = if operation.request.function == history::Function::Read {
        operation.completion.result
    } else {
        operation.request.expected
    };
    let failed = (0..columns.len()).find(|&i| {
        columns.key[i] == operation.request.key
            && columns.function[i].is_mutation()
            && columns.outcome[i] == Outcome::Fail
            && columns.argument[i] == seen
    });
    let kind = if failed.is_some() { AnomalyKind::AbortedRead } else { AnomalyKind::PhantomRead };
    let mut indices: Vec<u32> = failed.map(|i| i as u32).into_iter().chain([read]).collect();
    indices.sort_unstable();
    let operations: Vec<_> = indices.iter().map(|&i| columns.get(i as usize)).collect();
    let title = format!("{}, key {}", kind.title(), history.key_name(operation.request.key));
    Anomaly { kind, title, story: explain::story(kind, &operations), operations, indices, drawing: None }
}
