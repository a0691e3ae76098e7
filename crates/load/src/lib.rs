//! The load engine: asks operations of a system at the times a profile wants, and writes down what came of them.
//!
//! - [`Engine`]: one thread, one event loop; lives through warm-up, load, settle and final reads.
//! - [`EngineOptions`]: endpoints, clients, processes, connections, timeout, which node to ask.
//! - [`Settings`]: the `[client]` section of a plan.
//! - [`Stage`]: what is asked next; [`StageReport`]: what came of it; [`Tick`]: how it is going.
//! - [`Source`]: which operation is asked when, without clock or sockets: the simulated world asks the same.
//! - [`Control`]: stops a stage from another thread.
//!
//! # Three times
//!
//! An operation is *due* by the profile, *sent* when it is handed to the client (read before the write call) and *done* when its
//! answer has been read (read after the read call). Latency is done - due. `sent - due` has two parts: the wait for a free
//! process, which is the system's doing and counts, and the rest, which is this generator's lateness; when that is
//! not small beside the reported latency, the figures are untrusted.
//!
//! # Waiting without waking late
//!
//! Arrivals are a pure function of their index, so nothing accumulates and nothing is shared. The loop sleeps in
//! `epoll_pwait2` until the nanosecond of the next arrival with a timer slack of 1 ns (the default slack of 50 µs would be the
//! median lateness), and may spin the last stretch where a core can be spared.

mod connection;
mod engine;
mod machine;
mod network;
mod options;
mod processes;
mod report;
mod settings;
mod source;
mod stage;
mod timers;

pub use engine::Engine;
pub use machine::Machine;
pub use options::{Asker, EngineOptions, Spin, TargetPolicy};
pub use report::{Counts, StageReport, TICK, Tick, is_answered};
pub use settings::{CLIENT, Settings};
pub use source::{Ask, Source, What};
pub use stage::{Control, Limit, Stage, Work};
