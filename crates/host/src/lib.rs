//! The real runtime of an actor: TCP, durable log, files.
//!
//! A node is one process (or thread) that runs one [`Actor`](proto::Actor) whose messages are bytes, see
//! [`Wired`](proto::Wired). It keeps the contract of the actor with real sockets, a real disk and real clocks.
//!
//! - [`serve`], [`Options`], [`HostError`]: run a node.
//! - [`Disk`], [`Limits`], [`Stop`]: its settings.
//! - [`log`]: the durable log: checksummed batches, group commit, recovery.
//! - [`probe`], [`Observed`]: see a node from outside.
//!
//! Inside: `node` is the loop, `net` the sockets, `disk` the thread that syncs, `timers` the timers.

mod disk;
pub mod log;
mod net;
mod node;
mod probe;
mod serve;
mod stop;
mod timers;

pub use disk::Disk;
pub use net::Limits;
pub use probe::{Observed, probe};
pub use serve::{HostError, Options, serve, serve_on};
pub use stop::{Stop, Stopper, exit_on_panic};
