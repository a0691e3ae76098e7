use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::NodeId;
use fault::LinkRule;
use rustix::thread::UnshareFlags;

use crate::error::{Context, Error, Result};
use crate::evidence::{Evidence, LinkCounters};
use crate::layout::{Layout, NodeAddress, PortSpec};
use crate::nft::{self, Inbound};
use crate::nodes::Nodes;
use crate::program::{IP, NFT, missing};
use crate::registry::{self, Guard, NAMESPACES, RunTag};
use crate::testbed::{Capability, ClientNamespace, LinkChange, Testbed};

/// Clients live at the far end of the nodes' network.
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
/// Addresses below the client's.
const MOST_NODES: usize = 99;

/// One network namespace per node and one for clients, joined by a bridge in a namespace of its own. Needs root.
///
/// Nothing is added to the machine's own network: both ends of every cable are born inside namespaces, so any number of runs
/// may use the same addresses side by side. Rules are nftables drops on the receiving node's input, counted there.
pub struct Namespaces {
    tag: RunTag,
    nodes: Nodes,
    places: Vec<Place>,
    client: ClientNamespace,
    /// Rules in force, and what was counted on the link when they began.
    rules: BTreeMap<(NodeId, NodeId), (LinkRule, LinkCounters)>,
    /// Nodes that have a table of ours at the moment.
    filtered: BTreeSet<NodeId>,
    /// What tables that are gone had counted.
    past: Counters,
    /// Everything counted, at the last reading. A link without a rule counts nothing, so for such a link it is exact.
    known: Counters,
}

type Counters = BTreeMap<(NodeId, NodeId), LinkCounters>;

/// Where one node lives.
struct Place {
    node: NodeId,
    address: Ipv4Addr,
    network: Arc<OwnedFd>,
}

impl Namespaces {
    /// A testbed without nodes. Fails where [`Namespaces::check`] does.
    pub fn new(guard: &Guard) -> Result<Self> {
        Self::check()?;
        let tag = guard.tag();
        Ok(Namespaces {
            nodes: Nodes::new(tag.clone())?,
            tag,
            places: Vec::new(),
            client: ClientNamespace::default(),
            rules: BTreeMap::new(),
            filtered: BTreeSet::new(),
            past: Counters::new(),
            known: Counters::new(),
        })
    }

    /// Whether this machine and user can have namespaces; the error says what is missing. Changes nothing.
    pub fn check() -> Result<()> {
        let absent: Vec<_> = [IP, NFT].into_iter().filter(|tool| tool.find().is_none()).collect();
        if !absent.is_empty() {
            return Err(missing(&absent));
        }
        // Trying is the only proof: root in a container may lack the capability, and a user may have it.
        let tried = in_thread(unshare_network);
        tried.map_err(|_| Error::Privilege {
            what: "network namespaces need root".to_string(),
            way_out: "run as root (in a container: with CAP_SYS_ADMIN and CAP_NET_ADMIN), or use `testbed = \"loopback\"`",
        })
    }

    fn name(&self, part: &str) -> String {
        format!("assize-{}-{part}", self.tag.run())
    }

    /// Makes a named namespace; it is in the registry before it exists.
    fn make(&self, part: &str) -> Result<Arc<OwnedFd>> {
        let name = self.name(part);
        self.tag.add_namespace(&name)?;
        Ok(Arc::new(make_namespace(&name).context(|| format!("make the network namespace `{name}`"))?))
    }

    fn place(&self, node: NodeId) -> Result<&Place> {
        self.places.get(node.index()).ok_or_else(|| Error::State(format!("there is no node {node}")))
    }

    /// Puts the rules for everything that arrives at these nodes in force: all of one node in one transaction, all nodes at about
    /// the same time.
    fn filter(&mut self, receivers: &BTreeSet<NodeId>) -> Result<()> {
        let mut scripts = BTreeMap::new();
        for node in receivers {
            let inbound = self.inbound(*node)?;
            if !inbound.is_empty() || self.filtered.contains(node) {
                scripts.insert(*node, nft::replace(&inbound));
            }
        }
        self.filtered.extend(scripts.keys());
        self.nft(&["-f", "-"], &scripts).map(drop)
    }

    fn inbound(&self, node: NodeId) -> Result<Vec<Inbound>> {
        let rules = self.rules.iter().filter(|((_, to), _)| *to == node);
        rules
            .map(|((from, _), (rule, _))| Ok(Inbound { from: *from, address: self.place(*from)?.address, rule: *rule }))
            .collect()
    }

    /// Takes the tables of those nodes away that have no rule left. What they counted is known: their last rule ended before the
    /// last reading.
    fn remove_idle_tables(&mut self) -> Result<()> {
        let busy: BTreeSet<NodeId> = self.rules.keys().map(|(_, to)| *to).collect();
        let idle: BTreeSet<NodeId> = self.filtered.difference(&busy).copied().collect();
        self.nft(&["delete", "table", "inet", "assize"], &without_input(&idle))?;
        self.filtered.retain(|node| busy.contains(node));
        let counted = self.known.iter().filter(|((_, to), _)| idle.contains(to));
        self.past.extend(counted.map(|(link, count)| (*link, *count)));
        Ok(())
    }

