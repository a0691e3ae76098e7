//! Zones: when a value, or a chain of values, must be there; and whether those of a key contradict each other.

use crate::report::AnomalyKind;
use crate::sort::nearly_sorted;

use super::chains::downstream;
use super::clusters::{KeyState, NONE, Writer};
use super::decide::Decider;

/// When a value, or a chain of values, must be there.
#[derive(Clone, Copy, Default)]
pub(super) struct Zone {
    pub(super) low: u64,
    pub(super) high: u64,
    /// The first cluster of the chain.
    pub(super) cluster: u32,
    pub(super) forward: bool,
}

impl Zone {
    /// At equal `low`, backward zones come first.
    #[inline]
    fn rank(&self) -> (u64, bool) {
        (self.low, self.forward)
    }
}

/// The zones of each key. They come almost in order of `low`, so putting them beside each other by key and an insertion sort
/// within each key are linear; where they are not, the library's sort takes over.
pub(super) struct Zones {
    /// Those of a key stand together, with room for as many as it had values.
    pub(super) all: Vec<Zone>,
    /// Of each key, where its zones begin and end.
    pub(super) bounds: Vec<(u32, u32)>,
}

impl Zones {
    /// Room for the zones of these keys.
    fn new(keys: &[KeyState]) -> Zones {
        let mut end = 0;
        let mut bound = |key: &KeyState| {
            end += key.values;
            (end - key.values, end - key.values)
        };
        let bounds = keys.iter().map(&mut bound).collect();
        Zones { all: vec![Zone::default(); end as usize], bounds }
    }

    #[inline]
    fn push(&mut self, key: u32, zone: Zone) {
        let end = &mut self.bounds[key as usize].1;
        self.all[*end as usize] = zone;
        *end += 1;
    }

    pub(super) fn sort(&mut self) {
        for &(start, end) in &self.bounds {
            nearly_sorted(&mut self.all[start as usize..end as usize], Zone::rank);
        }
    }

    /// Those of a key.
    #[inline]
    pub(super) fn of(&self, key: u32) -> &[Zone] {
        let (start, end) = self.bounds[key as usize];
        &self.all[start as usize..end as usize]
    }
}

impl Decider<'_> {
    /// The zones of every key that is whole so far; breaks keys whose reads cannot be explained at all.
    pub(super) fn zones(&mut self, next: &[u32]) -> Zones {
        let mut zones = Zones::new(&self.clusters.keys);
        for id in 0..self.clusters.all.len() as u32 {
            let cluster = self.clusters.all[id as usize];
            if cluster.writer == Writer::Initial || !cluster.live() {
                continue;
            }
            let trouble = match cluster.writer {
                Writer::Nobody => Some(AnomalyKind::PhantomRead),
                Writer::Failed => Some(AnomalyKind::AbortedRead),
                _ if cluster.f < cluster.s && cluster.f < self.columns.sent[cluster.write as usize] => {
                    Some(AnomalyKind::ReadFromTheFuture)
                }
                _ => None,
            };
            if let Some(kind) = trouble {
                let key = self.clusters.keys[cluster.key as usize];
                if !key.broken && !key.ambiguous {
                    self.break_key(cluster.key, kind, self.operations_of(&downstream(id, next)));
                }
            } else if cluster.from == NONE {
                let forward = cluster.f < cluster.s;
                let (low, high) = if forward { (cluster.f, cluster.s) } else { (cluster.s, cluster.f) };
                zones.push(cluster.key, Zone { low, high, cluster: id, forward });
            }
        }
        zones
    }

    /// Forward zones of a key must not overlap, and no backward zone may lie inside one.
    pub(super) fn sweep(&mut self, zones: &Zones) {
        for key in 0..self.clusters.keys.len() as u32 {
            // The initial value was there before everything.
            let (mut until, mut holder) = (self.clusters.all[key as usize].s, key);
            for zone in zones.of(key) {
                let conflict = if zone.forward { zone.low < until } else { zone.high < until };
                let state = self.clusters.keys[key as usize];
                if conflict && !state.broken && !state.ambiguous {
                    let kind =
                        if zone.forward && holder != key { AnomalyKind::SplitBrain } else { AnomalyKind::StaleRead };
                    let suspects = self.operations_of_chains(&[holder, zone.cluster]);
                    self.break_key(key, kind, suspects);
                }
                if zone.forward && zone.high > until {
                    (until, holder) = (zone.high, zone.cluster);
                }
            }
        }
    }
}
