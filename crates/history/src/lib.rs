//! What clients saw: operations, their outcomes, and the history they make.
//!
//! - [`Request`]: what is asked; [`Completion`]: what came of it; [`Operation`]: both, with their times.
//! - [`History`]: all operations of a run, as the checkers read them.
//! - [`Recorder`]: writes one fixed-size record per operation, claimed before the request leaves.

mod operation;

pub use operation::{Completion, ErrorKind, Function, NIL, Operation, Outcome, Request};