    /// Everything counted so far on the links to these nodes.
    fn read(&self, receivers: &BTreeSet<NodeId>) -> Result<Counters> {
        let past = self.past.iter().filter(|((_, to), _)| receivers.contains(to));
        let mut counters: Counters = past.map(|(link, count)| (*link, *count)).collect();
        let filtered = without_input(&receivers.intersection(&self.filtered).copied().collect());
        for (node, json) in self.nft(&["-j", "list", "counters", "table", "inet", "assize"], &filtered)? {
            let live = nft::read_counters(&json);
            let live = live.ok_or_else(|| Error::State(format!("cannot read what nft counted on {node}: {json}")))?;
            live.into_iter().for_each(|(from, count)| *counters.entry((from, node)).or_default() += count);
        }
        Ok(counters)
    }

    /// Runs `nft` in each of these nodes' namespaces at the same time: the kernel makes each call wait, for no work. Returns what
    /// each printed.
    fn nft(&self, args: &[&str], inputs: &BTreeMap<NodeId, String>) -> Result<BTreeMap<NodeId, String>> {
        let run = |node: NodeId, input: &str| Ok((node, NFT.run(&self.place(node)?.network, args, input)?));
        std::thread::scope(|scope| {
            let calls: Vec<_> = inputs.iter().map(|(node, input)| scope.spawn(move || run(*node, input))).collect();
            let gone = || Error::State("a thread that ran nft panicked".to_string());
            calls.into_iter().map(|call| call.join().unwrap_or_else(|_| Err(gone()))).collect()
        })
    }

    fn known(&self, change: &LinkChange) -> LinkCounters {
        self.known.get(&(change.from, change.to)).copied().unwrap_or_default()
    }

    /// Enters a new rule; returns the one that it replaces.
    fn enter(&mut self, change: &LinkChange) -> Option<(LinkRule, LinkCounters)> {
        let link = (change.from, change.to);
        match change.rule.is_clear() {
            true => self.rules.remove(&link),
            false => self.rules.insert(link, (change.rule, self.known(change))),
        }
    }

    /// What the rule that ended did, and that another is in force.
    fn note(&mut self, change: &LinkChange, ended: Option<(LinkRule, LinkCounters)>) -> Vec<Evidence> {
        let (from, to, known) = (change.from.into(), change.to.into(), self.known(change));
        let set = self.rules.get_mut(&(change.from, change.to)).map(|(rule, began)| {
            *began = known;
            Evidence::RuleSet { from, to, rule: rule.to_string() }
        });
        let ended =
            ended.map(|(rule, began)| Evidence::RuleEnded { from, to, rule: rule.to_string(), during: known - began });
        ended.into_iter().chain(set).collect()
    }

    /// Refuses what cannot be done before anything is.
    fn check_changes(&self, changes: &[LinkChange]) -> Result<()> {
        for change in changes {
            self.place(change.from)?;
            self.place(change.to)?;
            if !change.rule.delay.is_zero() || !change.rule.jitter.is_zero() {
                let what = format!("{} → {} cannot be slowed: {DELAY}", change.from, change.to);
                return Err(Error::Unsupported { what, way_out: "use `testbed = \"loopback\"`" });
            }
        }
        Ok(())
    }
}

