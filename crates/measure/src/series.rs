//! What clients saw over time.
//!
//! An operation belongs to the window in which it was *due*: its outcome and its latency (from `due` to `done`) are counted
//! there, so that a stall shows at the time at which it hurt. Only `completed` is counted where the `ok` arrived: it is the
//! throughput of the system. An operation that got no answer has an infinite latency.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Time;
use history::{ErrorKind, Operation, Outcome};

use crate::histogram::{self, Histogram, Latency};

/// A stretch of a run, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub start: Time,
    /// The first instant after.
    pub end: Time,
}

impl Span {
    /// How long it is.
    pub fn length(self) -> Duration {
        self.end - self.start
    }

    /// Whether an instant lies in it.
    pub fn contains(self, time: Time) -> bool {
        self.start <= time && time < self.end
    }
}

/// The load phase cut into slices of equal length, from which windows of any multiple are put together.
///
/// Takes 4 bytes an operation.
#[derive(Clone, Debug)]
pub struct Series {
    span: Span,
    slice: Duration,
    slices: Vec<Slice>,
}

/// What happened in one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Start, from the start of the load phase.
    pub start: Duration,
    /// Length; the last window may be shorter than the others.
    pub length: Duration,
    /// Operations due here. Invariant: `asked == ok + fail + info`.
    pub asked: u64,
    /// Of these, those that happened.
    pub ok: u64,
    /// Of these, those that certainly did not happen.
    pub fail: u64,
    /// Of these, those whose fate is unknown.
    pub info: u64,
    /// Of these, those that got an answer: `ok`, or a compare-and-set that found another value.
    pub answered: u64,
    /// Operations, due at any time, whose `ok` arrived here.
    pub completed: u64,
    /// Why operations due here did not end `ok`.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Median latency of operations due here; `None` when none was due.
    pub p50: Option<Latency>,
    /// 99th percentile of their latency.
    pub p99: Option<Latency>,
    /// The longest of their latencies.
    pub max: Option<Latency>,
}

impl Window {
    /// `ok` completions per second.
    pub fn goodput(&self) -> f64 {
        per_second(self.completed, self.length)
    }
}

/// The least length of a slice: what a recovery time is measured to.
const SLICE: Duration = Duration::from_millis(50);
/// More slices than this are not kept; they become longer instead.
const MOST_SLICES: u64 = 200_000;
const KINDS: usize = ErrorKind::ALL.len();

#[derive(Clone, Debug, Default)]
struct Slice {
    ok: u64,
    fail: u64,
    info: u64,
    completed: u64,
    errors: [u32; KINDS],
    /// The histogram buckets of the answered operations.
    latencies: Vec<u32>,
    longest: u64,
}

impl Series {
    /// Sorts operations into slices. Those due outside of `span` count only by their completion.
    pub fn new(operations: impl IntoIterator<Item = Operation>, span: Span) -> Series {
        let length = span.length().as_nanos() as u64;
        let slice = SLICE.max(Duration::from_nanos(length.div_ceil(MOST_SLICES)));
        let count = length.div_ceil(slice.as_nanos() as u64) as usize;
        let mut series = Series { span, slice, slices: vec![Slice::default(); count] };
        operations.into_iter().for_each(|operation| series.count(&operation));
        series
    }

    /// The stretch that is covered.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The resolution: the length of one slice.
    pub fn slice(&self) -> Duration {
        self.slice
    }

    /// A length of window that gives a chart at most 240 points: 250 ms, 500 ms, 1 s, 2 s, 5 s, ...
    pub fn chart_window(&self) -> Duration {
        let steps = [1u64, 2, 4, 8, 20, 40, 120, 240, 480, 1200];
        let lengths = steps.map(|step| Duration::from_millis(250 * step));
        let fits = |length: &Duration| self.span.length() <= *length * 240;
        lengths.into_iter().find(fits).unwrap_or(self.span.length() / 240).max(self.slice)
    }

    /// The whole span in windows of this length, rounded to whole slices.
    pub fn windows(&self, length: Duration) -> Vec<Window> {
        let step = ((length.as_nanos() / self.slice.as_nanos().max(1)) as usize).max(1);
        let mut scratch = Histogram::new();
        (0..self.slices.len()).step_by(step).map(|first| self.join(first, first + step, &mut scratch)).collect()
    }

