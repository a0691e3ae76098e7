//! What the logs of all servers have in common.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use base::{Fingerprint, NodeId, NodeSet, Table, Time};
use proto::{Oracle, StateMachine};

use crate::log::Log;
use crate::oracle::{COMMIT, LOG, OFFICE, Watcher, digest};
use crate::replica::Replica;

pub(super) fn oracles<S: StateMachine>(nodes: usize) -> Vec<Watcher<S>> {
    vec![
        (
            LOG | COMMIT,
            Box::new(Logs {
                mirrors: vec![Mirror::default(); nodes],
                chains: Chains::default(),
                ends: vec![End::default(); nodes],
                commit: 0,
                broken: "",
            }),
        ),
        (OFFICE | LOG | COMMIT, Box::new(LeaderCompleteness { led: vec![0; nodes], committed: None })),
    ]
}

/// The terms of a server's log as last seen.
#[derive(Clone, Debug, Default, Hash)]
struct Mirror {
    /// Entries up to this one are in the server's snapshot.
    base: u64,
    terms: VecDeque<u64>,
    truncations: u64,
    /// The server came up again: its log may be another.
    stale: bool,
}

impl Mirror {
    /// Brings the mirror up to date and returns the first index that is new.
    fn update(&mut self, log: &Log) -> u64 {
        if log.base() < self.base || log.base() > self.base + self.terms.len() as u64 {
            (self.base, self.terms) = (log.base(), VecDeque::new());
        }
        self.terms.drain(..(log.base() - self.base) as usize);
        self.base = log.base();
        if self.stale || self.truncations != log.truncations() {
            let agrees = |&(index, term): &(u64, &u64)| log.term(index) == Some(*term);
            let kept = (self.base + 1..).zip(&self.terms).take_while(agrees).count();
            self.terms.truncate(kept);
        }
        (self.truncations, self.stale) = (log.truncations(), false);
        let first = self.base + self.terms.len() as u64 + 1;
        self.terms.extend((first..=log.last_index()).map(|index| log.term(index).unwrap_or(0)));
        first
    }

    fn has(&self, index: u64, term: u64) -> bool {
        index <= self.base || self.term(index) == Some(term)
    }

    /// The term of an entry that is in the log.
    #[inline]
    fn term(&self, index: u64) -> Option<u64> {
        self.terms.get(index.checked_sub(self.base + 1)? as usize).copied()
    }
}

/// Two logs that have an entry of the same index and term are the same up to there; and when a leader commits an entry, a quorum of its
/// members has it: in a joint step, of the old and of the new ones.
#[derive(Clone, Debug, Hash)]
struct Logs {
    mirrors: Vec<Mirror>,
    chains: Chains,
    /// By node, where its log was last seen to end.
    ends: Vec<End>,
    /// The highest index that was committed so far.
    commit: u64,
    /// The property that was broken last.
    broken: &'static str,
}

/// By index and term: a hash of all entries up to there.
#[derive(Clone, Debug, Default)]
struct Chains {
    /// By index, what came first: a term and its hash. A term of 0 is none. Most indices never have another.
    first: Vec<(u64, u64)>,
    others: Table<(u64, u64), u64>,
}

impl Chains {
    fn get(&self, (index, term): (u64, u64)) -> Option<u64> {
        match self.first.get(index as usize) {
            Some((first, chain)) if *first == term && term > 0 => Some(*chain),
            _ => self.others.get(&(index, term)).copied(),
        }
    }

    /// What stands for this index and term; `chain` from now on if nothing did.
    #[inline]
    fn get_or_insert(&mut self, (index, term): (u64, u64), chain: u64) -> u64 {
        /// So much further than the last index is still the same list.
        const GAP: usize = 1 << 12;
        let place = index as usize;
        if place >= self.first.len() && place < self.first.len() + GAP {
            self.first.resize(place + 1, (0, 0));
        }
        match self.first.get_mut(place) {
            Some((first, known)) if *first == term && term > 0 => *known,
            Some(vacant @ (0, _)) if term > 0 && !self.others.contains(&(index, term)) => {
                *vacant = (term, chain);
                chain
            }
            _ => *self.others.get_or_insert((index, term), chain),
        }
    }
}

