//! A run that is checked while the load runs: the first violation ends it, if the plan wants that.

use serde_json::Value;

use crate::bench::{Bench, alone, read_json, read_lines};

/// A leader that is cut off for a long time goes on acknowledging what it alone has, while the others elect another.
const TWO_LEADERS: &[&str] = &[
    "run",
    "raft-kv-lost-write",
    "--seed",
    "3",
    "--json",
    "--set",
    "phases.warmup=0s",
    "--set",
    "phases.load=20s",
    "--set",
    "faults.at=[{ at = '500ms', lasts = '18s', kind = 'partition', shape = 'isolate', target = 'leader' }]",
    "--set",
    "check.stop=first-violation",
];

#[test]
fn the_first_violation_ends_the_run() {
    let _alone = alone();
    let bench = Bench::new();
    bench.assize(TWO_LEADERS).expect(1);
    let folder = bench.path("runs/latest");
    let events = read_lines(&folder.join("events.jsonl"));
    let of = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
    let violation = of("violation").next().expect("it is told while the load runs");
    let stopped = of("stopped").next().expect("and ends the run");
    let (found, ended) = (violation["at"].as_f64(), stopped["at"].as_f64());
    assert!(found > Some(0.5) && found <= ended, "{violation} {stopped}");
    assert!(violation["because"].as_str().is_some_and(|because| because.contains("read")), "{violation}");
    assert_eq!((of("fault-began").count(), of("fault-ended").count()), (1, 1), "what was in force is healed");
    assert!(of("tick").any(|tick| tick["checked"].as_u64() > Some(0)), "the view can tell how it goes");
    assert!(of("phase").all(|phase| phase["phase"] != "final reads"), "nothing more is asked");

    let results = read_json(&folder.join("results.json"));
    assert_eq!(results["verdict"], "invalid", "{}", results["reasons"]);
    assert!(results["seconds"].as_f64() < Some(15.0), "the load was to last 20 s: {}", results["seconds"]);
    let notes: Vec<&str> = results["notes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let told = |text: &str| notes.iter().any(|note| note.contains(text));
    assert!(told("found while the load ran, at ") && told(" s into the load, ended the run"), "{notes:?}");
}
