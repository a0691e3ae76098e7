//! What must hold of all servers at every step (paper figure 3), checked incrementally.
//!
//! Each looks only at what changed at the server that took the step, so that checking costs a small part of the step.

use std::collections::BTreeMap;
use std::hash::Hasher;

use base::{Fingerprint, NodeId, Time};
use proto::{Oracle, StateMachine};

use crate::log::Entry;
use crate::replica::Replica;

/// One of each, for a world of `nodes` servers.
pub fn all<S: StateMachine>(nodes: usize) -> Vec<Box<dyn Oracle<Replica<S>>>> {
    vec![
        Box::new(ElectionSafety::default()),
        Box::new(OneVoteATerm(vec![None; nodes])),
        Box::new(LogMatching { logs: vec![Mirror::default(); nodes], chains: BTreeMap::new() }),
        Box::new(StateMachineSafety { checked: vec![0; nodes], committed: Vec::new() }),
        Box::new(LeaderCompleteness { led: vec![0; nodes], committed: None }),
        Box::new(CommittedOnQuorum { logs: vec![Mirror::default(); nodes], commit: 0 }),
        Box::new(Monotone(vec![None; nodes])),
        Box::new(MatchMonotone(vec![(0, Vec::new()); nodes])),
    ]
}

/// At most one leader in a term.
#[derive(Debug, Default)]
struct ElectionSafety {
    leaders: BTreeMap<u64, NodeId>,
}

impl<S: StateMachine> Oracle<Replica<S>> for ElectionSafety {
    fn name(&self) -> &'static str {
        "election-safety"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        if !server.is_leader() {
            return Ok(());
        }
        let term = server.term();
        match *self.leaders.entry(term).or_insert(node) {
            leader if leader == node => Ok(()),
            other => Err(format!("{other} and {node} both lead in term {term}")),
        }
    }
}

/// A node does not change its vote within a term (as long as it keeps its memory).
#[derive(Debug)]
struct OneVoteATerm(Vec<Option<(u64, NodeId)>>);

impl<S: StateMachine> Oracle<Replica<S>> for OneVoteATerm {
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

/// The terms of a server's log as last seen.
#[derive(Clone, Debug, Default)]
struct Mirror {
    terms: Vec<u64>,
    truncations: u64,
    /// The server came up again: its log may be another.
    stale: bool,
}

impl Mirror {
    /// Brings the mirror up to date and returns the first index that is new.
    fn update<S>(&mut self, server: &Replica<S>) -> u64 {
        let log = server.log();
        let changed = self.stale || self.truncations != log.truncations();
        let kept = if changed { self.agreeing(server) } else { self.terms.len() };
        self.terms.truncate(kept);
        self.truncations = log.truncations();
        self.stale = false;
        for index in kept as u64 + 1..=log.last_index() {
            self.terms.push(log.term(index).unwrap_or(0));
        }
        kept as u64 + 1
    }

    fn agreeing<S>(&self, server: &Replica<S>) -> usize {
        let agrees = |&(index, term): &(u64, &u64)| server.log().term(index) == Some(*term);
        (1..).zip(&self.terms).take_while(agrees).count()
    }

    fn has(&self, index: u64, term: u64) -> bool {
        index == 0 || self.terms.get(index as usize - 1) == Some(&term)
    }
}

/// Two logs that have an entry of the same index and term are the same up to there.
#[derive(Debug)]
struct LogMatching {
    logs: Vec<Mirror>,
    /// By index and term: a hash of all entries up to there.
    chains: BTreeMap<(u64, u64), u64>,
}

impl<S: StateMachine> Oracle<Replica<S>> for LogMatching {
    fn name(&self) -> &'static str {
        "log-matching"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let log = server.log();
        let first = self.logs[node.index()].update(server);
        let before = (first - 1, log.term(first - 1).unwrap_or(0));
        let mut chain = self.chains.get(&before).copied().unwrap_or(0);
        for index in first..=log.last_index() {
            let Some(entry) = log.entry(index) else { break };
            chain = base::mix(chain, digest(entry));
            if *self.chains.entry((index, entry.term)).or_insert(chain) != chain {
                return Err(format!("{node} has another log than others up to entry {index} of term {}", entry.term));
            }
        }
        Ok(())
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.logs[node.index()].stale = true;
    }
}

