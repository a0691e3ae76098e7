//! Changes of membership: one step at a time, and no step after which two quorums could decide apart from each other.

use base::{NodeId, NodeSet, Time};
use proto::{Oracle, StateMachine};

use crate::members::Members;
use crate::oracle::{COMMIT, MEMBERS, OFFICE, Watcher};
use crate::replica::Replica;

pub(super) fn oracles<S: StateMachine>(nodes: usize) -> Vec<Watcher<S>> {
    vec![
        (OFFICE | COMMIT | MEMBERS, Box::new(OneChangeAtATime { commit: 0 })),
        (MEMBERS, Box::new(QuorumsOverlap { seen: vec![None; nodes] })),
    ]
}

/// A leader has at most one step of a change in its log that is not committed. Which are, another may know sooner.
#[derive(Clone, Debug, Hash)]
struct OneChangeAtATime {
    /// The highest index that was committed so far.
    commit: u64,
}

impl<S: StateMachine> Oracle<Replica<S>> for OneChangeAtATime {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "one-change-at-a-time"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        self.commit = self.commit.max(server.commit());
        if !server.is_leader() || server.log().members_since() <= self.commit {
            return Ok(());
        }
        match server.log().members_after(self.commit) {
            0 | 1 => Ok(()),
            steps => Err(format!("{node} leads with {steps} uncommitted changes of members")),
        }
    }
}

/// Any quorum of the members before a step shares a server with any quorum after it.
#[derive(Clone, Debug, Hash)]
struct QuorumsOverlap {
    /// By node: the members it last had, and since which entry.
    seen: Vec<Option<(u64, Members)>>,
}

impl<S: StateMachine> Oracle<Replica<S>> for QuorumsOverlap {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "quorums-overlap"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let now = (server.log().members_since(), server.members());
        let Some((since, before)) = self.seen[node.index()].replace(now) else { return Ok(()) };
        // Who follows may have slept through several steps: only a leader goes through each.
        if !server.is_leader() || now.0 <= since || overlap(&before, &now.1) {
            return Ok(());
        }
        Err(format!("{node} goes from members {before} to {}: quorums of both need not meet", now.1))
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.seen[node.index()] = None;
    }
}

/// A joint quorum has a majority of each half, so that one pair of halves which overlap is enough.
fn overlap(a: &Members, b: &Members) -> bool {
    let halves = |members: &Members| [members.voters, members.outgoing].into_iter().filter(|half| !half.is_empty());
    let majority = |half: NodeSet| half.count() / 2 + 1;
    halves(a).any(|one| halves(b).any(|other| majority(one) + majority(other) > one.or(other).count()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_or_a_joint_step_overlaps_and_two_servers_at_once_do_not() {
        let of = |text: &str| Members::of(text.parse().unwrap());
        assert!(overlap(&of("n1 n2 n3"), &of("n1 n2 n3 n4")));
        assert!(!overlap(&of("n1 n2 n3"), &of("n1 n4 n5")));
        let joint = of("n1 n2 n3").towards("n1 n4 n5".parse().unwrap());
        assert!(overlap(&of("n1 n2 n3"), &joint) && overlap(&joint, &of("n1 n4 n5")));
    }
}
