//! What must hold of all servers at every step (paper figure 3), checked incrementally.
//!
//! Each looks only at what changed at the server that took the step, so that checking costs a small part of the step. Beside these
//! the contract of consensus holds, as for every protocol: [`proto::consensus`].

mod logs;
mod members;
mod office;
mod state;

use std::hash::Hasher;

use base::Fingerprint;
use proto::consensus::{self, Decides, Instance};
use proto::{Oracle, StateMachine};

use crate::log::Entry;
use crate::replica::Replica;

/// One of each, for a world of `nodes` servers.
pub fn all<S: StateMachine>(nodes: usize) -> Vec<Box<dyn Oracle<Replica<S>>>> {
    let mut all = office::oracles(nodes);
    all.extend(members::oracles(nodes));
    all.extend(logs::oracles(nodes));
    all.extend(consensus::oracles(nodes));
    all.extend(state::oracles(nodes));
    all
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
            own.into_iter().for_each(|entry| tell((index, 0), digest(entry)));
        }
        log.last_index()
    }

    fn decided(&self, cursor: u64, tell: &mut dyn FnMut(Instance, u64)) -> u64 {
        for index in cursor + 1..=self.commit() {
            if let Some(entry) = self.log().entry(index) {
                tell((index, 0), digest(entry));
            }
        }
        self.commit()
    }

    fn show((index, _): Instance) -> String {
        format!("entry {index}")
    }
}

fn digest(entry: &Entry) -> u64 {
    let mut hasher = Fingerprint::new();
    hasher.write(&entry.record);
    hasher.finish()
}
