use crate::change::Change;
use crate::link::LinkRule;
use base::NodeId;
use std::collections::{BTreeMap, BTreeSet};

/// The faults in force, and what they ask for together.
///
/// Faults may overlap: a node that two faults killed starts when the second ends, a link that two faults disturb meets
/// both rules at once. Whoever applies faults begins and ends them here and does what comes out.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    faults: BTreeMap<u32, Vec<Change>>,
}

/// What the system should look like.
#[derive(Default)]
struct State {
    down: BTreeSet<NodeId>,
    /// Invariant: no node that is down is in it.
    paused: BTreeSet<NodeId>,
    links: BTreeMap<(NodeId, NodeId), LinkRule>,
}

impl InForce {
    /// A fault begins: the changes to make now. Its id must not be in force.
    pub fn begin(&mut self, id: u32, changes: &[Change]) -> Vec<Change> {
        let before = self.state();
        self.faults.insert(id, changes.to_vec());
        difference(&before, &self.state())
    }

    /// A fault ends: the changes to make now. None when it was not in force.
    pub fn end(&mut self, id: u32) -> Vec<Change> {
        let before = self.state();
        self.faults.remove(&id);
        difference(&before, &self.state())
    }

    /// Every fault ends: the changes that heal the system.
    pub fn end_all(&mut self) -> Vec<Change> {
        let before = self.state();
        self.faults.clear();
        difference(&before, &self.state())
    }

    /// The ids of the faults in force.
    pub fn ids(&self) -> impl Iterator<Item = u32> {
        self.faults.keys().copied()
    }

    fn state(&self) -> State {
        let mut state = State::default();
        for change in self.faults.values().flatten() {
            match *change {
                Change::Kill(node) => drop(state.down.insert(node)),
                Change::Pause(node) => drop(state.paused.insert(node)),
                Change::Link { from, to, rule } => {
                    let sum = state.links.get(&(from, to)).map_or(rule, |other| other.and(rule));
                    state.links.insert((from, to), sum);
                }
                Change::Start(_) | Change::Resume(_) => {}
            }
        }
        state.paused.retain(|node| !state.down.contains(node));
        state
    }
}

/// Links are healed before nodes start, so that a node comes up in the network it will live in.
fn difference(before: &State, after: &State) -> Vec<Change> {
    let rule = |state: &State, link| state.links.get(link).copied().unwrap_or(LinkRule::CLEAR);
    let links: BTreeSet<&(NodeId, NodeId)> = before.links.keys().chain(after.links.keys()).collect();
    let changed = links.into_iter().filter(|link| rule(before, link) != rule(after, link));
    let mut changes: Vec<Change> =
        changed.map(|link| Change::Link { from: link.0, to: link.1, rule: rule(after, link) }).collect();
    changes.extend(after.down.difference(&before.down).map(|node| Change::Kill(*node)));
    changes.extend(before.down.difference(&after.down).map(|node| Change::Start(*node)));
    let resumed = before.paused.difference(&after.paused).filter(|node| !after.down.contains(node));
    changes.extend(resumed.map(|node| Change::Resume(*node)));
    changes.extend(after.paused.difference(&before.paused).map(|node| Change::Pause(*node)));
    changes
}
