use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base::{NodeId, Seed};

use crate::error::{Error, Result};
use crate::evidence::{Evidence, Exit, LinkCounters};
use crate::layout::{Layout, NodeAddress, PortSpec};
use crate::nodes::Nodes;
use crate::ports;
use crate::registry::{Guard, RunTag};
use crate::testbed::{Capability, LinkChange, NodeSpec, Testbed};

/// Nodes as operating-system processes on 127.0.0.1. Needs no privilege.
pub struct Loopback {
    tag: RunTag,
    options: LoopbackOptions,
    nodes: Nodes,
    layout: Layout,
}

/// How a loopback testbed is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopbackOptions {
    /// Decides over loss and jitter.
    pub seed: Seed,
}

impl Loopback {
    /// A testbed without nodes.
    pub fn new(guard: &Guard, options: LoopbackOptions) -> Result<Self> {
        let tag = guard.tag();
        Ok(Loopback { nodes: Nodes::new(tag.clone())?, tag, options, layout: Layout::default() })
    }
}

impl Testbed for Loopback {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn capabilities(&self) -> Vec<Capability> {
        vec![Capability::has("kill"), Capability::has("pause")]
    }

    fn layout(&mut self, nodes: usize, ports: &[PortSpec]) -> Result<Layout> {
        let salt = Seed(std::process::id().into()).derive(self.tag.run()).0;
        let mut chosen = self.tag.reserve_ports(|taken| ports::choose(nodes * ports.len(), salt, taken))?.into_iter();
        let address = |node| NodeAddress {
            node,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: ports.iter().map(|port| port.name.clone()).zip(chosen.by_ref()).collect::<BTreeMap<_, _>>(),
        };
        self.layout.nodes = NodeId::all(nodes).map(address).collect();
        Ok(self.layout.clone())
    }

    fn start(&mut self, node: NodeId, spec: &NodeSpec) -> Result<Evidence> {
        self.nodes.start(node, spec)
    }

    fn kill(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes.kill(node)
    }

    fn pause(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes.pause(node)
    }

    fn resume(&mut self, node: NodeId) -> Result<Evidence> {
        self.nodes.resume(node)
    }

    fn set_links(&mut self, _changes: &[LinkChange]) -> Result<Vec<Evidence>> {
        let _ = self.options.seed;
        Err(Error::Unsupported { what: "loopback has no relays here".to_string(), way_out: "use namespaces" })
    }

    fn heal_links(&mut self, _reset: bool) -> Result<Vec<Evidence>> {
        Ok(Vec::new())
    }

    fn link_counters(&self) -> Result<Vec<(NodeId, NodeId, LinkCounters)>> {
        Ok(Vec::new())
    }

    fn is_running(&mut self, node: NodeId) -> bool {
        self.nodes.is_running(node)
    }

    fn exit_status(&mut self, node: NodeId) -> Option<Exit> {
        self.nodes.exit_status(node)
    }

    fn stop_all(&mut self, grace: Duration) -> Result<Vec<Evidence>> {
        self.nodes.stop_all(grace)
    }
}
