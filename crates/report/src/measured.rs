//! Takes over what [`measure`] measured.

use std::time::Duration;

use base::Time;
use measure::{Histogram, Judgement, Latency, Measurement, Outcomes, Recovered, Trust};

use crate::results::{
    ErrorCount, Fault, Function, Gap, LatencyUs, Micros, Objective, Operations, Rate, Recovery, RecoveryState, Results,
    Series, SpectrumPoint, Standing, Window,
};

/// Points of the latency spectrum for each halving of the share that is slower.
const SPECTRUM_DENSITY: u32 = 8;

impl Results {
    /// Takes over the figures: everything but checks, objectives, the faults themselves, and the facts of the run. Call it
    /// after [`Results::faults`] is filled: recoveries are added to the faults that are there.
    pub fn measured(&mut self, measurement: &Measurement, lateness: &Histogram, trust: &Trust) {
        let span = measurement.series.span();
        self.load_seconds = span.length().as_secs_f64();
        self.trusted = trust.is_trusted();
        self.untrusted_because = match trust {
            Trust::Trusted => String::new(),
            Trust::Untrusted(reason) => reason.clone(),
        };
        self.operations = measurement.outcomes.into();
        self.rate = Rate { asked: measurement.asked_rate, achieved: measurement.achieved_rate };
        self.latency_us = (&measurement.latency).into();
        self.service_us = (&measurement.service).into();
        self.lateness_us = lateness.into();
        self.availability = measurement.outcomes.availability();
        self.longest_gap = measurement
            .longest_gap
            .map(|gap| Gap { start_seconds: seconds_from(span.start, gap.start), seconds: gap.length().as_secs_f64() });
        self.functions = functions(measurement);
        self.errors = errors(measurement);
        self.series = series(measurement);
        let point = |p: measure::SpectrumPoint| SpectrumPoint { quantile: p.quantile, latency_us: p.latency.into() };
        self.spectrum = measurement.latency.spectrum(SPECTRUM_DENSITY).into_iter().map(point).collect();
        add_recoveries(&mut self.faults, measurement);
    }
}

/// Seconds from `origin`, negative before it.
pub(crate) fn seconds_from(origin: Time, time: Time) -> f64 {
    time.seconds() - origin.seconds()
}

fn functions(measurement: &Measurement) -> Vec<Function> {
    let figures = measurement.functions.iter();
    figures
        .map(|(function, figures)| Function {
            name: function.to_string(),
            operations: figures.outcomes.into(),
            latency_us: (&figures.latency).into(),
        })
        .collect()
}

fn errors(measurement: &Measurement) -> Vec<ErrorCount> {
    let count = |(kind, &count): (&_, &u64)| ErrorCount { kind: ToString::to_string(kind), count };
    let mut errors: Vec<ErrorCount> = measurement.errors.iter().map(count).collect();
    errors.sort_by_key(|error| std::cmp::Reverse(error.count));
    errors
}

fn series(measurement: &Measurement) -> Series {
    let length = measurement.series.chart_window();
    let windows = measurement.series.windows(length).iter().map(Window::from).collect();
    Series { window_seconds: length.as_secs_f64(), windows }
}

fn add_recoveries(faults: &mut [Fault], measurement: &Measurement) {
    let origin = measurement.series.span().start;
    for found in &measurement.recoveries {
        for fault in faults.iter_mut().filter(|fault| found.faults.contains(&fault.id)) {
            fault.recovery = Some(recovery(found, origin));
        }
    }
}

fn recovery(found: &measure::Recovery, origin: Time) -> Recovery {
    let state = match found.recovered {
        Recovered::After(_) => RecoveryState::Recovered,
        Recovered::NotWithin(_) => RecoveryState::NotRecovered,
        Recovered::CutShort(_) => RecoveryState::CutShort,
        Recovered::Unmeasured => RecoveryState::Unmeasured,
    };
    Recovery {
        state,
        seconds: found.recovered.time().map(|time| time.as_secs_f64()),
        start: seconds_from(origin, found.start),
        longest_gap_seconds: found.longest_gap.as_secs_f64(),
        shared_by: found.faults.clone(),
    }
}

impl From<Latency> for Micros {
    fn from(latency: Latency) -> Self {
        latency.nanos().map_or(Micros::Never, |nanos| Micros::Finite(nanos as f64 / 1e3))
    }
}

impl From<Duration> for Micros {
    fn from(span: Duration) -> Self {
        Micros::Finite(span.as_nanos() as f64 / 1e3)
    }
}

impl From<&Histogram> for LatencyUs {
    fn from(histogram: &Histogram) -> Self {
        let percentile = |quantile| histogram.percentile(quantile).map(Micros::from);
        LatencyUs {
            p50: percentile(0.5),
            p90: percentile(0.9),
            p99: percentile(0.99),
            p999: percentile(0.999),
            max: histogram.max().map(Micros::from),
            mean: histogram.mean().map(|nanos| Micros::Finite(nanos / 1e3)),
        }
    }
}

impl From<Outcomes> for Operations {
    fn from(outcomes: Outcomes) -> Self {
        let Outcomes { ok, fail, info, answered } = outcomes;
        Operations { ok, fail, info, answered }
    }
}

impl From<&measure::Window> for Window {
    fn from(window: &measure::Window) -> Self {
        Window {
            start: window.start.as_secs_f64(),
            seconds: window.length.as_secs_f64(),
            asked: window.asked,
            ok: window.ok,
            fail: window.fail,
            info: window.info,
            answered: window.answered,
            completed: window.completed,
            p50_us: window.p50.map(Micros::from),
            p99_us: window.p99.map(Micros::from),
            max_us: window.max.map(Micros::from),
        }
    }
}

impl From<Judgement> for Objective {
    fn from(judgement: Judgement) -> Self {
        let Judgement { name, target, measured, standing, reason } = judgement;
        let standing = match standing {
            measure::Standing::Met => Standing::Met,
            measure::Standing::Unknown => Standing::Unknown,
            measure::Standing::Missed => Standing::Missed,
        };
        Objective { name, target, measured, standing, reason }
    }
}
