//! Hunting: many short runs of a whole cluster, each under conditions of its own, and the shortest story of one that fails.
//!
//! - [`Case`]: everything that one run is made of, as plain data; [`Case::draw`] makes one of a seed.
//! - [`Specimen`]: a protocol as the hunt sees it: how to build a world of it, and who judges the history.
//! - [`Case::run`]: one run in two phases (storm, then calm), and what it showed: a [`Run`].
//! - [`Guide`]: where to look next, by what the runs have shown.
//! - [`shrink`]: the smallest case, by deletion, that still fails in the same way; in the end a list of [`Steps`].
//! - [`diagram`]: such a list, drawn.
//!
//! Conditions are drawn as a *swarm* (Groce et al., "Swarm Testing", ISSTA 2012): each run leaves most kinds of fault out, so that
//! the few that stay can do what the others would prevent.

mod case;
mod diagram;
mod guide;
mod reduce;
mod run;
mod shrink;
mod steps;
mod swarm;

pub use case::{Case, Faults, Fork, Scope};
pub use diagram::diagram;
pub use guide::{Done, Guide, Job};
pub use run::{Figures, Finding, Run, Specimen};
pub use shrink::{Shrunk, shrink};
pub use steps::{Steps, Told};
pub use swarm::Level;
