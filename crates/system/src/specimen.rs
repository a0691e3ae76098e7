//! The protocols of this workspace as systems: every node is a process of this very binary (`assize node NAME ...`).
//!
//! A specimen is one line in [`SPECIMENS`]. The runtime and the load engine see its actors with messages as bytes, so they are
//! compiled once and not once for each protocol.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use base::{Bytes, NodeId, NodeSet, Rng, Seed};
use history::{Action, History, Operation};
use plan::reference::{Field, field};
use plan::{Plain, Table};
use proto::client::{ActorClient, Client};
use proto::{Actor, Bug, Context, Parameters, Protocol, Recovered, Target, Wired};
use testbed::{NodeSpec, PortSpec};

use crate::contract::{CLIENT_PORT, Deployment, Observed, Site, System, node_spec};

/// Boots a server of a specimen, messages as bytes.
pub type Boot = Box<dyn FnOnce(NodeId, Recovered, &mut Context<'_, Bytes>) -> Box<dyn Actor<Message = Bytes>>>;

type MakeClient = fn(&Parameters, usize, Rng) -> Result<Box<dyn Client>, String>;

/// A protocol that can be served.
pub struct SpecimenInfo {
    /// Its name: the system's `kind`, and `assize node NAME`.
    pub name: &'static str,
    /// The role of whoever leads, in the protocol's words; empty if nobody does.
    pub leader: &'static str,
    /// The bugs that can be planted.
    pub bugs: &'static [Bug],
    /// The names of rare paths that its actors speak of.
    pub marks: &'static [&'static str],
    /// Settings that a plan may give, beside those of every specimen.
    pub parameters: &'static [Field],
    boot: fn(&Parameters, usize) -> Result<Boot, String>,
    client: MakeClient,
    world: fn(&Parameters, usize, sim::Options) -> Result<sim::World, String>,
    cluster: fn(&Parameters, sim::exhaust::Scope) -> Result<sim::exhaust::Cluster, String>,
    knobs: fn(&mut Rng, usize) -> Parameters,
    actions: fn(&mut Rng, usize, usize) -> Vec<(Action, Target)>,
}

/// Every protocol that can be served.
pub static SPECIMENS: &[SpecimenInfo] = &[
    SpecimenInfo {
        name: "raft-kv",
        leader: "leader",
        bugs: raft::BUGS,
        marks: raft::MARKS,
        parameters: RAFT_PARAMETERS,
        boot: |parameters, nodes| Ok(boot(raft::RaftKv::parse(parameters, nodes)?)),
        client: |parameters, nodes, rng| Ok(client(raft::RaftKv::parse(parameters, nodes)?, nodes, rng)),
        world: |parameters, nodes, options| {
            Ok(sim::World::new(raft::RaftKv::parse(parameters, nodes)?, nodes, options))
        },
        cluster: |parameters, scope| sim::exhaust::Cluster::new(raft::RaftKv::parse(parameters, scope.servers)?, scope),
        knobs: raft_knobs,
        actions: raft_actions,
    },
    SpecimenInfo {
        name: "paxos-register",
        leader: "",
        bugs: paxos::BUGS,
        marks: paxos::MARKS,
        parameters: PAXOS_PARAMETERS,
        boot: |parameters, nodes| Ok(boot(paxos::PaxosRegister::parse(parameters, nodes)?)),
        client: |parameters, nodes, rng| Ok(client(paxos::PaxosRegister::parse(parameters, nodes)?, nodes, rng)),
        world: |parameters, nodes, options| {
            Ok(sim::World::new(paxos::PaxosRegister::parse(parameters, nodes)?, nodes, options))
        },
        cluster: |parameters, scope| {
            sim::exhaust::Cluster::new(paxos::PaxosRegister::parse(parameters, scope.servers)?, scope)
        },
        knobs: paxos_knobs,
        actions: |_, _, _| Vec::new(),
    },
];

