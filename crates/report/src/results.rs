//! What a report says of a run, as plain data: the content of `results.json`.
//!
//! Times are seconds on the clock of the run, as in its history and its event stream; latencies are microseconds, as their names say.
//! Fields that a file lacks take their default, and fields that are not known are ignored, so that files of other versions can
//! be read; [`FORMAT`] changes when the meaning of a field does.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of `results.json`.
pub const FORMAT: u32 = 1;

/// Everything that a report says of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Results {
    /// The version of this format.
    pub format: u32,
    /// Whether the system kept its promise: the worst of the checks, and `unknown` when a fault has no evidence.
    pub verdict: Verdict,
    /// The reasons of a verdict that is not `valid`, and of what else went wrong; the first is the headline.
    pub reasons: Vec<String>,
    /// What the process exits with: 1 `invalid` or an objective missed, else 2 something `unknown`, else 0.
    pub exit_code: u8,
    /// What the run is repeated from.
    pub seed: u64,
    /// Whether latencies and rates can be believed.
    pub trusted: bool,
    /// Why not; empty when they can.
    pub untrusted_because: String,
    /// The id of the run: the name of its folder.
    pub run: String,
    /// The name of the plan.
    pub name: String,
    /// The run folder, as people type it.
    pub folder: String,
    /// The system under test.
    pub system: String,
    /// Where its nodes ran.
    pub testbed: String,
    /// The nodes.
    pub nodes: Vec<String>,
    /// When the run started, as text (RFC 3339).
    pub started: String,
    /// How long the whole run took.
    pub seconds: f64,
    /// When the load phase began.
    pub load_start: f64,
    /// How long the load phase took.
    pub load_seconds: f64,
    /// How many operations ended how.
    pub operations: Operations,
    /// How often another leader was seen; 0 for a system without one.
    pub elections: u64,
    /// Operations per second.
    pub rate: Rate,
    /// Latency of all operations from when they were due; infinite for those that got no answer.
    pub latency_us: LatencyUs,
    /// Time from when it was sent, of the operations that were answered.
    pub service_us: LatencyUs,
    /// How late the load generator itself was.
    pub lateness_us: LatencyUs,
    /// Share of the operations that got an answer, in `0..=1`.
    pub availability: Option<f64>,
    /// The longest time without an `ok` while operations were due.
    pub longest_gap: Option<Gap>,
    /// The consistency models that were checked.
    pub checks: Vec<Check>,
    /// What the run had to reach.
    pub objectives: Vec<Objective>,
    /// What was broken, in order of time.
    pub faults: Vec<Fault>,
    /// What was found, the worst first.
    pub problems: Vec<Problem>,
    /// Counterexamples.
    pub anomalies: Vec<Anomaly>,
    /// The same figures for each function.
    pub functions: Vec<Function>,
    /// Why operations did not end `ok`, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Leaders as they were seen.
    pub leaders: Vec<Leader>,
    /// The load phase over time.
    pub series: Series,
    /// What the load phase cost; `null` when that was not measured.
    pub resources: Option<Resources>,
    /// Latency by share of operations.
    pub spectrum: Vec<SpectrumPoint>,
    /// What a reader should know: what was left out, what was cleaned up.
    pub notes: Vec<String>,
    /// Commands to go on with: repeat the run, check it again.
    pub repeat: Vec<Command>,
    /// Versions of assize and of the system.
    pub versions: Vec<Fact>,
    /// The machine it ran on.
    pub machine: Vec<Fact>,
    /// The plan as executed.
    pub plan: String,
}

