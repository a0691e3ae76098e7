//! The command line, as data.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::exit;

const EXAMPLES: &str = "\
Examples:
  assize                                   the default plan: five nodes of our own store, faults, verdict, report
  assize run plans/etcd.toml --seed 7      a real etcd cluster under the same workload
  assize run my.toml --set load.rate=2k/s --times 20
  assize compare a.toml b.toml             which of two plans is faster, and whether that is chance
  assize check runs/latest history.edn     the verdict again, or on a history from elsewhere
  assize new system mystore                a plan for your own system, to fill in
";

/// The whole command line.
#[derive(Parser, Debug)]
#[command(
    name = "assize",
    version,
    about = "Puts distributed systems on trial: deploy, load, break, and judge what clients saw",
    after_help = format!("{EXAMPLES}\n{}", exit::help()),
)]
pub struct Arguments {
    /// What to do; without it, the default plan is run.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub run: RunOptions,
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a plan: deploy, load, break, check, report
    #[command(after_help = "\
Examples:
  assize run plans/raft-kv.toml --seed 7
  assize run plans/raft-kv.toml --set load.rate=2k/s --set phases.load=10s
  assize run plans/etcd-pause.toml --until-invalid
  assize run plans/raft-kv.toml --json | jq -c 'select(.event == \"fault-ended\")'")]
    Run {
        /// The plan: a file, or the name of a built-in plan (`assize list plans`)
        plan: Option<String>,
        #[command(flatten)]
        options: RunOptions,
    },
    /// Judge recorded histories: run folders, Jepsen's EDN and JSON, and other tools' formats, compressed or not
    #[command(after_help = "\
Prints a line for each and ends with the worst. Format and workload are recognised by the content. Examples:
  assize check runs/latest
  assize check --json a.jsonl b.edn.zst | jq .verdict
  assize check --workload rw-register --model snapshot-isolation history.edn
  assize check --time-limit 10s --memory-limit 2GB history.edn
  assize check --certify proof.txt history.edn && assize check --certificate proof.txt history.edn
  assize check --questions corpus/QUESTIONS.tsv")]
    Check {
        /// Run folders or history files
        #[arg(required_unless_present = "questions")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        options: CheckOptions,
    },
    /// Run two plans in turn and say which is faster, with statistics of runs in pairs
    #[command(after_help = "\
The run is the unit: both plans run in turn (A B A B) with the same seeds, each pair is compared within itself, and a
difference is called one only if an exact test finds it unlikely to be chance (p < 5 %), which takes at least six pairs.
A plan compared with itself shows how noisy the machine is. Both must be valid: figures of a store that loses writes are none.

Examples:
  assize compare plans/bench/etcd.toml plans/bench/raft-kv.toml
  assize compare before.toml after.toml --times 10 --set phases.load=5s
  assize compare a.toml b.toml --json | jq '.figures[] | {name, found}'")]
    Compare {
        /// The plan that the other one is measured against (A): a file, or the name of a built-in plan
        baseline: String,
        /// The plan that is measured (B)
        candidate: String,
        #[command(flatten)]
        options: CompareOptions,
    },
    /// Hunt for bugs in the simulated world: thousands of whole clusters in virtual time, under faults
    #[command(after_help = "\
Each seed is one run under conditions of its own: size, network, disks, faults, settings. The first run that breaks a promise is cut to
its shortest story and kept in a file. Examples:
  assize sim raft-kv --for 60s
  assize sim paxos-register --bug own-value-first
  assize sim --replay sim-paxos-register-1.json
  assize sim --bugs                        every planted bug, and how soon it is found")]
    Sim(SimOptions),
    /// Write the report of a run again
    Report {
        /// The run folder
        #[arg(default_value = "runs/latest")]
        run: PathBuf,
        /// Open it in a browser
        #[arg(long)]
        open: bool,
    },
    /// Print a history in another notation
    #[command(after_help = "Examples:\n  \
  assize export runs/latest > history.jsonl\n  \
  assize export --format edn store/latest/history.txt > history.edn")]
    Export {
        /// A run folder, or a history file in any format that `assize check` reads
        #[arg(default_value = "runs/latest")]
        history: PathBuf,
        /// How: JSON Lines, of our own fields for a run and of Jepsen's for a file of events; or Jepsen's EDN
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
    },
    /// Heal and remove what runs that were killed have left on this machine
    Clean,
    /// What there is, what can run here, and what is missing
    List {
        /// One kind; without it, all
        #[arg(value_enum)]
        what: Option<What>,
    },
    /// Start a plan or a description of your own system from a template
    New {
        /// What to start
        #[arg(value_enum)]
        what: New,
        /// Its name; the file is NAME.toml
        name: String,
    },
    /// Print completions for a shell
    #[command(after_help = "Example:\n  assize completions bash > ~/.local/share/bash-completion/completions/assize")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// One node of one of our own systems (started by the testbed)
    #[command(hide = true)]
    Node(NodeOptions),
    /// Write the reference pages of the docs from the registries
    #[command(hide = true)]
    Reference {
        /// Fail if a page is out of date, and change nothing
        #[arg(long)]
        check: bool,
        /// Write the pages
        #[arg(long, conflicts_with = "check")]
        write: bool,
        /// The folder of the docs
        folder: PathBuf,
    },
}

