//! What must hold of all servers at every step (paper figure 3), checked incrementally.
//!
//! Each looks only at what changed at the server that took the step, and is asked only when something did that it looks at
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
    let mut oracles = office::oracles(nodes);
    oracles.extend(members::oracles(nodes));
    oracles.extend(logs::oracles(nodes));
    oracles.extend(counting::oracles(nodes));
    oracles.extend(consensus::oracles(nodes).into_iter().map(|oracle| (OFFICE | LOG | COMMIT, oracle)));
    oracles.extend(state::oracles(nodes));
    vec![Box::new(Watch { seen: vec![Look::default(); nodes], oracles, broken: "" })]
}

/// What an oracle looks at, as bits: it has nothing new to say while none of it changes at a server.
type Aspects = u8;

/// Term, vote, whether it leads, whether it stopped.
const OFFICE: Aspects = 1;
/// The log: a change shows in its last index, in how much of it is gone, or in how often it was cut.
const LOG: Aspects = 2;
/// The commit index.
const COMMIT: Aspects = 4;
/// What is applied, and the latest snapshot.
const STATE: Aspects = 8;
/// Who the members are.
const MEMBERS: Aspects = 16;
/// What a leader knows of its followers.
const PROGRESS: Aspects = 32;
const EVERYTHING: Aspects = u8::MAX;

/// An oracle, and what it looks at.
type Watcher<S> = (Aspects, Box<dyn Oracle<Replica<S>>>);

/// Asks an oracle about a server only if something changed that it looks at: half of the steps (heartbeats, answers to
/// them, timers set anew) change nothing of the kind, and most others one thing.
struct Watch<S> {
    /// By node, what it looked like after its last step. Says nothing that the server's own state does not.
    seen: Vec<Look>,
    oracles: Vec<Watcher<S>>,
    /// The property that was broken last.
    broken: &'static str,
}

/// As much of a server as it takes to see which aspects of it change.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    /// Whether the server was looked at in this life.
    fresh: bool,
    term: u64,
    vote: Option<NodeId>,
    leads: bool,
    halted: bool,
    base: u64,
    last_index: u64,
    truncations: u64,
    commit: u64,
    applied: u64,
    snapshot: u64,
    members_since: u64,
    /// Of what it knows of its followers, if it leads.
    progress: Fingerprint,
}

impl Look {
    /// Looks again, and says what is different.
    #[inline]
    fn look_at<S: StateMachine>(&mut self, server: &Replica<S>) -> Aspects {
        let (log, progress) = (server.log(), server.progress());
        let mut changes = if std::mem::replace(&mut self.fresh, true) { 0 } else { EVERYTHING };
        changes |= note(&mut self.term, server.term(), OFFICE);
        changes |= note(&mut self.vote, server.vote(), OFFICE);
        changes |= note(&mut self.leads, progress.is_some(), OFFICE);
        changes |= note(&mut self.halted, server.halted().is_some(), OFFICE);
        changes |= note(&mut self.base, log.base(), LOG);
        changes |= note(&mut self.last_index, log.last_index(), LOG);
        // Other members may count since the same entry if the log was cut.
        changes |= note(&mut self.truncations, log.truncations(), LOG | MEMBERS);
        changes |= note(&mut self.members_since, log.members_since(), MEMBERS);
        changes |= note(&mut self.commit, server.commit(), COMMIT);
        changes |= note(&mut self.applied, server.applied(), STATE);
        changes |= note(&mut self.snapshot, server.snapshot().map_or(0, |snapshot| snapshot.index), STATE);
        if let Some(peers) = progress {
            let mut known = Fingerprint::new();
            peers.iter().for_each(|peer| known.word(peer.matched ^ peer.session.rotate_right(16)));
            changes |= note(&mut self.progress, known, PROGRESS);
        }
        changes
    }
}

/// Writes down what is seen, and says which aspect it changes.
#[inline(always)]
fn note<T: PartialEq>(seen: &mut T, now: T, aspect: Aspects) -> Aspects {
    let changes = if *seen == now { 0 } else { aspect };
    *seen = now;
    changes
}

impl<S: StateMachine> Oracle<Replica<S>> for Watch<S> {
    /// The property that was broken last.
    fn name(&self) -> &'static str {
        self.broken
    }

    fn after_step(&mut self, at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let changes = self.seen[node.index()].look_at(server);
        if changes == 0 {
            return Ok(());
        }
        let mut first = None;
        for (aspects, oracle) in &mut self.oracles {
            // All whom it concerns, to keep up with the server, also when one has spoken already.
            if *aspects & changes != 0
                && let Err(sentence) = oracle.after_step(at, node, server)
            {
                first.get_or_insert((oracle.name(), sentence));
            }
        }
        let Some((property, sentence)) = first else { return Ok(()) };
        self.broken = property;
        Err(sentence)
    }

    fn after_crash(&mut self, at: Time, node: NodeId) {
        self.seen[node.index()].fresh = false;
        self.oracles.iter_mut().for_each(|(_, oracle)| oracle.after_crash(at, node));
    }

    fn fork(&self) -> Option<Box<dyn Oracle<Replica<S>>>> {
        let copy = |(aspects, oracle): &Watcher<S>| Some((*aspects, oracle.fork()?));
        let oracles: Option<_> = self.oracles.iter().map(copy).collect();
        Some(Box::new(Watch { seen: self.seen.clone(), oracles: oracles?, broken: self.broken }))
    }

    fn fingerprint(&self, state: &mut dyn Hasher) {
        self.oracles.iter().for_each(|(_, oracle)| oracle.fingerprint(state));
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
        for index in cursor.max(self.log().base()) + 1..=self.commit() {
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
