//! `kill -9` of assize in the middle of a green run, at moments that nobody chose.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Trial, assize};

/// Runs, at most.
const RUNS: u64 = 10;
/// The load phase of the default plan, of which the kill spares the last second.
const LOAD_SECONDS: u64 = 29;

pub fn run(trial: &mut Trial) -> Result<(), String> {
    eprintln!("{:>9} {:8} {:>9} {:>9}  left behind", "killed at", "verdict", "answered", "recorded");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut random = now.as_nanos() as u64;
    for seed in 1..=trial.runs.min(RUNS) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let after = Duration::from_millis((random >> 33) % (LOAD_SECONDS * 1000));
        let folder = trial.folder(&format!("run-{seed}"))?;
        let found = Killed::of(&folder, seed, after)?;
        eprintln!(
            "{:>7.1} s {:8} {:>9} {:>9}  {}",
            after.as_secs_f64(),
            found.verdict,
            found.answered,
            found.recorded,
            if found.left.is_empty() { "nothing".into() } else { found.left.join(", ") }
        );
        trial.expect(found.verdict == "valid", || format!("seed {seed} is {}", found.verdict));
        trial.expect(found.recorded * 100 >= found.answered * 99, || {
            format!("seed {seed} has recorded {} of {}", found.recorded, found.answered)
        });
        trial.expect(found.left.is_empty(), || format!("seed {seed} leaves {}", found.left.join(", ")));
    }
    Ok(())
}

/// A run that was killed, and what is known of it.
struct Killed {
    verdict: String,
    /// Operations that ended `ok`, by the event stream's last figures before the kill.
    answered: u64,
    /// Operations that ended `ok`, by the history.
    recorded: u64,
    left: Vec<String>,
}

impl Killed {
    /// Starts a default run, kills it `after` the start of its load, and looks at what is there.
    fn of(folder: &Path, seed: u64, after: Duration) -> Result<Killed, String> {
        let state = folder.join("state");
        std::fs::create_dir_all(&state).map_err(|error| format!("`{}`: {error}", state.display()))?;
        let mut command = own(folder);
        command.args(["run", "raft-kv", "--json", "--seed", &seed.to_string(), "--runs"]).arg(folder);
        let child =
            command.stdout(Stdio::piped()).spawn().map_err(|error| format!("assize does not start: {error}"))?;
        let told = Told::until(child, after)?;
        let run = folder.join(&told.run).display().to_string();
        let judged = lines(own(folder).args(["check", "--json", &run]))?;
        let exported = lines(own(folder).args(["export", &run]))?;
        // The next start heals; the shortest start is `clean`.
        own(folder).arg("clean").stdout(Stdio::null()).status().map_err(|error| error.to_string())?;
        Ok(Killed {
            verdict: judged.first().and_then(|line| line["verdict"].as_str()).unwrap_or("none").to_string(),
            answered: told.warm + told.load,
            recorded: exported.iter().filter(|line| line["outcome"] == "ok").count() as u64,
            left: left_behind(&told.run, &state),
        })
    }
}

/// What the event stream said before the kill.
#[derive(Default)]
struct Told {
    run: String,
    /// `ok` in the warm-up and in the load phase.
    warm: u64,
    load: u64,
}

impl Told {
    /// Follows the stream, and kills the run when its load has lasted `after`.
    fn until(mut child: Child, after: Duration) -> Result<Told, String> {
        let out = child.stdout.take().ok_or("no event stream")?;
        let mut told = Told::default();
        let mut killer = None;
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            // The kill may cut the last line.
            let Ok(event) = serde_json::from_str::<Value>(&line) else { break };
            told.hear(&event);
            if event["event"] == "phase" && event["phase"] == "load" {
                let pid = child.id().to_string();
                killer = Some(std::thread::spawn(move || {
                    std::thread::sleep(after);
                    Command::new("kill").args(["-9", &pid]).status()
                }));
            }
        }
        let killer = killer.ok_or("the run ended before its load began")?;
        let killed = killer.join().is_ok_and(|status| status.is_ok_and(|status| status.success()));
        child.wait().map_err(|error| error.to_string())?;
        if killed { Ok(told) } else { Err("the run could not be killed".into()) }
    }

    fn hear(&mut self, event: &Value) {
        if let Some(run) = event["run"].as_str() {
            self.run = run.to_string();
        }
        let ok = event["ok"].as_u64().unwrap_or(0);
        match event["phase"].as_str() {
            Some("warmup") if event["event"] == "tick" => self.warm = ok,
            Some("load") if event["event"] == "tick" => self.load = ok,
            _ => {}
        }
    }
}

/// The release binary with a registry of this run's own: nobody else cleans up.
fn own(folder: &Path) -> Command {
    let mut command = assize();
    command.env("XDG_RUNTIME_DIR", folder.join("state"));
    command
}

fn lines(command: &mut Command) -> Result<Vec<Value>, String> {
    let output = command.output().map_err(|error| format!("assize does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).map_err(|error| error.to_string())).collect()
}

/// Processes with the run's tag and its state file.
fn left_behind(run: &str, state: &Path) -> Vec<String> {
    let tag = format!("ASSIZE_RUN={run}");
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let tagged = |folder: &PathBuf| {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == tag.as_bytes())
    };
    let mut left: Vec<String> = pids.filter(tagged).map(|folder| format!("process {}", folder.display())).collect();
    let file = state.join("assize").join(format!("{run}.json"));
    left.extend(file.exists().then(|| format!("state file {}", file.display())));
    left
}
