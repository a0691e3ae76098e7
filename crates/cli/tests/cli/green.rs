//! A short green run, and everything that can be done with its folder afterwards.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;

use serde_json::Value;

use crate::bench::{Bench, Ended, alone, read_json, read_lines};

/// Three nodes, a few seconds, two faults of the schedule's and one drawn from the seed. No latency objective: the machine that runs
/// the tests may be busy.
const PLAN: &str = r#"
name = "green"
seed = 7

[system]
kind = "raft-kv"
nodes = 3
election_timeout = "300ms..600ms"

[client]
processes = 16
target = "leader"

[workload]
keys = 8

[load]
rate = "400/s"

[phases]
warmup = "500ms"
load = "5s"
settle = "500ms"

[[faults.at]]
at = "500ms"
lasts = "600ms"
kind = "kill"
target = "leader"

[faults]
recover = "1s"

[faults.random]
kinds = ["partition", "pause"]
lasts = "400ms..600ms"
gap = "1400ms..1500ms"

[objectives]
model = "linearizable"
lost_writes = 0
error_share = "60%"
"#;

/// One run that the tests of this file share. They change nothing in it that another reads.
struct Green {
    bench: Bench,
    events: Vec<Value>,
    folder: PathBuf,
}

static GREEN: LazyLock<Green> = LazyLock::new(|| {
    let _alone = alone();
    let bench = Bench::named("green");
    bench.write("green.toml", PLAN);
    let events = bench.assize(&["run", "green.toml", "--json"]).expect(0).json();
    let run = events[0]["run"].as_str().expect("the first event names the run").to_string();
    let folder = bench.path("runs").join(run);
    Green { bench, events, folder }
});

fn results(folder: &Path) -> Value {
    read_json(&folder.join("results.json"))
}

#[test]
fn the_verdict_is_valid_and_the_run_is_the_latest() {
    let found = results(&GREEN.folder);
    assert_eq!((&found["verdict"], &found["exit_code"], &found["seed"]), (&"valid".into(), &0.into(), &7.into()));
    let latest = GREEN.bench.path("runs/latest").canonicalize().expect("the link");
    assert_eq!(latest, GREEN.folder.canonicalize().expect("the folder"));
}

#[test]
fn the_run_folder_holds_everything() {
    let files = ["plan.toml", "run.json", "faults.jsonl", "results.json", "report.html", "junit.xml", "events.jsonl"];
    let logs = ["nodes/n1/log", "nodes/n2/log", "nodes/n3/log"];
    for file in files.into_iter().chain(logs) {
        assert!(GREEN.folder.join(file).is_file(), "{file} is missing");
    }
    assert!(GREEN.folder.join("history").read_dir().expect("the records").count() > 0);
    assert!(!GREEN.folder.join("owner").exists(), "the run is over");
    let html = std::fs::read_to_string(GREEN.folder.join("report.html")).expect("the report");
    assert!(html.starts_with("<!") && html.contains("valid") && html.trim_end().ends_with("</html>"));
    let junit = std::fs::read_to_string(GREEN.folder.join("junit.xml")).expect("JUnit");
    assert!(junit.starts_with("<?xml") && junit.contains("<testcase") && !junit.contains("<failure"), "{junit}");
}

#[test]
fn results_have_every_documented_figure() {
    let found = results(&GREEN.folder);
    let above = |pointer: &str, least: f64| {
        let value = found.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert!(value.as_f64().is_some_and(|value| value >= least), "{pointer} is {value}");
    };
    above("/format", 1.0);
    above("/operations/ok", 500.0);
    above("/operations/fail", 0.0);
    above("/operations/info", 0.0);
    above("/elections", 1.0);
    above("/rate/asked", 300.0);
    above("/rate/achieved", 100.0);
    above("/latency_us/p50", 1.0);
    // Infinite where operations got no answer.
    for pointer in ["/latency_us/p99", "/latency_us/p999"] {
        let value = found.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert!(value.is_number() || value == "never", "{pointer} is {value}");
    }
    assert!(found["trusted"].is_boolean());
    let checks = found["checks"].as_array().expect("checks");
    assert_eq!((&checks[0]["model"], &checks[0]["verdict"]), (&"linearizable".into(), &"valid".into()));
    let objectives = found["objectives"].as_array().expect("objectives");
    let names: Vec<&str> = objectives.iter().filter_map(|objective| objective["name"].as_str()).collect();
    assert_eq!(names, ["linearizable", "lost writes", "error share"]);
}