const RAFT_PARAMETERS: &[Field] = &[
    field("heartbeat", "duration", "`\"30ms\"`", "how often a leader lets its followers hear from it"),
    field(
        "election_timeout",
        "range of durations",
        "`\"300ms..600ms\"`",
        "a follower that hears nothing for so long asks for votes",
    ),
    field("append_bytes", "size", "`\"256KiB\"`", "most bytes of entries in one append message"),
    field("in_flight", "number", "`64`", "most append messages under way to one follower"),
    field("in_flight_bytes", "size", "`\"4MiB\"`", "most bytes of entries under way to one follower"),
    field("uncommitted", "number", "`16384`", "a leader with so many uncommitted entries refuses more"),
    field("uncommitted_bytes", "size", "`\"16MiB\"`", "the same in bytes"),
    field("reads", "number", "`16384`", "a replica with so many unanswered reads refuses more"),
    field(
        "members",
        "number",
        "all nodes",
        "so many of the nodes, from the first, are members at the start; the others wait to be made members",
    ),
    field("snapshot_entries", "number", "`65536`", "after so many applied entries a snapshot is taken"),
    field("snapshot_keep", "number", "`4096`", "so many entries that a snapshot has stay in the log"),
    field("chunk_bytes", "size", "`\"256KiB\"`", "bytes of a snapshot in one message"),
    field(
        "lease_drift",
        "share",
        "none",
        "leaders answer reads in trust of a lease, if no clock runs faster than another by more than this",
    ),
    field("patience", "duration", "`\"800ms\"`", "how long a client looks for a leader"),
    field("bug", "the name of a planted bug", "none", "a bug to plant, to see it found (`assize list systems`)"),
];

const PAXOS_PARAMETERS: &[Field] = &[
    field("prepare_quorum", "number", "a majority", "how many promises let a proposer propose"),
    field("accept_quorum", "number", "a majority", "how many acceptances choose a value"),
    field("back_off", "duration", "`\"4ms\"`", "the first pause of a proposer that was refused; it doubles"),
    field("longest_back_off", "duration", "`\"100ms\"`", "the longest such pause"),
    field("repeat", "duration", "`\"50ms\"`", "after how long an unanswered message is repeated"),
    field("patience", "duration", "`\"800ms\"`", "how long a server works on an operation"),
    field("bug", "the name of a planted bug", "none", "a bug to plant, to see it found (`assize list systems`)"),
];

/// Timeouts that tie, an entry a message, snapshots all the time, spare servers, leases: what the defaults make rare.
fn raft_knobs(rng: &mut Rng, nodes: usize) -> Parameters {
    let timeouts =
        [("100ms..200ms", "30ms"), ("100ms..120ms", "30ms"), ("100ms..104ms", "30ms"), ("200ms..400ms", "20ms")];
    let (election, heartbeat) = timeouts[rng.below(4) as usize];
    let append = if rng.chance(0.3) { "1B" } else { "256KiB" };
    let mut chosen = knobs(&[("election_timeout", election), ("heartbeat", heartbeat), ("append_bytes", append)]);
    if rng.chance(0.5) {
        let (entries, keep) = [("3", "0"), ("10", "0"), ("10", "5"), ("100", "20")][rng.below(4) as usize];
        let chunk = if rng.chance(0.3) { "16B" } else { "256KiB" };
        chosen.extend(knobs(&[("snapshot_entries", entries), ("snapshot_keep", keep), ("chunk_bytes", chunk)]));
    }
    if rng.chance(0.2) {
        chosen.extend(knobs(&[("members", &rng.within(nodes as u64 / 2 + 1..=nodes as u64).to_string())]));
    }
    if rng.chance(0.2) {
        chosen.extend(knobs(&[("lease_drift", "10%")]));
    }
    chosen
}