/// How to run.
#[derive(Args, Debug, Clone, Default)]
pub struct RunOptions {
    /// Repeat the schedule of this seed (operations, arrivals, faults)
    #[arg(long)]
    pub seed: Option<u64>,
    /// Override a setting of the plan, like `load.rate=2k/s`; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Run it so many times, with seeds that follow each other, and say how often it was valid
    #[arg(long, value_name = "N", conflicts_with = "until_invalid")]
    pub times: Option<u32>,
    /// Run it again and again, with seeds that follow each other, until it is invalid
    #[arg(long)]
    pub until_invalid: bool,
    /// Print only the verdict
    #[arg(long, short)]
    pub quiet: bool,
    /// Print the event stream, one JSON object a line
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Where run folders go
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    pub runs: PathBuf,
}

/// How to compare.
#[derive(Args, Debug, Clone)]
pub struct CompareOptions {
    /// How many pairs of runs; below six no difference can be told from chance
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=measure::MOST_PAIRS as i64))]
    pub times: u32,
    /// The seed of the first pair; those of the others follow
    #[arg(long)]
    pub seed: Option<u64>,
    /// Override a setting of both plans, like `phases.load=5s`; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the comparison as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Where run folders go
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    pub runs: PathBuf,
}

/// How one node is started.
#[derive(Args, Debug)]
pub struct NodeOptions {
    /// Which system: `raft-kv`
    pub system: String,
    /// Which node: `n1`
    #[arg(long)]
    pub id: String,
    /// The address to listen on
    #[arg(long)]
    pub listen: String,
    /// The addresses at which this node dials all nodes, in order, comma-separated
    #[arg(long)]
    pub peers: String,
    /// The folder of its data
    #[arg(long)]
    pub dir: PathBuf,
    /// `durable`, or `volatile:20ms`: unsynced writes stay in the process and are synced so often
    #[arg(long, default_value = "durable")]
    pub disk: String,
    /// The same on all nodes of one cluster and no other
    #[arg(long, default_value_t = 0)]
    pub cluster: u64,
    /// The seed of its random choices
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// A parameter of the protocol, like `heartbeat=50ms`; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// How to print a history.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub enum Format {
    /// JSON Lines: one operation a line
    Jsonl,
    /// Jepsen's EDN: one event a line
    Edn,
}

/// What to list.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Systems under test
    Systems,
    /// Workloads
    Workloads,
    /// Faults
    Faults,
    /// Consistency models
    Models,
    /// Built-in plans
    Plans,
}

/// What to start from a template.
#[derive(ValueEnum, Debug, Clone, Copy)]
pub enum New {
    /// A plan for our own store
    Plan,
    /// A plan for your own system
    System,
}

/// How `check` reads and judges.
#[derive(Debug, clap::Args)]
pub struct CheckOptions {
    /// The consistency model (`assize list models`); otherwise the workload's own
    #[arg(long)]
    pub model: Option<String>,
    /// What the operations are of, if it is not to be recognised: `cas-register`, `list-append`, ...
    #[arg(long)]
    pub workload: Option<String>,
    /// How the files are written, if it is not to be recognised: `jepsen-edn`, `plume-text`, ...
    #[arg(long)]
    pub format: Option<String>,
    /// A setting of the workload, as `group-size=3`; may be repeated
    #[arg(long = "option", value_name = "KEY=VALUE")]
    pub settings: Vec<String>,
    /// Skip and count what is malformed
    #[arg(long)]
    pub lenient: bool,
    /// Ask a whole table of questions: tab-separated columns file, workload, model, options, verdict
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["paths", "model", "workload", "format", "json"])]
    pub questions: Option<PathBuf>,
    /// Where a table of questions is wrong, and why: columns file, workload, model, verdict, reason; otherwise a list of our own
    #[arg(long, value_name = "TABLE", requires = "questions")]
    pub corrections: Option<PathBuf>,
    /// Stop after so long (of a table: each question), as `10s`, with what is known by then and verdict `unknown`
    #[arg(long, value_name = "DURATION")]
    pub time_limit: Option<String>,
    /// Stop before more memory than this is used, as `2GB`, with what is known by then and verdict `unknown`
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    /// Show no progress of long checks
    #[arg(long, short)]
    pub quiet: bool,
    /// Draw every witness that is told, as an SVG in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "questions")]
    pub draw: Option<PathBuf>,
    /// Write what proves the verdict into this file (docs/certificates.md)
    #[arg(long, value_name = "FILE", conflicts_with = "questions")]
    pub certify: Option<PathBuf>,
    /// Check the proof in this file again, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["questions", "certify", "model", "workload", "draw"])]
    pub certificate: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// What `sim` takes.
