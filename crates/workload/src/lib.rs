//! What is asked, and when. Pure: the same seed gives the same operations and the same schedule.
//!
//! - [`Generator`]: the requests of one workload, by index.
//! - [`WORKLOADS`]: the registry; one file per workload ([`register`], [`cas_register`]).
//! - [`Keys`]: which key an operation is about (uniform, zipfian, hotspot, ...).
//! - [`Mix`]: which function it calls, by shares.
//! - [`Arrivals`]: when open-loop operations are due (constant, Poisson, ramp, steps, ...).
//! - [`Profile`]: open loop or closed loop.

mod arrivals;
pub mod cas_register;
mod generator;
mod keys;
mod mix;
mod profile;
pub mod register;
mod registry;

pub use arrivals::{Arrivals, Cursor, Piece, Shape, Spacing};
pub use generator::Generator;
pub use keys::{Distribution, Keys};
pub use mix::Mix;
pub use profile::{LOAD, Profile};
pub use registry::{KIND, WORKLOADS, Workload, find, sections};
