//! `assize sim --exhaustive`: how many states there are, and the shortest story when one of them breaks a promise.

use crate::bench::Bench;

#[track_caller]
fn check(arguments: &[&str], code: i32, parts: &[&str]) {
    let ended = Bench::new().assize(&[&["sim"], arguments].concat()).expect(code);
    let all = format!("{}{}", ended.out, ended.err);
    parts.iter().for_each(|part| assert!(all.contains(part), "`{part}` is missing in:\n{all}"));
}

const PAXOS: [&str; 6] = ["paxos-register", "--exhaustive", "--nodes", "3", "--threads", "2"];

#[test]
fn every_state_is_seen_or_it_is_said_that_some_were_not() {
    let all = [&PAXOS[..], &["--timeouts", "1"]].concat();
    check(&all, 0, &["2 687 states", "VALID · every state within this scope was seen"]);
    check(&[&PAXOS[..], &["--depth", "5"]].concat(), 2, &["UNKNOWN", "`--depth`"]);
}

#[test]
fn a_planted_bug_is_told_by_the_shortest_story() {
    let broken = ["--operations", "2", "--timeouts", "0", "--bug", "read-local"];
    let told = ["INVALID · linearizable", "c1 asks write k0=1", "n2 → c2  reply", "c2 ok read k0 → nothing"];
    check(&[&PAXOS[..], &broken].concat(), 1, &told);
}
