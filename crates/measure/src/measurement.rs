//! Everything that is measured of one run, from its operations alone: what `assize report RUN` computes again.

use std::collections::BTreeMap;
use std::time::Duration;

use history::{ErrorKind, Function, History, Operation, Outcome, Phase};

use crate::histogram::{Histogram, Latency};
use crate::recovery::{Disturbance, Gaps, Loop, Recovery, recoveries};
use crate::series::{Series, Span, latency, per_second};

/// The figures of a run. Operations count when they were due in the load phase.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// What became of all of them.
    pub outcomes: Outcomes,
    /// The same for each function that was asked.
    pub functions: BTreeMap<Function, FunctionFigures>,
    /// Why operations did not end `ok`.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Latencies from when each operation was due; infinite when it got no answer.
    pub latency: Histogram,
    /// Time from when it was sent, of the operations that were answered.
    pub service: Histogram,
    /// Operations due per second.
    pub asked_rate: f64,
    /// Operations whose `ok` arrived in the load phase, per second.
    pub achieved_rate: f64,
    /// Over time.
    pub series: Series,
    /// From each fault.
    pub recoveries: Vec<Recovery>,
    /// The longest stretch without an `ok` while operations were due.
    pub longest_gap: Option<Span>,
}

/// How many operations ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// They happened.
    pub ok: u64,
    /// They certainly did not happen.
    pub fail: u64,
    /// Their fate is unknown.
    pub info: u64,
    /// They got an answer: `ok`, or a compare-and-set that found another value.
    pub answered: u64,
}

impl Outcomes {
    /// All of them.
    pub fn asked(&self) -> u64 {
        self.ok + self.fail + self.info
    }

    /// The share that got an answer (availability); `None` when none was asked.
    pub fn availability(&self) -> Option<f64> {
        (self.asked() > 0).then(|| self.answered as f64 / self.asked() as f64)
    }

    /// The share that got none; `None` when none was asked.
    pub fn error_share(&self) -> Option<f64> {
        (self.asked() > 0).then(|| (self.asked() - self.answered) as f64 / self.asked() as f64)
    }

    fn count(&mut self, operation: &Operation) {
        match operation.completion.outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Info => self.info += 1,
        }
        self.answered += u64::from(latency(operation) != Latency::Infinite);
    }
}

/// The figures of one function.
#[derive(Clone, Debug, Default)]
pub struct FunctionFigures {
    /// What became of its operations.
    pub outcomes: Outcomes,
    /// Their latencies.
    pub latency: Histogram,
}

impl Measurement {
    /// Measures the load phase of a history.
    pub fn of(history: &History, span: Span, faults: &[Disturbance], mode: Loop) -> Measurement {
        let all =
            || history.iter().chain(history.never_sent.iter()).filter(|operation| operation.phase != Phase::Final);
        Measurement::new(all, span, faults, mode)
    }

    /// Measures the load phase `span`. Give all operations of the run except the final reads: those due outside of the span
    /// count only by their completion in it. `operations` is asked for three times.
    pub fn new<I>(operations: impl Fn() -> I, span: Span, faults: &[Disturbance], mode: Loop) -> Measurement
    where
        I: IntoIterator<Item = Operation>,
    {
        let series = Series::new(operations(), span);
        let gaps = Gaps::new(operations(), span);
        let mut measurement = Measurement {
            outcomes: Outcomes::default(),
            functions: BTreeMap::new(),
            errors: BTreeMap::new(),
            latency: Histogram::new(),
            service: Histogram::new(),
            asked_rate: 0.0,
            achieved_rate: 0.0,
            recoveries: recoveries(&series, &gaps, faults, mode),
            longest_gap: gaps.longest(),
            series,
        };
        operations().into_iter().filter(|o| span.contains(o.due)).for_each(|o| measurement.count(&o));
        let completed = measurement.series.between(span.start, span.end).completed;
        measurement.asked_rate = per_second(measurement.outcomes.asked(), span.length());
        measurement.achieved_rate = per_second(completed, span.length());
        measurement
    }

    /// The longest recovery; `None` when a fault was not recovered from or not measured, or when there was none.
    pub fn longest_recovery(&self) -> Option<Duration> {
        let times: Option<Vec<Duration>> = self.recoveries.iter().map(|recovery| recovery.recovered.time()).collect();
        times?.into_iter().max()
    }

    fn count(&mut self, operation: &Operation) {
        let latency = latency(operation);
        self.outcomes.count(operation);
        self.latency.record_latency(latency);
        let figures = self.functions.entry(operation.request.function).or_default();
        figures.outcomes.count(operation);
        figures.latency.record_latency(latency);
        if latency != Latency::Infinite {
            self.service.record((operation.done - operation.sent).as_nanos() as u64);
        }
        if operation.completion.outcome != Outcome::Ok {
            *self.errors.entry(operation.completion.error).or_default() += 1;
        }
    }
}
