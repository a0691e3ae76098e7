//! What clients saw: operations, their outcomes, and the history they make.
//!
//! - [`Request`]: what is asked; [`Completion`]: what came of it; [`Operation`]: both, with their times.
//! - [`History`]: all operations of a run, as the checkers read them. [`History::open`] reads a run folder, JSON Lines or
//!   Jepsen's EDN and recognises which by the content.
//! - [`Recorder`]: writes one fixed-size record per operation, claimed before the request leaves and completed in place.
//! - [`record`]: the 64 bytes of one record; [`segment`]: the files they live in.
//! - [`jsonl`], [`edn`]: the text formats that `export` writes and [`History::open`] reads again.

pub mod edn;
mod error;
#[allow(clippy::module_inception)]
mod history;
pub mod jsonl;
mod names;
mod operation;
pub mod record;
mod recorder;
pub mod segment;

pub use error::{OpenError, TextError};
pub use history::{Columns, History, Origin};
pub use operation::{Claim, Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};
pub use recorder::{Recorder, Slot};
pub use segment::ClockDomain;
