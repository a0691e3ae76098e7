//! Certificates: what makes a verdict worth believing without believing the checker.
//!
//! A `valid` verdict rests on an order of the operations, or on what an order would say, and an `invalid` one on a few operations that
//! contradict each other. Both are checked here by the definitions, apart from the checkers: only the histories themselves are shared.
//! What does not hold is a bug of ours, and the verdict becomes `unknown` ([`Verdict::is_bug`](crate::Verdict::is_bug)).
//!
//! - `values`: registers by an order of their values; [`register`]: by since when each was there, and by orders of their operations.
//! - [`object`]: orders of any [`SequentialModel`](crate::SequentialModel); `queue`: what goes through queues, without an order.
//! - [`transaction`]: orders of transactions, that prove every isolation level.
//! - [`cycle`]: cycles of dependencies, each of which is shown again from the history, [`single`]: anomalies that need no cycle.
//! - [`witness`]: a few operations on a register, by trying all orders.
//!
//! [`Options::recheck`](crate::Options) asks for all that. Replays are linear and sort nothing.
//!
//! A [`Certificate`] takes the proof out of the process, as a file: [`certify`] makes one, [`verify`] checks it again from the history
//! ([`Subject`]) alone. `find` makes orders where a fast check decided without one, `definition` says what each object does, `replay` and
//! `closed` judge orders and witnesses by that.

mod certify;
mod classes;
mod closed;
mod counter;
pub mod cycle;
mod definition;
mod file;
mod find;
pub mod object;
mod queue;
pub mod register;
mod replay;
pub mod single;
mod subject;
pub mod transaction;
pub(crate) mod values;
mod verify;
pub mod witness;

pub use certify::certify;
pub use file::{Certificate, Numbers, Proof, Refused, Shown};
pub use subject::Subject;
pub use verify::{Standing, verify};

/// Why what was decided of an object without an order cannot be shown by one; `None`: it can, or an order was replayed when it was found.
pub(crate) fn recheck(
    history: &history::object::Objects,
    workload: &str,
    settings: &std::collections::BTreeMap<String, String>,
    options: &crate::Options,
) -> Option<String> {
    let first = definition::State::first(workload, "linearizable", settings)?;
    find::recheck(history, &first, options)
}
