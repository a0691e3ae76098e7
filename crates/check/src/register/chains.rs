//! Chains: clusters that compare-and-sets glue together.

use std::collections::BTreeMap;

use crate::report::AnomalyKind;

use super::clusters::NONE;
use super::decide::Decider;

impl Decider<'_> {
    /// Joins the clusters of compare-and-sets that happened into chains: returns the successor of each, and leaves the zone of
    /// the whole chain in its head. Members keep `from`, so that they are told from heads.
    pub(super) fn glue(&mut self) -> Vec<u32> {
        self.spread_sight();
        let count = self.clusters.all.len();
        let mut next = vec![NONE; count];
        let mut rivals: Vec<(u32, u32)> = Vec::new();
        for id in 0..count as u32 {
            let cluster = self.clusters.all[id as usize];
            if cluster.from == NONE || !cluster.live() {
                continue;
            }
            let successor = &mut next[cluster.from as usize];
            if *successor == NONE {
                *successor = id;
            } else {
                rivals.push((*successor, id));
            }
        }
        for (one, other) in rivals {
            let cluster = self.clusters.all[one as usize];
            if !self.clusters.keys[cluster.key as usize].ambiguous {
                let mut ids = vec![cluster.from];
                ids.extend(downstream(one, &next));
                ids.extend(downstream(other, &next));
                self.break_key(cluster.key, AnomalyKind::LostUpdate, self.operations_of(&ids));
            }
        }
        self.check_chains(&next);
        next
    }

    /// A compare-and-set with unknown outcome whose value was seen did happen, and so it saw the value before it.
    fn spread_sight(&mut self) {
        for id in 0..self.clusters.all.len() {
            let mut cluster = self.clusters.all[id];
            while cluster.live() && cluster.from != NONE {
                let from = &mut self.clusters.all[cluster.from as usize];
                if std::mem::replace(&mut from.seen, true) {
                    break;
                }
                cluster = *from;
            }
        }
    }

    fn check_chains(&mut self, next: &[u32]) {
        let mut reached = vec![false; next.len()];
        for head in 0..next.len() as u32 {
            let key = self.clusters.all[head as usize].key;
            if self.clusters.all[head as usize].from != NONE || self.clusters.keys[key as usize].ambiguous {
                continue;
            }
            if next[head as usize] != NONE {
                self.check_chain(head, next, &mut reached);
            }
        }
        let mut lost: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for id in 0..next.len() as u32 {
            let cluster = self.clusters.all[id as usize];
            let key = self.clusters.keys[cluster.key as usize];
            if cluster.from != NONE && cluster.live() && !reached[id as usize] && !key.broken && !key.ambiguous {
                lost.entry(cluster.key).or_default().push(id);
            }
        }
        for (key, ids) in lost {
            self.break_key(key, AnomalyKind::CasCycle, self.operations_of(&ids));
        }
    }

    /// Inside a chain each value must be able to follow all values before it.
    fn check_chain(&mut self, head: u32, next: &[u32], reached: &mut [bool]) {
        let first = self.clusters.all[head as usize];
        let (mut f, mut s, mut latest) = (first.f, first.s, head);
        let mut id = next[head as usize];
        while id != NONE {
            reached[id as usize] = true;
            let cluster = self.clusters.all[id as usize];
            if cluster.f < s && cluster.live() {
                let links = self.links(latest, id, next);
                self.break_key(cluster.key, AnomalyKind::StaleRead, links);
                downstream(id, next).into_iter().for_each(|id| reached[id as usize] = true);
                return;
            }
            if cluster.s > s {
                (s, latest) = (cluster.s, id);
            }
            f = f.min(cluster.f);
            id = next[id as usize];
        }
        let head = &mut self.clusters.all[head as usize];
        (head.f, head.s) = (f, s);
    }

    /// The operations of all clusters from one to another of a chain.
    fn links(&self, from: u32, to: u32, next: &[u32]) -> Vec<u32> {
        let mut ids = vec![from];
        let mut id = from;
        while id != to && id != NONE {
            id = next[id as usize];
            ids.push(id);
        }
        self.operations_of(&ids)
    }
}

/// A cluster and all that were glued behind it.
pub(super) fn downstream(id: u32, next: &[u32]) -> Vec<u32> {
    let mut ids = vec![id];
    let mut id = next.get(id as usize).copied().unwrap_or(NONE);
    while id != NONE && id != ids[0] {
        ids.push(id);
        id = next[id as usize];
    }
    ids
}
