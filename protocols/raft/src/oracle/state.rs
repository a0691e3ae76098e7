//! The state machines: equal after equal entries, whether these were applied or came in a snapshot.

use std::collections::{BTreeMap, VecDeque};

use base::{NodeId, Time};
use proto::{Oracle, StateMachine};

use crate::replica::Replica;

pub(super) fn oracles<S: StateMachine>(nodes: usize) -> Vec<Box<dyn Oracle<Replica<S>>>> {
    let states = || States { digests: VecDeque::new(), first: 0, seen: vec![0; nodes] };
    vec![
        Box::new(SnapshotState { states: states(), ahead: BTreeMap::new(), seen: vec![0; nodes] }),
        Box::new(StateMachineSafety { states: states() }),
    ]
}

/// Digests of the state by the index of the last entry applied: of the last so many, since servers that are further behind get a
/// snapshot anyway.
#[derive(Clone, Debug, Hash)]
struct States {
    digests: VecDeque<Option<u64>>,
    /// Index of the first in `digests`.
    first: u64,
    /// By node: up to where its state was looked at.
    seen: Vec<u64>,
}

/// Indices of which digests are kept.
const KEPT: usize = 1 << 16;

impl States {
    /// The digest that is known of `index`.
    fn known(&self, index: u64) -> Option<u64> {
        *self.digests.get(index.checked_sub(self.first)? as usize)?
    }

    /// Looks at a server's state, and says what is known of its index if it is new and known to be otherwise.
    fn update<S: StateMachine>(&mut self, node: NodeId, server: &Replica<S>) -> Result<(), u64> {
        let index = server.applied();
        if std::mem::replace(&mut self.seen[node.index()], index) == index || index < self.first {
            return Ok(());
        }
        let place = (index - self.first) as usize;
        if place >= self.digests.len() {
            self.digests.resize(place + 1, None);
        }
        let digest = server.state().digest();
        let known = *self.digests[place].get_or_insert(digest);
        let surplus = self.digests.len().saturating_sub(KEPT);
        self.digests.drain(..surplus);
        self.first += surplus as u64;
        if known == digest { Ok(()) } else { Err(known) }
    }
}

/// Servers that have applied the same entries are in the same state.
#[derive(Clone, Debug, Hash)]
struct StateMachineSafety {
    states: States,
}

impl<S: StateMachine> Oracle<Replica<S>> for StateMachineSafety {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "state-machine-safety"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let told = |_| format!("{node} is in another state than others after entry {}", server.applied());
        self.states.update(node, server).map_err(told)
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        self.states.seen[node.index()] = 0;
    }
}

/// A snapshot holds the state at its index, and nothing that is not committed.
#[derive(Clone, Debug, Hash)]
struct SnapshotState {
    states: States,
    /// Digests of snapshots whose index nobody had applied when they were taken.
    ahead: BTreeMap<u64, u64>,
    /// By node: the index of its latest snapshot.
    seen: Vec<u64>,
}

impl<S: StateMachine> Oracle<Replica<S>> for SnapshotState {
    proto::fork_by_clone!(Replica<S>);

    fn name(&self) -> &'static str {
        "snapshot-state"
    }

    fn after_step(&mut self, _at: Time, node: NodeId, server: &Replica<S>) -> Result<(), String> {
        let _ = self.states.update(node, server);
        let Some(snapshot) = server.snapshot() else { return Ok(()) };
        if std::mem::replace(&mut self.seen[node.index()], snapshot.index) == snapshot.index {
            return Ok(());
        }
        if snapshot.index > server.commit() {
            return Err(format!(
                "{node} took a snapshot up to entry {}, and committed is {}",
                snapshot.index,
                server.commit()
            ));
        }
        let state = S::restore(&snapshot.state()).map_err(|wrong| format!("the snapshot of {node} is {wrong}"))?;
        let known = self.states.known(snapshot.index).or_else(|| self.ahead.get(&snapshot.index).copied());
        let digest = state.digest();
        self.ahead.insert(snapshot.index, digest);
        match known {
            Some(known) if known != digest => {
                Err(format!("the snapshot of {node} up to entry {} is not the state after that entry", snapshot.index))
            }
            _ => Ok(()),
        }
    }

    fn after_crash(&mut self, _at: Time, node: NodeId) {
        (self.states.seen[node.index()], self.seen[node.index()]) = (0, 0);
    }
}
