//! The words that every other crate shares. Knows nothing of plans, protocols or machines.
//!
//! - [`NodeId`], [`ProcessId`]: who.
//! - [`NodeSet`]: sets of nodes, as words.
//! - [`Time`]: when, in nanoseconds of one clock domain.
//! - [`Seed`], [`Rng`]: the only source of randomness; streams are derived, never shared.
//! - [`units`]: durations, rates, sizes and shares as people write them in plans.
//! - [`Fingerprint`]: a 64-bit hash that is the same on every machine and in every run.
//! - [`Table`]: a map by such a hash, of which nobody asks the order.

mod fingerprint;
mod id;
mod nodes;
mod rng;
mod table;
mod time;
pub mod units;

pub use bytes::Bytes;
pub use fingerprint::Fingerprint;
pub use id::{NodeId, ProcessId};
pub use nodes::NodeSet;
pub use rng::{Rng, Seed, mix};
pub use table::Table;
pub use time::Time;
