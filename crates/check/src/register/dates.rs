//! Dates: since when each value was there, by which failed compare-and-sets are placed.

use history::{ErrorKind, Function, NIL, Outcome};

use crate::certificate::register::Since;

use super::clusters::{Cluster, NONE};
use super::decide::Decider;
use super::zones::Zones;

impl Decider<'_> {
    /// Since when each value was there, of the keys that the zones decide: a forward zone from its beginning on, a backward one as soon as no
    /// other value must be there. Returns the row of each cluster, if there are compare-and-sets to be placed.
    pub(super) fn date(&mut self, zones: &Zones, next: &[u32]) -> Vec<u32> {
        self.shard.since.reserve(zones.all.len() + self.clusters.keys.len());
        let mut rows = Vec::new();
        if self.clusters.keys.iter().any(|key| key.has_failed_cas) {
            rows.resize(self.clusters.all.len(), NONE);
        }
        for key in 0..self.clusters.keys.len() as u32 {
            let state = self.clusters.keys[key as usize];
            if !state.touched || state.broken || state.ambiguous || !state.has_failed_cas {
                continue;
            }
            let mut until = self.clusters.all[key as usize].s;
            self.date_chain(key, 0, until, next, &mut rows);
            for zone in zones.of(key) {
                let since = zone.low.max(until);
                let last = if zone.forward { zone.high } else { since };
                self.date_chain(zone.cluster, since, last, next, &mut rows);
                until = until.max(last);
            }
        }
        rows
    }

    /// The values of a chain: the first at `since`, each other as late as those after it allow, at most at `last`.
    #[inline]
    fn date_chain(&mut self, head: u32, since: u64, last: u64, next: &[u32], rows: &mut [u32]) {
        let cluster = self.clusters.all[head as usize];
        let key = self.key_name(cluster.key);
        let value =
            |cluster: &Cluster| if cluster.write == NONE { NIL } else { self.columns.argument[cluster.write as usize] };
        let note = |rows: &mut [u32], id: u32, row: usize| {
            if let Some(place) = rows.get_mut(id as usize) {
                *place = row as u32;
            }
        };
        note(rows, head, self.shard.since.len());
        self.shard.since.push(Since { key, value: value(&cluster), since });
        let mut id = next.get(head as usize).copied().unwrap_or(NONE);
        if id == NONE {
            return;
        }
        let start = self.shard.since.len();
        while id != NONE {
            let cluster = self.clusters.all[id as usize];
            note(rows, id, self.shard.since.len());
            self.shard.since.push(Since { key, value: value(&cluster), since: cluster.f });
            id = next[id as usize];
        }
        let mut latest = last;
        for row in self.shard.since[start..].iter_mut().rev() {
            latest = latest.min(row.since);
            row.since = latest;
        }
    }

    /// Finds an instant for each failed compare-and-set at which another value was there than it expected.
    pub(super) fn place_by_dates(&mut self, rows: &[u32]) {
        for i in 0..self.columns.len() {
            let (outcome, error) = (self.columns.outcome[i], self.columns.error[i]);
            if self.columns.function[i] != Function::Cas || (outcome, error) != (Outcome::Fail, ErrorKind::Precondition)
            {
                continue;
            }
            let Some(key) = self.part.local(self.keys.dense(self.columns.key[i])) else { continue };
            let row = self.existing(key, self.columns.expected[i]).map_or(NONE, |id| rows[id as usize]);
            let Some(Since { value, since, .. }) = self.shard.since.get(row as usize).copied() else { continue };
            let next = self.shard.since.get(row as usize + 1);
            let until = next.filter(|next| next.value != NIL).map_or(u64::MAX, |next| next.since);
            let before = value != NIL && self.columns.sent[i] <= since;
            self.clusters.keys[key as usize].misplaced |= !before && self.columns.done[i] < until;
        }
    }
}