#[derive(Args, Debug, Clone)]
pub struct SimOptions {
    /// Which specimen: `raft-kv` if none is named
    pub specimen: Option<String>,
    /// Plant a bug (`assize list systems`)
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// The seed of the first run; the next has the next
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many runs; without it, as many as the time allows
    #[arg(long, value_name = "N")]
    pub runs: Option<u64>,
    /// How long: 10s without `--runs`
    #[arg(long = "for", value_name = "DURATION")]
    pub time: Option<String>,
    /// Sizes of cluster to draw from
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub nodes: Vec<usize>,
    /// A setting of the protocol, the same in every run
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Threads: one for each core if not said
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Only whole runs: do not go on from rare states of earlier ones, which takes half of the time
    #[arg(long)]
    pub whole: bool,
    /// Stop when every rare path was taken that the protocol speaks of
    #[arg(long)]
    pub until_marks: bool,
    /// Where what was found is kept: runs/sim-SPECIMEN-SEED/case.json if not said, with the report and the diagram beside it
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Repeat a run that was kept
    #[arg(long, value_name = "FILE")]
    pub replay: Option<PathBuf>,
    /// With `--replay`: walk through it, a step at a time (Enter)
    #[arg(long, requires = "replay")]
    pub step: bool,
    /// With `--replay`: tell every message, timer and sync
    #[arg(long, requires = "replay")]
    pub full: bool,
    /// Hunt every planted bug (of one specimen, if named), and say how soon each is found
    #[arg(long)]
    pub bugs: bool,
    /// With `--bugs`: measure lesser hunts too, and write the table there
    #[arg(long, value_name = "FILE", requires = "bugs")]
    pub table: Option<PathBuf>,
    /// With `--bugs`: from so many base seeds each
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub bases: u32,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Every state of a small scope
    #[command(flatten)]
    pub exhaustive: ExhaustiveOptions,
}

/// What `sim --exhaustive` takes.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Exhaustive search")]
pub struct ExhaustiveOptions {
    /// Search every state of one small cluster instead of drawing runs of many. `--nodes` says how many servers (2), and `--bug`,
    /// `--set`, `--threads` and `--json` mean the same
    #[arg(long)]
    pub exhaustive: bool,
    /// How many operations: writes and reads in turn, each of the next server
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub operations: usize,
    /// How many clients share them
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub clients: usize,
    /// No server goes beyond this epoch (term, ballot, view)
    #[arg(long, value_name = "N")]
    pub terms: Option<u64>,
    /// How many timers may fire; any number if not said
    #[arg(long, value_name = "N")]
    pub timeouts: Option<u8>,
    /// How many crashes there may be
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub crashes: u8,
    /// With `--crashes`: what is written is durable at once, not at any later time
    #[arg(long)]
    pub safe_disk: bool,
    /// How many operations may be given up
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub abandons: u8,
    /// How messages travel
    #[arg(long, value_enum, default_value_t = NetworkKind::Unordered)]
    pub network: NetworkKind,
    /// How many messages may be under way from one participant to another; more are lost
    #[arg(long, value_name = "N")]
    pub in_flight: Option<u8>,
    /// A client asks its next operation as soon as the last is answered, not at any later time
    #[arg(long)]
    pub at_once: bool,
    /// Go no further than so many steps
    #[arg(long, value_name = "N")]
    pub depth: Option<u32>,
    /// See at most so many states
    #[arg(long, value_name = "N", default_value_t = 20_000_000)]
    pub states: u64,
    /// The latest state first: less memory, and a longer story
    #[arg(long)]
    pub depth_first: bool,
}

/// How messages travel in an exhaustive search.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// In any order, or never
    Unordered,
    /// In any order, any number of times, or never
    Repeating,
    /// In the order of sending
    Ordered,
    /// In the order of sending, or never
    OrderedLossy,
}
