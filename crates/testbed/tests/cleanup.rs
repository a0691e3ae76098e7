//! What a run leaves behind: nothing, however it ends.
//!
//! The tests start this very test binary again as the bench of a run, and kill it.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base::NodeId;
use common::{Stage, eventually, run_id, tagged};
use testbed::{Loopback, LoopbackOptions, Registry, Testbed};

const REGISTRY: &str = "TESTBED_VICTIM_REGISTRY";
const RUN: &str = "TESTBED_VICTIM_RUN";
const SCRIPT: &str = "TESTBED_VICTIM_SCRIPT";

#[test]
fn nodes_die_with_the_bench() {
    let stage = Stage::new();
    let run = run_id("deathsig");
    let mut bench = victim(&stage, &run, "exec sleep 300");
    eventually("the node runs", || tagged(&run).len() == 1);
    kill_minus_nine(&mut bench);
    eventually("the node is gone without any sweep", || tagged(&run).is_empty());
    let swept = stage.registry.sweep().unwrap();
    assert_eq!(swept.len(), 1);
    assert!(swept[0].left.is_empty(), "{}", swept[0]);
    assert!(!stage.state_file(&run).exists());
    assert!(!temporary(&run).exists());
    assert_eq!(stage.registry.sweep().unwrap(), [], "nothing is left to sweep");
}

#[test]
fn a_sweep_kills_daemons_of_the_dead_and_leaves_the_living_alone() {
    let stage = Stage::new();
    let (dead, living) = (run_id("dead"), run_id("living"));
    let mut lost = victim(&stage, &dead, "setsid sleep 300 & wait");
    let mut other = victim(&stage, &living, "setsid sleep 300 & wait");
    eventually("both runs have their daemon", || tagged(&dead).len() == 2 && tagged(&living).len() == 2);
    kill_minus_nine(&mut lost);
    eventually("only the daemon survives", || tagged(&dead).len() == 1);
    let swept = stage.registry.sweep().unwrap();
    assert_eq!(swept.len(), 1);
    assert_eq!(swept[0].run, dead);
    assert!(swept[0].done.contains(&"killed 1 process".to_string()), "{}", swept[0]);
    assert!(tagged(&dead).is_empty());
    assert_eq!(tagged(&living).len(), 2);
    assert!(stage.state_file(&living).exists() && temporary(&living).exists());
    kill_minus_nine(&mut other);
    stage.registry.sweep().unwrap();
    assert!(tagged(&living).is_empty());
}

#[test]
fn a_panic_undoes_the_run() {
    let stage = Stage::new();
    let run = run_id("panic");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let guard = stage.register(&run);
        guard.tag().add_temporary(&temporary(&run)).unwrap();
        std::fs::create_dir(temporary(&run)).unwrap();
        let mut bed = Loopback::new(&guard, LoopbackOptions::default()).unwrap();
        bed.layout(1, &[]).unwrap();
        bed.start(NodeId(0), &stage.shell("setsid sleep 300 & wait")).unwrap();
        eventually("the node runs", || tagged(&run).len() == 2);
        std::panic::resume_unwind(Box::new("a bug in the bench"));
    }));
    assert!(outcome.is_err());
    assert!(tagged(&run).is_empty() && !stage.state_file(&run).exists() && !temporary(&run).exists());
}

#[test]
fn a_node_cannot_be_started_after_the_run_was_undone() {
    let stage = Stage::new();
    let run = run_id("late");
    let guard = stage.register(&run);
    let mut bed = Loopback::new(&guard, LoopbackOptions::default()).unwrap();
    bed.layout(1, &[]).unwrap();
    bed.start(NodeId(0), &stage.shell("exec sleep 300")).unwrap();
    let done = guard.undo().done;
    assert_eq!(done, ["killed 1 process"]);
    assert!(bed.restart(NodeId(0)).is_err());
    assert!(tagged(&run).is_empty());
}

#[test]
fn undoing_twice_does_nothing_twice() {
    let stage = Stage::new();
    let run = run_id("twice");
    let guard = stage.register(&run);
    guard.tag().add_temporary(&temporary(&run)).unwrap();
    std::fs::create_dir(temporary(&run)).unwrap();
    assert_eq!(guard.undo().done.len(), 1);
    assert_eq!(guard.undo().done, Vec::<String>::new());
    assert!(guard.tag().add_mount(Path::new("/nowhere")).is_err(), "nothing may be changed after the end");
}

#[test]
fn a_state_file_that_cannot_be_read_is_reported_and_kept() {
    let stage = Stage::new();
    std::fs::write(stage.state_file("broken"), "{").unwrap();
    let swept = stage.registry.sweep().unwrap();
    assert_eq!((swept[0].run.as_str(), swept[0].left.len()), ("broken", 1));
    assert!(stage.state_file("broken").exists());
}

/// Not a test of its own: the bench that the others kill.
#[test]
fn victim_bench() {
    let Some(registry) = std::env::var_os(REGISTRY) else { return };
    let (run, script) = (std::env::var(RUN).unwrap(), std::env::var(SCRIPT).unwrap());
    let registry = Registry::at(Path::new(&registry)).unwrap();
    let stage = Stage::new();
    let guard = registry.register(&run, stage.dir.path()).unwrap();
    let temporary = std::env::temp_dir().join(format!("testbed-{run}"));
    guard.tag().add_temporary(&temporary).unwrap();
    std::fs::create_dir(&temporary).unwrap();
    let mut bed = Loopback::new(&guard, LoopbackOptions::default()).unwrap();
    bed.layout(1, &[]).unwrap();
    let mut node = stage.shell(&script);
    // The stage of a bench that is killed is never dropped: what it uses must be what the sweep removes.
    node.dir = temporary.clone();
    node.log = temporary.join("node.log");
    drop(stage);
    bed.start(NodeId(0), &node).unwrap();
    println!("victim ready");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

fn victim(stage: &Stage, run: &str, script: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "victim_bench", "--nocapture", "--test-threads=1"]);
    command.env(REGISTRY, stage.dir.path().join("registry")).env(RUN, run).env(SCRIPT, script);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("victim ready")), "the bench came up");
    child
}

fn kill_minus_nine(bench: &mut Child) {
    bench.kill().unwrap();
    bench.wait().unwrap();
}

fn temporary(run: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("testbed-{run}"))
}
