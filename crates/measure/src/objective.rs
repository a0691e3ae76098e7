//! Objectives: what the run must reach, and whether it did.
//!
//! What is not known is `unknown`, never `met`: latencies and rates of an untrusted run, a recovery that could not be seen to
//! its end, a model that the checker could not decide.

use std::time::Duration;

use base::units::{show_count, show_duration};

use crate::histogram::Latency;
use crate::lateness::Trust;
use crate::recovery::{Recovered, Recovery};

/// One thing that a run must reach.
#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    /// The latency at this quantile (0.99 for p99) is at most this.
    Latency(f64, Duration),
    /// At least this many `ok` per second.
    Rate(f64),
    /// At most this share of the operations gets no answer.
    ErrorShare(f64),
    /// From every fault the system recovers within this time.
    Recovery(Duration),
    /// At most this many acknowledged writes are lost.
    LostWrites(u64),
    /// The history satisfies this consistency model.
    Model(String),
}

/// What was measured and decided, as far as objectives ask.
#[derive(Clone, Debug)]
pub struct Figures<'a> {
    /// The measurement.
    pub measured: &'a super::Measurement,
    /// Whether its latencies and rates can be believed.
    pub trust: &'a Trust,
    /// Acknowledged writes that no order consistent with the final reads contains; `None` if that was not decided.
    pub lost_writes: Option<u64>,
    /// Models that were decided, and whether the history satisfies them.
    pub models: &'a [(String, Option<bool>)],
}

/// Whether an objective was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It was.
    Met,
    /// Nobody can say.
    Unknown,
    /// It was not.
    Missed,
}

/// An objective with what came of it, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is judged: `p99 latency`.
    pub name: String,
    /// What was wanted: `at most 20.0 ms`.
    pub target: String,
    /// What was measured: `8.42 ms`; `-` if nothing was.
    pub measured: String,
    /// Whether that is enough.
    pub standing: Standing,
    /// Why it is unknown or missed, where the figures do not say it themselves; else empty.
    pub reason: String,
}

impl Objective {
    /// What is judged.
    pub fn name(&self) -> String {
        match self {
            Objective::Latency(quantile, _) => format!("{} latency", percentile_name(*quantile)),
            Objective::Rate(_) => "achieved rate".into(),
            Objective::ErrorShare(_) => "error share".into(),
            Objective::Recovery(_) => "recovery time".into(),
            Objective::LostWrites(_) => "lost writes".into(),
            Objective::Model(model) => model.clone(),
        }
    }

    /// What is wanted.
    pub fn target(&self) -> String {
        match self {
            Objective::Latency(_, limit) | Objective::Recovery(limit) => format!("at most {}", show_duration(*limit)),
            Objective::Rate(rate) => format!("at least {}", show_rate(*rate)),
            Objective::ErrorShare(share) => format!("at most {}", show_share(*share)),
            Objective::LostWrites(0) => "none".into(),
            Objective::LostWrites(count) => format!("at most {}", show_count(*count)),
            Objective::Model(_) => "valid".into(),
        }
    }

    /// Judges what was measured.
    pub fn judge(&self, figures: &Figures) -> Judgement {
        let (measured, standing, reason) =
            self.compare(figures).unwrap_or(("-".into(), Standing::Unknown, UNSEEN.into()));
        let mut judgement = Judgement { name: self.name(), target: self.target(), measured, standing, reason };
        let needs_trust = matches!(self, Objective::Latency(..) | Objective::Rate(_) | Objective::Recovery(_));
        if let (true, Trust::Untrusted(reason)) = (needs_trust, figures.trust) {
            judgement.standing = Standing::Unknown;
            judgement.reason = format!("untrusted: {reason}");
        }
        judgement
    }

    /// What was measured, and whether it is enough; `None` when nothing was.
    fn compare(&self, figures: &Figures) -> Option<(String, Standing, String)> {
        let measured = figures.measured;
        let plain = |text: String, enough: bool| Some((text, Standing::of(enough), String::new()));
        match self {
            Objective::Latency(quantile, limit) => {
                let latency = measured.latency.percentile(*quantile)?;
                let never = "too many operations got no answer";
                let reason = if latency == Latency::Infinite { never } else { "" };
                Some((latency.to_string(), Standing::of(latency <= Latency::from(*limit)), reason.into()))
            }
            Objective::Rate(rate) => plain(show_rate(measured.achieved_rate), measured.achieved_rate >= *rate),
            Objective::ErrorShare(limit) => {
                let share = measured.outcomes.error_share()?;
                plain(show_share(share), share <= *limit)
            }
            Objective::Recovery(limit) => recovery(&measured.recoveries, *limit),
            Objective::LostWrites(limit) => plain(show_count(figures.lost_writes?), figures.lost_writes? <= *limit),
            Objective::Model(model) => match figures.models.iter().find(|(name, _)| name == model)?.1 {
                Some(valid) => plain(if valid { "valid" } else { "invalid" }.into(), valid),
                None => Some(("unknown".into(), Standing::Unknown, String::new())),
            },
        }
    }
}

impl Standing {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Met => "met",
            Standing::Unknown => "unknown",
            Standing::Missed => "missed",
        }
    }

    fn of(enough: bool) -> Standing {
        if enough { Standing::Met } else { Standing::Missed }
    }
}

const UNSEEN: &str = "not measured";

/// The worst of all faults decides.
fn recovery(recoveries: &[Recovery], limit: Duration) -> Option<(String, Standing, String)> {
    let judged = recoveries.iter().map(|recovery| {
        let faults: Vec<String> = recovery.faults.iter().map(|id| format!("#{id}")).collect();
        let after = format!("after fault {}", faults.join(", "));
        let (rank, standing, text) = one_recovery(recovery.recovered, limit);
        (standing, rank, text, after)
    });
    let (standing, _, measured, after) = judged.max_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)))?;
    Some((measured, standing, after))
}

fn one_recovery(recovered: Recovered, limit: Duration) -> (Duration, Standing, String) {
    match recovered {
        Recovered::After(time) => (time, Standing::of(time <= limit), show_duration(time)),
        Recovered::NotWithin(watched) if watched > limit => {
            (watched, Standing::Missed, format!("not within {}", show_duration(watched)))
        }
        Recovered::NotWithin(watched) => {
            (watched, Standing::Unknown, format!("not within {}, when the load ended", show_duration(watched)))
        }
        Recovered::CutShort(watched) => (watched, Standing::Unknown, "load ended too early".into()),
        Recovered::Unmeasured => (Duration::ZERO, Standing::Unknown, "nothing to compare with".into()),
    }
}

/// `p99.9` for 0.999.
fn percentile_name(quantile: f64) -> String {
    let percent = format!("{:.4}", quantile * 100.0);
    format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
}

fn show_rate(rate: f64) -> String {
    format!("{}/s", show_count(rate.round() as u64))
}

fn show_share(share: f64) -> String {
    let percent = format!("{:.2}", share * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}