/// Hashes as the set of what it knows, whatever came first.
impl Hash for Chains {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let first = (0..).zip(&self.first).filter(|(_, (term, _))| *term > 0);
        let sum = first.fold(0u64, |sum, (index, (term, chain))| {
            sum.wrapping_add(Fingerprint::of(&((index as u64, *term), *chain)))
        });
        let (count, others) = self.others.sum();
        let known = self.first.iter().filter(|(term, _)| *term > 0).count();
        (known + count, sum.wrapping_add(others)).hash(state);
    }
}

/// An index and term, and what `chains` has for them: what comes next mostly follows it.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    at: (u64, u64),
    chain: u64,
}

/// Says nothing that `chains` does not.
impl Hash for End {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}

impl<S: StateMachine> Oracle<Replica<S>> for Logs {
    proto::fork_by_clone!(Replica<S>);

    /// The property that was broken last.
    fn name(&self) -> &'static str {
        self.broken
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let first = self.mirrors[node.index()].update(server.log());
        let matching = self.match_others(node, server.log(), first).map_err(|said| ("log-matching", said));
        let committed = self.committed_on_quorum(node, server).map_err(|said| ("committed-on-quorum", said));
        matching.and(committed).map_err(|(property, said)| {
            self.broken = property;
            said
        })
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.mirrors[node.index()].stale = true;
    }
}

impl Logs {
    /// Compares what is new in a log, from `first` on, with what others have there.
    fn match_others(&mut self, node: NodeId, log: &Log, first: u64) -> Result<(), String> {
        if first > log.last_index() {
            return Ok(());
        }
        let before = (first - 1, self.mirrors[node.index()].term(first - 1).or(log.term(first - 1)).unwrap_or(0));
        let end = &mut self.ends[node.index()];
        let mut chain = if end.at == before { end.chain } else { self.chains.get(before).unwrap_or(0) };
        for index in first..=log.last_index() {
            let Some(entry) = log.entry(index) else { break };
            chain = base::mix(chain, digest(&entry));
            if self.chains.get_or_insert((index, entry.term), chain) != chain {
                return Err(format!("{node} has another log than others up to entry {index} of term {}", entry.term));
            }
            *end = End { at: (index, entry.term), chain };
        }
        Ok(())
    }

    fn committed_on_quorum<S: StateMachine>(&mut self, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let index = server.commit();
        if index <= self.commit {
            return Ok(());
        }
        self.commit = index;
        let term = server.log().term(index).unwrap_or(0);
        let has = |node: &NodeId| self.mirrors[node.index()].has(index, term);
        let holders: NodeSet = NodeId::all(self.mirrors.len()).filter(has).collect();
        // A step that commits the last change may begin the next one: those who decided are of before.
        let (members, before) = (server.members(), server.log().members_at(index));
        if members.has_quorum(holders) || before.has_quorum(holders) {
            return Ok(());
        }
        let who = if holders.is_empty() { "nobody has".into() } else { format!("only {holders} have") };
        Err(format!("{node} committed entry {index} of term {term}, which {who}; members are {members}"))
    }
}

/// Who is elected has every entry that was committed in an earlier term.
#[derive(Clone, Debug, Hash)]
struct LeaderCompleteness {
    /// By node: the last term in which it was seen to lead.
    led: Vec<u64>,
    /// The last committed entry (index, term) and the term of the node that was first seen to have committed it.
    committed: Option<(u64, u64, u64)>,
}

impl<S: StateMachine> Oracle<Replica<S>> for LeaderCompleteness {
    proto::fork_by_clone!(Replica<S>);

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
        let has = |index, term| index < server.log().base() || server.log().term(index) == Some(term);
        match self.committed {
            // By log matching, having the last of them is having them all.
            Some((index, term, by)) if by < server.term() && !has(index, term) => Err(format!(
                "{node} was elected in term {} without entry {index} of term {term}, committed in term {by}",
                server.term()
            )),
            _ => Ok(()),
        }
    }
}
