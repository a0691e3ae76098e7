//! Figures and phrases as people read them; the terminal and the HTML report use the same.

use std::time::Duration;

use base::units::{show_count, show_duration};

use crate::results::{Check, Fault, Micros, Recovery, RecoveryState, Resources, Results, Standing, Verdict};

/// A character from outside, replaced if it could steer a terminal (controls) or make one text look like another (marks that reorder
/// text: bidirectional overrides and isolates).
pub(crate) fn plain(c: char) -> char {
    let reorders = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
    if c.is_control() || reorders { '\u{fffd}' } else { c }
}

/// `8.42 ms`, `never`, or `-` when nothing was measured.
pub(crate) fn micros(micros: Option<Micros>) -> String {
    match micros {
        None => "-".into(),
        Some(Micros::Never) => "never".into(),
        Some(Micros::Finite(micros)) => seconds(micros / 1e6),
    }
}

/// `1.30 s`, `250 ms`.
pub(crate) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or("-".into(), show_duration)
}

/// A point of time in the run: `5.0 s`, `-1.6 s`.
pub(crate) fn instant(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// `99.35 %`; never rounded up to 100 % when something is missing.
pub(crate) fn percent(share: Option<f64>) -> String {
    let Some(share) = share.filter(|share| share.is_finite()) else { return "-".into() };
    let hundredths = (share * 10_000.0).floor();
    let places = if hundredths % 100.0 == 0.0 { 0 } else { 2 };
    format!("{:.places$} %", hundredths / 100.0)
}

/// `1 987/s`.
pub(crate) fn rate(rate: f64) -> String {
    format!("{}/s", show_count(rate.round().max(0.0) as u64))
}

/// The verdict and whether that is all: `valid, but 1 objective missed`.
pub(crate) fn verdict(results: &Results) -> String {
    let count = |standing| results.objectives.iter().filter(|o| o.standing == standing).count();
    let (missed, unknown) = (count(Standing::Missed), count(Standing::Unknown));
    let plural = |count: usize| if count == 1 { "1 objective".to_string() } else { format!("{count} objectives") };
    match (results.verdict, missed, unknown) {
        (Verdict::Valid, 0, 0) => "valid".into(),
        (Verdict::Valid, 0, _) => format!("valid, but {} unknown", plural(unknown)),
        (Verdict::Valid, _, _) => format!("valid, but {} missed", plural(missed)),
        (verdict, _, _) => verdict.name().into(),
    }
}

/// Whether a reason is only that latency and rate cannot be trusted.
pub(crate) fn is_distrust(results: &Results, reason: &str) -> bool {
    !results.trusted && !results.untrusted_because.is_empty() && reason.contains(&results.untrusted_because)
}

/// What there is to say of a run in which all went well, as far as it is known; `None` when reasons say more.
pub(crate) fn praise(results: &Results) -> Option<String> {
    if results.checks.is_empty() || results.reasons.iter().any(|reason| !is_distrust(results, reason)) {
        return None;
    }
    let judged = results.checks.iter().map(|check| check.operations).max().unwrap_or(0);
    let models = results.checks.iter().filter(|check| check.operations > 0).map(|check| check.model.as_str());
    let models: Vec<&str> = models.collect();
    let mut text = format!("{} over {} operations", models.join(", "), show_count(judged));
    match results.faults.len() {
        0 => {}
        1 => text.push_str(" under 1 fault"),
        count => text.push_str(&format!(" under {count} faults")),
    }
    let met = results.objectives.iter().filter(|objective| objective.standing == Standing::Met).count();
    match results.objectives.len() {
        0 => {}
        1 if met == 1 => text.push_str("; its objective met"),
        count if met == count => text.push_str(&format!("; all {count} objectives met")),
        count => text.push_str(&format!("; {met} of {count} objectives met")),
    }
    Some(text)
}

/// `nodes 9.31 s of CPU, 24.1 us per ok; 0.21 syncs per acknowledged write; assize 3.10 s`.
pub(crate) fn resources(resources: &Resources) -> String {
    let mut parts = Vec::new();
    if let Some(cpu) = resources.cpu_seconds() {
        let each = resources.cpu_us_per_ok.map(|us| format!(", {us:.1} us per ok")).unwrap_or_default();
        parts.push(format!("nodes {cpu:.2} s of CPU{each}"));
    }
    parts.extend(resources.syncs_per_write.map(|syncs| format!("{syncs:.3} syncs per acknowledged write")));
    parts.push(format!("assize {:.2} s of CPU", resources.bench_cpu_seconds));
    parts.join("; ")
}

/// What a check judged: `19 287 operations in 5.16 ms`; empty for one that looks at no operation.
pub(crate) fn check(check: &Check) -> String {
    if check.operations == 0 {
        return String::new();
    }
    format!("{} operations in {}", show_count(check.operations), seconds(check.seconds))
}

/// `kill leader (n1)`.
pub(crate) fn fault(fault: &Fault) -> String {
    let mut text = format!("{} {}", fault.kind, fault.target);
    if !fault.nodes.is_empty() && fault.nodes != [fault.target.clone()] {
        text.push_str(&format!(" ({})", fault.nodes.join(" ")));
    }
    text
}

/// What came of a fault: `1.30 s`, `not recovered`.
pub(crate) fn recovered(recovery: Option<&Recovery>) -> String {
    let Some(recovery) = recovery else { return "not measured".into() };
    match (recovery.state, recovery.seconds) {
        (RecoveryState::Recovered, Some(0.0)) => "at once".into(),
        (RecoveryState::Recovered, Some(time)) => seconds(time),
        (RecoveryState::NotRecovered, _) => "not recovered".into(),
        (RecoveryState::CutShort, _) => "load ended".into(),
        _ => "not measured".into(),
    }
}

/// The longest gap that a fault made.
pub(crate) fn gap(recovery: Option<&Recovery>) -> String {
    match recovery {
        None => "-".into(),
        Some(recovery) if recovery.longest_gap_seconds == 0.0 => "none".into(),
        Some(recovery) => seconds(recovery.longest_gap_seconds),
    }
}

/// The other faults that share a recovery: `with #2, #3`; empty when there are none.
pub(crate) fn shared(fault: &Fault) -> String {
    let others = fault.recovery.iter().flat_map(|recovery| &recovery.shared_by).filter(|&&id| id != fault.id);
    let others: Vec<String> = others.map(|id| format!("#{id}")).collect();
    if others.is_empty() { String::new() } else { format!("with {}", others.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        assert_eq!(percent(Some(0.999_999)), "99.99 %");
        assert_eq!(percent(Some(1.0)), "100 %");
        assert_eq!(percent(Some(0.5)), "50 %");
        assert_eq!(percent(None), "-");
    }

    #[test]
    fn odd_numbers_are_shown_without_panic() {
        assert_eq!(seconds(-1.0), "-");
        assert_eq!(seconds(f64::NAN), "-");
        assert_eq!(seconds(f64::INFINITY), "-");
        assert_eq!(rate(f64::NAN), "0/s");
        assert_eq!(micros(Some(Micros::Finite(850.0))), "850 us");
    }
}
