//! Whether a history keeps what a model promises, and if not, why.
//!
//! - [`check`]: a history against a [`Model`] gives a [`Report`]: the [`Verdict`], its [`Anomaly`]s, what it took.
//! - [`MODELS`]: the registry. A new model is one file and one line there.

mod model;
mod report;
mod verdict;

pub use model::{LINEARIZABLE, MODELS, Model, Options, check};
pub use report::{Anomaly, AnomalyKind, Report};
pub use verdict::Verdict;
