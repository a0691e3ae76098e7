//! The real runtime of an actor: TCP, durable log, files.
//!
//! - [`log`]: the durable log: checksummed batches, group commit, recovery.

pub mod log;