impl Testbed for Namespaces {
    fn name(&self) -> &'static str {
        "namespaces"
    }

    fn capabilities(&self) -> Vec<Capability> {
        vec![
            Capability::has("kill"),
            Capability::has("pause"),
            Capability::has("partition"),
            Capability::has("loss"),
            Capability::lacks(
                "delay",
                DELAY,
                "use `testbed = \"loopback\"` with a system whose nodes can dial through relays",
            ),
        ]
    }

    fn nodes(&mut self) -> &mut Nodes {
        &mut self.nodes
    }

    fn layout(&mut self, nodes: usize, ports: &[PortSpec]) -> Result<Layout> {
        if nodes > MOST_NODES {
            return Err(Error::State(format!("{nodes} nodes are more than the {MOST_NODES} that one network holds")));
        }
        let hub = self.make("hub")?;
        let client = self.make("c")?;
        for node in NodeId::all(nodes) {
            let network = self.make(&node.to_string())?;
            let inode = registry::namespace_inode(&self.name(&node.to_string()));
            let inode = inode.ok_or_else(|| Error::State(format!("the namespace of {node} vanished")))?;
            self.nodes.place(node, network.clone(), inode);
            self.places.push(Place { node, address: address(node), network });
        }
        let names: Vec<String> = NodeId::all(nodes).map(|node| node.to_string()).chain(["c".to_string()]).collect();
        IP.run(&hub, &["-batch", "-"], &cables(&names, |part| self.name(part)))?;
        for place in &self.places {
            IP.run(&place.network, &["-batch", "-"], &interface(place.address))?;
        }
        IP.run(&client, &["-batch", "-"], &interface(CLIENT))?;
        self.client = ClientNamespace { fd: Some(client) };
        Ok(Layout { nodes: self.places.iter().map(|place| place.describe(ports)).collect(), relays: BTreeMap::new() })
    }

    fn set_links(&mut self, changes: &[LinkChange]) -> Result<Vec<Evidence>> {
        self.check_changes(changes)?;
        let receivers: BTreeSet<NodeId> = changes.iter().map(|change| change.to).collect();
        let ended: Vec<_> = changes.iter().map(|change| self.enter(change)).collect();
        // Everything changes before anything is read: reading takes as long as changing.
        self.filter(&receivers)?;
        let ends = changes.iter().zip(&ended).filter(|(_, ended)| ended.is_some());
        let counters = self.read(&ends.map(|(change, _)| change.to).collect())?;
        self.known.extend(counters);
        self.remove_idle_tables()?;
        Ok(changes.iter().zip(ended).flat_map(|(change, ended)| self.note(change, ended)).collect())
    }

    fn heal_links(&mut self, _reset: bool) -> Result<Vec<Evidence>> {
        let open = |(from, to): &(NodeId, NodeId)| LinkChange { from: *from, to: *to, rule: LinkRule::CLEAR };
        let changes: Vec<LinkChange> = self.rules.keys().map(open).collect();
        self.set_links(&changes)
    }

    fn link_counters(&self) -> Result<Vec<(NodeId, NodeId, LinkCounters)>> {
        let nodes: BTreeSet<NodeId> = self.places.iter().map(|place| place.node).collect();
        let counters = self.read(&nodes)?;
        let links =
            nodes.iter().flat_map(|from| nodes.iter().filter(move |to| *to != from).map(move |to| (*from, *to)));
        Ok(links.map(|(from, to)| (from, to, counters.get(&(from, to)).copied().unwrap_or_default())).collect())
    }

    fn client_namespace(&self) -> ClientNamespace {
        self.client.clone()
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // What fails here is in the registry, which the guard and the next start work off.
        let _ = self.nodes.stop_all(Duration::ZERO);
        let parts = self.places.iter().map(|place| place.node.to_string()).chain(["c".to_string(), "hub".to_string()]);
        for part in parts {
            let _ = registry::delete_namespace(&self.name(&part));
        }
    }
}

impl Place {
    fn describe(&self, ports: &[PortSpec]) -> NodeAddress {
        let numbered = ports.iter().enumerate();
        let ports =
            numbered.map(|(index, port)| (port.name.clone(), port.usual.unwrap_or(7000 + index as u16))).collect();
        NodeAddress { node: self.node, ip: IpAddr::V4(self.address), ports }
    }
}

const DELAY: &str = "the kernels that assize must run on cannot delay packets in a namespace";

fn without_input(nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, String> {
    nodes.iter().map(|node| (*node, String::new())).collect()
}

fn address(node: NodeId) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, node.0 as u8 + 1)
}

/// For `ip -batch` in the hub: a bridge, and a cable from it into each namespace.
fn cables(parts: &[String], name: impl Fn(&str) -> String) -> String {
    let mut script = "link set lo up\nlink add br0 type bridge\nlink set br0 up\n".to_string();
    for part in parts {
        script += &format!("link add v-{part} type veth peer name eth0 netns {}\n", name(part));
        script += &format!("link set v-{part} master br0 up\n");
    }
    script
}

/// For `ip -batch` at the other end of a cable.
fn interface(address: Ipv4Addr) -> String {
    format!("link set lo up\naddr add {address}/24 dev eth0\nlink set eth0 up\n")
}

/// Makes a namespace and gives it a name that outlives this process, as `ip netns add` does, but without turning /run/netns into a
/// mount of its own, which nobody would take away again.
fn make_namespace(name: &str) -> std::io::Result<OwnedFd> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o755).create(NAMESPACES)?;
    let path: PathBuf = Path::new(NAMESPACES).join(name);
    fs::File::create_new(&path)?;
    in_thread(move || {
        unshare_network()?;
        rustix::mount::mount_bind("/proc/thread-self/ns/net", &path)?;
        Ok(fs::File::open(&path)?.into())
    })
}

fn unshare_network() -> std::io::Result<()> {
    // SAFETY: a new network namespace leaves memory and the table of open files as they are.
    Ok(unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?)
}

/// Runs something that changes the thread it runs on, on a thread that ends with it.
fn in_thread<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    let thread = std::thread::Builder::new().name("unshare".to_string()).spawn(work)?;
    thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread panicked")))
}