    /// What happened between two instants, rounded outwards to whole slices.
    pub fn between(&self, from: Time, to: Time) -> Window {
        self.join(self.place(from), self.place(to + (self.slice - Duration::from_nanos(1))), &mut Histogram::new())
    }

    /// The slice that an instant falls in; the instants after the span fall in the slice after the last.
    pub(crate) fn place(&self, time: Time) -> usize {
        let place = (time - self.span.start).as_nanos() / self.slice.as_nanos().max(1);
        (place as usize).min(self.slices.len())
    }

    /// How many slices there are.
    pub(crate) fn len(&self) -> usize {
        self.slices.len()
    }

    /// When a slice starts.
    pub(crate) fn start_of(&self, slice: usize) -> Time {
        self.span.start + self.slice * slice as u32
    }

    /// The window made of the slices `first..end`.
    pub(crate) fn join(&self, first: usize, end: usize, scratch: &mut Histogram) -> Window {
        let end = end.min(self.slices.len());
        let first = first.min(end);
        let start = self.start_of(first);
        let length = self.start_of(end).min(self.span.end).max(start) - start;
        let mut window = Window { start: start - self.span.start, length, ..Window::default() };
        scratch.clear();
        let slices = &self.slices[first..end];
        slices.iter().for_each(|slice| slice.add_to(&mut window, scratch));
        (window.p50, window.p99) = (scratch.percentile(0.5), scratch.percentile(0.99));
        let longest = slices.iter().map(|slice| slice.longest).max().unwrap_or(0);
        window.max = scratch.max().map(|max| max.min(Latency::Nanos(longest)).max(infinite_if(scratch.infinite())));
        window
    }

    fn count(&mut self, operation: &Operation) {
        if operation.completion.outcome == Outcome::Ok && self.span.contains(operation.done) {
            let place = self.place(operation.done);
            self.slices[place].completed += 1;
        }
        if self.span.contains(operation.due) {
            let place = self.place(operation.due);
            self.slices[place].count(operation);
        }
    }
}

impl Slice {
    fn count(&mut self, operation: &Operation) {
        match operation.completion.outcome {
            Outcome::Ok => self.ok += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Info => self.info += 1,
        }
        if operation.completion.outcome != Outcome::Ok {
            self.errors[operation.completion.error as usize] += 1;
        }
        if let Latency::Nanos(nanos) = latency(operation) {
            self.latencies.push(histogram::bucket_of(nanos) as u32);
            self.longest = self.longest.max(nanos);
        }
    }

    fn asked(&self) -> u64 {
        self.ok + self.fail + self.info
    }

    fn add_to(&self, window: &mut Window, histogram: &mut Histogram) {
        window.asked += self.asked();
        window.ok += self.ok;
        window.fail += self.fail;
        window.info += self.info;
        window.answered += self.latencies.len() as u64;
        window.completed += self.completed;
        for (kind, &count) in ErrorKind::ALL.iter().zip(&self.errors) {
            if count > 0 {
                *window.errors.entry(*kind).or_default() += u64::from(count);
            }
        }
        self.latencies.iter().for_each(|&bucket| histogram.record(histogram::top_of(bucket as usize)));
        (self.latencies.len() as u64..self.asked()).for_each(|_| histogram.record_infinite());
    }
}

/// How long a client waited from the time at which the operation was due: infinitely when it got no answer.
///
/// A compare-and-set that found another value was answered; every other error is none.
pub(crate) fn latency(operation: &Operation) -> Latency {
    let completion = operation.completion;
    let answered = completion.outcome == Outcome::Ok
        || (completion.outcome == Outcome::Fail && completion.error == ErrorKind::Precondition);
    if answered { Latency::from(operation.done - operation.due) } else { Latency::Infinite }
}

pub(crate) fn per_second(count: u64, length: Duration) -> f64 {
    if length.is_zero() { 0.0 } else { count as f64 / length.as_secs_f64() }
}

fn infinite_if(infinite: u64) -> Latency {
    if infinite > 0 { Latency::Infinite } else { Latency::Nanos(0) }
}
