//! What a run tells while it goes on: the typed stream that every view reads (terminal, plain lines, `--json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One thing that happened in a run. Serialised as one JSON object a line, with its kind in `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The plan was read and the run folder made.
    Started {
        /// The run's id: the name of its folder.
        run: String,
        /// The run folder.
        folder: String,
        /// The plan's name.
        plan: String,
        /// The seed.
        seed: u64,
        /// The system under test.
        system: String,
        /// Where its nodes run.
        testbed: String,
        /// How many nodes there are.
        nodes: usize,
        /// Load time asked for, in seconds (all phases that have a length).
        seconds: f64,
    },
    /// Something that a user should know: what is left out, what was cleaned up.
    Note {
        /// The text.
        text: String,
    },
    /// All nodes answer.
    Ready {
        /// How long it took, in seconds.
        seconds: f64,
    },
    /// A phase of the run begins.
    Phase {
        /// Seconds since the epoch of the run.
        at: f64,
        /// Its name: `warm-up`, `load`, `settle`, `final reads`, `check`.
        phase: String,
    },
    /// Figures of the last window.
    Tick(Tick),
    /// Another node leads.
    Leader {
        /// Seconds since the epoch of the run.
        at: f64,
        /// Which node.
        node: String,
        /// Its term, ballot or view.
        epoch: u64,
    },
    /// A fault is in force.
    FaultBegan {
        /// Seconds since the epoch of the run.
        at: f64,
        /// Number of the fault in the schedule.
        id: u32,
        /// What: `partition leader n2 (isolate)`.
        fault: String,
    },
    /// A fault is healed.
    FaultEnded {
        /// Seconds since the epoch of the run.
        at: f64,
        /// Number of the fault in the schedule.
        id: u32,
        /// What.
        fault: String,
        /// What proves that it bit; empty if nothing does.
        evidence: Vec<String>,
    },
    /// An operator's action was answered, or will not be.
    Admin {
        /// Seconds since the epoch of the run.
        at: f64,
        /// What was asked and what came of it: `members n1 n2: ok after 0.12 s`.
        action: String,
    },
    /// A promise was broken, found while the load ran.
    Violation {
        /// When it was certain, in seconds since the epoch of the run.
        at: f64,
        /// Which key's.
        key: u32,
        /// What: `stale read`.
        kind: String,
        /// The reason, in a sentence.
        because: String,
    },
    /// The run ends before its time.
    Stopped {
        /// Seconds since the epoch of the run.
        at: f64,
        /// Why.
        reason: String,
    },
    /// The run is over and judged.
    Finished {
        /// `valid`, `invalid` or `unknown`.
        verdict: String,
        /// What the process exits with.
        exit_code: u8,
        /// The run folder.
        folder: String,
    },
}

/// Figures of the load so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tick {
    /// Seconds since the epoch of the run.
    pub at: f64,
    /// The phase.
    pub phase: String,
    /// Operations due per second in the last window.
    pub asked: f64,
    /// Operations ended `ok` per second in the last window.
    pub achieved: f64,
    /// Median latency of the last window in microseconds, from when they were due.
    pub p50_us: Option<f64>,
    /// 99th percentile of the same.
    pub p99_us: Option<f64>,
    /// Ended `ok` so far.
    pub ok: u64,
    /// Ended `fail` so far.
    pub fail: u64,
    /// Ended `info` so far.
    pub info: u64,
    /// Errors by kind so far.
    pub errors: BTreeMap<String, u64>,
    /// Sent and not answered.
    pub in_flight: u64,
    /// Due and not sent.
    pub queued: u64,
    /// Faults in force.
    pub faults: Vec<String>,
    /// Operations checked so far, if they are checked while the load runs.
    #[serde(default)]
    pub checked: Option<u64>,
    /// Keys whose promise is broken so far.
    #[serde(default)]
    pub broken: u64,
}
