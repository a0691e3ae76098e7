//! What a run writes about itself: the values of `run.json`, `faults.jsonl` and `metrics.json`.

use std::collections::BTreeMap;

use base::Time;
use history::AdminOperation;
use measure::Histogram;
use serde::{Deserialize, Serialize};

/// The version of the run folder's format. Newer assize reads older folders.
pub const FORMAT: u32 = 1;

/// `run.json`: what was run, on what. Written at the start and again at every phase, so that a killed run can be judged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of the format.
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// The plan's name.
    pub plan: String,
    /// The seed.
    pub seed: u64,
    /// The system under test.
    pub system: String,
    /// How many nodes it has.
    pub nodes: usize,
    /// Where they ran.
    pub testbed: String,
    /// The arguments that started it.
    pub command: Vec<String>,
    /// Names and versions of programs.
    pub versions: Vec<(String, String)>,
    /// What it ran on: name and value.
    pub machine: Vec<(String, String)>,
    /// When it started, in seconds of the Unix epoch.
    pub started_unix: u64,
    /// Processes asked again when they were answered (no due times).
    pub closed_loop: bool,
    /// Start of the load phase in nanoseconds of the run, once it began.
    pub load_start_ns: Option<u64>,
    /// Length of the load phase in nanoseconds.
    pub load_length_ns: u64,
    /// When a violation that was found while the load ran ended it, in nanoseconds of the run.
    #[serde(default)]
    pub stopped_ns: Option<u64>,
    /// What a reader should know: what was left out and why.
    pub notes: Vec<String>,
    /// How long the run took, in seconds.
    pub seconds: f64,
    /// All phases were gone through: not killed, not interrupted.
    pub complete: bool,
}

/// A line of `faults.jsonl`: one fault, when it was undone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// Its number in the schedule.
    pub id: u32,
    /// Its kind: `kill`, `partition`.
    pub kind: String,
    /// What it was aimed at, in the plan's words.
    pub target: String,
    /// The nodes that it hit.
    pub nodes: Vec<String>,
    /// The whole fault in words.
    pub text: String,
    /// When it was in force, in nanoseconds of the run.
    pub start_ns: u64,
    /// When it was undone.
    pub end_ns: u64,
    /// What was read back to prove it.
    pub evidence: Vec<String>,
    /// Whether that proves that it bit.
    pub proven: bool,
}

/// A line of `admin.jsonl`: one action of an operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AdminRecord {
    /// What was asked: `members n1 n2 n3`.
    pub action: String,
    /// When, in nanoseconds of the run.
    pub sent_ns: u64,
    /// When it was answered; `None` for `info`.
    pub done_ns: Option<u64>,
    /// `ok`, `fail` or `info`.
    pub outcome: String,
    /// Why it is not `ok`.
    pub error: String,
}

impl AdminRecord {
    /// The record of an action.
    pub fn of(operation: &AdminOperation) -> Self {
        let AdminOperation { action, sent, done, completion } = operation;
        AdminRecord {
            action: action.to_string(),
            sent_ns: sent.nanos(),
            done_ns: Some(done.nanos()).filter(|_| *done != Time::MAX),
            outcome: completion.outcome.to_string(),
            error: completion.error.to_string(),
        }
    }

    /// In words: `members n1 n2: ok after 0.12 s`.
    pub fn told(&self) -> String {
        match self.done_ns {
            Some(done) if self.outcome == "ok" => {
                let took = (done - self.sent_ns) as f64 / 1e9;
                format!("{}: ok after {took:.2} s", self.action)
            }
            _ => format!("{}: {} ({})", self.action, self.outcome, self.error),
        }
    }
}

/// A change of leader as a client of the cluster saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaderRecord {
    /// When it was seen, in nanoseconds of the run.
    pub at_ns: u64,
    /// Who led.
    pub node: String,
    /// In which term, ballot or view.
    pub epoch: u64,
}

/// Something wrong with a node that no fault of ours explains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeProblem {
    /// Which node.
    pub node: String,
    /// What: `ended by itself with exit code 70`, a panic in its log.
    pub text: String,
    /// It went on serving, and what it logged may be usual: an exception in one thread.
    #[serde(default)]
    pub survived: bool,
    /// Where it was seen: file and line, or the lines themselves.
    pub evidence: Vec<String>,
}

/// `metrics.json`: what cannot be computed again from the records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// How late the generator itself was in the load phase.
    pub lateness: Histogram,
    /// Why latencies and rates cannot be believed, if they cannot.
    pub untrusted: Option<String>,
    /// What the machine did to the generator, in words.
    pub generator: String,
    /// Leaders seen in the load phase, in order.
    pub leaders: Vec<LeaderRecord>,
    /// Final reads: asked and answered.
    pub final_reads: (u64, u64),
    /// What was wrong with nodes.
    pub problems: Vec<NodeProblem>,
    /// Gauges of each node at the end of the load phase (what the system reports of itself).
    pub gauges: BTreeMap<String, BTreeMap<String, u64>>,
    /// What the load phase cost.
    pub usage: Option<Usage>,
    /// Of a simulated run: which invariant of the protocol was broken first, and how; empty if none was.
    #[serde(default)]
    pub oracles: Option<String>,
}

/// What the load phase cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// How long was counted, the wait for the last answers included.
    pub span_ns: u64,
    /// By node.
    pub nodes: BTreeMap<String, NodeUsage>,
    /// Processor time of the load engine's thread.
    pub generator_cpu_ns: u64,
    /// Processor time of assize as a whole: the engine, and relays and monitor beside it.
    pub bench_cpu_ns: u64,
}

/// What one node has used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeUsage {
    /// Processor time, user and system, of all its processes; unknown for a system that assize did not start.
    pub cpu_ns: Option<u64>,
    /// How often it made writes durable; unknown if it does not say.
    pub syncs: Option<u64>,
}
