//! The conductor: one flow from plan to verdict. It owns the run folder and emits the typed event stream.
//!
//! - [`plan`]: a whole plan, each section read by its stage; [`plans`]: those built into the binary.
//! - [`conduct`]: deploy, load, break, heal, settle, read, stop; then [`judge`].
//! - [`judge()`](judge::judge): from a run folder to results, the same now and later.
//! - [`simulated`]: the same flow in virtual time, with our own protocols as actors.
//! - [`compare`]: two plans side by side, from runs in pairs.
//! - [`hunt`]: cases of the simulated world on all cores.
//! - [`Event`]: what every view reads while a run goes on.
//! - [`Folder`]: the run folder; [`record`]: what a run writes about itself.

pub mod compare;
mod conduct;
mod deploy;
mod error;
mod event;
mod faults;
mod folder;
pub mod hunt;
mod journal;
pub mod judge;
mod machine;
mod meter;
mod monitor;
mod online;
mod operator;
mod owner;
pub mod plan;
pub mod plans;
pub mod record;
mod seed;
pub mod simulated;
mod stop;

pub use conduct::{Order, conduct};
pub use error::RunError;
pub use event::{Event, Tick};
pub use folder::Folder;
pub use stop::Stop;
