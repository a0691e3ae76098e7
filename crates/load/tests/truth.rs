//! The engine measures what is true: a server whose service times are known, and a generator that is starved on purpose.

mod toy;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use history::Phase;
use load::{Control, Engine, EngineOptions, Limit, Stage, StageReport, Work};
use measure::Trust;
use toy::{Reply, Server, Stall, ToyClient, Writes};
use workload::Profile;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn run(server: &Server, profile: Profile, lasts: Duration, on_tick: impl FnMut(&load::Tick)) -> StageReport {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut options = EngineOptions::new(vec![server.address], |_| Box::new(ToyClient::new(1)));
    options.processes = 64;
    let mut engine = Engine::new(options, None, Instant::now()).unwrap();
    let work = Work::Load { profile: &profile, generator: &mut Writes, limit: Limit::Time(lasts) };
    let stage = Stage { phase: Phase::Load, work, drain: ms(2000) };
    engine.run(stage, &Control::new(), on_tick).unwrap()
}

fn quantile_ms(report: &StageReport, quantile: f64) -> f64 {
    report.latency.percentile(quantile).expect("operations were measured").micros() / 1e3
}

/// The machine is measured by one test at a time.
static MACHINE: Mutex<()> = Mutex::new(());

/// What the engine promises: its figures are true, or it says that they cannot be trusted. Other programs may disturb a
/// measurement, so it is repeated until the truth comes out; figures that are wrong and trusted time after time fail.
fn comes_true(mut measure: impl FnMut() -> StageReport, is_true: impl Fn(&StageReport) -> bool) -> StageReport {
    let mut wrong = Vec::new();
    let mut last = None;
    for _ in 0..6 {
        toy::late_share();
        let report = measure();
        if is_true(&report) {
            return report;
        }
        if report.trust().is_trusted() && toy::late_share() < 0.005 {
            wrong.push(format!("{report}; {}", report.machine));
        }
        last = Some(report);
    }
    assert!(wrong.len() < 3, "trusted and not true:\n{}", wrong.join("\n"));
    eprintln!("the machine was too busy to measure on, and every report says so");
    last.expect("six attempts")
}

#[test]
fn percentiles_and_rate_are_those_of_the_script() {
    // 90 % take 1 ms, the others 5 ms: p50 is 1 ms, p99 is 5 ms.
    let server = Server::start(|value| Reply::After(if value % 10 == 0 { ms(5) } else { ms(1) }), None);
    let report = comes_true(
        || run(&server, Profile::constant(2000.0), ms(1500), |_| {}),
        |report| {
            let (p50, p99) = (quantile_ms(report, 0.5), quantile_ms(report, 0.99));
            (1.0..1.3).contains(&p50) && (5.0..5.5).contains(&p99)
        },
    );
    assert_eq!(report.asked, 3000);
    assert_eq!(report.counts.ok, 3000);
    assert!((report.asked_per_s() - 2000.0).abs() < 2.0, "{report}");
    assert!(report.achieved_per_s() > 1950.0, "{report}");
    assert!(!report.machine.cpu.is_zero(), "{report}");
}

#[test]
fn a_stall_is_seen_by_every_operation_that_was_due_in_it() {
    // 400 of 6000 arrivals wait 0..200 ms: 1 % waits longer than 200 * (1 - 60/400) = 170 ms, half wait no time.
    let script = |_| Reply::After(Duration::ZERO);
    let measure = || {
        let server = Server::start(script, Some(Stall { at: ms(1000), lasts: ms(200) }));
        run(&server, Profile::constant(2000.0), ms(3000), |_| {})
    };
    let report = comes_true(measure, |report| {
        quantile_ms(report, 0.5) < 0.2 && (153.0..187.0).contains(&quantile_ms(report, 0.99))
    });
    assert_eq!((report.asked, report.counts.ok), (6000, 6000));
    assert!(report.achieved_per_s() > 1950.0, "{report}");
    // The stall is the system's fault: most of the wait is for a free process, none is the generator's.
    assert!(report.waiting.percentile(0.99).unwrap().micros() > 100_000.0, "{report}");
    assert!(
        report.most_queued > 250,
        "64 processes are stuck, the other arrivals of 200 ms queue: {}",
        report.most_queued
    );
}

#[test]
fn a_starved_generator_is_not_trusted() {
    let server = Server::start(|_| Reply::After(Duration::ZERO), None);
    let report = run(&server, Profile::constant(1000.0), ms(1000), |_| std::thread::sleep(ms(60)));
    let Trust::Untrusted(reason) = report.trust() else { panic!("trusted: {report}") };
    assert!(reason.contains("the load generator was late"), "{reason}");
    assert_eq!(report.counts.ok, 1000, "what was late was still sent");
    assert!(report.waiting.percentile(0.5).unwrap().micros() < 1.0, "processes were free: {report}");
}

#[test]
fn a_starved_closed_loop_is_not_trusted_either() {
    // Answers come 40 ms after they were asked; every fourth of a second nobody reads them for 200 ms.
    let server = Server::start(|_| Reply::After(ms(40)), None);
    let report = run(&server, Profile::closed(64), ms(1000), |_| std::thread::sleep(ms(200)));
    assert!(!report.trust().is_trusted(), "{report}");
}

/// The case of the literature: 5000/s for 10 s with one stall of 200 ms. p99 is 100 ms, p99.9 is 190 ms.
#[test]
#[ignore = "takes ten seconds and a quiet machine"]
fn ten_seconds_at_5000_per_second_with_a_stall() {
    let measure = || {
        let server = Server::start(|_| Reply::After(Duration::ZERO), Some(Stall { at: ms(5000), lasts: ms(200) }));
        let report = run(&server, Profile::constant(5000.0), ms(10_000), |_| {});
        println!("{report}; p99.9 {:.1} ms; {}", quantile_ms(&report, 0.999), report.machine);
        report
    };
    let report = comes_true(measure, |report| {
        quantile_ms(report, 0.5) < 0.2
            && (90.0..112.0).contains(&quantile_ms(report, 0.99))
            && (180.0..200.0).contains(&quantile_ms(report, 0.999))
    });
    assert!((report.achieved_per_s() - 5000.0).abs() < 5.0, "{report}");
}