impl Default for Results {
    /// Nothing is known: `unknown` and not trusted.
    fn default() -> Self {
        Results {
            format: FORMAT,
            verdict: Verdict::Unknown,
            reasons: Vec::new(),
            exit_code: 2,
            seed: 0,
            trusted: false,
            untrusted_because: String::new(),
            run: String::new(),
            name: String::new(),
            folder: String::new(),
            system: String::new(),
            testbed: String::new(),
            nodes: Vec::new(),
            started: String::new(),
            seconds: 0.0,
            load_start: 0.0,
            load_seconds: 0.0,
            operations: Operations::default(),
            elections: 0,
            rate: Rate::default(),
            latency_us: LatencyUs::default(),
            service_us: LatencyUs::default(),
            lateness_us: LatencyUs::default(),
            availability: None,
            longest_gap: None,
            checks: Vec::new(),
            objectives: Vec::new(),
            faults: Vec::new(),
            problems: Vec::new(),
            anomalies: Vec::new(),
            functions: Vec::new(),
            errors: Vec::new(),
            leaders: Vec::new(),
            series: Series::default(),
            resources: None,
            spectrum: Vec::new(),
            notes: Vec::new(),
            repeat: Vec::new(),
            versions: Vec::new(),
            machine: Vec::new(),
            plan: String::new(),
        }
    }
}

/// Whether a promise was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It was.
    Valid,
    /// Nobody can say.
    #[default]
    Unknown,
    /// It was broken.
    Invalid,
}

impl Verdict {
    /// `valid`, `unknown` or `invalid`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "invalid",
        }
    }
}

/// How many operations of the load phase ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Operations {
    /// They happened.
    pub ok: u64,
    /// They certainly did not happen.
    pub fail: u64,
    /// Their fate is unknown.
    pub info: u64,
    /// They got an answer: `ok`, or a compare-and-set that found another value.
    pub answered: u64,
}

impl Operations {
    /// All of them.
    pub fn asked(&self) -> u64 {
        self.ok + self.fail + self.info
    }
}

/// Operations per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rate {
    /// Due.
    pub asked: f64,
    /// Ended `ok`.
    pub achieved: f64,
}

/// A latency: a number of microseconds, or never. In JSON a number or the string `"never"` (which no comparison with a
/// number takes for a small one).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub enum Micros {
    /// Answered after this long.
    Finite(f64),
    /// Never answered.
    Never,
}

impl Micros {
    /// The number; `None` for never.
    pub fn finite(self) -> Option<f64> {
        match self {
            Micros::Finite(micros) => Some(micros),
            Micros::Never => None,
        }
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Micros::Finite(micros) => serializer.serialize_f64((micros * 1e3).round() / 1e3),
            Micros::Never => serializer.serialize_str("never"),
        }
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(f64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(micros) => Ok(Micros::Finite(micros)),
            Raw::Text(text) if text == "never" => Ok(Micros::Never),
            Raw::Text(text) => Err(serde::de::Error::custom(format!("`{text}` is not a latency"))),
        }
    }
}

/// Percentiles in microseconds. `null` when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LatencyUs {
    /// Median.
    pub p50: Option<Micros>,
    /// 90th percentile.
    pub p90: Option<Micros>,
    /// 99th percentile.
    pub p99: Option<Micros>,
    /// 99.9th percentile.
    pub p999: Option<Micros>,
    /// The longest.
    pub max: Option<Micros>,
    /// The mean of the answered ones.
    pub mean: Option<Micros>,
}

/// A stretch without an `ok`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// When it began.
    pub start_seconds: f64,
    /// How long it was.
    pub seconds: f64,
}

/// One checked model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// Its name: `linearizable`.
    pub model: String,
    /// Whether the history keeps it.
    pub verdict: Verdict,
    /// Why it is unknown, or how often it was broken; may be empty.
    pub reason: String,
    /// How many operations were judged.
    pub operations: u64,
    /// How long the check took.
    pub seconds: f64,
}

/// Whether an objective was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It was.
    Met,
    /// Nobody can say.
    #[default]
    Unknown,
    /// It was not.
    Missed,
}

