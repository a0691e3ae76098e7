//! Whether a history keeps what a model promises, and if not, why.
//!
//! - [`check`]: a history against a [`Model`] gives a [`Report`]: the [`Verdict`], its [`Anomaly`]s, what it took.
//! - [`MODELS`]: the registry. A new model is one file and one line there.
//! - [`workload`]: the same for imported histories of any object or transaction; [`workload::WORKLOADS`] is its registry.
//! - [`register`]: linearizability of key-value registers, by zones; [`exact`]: the search for what zones cannot decide.
//! - [`sequential`]: the exact search over any object of one's own; [`assert_linearizable`] for `cargo test`.
//! - [`object`]: queues, stacks, sets, counters, locks, logs, banks; [`OBJECTS`] is their registry.
//! - [`stream`]: checkers that run while the load runs.
//! - [`consistency`]: models of registers that are weaker than linearizability.
//! - [`witness`]: from suspects to the smallest contradiction; [`explain`]: a witness in words; [`picture`]: as an SVG.
//!   Finding and explaining are apart.
//! - [`txn`]: isolation levels of transactions, all decided at once.
//! - [`Limit`]: stops a check from outside, and shows how far it is.
//! - [`lost`]: acknowledged writes that the final reads contradict.

pub mod consistency;
pub mod exact;
pub mod explain;
mod limit;
pub mod lost;
mod model;
pub mod object;
pub mod picture;
pub mod register;
mod report;
pub mod sequential;
mod sort;
pub mod stream;
pub mod txn;
mod verdict;
pub mod witness;
pub mod workload;

pub use limit::Limit;
pub use lost::{LostWrite, lost_writes};
pub use model::{LINEARIZABLE, MODELS, Model, Options, check};
pub use object::{OBJECTS, Object, check_object};
pub use report::{Anomaly, AnomalyKind, Isolation, IsolationAnomaly, Report};
pub use sequential::{SequentialModel, assert_linearizable};
pub use verdict::Verdict;
pub use workload::{Question, Refusal, WORKLOADS, Workload};
