//! What clients saw: operations, their outcomes, and the history they make.
//!
//! - [`Request`]: what is asked; [`Completion`]: what came of it; [`Operation`]: both, with their times.
//! - [`AdminOperation`]: what an operator did meanwhile, of which no checker of objects knows.
//! - [`History`]: all operations of a run, as the checkers read them. [`History::open`] reads a run folder, JSON Lines or
//!   Jepsen's EDN and recognises which by the content.
//! - [`object`]: histories of queues, sets, counters, locks and other objects.
//! - [`Recorder`]: writes one fixed-size record per operation, claimed before the request leaves and completed in place.
//! - [`Tail`]: reads the records while they are written, as events in the order of time.
//! - [`record`]: the 64 bytes of one record; [`segment`]: the files they live in.
//! - [`event`]: what imported histories of any object or transaction are made of, and the pairing of invocation and completion.
//! - [`txn`]: transactions and their micro-operations, as the isolation checkers read them.
//! - [`jsonl`], [`edn`]: the text formats that `export` writes and [`History::open`] reads again.

mod admin;
pub mod edn;
mod error;
pub mod event;
#[allow(clippy::module_inception)]
mod history;
pub mod import;
pub mod jsonl;
mod names;
pub mod object;
mod operation;
mod quote;
pub mod record;
mod recorder;
pub mod register;
pub mod segment;
mod tail;
pub mod txn;

pub use admin::{Action, AdminOperation};
pub use error::{OpenError, TextError};
pub use history::{Columns, History, Origin};
pub use operation::{Claim, Completion, ErrorKind, Function, NIL, Operation, Outcome, Phase, Request};
pub use recorder::{Recorder, Slot};
pub use segment::ClockDomain;
pub use tail::{Tail, Told};
