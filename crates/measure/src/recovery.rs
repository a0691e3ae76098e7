//! Recovery time, and the longest gap without an `ok`.
//!
//! **Recovery time**: from a fault's start until goodput is at least 90 %, and p99 at most twice, of what they were before it,
//! for 2 s. In detail:
//!
//! - *before it* is the [`HOLD`] (2 s) before the fault's start, less what lies before the recovery from the fault before;
//!   if less than [`LEAST_BASELINE`] is left of it, the figures before that fault are used again;
//! - *goodput* is `ok` completions per second. In an open loop the load profile may ask for less than before; then 90 % of what
//!   was asked is enough;
//! - *p99* is that of the latencies of operations due in the 2 s, with no answer as infinite. So no more than 1 % of the
//!   operations of these 2 s can be bad, and recovery is not dated earlier than 20 ms too soon;
//! - the time is measured to one slice of the [`Series`] (50 ms). It can be 0: the fault was not felt. It can be shorter than the
//!   fault: a cluster recovers from a lost leader by electing another, while the fault lasts;
//! - *overlapping faults share one*: faults that overlap, and a fault that begins before the system has recovered from
//!   the one before. The time counts from the start of the first until it is good again after the start of the last.
//!
//! **Longest gap**: the longest time without an `ok` while operations were due. It starts at an `ok` (or the start of the load, or
//! the first time after it at which an operation was due or under way) and ends at the next (or at the end of the load).

use std::time::Duration;

use base::Time;
use history::{Operation, Outcome};

use crate::histogram::{Histogram, Latency};
use crate::series::{Series, Span, Window};

/// For how long it must be good again.
pub const HOLD: Duration = Duration::from_secs(2);
/// The share of the goodput before that must be reached.
pub const GOODPUT_SHARE: f64 = 0.9;
/// The multiple of the p99 before that must not be exceeded.
pub const P99_FACTOR: f64 = 2.0;
/// With less than this to compare with, the comparison would be noise.
pub const LEAST_BASELINE: Duration = Duration::from_millis(500);

/// A fault, as far as recovery is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// The fault's id.
    pub id: u32,
    /// When it began.
    pub start: Time,
    /// When it was undone.
    pub end: Time,
}

/// Who decides when the next operation is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Loop {
    /// The load profile, whatever the system does.
    #[default]
    Open,
    /// The system: a process asks again when it was answered.
    Closed,
}

/// One fault, or several that share a recovery.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    /// The ids of the faults, in order of their start.
    pub faults: Vec<u32>,
    /// When the first began.
    pub start: Time,
    /// When the last was undone.
    pub end: Time,
    /// What came of it.
    pub recovered: Recovered,
    /// The longest time without an `ok` while operations were due, of those that overlap the time from the first fault's start
    /// until recovery and 2 s after the last was undone, or until the next fault.
    pub longest_gap: Duration,
}

/// Whether the system came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// After this long.
    After(Duration),
    /// Not in the time in which it was watched: until the load ended.
    NotWithin(Duration),
    /// Good at the end, but the load ended before that had lasted [`HOLD`]; it was watched for this long.
    CutShort(Duration),
    /// There was nothing to compare with: no `ok` before the fault.
    Unmeasured,
}

/// The recovery from each fault or group of faults, in order of time. Faults that begin outside of the series are left out.
///
/// Costs one pass over 2 s of operations for each slice until recovery.
pub fn recoveries(series: &Series, gaps: &Gaps, faults: &[Disturbance], mode: Loop) -> Vec<Recovery> {
    let mut faults: Vec<Disturbance> = faults.iter().copied().filter(|f| series.span().contains(f.start)).collect();
    faults.sort_by_key(|fault| (fault.start, fault.id));
    let mut faults = faults.into_iter().peekable();
    let mut watch = Watch { series, mode, scratch: Histogram::new(), clean_from: series.span().start, before: None };
    let mut found = Vec::new();
    while let Some(first) = faults.next() {
        watch.look_back(first.start);
        let mut group = Group { start: first.start, last_start: first.start, end: first.end, ids: vec![first.id] };
        let mut recovered = watch.recovered(&group);
        while let Some(next) = faults.next_if(|next| next.start < group.end.max(recovered.at(&group, series.span()))) {
            group.absorb(next);
            recovered = watch.recovered(&group);
        }
        watch.clean_from = recovered.at(&group, series.span());
        // Healing can hurt too, so the time after counts, as far as it is not the next fault's.
        let felt = watch.clean_from.max(group.end + HOLD);
        let felt = Span { start: group.start, end: faults.peek().map_or(felt, |next| felt.min(next.start)) };
        found.push(Recovery {
            faults: group.ids,
            start: group.start,
            end: group.end,
            recovered,
            longest_gap: gaps.longest_in(felt),
        });
    }
    found
}

impl Recovered {
    /// The recovery time, if there is one.
    pub fn time(self) -> Option<Duration> {
        match self {
            Recovered::After(time) => Some(time),
            _ => None,
        }
    }