impl Standing {
    /// `met`, `unknown` or `missed`.
    pub fn name(self) -> &'static str {
        match self {
            Standing::Met => "met",
            Standing::Unknown => "unknown",
            Standing::Missed => "missed",
        }
    }
}

/// One objective and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Objective {
    /// What is judged: `p99 latency`.
    pub name: String,
    /// What was wanted: `at most 20.0 ms`.
    pub target: String,
    /// What was measured: `8.42 ms`.
    pub measured: String,
    /// Whether that is enough.
    pub standing: Standing,
    /// Why it is unknown or missed; may be empty.
    pub reason: String,
}

/// One injected fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fault {
    /// Its number in the schedule.
    pub id: u32,
    /// What went wrong: `kill`, `partition`.
    pub kind: String,
    /// Who was chosen: `leader`, `minority`.
    pub target: String,
    /// Who that was.
    pub nodes: Vec<String>,
    /// When it began.
    pub start: f64,
    /// When it was undone.
    pub end: f64,
    /// What proves that it bit, in words.
    pub evidence: Vec<String>,
    /// Whether that is proof. A fault without makes the run `unknown`.
    pub proven: bool,
    /// Share of the operations due while it was in force that got an answer; `null` when none was due.
    pub availability: Option<f64>,
    /// What it did to the service; `null` when that was not measured.
    pub recovery: Option<Recovery>,
}

/// Whether the system came back from a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryState {
    /// It did.
    Recovered,
    /// It did not in the time in which it was watched.
    NotRecovered,
    /// It looked good, but the load ended too early to tell.
    CutShort,
    /// There was nothing to compare with.
    #[default]
    Unmeasured,
}

/// What a fault did to the service. Faults that overlap, or begin before the recovery from another, share one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// Whether the system came back.
    pub state: RecoveryState,
    /// How long after the start of the first fault that shares this; `null` unless it came back.
    pub seconds: Option<f64>,
    /// When the first fault that shares this began.
    pub start: f64,
    /// The longest time without an `ok` while operations were due.
    pub longest_gap_seconds: f64,
    /// All faults that share this.
    pub shared_by: Vec<u32>,
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The system broke its promise, lost data or crashed.
    Critical,
    /// It missed an objective or behaved in a way that its users will feel.
    #[default]
    Major,
    /// Worth knowing.
    Minor,
}

impl Severity {
    /// `critical`, `major` or `minor`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Major => "major",
            Severity::Minor => "minor",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// Short and stable, unique in the report: `stale-read-key-3`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What proves it, a line each.
    pub evidence: Vec<String>,
    /// The command that shows it again; may be empty.
    pub repeat: String,
}

/// A counterexample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Anomaly {
    /// The model that it breaks.
    pub model: String,
    /// The kind and where: `stale read of key 3`.
    pub title: String,
    /// The reason in sentences.
    pub story: Vec<String>,
    /// The picture: a self-contained SVG document; may be empty.
    pub svg: String,
}

/// The figures of one function.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Function {
    /// Its name: `read`.
    pub name: String,
    /// How many ended how.
    pub operations: Operations,
    /// Their latency.
    pub latency_us: LatencyUs,
}

/// How often an error was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorCount {
    /// Its name: `timeout`.
    pub kind: String,
    /// How often.
    pub count: u64,
}

/// What the load phase cost, the wait for its last answers included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// By node.
    pub nodes: Vec<NodeResources>,
    /// Processor time of the load generator's thread.
    pub generator_cpu_seconds: f64,
    /// Processor time of assize as a whole: the generator, and relays and observation beside it.
    pub bench_cpu_seconds: f64,
    /// Processor time of all nodes for each operation that ended `ok`, in microseconds.
    pub cpu_us_per_ok: Option<f64>,
    /// Syncs of all nodes for each acknowledged mutation.
    pub syncs_per_write: Option<f64>,
}

