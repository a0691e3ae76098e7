//! Certificates: what makes a verdict worth believing without believing the checker.
//!
//! A `valid` verdict rests on an order of the operations, or on what an order would say, and an `invalid` one on a few operations that
//! contradict each other. Both are checked here by the definitions, apart from the checkers: only the histories themselves are shared.
//! What does not hold is a bug of ours, and the verdict becomes `unknown` ([`Verdict::is_bug`](crate::Verdict::is_bug)).
//!
//! - [`register`]: since when each value was there, and orders of registers.
//! - [`object`]: orders of any [`SequentialModel`](crate::SequentialModel).
//! - [`transaction`]: orders of transactions, that prove every isolation level.
//! - [`cycle`]: cycles of dependencies, each of which is shown again from the history, [`single`]: anomalies that need no cycle.
//! - [`witness`]: a few operations on a register, by trying all orders.
//!
//! [`Options::recheck`](crate::Options) asks for all that. Replays are linear and sort nothing.

pub mod cycle;
pub mod object;
pub mod register;
pub mod single;
pub mod transaction;
pub mod witness;
