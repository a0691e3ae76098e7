use std::net::SocketAddr;
use std::time::Duration;

use base::{NodeId, Seed, mix};
use proto::Target;
use proto::client::Client;

/// What an [`Engine`](crate::Engine) is made with.
pub struct EngineOptions {
    /// Where the nodes listen, in order of their ids.
    pub endpoints: Vec<SocketAddr>,
    /// Makes the client of a connection group, by the group's number.
    pub clients: Box<dyn FnMut(usize) -> Box<dyn Client> + Send>,
    /// How many logical processes ask: the most operations under way at once.
    pub processes: usize,
    /// How many connection groups the processes share (a group has one client, and at most one connection to each node).
    /// `None`: as few as the client's concurrency allows.
    pub connections: Option<usize>,
    /// How long an operation may be queued, and again how long it may be under way.
    pub timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// Which node is asked first.
    pub target: TargetPolicy,
    /// Whether a client may go on to another node when the asked one sends it there or cannot be reached.
    pub redirects: bool,
    /// Whether to spin before an arrival.
    pub spin: Spin,
    /// Decides the random choices of `target`.
    pub seed: Seed,
}

impl EngineOptions {
    /// Ten processes, 5 s timeout, leader first, no spinning on a small machine.
    pub fn new(
        endpoints: Vec<SocketAddr>,
        clients: impl FnMut(usize) -> Box<dyn Client> + Send + 'static,
    ) -> EngineOptions {
        EngineOptions {
            endpoints,
            clients: Box::new(clients),
            processes: 10,
            connections: None,
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(1),
            target: TargetPolicy::Leader,
            redirects: true,
            spin: Spin::Auto,
            seed: Seed::default(),
        }
    }
}

/// Which node an operation is sent to first. Redirects are the client's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPolicy {
    /// A random node for each operation.
    Any,
    /// Process `i` asks node `i mod n`, always.
    Fixed,
    /// A process stays with its node until an operation was not answered, then turns to the next node.
    Rotating,
    /// Whoever the client thinks leads.
    Leader,
}

impl TargetPolicy {
    /// The names in plans.
    pub const NAMES: &[(&str, TargetPolicy)] = &[
        ("any", TargetPolicy::Any),
        ("fixed", TargetPolicy::Fixed),
        ("rotating", TargetPolicy::Rotating),
        ("leader", TargetPolicy::Leader),
    ];
}

/// Who asks, as far as the choice of a node depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// Index of the operation.
    pub index: u64,
    /// The process.
    pub process: u32,
    /// How often the process has turned to another node.
    pub turn: u64,
}

impl TargetPolicy {
    /// Which of so many nodes an operation is sent to first. `redirects`: whether the client may go on to another.
    pub fn target(self, seed: Seed, asker: Asker, nodes: usize, redirects: bool) -> Target {
        let turn = match self {
            TargetPolicy::Any => mix(seed.0, asker.index),
            TargetPolicy::Fixed => u64::from(asker.process),
            TargetPolicy::Rotating => asker.turn,
            TargetPolicy::Leader => return Target::Leader,
        };
        let node = node(turn, nodes);
        if redirects { Target::Node(node) } else { Target::Only(node) }
    }
}

/// Whether to spin through the last `SPIN` before an arrival instead of sleeping: exact, at the price of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spin {
    /// Only where more than two cores are there. On two, generator and servers share them, and spinning would starve what is measured.
    #[default]
    Auto,
    /// Never.
    Off,
    /// Always.
    On,
}

/// How long before an arrival spinning starts: a little more than a sleeping thread takes to wake.
pub const SPIN: Duration = Duration::from_micros(45);

impl Spin {
    /// The names in plans.
    pub const NAMES: &[(&str, Spin)] = &[("auto", Spin::Auto), ("off", Spin::Off), ("on", Spin::On)];

    pub(crate) fn budget(self) -> Duration {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let spins = match self {
            Spin::Auto => cores > 2,
            Spin::Off => false,
            Spin::On => true,
        };
        if spins { SPIN } else { Duration::ZERO }
    }
}

/// The `index`-th node, counted round.
fn node(index: u64, nodes: usize) -> NodeId {
    NodeId((index % nodes.max(1) as u64) as u16)
}
