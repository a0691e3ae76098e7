use crate::change::Change;
use crate::link::LinkRule;
use crate::registry::Kind;
use crate::selector::{Cluster, Selector};
use base::{NodeId, Rng, Seed};
use std::fmt;
use std::sync::Arc;

/// One thing that goes wrong.
#[derive(Clone)]
pub struct Fault {
    /// Its entry in the registry.
    pub kind: &'static Kind,
    /// The kind with its options.
    pub action: Arc<dyn Action>,
    /// Whom it strikes.
    pub target: Selector,
}

/// What a kind of fault does, with its options settled. Pure data with one function.
pub trait Action: fmt::Debug + fmt::Display + Send + Sync {
    /// The changes that make it happen, given whom it strikes.
    fn changes(&self, context: &mut Context<'_>) -> Vec<Change>;
}

/// What an action may look at.
#[derive(Debug)]
pub struct Context<'a> {
    /// The system as it is now.
    pub cluster: &'a Cluster,
    /// Whom the fault strikes, in ascending order.
    pub targets: &'a [NodeId],
    /// Chance, for what the options leave open.
    pub rng: &'a mut Rng,
}

impl Fault {
    /// The changes that this fault makes to the system as it is now. Empty when there is nobody to strike.
    pub fn resolve(&self, cluster: &Cluster, rng: &mut Rng) -> Vec<Change> {
        let targets = self.target.pick(cluster, rng);
        self.action.changes(&mut Context { cluster, targets: &targets, rng })
    }

    /// Whether it cannot disturb a cluster of this size: a ring of three nodes, the follower of a single one. Large
    /// clusters are not tried, because links grow with the square and only small ones have such corners.
    pub fn is_idle(&self, nodes: usize) -> bool {
        if nodes > 64 {
            return false;
        }
        let changes = self.resolve(&Cluster::new(nodes, Some(NodeId(0))), &mut Seed(0).rng());
        changes.iter().all(|change| matches!(change, Change::Link { rule, .. } if rule.is_clear()))
    }
}

impl fmt::Display for Fault {
    /// `kill leader`, `partition isolate leader`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.target)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({self})")
    }
}

/// Two faults are the same when they do the same to the same.
impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.kind, other.kind)
            && self.target == other.target
            && format!("{:?}", self.action) == format!("{:?}", other.action)
    }
}

impl Context<'_> {
    /// The same rule on every link that begins or ends at a target.
    pub fn on_links(&self, rule: LinkRule) -> Vec<Change> {
        let nodes = &self.cluster.nodes;
        let links = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
        links
            .filter(|(from, to)| from != to && (self.targets.contains(from) || self.targets.contains(to)))
            .map(|(from, to)| Change::Link { from, to, rule })
            .collect()
    }
}