/// At every index, one entry is committed, for ever and everywhere.
#[derive(Debug)]
struct StateMachineSafety {
    /// By node: up to where its committed entries were compared.
    checked: Vec<u64>,
    /// By index from 1: term and digest.
    committed: Vec<(u64, u64)>,
}

impl<S: StateMachine> Oracle<Replica<S>> for StateMachineSafety {
    fn name(&self) -> &'static str {
        "state-machine-safety"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let checked = &mut self.checked[node.index()];
        for index in *checked + 1..=server.commit() {
            let Some(entry) = server.log().entry(index) else {
                return Err(format!("{node} committed entry {index}, which it does not have"));
            };
            let seen = (entry.term, digest(entry));
            match self.committed.get(index as usize - 1) {
                None => self.committed.push(seen),
                Some(first) if *first == seen => {}
                Some((term, _)) => {
                    let other = entry.term;
                    return Err(format!(
                        "{node} committed an entry of term {other} at {index}, where one of term {term} was committed before"
                    ));
                }
            }
        }
        *checked = (*checked).max(server.commit());
        Ok(())
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.checked[node.index()] = 0;
    }
}

/// Who is elected has every entry that was committed in an earlier term.
#[derive(Debug)]
struct LeaderCompleteness {
    /// By node: the last term in which it was seen to lead.
    led: Vec<u64>,
    /// The last committed entry (index, term) and the term of the node that was first seen to have committed it.
    committed: Option<(u64, u64, u64)>,
}

impl<S: StateMachine> Oracle<Replica<S>> for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "leader-completeness"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        if self.committed.is_none_or(|(index, ..)| server.commit() > index) {
            let index = server.commit();
            self.committed = server.log().term(index).map(|term| (index, term, server.term()));
        }
        if !server.is_leader() || self.led[node.index()] == server.term() {
            return Ok(());
        }
        self.led[node.index()] = server.term();
        match self.committed {
            // By log matching, having the last of them is having them all.
            Some((index, term, by)) if by < server.term() && server.log().term(index) != Some(term) => Err(format!(
                "{node} was elected in term {} without entry {index} of term {term}, committed in term {by}",
                server.term()
            )),
            _ => Ok(()),
        }
    }
}

/// When a leader commits an entry, a majority has it.
#[derive(Debug)]
struct CommittedOnQuorum {
    logs: Vec<Mirror>,
    /// The highest index that was committed so far.
    commit: u64,
}

impl<S: StateMachine> Oracle<Replica<S>> for CommittedOnQuorum {
    fn name(&self) -> &'static str {
        "committed-on-quorum"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        self.logs[node.index()].update(server);
        let index = server.commit();
        if index <= self.commit {
            return Ok(());
        }
        self.commit = index;
        let term = server.log().term(index).unwrap_or(0);
        let holders = self.logs.iter().filter(|log| log.has(index, term)).count();
        if holders >= server.settings().quorum() {
            return Ok(());
        }
        Err(format!("{node} committed entry {index} of term {term}, which only {holders} of {} have", self.logs.len()))
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.logs[node.index()].stale = true;
    }
}

/// Within a life, term, commit index and applied index do not decrease.
#[derive(Debug)]
struct Monotone(Vec<Option<[u64; 3]>>);

impl<S: StateMachine> Oracle<Replica<S>> for Monotone {
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

/// What a leader knows a follower to have does not shrink while it leads.
#[derive(Debug)]
struct MatchMonotone(Vec<(u64, Vec<u64>)>);

impl<S: StateMachine> Oracle<Replica<S>> for MatchMonotone {
    fn name(&self) -> &'static str {
        "match-monotone"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let (term, before) = &mut self.0[node.index()];
        let Some(progress) = server.progress() else { return Ok(()) };
        if *term != server.term() || before.len() != progress.len() {
            *term = server.term();
            *before = vec![0; progress.len()];
        }
        for ((peer, before), now) in NodeId::all(progress.len()).zip(before).zip(progress) {
            if now.matched < *before {
                return Err(format!("{node} knew {peer} to have entry {before}, and now only {}", now.matched));
            }
            *before = now.matched;
        }
        Ok(())
    }
}

fn digest(entry: &Entry) -> u64 {
    let mut hasher = Fingerprint::new();
    hasher.write(&entry.record);
    hasher.finish()
}
