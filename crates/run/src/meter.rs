//! What a run costs: processor time and syncs of the nodes, and processor time of the bench itself, over the load phase.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base::NodeId;
use system::System;

use crate::deploy::Cluster;
use crate::monitor::View;
use crate::record::{NodeUsage, Usage};

/// How often nodes are asked while faults may restart them: so much may be missed of what a node that was killed did last.
const PERIOD: Duration = Duration::from_secs(1);

/// Counts from [`begin`](Meter::begin) to [`end`](Meter::end).
pub struct Meter<'a> {
    system: &'a dyn System,
    cluster: &'a Cluster,
    view: &'a View,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    began: Option<Began>,
    syncs: BTreeMap<NodeId, Count>,
}

/// What the clocks showed at the start.
struct Began {
    at: Instant,
    bench: Duration,
    nodes: BTreeMap<NodeId, Duration>,
}

/// A counter that starts again from zero whenever its node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    /// What was counted since the start.
    total: u64,
    last: u64,
}

impl Count {
    fn starting_at(seen: u64) -> Count {
        Count { total: 0, last: seen }
    }

    fn see(&mut self, seen: u64) {
        self.total += seen.checked_sub(self.last).unwrap_or(seen);
        self.last = seen;
    }
}

impl<'a> Meter<'a> {
    /// Counts nothing yet.
    pub fn new(system: &'a dyn System, cluster: &'a Cluster, view: &'a View) -> Meter<'a> {
        Meter { system, cluster, view, state: Mutex::default() }
    }

    /// The load phase begins.
    pub fn begin(&self) {
        let syncs = self.ask_syncs().into_iter().map(|(node, seen)| (node, Count::starting_at(seen))).collect();
        let began = Began { nodes: self.read_cpu(), bench: bench_cpu(), at: Instant::now() };
        *self.lock() = State { began: Some(began), syncs };
    }

    /// Looks at counters that a restart resets, until `over`.
    pub fn watch(&self, over: &dyn Fn() -> bool) {
        let mut next = Instant::now() + PERIOD;
        while !over() {
            std::thread::sleep(Duration::from_millis(50));
            if Instant::now() >= next {
                self.look();
                next = Instant::now() + PERIOD;
            }
        }
    }

    /// The load phase is over: what it cost. `generator` is the processor time of the load engine's thread.
    pub fn end(&self, generator: Duration) -> Option<Usage> {
        self.look();
        let (now, bench) = (self.read_cpu(), bench_cpu());
        let state = self.lock();
        let began = state.began.as_ref()?;
        let usage = |node: NodeId| NodeUsage {
            cpu_ns: now.get(&node).map(|cpu| nanos(cpu.saturating_sub(*began.nodes.get(&node).unwrap_or(cpu)))),
            syncs: state.syncs.get(&node).map(|count| count.total),
        };
        Some(Usage {
            span_ns: nanos(began.at.elapsed()),
            nodes: NodeId::all(self.system.nodes()).map(|node| (node.to_string(), usage(node))).collect(),
            generator_cpu_ns: nanos(generator),
            bench_cpu_ns: nanos(bench.saturating_sub(began.bench)),
        })
    }

    fn look(&self) {
        if self.lock().began.is_none() {
            return;
        }
        let seen = self.ask_syncs();
        let mut state = self.lock();
        for (node, seen) in seen {
            // A node that could not be asked at the start is counted from its first answer.
            state.syncs.entry(node).or_insert(Count::starting_at(seen)).see(seen);
        }
    }

    fn ask_syncs(&self) -> Vec<(NodeId, u64)> {
        let here = NodeId::all(self.system.nodes()).filter(|node| !self.view.is_away(*node));
        here.filter_map(|node| Some((node, self.system.syncs(node, &self.cluster.site)?))).collect()
    }

    fn read_cpu(&self) -> BTreeMap<NodeId, Duration> {
        let Some(mut testbed) = self.cluster.testbed() else { return BTreeMap::new() };
        NodeId::all(self.system.nodes()).map(|node| (node, testbed.cpu(node))).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bench_cpu() -> Duration {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(cpu.tv_sec as u64, cpu.tv_nsec as u32)
}

fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_goes_on_over_restarts() {
        let mut count = Count::starting_at(100);
        count.see(110);
        count.see(4); // the node was restarted and has done four since
        count.see(9);
        assert_eq!(count.total, 19);
    }
}
