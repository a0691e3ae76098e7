use std::fmt;
use std::time::Duration;

use base::Time;
use history::{Completion, ErrorKind, Outcome, Phase};
use measure::{Histogram, Latency, Trust, lateness};

use crate::machine::Machine;

/// How many operations ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They happened.
    pub ok: u64,
    /// They certainly did not happen.
    pub fail: u64,
    /// Unknown.
    pub info: u64,
    /// They were still queued at their deadline and never left.
    pub never_sent: u64,
    /// The system gave an answer: `ok`, or a compare-and-set that found another value.
    pub answered: u64,
    /// By code of [`ErrorKind`].
    errors: [u64; ErrorKind::ALL.len()],
}

impl Counts {
    /// Everything that was asked and is over.
    pub fn total(&self) -> u64 {
        self.ok + self.fail + self.info + self.never_sent
    }

    /// Why operations did not end `ok`, with how many; in order of their codes.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorKind, u64)> + '_ {
        let kinds = ErrorKind::ALL.iter().map(|&kind| (kind, self.errors[kind as usize]));
        kinds.filter(|&(kind, count)| kind != ErrorKind::None && count > 0)
    }

    /// Counts one that is over.
    pub fn add(&mut self, completion: &Completion) {
        match (completion.outcome, completion.error) {
            (Outcome::Ok, _) => self.ok += 1,
            (Outcome::Fail, ErrorKind::NeverSent) => self.never_sent += 1,
            (Outcome::Fail, _) => self.fail += 1,
            (Outcome::Info, _) => self.info += 1,
        }
        self.answered += u64::from(is_answered(completion));
        self.errors[completion.error as usize] += 1;
    }
}

/// Whether the system gave the answer that its object has for this case.
pub fn is_answered(completion: &Completion) -> bool {
    completion.outcome == Outcome::Ok || completion.error == ErrorKind::Precondition
}

/// How a stage is going: every [`TICK`].
#[derive(Clone, Debug)]
pub struct Tick {
    /// The part of the run.
    pub phase: Phase,
    /// On the run's clock.
    pub at: Time,
    /// Since the stage began.
    pub elapsed: Duration,
    /// Since the last tick: what the four figures below are about.
    pub window: Duration,
    /// Operations that became due, per second. In a closed loop: that were sent.
    pub asked_per_s: f64,
    /// Operations answered per second.
    pub achieved_per_s: f64,
    /// Median latency of what ended in the window; `None` if nothing did.
    pub p50: Option<Latency>,
    /// 99th percentile of the same.
    pub p99: Option<Latency>,
    /// How everything since the stage began ended.
    pub counts: Counts,
    /// Operations under way.
    pub in_flight: usize,
    /// Operations due that wait for a process.
    pub queued: usize,
}

/// Time between two ticks.
pub const TICK: Duration = Duration::from_millis(250);

/// What came of a stage.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// The part of the run.
    pub phase: Phase,
    /// When it began.
    pub started: Time,
    /// When asking ended.
    pub ended: Time,
    /// When the last answer was in, or given up.
    pub drained: Time,
    /// Operations that were due. In a closed loop and in a list: that were sent.
    pub asked: u64,
    /// How they ended.
    pub counts: Counts,
    /// Answered before asking ended.
    pub answered_in_time: u64,
    /// done - due of what was answered; everything else is infinite. In a closed loop the same as `service`.
    pub latency: Histogram,
    /// done - sent of what was answered.
    pub service: Histogram,
    /// The part of sent - due that waited for a free process: the system's doing.
    pub waiting: Histogram,
    /// The rest of sent - due: this generator was late.
    pub lateness: Histogram,
    /// For each answer, how long it may have lain unread because the engine was busy: since it last looked, or since it woke up
    /// if it had been asleep. An upper bound. What passes between an answer and the waking of a sleeping engine cannot be seen.
    pub read_lag: Histogram,
    /// Most operations that waited for a process at once.
    pub most_queued: usize,
    /// What became of each entry of a list; `None` if it was not asked or not answered. Empty for a load.
    pub answers: Vec<Option<Completion>>,
    /// What the machine did to the engine's thread.
    pub machine: Machine,
}

impl StageReport {
    pub(crate) fn new(phase: Phase, started: Time, listed: usize) -> Self {
        StageReport {
            phase,
            started,
            ended: started,
            drained: started,
            asked: 0,
            counts: Counts::default(),
            answered_in_time: 0,
            latency: Histogram::new(),
            service: Histogram::new(),
            waiting: Histogram::new(),
            lateness: Histogram::new(),
            read_lag: Histogram::new(),
            most_queued: 0,
            answers: vec![None; listed],
            machine: Machine::default(),
        }
    }

    /// How long was asked.
    pub fn lasted(&self) -> Duration {
        self.ended.since(self.started)
    }

    /// Operations due per second.
    pub fn asked_per_s(&self) -> f64 {
        per_second(self.asked, self.lasted())
    }

    /// Operations per second that were answered while operations were being asked.
    pub fn achieved_per_s(&self) -> f64 {
        per_second(self.answered_in_time, self.lasted())
    }

    /// Whether latency and rate can be believed: neither was this generator late to send nor, as far as it can know, to read.
    pub fn trust(&self) -> Trust {
        match (lateness::trust(&self.lateness, &self.latency), lateness::trust(&self.read_lag, &self.latency)) {
            (Trust::Trusted, Trust::Trusted) => Trust::Trusted,
            (Trust::Untrusted(reason), _) => Trust::Untrusted(format!("{reason}; {}", self.machine)),
            (_, Trust::Untrusted(_)) => {
                let lag = self.read_lag.percentile(0.99).unwrap_or(Latency::Infinite);
                Trust::Untrusted(format!(
                    "the load generator was busy: answers may have lain unread for {lag} at the 99th percentile; {}",
                    self.machine
                ))
            }
        }
    }
}

impl fmt::Display for StageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |histogram: &Histogram, quantile| {
            histogram.percentile(quantile).map_or("-".to_string(), |latency| latency.to_string())
        };
        write!(
            f,
            "{:?}: asked {:.1}/s, achieved {:.1}/s, p50 {}, p99 {}, late p50 {} p99 {}, unread at most p99 {}; {} ok, {} fail, {} info, {} never sent",
            self.phase,
            self.asked_per_s(),
            self.achieved_per_s(),
            show(&self.latency, 0.5),
            show(&self.latency, 0.99),
            show(&self.lateness, 0.5),
            show(&self.lateness, 0.99),
            show(&self.read_lag, 0.99),
            self.counts.ok,
            self.counts.fail,
            self.counts.info,
            self.counts.never_sent,
        )
    }
}

pub(crate) fn per_second(count: u64, span: Duration) -> f64 {
    if span.is_zero() { 0.0 } else { count as f64 / span.as_secs_f64() }
}
