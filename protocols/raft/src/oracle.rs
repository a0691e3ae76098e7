//! What must hold of all servers at every step (paper figure 3), checked incrementally.
//!
//! Each looks only at what changed at the server that took the step, and none is asked when nothing did that any of them looks at
//! ([`Watch`]), so that checking costs a small part of the step. Beside these the contract of consensus holds, as for every protocol:
//! [`proto::consensus`].

mod counting;
mod logs;
mod members;
mod office;
mod state;

use std::hash::Hasher;

use base::{Fingerprint, NodeId, Time};
use proto::consensus::{self, Decides, Instance};
use proto::{Oracle, StateMachine};

use crate::log::Entry;
use crate::replica::Replica;

/// All of them, for a world of `nodes` servers.
pub fn all<S: StateMachine>(nodes: usize) -> Vec<Box<dyn Oracle<Replica<S>>>> {
    let mut all = office::oracles(nodes);
    all.extend(members::oracles(nodes));
    all.extend(logs::oracles(nodes));
    all.extend(counting::oracles(nodes));
    all.extend(consensus::oracles(nodes));
    all.extend(state::oracles(nodes));
    vec![Box::new(Watch { seen: vec![None; nodes], oracles: all, broken: "" })]
}

/// Asks the oracles about a server only if something changed that one of them looks at: half of the steps (heartbeats, answers to
/// them, timers set anew) change nothing of the kind.
struct Watch<S> {
    /// By node, what it looked like after its last step. Says nothing that the server's own state does not.
    seen: Vec<Option<Look>>,
    oracles: Vec<Box<dyn Oracle<Replica<S>>>>,
    /// The property that was broken last.
    broken: &'static str,
}

/// What the oracles look at, as far as it takes to see a change: a log changes in its last index, in how much of it is gone, or in how
/// often it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    term: u64,
    vote: Option<NodeId>,
    leads: bool,
    halted: bool,
    commit: u64,
    applied: u64,
    snapshot: u64,
    log: (u64, u64, u64),
    members_since: u64,
    /// Of what a leader knows of its followers.
    progress: Fingerprint,
}

impl Look {
    #[inline]
    fn at<S: StateMachine>(server: &Replica<S>) -> Self {
        let log = server.log();
        let mut progress = Fingerprint::new();
        for peer in server.progress().unwrap_or(&[]) {
            progress.word(peer.matched ^ peer.session.rotate_right(16));
        }
        Look {
            term: server.term(),
            vote: server.vote(),
            leads: server.is_leader(),
            halted: server.halted().is_some(),
            commit: server.commit(),
            applied: server.applied(),
            snapshot: server.snapshot().map_or(0, |snapshot| snapshot.index),
            log: (log.base(), log.last_index(), log.truncations()),
            members_since: log.members_since(),
            progress,
        }
    }
}

impl<S: StateMachine> Oracle<Replica<S>> for Watch<S> {
    /// The property that was broken last.
    fn name(&self) -> &'static str {
        self.broken
    }

    fn after_step(&mut self, at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let (look, seen) = (Look::at(server), &mut self.seen[node.index()]);
        if seen.as_ref() == Some(&look) {
            return Ok(());
        }
        *seen = Some(look);
        let mut first = None;
        for oracle in &mut self.oracles {
            // All of them, to keep up with the server, also when one has spoken already.
            if let Err(sentence) = oracle.after_step(at, node, server) {
                first.get_or_insert((oracle.name(), sentence));
            }
        }
        let Some((property, sentence)) = first else { return Ok(()) };
        self.broken = property;
        Err(sentence)
    }

    fn after_crash(&mut self, at: Time, node: NodeId) {
        self.seen[node.index()] = None;
        self.oracles.iter_mut().for_each(|oracle| oracle.after_crash(at, node));
    }

    fn fork(&self) -> Option<Box<dyn Oracle<Replica<S>>>> {
        let oracles: Option<_> = self.oracles.iter().map(|oracle| oracle.fork()).collect();
        Some(Box::new(Watch { seen: self.seen.clone(), oracles: oracles?, broken: self.broken }))
    }

    fn fingerprint(&self, state: &mut dyn Hasher) {
        self.oracles.iter().for_each(|oracle| oracle.fingerprint(state));
    }
}

/// An entry of the log is an instance; a leader proposes what it adds to its log.
impl<S: StateMachine> Decides for Replica<S> {
    fn proposed(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
        let log = self.log();
        if !self.is_leader() {
            return log.last_index();
        }
        // What a leader finds in its log when it is elected was proposed by others.
        let from = cursor.min(log.last_index()).max(log.base());
        for index in from + 1..=log.last_index() {
            let own = log.entry(index).filter(|entry| entry.term == self.term());
            own.into_iter().for_each(|entry| tell((index, 0), digest(&entry)));
        }
        log.last_index()
    }

    fn decided(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
        for index in cursor + 1..=self.commit() {
            if let Some(entry) = self.log().entry(index) {
                tell((index, 0), digest(&entry));
            }
        }
        self.commit()
    }

    fn show((index, _): Instance) -> String {
        format!("entry {index}")
    }
}

fn digest(entry: &Entry<'_>) -> u64 {
    let mut hasher = Fingerprint::new();
    hasher.write(entry.record);
    hasher.finish()
}
