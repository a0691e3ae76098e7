//! The state machines: equal after equal entries, whether these were applied or came in a snapshot.

use std::collections::{BTreeMap, VecDeque};

use base::{NodeId, Time};
use proto::{Oracle, StateMachine};

use crate::oracle::{STATE, Watcher};
use crate::replica::Replica;

pub(super) fn oracles<S: StateMachine>(nodes: usize) -> Vec<Watcher<S>> {
    let states =
        States { digests: VecDeque::new(), first: 0, seen: vec![(0, 0); nodes], ahead: BTreeMap::new(), broken: "" };
    vec![(STATE, Box::new(states))]
}

/// Servers that have applied the same entries are in the same state; a snapshot holds the state at its index, and nothing that is not
/// committed.
#[derive(Clone, Debug, Hash)]
struct States {
    /// Digests of the state by the index of the last entry applied: of the last so many, since servers that are further behind get a
    /// snapshot anyway.
    digests: VecDeque<Option<u64>>,
    /// Index of the first in `digests`.
    first: u64,
    /// By node: up to where its state was looked at, and the index of its latest snapshot.
    seen: Vec<(u64, u64)>,
    /// Digests of snapshots whose index nobody had applied when they were taken.
    ahead: BTreeMap<u64, u64>,
    /// The property that was broken last.
    broken: &'static str,
}

/// Indices of which digests are kept.
const KEPT: usize = 1 << 16;

impl<S: StateMachine> Oracle<Replica<S>> for States {
    proto::fork_by_clone!(Replica<S>);

    /// The property that was broken last.
    fn name(&self) -> &'static str {
        self.broken
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let applied = self.look_at_state(node, server);
        // A snapshot is judged first: what is wrong with it is why the state is.
        self.look_at_snapshot(node, server).inspect_err(|_| self.broken = "snapshot-state")?;
        if applied {
            return Ok(());
        }
        self.broken = "state-machine-safety";
        Err(format!("{node} is in another state than others after entry {}", server.applied()))
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.seen[node.index()] = (0, 0);
    }
}

impl States {
    /// The digest that is known of `index`.
    fn known(&self, index: u64) -> Option<u64> {
        *self.digests.get(index.checked_sub(self.first)? as usize)?
    }

    /// Looks at a server's state, and says whether it is what is known of its index, if it is new and anything is known.
    fn look_at_state<S: StateMachine>(&mut self, node: NodeId, server: &Replica<S>) -> bool {
        let index = server.applied();
        if std::mem::replace(&mut self.seen[node.index()].0, index) == index || index < self.first {
            return true;
        }
        let place = (index - self.first) as usize;
        if place >= self.digests.len() {
            self.digests.resize(place + 1, None);
        }
        let digest = server.state().digest();
        let known = *self.digests[place].get_or_insert(digest);
        let surplus = self.digests.len().saturating_sub(KEPT);
        if surplus > 0 {
            self.digests.drain(..surplus);
            self.first += surplus as u64;
        }
        known == digest
    }

    /// Looks at a server's latest snapshot, if it is new.
    fn look_at_snapshot<S: StateMachine>(&mut self, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let Some(snapshot) = server.snapshot() else { return Ok(()) };
        let (index, commit) = (snapshot.index, server.commit());
        if std::mem::replace(&mut self.seen[node.index()].1, index) == index {
            return Ok(());
        }
        if index > commit {
            return Err(format!("{node} took a snapshot up to entry {index}, and committed is {commit}"));
        }
        let state = S::restore(&snapshot.state()).map_err(|wrong| format!("the snapshot of {node} is {wrong}"))?;
        let known = self.known(index).or_else(|| self.ahead.get(&index).copied());
        let digest = state.digest();
        self.ahead.insert(index, digest);
        match known {
            Some(known) if known != digest => {
                Err(format!("the snapshot of {node} up to entry {index} is not the state after that entry"))
            }
            _ => Ok(()),
        }
    }
}
