//! The simulated world: servers and clients of one protocol in one thread, in virtual time, on a network, disks and clocks
//! that fail on command. One seed is one exact run.
//!
//! - [`World`]: the cluster and what can be done to it. [`Options`]: how it behaves.
//! - [`Network`], [`Disk`], [`Clock`]: what surrounds the participants.
//! - [`Act`]: one thing that befalls it, as data.
//! - [`Trigger`]: what befalls a server when it does something.
//! - [`FaultMix`], [`Trial`]: random faults, and the run in two phases (safety under faults, then progress without).
//! - [`Recording`]: the decisions of a run, from which it can be repeated.
//! - [`explore`]: many runs under conditions of their own, and the smallest story of one that fails.
//! - [`exhaust`]: every state of a small scope, by searching instead of drawing.
//! - [`script`]: scenarios written as commands, answered with what happened.
//!
//! Inside, one `core` that knows no protocol (queue, links, disks, clocks, operations, trace) and a small generic `troupe`
//! (actors, messages under way, oracles) behind a trait that speaks of slot numbers: a new protocol compiles one `step`.

mod act;
mod choices;
mod core;
mod disk;
mod event;
pub mod exhaust;
pub mod explore;
mod faults;
mod network;
mod operations;
mod queue;
pub mod script;
mod slab;
mod steps;
mod trace;
mod trigger;
mod troupe;
mod world;

#[cfg(test)]
mod tests;

pub use act::{Act, Pairs};
pub use choices::Recording;
pub use core::{Clock, Clocks, Options, Violation};
pub use disk::{Disk, Unsynced};
pub use faults::{Failure, FaultMix, Rate, Trial};
pub use network::{Late, Network, Regions};
pub use steps::{Aim, Ask, Stage, Step};
pub use trace::{Line, Transcript};
pub use trigger::{Blow, Moment, Trigger};
pub use world::World;
