use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use base::NodeId;

/// A port that every node listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortSpec {
    /// What the system calls it: `peer`, `client`.
    pub name: String,
    /// Whether nodes dial each other here. Only such ports get links that can be broken on loopback.
    pub peer: bool,
    /// The port number that the system is known by, used where each node has its own address.
    pub usual: Option<u16>,
}

impl PortSpec {
    /// A port on which nodes dial each other.
    pub fn peer(name: &str) -> Self {
        PortSpec { name: name.to_string(), peer: true, usual: None }
    }

    /// A port for clients alone.
    pub fn client(name: &str) -> Self {
        PortSpec { name: name.to_string(), peer: false, usual: None }
    }

    /// The same with a usual number.
    pub fn usually(self, number: u16) -> Self {
        PortSpec { usual: Some(number), ..self }
    }
}

/// Where one node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// The node.
    pub node: NodeId,
    /// The address it binds.
    pub ip: IpAddr,
    /// Port numbers by name.
    pub ports: BTreeMap<String, u16>,
}

/// The addresses of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// One entry per node, in order.
    pub nodes: Vec<NodeAddress>,
    /// (from, to, port name) → where a relay listens. Pairs that are absent dial the node itself.
    pub(crate) relays: BTreeMap<(NodeId, NodeId, String), SocketAddr>,
}

impl Layout {
    /// The node's own address: what it binds, and where clients reach it. `None` for an unknown node or port name.
    pub fn address(&self, node: NodeId, port: &str) -> Option<SocketAddr> {
        let place = self.nodes.get(node.index())?;
        Some(SocketAddr::new(place.ip, *place.ports.get(port)?))
    }

    /// Where `from` must dial `to`: a relay's address on loopback, the node's own where nodes have their own network.
    pub fn dial(&self, from: NodeId, to: NodeId, port: &str) -> Option<SocketAddr> {
        self.relays.get(&(from, to, port.to_string())).copied().or_else(|| self.address(to, port))
    }

    /// The addresses at which `from` dials every other node, in order of nodes.
    pub fn peers(&self, from: NodeId, port: &str) -> Vec<(NodeId, SocketAddr)> {
        let others = self.nodes.iter().map(|place| place.node).filter(|to| *to != from);
        others.filter_map(|to| Some((to, self.dial(from, to, port)?))).collect()
    }
}
