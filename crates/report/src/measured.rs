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
    /// after [`Results::faults`] is filled: availability and recovery are added to the faults that are there.
    pub fn measured(&mut self, measurement: &Measurement, lateness: &Histogram, trust: &Trust) {
        let span = measurement.series.span();
        self.load_start = instant(span.start);
        self.load_seconds = seconds(span.length());
        self.trusted = trust.is_trusted();
        self.untrusted_because = match trust {
            Trust::Trusted => String::new(),
            Trust::Untrusted(reason) => reason.clone(),
        };
        self.operations = measurement.outcomes.into();
        self.rate = Rate { asked: neat(measurement.asked_rate), achieved: neat(measurement.achieved_rate) };
        self.latency_us = (&measurement.latency).into();
        self.service_us = (&measurement.service).into();
        self.lateness_us = lateness.into();
        self.availability = measurement.outcomes.availability().map(neat);
        self.longest_gap = measurement
            .longest_gap
            .map(|gap| Gap { start_seconds: instant(gap.start), seconds: seconds(gap.length()) });
        self.functions = functions(measurement);
        self.errors = errors(measurement);
        self.series = series(measurement);
        let point =
            |p: measure::SpectrumPoint| SpectrumPoint { quantile: neat(p.quantile), latency_us: p.latency.into() };
        self.spectrum = measurement.latency.spectrum(SPECTRUM_DENSITY).into_iter().map(point).collect();
        add_recoveries(&mut self.faults, measurement);
        self.faults.iter_mut().for_each(|fault| fault.availability = availability(fault, measurement));
    }
}

/// A time on the clock of the run.
fn instant(time: Time) -> f64 {
    neat(time.seconds())
}

fn seconds(span: Duration) -> f64 {
    neat(span.as_secs_f64())
}

/// Nine digits behind the point: all that is known, and short enough that a file read back holds the same number.
fn neat(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
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
    let origin = measurement.series.span().start;
    let windows = measurement.series.windows(length).iter().map(|found| window(found, origin)).collect();
    Series { window_seconds: seconds(length), windows }
}

fn window(found: &measure::Window, origin: Time) -> Window {
    Window {
        start: instant(origin + found.start),
        seconds: seconds(found.length),
        asked: found.asked,
        ok: found.ok,
        fail: found.fail,
        info: found.info,
        answered: found.answered,
        completed: found.completed,
        p50_us: found.p50.map(Micros::from),
        p99_us: found.p99.map(Micros::from),
        max_us: found.max.map(Micros::from),
    }
}

fn add_recoveries(faults: &mut [Fault], measurement: &Measurement) {
    for found in &measurement.recoveries {
        for fault in faults.iter_mut().filter(|fault| found.faults.contains(&fault.id)) {
            fault.recovery = Some(recovery(found));
        }
    }
}

fn availability(fault: &Fault, measurement: &Measurement) -> Option<f64> {
    let time = |seconds: f64| Time::ZERO + Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let window = measurement.series.between(time(fault.start), time(fault.end));
    (window.asked > 0).then(|| neat(window.answered as f64 / window.asked as f64))
}

fn recovery(found: &measure::Recovery) -> Recovery {
    let state = match found.recovered {
        Recovered::After(_) => RecoveryState::Recovered,
        Recovered::NotWithin(_) => RecoveryState::NotRecovered,
        Recovered::CutShort(_) => RecoveryState::CutShort,
        Recovered::Unmeasured => RecoveryState::Unmeasured,
    };
    Recovery {
        state,
        seconds: found.recovered.time().map(seconds),
        start: instant(found.start),
        longest_gap_seconds: seconds(found.longest_gap),
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
            mean: histogram.mean().map(|nanos| Micros::Finite(nanos.round() / 1e3)),
        }
    }
}

impl From<Outcomes> for Operations {
    fn from(outcomes: Outcomes) -> Self {
        let Outcomes { ok, fail, info, answered } = outcomes;
        Operations { ok, fail, info, answered }
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
