//! Reports: values in, bytes out. Pure; knows nothing of where the values came from.
//!
//! - [`Results`]: everything a report says of a run, as plain data; [`json`] and [`parse`] are `results.json`.
//! - [`Results::measured`]: takes over what was measured; [`Results::conclude`]: verdict and exit code from all that is known.

mod conclude;
mod json;
mod measured;
mod results;

pub use json::{ParseError, json, parse};
pub use results::{
    Anomaly, Check, Command, ErrorCount, FORMAT, Fact, Fault, Function, Gap, LatencyUs, Leader, Micros, Objective,
    Operations, Problem, Rate, Recovery, RecoveryState, Results, Series, Severity, SpectrumPoint, Standing, Verdict,
    Window,
};
