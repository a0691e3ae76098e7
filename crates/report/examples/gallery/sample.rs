//! Runs that never were, measured from scripted operations: one that is green, one that is red, one that nobody can judge,
//! one whose every text is hostile, and one in which nothing is known.

use std::time::Duration;

use base::{NodeId, ProcessId, Rng, Seed, Time};
use history::{Completion, ErrorKind, Function, NIL, Operation, Phase, Request};
use measure::recovery::Disturbance;
use measure::{Figures, Histogram, Loop, Measurement, Objective, Span, Trust};
use report::{Anomaly, Check, Command, Fact, Fault, Leader, Problem, Results, Severity, Verdict};

/// All samples by name.
pub fn all() -> Vec<(&'static str, Results)> {
    vec![
        ("green", green()),
        ("red", red()),
        ("unknown", unknown()),
        ("hostile", hostile()),
        ("empty", Results::default()),
    ]
}

const LOAD: Span = Span { start: Time(2_000_000_000), end: Time(42_000_000_000) };
const TIMEOUT: Duration = Duration::from_secs(1);

/// A run in which everything went well.
pub fn green() -> Results {
    let faults = vec![
        fault(1, "kill", "leader", &["n1"], (5.0, 8.0), "n1 is gone: process 4711 killed (signal 9)"),
        fault(2, "pause", "random", &["n4"], (13.0, 15.5), "n4 paused: process 4714 in state T"),
        fault(3, "partition", "leader", &["n3"], (20.0, 24.0), "n3 → n1: cut ended: 214 dropped"),
        fault(4, "partition", "minority", &["n2", "n5"], (29.0, 32.0), "n2 → n1: cut ended: 98 dropped"),
    ];
    let outages = [(5.0, 6.31), (20.0, 21.12), (32.0, 32.4)];
    let mut results = run("raft-kv", 42, faults, &outages, &Trust::Trusted, (Verdict::Valid, ""));
    results.notes = vec!["links between nodes run through relays of the testbed, which drop whole frames".into()];
    results.conclude();
    results
}

/// A run in which reads were stale, a write was lost and the system was slow to come back.
pub fn red() -> Results {
    let faults = vec![
        fault(1, "partition", "leader", &["n1"], (6.0, 14.0), "n1 → n2: cut ended: 1 204 dropped"),
        fault(2, "kill", "follower", &["n4"], (10.0, 12.0), "n4 is gone: process 4714 killed (signal 9)"),
        fault(3, "pause", "leader", &["n2"], (25.0, 28.0), "n2 paused: process 4712 in state T"),
    ];
    let outages = [(6.0, 13.2), (25.0, 26.1), (38.5, 40.0)];
    let stale = (Verdict::Invalid, "2 of 100 keys are broken");
    let mut results = run("raft-kv-stale-read", 7, faults, &outages, &Trust::Trusted, stale);
    results.anomalies = anomalies();
    results.problems = vec![
        Problem {
            id: "linearizable-key-17".into(),
            severity: Severity::Critical,
            title: results.anomalies[0].title.clone(),
            evidence: vec!["3 operations contradict each other; see the counterexample".into()],
            repeat: "assize check runs/0007 --model linearizable".into(),
        },
        Problem {
            id: "slow-recovery".into(),
            severity: Severity::Major,
            title: "recovery from fault #1 took 7.20 s".into(),
            evidence: vec!["goodput below 90 % from 6.0 s to 13.2 s".into(), "wanted: at most 5.00 s".into()],
            repeat: "assize run plans/raft-kv-stale-read.toml --seed 7".into(),
        },
    ];
    results.conclude();
    results
}

/// A run of which nobody can say whether it was fast, nor whether its second fault bit.
pub fn unknown() -> Results {
    let mut faults = vec![
        fault(1, "kill", "leader", &["n1"], (8.0, 11.0), "n1 is gone: process 4711 killed (signal 9)"),
        fault(2, "partition", "node", &["n5"], (41.6, 41.9), ""),
    ];
    faults[1].proven = false;
    faults[1].evidence = vec!["n5 → n1: cut ended: no traffic".into()];
    let late = Trust::Untrusted("the load generator was late: p99 3.10 ms (the limit is 1.00 ms)".into());
    let undecided = (Verdict::Unknown, "key 3: out of budget after 10 000 000 states");
    let mut results = run("raft-kv", 1, faults, &[(8.0, 9.9)], &late, undecided);
    results.notes = vec!["no root: partitions of the kernel's packet filter were left out".into()];
    results.conclude();
    results
}