/// Other members (of two or more, so that one which is down for a while is not all of a majority), other leaders, snapshots. Mostly of
/// one kind alone: each keeps the others from what they could do.
fn raft_actions(rng: &mut Rng, nodes: usize, most: usize) -> Vec<(Action, Target)> {
    let node = |rng: &mut Rng| NodeId(rng.below(nodes as u64) as u16);
    let (first, kinds) = [(0, 10), (0, 3), (0, 6), (6, 3)][rng.below(4) as usize];
    let mut action = |_| match first + rng.below(kinds) {
        // All, or one server less: memberships of which two differ by two servers, whose majorities need not meet.
        0 => (Action::Members(NodeSet::first(nodes)), Target::Leader),
        1..=2 => (Action::Members(NodeSet::first(nodes).without(NodeSet::only(node(rng)))), Target::Leader),
        3..=5 => {
            let size = rng.within(2.min(nodes as u64)..=nodes as u64) as usize;
            let mut members = NodeSet::EMPTY;
            while members.count() < size {
                members.insert(node(rng));
            }
            (Action::Members(members), Target::Leader)
        }
        6..=8 => (Action::Transfer(node(rng)), Target::Leader),
        _ => (Action::Compact, Target::Only(node(rng))),
    };
    (0..most).map(&mut action).collect()
}

/// Quorums of unequal size, and more or less patience with rivals.
fn paxos_knobs(rng: &mut Rng, nodes: usize) -> Parameters {
    let majority = nodes / 2 + 1;
    let prepare = if rng.chance(0.3) { rng.within(majority as u64..=nodes as u64) as usize } else { majority };
    let back_off = ["4ms", "20ms", "40ms"][rng.below(3) as usize];
    let (prepare, accept) = (prepare.to_string(), (nodes + 1 - prepare).to_string());
    knobs(&[("prepare_quorum", &prepare), ("accept_quorum", &accept), ("back_off", back_off)])
}

fn knobs(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The specimen of this name.
pub fn find(name: &str) -> Option<&'static SpecimenInfo> {
    SPECIMENS.iter().find(|info| info.name == name)
}

fn boot<P: Protocol>(protocol: P) -> Boot {
    Box::new(move |me, disk, ctx| Box::new(Wired::boot(ctx, |ctx| protocol.boot(me, disk, ctx))))
}

/// How many operations one client actor may have under way: processes of a connection group share its connections.
const CONCURRENCY: usize = 1024;

fn client<P: Protocol>(protocol: P, nodes: usize, rng: Rng) -> Box<dyn Client> {
    let boot = |ctx: &mut Context<'_, Bytes>| Wired::boot(ctx, |ctx| protocol.client(ctx));
    Box::new(ActorClient::new(nodes, CONCURRENCY, rng, boot))
}

impl SpecimenInfo {
    /// A boot of one of its servers.
    ///
    /// # Errors
    /// What is wrong with the parameters.
    pub fn boot(&self, parameters: &Parameters, nodes: usize) -> Result<Boot, String> {
        (self.boot)(parameters, nodes)
    }

    /// All of its participants within a small scope, to be searched exhaustively.
    ///
    /// # Errors
    /// What is wrong with the parameters, or that the specimen does not say its state.
    pub fn cluster(
        &self,
        parameters: &Parameters,
        scope: sim::exhaust::Scope,
    ) -> Result<sim::exhaust::Cluster, String> {
        (self.cluster)(parameters, scope)
    }
}

impl sim::explore::Specimen for SpecimenInfo {
    fn world(&self, case: &sim::explore::Case, options: sim::Options) -> Result<sim::World, String> {
        (self.world)(&case.parameters, case.nodes, options)
    }

    fn knobs(&self, rng: &mut Rng, nodes: usize) -> Parameters {
        (self.knobs)(rng, nodes)
    }

    fn actions(&self, rng: &mut Rng, nodes: usize, most: usize) -> Vec<(Action, Target)> {
        (self.actions)(rng, nodes, most)
    }

