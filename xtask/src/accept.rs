//! `cargo xtask accept [NAME...] [--runs N]`: the long runs that prove the promises of the README; too long for CI.
//!
//! Each step prints a line per run as it comes, and one line that says whether the promise holds. Everything is run with the release
//! binary, in folders below `target/accept`. Latencies, and with them `trusted`, need a machine that does nothing else.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::{install, root, step};

mod kill;

/// A promise, and how it is tried.
struct Step {
    name: &'static str,
    promise: &'static str,
    run: fn(&mut Trial) -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step {
        name: "green",
        promise: "default runs with other seeds: all valid, 19 of 20 trusted, at least 3 elections and 10 000 operations each",
        run: green,
    },
    Step {
        name: "red",
        promise: "each planted bug is found within 30 s in 19 of 20 runs; without it, all runs are valid",
        run: red,
    },
    Step {
        name: "kill",
        promise: "kill -9 at random moments: `check` says valid over 99 % of what was answered, and nothing is left behind",
        run: kill::run,
    },
    Step {
        name: "truth",
        promise: "recorder, checker and load engine agree with the truth at full length",
        run: truth,
    },
    Step {
        name: "bench",
        promise: "our store acknowledges more puts than etcd, three nodes each, both durable",
        run: bench,
    },
    Step {
        name: "speed",
        promise: "1 000 000 register operations by 20 processes are checked in 50 ms on one core",
        run: speed,
    },
    Step {
        name: "propose",
        promise: "our Raft agrees on more values a CPU-second than openraft, raft-rs and omnipaxos at every point",
        run: propose,
    },
    Step { name: "build", promise: "a cold release build costs at most 150 CPU-seconds", run: build },
];

/// Runs of a kind that the promises speak of.
const TWENTY: u64 = 20;

/// Runs the named acceptance runs, or all of them.
///
/// # Errors
/// The names of those that missed, or what is wrong with the arguments.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let (names, runs) = parse(arguments)?;
    let chosen = STEPS.iter().filter(|step| names.is_empty() || names.contains(&step.name));
    step("cargo", &["build", "--release", "--quiet", "--package", "assize"], &[])?;
    let mut lines = Vec::new();
    for step in chosen {
        let mut trial = Trial { name: step.name, runs, misses: Vec::new() };
        eprintln!("\n== accept {}: {}", step.name, step.promise);
        let began = Instant::now();
        if let Err(error) = (step.run)(&mut trial) {
            trial.miss(error);
        }
        lines.push((trial.to_string(), trial.misses.is_empty()));
        eprintln!("{trial} ({:.0} s)", began.elapsed().as_secs_f64());
    }
    eprintln!();
    lines.iter().for_each(|(line, _)| eprintln!("{line}"));
    let missed = lines.iter().filter(|(_, good)| !good).count();
    if missed == 0 { Ok(()) } else { Err(format!("{missed} of {} promises are missed", lines.len())) }
}

/// Names, and how many runs of each kind.
fn parse(arguments: &[String]) -> Result<(Vec<&str>, u64), String> {
    let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    let (mut names, mut runs) = (Vec::new(), TWENTY);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--runs" {
            let number = rest.next().and_then(|text| text.parse().ok()).filter(|runs| *runs > 0);
            runs = number.ok_or("`--runs` needs a number of at least 1")?;
        } else if known.contains(&argument.as_str()) {
            names.push(argument.as_str());
        } else {
            return Err(format!("there is no acceptance run `{argument}`; known: {}", known.join(", ")));
        }
    }
    Ok((names, runs))
}

/// One step under way: what has missed so far.
struct Trial {
    name: &'static str,
    runs: u64,
    misses: Vec<String>,
}

impl Trial {
    fn miss(&mut self, what: impl Into<String>) {
        self.misses.push(what.into());
    }

    fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.miss(what());
        }
    }

    /// Of twenty runs one may miss; of fewer, none.
    fn spare(&self) -> u64 {
        self.runs / TWENTY
    }

    /// A folder of this step, empty.
    fn folder(&self, name: &str) -> Result<PathBuf, String> {
        let folder = root().join("target/accept").join(self.name).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        Ok(folder)
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.misses.is_empty() {
            write!(f, "accept {}: holds", self.name)
        } else {
            write!(f, "accept {}: MISSED: {}", self.name, self.misses.join("; "))
        }
    }
}

