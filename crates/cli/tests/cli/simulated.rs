//! Plans in the simulated world: the same files, verdicts and exit codes, in virtual time and byte for byte the same again.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::bench::{Bench, read_json, read_lines};

/// Runs a built-in plan in the simulated world: what came of it, and its folder.
#[track_caller]
fn simulated(bench: &Bench, plan: &str, seed: u64, set: &[&str], code: i32) -> (Value, PathBuf) {
    let seed = seed.to_string();
    let mut arguments = vec!["run", plan, "--seed", &seed, "--quiet", "--set", "testbed=simulated"];
    arguments.extend(set.iter().flat_map(|set| ["--set", *set]));
    bench.assize(&arguments).expect(code);
    let folder = bench.path("runs/latest").canonicalize().expect("the run folder");
    (read_json(&folder.join("results.json")), folder)
}

fn bytes_of(folder: &Path) -> Vec<Vec<u8>> {
    let read = |path: PathBuf| std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let history = std::fs::read_dir(folder.join("history")).expect("a history");
    let mut files: Vec<PathBuf> = history.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.extend([folder.join("faults.jsonl"), folder.join("metrics.json")]);
    files.into_iter().map(read).collect()
}

#[test]
fn a_whole_plan_is_valid_and_repeats_byte_for_byte_in_a_fraction_of_its_time() {
    let bench = Bench::new();
    let began = Instant::now();
    let (results, folder) = simulated(&bench, "raft-kv", 7, &[], 0);
    assert!(began.elapsed().as_secs_f64() < results["load"]["seconds"].as_f64().unwrap_or(30.0), "33 s of plan");
    assert_eq!((&results["testbed"], &results["verdict"]), (&"simulated".into(), &"valid".into()));
    assert!(results["operations"]["ok"].as_u64() > Some(15_000), "{}", results["operations"]);
    assert!(results["elections"].as_u64() >= Some(3), "{}", results["elections"]);
    let faults = read_lines(&folder.join("faults.jsonl"));
    assert_eq!(faults.len(), 5);
    assert!(faults.iter().all(|fault| fault["proven"] == true), "{faults:#?}");
    let checks = results["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["model"] == "invariants of the protocol"), "{checks:#?}");
    let notes = results["notes"].to_string();
    assert!(notes.contains("virtual time"), "{notes}");

    let first = bytes_of(&folder);
    let (_, again) = simulated(&bench, &folder.join("plan.toml").display().to_string(), 7, &[], 0);
    assert_ne!(folder, again);
    assert!(first == bytes_of(&again), "the same seed gives the same history, faults and metrics");
    let (_, other) = simulated(&bench, "raft-kv", 8, &[], 0);
    assert!(first != bytes_of(&other));
}

#[test]
fn paxos_is_valid_and_loses_nothing() {
    let (results, _) = simulated(&Bench::new(), "paxos-register", 7, &[], 0);
    let lost = results["objectives"].as_array().and_then(|all| all.iter().find(|one| one["name"] == "lost writes"));
    assert_eq!(lost.map(|lost| &lost["standing"]), Some(&"met".into()), "{}", results["objectives"]);
}

#[test]
fn planted_bugs_are_found_in_virtual_time() {
    let bench = Bench::new();
    for plan in ["raft-kv-stale-read", "raft-kv-lost-write", "raft-kv-forgets"] {
        let (results, folder) = simulated(&bench, plan, 1, &[], 1);
        assert_eq!(results["verdict"], "invalid", "{plan}");
        assert!(results["anomalies"][0]["story"].as_array().is_some_and(|story| story.len() >= 2), "{plan}");
        bench.assize(&["check", &folder.display().to_string()]).expect(1);
    }
    let (results, _) = simulated(&bench, "paxos-register", 1, &["system.bug=read-local", "system.nodes=3"], 1);
    assert_eq!(results["verdict"], "invalid");
}

#[test]
fn what_is_no_protocol_of_ours_is_refused() {
    let refused = Bench::new().assize(&["run", "etcd", "--set", "testbed=simulated"]).expect(69);
    assert!(refused.err.contains("testbed `simulated` cannot do `etcd`"), "{}", refused.err);
}
