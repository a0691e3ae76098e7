//! Nodes as processes: faults, and the proof of each.

mod common;

use std::time::Duration;

use base::NodeId;
use common::{Stage, eventually, is_alive, run_id, tagged};
use testbed::{Error, Evidence, Exit, Loopback, LoopbackOptions, PortSpec, Testbed};

const N1: NodeId = NodeId(0);

fn loopback(guard: &testbed::Guard) -> Loopback {
    let mut bed = Loopback::new(guard, LoopbackOptions::default()).expect("a testbed");
    bed.layout(1, &[PortSpec::client("client")]).expect("a layout");
    bed
}

#[test]
fn a_killed_node_is_gone_with_all_it_started() {
    let stage = Stage::new();
    let run = run_id("kill");
    let guard = stage.register(&run);
    let mut bed = loopback(&guard);
    // One child in the node's session, and a daemon that left it.
    bed.start(N1, &stage.shell("sleep 300 & setsid sleep 300 & wait")).unwrap();
    eventually("three processes", || tagged(&run).len() == 3);
    let evidence = bed.kill(N1).unwrap();
    let Evidence::Killed { pids, exit, .. } = &evidence else { panic!("{evidence:?}") };
    assert_eq!((pids.len(), *exit), (3, Some(Exit::Signal(9))), "{evidence}");
    assert!(evidence.holds() && pids.iter().all(|pid| !is_alive(*pid)));
    assert!(!bed.is_running(N1));
    assert!(!bed.kill(N1).unwrap().holds(), "killing what is dead proves nothing");
}

#[test]
fn processor_time_goes_on_over_a_kill_and_a_restart() {
    let stage = Stage::new();
    let guard = stage.register(&run_id("cpu"));
    let mut bed = loopback(&guard);
    assert_eq!(bed.cpu(N1), Duration::ZERO, "it was never started");
    let busy = Duration::from_millis(50);
    bed.start(N1, &stage.shell("while :; do :; done")).unwrap();
    eventually("it has used some", || bed.cpu(N1) >= busy);
    bed.kill(N1).unwrap();
    let first = bed.cpu(N1);
    assert!(first >= busy, "a kill does not forget: {first:?}");
    bed.restart(N1).unwrap();
    eventually("the second life is added", || bed.cpu(N1) >= first + busy);
}

#[test]
fn a_paused_node_is_stopped_and_goes_on() {
    let stage = Stage::new();
    let guard = stage.register(&run_id("pause"));
    let mut bed = loopback(&guard);
    bed.start(N1, &stage.shell("sleep 300 & setsid sleep 300 & wait")).unwrap();
    eventually("three processes", || tagged(guard.tag().run()).len() == 3);
    let paused = bed.pause(N1).unwrap();
    let Evidence::Paused { states, .. } = &paused else { panic!("{paused:?}") };
    assert!(states.len() == 3 && paused.holds(), "{paused}");
    assert!(bed.is_running(N1), "paused is not dead");
    let resumed = bed.resume(N1).unwrap();
    assert!(resumed.holds(), "{resumed}");
    bed.pause(N1).unwrap();
    assert!(bed.kill(N1).unwrap().holds(), "a stopped process can be killed");
}

#[test]
fn a_restarted_node_appends_to_its_log_and_keeps_its_port() {
    let stage = Stage::new();
    let guard = stage.register(&run_id("restart"));
    let mut bed = Loopback::new(&guard, LoopbackOptions::default()).unwrap();
    let layout = bed.layout(3, &[PortSpec::client("client"), PortSpec::client("admin")]).unwrap();
    let mut ports: Vec<u16> =
        layout.nodes.iter().flat_map(|place| place.ports.values().copied().collect::<Vec<_>>()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 6, "every port is its own");
    let node = stage.shell("echo up; echo oops >&2; exec sleep 300");
    bed.start(N1, &node).unwrap();
    assert!(matches!(bed.start(N1, &node), Err(Error::State(_))), "it runs already");
    let lines =
        |text: &str| std::fs::read_to_string(&node.log).unwrap().lines().filter(|line| line.starts_with(text)).count();
    eventually("first start's output", || lines("oops") == 1);
    bed.kill(N1).unwrap();
    bed.start(N1, &node).unwrap();
    eventually("second start's output", || lines("up") == 2 && lines("oops") == 2);
    assert_eq!((lines("---- assize: start 1 of n1"), lines("---- assize: start 2 of n1")), (1, 1));
}

#[test]
fn stopping_is_gentle_first_and_forced_after_the_grace_time() {
    let stage = Stage::new();
    let guard = stage.register(&run_id("stop"));
    let mut bed = Loopback::new(&guard, LoopbackOptions::default()).unwrap();
    bed.layout(2, &[]).unwrap();
    let gentle = stage.shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done");
    let deaf = stage.shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    bed.start(NodeId(0), &gentle).unwrap();
    bed.start(NodeId(1), &deaf).unwrap();
    let ready = || std::fs::read_to_string(&gentle.log).unwrap().matches("\nready").count() == 2;
    eventually("both traps are set", ready);
    let evidence = bed.stop_all(Duration::from_millis(400)).unwrap();
    let ends: Vec<_> = evidence.iter().map(ToString::to_string).collect();
    assert_eq!(ends, ["n1 stopped (exit code 7)", "n2 stopped by force (signal 9)"]);
    assert_eq!(bed.exit_status(NodeId(0)), Some(Exit::Code(7)));
}

#[test]
fn a_node_outlives_the_thread_that_asked_for_it() {
    let stage = Stage::new();
    let guard = stage.register(&run_id("thread"));
    let mut bed = loopback(&guard);
    let node = stage.shell("exec sleep 300");
    let mut bed = std::thread::spawn(move || {
        bed.start(N1, &node).unwrap();
        bed
    })
    .join()
    .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(bed.is_running(N1), "a parent-death signal follows the thread that forked, which must not be the caller's");
}

#[test]
fn a_missing_program_or_directory_is_said() {
    let stage = Stage::new();
    let guard = stage.register(&run_id("missing"));
    let mut bed = loopback(&guard);
    let mut node = stage.shell("true");
    node.program = "no-such-program".into();
    let error = bed.start(N1, &node).unwrap_err();
    assert!(error.is_unavailable());
    assert_eq!(error.to_string(), "`no-such-program` is missing, needed to start n1");
    let mut node = stage.shell("true");
    node.dir = "/no/such/dir".into();
    assert_eq!(
        bed.start(N1, &node).unwrap_err().to_string(),
        "cannot start n1: its directory `/no/such/dir` does not exist"
    );
}
