//! Who takes part, and what a quorum of them is (dissertation §4).
//!
//! A change of one server takes effect at once: any majority of the old members and any of the new ones share a server. A change of
//! several goes through a *joint* step in which both the old and the new members must agree (§4.3): as long as the step is
//! under way neither can decide alone. New servers begin as *learners*, which get the log and do not count, until they have nearly
//! all of it (§4.2.1): a member that has to catch up first would stand in for a dead one.

use base::{NodeId, NodeSet};

/// The members of a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Members {
    /// Who votes and is counted.
    pub voters: NodeSet,
    /// Who voted before a change that is under way, and still has to agree to everything. Empty but for a joint step.
    pub outgoing: NodeSet,
    /// Who gets the log and is not counted.
    pub learners: NodeSet,
}

/// Bytes of members in an entry or a snapshot.
pub const ENCODED: usize = 24;

impl Members {
    /// Voters alone.
    pub fn of(voters: NodeSet) -> Self {
        Members { voters, ..Members::default() }
    }

    /// Whether a change of several voters is under way.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Everybody who gets the log.
    pub fn all(&self) -> NodeSet {
        self.voters.or(self.outgoing).or(self.learners)
    }

    /// Whether a server may campaign and is counted.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.voters.or(self.outgoing).contains(node)
    }

    /// Whether these servers can decide: a majority, in a joint step of the old and of the new members.
    pub fn has_quorum(&self, nodes: NodeSet) -> bool {
        let majority = |half: NodeSet| half.and(nodes).count() > half.count() / 2;
        majority(self.voters) && (self.outgoing.is_empty() || majority(self.outgoing))
    }

    /// The highest value that a quorum has reached.
    pub fn quorum_value(&self, value: impl Fn(NodeId) -> u64) -> u64 {
        let new = majority_value(self.voters, &value);
        if self.outgoing.is_empty() { new } else { new.min(majority_value(self.outgoing, &value)) }
    }

    /// The first step from these voters to `target`: the whole change if it is one server, a joint step if it is more.
    pub fn towards(&self, target: NodeSet) -> Members {
        let changes = target.without(self.voters).or(self.voters.without(target)).count();
        let outgoing = if changes > 1 { self.voters } else { NodeSet::EMPTY };
        Members { voters: target, outgoing, learners: self.learners.without(target) }
    }

    /// The last step of a joint change: the old members are gone.
    pub fn left(&self) -> Members {
        Members { outgoing: NodeSet::EMPTY, ..*self }
    }

    /// As bytes.
    pub fn encode(&self) -> [u8; ENCODED] {
        let mut bytes = [0; ENCODED];
        for (place, set) in bytes.chunks_exact_mut(8).zip([self.voters, self.outgoing, self.learners]) {
            place.copy_from_slice(&set.0.to_le_bytes());
        }
        bytes
    }

    /// Reads members back; `None` if these are none. There is always a voter, and no learner is one.
    pub fn decode(bytes: &[u8]) -> Option<Members> {
        let bytes: &[u8; ENCODED] = bytes.try_into().ok()?;
        let mut sets = bytes.chunks_exact(8).map(|word| NodeSet(u64::from_le_bytes(word.try_into().expect("8 bytes"))));
        let (voters, outgoing, learners) = (sets.next()?, sets.next()?, sets.next()?);
        let proper = !voters.is_empty() && voters.or(outgoing).and(learners).is_empty();
        proper.then_some(Members { voters, outgoing, learners })
    }
}

impl std::fmt::Display for Members {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.voters)?;
        if self.is_joint() {
            write!(f, ", before {}", self.outgoing)?;
        }
        if !self.learners.is_empty() {
            write!(f, ", learning {}", self.learners)?;
        }
        Ok(())
    }
}

/// The highest value that a majority of `nodes` has reached.
fn majority_value(nodes: NodeSet, value: &impl Fn(NodeId) -> u64) -> u64 {
    let most = |least: u64| nodes.iter().filter(|node| value(*node) >= least).count() > nodes.count() / 2;
    nodes.iter().map(value).fold(0, |best, reached| if reached > best && most(reached) { reached } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> NodeSet {
        text.parse().unwrap()
    }

    #[test]
    fn a_quorum_has_what_its_slowest_member_has() {
        let reached = |values: &'static [u64]| move |node: NodeId| values[node.index()];
        let members = |count| Members::of(NodeSet::first(count));
        assert_eq!(members(3).quorum_value(reached(&[5, 3, 4])), 4);
        assert_eq!(members(5).quorum_value(reached(&[5, 0, 0, 7, 6])), 5);
        assert_eq!(members(4).quorum_value(reached(&[5, 4, 3, 2])), 3);
        assert_eq!(members(1).quorum_value(reached(&[9])), 9);
        let joint = Members { outgoing: set("n3 n4 n5"), ..members(3) };
        assert_eq!(joint.quorum_value(reached(&[9, 9, 1, 3, 2])), 2);
    }

    #[test]
    fn in_a_joint_step_both_halves_must_agree() {
        let joint = Members::of(set("n1 n2 n3")).towards(set("n3 n4 n5"));
        assert_eq!(joint.to_string(), "n3 n4 n5, before n1 n2 n3");
        assert!(!joint.has_quorum(set("n1 n2 n3")) && !joint.has_quorum(set("n4 n5")));
        assert!(joint.has_quorum(set("n1 n3 n4")));
        assert_eq!(joint.left(), Members::of(set("n3 n4 n5")));
    }

    #[test]
    fn one_server_is_changed_at_once_and_a_learner_becomes_a_voter() {
        let before = Members { learners: set("n4 n5"), ..Members::of(set("n1 n2 n3")) };
        let after = before.towards(set("n1 n2 n3 n4"));
        assert_eq!(after.to_string(), "n1 n2 n3 n4, learning n5");
        assert!(after.all().contains(NodeId(4)) && !after.is_voter(NodeId(4)));
        assert_eq!(Members::decode(&after.encode()), Some(after));
        assert_eq!(Members::decode(&[0; ENCODED]), None, "nobody votes");
        assert_eq!(Members::decode(&Members { learners: set("n1"), ..after }.encode()), None, "a voter learns");
    }
}
