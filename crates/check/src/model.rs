use history::{Function, History, Outcome};

use crate::consistency;
use crate::limit::Limit;
use crate::report::Report;
use crate::verdict::Verdict;

/// A promise that a history can be held against.
pub struct Model {
    /// The name in plans, on the command line and in reports.
    pub name: &'static str,
    /// What it promises, in a sentence.
    pub summary: &'static str,
    pub(crate) decide: fn(&History, &Options) -> Report,
}

/// Every model that assize decides.
pub static MODELS: &[&Model] = &[
    &LINEARIZABLE,
    &consistency::SEQUENTIAL,
    &consistency::CAUSAL_CONVERGENCE,
    &consistency::CAUSAL_MEMORY,
    &consistency::CAUSAL,
    &consistency::PRAM,
    &consistency::READ_YOUR_WRITES,
    &consistency::MONOTONIC_READS,
    &consistency::MONOTONIC_WRITES,
    &consistency::WRITES_FOLLOW_READS,
    &consistency::BOUNDED_STALENESS,
    &consistency::CONVERGENCE,
];

/// Their names, in the same order.
pub static NAMES: &[&str] = &{
    let mut names = [""; MODELS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = MODELS[i].name;
        i += 1;
    }
    names
};

/// Linearizability (Herlihy & Wing, 1990) of key-value registers with compare-and-set.
pub static LINEARIZABLE: Model = Model {
    name: "linearizable",
    summary: "every operation takes effect at one instant between its invocation and its completion",
    decide: crate::register::linearizable,
};

impl Model {
    /// The model of this name.
    pub fn find(name: &str) -> Option<&'static Model> {
        MODELS.iter().copied().find(|model| model.name == name)
    }
}

/// How to check.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads to use; 1 keeps to the caller's.
    pub threads: usize,
    /// The history is of a run of ours: a function that was asked and never `ok` makes a valid verdict `unknown`, because
    /// nothing of it was tested. An imported history is judged as it is.
    pub own_run: bool,
    /// Return an order as the certificate of a valid verdict.
    pub certificate: bool,
    /// Check every verdict again by the definitions, apart from the checker ([`certificate`](crate::certificate)), before it is
    /// returned; one that does not hold becomes `unknown`.
    pub recheck: bool,
    /// Explain at most so many anomalies; the rest is counted.
    pub anomalies: usize,
    /// Give up an exact search of one key after so many configurations.
    pub budget: usize,
    /// The bounds of bounded staleness.
    pub staleness: consistency::Bound,
    /// Stops the check from outside, with verdict `unknown`.
    pub limit: Limit,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: 1,
            own_run: false,
            certificate: false,
            recheck: false,
            anomalies: 8,
            budget: 2_000_000,
            staleness: consistency::Bound::default(),
            limit: Limit::default(),
        }
    }
}

/// Decides whether `history` keeps `model`. A checker that panics says `unknown`.
pub fn check(history: &History, model: &Model, options: &Options) -> Report {
    let decide = std::panic::AssertUnwindSafe(|| (model.decide)(history, options));
    let mut report = std::panic::catch_unwind(decide).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let reason = format!("the checker failed: {} (a bug in assize)", said.unwrap_or("a panic without a message"));
        Report::new(model.name, Verdict::unknown(reason), history.len())
    });
    if options.own_run {
        report.verdict = report.verdict.merge(untested(history));
    }
    report
}

/// `unknown` if a function was asked and never `ok`, or if nothing was asked at all.
fn untested(history: &History) -> Verdict {
    let (mut asked, mut answered) = ([false; 256], [false; 256]);
    let columns = &history.operations;
    for (function, outcome) in columns.function.iter().zip(&columns.outcome) {
        asked[*function as usize] = true;
        answered[*function as usize] |= *outcome == Outcome::Ok;
    }
    if history.is_empty() {
        return Verdict::unknown("there are no operations to judge");
    }
    let dead: Vec<&str> =
        Function::ALL.iter().filter(|f| asked[**f as usize] && !answered[**f as usize]).map(|f| f.name()).collect();
    if dead.is_empty() { Verdict::Valid } else { Verdict::unknown(format!("no {} was ever ok", dead.join(" and no "))) }
}
