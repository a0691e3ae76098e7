//! Watches who leads, from outside, as a client could.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::{NodeId, Time};
use system::{Site, System};

use crate::record::LeaderRecord;

/// How often every node is asked.
const PERIOD: Duration = Duration::from_millis(100);

/// What is known of the cluster, shared between monitor, faults and conductor.
#[derive(Debug, Default)]
pub struct View {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    leader: Option<(NodeId, u64)>,
    leaders: Vec<LeaderRecord>,
    /// Nodes that a fault has killed or paused: asking them would only cost time.
    away: BTreeSet<NodeId>,
    gauges: BTreeMap<String, BTreeMap<String, u64>>,
}

impl View {
    /// Who led when last asked, and not known to be away.
    pub fn leader(&self) -> Option<NodeId> {
        let state = self.lock();
        state.leader.map(|(node, _)| node).filter(|node| !state.away.contains(node))
    }

    /// Says that a node was killed or paused, or is back.
    pub fn set_away(&self, node: NodeId, away: bool) {
        let mut state = self.lock();
        if away {
            state.away.insert(node);
        } else {
            state.away.remove(&node);
        }
    }

    /// Whether a fault has killed or paused the node.
    pub fn is_away(&self, node: NodeId) -> bool {
        self.lock().away.contains(&node)
    }

    /// Every change of leader so far, in order.
    pub fn leaders(&self) -> Vec<LeaderRecord> {
        self.lock().leaders.clone()
    }

    /// What each node last said of itself.
    pub fn gauges(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        self.lock().gauges.clone()
    }

    /// Asks every node once. Returns a change of leader.
    pub fn look(&self, system: &dyn System, site: &Site, epoch: Instant) -> Option<LeaderRecord> {
        let away = self.lock().away.clone();
        let mut best: Option<(NodeId, u64)> = None;
        let mut gauges = BTreeMap::new();
        for node in NodeId::all(system.nodes()).filter(|node| !away.contains(node)) {
            let Some(seen) = system.observe(node, site) else { continue };
            if seen.leads && best.is_none_or(|(_, epoch)| seen.epoch > epoch) {
                best = Some((node, seen.epoch));
            }
            gauges.insert(node.to_string(), seen.gauges.into_iter().collect());
        }
        let at = Time(epoch.elapsed().as_nanos() as u64);
        let mut state = self.lock();
        state.gauges.extend(gauges);
        let (node, term) = best?;
        // An old leader that was cut off still says that it leads, in an older epoch.
        if state.leader.is_some_and(|(known, epoch)| (known, epoch) == (node, term) || epoch > term) {
            return None;
        }
        state.leader = best;
        let change = LeaderRecord { at_ns: at.nanos(), node: node.to_string(), epoch: term };
        state.leaders.push(change.clone());
        Some(change)
    }

    /// Looks again and again until `over`.
    pub fn watch(
        &self,
        system: &dyn System,
        site: &Site,
        epoch: Instant,
        over: &dyn Fn() -> bool,
        told: &mut dyn FnMut(LeaderRecord),
    ) {
        while !over() {
            let start = Instant::now();
            if let Some(change) = self.look(system, site, epoch) {
                told(change);
            }
            std::thread::sleep(PERIOD.saturating_sub(start.elapsed()));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