#[test]
fn every_fault_has_evidence_and_a_recovery() {
    let found = results(&GREEN.folder);
    let faults = found["faults"].as_array().expect("faults");
    assert!(faults.len() >= 2, "{faults:#?}");
    assert!(faults.iter().any(|fault| fault["kind"] == "kill" && fault["target"] == "leader"));
    for fault in faults {
        assert_eq!(fault["proven"], true, "{fault}");
        assert!(fault["evidence"].as_array().is_some_and(|evidence| !evidence.is_empty()), "{fault}");
        assert!(fault["recovery"]["state"].is_string(), "{fault}");
    }
    assert_eq!(read_lines(&GREEN.folder.join("faults.jsonl")).len(), faults.len());
}

#[test]
fn the_event_stream_is_complete_and_kept() {
    let known = [
        "started",
        "note",
        "ready",
        "phase",
        "tick",
        "leader",
        "fault-began",
        "fault-ended",
        "violation",
        "stopped",
        "finished",
    ];
    for event in &GREEN.events {
        assert!(known.iter().any(|kind| event["event"] == *kind), "{event}");
    }
    let count = |kind: &str| GREEN.events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!((count("started"), count("ready"), count("finished")), (1, 1, 1));
    assert!(count("tick") >= 10 && count("leader") >= 2);
    assert_eq!(count("fault-began"), count("fault-ended"));
    let phases: Vec<&str> = GREEN.events.iter().filter_map(|event| event["phase"].as_str()).collect();
    let order = ["warm-up", "load", "settle", "final reads", "check"];
    let places: Vec<usize> = order.iter().map(|phase| phases.iter().position(|p| p == phase).expect(phase)).collect();
    assert!(places.is_sorted(), "{phases:?}");
    assert_eq!(read_lines(&GREEN.folder.join("events.jsonl")), GREEN.events);
}

#[test]
fn check_says_the_same_and_so_does_every_export() {
    let folder = GREEN.folder.display().to_string();
    let own = &GREEN.bench.assize(&["check", "--json", &folder]).expect(0).json()[0];
    let counted = results(&GREEN.folder)["checks"][0]["operations"].as_u64();
    assert_eq!((own["verdict"].as_str(), own["operations"].as_u64()), (Some("valid"), counted));
    for format in ["jsonl", "edn"] {
        let text = GREEN.bench.assize(&["export", &folder, "--format", format]).expect(0).out;
        let file = format!("history.{format}");
        GREEN.bench.write(&file, &text);
        let read = &GREEN.bench.assize(&["check", "--json", &file]).expect(0).json()[0];
        assert_eq!((&read["verdict"], &read["operations"]), (&own["verdict"], &own["operations"]), "{format}");
    }
}

#[test]
fn report_writes_the_same_results_again() {
    let copy = Bench::new();
    let folder = copy.path("copy");
    copy_folder(&GREEN.folder, &folder);
    let before = results(&folder);
    for file in ["results.json", "report.html", "junit.xml"] {
        std::fs::remove_file(folder.join(file)).expect("it was there");
    }
    let told = copy.assize(&["report", "copy"]).expect(0).out;
    assert!(told.trim_end().ends_with("report.html"), "{told}");
    let after = results(&folder);
    for field in
        ["verdict", "exit_code", "seed", "operations", "rate", "latency_us", "faults", "objectives", "elections"]
    {
        assert_eq!(before[field], after[field], "{field}");
    }
    assert!(folder.join("report.html").is_file() && folder.join("junit.xml").is_file());
}

#[test]
fn the_effective_plan_runs_again_with_the_same_schedule() {
    let first = Schedule::of(&GREEN.folder);
    let plan = GREEN.folder.join("plan.toml").display().to_string();
    let _alone = alone();
    let again = Bench::new();
    let told = again.assize(&["run", &plan, "--quiet"]).expect(0).out;
    assert_eq!(told, "valid seed 7\n");
    let second = Schedule::of(&again.path("runs/latest"));
    let drawn = |schedule: &Schedule| schedule.faults.iter().map(|(fault, _)| fault.clone()).collect::<Vec<_>>();
    assert_eq!(drawn(&first), drawn(&second));
    for ((fault, a), (_, b)) in first.faults.iter().zip(&second.faults) {
        assert!((a - b).abs() < 0.3, "{fault:?} struck {a} s and {b} s after the load began");
    }
    assert!(first.requests.len() >= 100);
    assert_eq!(first.requests, second.requests);
}

