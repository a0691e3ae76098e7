//! Lets the faults of the schedule happen, and keeps what proves that they did.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::{NodeId, Time};
use fault::{Change, InForce, Injection, Selector};
use system::System;
use testbed::{Evidence, LinkChange, Testbed};

use crate::deploy::Cluster;
use crate::monitor::View;
use crate::record::{FaultRecord, LeaderRecord};
use crate::stop::Stop;

/// What happens to a fault.
pub enum Told {
    /// It is in force.
    Began(FaultRecord),
    /// It is undone; the record is complete.
    Ended(FaultRecord),
}

/// How long a fault that aims at the leader waits until there is one.
const PATIENCE: Duration = Duration::from_secs(2);

/// A fault begins or ends.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When, from the start of the load phase.
    pub at: Duration,
    /// Which of the two.
    pub begins: bool,
    /// The fault.
    pub injection: Injection,
}

/// When the faults of a schedule begin and end, in order of time. At the same instant, ends come before beginnings.
pub fn moments(schedule: &[Injection]) -> Vec<Moment> {
    let both = |injection: &Injection| {
        [(injection.at, true), (injection.end(), false)].map(|(at, begins)| Moment {
            at,
            begins,
            injection: injection.clone(),
        })
    };
    let mut moments: Vec<Moment> = schedule.iter().flat_map(both).collect();
    moments.sort_by_key(|moment| (moment.at, moment.begins, moment.injection.id));
    moments
}

/// The record of a fault that begins.
pub fn opened(injection: &Injection, changes: &[Change], now: Time) -> FaultRecord {
    FaultRecord {
        id: injection.id,
        kind: injection.fault.kind.name.to_string(),
        target: injection.fault.target.to_string(),
        nodes: struck_nodes(changes),
        text: injection.fault.to_string(),
        start_ns: now.nanos(),
        ..FaultRecord::default()
    }
}

/// Who was seen to lead since, told as evidence.
pub fn elections_since(leaders: &[LeaderRecord], start_ns: u64) -> Vec<String> {
    let since = leaders.iter().filter(|leader| leader.at_ns > start_ns);
    since
        .map(|leader| {
            format!("{} leads since {:.1} s, epoch {}", leader.node, Time(leader.at_ns).seconds(), leader.epoch)
        })
        .collect()
}

/// Carries out a schedule on a cluster.
pub struct Injector<'a> {
    /// The system.
    pub system: &'a dyn System,
    /// Where it runs.
    pub cluster: &'a Cluster,
    /// Who leads.
    pub view: &'a View,
    /// The epoch of the run's clock.
    pub epoch: Instant,
    /// The user wants to stop.
    pub stop: &'a Stop,
    /// The run is over for another reason.
    pub over: &'a AtomicBool,
}

/// The faults in force and what is known of them.
#[derive(Default)]
struct Progress {
    in_force: InForce,
    records: BTreeMap<u32, FaultRecord>,
    struck: BTreeMap<u32, Vec<Change>>,
    proofs: BTreeMap<u32, Proof>,
}

/// What was read back for one fault.
#[derive(Default)]
struct Proof {
    /// Every change to a process is proven.
    processes: bool,
    /// Something on its links was dropped, delayed or held.
    links: bool,
}

