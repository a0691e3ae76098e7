//! `assize compare`, as a user runs it.

use std::path::Path;
use std::process::{Command, Output};

use crate::bench::alone;

fn compare(arguments: &[&str], runs: &Path) -> Output {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/bench");
    let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
    command.current_dir(plans).arg("compare").args(arguments).arg("--runs").arg(runs);
    command.output().expect("assize starts")
}

const SHORT: [&str; 8] = [
    "--set",
    "phases.load=400ms",
    "--set",
    "phases.warmup=100ms",
    "--set",
    "phases.settle=100ms",
    "--set",
    "workload.keys=10",
];

#[test]
fn two_plans_run_in_turn_and_their_cost_is_counted() {
    let _alone = alone();
    let runs = tempfile::tempdir().expect("a folder");
    let arguments = [&["raft-kv.toml", "raft-kv.toml", "--times", "2", "--seed", "7", "--json"], &SHORT[..]].concat();
    let output = compare(&arguments, runs.path());
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    assert_eq!(
        (&found["pairs"], &found["baseline"]["valid"], &found["candidate"]["valid"]),
        (&2.into(), &2.into(), &2.into())
    );
    let names: Vec<&str> =
        found["figures"].as_array().into_iter().flatten().filter_map(|f| f["name"].as_str()).collect();
    assert_eq!(names, ["ok rate", "p50", "p99", "CPU per ok", "syncs per acknowledged write"]);
    for figure in found["figures"].as_array().into_iter().flatten() {
        assert!(figure["found"]["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{figure}");
        assert_eq!(figure["found"]["resolved"], false, "two pairs resolve nothing");
    }
    let ran = std::fs::read_dir(runs.path()).expect("run folders").flatten();
    assert_eq!(
        ran.filter(|entry| entry.path().join("results.json").is_file() && !entry.path().is_symlink()).count(),
        4
    );
}

#[test]
fn a_bad_second_plan_is_told_before_the_first_one_runs() {
    let runs = tempfile::tempdir().expect("a folder");
    let output = compare(&["raft-kv.toml", "raft-kw.toml"], runs.path());
    assert_eq!(output.status.code(), Some(66));
    assert_eq!(std::fs::read_dir(runs.path()).expect("no run folders").count(), 0);
}