/// The release binary.
fn assize() -> Command {
    let mut command = Command::new(root().join("target/release/assize"));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// A run that came to its verdict.
struct Ran {
    seconds: f64,
    results: Value,
}

impl Ran {
    /// Runs a built-in plan into `runs`.
    fn of(plan: &str, seed: u64, set: &[&str], runs: &PathBuf) -> Result<Ran, String> {
        let began = Instant::now();
        let mut command = assize();
        command.args(["run", plan, "--quiet", "--seed", &seed.to_string(), "--runs"]).arg(runs);
        command.args(set.iter().flat_map(|set| ["--set", set]));
        let output = command.output().map_err(|error| format!("assize does not start: {error}"))?;
        let seconds = began.elapsed().as_secs_f64();
        if output.status.code().is_none_or(|code| code > 2) {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{plan} seed {seed} ended with {}: {}", output.status, told.trim()));
        }
        let file = runs.join("latest/results.json");
        let text = std::fs::read(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        let results = serde_json::from_slice(&text).map_err(|error| format!("`{}`: {error}", file.display()))?;
        Ok(Ran { seconds, results })
    }

    fn verdict(&self) -> &str {
        self.results["verdict"].as_str().unwrap_or("none")
    }

    fn count(&self, pointer: &str) -> u64 {
        self.results.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
    }

    fn operations(&self) -> u64 {
        ["ok", "fail", "info"].iter().map(|outcome| self.count(&format!("/operations/{outcome}"))).sum()
    }

    fn reason(&self) -> &str {
        self.results["reasons"][0].as_str().unwrap_or_default()
    }
}

fn green(trial: &mut Trial) -> Result<(), String> {
    let runs = trial.folder("runs")?;
    let mut trusted = 0;
    eprintln!(
        "{:>4} {:8} {:7} {:>9} {:>10} {:>9} {:>9} {:>7}",
        "seed", "verdict", "trusted", "elections", "operations", "p50 us", "p99 us", "s"
    );
    for seed in 1..=trial.runs {
        let ran = Ran::of("raft-kv", seed, &[], &runs)?;
        let (elections, operations) = (ran.count("/elections"), ran.operations());
        let is_trusted = ran.results["trusted"] == true;
        trusted += u64::from(is_trusted);
        let latency =
            |name: &str| ran.results["latency_us"][name].as_f64().map_or("never".into(), |us| format!("{us:.0}"));
        eprintln!(
            "{seed:>4} {:8} {is_trusted:<7} {elections:>9} {operations:>10} {:>9} {:>9} {:>7.1}  {}",
            ran.verdict(),
            latency("p50"),
            latency("p99"),
            ran.seconds,
            ran.reason()
        );
        trial.expect(ran.verdict() == "valid", || format!("seed {seed} is {}: {}", ran.verdict(), ran.reason()));
        trial.expect(elections >= 3, || format!("seed {seed} has {elections} elections"));
        trial.expect(operations >= 10_000, || format!("seed {seed} has {operations} operations"));
    }
    let (runs, spare) = (trial.runs, trial.spare());
    trial.expect(trusted + spare >= runs, || format!("{trusted} of {runs} are trusted"));
    Ok(())
}

/// Red plans; whether the bug is ours to leave out; and the programs that each needs.
const RED: &[(&str, bool, &[&str])] = &[
    ("raft-kv-stale-read", true, &[]),
    ("raft-kv-lost-write", true, &[]),
    ("raft-kv-forgets", true, &[]),
    ("etcd-serializable", false, &["etcd", "ip", "nft"]),
];

fn red(trial: &mut Trial) -> Result<(), String> {
    let missing = install::missing();
    eprintln!("{:24} {:>10} {:>10} {:>10}", "plan", "caught", "slowest s", "without");
    for (plan, ours, needs) in RED {
        if let Some((program, package)) = missing.iter().find(|(program, _)| needs.contains(program)) {
            trial.miss(format!("{plan} was not tried: `{program}` is missing (package {package})"));
            continue;
        }
        let (caught, slowest) = caught(plan, trial)?;
        let without = if *ours { format!("{} of {}", valid_without_bug(plan, trial)?, trial.runs) } else { "-".into() };
        eprintln!("{plan:24} {:>10} {slowest:>10.1} {without:>10}", format!("{caught} of {}", trial.runs));
        let (runs, spare) = (trial.runs, trial.spare());
        trial.expect(caught + spare >= runs, || format!("{plan} is caught in {caught} of {runs} runs"));
    }
    Ok(())
}

/// How many runs are `invalid` within 30 s, and the longest of those.
fn caught(plan: &str, trial: &mut Trial) -> Result<(u64, f64), String> {
    let runs = trial.folder(plan)?;
    let (mut caught, mut slowest) = (0, 0.0f64);
    for seed in 1..=trial.runs {
        let ran = Ran::of(plan, seed, &[], &runs)?;
        if ran.verdict() == "invalid" && ran.seconds <= 30.0 {
            caught += 1;
            slowest = slowest.max(ran.seconds);
        } else {
            eprintln!("  {plan} seed {seed}: {} after {:.1} s {}", ran.verdict(), ran.seconds, ran.reason());
        }
    }
    Ok((caught, slowest))
}

/// How many runs are `valid` when the bug is left out.
fn valid_without_bug(plan: &str, trial: &mut Trial) -> Result<u64, String> {
    let runs = trial.folder(&format!("{plan}-without"))?;
    let mut valid = 0;
    for seed in 1..=trial.runs {
        let ran = Ran::of(plan, seed, &["system.bug=none"], &runs)?;
        valid += u64::from(ran.verdict() == "valid");
        trial.expect(ran.verdict() == "valid", || {
            format!("{plan} without its bug is {} with seed {seed}: {}", ran.verdict(), ran.reason())
        });
    }
    Ok(valid)
}

/// The ignored tests of the crates: the long forms of tests that CI runs shortened.
fn truth(trial: &mut Trial) -> Result<(), String> {
    for package in ["assize-history", "assize-check", "assize-load"] {
        let arguments = ["test", "--release", "--quiet", "--package", package, "--tests", "--", "--ignored"];
        if let Err(error) = step("cargo", &arguments, &[]) {
            trial.miss(error);
        }
    }
    Ok(())
}

fn bench(trial: &mut Trial) -> Result<(), String> {
    let runs = trial.folder("runs")?;
    let pairs = trial.runs.min(6).to_string();
    let mut command = assize();
    command.args(["compare", "bench/etcd", "bench/raft-kv", "--json", "--times", &pairs, "--runs"]).arg(runs);
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("assize does not start: {error}"))?;
    let found: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`assize compare` ended with {} and told nothing", output.status))?;
    for figure in found["figures"].as_array().into_iter().flatten() {
        eprintln!("{:28} {}", figure["name"].as_str().unwrap_or_default(), figure["found"]);
    }
    let rate = found["figures"].as_array().into_iter().flatten().find(|figure| figure["name"] == "ok rate");
    let ratio = rate.and_then(|rate| rate["found"]["ratio"].as_f64()).ok_or("the comparison names no rate")?;
    trial.expect(output.status.success(), || format!("`assize compare` ended with {}", output.status));
    trial.expect(ratio > 1.0, || format!("our rate is {ratio:.2} times etcd's"));
    Ok(())
}

fn speed(trial: &mut Trial) -> Result<(), String> {
    let case = "register, 20 processes";
    step(
        "cargo",
        &["bench", "--quiet", "--package", "assize-bench", "--bench", "check", "--", &format!("linearizable/{case}$")],
        &[],
    )?;
    let folder = root().join("target/criterion/linearizable").join(case).join("new");
    let read = |name: &str| -> Result<Value, String> {
        let file = folder.join(name);
        let text = std::fs::read(&file).map_err(|error| format!("`{}`: {error}", file.display()))?;
        serde_json::from_slice(&text).map_err(|error| format!("`{}`: {error}", file.display()))
    };
    let (estimates, benchmark) = (read("estimates.json")?, read("benchmark.json")?);
    let nanos = estimates["median"]["point_estimate"].as_f64().ok_or("criterion names no median")?;
    let operations = benchmark["throughput"]["Elements"].as_f64().ok_or("criterion names no number of operations")?;
    let milliseconds = nanos / operations;
    eprintln!("{operations:.0} operations in {:.1} ms; a million in {milliseconds:.1} ms", nanos / 1e6);
    trial.expect(milliseconds <= 50.0, || format!("a million operations take {milliseconds:.1} ms"));
    Ok(())
}

/// Also what keeps the bench compiling: it is outside the workspace.
fn propose(trial: &mut Trial) -> Result<(), String> {
    let arguments = ["run", "--release", "--quiet", "--manifest-path", "benches/propose/Cargo.toml", "--", "--check"];
    if let Err(error) = step("cargo", &arguments, &[]) {
        trial.miss(error);
    }
    Ok(())
}

fn build(trial: &mut Trial) -> Result<(), String> {
    let folder = trial.folder("target")?.display().to_string();
    let before = children_cpu_seconds()?;
    step("cargo", &["build", "--release", "--quiet", "--package", "assize", "--target-dir", &folder], &[])?;
    let seconds = children_cpu_seconds()? - before;
    let _ = std::fs::remove_dir_all(folder);
    eprintln!("{seconds:.0} CPU-seconds");
    trial.expect(seconds <= 150.0, || format!("the build took {seconds:.0} CPU-seconds"));
    Ok(())
}

/// CPU time of children that have ended: fields 16 and 17 of /proc/self/stat, in ticks of 10 ms (as the kernel shows them everywhere).
fn children_cpu_seconds() -> Result<f64, String> {
    let stat = std::fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc/self/stat: {error}"))?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: Vec<f64> = after_name.split_whitespace().skip(13).take(2).filter_map(|word| word.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