/// What a seed decides: the faults, and what is asked when, counted from the start of the warm-up.
struct Schedule {
    /// Number, text and target; and when it struck, in seconds of the load phase.
    faults: Vec<((u64, String, String), f64)>,
    /// When it was due, and function, key and written value.
    requests: Vec<(u64, String, u64, Option<u64>)>,
}

impl Schedule {
    fn of(folder: &Path) -> Schedule {
        let start = read_json(&folder.join("run.json"))["load_start_ns"].as_f64().expect("the load began");
        let text = |value: &Value| value.as_str().expect("text").to_string();
        let mut faults: Vec<_> = read_lines(&folder.join("faults.jsonl"))
            .iter()
            .map(|fault| {
                let id = fault["id"].as_u64().expect("an id");
                let struck = (fault["start_ns"].as_f64().expect("a time") - start) / 1e9;
                ((id, text(&fault["text"]), text(&fault["target"])), struck)
            })
            .collect();
        faults.sort_by_key(|((id, ..), _)| *id);
        Schedule { faults, requests: Schedule::requests(folder) }
    }

    /// The requests of the warm-up, before any fault: all of them are sent.
    fn requests(folder: &Path) -> Vec<(u64, String, u64, Option<u64>)> {
        let folder = folder.display().to_string();
        let out = Bench::new().assize(&["export", &folder]).expect(0).json();
        let warm: Vec<&Value> = out.iter().filter(|line| line["phase"] == "warmup").collect();
        let due = |line: &Value| line["due"].as_u64().expect("when it was due");
        let first = warm.iter().map(|line| due(line)).min().expect("there is a warm-up");
        let mut requests: Vec<_> = warm
            .into_iter()
            .map(|line| {
                let function = line["f"].as_str().expect("a function").to_string();
                let value = if function == "write" { line["value"].as_u64() } else { None };
                (due(line) - first, function, line["key"].as_u64().expect("a key"), value)
            })
            .collect();
        requests.sort();
        requests
    }
}

#[test]
fn quiet_says_one_line_and_times_counts_verdicts() {
    let _alone = alone();
    let bench = Bench::new();
    bench.write("green.toml", PLAN);
    let short = ["--set", "phases.load=1500ms", "--set", "faults={}", "--seed", "3"];
    let told = bench.assize(&[&["run", "green.toml", "--quiet", "--times", "2"], &short[..]].concat()).expect(0).out;
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        ["valid seed 3", "valid seed 4", "2 runs: 2 good, 0 invalid or short of an objective, 0 unknown"]
    );
    let plain = bench.assize(&[&["run", "green.toml"], &short[..]].concat()).expect(0).out;
    for part in ["green: 3 nodes of raft-kv on loopback, seed 3", "all nodes serve after", "final reads", "valid"] {
        assert!(plain.contains(part), "`{part}` is missing in:\n{plain}");
    }
    assert!(!plain.contains('\u{1b}'), "no escape codes where the output is no terminal");
}

#[test]
fn runs_of_one_plan_and_seed_in_one_second_do_not_meet() {
    let _alone = alone();
    let bench = Bench::new();
    bench.write("green.toml", PLAN);
    let start = |runs: &str| {
        let arguments =
            ["run", "green.toml", "--quiet", "--runs", runs, "--set", "phases.load=1s", "--set", "faults={}"];
        bench.command(&arguments).stdout(Stdio::piped()).spawn().expect("the binary runs")
    };
    for child in ["here", "there"].map(start) {
        let ended = Ended::of(child.wait_with_output().expect("our child")).expect(0);
        assert_eq!(ended.out, "valid seed 7\n");
    }
}

#[test]
fn a_run_whose_output_nobody_reads_comes_to_its_end() {
    let _alone = alone();
    let bench = Bench::new();
    bench.write("green.toml", PLAN);
    for view in [&[][..], &["--json"], &["--quiet"]] {
        let short = ["run", "green.toml", "--set", "phases.load=1s", "--set", "faults={}"];
        let ended = bench.unread(&[&short[..], view].concat()).expect(0);
        assert_eq!(ended.err, "", "{view:?}");
        assert_eq!(results(&bench.path("runs/latest"))["verdict"], "valid");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}