    fn at(self, group: &Group, span: Span) -> Time {
        match self {
            Recovered::After(time) => group.start + time,
            _ => span.end,
        }
    }
}

/// Faults that share a recovery.
struct Group {
    ids: Vec<u32>,
    start: Time,
    /// When the last of them began: the system cannot have recovered from all before.
    last_start: Time,
    end: Time,
}

impl Group {
    fn absorb(&mut self, fault: Disturbance) {
        self.ids.push(fault.id);
        self.last_start = fault.start;
        self.end = self.end.max(fault.end);
    }
}

struct Watch<'a> {
    series: &'a Series,
    mode: Loop,
    scratch: Histogram,
    /// When the system had recovered from the fault before.
    clean_from: Time,
    /// What it was like before the fault.
    before: Option<Window>,
}

impl Watch<'_> {
    /// Looks at the time before a fault; keeps what it saw before an earlier one if that time is too short.
    fn look_back(&mut self, start: Time) {
        let series = self.series;
        let hold_before = Time(start.nanos().saturating_sub(HOLD.as_nanos() as u64));
        let from = self.clean_from.max(hold_before) + (series.slice() - Duration::from_nanos(1));
        let window = series.join(series.place(from), series.place(start), &mut self.scratch);
        if window.length >= LEAST_BASELINE {
            self.before = Some(window);
        }
    }

    fn recovered(&mut self, group: &Group) -> Recovered {
        let series = self.series;
        let Some(before) = self.before.clone().filter(|before| before.completed > 0) else {
            return Recovered::Unmeasured;
        };
        let hold = HOLD.as_nanos().div_ceil(series.slice().as_nanos().max(1)) as usize;
        let watched = series.span().end - group.start;
        for first in series.place(group.last_start)..series.len() {
            let whole = series.start_of(first + hold) <= series.span().end;
            let window = series.join(first, first + hold, &mut self.scratch);
            if self.is_good(&window, &before) {
                let time = series.start_of(first).max(group.last_start) - group.start;
                return if whole { Recovered::After(time) } else { Recovered::CutShort(watched) };
            }
        }
        Recovered::NotWithin(watched)
    }

    fn is_good(&self, window: &Window, before: &Window) -> bool {
        let asked = crate::series::per_second(window.asked, window.length);
        let wanted = match self.mode {
            Loop::Open => before.goodput().min(asked),
            Loop::Closed => before.goodput(),
        };
        let limit = before.p99.map_or(f64::INFINITY, Latency::micros) * P99_FACTOR;
        let fast = window.p99.is_some_and(|p99| p99.micros() <= limit);
        fast && window.goodput() >= wanted * GOODPUT_SHARE
    }
}

/// The stretches without an `ok` while operations were due, in order of time.
#[derive(Clone, Debug, Default)]
pub struct Gaps {
    gaps: Vec<Span>,
}

/// Shorter gaps are not kept: at a thousand operations a second, every pair of them is one.
const SHORTEST_GAP: Duration = Duration::from_millis(2);

impl Gaps {
    /// Finds the gaps of a span. Sorts the operations: 32 bytes and `log n` steps each.
    pub fn new(operations: impl IntoIterator<Item = Operation>, span: Span) -> Gaps {
        let mut due = Vec::new();
        let mut oks = Vec::new();
        for operation in operations {
            let ok = operation.completion.outcome == Outcome::Ok;
            if span.contains(operation.due) {
                due.push((operation.due, if ok { operation.done } else { operation.due }));
            }
            if ok && span.contains(operation.done) {
                oks.push(operation.done);
            }
        }
        due.sort_unstable();
        oks.sort_unstable();
        oks.push(span.end);
        Gaps { gaps: find_gaps(&due, &oks, span) }
    }

    /// The longest gap of all, and when it began.
    pub fn longest(&self) -> Option<Span> {
        self.gaps.iter().copied().max_by_key(|gap| gap.length())
    }

    /// The length of the longest gap that overlaps a span, counted whole; zero when there is none.
    pub fn longest_in(&self, span: Span) -> Duration {
        let overlapping = self.gaps.iter().filter(|gap| gap.start < span.end && span.start < gap.end);
        overlapping.map(|gap| gap.length()).max().unwrap_or_default()
    }
}

/// `due`: when each operation was due and, if it ended `ok`, when; in order. `oks`: when an `ok` came, in order, and the end.
fn find_gaps(due: &[(Time, Time)], oks: &[Time], span: Span) -> Vec<Span> {
    let mut gaps = Vec::new();
    let (mut next_due, mut pending_until, mut before) = (0, Time::ZERO, span.start);
    for &ok in oks {
        while let Some(&(_, done)) = due.get(next_due).filter(|(at, _)| *at <= before) {
            pending_until = pending_until.max(done);
            next_due += 1;
        }
        let start = match due.get(next_due) {
            _ if pending_until > before => before,
            Some(&(at, _)) => at,
            None => ok,
        };
        if ok - start >= SHORTEST_GAP {
            gaps.push(Span { start, end: ok });
        }
        before = ok;
    }
    gaps
}