impl Resources {
    /// Relates the cost of the nodes to the `ok` operations and to the mutations among them. A ratio is known only when it is
    /// known of every node.
    pub fn new(nodes: Vec<NodeResources>, generator: f64, bench: f64, ok: u64, written: u64) -> Resources {
        let cpu: Option<f64> = nodes.iter().map(|node| node.cpu_seconds).sum();
        let syncs: Option<u64> = nodes.iter().map(|node| node.syncs).sum();
        let per = |total: Option<f64>, count: u64| total.filter(|_| count > 0).map(|total| total / count as f64);
        Resources {
            cpu_us_per_ok: per(cpu.map(|seconds| seconds * 1e6), ok),
            syncs_per_write: per(syncs.map(|syncs| syncs as f64), written),
            nodes,
            generator_cpu_seconds: generator,
            bench_cpu_seconds: bench,
        }
    }

    /// Processor time of all nodes; `None` unless it is known of every one.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.nodes.iter().map(|node| node.cpu_seconds).sum()
    }
}

/// What one node has used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeResources {
    /// Which node.
    pub node: String,
    /// Processor time, user and system; `null` for a node that assize did not start.
    pub cpu_seconds: Option<f64>,
    /// How often it made writes durable; `null` if it does not say.
    pub syncs: Option<u64>,
}

/// A leader as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leader {
    /// When it was first seen.
    pub at: f64,
    /// Which node.
    pub node: String,
    /// Its term, ballot or view.
    pub term: u64,
}

/// The load phase, window by window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// The length of a window; the last may be shorter.
    pub window_seconds: f64,
    /// In order of time.
    pub windows: Vec<Window>,
}

/// What happened in one window. Operations belong to the window in which they were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Window {
    /// When it starts.
    pub start: f64,
    /// How long it is.
    pub seconds: f64,
    /// Operations due.
    pub asked: u64,
    /// Of these, ended `ok`.
    pub ok: u64,
    /// Of these, ended `fail`.
    pub fail: u64,
    /// Of these, ended `info`.
    pub info: u64,
    /// Of these, answered.
    pub answered: u64,
    /// Operations, due at any time, whose `ok` arrived here.
    pub completed: u64,
    /// Median latency.
    pub p50_us: Option<Micros>,
    /// 99th percentile.
    pub p99_us: Option<Micros>,
    /// The longest.
    pub max_us: Option<Micros>,
}

/// This share of all operations took at most `latency_us`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectrumPoint {
    /// In `0..=1`.
    pub quantile: f64,
    /// The latency.
    pub latency_us: Micros,
}

/// A command to go on with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Command {
    /// What it does: `repeat this run`.
    pub what: String,
    /// The command line.
    pub command: String,
}

/// A name and what it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fact {
    /// `kernel`.
    pub name: String,
    /// `Linux 6.12`.
    pub value: String,
}

impl Fact {
    /// A fact from its two parts.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Fact {
        Fact { name: name.into(), value: value.into() }
    }
}

impl Command {
    /// A command from its two parts.
    pub fn new(what: impl Into<String>, command: impl Into<String>) -> Command {
        Command { what: what.into(), command: command.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_known_only_when_every_node_says() {
        let node = |cpu_seconds, syncs| NodeResources { node: "n1".into(), cpu_seconds, syncs };
        let known = Resources::new(vec![node(Some(1.0), Some(30)), node(Some(2.0), Some(10))], 0.5, 0.7, 1000, 400);
        assert_eq!((known.cpu_us_per_ok, known.syncs_per_write), (Some(3000.0), Some(0.1)));
        let silent = Resources::new(vec![node(Some(1.0), None), node(None, Some(10))], 0.5, 0.7, 1000, 400);
        assert_eq!((silent.cpu_us_per_ok, silent.syncs_per_write), (None, None));
        let idle = Resources::new(vec![node(Some(1.0), Some(30))], 0.5, 0.7, 0, 0);
        assert_eq!((idle.cpu_us_per_ok, idle.syncs_per_write), (None, None));
    }
}
