//! However a run ends, it leaves nothing on the machine: no process, namespace, state file or temporary file; and it touches
//! nothing of another run beside it.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::bench::{Bench, Going, alone, read_json};

/// A run that is long enough to be ended by something else.
const PLAN: &str = r#"
name = "NAME"
testbed = "TESTBED"
seed = 1

[system]
kind = "raft-kv"
nodes = 3

[client]
processes = 8

[workload]
keys = 4

[load]
rate = "200/s"

[phases]
warmup = "300ms"
load = "60s"
settle = "300ms"

[objectives]
model = "linearizable"
"#;

/// Where the nodes run.
#[derive(Clone, Copy)]
enum Bed {
    Loopback,
    /// Needs root.
    Namespaces,
}

impl Bed {
    fn name(self) -> &'static str {
        match self {
            Bed::Loopback => "loopback",
            Bed::Namespaces => "namespaces",
        }
    }

    fn is_here(self, test: &str) -> bool {
        match self {
            Bed::Loopback => true,
            Bed::Namespaces => testkit::available(test, &["ip", "nft"], true),
        }
    }
}

/// How the run is ended, in the middle of its load unless said otherwise.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// It comes to its end.
    Normal,
    /// Ctrl-C, and it must say so with this exit code.
    Signal(Signal),
    /// This thread of the run panics.
    Panic(&'static str),
    /// `kill -9` of the bench, then `assize clean`.
    KilledThenClean,
    /// `kill -9` of the bench, then another run is started.
    KilledThenNextRun,
}

macro_rules! endings {
    ($($name:ident: $ending:expr, $bed:expr;)+) => {
        $(#[test]
        fn $name() {
            if $bed.is_here(stringify!($name)) {
                leaves_nothing($ending, $bed);
            }
        })+
    };
}

endings! {
    a_normal_end_leaves_nothing: Ending::Normal, Bed::Loopback;
    a_normal_end_leaves_no_namespace: Ending::Normal, Bed::Namespaces;
    ctrl_c_leaves_nothing: Ending::Signal(Signal::INT), Bed::Loopback;
    ctrl_c_leaves_no_namespace: Ending::Signal(Signal::INT), Bed::Namespaces;
    sigterm_leaves_nothing: Ending::Signal(Signal::TERM), Bed::Loopback;
    sigterm_leaves_no_namespace: Ending::Signal(Signal::TERM), Bed::Namespaces;
    a_panic_under_load_leaves_nothing: Ending::Panic("load"), Bed::Loopback;
    a_panic_under_load_leaves_no_namespace: Ending::Panic("load"), Bed::Namespaces;
    a_panic_of_the_monitor_leaves_nothing: Ending::Panic("monitor"), Bed::Loopback;
    a_panic_of_the_conductor_leaves_nothing: Ending::Panic("conductor"), Bed::Loopback;
    kill_minus_nine_and_clean_leaves_nothing: Ending::KilledThenClean, Bed::Loopback;
    kill_minus_nine_and_clean_leaves_no_namespace: Ending::KilledThenClean, Bed::Namespaces;
    kill_minus_nine_and_the_next_run_leaves_nothing: Ending::KilledThenNextRun, Bed::Loopback;
    kill_minus_nine_and_the_next_run_leaves_no_namespace: Ending::KilledThenNextRun, Bed::Namespaces;
}

