use crate::in_force::InForce;
use crate::link::LinkRule;
use base::NodeId;
use std::fmt;

/// One thing that a testbed does to the system. Doing it twice is the same as doing it once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// The node's processes die at once (SIGKILL); nothing is flushed.
    Kill(NodeId),
    /// A killed node is started again with the command it was first started with.
    Start(NodeId),
    /// The node's processes stand still (SIGSTOP); their sockets stay open.
    Pause(NodeId),
    /// A paused node goes on (SIGCONT).
    Resume(NodeId),
    /// From now on, messages on the directed link meet this rule, which replaces the one before.
    Link {
        /// Who sends.
        from: NodeId,
        /// Who receives.
        to: NodeId,
        /// The new rule; [`LinkRule::CLEAR`] heals.
        rule: LinkRule,
    },
}

/// The changes that bring an undisturbed system back, after `changes` were made to it.
pub fn undo(changes: &[Change]) -> Vec<Change> {
    let mut in_force = InForce::default();
    in_force.begin(0, changes);
    in_force.end(0)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Kill(node) => write!(f, "kill {node}"),
            Change::Start(node) => write!(f, "start {node}"),
            Change::Pause(node) => write!(f, "pause {node}"),
            Change::Resume(node) => write!(f, "resume {node}"),
            Change::Link { from, to, rule } => write!(f, "{from} -> {to}: {rule}"),
        }
    }
}
