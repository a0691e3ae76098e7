//! `assize sim`: what a hunt says and leaves behind.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::bench::Bench;

#[test]
fn a_find_leaves_a_page_a_diagram_and_a_case_that_fails_again() {
    let bench = Bench::new();
    let found = bench.assize(&["sim", "paxos", "--bug", "own-value-first", "--runs", "500"]).expect(1);
    assert!(found.out.contains("INVALID"), "{}", found.out);
    let folder = bench.path("runs/sim-paxos-register-own-value-first-1");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect(name);
    let page = read("report.html");
    for heading in ["INVALID", "Space and time", "Story", "What it took", "Rare paths", "Coverage"] {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(read("case.svg").starts_with("<svg"));
    let again = bench.assize(&["sim", "--replay", &folder.join("case.json").display().to_string()]).expect(1);
    assert!(again.out.contains("INVALID"), "{}", again.out);
}

#[test]
fn silence_is_told_with_what_it_does_not_vouch_for() {
    let bench = Bench::new();
    let quiet = bench.assize(&["sim", "raft", "--runs", "3", "--whole"]).expect(0);
    assert!(quiet.out.contains("VALID") && quiet.out.contains("  never: "), "{}", quiet.out);
    let page = std::fs::read_to_string(bench.path("runs/sim-raft-kv-1/report.html")).expect("a page");
    assert!(page.contains("nothing was found") && page.contains("never: "));
}

/// What was found is told and kept before it is shrunk, so that whoever does not wait for the shortest story has the long one.
#[test]
fn ctrl_c_while_shrinking_tells_and_keeps_what_was_found() {
    let bench = Bench::new();
    let mut command = bench.command(&["sim", "raft", "--bug", "stale-read", "--save", "find.json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut told = String::new();
    while !told.contains("INVALID") {
        assert!(out.read_line(&mut told).expect("text") > 0, "it ended: {told}");
    }
    assert!(bench.path("find.json").exists(), "kept before it is shrunk");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
    out.read_to_string(&mut told).expect("text");
    assert_eq!(child.wait().expect("our child").code(), Some(1), "{told}");
    assert!(told.contains("interrupted") && told.contains("--replay"), "{told}");
    let again = bench.assize(&["sim", "--replay", "find.json"]).expect(1);
    assert!(again.out.contains("INVALID"), "{}", again.out);
}
