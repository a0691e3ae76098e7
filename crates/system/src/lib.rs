//! Systems under test: how to deploy one, how to talk to it, how to see who leads.
//!
//! - [`System`]: the contract; [`SYSTEMS`]: the registry, one line for each.
//! - [`specimen`]: the protocols of this workspace, each node an operating-system process of this very binary.
//! - [`etcd`]: a real etcd cluster, spoken to through its JSON gateway.
//! - [`own`]: whatever the plan describes: commands that start it, or endpoints of one that runs; spoken to by HTTP templates.
//! - [`http`], [`http_client`], [`http_template`], [`text`]: what HTTP systems share.

mod contract;
pub mod etcd;
pub mod http;
pub mod http_client;
pub mod http_template;
pub mod own;
pub mod probe;
mod registry;
pub mod specimen;
pub mod text;

pub use contract::{CLIENT_PORT, Deployment, Missing, Observed, Site, System};
pub use registry::{SYSTEMS, SystemInfo, from_plan, sections};