impl Injector<'_> {
    /// Runs the schedule, which counts from `start`, to its end. When it returns, everything is healed.
    pub fn run(&self, schedule: &[Injection], start: Instant, tell: &mut dyn FnMut(Told)) {
        let mut progress = Progress::default();
        for Moment { at, begins, injection } in moments(schedule) {
            if !self.wait_until(start + at) {
                break;
            }
            if begins {
                self.begin(&injection, &mut progress, tell);
            } else {
                self.end(injection.id, &mut progress, tell);
            }
        }
        let left: Vec<u32> = progress.in_force.ids().collect();
        for id in left {
            self.end(id, &mut progress, tell);
        }
    }

    fn begin(&self, injection: &Injection, progress: &mut Progress, tell: &mut dyn FnMut(Told)) {
        if injection.fault.target == Selector::Leader {
            self.wait_for_leader();
        }
        let changes = injection.resolve(&fault::Cluster::new(self.system.nodes(), self.view.leader()));
        let mut record = opened(injection, &changes, self.now());
        let evidence = self.apply(&progress.in_force.begin(injection.id, &changes));
        let processes = !changes.is_empty() && evidence.iter().all(proves_process);
        record.evidence = evidence.iter().filter(|found| found.is_told()).map(|found| found.text.clone()).collect();
        progress.proofs.insert(injection.id, Proof { processes, links: false });
        progress.struck.insert(injection.id, changes);
        progress.records.insert(injection.id, record.clone());
        tell(Told::Began(record));
    }

    fn end(&self, id: u32, progress: &mut Progress, tell: &mut dyn FnMut(Told)) {
        let evidence = self.apply(&progress.in_force.end(id));
        let Some(mut record) = progress.records.remove(&id) else { return };
        let mut proof = progress.proofs.remove(&id).unwrap_or_default();
        let changes = progress.struck.remove(&id).unwrap_or_default();
        proof.processes &= evidence.iter().all(proves_process);
        proof.links = evidence.iter().any(|found| found.link && found.holds);
        record.end_ns = self.now().nanos();
        record.evidence.extend(evidence.iter().filter(|found| found.is_told()).map(|found| found.text.clone()));
        record.evidence.extend(elections_since(&self.view.leaders(), record.start_ns));
        let on_links = changes.iter().any(|change| matches!(change, Change::Link { .. }));
        record.proven = proof.processes && (!on_links || proof.links);
        tell(Told::Ended(record));
    }

    fn now(&self) -> Time {
        Time(self.epoch.elapsed().as_nanos() as u64)
    }

    /// False when the user wants to stop.
    fn wait_until(&self, instant: Instant) -> bool {
        loop {
            if self.stop.is_set() || self.over.load(Ordering::Relaxed) {
                return false;
            }
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }

    fn wait_for_leader(&self) {
        let limit = Instant::now() + PATIENCE;
        while self.view.leader().is_none() && Instant::now() < limit && !self.stop.is_set() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Makes the changes; what cannot be made is evidence that does not hold.
    fn apply(&self, changes: &[Change]) -> Vec<Found> {
        let mut found = Vec::new();
        let mut links = Vec::new();
        for change in changes {
            match *change {
                Change::Link { from, to, rule } => links.push(LinkChange { from, to, rule }),
                Change::Kill(node) => {
                    self.view.set_away(node, true);
                    found.push(self.on_testbed(|testbed| testbed.kill(node)));
                }
                Change::Pause(node) => {
                    self.view.set_away(node, true);
                    found.push(self.on_testbed(|testbed| testbed.pause(node)));
                }
                Change::Resume(node) => {
                    found.push(self.on_testbed(|testbed| testbed.resume(node)));
                    self.view.set_away(node, false);
                }
                Change::Start(node) => {
                    found.push(self.start(node));
                    self.view.set_away(node, false);
                }
            }
        }
        if !links.is_empty()
            && let Some(mut testbed) = self.cluster.testbed()
        {
            match testbed.set_links(&links) {
                Ok(evidence) => found.extend(evidence.iter().map(Found::of)),
                Err(error) => found.push(Found::failed(error.to_string())),
            }
        }
        found
    }

    fn start(&self, node: NodeId) -> Found {
        match self.cluster.start(self.system, node) {
            Ok(evidence) => evidence.first().map_or_else(|| Found::failed("nothing runs here".into()), Found::of),
            Err(error) => Found::failed(error.to_string()),
        }
    }

    fn on_testbed(&self, change: impl FnOnce(&mut dyn Testbed) -> Result<Evidence, testbed::Error>) -> Found {
        match self.cluster.testbed() {
            Some(mut testbed) => match change(&mut **testbed) {
                Ok(evidence) => Found::of(&evidence),
                Err(error) => Found::failed(error.to_string()),
            },
            None => Found::failed("an attached system cannot be harmed".into()),
        }
    }
}

/// Evidence as far as the record is concerned.
struct Found {
    text: String,
    holds: bool,
    /// It is about a link whose rule ended.
    link: bool,
    /// It is about a link whose rule begins: what it does is known when it ends.
    begins: bool,
}

impl Found {
    fn of(evidence: &Evidence) -> Found {
        Found {
            text: evidence.to_string(),
            holds: evidence.holds(),
            link: matches!(evidence, Evidence::RuleEnded { .. }),
            begins: matches!(evidence, Evidence::RuleSet { .. }),
        }
    }

    fn failed(text: String) -> Found {
        Found { text, holds: false, link: false, begins: false }
    }

    /// Links that nothing happened on are not worth a line.
    fn is_told(&self) -> bool {
        !self.begins && (!self.link || self.holds)
    }
}

fn proves_process(found: &Found) -> bool {
    found.link || found.begins || found.holds
}

/// The nodes that a fault strikes: those whose processes change, or the smaller side of the links that change.
fn struck_nodes(changes: &[Change]) -> Vec<String> {
    let mut touched: BTreeMap<NodeId, usize> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Kill(node) | Change::Start(node) | Change::Pause(node) | Change::Resume(node) => {
                *touched.entry(*node).or_default() += 1;
            }
            Change::Link { from, to, .. } => {
                *touched.entry(*from).or_default() += 1;
                *touched.entry(*to).or_default() += 1;
            }
        }
    }
    // Each node of the smaller side loses more links than each of the larger.
    let most = touched.values().max().copied().unwrap_or(0);
    touched.into_iter().filter(|(_, count)| *count == most).map(|(node, _)| node.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use fault::LinkRule;

    use super::*;

    #[test]
    fn a_partition_strikes_its_smaller_side() {
        let cut = |from: u16, to: u16| Change::Link { from: NodeId(from), to: NodeId(to), rule: LinkRule::CLEAR };
        let minority = [cut(0, 2), cut(0, 3), cut(0, 4), cut(1, 2), cut(1, 3), cut(1, 4)];
        assert_eq!(struck_nodes(&minority), ["n1", "n2"]);
        assert_eq!(struck_nodes(&[Change::Kill(NodeId(3))]), ["n4"]);
    }
}
