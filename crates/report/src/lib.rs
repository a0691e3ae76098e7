//! Reports: values in, bytes out. Pure; knows nothing of where the values came from.
//!
//! - [`Results`]: everything a report says of a run, as plain data; [`json`] and [`parse`] are `results.json`.
//! - [`Results::measured`]: takes over what was measured; [`Results::conclude`]: verdict and exit code from all that is known.
//! - [`terminal`]: the summary at the end of a run. [`html`]: the whole report as one file. [`junit`]: for CI servers.

mod conclude;
mod html;
mod json;
mod junit;
mod measured;
mod results;
mod show;
mod terminal;

pub use html::html;
pub use json::{ParseError, json, parse};
pub use junit::junit;
pub use results::{
    Anomaly, Check, Command, ErrorCount, FORMAT, Fact, Fault, Function, Gap, LatencyUs, Leader, Micros, NodeResources,
    Objective, Operations, Problem, Rate, Recovery, RecoveryState, Resources, Results, Series, Severity, SpectrumPoint,
    Standing, Verdict, Window,
};
pub use terminal::{Colour, terminal};