/// Every text tries to break out.
pub fn hostile() -> Results {
    let evil = "</script><script>alert('x')</script>\"'&<b>\u{1b}[31m\u{0}\u{202e}]]>--><!--";
    let mut results = red();
    let texts = [&mut results.name, &mut results.run, &mut results.plan, &mut results.system, &mut results.started];
    texts.into_iter().for_each(|text| *text = evil.into());
    results.untrusted_because = evil.into();
    results.reasons = vec![evil.into(), "a".repeat(300)];
    results.nodes = vec![evil.into()];
    results.notes = vec![evil.into()];
    results.errors[0].kind = evil.into();
    results.functions[0].name = evil.into();
    results.faults[0].kind = evil.into();
    results.faults[0].target = evil.into();
    results.faults[0].nodes = vec![evil.into()];
    results.faults[0].evidence = vec![evil.into()];
    results.problems[0] = Problem {
        id: evil.into(),
        title: evil.into(),
        evidence: vec![evil.into()],
        repeat: evil.into(),
        severity: Severity::Critical,
    };
    results.anomalies[0] =
        Anomaly { model: evil.into(), title: evil.into(), story: vec![evil.into()], svg: format!("<svg>{evil}</svg>") };
    results.checks[0].model = evil.into();
    results.checks[0].reason = evil.into();
    results.objectives[0].name = evil.into();
    results.objectives[0].reason = evil.into();
    results.leaders[0].node = evil.into();
    results.repeat = vec![Command::new(evil, evil)];
    results.versions = vec![Fact::new(evil, evil)];
    results.machine = vec![Fact::new(evil, evil)];
    results
}

fn run(
    name: &str,
    seed: u64,
    faults: Vec<Fault>,
    outages: &[(f64, f64)],
    trust: &Trust,
    (verdict, reason): (Verdict, &str),
) -> Results {
    let operations = operations(seed, outages);
    let disturbances: Vec<Disturbance> =
        faults.iter().map(|f| Disturbance { id: f.id, start: at(f.start), end: at(f.end) }).collect();
    let measurement = Measurement::new(|| operations.iter().copied(), LOAD, &disturbances, Loop::Open);
    let mut results = Results { faults, ..about(name, seed) };
    results.measured(&measurement, &lateness(trust), trust);
    let models = [("linearizable".into(), [Some(true), None, Some(false)][verdict as usize])];
    let figures = Figures { measured: &measurement, trust, lost_writes: Some(0), models: &models };
    results.objectives = objectives().iter().map(|objective| objective.judge(&figures).into()).collect();
    let (model, reason) = ("linearizable".into(), reason.into());
    results.checks.push(Check { model, verdict, reason, operations: operations.len() as u64, seconds: 0.031 });
    results
}

fn at(seconds: f64) -> Time {
    Time::ZERO + Duration::from_secs_f64(seconds)
}

fn objectives() -> Vec<Objective> {
    vec![
        Objective::Model("linearizable".into()),
        Objective::LostWrites(0),
        Objective::Latency(0.5, Duration::from_millis(5)),
        Objective::Latency(0.9, Duration::from_millis(50)),
        Objective::Rate(1000.0),
        Objective::ErrorShare(0.1),
        Objective::Recovery(Duration::from_secs(5)),
    ]
}

/// 1500 operations a second, answered in about a millisecond, or when an outage ends, or never.
fn operations(seed: u64, outages: &[(f64, f64)]) -> Vec<Operation> {
    let mut rng = Rng::new(Seed(seed));
    let count = LOAD.length().as_secs() * 1500;
    (0..count)
        .map(|index| operation(index, LOAD.length().mul_f64(index as f64 / count as f64), outages, &mut rng))
        .collect()
}

