//! What a leader may commit by counting replicas: entries of its own term, and with them all before (paper §5.4.2).
//!
//! Breaking the rule is harmless until a leader comes that lacks the entry (figure 8), which takes four more events in one order; so the
//! rule itself is watched.

use base::{NodeId, Time};
use proto::{Oracle, StateMachine};

use crate::oracle::{COMMIT, OFFICE, Watcher};
use crate::replica::Replica;

pub(super) fn oracles<S: StateMachine>(nodes: usize) -> Vec<Watcher<S>> {
    vec![(OFFICE | COMMIT, Box::new(CommitsOwnTerm { seen: vec![None; nodes] }))]
}

/// While a server leads, its commit index moves only to entries of its term.
#[derive(Clone, Debug, Hash)]
struct CommitsOwnTerm {
    /// By node: the term in which it led after its last step, and its commit index then.
    seen: Vec<Option<(u64, u64)>>,
}

impl<S: StateMachine> Oracle<Replica<S>> for CommitsOwnTerm {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "commits-own-term"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let (term, commit) = (server.term(), server.commit());
        let now = server.is_leader().then_some((term, commit));
        match std::mem::replace(&mut self.seen[node.index()], now) {
            Some((led, before)) if now.is_some() && led == term && commit > before => match server.log().term(commit) {
                Some(of) if of != term => {
                    Err(format!("{node} leads in term {term} and commits entry {commit}, which is of term {of}"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.seen[node.index()] = None;
    }
}