    fn marks(&self) -> &'static [&'static str] {
        self.marks
    }

    fn judge(&self, operations: &[Operation]) -> Option<(String, String)> {
        let history = History::from_operations(operations.to_vec());
        let options = check::Options { budget: JUDGING, ..check::Options::default() };
        let report = check::check(&history, &check::LINEARIZABLE, &options);
        let anomaly = report.anomalies.first()?;
        Some((check::LINEARIZABLE.name.into(), anomaly.story.join(" ")))
    }
}

/// What the search for an order may take in a hunt. Few histories need a search at all; one that is harder says nothing in the time that thousands
/// of other runs take.
const JUDGING: usize = 50_000;

/// One cluster of a specimen.
pub struct Specimen {
    info: &'static SpecimenInfo,
    nodes: usize,
    parameters: Parameters,
    disk: String,
}

impl Specimen {
    /// Reads `[system]` with the specimen's name as `kind`.
    pub fn from_plan(name: &str, table: &Table<'_>) -> Option<Box<dyn System>> {
        let info = find(name)?;
        let nodes = table.or("nodes", 5);
        let disk = table.or("disk", "durable".to_string());
        if let Err(message) = parse_disk(&disk) {
            table.error("disk", message, "write `durable`, or `volatile:20ms`");
        }
        let mut parameters = Parameters::new();
        for parameter in info.parameters {
            if let Some(Plain(value)) = table.get(parameter.key) {
                parameters.insert(parameter.key.to_string(), value);
            }
        }
        if let Err(message) = (info.boot)(&parameters, nodes) {
            // A protocol's complaint begins with the name of the setting.
            let named = info.parameters.iter().find(|field| message.starts_with(&format!("`{}`", field.key)));
            let key = named.map_or("nodes", |field| field.key);
            let bug = parameters.get("bug").filter(|_| key == "bug").map_or("", String::as_str);
            let near = plan::nearest(bug, info.bugs.iter().map(|bug| bug.name));
            table.error(key, message, near.map_or(String::new(), |near| format!("did you mean `{near}`?")));
        }
        Some(Box::new(Specimen { info, nodes, parameters, disk }))
    }
}

impl System for Specimen {
    fn name(&self) -> &str {
        self.info.name
    }

    fn nodes(&self) -> usize {
        self.nodes
    }

    fn deployment(&self) -> Deployment {
        Deployment::Processes { ports: vec![PortSpec::peer(CLIENT_PORT)], relayed: true }
    }

    fn versions(&self) -> Vec<(String, String)> {
        vec![(self.info.name.to_string(), env!("CARGO_PKG_VERSION").to_string())]
    }

    fn spec(&self, node: NodeId, site: &Site) -> NodeSpec {
        let folder = site.node_folder(node);
        let dial = |to| match site.layout.dial(node, to, CLIENT_PORT) {
            Some(address) if to != node => address.to_string(),
            _ => site.address(to, CLIENT_PORT).to_string(),
        };
        let peers = NodeId::all(self.nodes).map(dial).collect::<Vec<_>>().join(",");
        let mut args: Vec<String> = vec!["node".into(), self.info.name.into()];
        let flags = [
            ("--id", node.to_string()),
            ("--listen", site.address(node, CLIENT_PORT).to_string()),
            ("--peers", peers),
            ("--dir", folder.join("data").display().to_string()),
            ("--disk", self.disk.clone()),
            ("--cluster", base::Fingerprint::of(&site.prefix).to_string()),
            ("--seed", site.seed.derive("node").nth(u64::from(node.0)).to_string()),
        ];
        args.extend(flags.into_iter().flat_map(|(flag, value)| [flag.to_string(), value]));
        for (name, value) in &self.parameters {
            args.extend(["--set".to_string(), format!("{name}={value}")]);
        }
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
        node_spec(program, args, &folder)
    }