fn leaves_nothing(ending: Ending, bed: Bed) {
    let _alone = alone();
    let bench = Bench::new();
    for name in ["neighbour", "subject"] {
        let text = PLAN.replace("NAME", name).replace("TESTBED", bed.name());
        bench.write(&format!("{name}.toml"), &text);
    }
    let mut neighbour = bench.start(&["neighbour.toml"], &[]);
    under_load(&mut neighbour);
    let nodes = processes(&neighbour.run);
    assert!(nodes.len() >= 3, "{nodes:?}");

    let subject = end(&bench, ending);
    let left = left_behind(&bench, &subject);
    assert_eq!(left, Vec::<String>::new(), "after {ending:?}");

    assert_eq!(processes(&neighbour.run), nodes, "the neighbour's nodes live");
    let ok = neighbour.events().last().and_then(|event| event["ok"].as_u64()).unwrap_or(0);
    neighbour.wait_for("the neighbour is still served", |event| event["ok"].as_u64() > Some(ok + 20));
    neighbour.signal(Signal::TERM);
    assert_eq!(neighbour.exit_code(), 130);
    assert_eq!(left_behind(&bench, &neighbour.run), Vec::<String>::new());
    let files = std::fs::read_dir(bench.path("tmp")).expect("it is there").flatten();
    assert_eq!(files.map(|file| file.path()).collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
    bench.assize(&["check", &neighbour.folder.display().to_string()]).expect(0);
}

/// Runs the subject to its end; returns its id.
fn end(bench: &Bench, ending: Ending) -> String {
    let start = |environment: &[(&str, &str)]| bench.start(&["subject.toml"], environment);
    match ending {
        Ending::Normal => {
            let mut run = bench.start(&["subject.toml", "--set", "phases.load=1s"], &[]);
            let code = run.exit_code();
            assert_eq!(code, 0, "{:#?}", run.events());
            run.run.clone()
        }
        Ending::Signal(signal) => {
            let mut run = start(&[]);
            under_load(&mut run);
            run.signal(signal);
            assert_eq!(run.exit_code(), 130);
            run.run.clone()
        }
        Ending::Panic(place) => {
            let mut run = start(&[("ASSIZE_TEST_PANIC", place)]);
            assert_eq!(run.exit_code(), 70);
            let errors = std::fs::read_to_string(bench.path("errors")).expect("standard error");
            assert!(errors.contains("This is a bug in assize"), "{errors}");
            run.run.clone()
        }
        Ending::KilledThenClean => {
            let run = killed(bench);
            let told = bench.assize(&["clean"]).expect(0).out;
            assert!(told.contains(&format!("run `{run}` had lost its owner")), "{told}");
            run
        }
        Ending::KilledThenNextRun => {
            let run = killed(bench);
            let mut next = bench.start(&["subject.toml", "--set", "phases.load=300ms"], &[]);
            let note = format!("cleaned up after an earlier run: run `{run}` had lost its owner");
            next.wait_for("the next start says what it healed", |event| {
                event["text"].as_str().is_some_and(|text| text.starts_with(&note))
            });
            assert_eq!(next.exit_code(), 0);
            assert_eq!(left_behind(bench, &next.run), Vec::<String>::new());
            run
        }
    }
}

fn killed(bench: &Bench) -> String {
    let mut run = bench.start(&["subject.toml"], &[]);
    under_load(&mut run);
    run.kill_minus_nine();
    assert!(state_file(bench, &run.run).exists(), "there is something to clean up");
    run.run.clone()
}

fn under_load(run: &mut Going) {
    run.wait_for("operations succeed under load", |event| event["phase"] == "load" && event["ok"].as_u64() > Some(20));
}

/// What is on the machine of a run, in words. Processes get a moment to be reaped.
fn left_behind(bench: &Bench, run: &str) -> Vec<String> {
    let began = Instant::now();
    let mut left: Vec<String> = Vec::new();
    while !processes(run).is_empty() && began.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(10));
    }
    left.extend(processes(run).iter().map(|(pid, name)| format!("process {pid} {name}")));
    let namespaces = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names = namespaces.filter_map(|entry| entry.file_name().into_string().ok());
    left.extend(names.filter(|name| name.contains(run)).map(|name| format!("namespace {name}")));
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("/proc");
    left.extend(mounts.lines().filter(|line| line.contains(run)).map(|line| format!("mount {line}")));
    let state = state_file(bench, run);
    left.extend(state.exists().then(|| format!("state file {}", state.display())));
    left
}

fn state_file(bench: &Bench, run: &str) -> std::path::PathBuf {
    bench.path("state/assize").join(format!("{run}.json"))
}

/// Processes that carry the run's tag in their environment: id and name.
fn processes(run: &str) -> Vec<(u32, String)> {
    let tag = format!("ASSIZE_RUN={run}");
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut found: Vec<(u32, String)> = pids
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == tag.as_bytes())
        })
        .map(|pid: u32| (pid, std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().into()))
        .collect();
    found.sort();
    found
}

#[test]
fn a_killed_run_can_be_judged_over_all_that_was_answered() {
    let _alone = alone();
    let bench = Bench::new();
    let fault = "faults.at=[{ at = \"500ms\", lasts = \"400ms\", kind = \"kill\", target = \"leader\" }]";
    bench.write("subject.toml", &PLAN.replace("NAME", "subject").replace("TESTBED", "loopback"));
    let mut run = bench.start(&["subject.toml", "--set", fault], &[]);
    run.wait_for("the fault is over", |event| event["event"] == "fault-ended");
    run.wait_for("operations succeed under load", |event| event["phase"] == "load" && event["ok"].as_u64() > Some(300));
    run.kill_minus_nine();
    let told = told_ok(&run.events());
    let folder = run.folder.display().to_string();
    let judged = &bench.assize(&["check", "--json", &folder]).expect(0).json()[0];
    assert_eq!(judged["verdict"], "valid");
    let exported = bench.assize(&["export", &folder]).expect(0).json();
    let recorded = exported.iter().filter(|line| line["outcome"] == "ok").count() as u64;
    assert!(recorded * 100 >= told * 99, "{told} operations were told to be ok, {recorded} are recorded");
    assert!(judged["operations"].as_u64() >= Some(recorded));
    let report = bench.assize(&["report", &folder]).expect(2);
    assert!(report.out.contains("report.html"), "{}", report.err);
    let results = read_json(&run.folder.join("results.json"));
    assert!(results["reasons"].to_string().contains("did not come to its end"), "{}", results["reasons"]);
}

/// How many operations ended `ok`, by the last figures of each phase.
fn told_ok(events: &[Value]) -> u64 {
    let last = |phase: &str| {
        let ticks = events.iter().rev().filter(|event| event["event"] == "tick");
        ticks.into_iter().find(|tick| tick["phase"] == phase).and_then(|tick| tick["ok"].as_u64()).unwrap_or(0)
    };
    last("warmup") + last("load")
}
