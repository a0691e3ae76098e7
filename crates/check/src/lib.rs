//! Whether a history keeps what a model promises, and if not, why.
//!
//! Judge a history in JSON Lines (`History::open(path)` reads a file, a run folder and other tools' formats):
//!
//! ```
//! use check::{LINEARIZABLE, Options, Verdict, check};
//!
//! let history = history::jsonl::parse(r#"
//! {"process":0,"f":"write","key":1,"value":5,"sent":10,"done":20,"outcome":"ok"}
//! {"process":1,"f":"read","key":1,"value":null,"sent":30,"done":40,"outcome":"ok"}
//! "#.trim())?;
//! let report = check(&history, &LINEARIZABLE, &Options { recheck: true, ..Options::default() });
//! assert_eq!(report.verdict, Verdict::Invalid);
//! assert_eq!(report.anomalies[0].title, "stale read, key 1");
//! println!("{}", report.anomalies[0].story.join("\n"));
//! # Ok::<(), history::TextError>(())
//! ```
//!
//! Judge operations that a test has made in memory:
//!
//! ```
//! use base::{NodeId, ProcessId, Time};
//! use check::{LINEARIZABLE, Options, Verdict, check};
//! use history::{Completion, History, NIL, Operation, Phase, Request};
//!
//! let operation = |process, request, sent, done, completion| Operation {
//!     process: ProcessId(process), node: NodeId(0), request, due: Time(sent), sent: Time(sent), done: Time(done), completion,
//!     phase: Phase::default(),
//! };
//! let history = History::from_operations([
//!     operation(0, Request::write(1, 5), 10, 20, Completion::ok(NIL)),
//!     operation(1, Request::read(1), 15, 40, Completion::ok(5)),
//! ]);
//! assert_eq!(check(&history, &LINEARIZABLE, &Options::default()).verdict, Verdict::Valid);
//! ```
//!
//! An object of one's own is a [`SequentialModel`] of ten lines: see [`sequential`], whose example is a whole test.
//!
//! # The map
//!
//! What others call:
//!
//! - [`check()`]: registers against a [`Model`] of [`MODELS`] give a [`Report`]: the [`Verdict`], its [`Anomaly`]s, what it took.
//!   [`Options`] say how, a [`Limit`] stops it from outside and shows how far it is.
//! - [`check_object`]: queues, stacks, sets, counters, locks, logs, banks against an [`Object`] of [`OBJECTS`].
//! - [`txn::check_transactions`]: every isolation level of transactions at once.
//! - [`Workload`]: imported histories of any of these; [`WORKLOADS`] is the registry, [`workload::recognise()`] finds the one.
//! - [`sequential`]: the exact search over any object of one's own; [`assert_linearizable`] for `cargo test`.
//! - [`stream`]: checkers that run while the load runs.
//! - [`certificate`]: proofs as files, and verdicts checked again by the definitions, apart from the checkers.
//! - [`lost_writes`]: acknowledged writes that the final reads contradict.
//! - [`explain`]: a witness in words; [`picture`]: as an SVG. Finding and explaining are apart.
//!
//! Inside: `register` decides registers by zones, `exact` searches what zones cannot decide, `witness` makes the smallest contradiction of
//! suspects; [`consistency`] has the models weaker than linearizability.

pub mod certificate;
pub mod consistency;
mod exact;
pub mod explain;
mod limit;
mod lost;
mod model;
pub mod object;
pub mod picture;
mod register;
mod report;
pub mod sequential;
mod sort;
pub mod stream;
pub mod txn;
mod verdict;
mod witness;
pub mod workload;

pub use limit::Limit;
pub use lost::{LostWrite, lost_writes};
pub use model::{LINEARIZABLE, MODELS, Model, Options, check};
pub use object::{OBJECTS, Object, check_object};
pub use report::{Anomaly, AnomalyKind, Isolation, IsolationAnomaly, Report};
pub use sequential::{SequentialModel, assert_linearizable};
pub use verdict::Verdict;
pub use workload::{Question, Refusal, WORKLOADS, Workload};
