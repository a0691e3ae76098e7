//! Scripted histories with known answers. The load is 1000 operations a second for 20 s unless a test says otherwise.

use std::time::Duration;

use base::{NodeId, ProcessId, Time};
use expect_test::{Expect, expect};
use history::{Completion, ErrorKind, History, NIL, Operation, Phase, Request};

use crate::recovery::{Disturbance, Loop};
use crate::*;

const SPAN: Span = Span { start: Time(0), end: Time(20_000_000_000) };

fn seconds(seconds: f64) -> Time {
    Time((seconds * 1e9).round() as u64)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// An operation that was due and sent at one time and answered after `latency`, or never.
fn operation(index: u64, due: Time, latency: Option<Duration>) -> Operation {
    Operation {
        process: ProcessId(index as u32),
        node: NodeId(0),
        request: Request::write(0, index + 1),
        due,
        sent: due,
        done: latency.map_or(Time::MAX, |latency| due + latency),
        completion: latency.map_or(Completion::info(ErrorKind::Timeout), |_| Completion::ok(NIL)),
        phase: Phase::Load,
    }
}

/// One operation a millisecond, answered as `system` says for the second at which it was due.
fn load(system: impl Fn(f64) -> Option<Duration>) -> Vec<Operation> {
    (0..20_000).map(|i| operation(i, Time(i * 1_000_000), system(i as f64 / 1000.0))).collect()
}

/// Answers in 2 ms; what is due in `from..to` waits until `to`.
fn stall(from: f64, to: f64) -> impl Fn(f64) -> Option<Duration> {
    move |at| Some(if (from..to).contains(&at) { Duration::from_secs_f64(to - at) + millis(2) } else { millis(2) })
}

fn measure(operations: &[Operation], faults: &[(f64, f64)]) -> Measurement {
    let fault = |(id, &(start, end)): (usize, &(f64, f64))| Disturbance {
        id: id as u32 + 1,
        start: seconds(start),
        end: seconds(end),
    };
    let faults: Vec<Disturbance> = faults.iter().enumerate().map(fault).collect();
    Measurement::new(|| operations.iter().copied(), SPAN, &faults, Loop::Open)
}

fn recoveries(operations: &[Operation], faults: &[(f64, f64)], expected: Expect) {
    let told: Vec<String> = measure(operations, faults).recoveries.iter().map(tell).collect();
    expected.assert_eq(&told.join("\n"));
}

fn tell(recovery: &Recovery) -> String {
    let Recovery { faults, start, end, recovered, longest_gap } = recovery;
    format!("{faults:?} {start} to {end}: {recovered:?}, gap {longest_gap:?}")
}

#[test]
fn a_stall_of_200_ms_comes_out_right() {
    let measured = measure(&load(stall(10.0, 10.2)), &[]);
    assert_eq!(measured.outcomes, Outcomes { ok: 20_000, fail: 0, info: 0, answered: 20_000 });
    assert_eq!((measured.asked_rate, measured.outcomes.availability()), (1000.0, Some(1.0)));
    assert!(
        (measured.achieved_rate - 999.9).abs() < 1e-6,
        "only the last 2 ms are missing: {}",
        measured.achieved_rate
    );
    let percentile = |quantile| measured.latency.percentile(quantile).unwrap().micros();
    assert!((percentile(0.5) - 2000.0).abs() < 3.0);
    assert!((percentile(0.99) - 2000.0).abs() < 3.0, "200 of 20 000 operations waited, which is 1 %");
    assert!((percentile(0.995) - 102_000.0).abs() < 200.0, "half of these waited for less than 102 ms");
    assert!((percentile(1.0) - 202_000.0).abs() < 210.0);
}

#[test]
fn a_stall_shows_in_the_windows_in_which_it_hurt() {
    let measured = measure(&load(stall(10.0, 10.5)), &[]);
    let windows = measured.series.windows(millis(250));
    assert_eq!(windows.len(), 80);
    let row = |w: &Window| format!("{:?} asked {} completed {} p99 {}", w.start, w.asked, w.completed, w.p99.unwrap());
    let rows: Vec<String> = windows[39..44].iter().map(row).collect();
    expect![[r#"
        9.75s asked 250 completed 250 p99 2.00 ms
        10s asked 250 completed 2 p99 500 ms
        10.25s asked 250 completed 0 p99 250 ms
        10.5s asked 250 completed 748 p99 2.00 ms
        10.75s asked 250 completed 250 p99 2.00 ms"#]]
    .assert_eq(&rows.join("\n"));
}

#[test]
fn what_got_no_answer_counts_in_every_window_and_percentile() {
    let measured = measure(&load(|at| (!(15.0..16.0).contains(&at)).then(|| millis(2))), &[]);
    assert_eq!(measured.outcomes, Outcomes { ok: 19_000, fail: 0, info: 1000, answered: 19_000 });
    assert_eq!(measured.errors[&ErrorKind::Timeout], 1000);
    assert_eq!(measured.outcomes.error_share(), Some(0.05));
    assert_eq!(measured.latency.percentile(0.99), Some(Latency::Infinite));
    let window = measured.series.between(seconds(15.0), seconds(16.0));
    assert_eq!((window.asked, window.info, window.answered, window.p50), (1000, 1000, 0, Some(Latency::Infinite)));
}

#[test]
fn a_refused_compare_and_set_is_an_answer_and_other_failures_are_none() {
    let mut operations = load(|_| Some(millis(2)));
    operations[0].completion = Completion::fail(ErrorKind::Precondition);
    operations[1].completion = Completion::fail(ErrorKind::NoLeader);
    let measured = measure(&operations, &[]);
    assert_eq!(measured.outcomes, Outcomes { ok: 19_998, fail: 2, info: 0, answered: 19_999 });
    assert_eq!(measured.latency.infinite(), 1);
}

#[test]
fn a_history_is_measured_without_its_final_reads_and_with_what_was_never_sent() {
    let mut operations = load(|_| Some(millis(2)));
    operations[7].completion = Completion::fail(ErrorKind::NeverSent);
    operations.push(Operation { phase: Phase::Final, ..operation(20_000, seconds(19.0), Some(millis(2))) });
    let measured = Measurement::of(&History::from_operations(operations), SPAN, &[], Loop::Open);
    assert_eq!(measured.outcomes, Outcomes { ok: 19_999, fail: 1, info: 0, answered: 19_999 });
    assert_eq!(measured.errors[&ErrorKind::NeverSent], 1);
}

#[test]
fn recovery_counts_from_the_start_of_the_fault() {
    recoveries(&load(stall(5.0, 6.3)), &[(5.0, 9.0)], expect!["[1] 5.000 s to 9.000 s: After(1.3s), gap 1.301s"]);
}

#[test]
fn a_fault_that_is_not_felt_is_recovered_from_at_once() {
    recoveries(&load(|_| Some(millis(2))), &[(5.0, 6.0)], expect!["[1] 5.000 s to 6.000 s: After(0ns), gap 0ns"]);
}

#[test]
fn good_again_for_less_than_two_seconds_is_no_recovery() {
    let system = |at: f64| {
        if at < 7.0 { stall(5.0, 6.0)(at) } else { stall(7.5, 8.0)(at) }
    };
    recoveries(&load(system), &[(5.0, 5.5)], expect!["[1] 5.000 s to 5.500 s: After(3s), gap 1.001s"]);
}

#[test]
fn slow_is_not_recovered_and_nor_is_half_of_the_goodput() {
    let slow = |at: f64| Some(millis(if (5.0..9.0).contains(&at) { 5 } else { 2 }));
    recoveries(&load(slow), &[(5.0, 6.0)], expect!["[1] 5.000 s to 6.000 s: After(4s), gap 4ms"]);
    let mut half = load(|_| Some(millis(2)));
    half.retain(|operation| operation.due < seconds(5.0) || operation.due.0 % 2_000_000 == 0);
    let closed = |operations: &[Operation], mode| {
        let fault = Disturbance { id: 1, start: seconds(5.0), end: seconds(6.0) };
        Measurement::new(|| operations.iter().copied(), SPAN, &[fault], mode).recoveries[0].recovered
    };
    assert_eq!(closed(&half, Loop::Closed), Recovered::NotWithin(Duration::from_secs(15)));
    assert_eq!(closed(&half, Loop::Open), Recovered::After(Duration::ZERO), "no more was asked");
}

#[test]
fn faults_that_overlap_share_one_recovery() {
    let system = |at: f64| if at < 8.0 { stall(5.0, 6.0)(at) } else { stall(8.0, 9.5)(at) };
    recoveries(
        &load(system),
        &[(5.0, 8.5), (8.0, 8.2), (14.0, 15.0)],
        expect![[r#"
            [1, 2] 5.000 s to 8.500 s: After(4.5s), gap 1.501s
            [3] 14.000 s to 15.000 s: After(0ns), gap 0ns"#]],
    );
}

#[test]
fn a_fault_before_the_recovery_from_the_last_shares_it() {
    recoveries(
        &load(stall(5.0, 9.0)),
        &[(5.0, 5.5), (7.0, 7.5), (12.0, 12.5)],
        expect![[r#"
            [1, 2] 5.000 s to 7.500 s: After(4s), gap 4.001s
            [3] 12.000 s to 12.500 s: After(0ns), gap 0ns"#]],
    );
}

#[test]
fn recovery_is_compared_with_good_times_only() {
    let system = |at: f64| if at < 8.0 { stall(5.0, 7.8)(at) } else { stall(8.0, 9.0)(at) };
    recoveries(&load(system), &[(5.0, 5.5), (8.0, 8.5)], expect!["[1, 2] 5.000 s to 8.500 s: After(4s), gap 2.801s"]);
}

#[test]
fn what_was_not_seen_is_not_claimed() {
    let dead = |at: f64| (at < 5.0).then(|| millis(2));
    recoveries(&load(dead), &[(5.0, 6.0)], expect!["[1] 5.000 s to 6.000 s: NotWithin(15s), gap 14.998s"]);
    recoveries(
        &load(stall(18.5, 19.0)),
        &[(18.5, 19.0)],
        expect!["[1] 18.500 s to 19.000 s: CutShort(1.5s), gap 501ms"],
    );
    recoveries(&load(|_| None), &[(5.0, 6.0)], expect!["[1] 5.000 s to 6.000 s: Unmeasured, gap 19.999s"]);
    recoveries(&load(|_| Some(millis(2))), &[(21.0, 22.0)], expect![""]);
}

#[test]
fn idle_time_is_no_gap() {
    let mut operations = load(|_| Some(millis(2)));
    operations.retain(|operation| operation.due < seconds(5.0) || operation.due >= seconds(15.0));
    let gap = measure(&operations, &[]).longest_gap;
    assert!(gap.is_none_or(|gap| gap.length() < millis(5)), "{gap:?}");
}

#[test]
fn one_operation_under_way_makes_a_gap() {
    let lone = [
        operation(0, seconds(1.0), Some(millis(2))),
        operation(1, seconds(5.0), Some(Duration::from_secs(7))),
        operation(2, seconds(6.0), Some(millis(10))),
    ];
    let gap = measure(&lone, &[]).longest_gap.unwrap();
    assert_eq!((gap.start, gap.end), (seconds(6.01), seconds(12.0)));
}

#[test]
fn a_span_of_nothing_measures_nothing() {
    let empty = Span { start: seconds(3.0), end: seconds(3.0) };
    let measured = Measurement::new(Vec::new, empty, &[], Loop::Open);
    assert_eq!((measured.asked_rate, measured.achieved_rate), (0.0, 0.0));
    assert_eq!(measured.outcomes.availability(), None);
    assert!(measured.series.windows(millis(250)).is_empty() && measured.longest_gap.is_none());
    let endless = Series::new(Vec::new(), Span { start: Time(0), end: Time::MAX });
    assert!(endless.windows(endless.chart_window()).len() <= 241);
}

mod objectives {
    use super::*;

    fn judge(measured: &Measurement, trust: &Trust, objectives: &[Objective], expected: Expect) {
        let models = [("linearizable".to_string(), Some(true)), ("serializable".to_string(), None)];
        let figures = Figures { measured, trust, lost_writes: Some(0), models: &models };
        let row = |o: &Objective| {
            let Judgement { name, target, measured, standing, reason } = o.judge(&figures);
            format!("{name}, {target}: {measured}, {}; {reason}", standing.name())
        };
        expected.assert_eq(&objectives.iter().map(row).collect::<Vec<_>>().join("\n"));
    }

    fn all() -> Vec<Objective> {
        vec![
            Objective::Latency(0.5, millis(5)),
            Objective::Latency(0.999, millis(5)),
            Objective::Rate(900.0),
            Objective::ErrorShare(0.001),
            Objective::Recovery(Duration::from_secs(2)),
            Objective::LostWrites(0),
            Objective::Model("linearizable".into()),
            Objective::Model("serializable".into()),
            Objective::Model("causal".into()),
        ]
    }

    #[test]
    fn figures_decide() {
        let measured = measure(&load(stall(5.0, 6.3)), &[(5.0, 6.0)]);
        judge(
            &measured,
            &Trust::Trusted,
            &all(),
            expect![[r#"
                p50 latency, at most 5.00 ms: 2.00 ms, met; 
                p99.9 latency, at most 5.00 ms: 1.28 s, missed; 
                achieved rate, at least 900/s: 1 000/s, met; 
                error share, at most 0.1 %: 0 %, met; 
                recovery time, at most 2.00 s: 1.30 s, met; after fault #1
                lost writes, none: 0, met; 
                linearizable, valid: valid, met; 
                serializable, valid: unknown, unknown; 
                causal, valid: -, unknown; not measured"#]],
        );
    }

    #[test]
    fn an_untrusted_run_meets_and_misses_no_objective_of_speed() {
        let measured = measure(&load(|at| (at < 19.0).then(|| millis(2))), &[(19.0, 19.5)]);
        judge(
            &measured,
            &Trust::Untrusted("the load generator was late".into()),
            &all(),
            expect![[r#"
                p50 latency, at most 5.00 ms: 2.00 ms, unknown; untrusted: the load generator was late
                p99.9 latency, at most 5.00 ms: never, unknown; untrusted: the load generator was late
                achieved rate, at least 900/s: 950/s, unknown; untrusted: the load generator was late
                error share, at most 0.1 %: 5 %, missed; 
                recovery time, at most 2.00 s: not within 1.00 s, when the load ended, unknown; untrusted: the load generator was late
                lost writes, none: 0, met; 
                linearizable, valid: valid, met; 
                serializable, valid: unknown, unknown; 
                causal, valid: -, unknown; not measured"#]],
        );
    }

    #[test]
    fn the_worst_recovery_decides() {
        let system = |at: f64| if at < 9.0 { stall(5.0, 8.0)(at) } else { (at < 19.5).then(|| millis(2)) };
        judge(
            &measure(&load(system), &[(5.0, 6.0), (12.0, 13.0), (19.5, 19.8)]),
            &Trust::Trusted,
            &[Objective::Recovery(Duration::from_secs(2)), Objective::Recovery(Duration::from_secs(4))],
            expect![[r#"
                recovery time, at most 2.00 s: 3.00 s, missed; after fault #1
                recovery time, at most 4.00 s: not within 500 ms, when the load ended, unknown; after fault #3"#]],
        );
    }
}
