//! Faults: what can go wrong, and when. Pure: effects go out as [`Change`]s, randomness comes in as an argument.
//!
//! - [`FAULTS`]: the registry. One file per kind under `kinds/`, one line each in the list.
//! - [`Fault`]: one thing that goes wrong: a kind with its options, and a [`Selector`] of nodes.
//! - [`Schedule`]: which [`Injection`] happens when, read from the section `[faults]` of a plan.
//! - [`Injection::resolve`]: the changes that one fault makes to a cluster as it is now; [`undo`] takes them back.
//! - [`InForce`]: what overlapping faults ask for together, and what changes when one of them begins or ends.
//! - [`LinkRule`]: the fate of one message on one link; the simulator and the relays of the real testbed share it.

mod change;
mod fault;
mod in_force;
mod kinds;
mod link;
mod registry;
mod schedule;
mod selector;
#[cfg(test)]
mod tests;

pub use change::{Change, undo};
pub use fault::{Action, Context, Fault};
pub use in_force::InForce;
pub use kinds::delay::{DELAY, Delay};
pub use kinds::kill::{KILL, Kill};
pub use kinds::loss::{LOSS, Loss};
pub use kinds::partition::{PARTITION, Partition, Shape};
pub use kinds::pause::{PAUSE, Pause};
pub use link::{Fate, LinkRule};
pub use registry::{FAULTS, Kind, Need, page};
pub use schedule::{Injection, Schedule, reference};
pub use selector::{Cluster, Selector};
