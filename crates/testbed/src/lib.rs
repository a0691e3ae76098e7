//! Where real nodes run, and how their world is broken for real.
//!
//! - [`Testbed`]: nodes that can be started, killed, paused, and links between them that can be cut, slowed and healed. Every
//!   change answers with [`Evidence`] that it happened, read back from the kernel or counted on the link.
//! - [`Loopback`]: operating-system processes on 127.0.0.1; each link runs through a [`relay`](Relay). No privilege needed.
//! - [`Namespaces`]: one network namespace per node, partitions by nftables. Needs root.
//! - [`Registry`]: who owns what on this machine, so that everything is undone when a run ends, panics or is killed.
//! - [`scan_log`]: panics and fatal lines in the logs of nodes.

mod error;
mod evidence;
mod layout;
mod loopback;
mod namespaces;
mod nft;
mod nodes;
mod ports;
mod process;
mod program;
mod registry;
mod relay;
mod scan;
mod supervisor;
#[allow(clippy::module_inception)]
mod testbed;

pub use error::Error;
pub use evidence::{Evidence, Exit, LinkCounters, NodeNumber};
pub use fault::LinkRule;
pub use layout::{Layout, NodeAddress, PortSpec};
pub use loopback::{Loopback, LoopbackOptions};
pub use namespaces::Namespaces;
pub use registry::{Guard, Registry, RunTag, Swept};
pub use relay::{Framing, Relay, Route};
pub use scan::{Finding, FindingKind, scan_log, scan_text};
pub use testbed::{Capability, ClientNamespace, Lack, LinkChange, NodeSpec, Testbed};
