//! One's own system: the stores of `examples/`, started by commands of the plan, and one that runs already.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, alone, read_json, root};

/// Runs a plan of `examples/store` from the root of the repository, as its head says.
fn store(plan: &str, seed: u64) -> (i32, Value) {
    let bench = Bench::new();
    let (runs, seed) = (bench.path("runs").display().to_string(), seed.to_string());
    let arguments = ["run", plan, "--seed", &seed, "--quiet", "--runs", &runs, "--set", "phases.load=5s"];
    let status = bench.command(&arguments).current_dir(root()).output().expect("it runs").status;
    let results = read_json(&bench.path("runs/latest/results.json"));
    (status.code().expect("an exit code"), results)
}

#[test]
fn the_wrong_store_is_invalid_and_the_witness_says_why() {
    if !testkit::available("the_wrong_store_is_invalid_and_the_witness_says_why", &["python3"], false) {
        return;
    }
    let _alone = alone();
    let found = (1..=3).map(|seed| store("examples/store/wrong.toml", seed)).find(|(code, _)| *code == 1);
    let (_, results) = found.expect("invalid for one of three seeds");
    assert_eq!(results["verdict"], "invalid");
    assert!(results["anomalies"][0]["story"].as_array().is_some_and(|story| story.len() >= 2));
}

#[test]
fn the_right_store_is_valid() {
    if !testkit::available("the_right_store_is_valid", &["python3"], false) {
        return;
    }
    let _alone = alone();
    let (code, results) = store("examples/store/right.toml", 1);
    assert_eq!((code, &results["verdict"]), (0, &"valid".into()), "{}", results["reasons"]);
    assert_eq!(results["faults"][0]["proven"], true, "{}", results["faults"]);
}

const ATTACHED: &str = r#"
name = "attached"
seed = 1

[system]
endpoints = ["ADDRESS"]

[client]
kind = "http"
processes = 8
get = { request = "GET /kv/{key}", missing = [404] }
put = { request = "PUT /kv/{key}", body = "{value}" }

[workload]
keys = 4

[load]
rate = "150/s"

[phases]
warmup = "300ms"
load = "2s"
settle = "200ms"

[objectives]
model = "linearizable"
lost_writes = 0
"#;

/// Twice against the same store: each run asks under a prefix of its own, so what the first left does not confuse the second.
#[test]
fn a_system_that_runs_already_is_attached_to_and_left_running() {
    if !testkit::available("a_system_that_runs_already_is_attached_to_and_left_running", &["python3"], false) {
        return;
    }
    let _alone = alone();
    let bench = Bench::new();
    let mut store = Store::start(&bench);
    bench.write("attached.toml", &ATTACHED.replace("ADDRESS", &store.address));
    for _ in 0..2 {
        bench.assize(&["run", "attached.toml", "--quiet"]).expect(0);
        let results = read_json(&bench.path("runs/latest/results.json"));
        assert_eq!((&results["verdict"], &results["testbed"]), (&"valid".into(), &"attached".into()));
        assert!(results["operations"]["ok"].as_u64() > Some(200), "{}", results["operations"]);
        assert!(results["notes"].to_string().contains("no process or network faults"), "{}", results["notes"]);
    }
    assert!(store.process.try_wait().expect("our child").is_none(), "the store was not ours to stop");
}

#[test]
fn faults_need_a_system_that_was_deployed() {
    let bench = Bench::new();
    let plan = ATTACHED.replace("ADDRESS", "127.0.0.1:1");
    let fault = "[[faults.at]]\nat = \"500ms\"\nlasts = \"500ms\"\nkind = \"kill\"\ntarget = \"random\"\n";
    bench.write("attached.toml", &format!("{plan}\n{fault}"));
    let ended = bench.assize(&["run", "attached.toml"]).expect(65);
    assert!(ended.err.contains("cannot be harmed"), "{}", ended.err);
}

#[test]
fn a_system_that_does_not_answer_is_69() {
    let bench = Bench::new();
    bench.write("attached.toml", &ATTACHED.replace("ADDRESS", "127.0.0.1:1"));
    let ended = bench.assize(&["run", "attached.toml"]).expect(69);
    assert!(ended.err.contains("127.0.0.1:1"), "{}", ended.err);
}

/// The right store, started by the test itself.
struct Store {
    process: Child,
    address: String,
}

impl Store {
    fn start(bench: &Bench) -> Store {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its address").to_string();
        drop(free);
        let (program, folder) = (root().join("examples/store/right.py"), bench.path("data"));
        let mut command = Command::new("python3");
        command.arg(program).args([&address, &address]).arg(folder).stderr(Stdio::null());
        let store = Store { process: command.spawn().expect("python3 starts"), address };
        let began = Instant::now();
        while std::net::TcpStream::connect(&store.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "the store does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        store
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
