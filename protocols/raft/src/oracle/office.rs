//! Terms, votes and offices.

use base::{NodeId, Table, Time};
use proto::{Oracle, StateMachine};

use crate::oracle::{COMMIT, OFFICE, PROGRESS, STATE, Watcher};
use crate::replica::Replica;

pub(super) fn oracles<S: StateMachine>(nodes: usize) -> Vec<Watcher<S>> {
    vec![
        (OFFICE, Box::new(ComesBack)),
        (OFFICE, Box::new(ElectionSafety::default())),
        (OFFICE, Box::new(OneVoteATerm(vec![None; nodes]))),
        (OFFICE | COMMIT | STATE, Box::new(Monotone(vec![None; nodes]))),
        (OFFICE | PROGRESS, Box::new(MatchMonotone(vec![(0, Vec::new()); nodes]))),
    ]
}

/// A server goes on with whatever its disk kept, unless the disk itself fails.
#[derive(Clone, Debug, Hash)]
struct ComesBack;

impl<S: StateMachine> Oracle<Replica<S>> for ComesBack {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "comes-back"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        match server.halted() {
            Some(reason) if !server.disk_failed() => Err(format!("{node} cannot go on: {reason}")),
            _ => Ok(()),
        }
    }
}

/// At most one leader in a term.
#[derive(Clone, Debug, Default, Hash)]
struct ElectionSafety {
    leaders: Table<u64, NodeId>,
}

impl<S: StateMachine> Oracle<Replica<S>> for ElectionSafety {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "election-safety"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        if !server.is_leader() {
            return Ok(());
        }
        let term = server.term();
        match *self.leaders.get_or_insert(term, node) {
            leader if leader == node => Ok(()),
            other => Err(format!("{other} and {node} both lead in term {term}")),
        }
    }
}

/// A node does not change its vote within a term (as long as it keeps its memory).
#[derive(Clone, Debug, Hash)]
struct OneVoteATerm(Vec<Option<(u64, NodeId)>>);

impl<S: StateMachine> Oracle<Replica<S>> for OneVoteATerm {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "one-vote-a-term"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let seen = &mut self.0[node.index()];
        let vote = server.vote().map(|vote| (server.term(), vote));
        match (*seen, vote) {
            (Some((term, first)), now) if term == server.term() && now != *seen => Err(match now {
                Some((_, second)) => format!("{node} voted for {first} and for {second} in term {term}"),
                None => format!("{node} forgot in term {term} that it had voted for {first}"),
            }),
            _ => {
                *seen = vote;
                Ok(())
            }
        }
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.0[node.index()] = None;
    }
}

/// Within a life, term, commit index and applied index do not decrease.
#[derive(Clone, Debug, Hash)]
struct Monotone(Vec<Option<[u64; 3]>>);

impl<S: StateMachine> Oracle<Replica<S>> for Monotone {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "monotone"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let now = [server.term(), server.commit(), server.applied()];
        let before = self.0[node.index()].replace(now).unwrap_or_default();
        for (name, (before, now)) in ["term", "commit index", "applied index"].iter().zip(before.iter().zip(now)) {
            if now < *before {
                return Err(format!("the {name} of {node} went back from {before} to {now}"));
            }
        }
        Ok(())
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.0[node.index()] = None;
    }
}

/// What a leader knows a follower to have does not shrink while it leads and the follower stays a member.
#[derive(Clone, Debug, Hash)]
struct MatchMonotone(Vec<(u64, Vec<(u64, u64)>)>);

impl<S: StateMachine> Oracle<Replica<S>> for MatchMonotone {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "match-monotone"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let (term, before) = &mut self.0[node.index()];
        let Some(progress) = server.progress() else { return Ok(()) };
        if *term != server.term() || before.len() != progress.len() {
            *term = server.term();
            *before = vec![(0, 0); progress.len()];
        }
        for ((peer, before), now) in NodeId::all(progress.len()).zip(before).zip(progress) {
            if (now.session, now.matched) < *before {
                return Err(format!("{node} knew {peer} to have entry {}, and now only {}", before.1, now.matched));
            }
            *before = (now.session, now.matched);
        }
        Ok(())
    }
}
