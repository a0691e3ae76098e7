use base::{NodeId, Rng};
use plan::{FromValue, Item, Wrong, nearest};
use std::fmt;
use std::str::FromStr;

/// The system as far as faults care: who is there, and who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Every node.
    pub nodes: Vec<NodeId>,
    /// The leader as last observed, if the system has one and it is known.
    pub leader: Option<NodeId>,
}

impl Cluster {
    /// A cluster of the first `count` nodes.
    pub fn new(count: usize, leader: Option<NodeId>) -> Self {
        Cluster { nodes: NodeId::all(count).collect(), leader }
    }

    /// The nodes that are not among `some`.
    pub fn others(&self, some: &[NodeId]) -> Vec<NodeId> {
        self.nodes.iter().copied().filter(|node| !some.contains(node)).collect()
    }

    /// The largest number of nodes that a majority can do without.
    pub fn minority(&self) -> usize {
        self.nodes.len().saturating_sub(1) / 2
    }
}

/// Which nodes a fault strikes. Resolved when it strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// The leader; any node when no leader is known.
    Leader,
    /// One node that is not the leader.
    Follower,
    /// Any one node.
    Random,
    /// This node.
    Node(NodeId),
    /// As many random nodes as a majority can do without.
    Minority,
    /// A majority of random nodes.
    Majority,
    /// Every node.
    All,
}

const NAMED: [(&str, Selector); 6] = [
    ("leader", Selector::Leader),
    ("follower", Selector::Follower),
    ("random", Selector::Random),
    ("minority", Selector::Minority),
    ("majority", Selector::Majority),
    ("all", Selector::All),
];

impl Selector {
    /// The nodes it means now, in ascending order.
    pub fn pick(self, cluster: &Cluster, rng: &mut Rng) -> Vec<NodeId> {
        let leader = cluster.leader.filter(|leader| cluster.nodes.contains(leader));
        match self {
            Selector::Leader => leader.map_or_else(|| some(&cluster.nodes, 1, rng), |leader| vec![leader]),
            Selector::Follower => some(&cluster.others(leader.as_slice()), 1, rng),
            Selector::Random => some(&cluster.nodes, 1, rng),
            Selector::Node(node) => some(&[node], usize::from(cluster.nodes.contains(&node)), rng),
            Selector::Minority => some(&cluster.nodes, cluster.minority(), rng),
            Selector::Majority => some(&cluster.nodes, cluster.nodes.len() / 2 + 1, rng),
            Selector::All => cluster.nodes.clone(),
        }
    }

    /// The most nodes it can mean in a cluster of `count`.
    pub fn most(self, count: usize) -> usize {
        match self {
            Selector::Leader | Selector::Follower | Selector::Random | Selector::Node(_) => 1,
            Selector::Minority => count.saturating_sub(1) / 2,
            Selector::Majority => count / 2 + 1,
            Selector::All => count,
        }
    }
}

/// `count` of these at random (fewer if there are fewer), in ascending order.
pub(crate) fn some(nodes: &[NodeId], count: usize, rng: &mut Rng) -> Vec<NodeId> {
    let mut chosen = nodes.to_vec();
    rng.shuffle(&mut chosen);
    chosen.truncate(count);
    chosen.sort_unstable();
    chosen
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMED.iter().find(|(_, selector)| selector == self) {
            Some((name, _)) => f.write_str(name),
            None => match self {
                Selector::Node(node) => node.fmt(f),
                _ => unreachable!("every other selector is named"),
            },
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, selector)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*selector);
        }
        text.parse().map(Selector::Node).map_err(|_| {
            let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
            match nearest(text, names.iter().copied()) {
                Some(near) => format!("there is no target `{text}`; did you mean `{near}`?"),
                None => format!("there is no target `{text}`; known: a node like `n1`, {}", names.join(", ")),
            }
        })
    }
}

impl FromValue for Selector {
    fn kind() -> String {
        "a target like `leader` or `n1`".to_owned()
    }

    fn from_value(item: &Item) -> Result<Self, Wrong> {
        let text = item.as_str().ok_or_else(|| Wrong::kind::<Self>(item))?;
        text.parse().map_err(|reason: String| {
            let (message, help) = reason.split_once("; ").unwrap_or((&reason, ""));
            Wrong::new(item, message, help)
        })
    }

    fn literal(&self) -> String {
        format!("\"{self}\"")
    }
}