fn operation(index: u64, due: Duration, outages: &[(f64, f64)], rng: &mut Rng) -> Operation {
    let service = Duration::from_secs_f64(0.0008 + 0.0006 * -(1.0 - rng.unit()).ln() + 0.012 * rng.unit().powi(60));
    let due = LOAD.start + due;
    let down = outages.iter().find(|(from, to)| (*from..*to).contains(&due.seconds()));
    let latency = service + down.map_or(Duration::ZERO, |(_, to)| at(*to) - due);
    let key = rng.below(100) as u32;
    let request = if rng.chance(0.5) { Request::read(key) } else { Request::write(key, index + 1) };
    let (done, completion) = match latency {
        latency if latency < TIMEOUT => (due + latency, Completion::ok(NIL)),
        _ if request.function == Function::Read || rng.chance(0.2) => {
            (due + TIMEOUT, Completion::fail(ErrorKind::NoLeader))
        }
        _ => (Time::MAX, Completion::info(ErrorKind::Timeout)),
    };
    let (process, node) = (ProcessId((index % 20) as u32), NodeId((index % 5) as u16));
    Operation {
        process,
        node,
        request,
        due,
        sent: due + Duration::from_micros(40),
        done,
        completion,
        phase: Phase::Load,
    }
}

fn lateness(trust: &Trust) -> Histogram {
    let mut histogram = Histogram::new();
    let worst = if trust.is_trusted() { 60_000 } else { 3_100_000 };
    (1..=100).for_each(|i| histogram.record(worst * i / 100));
    histogram
}

fn fault(id: u32, kind: &str, target: &str, nodes: &[&str], (start, end): (f64, f64), evidence: &str) -> Fault {
    Fault {
        id,
        kind: kind.into(),
        target: target.into(),
        nodes: nodes.iter().map(ToString::to_string).collect(),
        start,
        end,
        evidence: vec![evidence.into()],
        proven: true,
        availability: None,
        recovery: None,
    }
}

fn about(name: &str, seed: u64) -> Results {
    let leader = |at, node: &str, term| Leader { at, node: node.into(), term };
    Results {
        seed,
        run: format!("000{seed}"),
        name: name.into(),
        folder: format!("runs/000{seed}"),
        system: "raft-kv, 5 nodes".into(),
        testbed: "loopback".into(),
        nodes: (1..=5).map(|i| format!("n{i}")).collect(),
        started: "2026-03-14T15:09:26Z".into(),
        seconds: 51.2,
        elections: 3,
        leaders: vec![leader(0.4, "n1", 1), leader(6.3, "n3", 2), leader(21.1, "n2", 3)],
        repeat: vec![
            Command::new("repeat the schedule", format!("assize run plans/{name}.toml --seed {seed}")),
            Command::new("check again", format!("assize check runs/000{seed}")),
        ],
        versions: vec![Fact::new("assize", "0.1.0"), Fact::new("raft-kv", "0.1.0")],
        machine: vec![
            Fact::new("processor", "2 × AMD EPYC 7763"),
            Fact::new("memory", "8 GiB"),
            Fact::new("kernel", "Linux 6.12.30"),
        ],
        plan: format!(
            "# {name}: five nodes, every kind of fault\nseed = {seed}\n\n[system]\nkind = \"raft-kv\"\nnodes = 5\n"
        ),
        ..Results::default()
    }
}

/// Three operations of which the last read what was overwritten, as the checker would tell it.
fn anomalies() -> Vec<Anomaly> {
    let operation = |process, request, (sent, done): (f64, f64), result| Operation {
        process: ProcessId(process),
        node: NodeId(process as u16 % 5),
        request,
        due: at(sent),
        sent: at(sent),
        done: at(done),
        completion: Completion::ok(result),
        phase: Phase::Load,
    };
    let operations = [
        operation(2, Request::write(17, 8790), (9.061, 9.064), NIL),
        operation(3, Request::write(17, 8812), (9.104, 9.106), NIL),
        operation(1, Request::read(17), (9.240, 9.241), 8790),
    ];
    let title = "two values at once of key 17";
    let story = [
        "p2 wrote 8790 (9.061 s to 9.064 s) had ended before p3 wrote 8812 (9.104 s to 9.106 s) began: 8790 came before 8812.",
        "But p1 read 8790 at 9.240 s, and by then, at 9.106 s, p3 had its write of 8812 acknowledged: 8812 came before 8790.",
        "Each value was written once, so 8790 cannot be both before and after 8812.",
    ];
    vec![Anomaly {
        model: "linearizable".into(),
        title: title.into(),
        story: story.map(String::from).to_vec(),
        svg: check::picture::svg(title, &operations),
    }]
}
