use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use base::{NodeId, Seed};

use crate::error::{Error, Result};
use crate::evidence::{Evidence, LinkCounters};
use crate::layout::{Layout, NodeAddress, PortSpec};
use crate::nodes::Nodes;
use crate::ports;
use crate::registry::{Guard, RunTag};
use crate::relay::{Framing, Relay, Route};
use crate::testbed::{Capability, LinkChange, Testbed};
use fault::LinkRule;

/// Nodes as operating-system processes on 127.0.0.1, each link through a relay. Needs no privilege.
pub struct Loopback {
    tag: RunTag,
    options: LoopbackOptions,
    nodes: Nodes,
    links: Option<Links>,
}

/// How a loopback testbed is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopbackOptions {
    /// Decides over loss and jitter.
    pub seed: Seed,
    /// What the relays may cut between; `None`: nodes dial each other directly, and no link can be broken.
    pub relay: Option<Framing>,
}

/// The relay and what was asked of it.
struct Links {
    relay: Relay,
    /// Rules in force, and what was counted on the link when they began.
    rules: BTreeMap<(NodeId, NodeId), (LinkRule, LinkCounters)>,
}

impl Loopback {
    /// A testbed without nodes.
    pub fn new(guard: &Guard, options: LoopbackOptions) -> Result<Self> {
        let tag = guard.tag();
        Ok(Loopback { nodes: Nodes::new(tag.clone())?, tag, options, links: None })
    }

    fn links(&mut self) -> Result<&mut Links> {
        self.links.as_mut().ok_or(Error::Unsupported {
            what: "nodes on loopback dial each other directly, so links cannot be broken".to_string(),
            way_out: "use `testbed = \"namespaces\"`, or relays if the system can be told at which address each node dials each other",
        })
    }
}

impl Testbed for Loopback {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn capabilities(&self) -> Vec<Capability> {
        let why = "nodes on loopback dial each other directly";
        let namespaces = "run as root with `testbed = \"namespaces\"`";
        let links = |fault, framings: &[Framing], otherwise: &str| match self.options.relay {
            Some(framing) if framings.contains(&framing) => Capability::has(fault),
            Some(_) => Capability::lacks(fault, otherwise, namespaces),
            None => Capability::lacks(fault, why, namespaces),
        };
        vec![
            Capability::has("kill"),
            Capability::has("pause"),
            links("partition", &[Framing::Frames, Framing::Bytes], why),
            links("loss", &[Framing::Frames], "a relay that does not know the protocol cannot lose part of a stream"),
            match self.options.relay {
                Some(_) => Capability::has("delay"),
                None => Capability::lacks("delay", why, "use a system whose nodes can dial through relays"),
            },
        ]
    }

    fn nodes(&mut self) -> &mut Nodes {
        &mut self.nodes
    }

    fn layout(&mut self, nodes: usize, ports: &[PortSpec]) -> Result<Layout> {
        let salt = Seed(std::process::id().into()).derive(self.tag.run()).0;
        let mut chosen = self.tag.reserve_ports(|taken| ports::choose(nodes * ports.len(), salt, taken))?.into_iter();
        let address = |node| NodeAddress {
            node,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: ports.iter().map(|port| port.name.clone()).zip(chosen.by_ref()).collect(),
        };
        let mut layout = Layout { nodes: NodeId::all(nodes).map(address).collect(), relays: BTreeMap::new() };
        if let Some(framing) = self.options.relay {
            let relay = start_relay(&mut layout, ports, framing, self.options.seed)?;
            self.links = Some(Links { relay, rules: BTreeMap::new() });
        }
        Ok(layout)
    }

    fn set_links(&mut self, changes: &[LinkChange]) -> Result<Vec<Evidence>> {
        if changes.is_empty() { Ok(Vec::new()) } else { self.links()?.set(changes, false) }
    }

    fn heal_links(&mut self, reset: bool) -> Result<Vec<Evidence>> {
        let Some(links) = &mut self.links else { return Ok(Vec::new()) };
        let open = |(from, to): &(NodeId, NodeId)| LinkChange { from: *from, to: *to, rule: LinkRule::CLEAR };
        let changes: Vec<LinkChange> = links.rules.keys().map(open).collect();
        links.set(&changes, reset)
    }

    fn link_counters(&self) -> Result<Vec<(NodeId, NodeId, LinkCounters)>> {
        Ok(self.links.as_ref().map_or(Vec::new(), |links| links.relay.counters()))
    }
}

impl Links {
    fn set(&mut self, changes: &[LinkChange], reset: bool) -> Result<Vec<Evidence>> {
        let before = self.counters();
        let rules: Vec<_> = changes.iter().map(|change| (change.from, change.to, change.rule)).collect();
        self.relay.set_rules(&rules, reset)?;
        let after = self.counters();
        Ok(changes.iter().flat_map(|change| self.note(change, &before, &after)).collect())
    }

    /// What the rule that ends here did until `after`, and the rule that begins, counted from `before`: a frame between the two
    /// counts for both.
    fn note(&mut self, change: &LinkChange, before: &Counters, after: &Counters) -> Vec<Evidence> {
        let link = (change.from, change.to);
        let (from, to) = (change.from.into(), change.to.into());
        let count = |counters: &Counters| counters.get(&link).copied().unwrap_or_default();
        let ended = self.rules.remove(&link).map(|(rule, began)| {
            let during = count(after) - began;
            Evidence::RuleEnded { from, to, rule: rule.to_string(), during }
        });
        let set = (!change.rule.is_clear()).then(|| {
            self.rules.insert(link, (change.rule, count(before)));
            Evidence::RuleSet { from, to, rule: change.rule.to_string() }
        });
        ended.into_iter().chain(set).collect()
    }

    fn counters(&self) -> Counters {
        self.relay.counters().into_iter().map(|(from, to, count)| ((from, to), count)).collect()
    }
}

type Counters = BTreeMap<(NodeId, NodeId), LinkCounters>;

/// Puts a relay on every ordered pair of nodes and peer port, and enters its addresses into the layout.
fn start_relay(layout: &mut Layout, ports: &[PortSpec], framing: Framing, seed: Seed) -> Result<Relay> {
    let mut routes = Vec::new();
    let mut keys = Vec::new();
    for port in ports.iter().filter(|port| port.peer) {
        for (from, to) in pairs(layout.nodes.len()) {
            let Some(target) = layout.address(to, &port.name) else { continue };
            routes.push(Route { from, to, target });
            keys.push((from, to, port.name.clone()));
        }
    }
    let relay = Relay::start(&routes, framing, seed)?;
    layout.relays = keys.into_iter().zip(relay.addresses().iter().copied()).collect();
    Ok(relay)
}

fn pairs(nodes: usize) -> impl Iterator<Item = (NodeId, NodeId)> {
    NodeId::all(nodes).flat_map(move |from| NodeId::all(nodes).filter(move |to| *to != from).map(move |to| (from, to)))
}
