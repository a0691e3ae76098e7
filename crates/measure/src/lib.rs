//! Measurements: from what clients saw to figures that can be trusted. Pure.
//!
//! - [`Measurement`]: everything that is measured of one run, from its operations alone.
//! - [`Histogram`]: latencies in constant memory, three significant digits; operations never answered count as infinite.
//! - [`Series`]: the same over time, window by window.
//! - [`recovery`]: how long a fault was felt, and the longest gap without an `ok`.
//! - [`lateness`]: whether the load generator was at fault.
//! - [`Objective`]: what the run must reach, and whether it did.
//! - [`Paired`]: whether one thing is faster than another, from runs in pairs.

mod histogram;
pub mod lateness;
mod measurement;
mod objective;
mod paired;
pub mod recovery;
mod series;

pub use histogram::{Histogram, Latency, SpectrumPoint};
pub use lateness::Trust;
pub use measurement::{FunctionFigures, Measurement, Outcomes};
pub use objective::{Figures, Judgement, Objective, Standing};
pub use paired::{CONFIDENCE, Interval, MOST_PAIRS, Paired};
pub use recovery::{Disturbance, Loop, Recovered, Recovery};
pub use series::{Series, Span, Window};

#[cfg(test)]
mod tests;