    fn ready(&self, node: NodeId, site: &Site) -> Result<(), String> {
        // A node is ready when it knows of a leader; one that leads, or follows in a term with one, has an epoch.
        let seen = self.observe(node, site).ok_or_else(|| format!("{node} does not answer"))?;
        // One that is no member has nothing to wait for.
        let spare = seen.gauges.iter().any(|(name, value)| name == "member" && *value == 0);
        if seen.epoch > 0 || spare { Ok(()) } else { Err(format!("{node} knows of no leader yet")) }
    }

    fn observe(&self, node: NodeId, site: &Site) -> Option<Observed> {
        let seen = host::probe(site.address(node, CLIENT_PORT), PROBE_LIMIT).ok()?;
        let mut gauges: Vec<(String, u64)> = seen.gauges.into_iter().collect();
        gauges.extend([
            ("cpu_us".to_string(), seen.cpu_us),
            ("fsyncs".to_string(), seen.fsyncs),
            ("appended_bytes".to_string(), seen.appended_bytes),
        ]);
        Some(Observed { leads: seen.role == self.info.leader, epoch: seen.epoch, gauges })
    }

    fn syncs(&self, node: NodeId, site: &Site) -> Option<u64> {
        host::probe(site.address(node, CLIENT_PORT), PROBE_LIMIT).ok().map(|seen| seen.fsyncs)
    }

    fn world(&self, mut options: sim::Options) -> Option<sim::World> {
        if let Ok(host::Disk::Volatile { sync_every }) = parse_disk(&self.disk) {
            // A write waits in the node's memory for the next sync, and dies with the node until then.
            let (least, most) = options.disk.sync;
            options.disk.sync = (least + sync_every, most + sync_every);
            options.disk.unsynced = sim::Unsynced::Lost;
        }
        (self.info.world)(&self.parameters, self.nodes, options).ok()
    }

    fn client(&self, group: u32, site: &Site) -> Box<dyn Client> {
        let rng = site.seed.derive("client").nth(u64::from(group)).rng();
        (self.info.client)(&self.parameters, self.nodes, rng).expect("the plan's reader accepted the parameters")
    }
}

const PROBE_LIMIT: Duration = Duration::from_millis(250);

/// Serves one node until it is told to stop: what `assize node` does.
///
/// # Errors
/// What is wrong with the options, or why the node cannot go on; told to a person.
pub fn serve(name: &str, node: Node) -> Result<(), String> {
    let known = || SPECIMENS.iter().map(|info| info.name).collect::<Vec<_>>().join("`, `");
    let info = find(name).ok_or_else(|| format!("no system `{name}` can be served; there is `{}`", known()))?;
    let boot = info.boot(&node.parameters, node.peers.len())?;
    let options = host::Options {
        disk: parse_disk(&node.disk)?,
        cluster: node.cluster,
        seed: Seed(node.seed),
        stop: Some(host::Stop::by_signal().map_err(|error| format!("signals cannot be caught: {error}"))?),
        ..host::Options::new(node.id, node.listen, node.peers, node.dir)
    };
    host::exit_on_panic();
    host::serve(options, boot).map_err(|error| error.to_string())
}

/// Reads `durable`, or `volatile:20ms`: writes stay in the process and are synced so often.
fn parse_disk(text: &str) -> Result<host::Disk, String> {
    match text.split_once(':') {
        None if text == "durable" => Ok(host::Disk::Durable),
        Some(("volatile", every)) => Ok(host::Disk::Volatile { sync_every: base::units::parse_duration(every)? }),
        _ => Err(format!("there is no disk `{text}`")),
    }
}

/// How one node is started.
#[derive(Clone, Debug)]
pub struct Node {
    /// Which node.
    pub id: NodeId,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it dials every node, in order.
    pub peers: Vec<SocketAddr>,
    /// The folder of its data.
    pub dir: PathBuf,
    /// How durable its disk is: `durable` or `volatile:20ms`.
    pub disk: String,
    /// The same on all nodes of one cluster and no other: strangers are turned away.
    pub cluster: u64,
    /// The seed of its random choices.
    pub seed: u64,
    /// Parameters of the protocol.
    pub parameters: Parameters,
}
