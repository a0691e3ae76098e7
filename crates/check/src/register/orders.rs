//! Orders: those that the zones give, with failed compare-and-sets in their places.

use history::{Columns, NIL};

use crate::exact::{self, Op};
use crate::sort::nearly_sorted;

use super::clusters::NONE;
use super::decide::Decider;
use super::zones::Zones;

impl Decider<'_> {
    /// The order that the zones give, for the wanted keys: clusters in order of their zones, in each the write first and then
    /// its reads. Failed compare-and-sets are placed into it.
    pub(super) fn orders(&mut self, zones: &Zones, next: &[u32], wanted: &[bool]) {
        let mut rank = vec![NONE; self.clusters.all.len()];
        let mut ranks = self.clusters.keys.len() as u32;
        let walk = |mut id: u32, rank: &mut Vec<u32>, ranks: &mut u32| {
            while id != NONE {
                rank[id as usize] = *ranks;
                *ranks += 1;
                id = next.get(id as usize).copied().unwrap_or(NONE);
            }
        };
        // The initial values come first: ranks only compare within a key.
        (0..self.clusters.keys.len() as u32).for_each(|key| walk(key, &mut rank, &mut ranks));
        for key in 0..self.clusters.keys.len() as u32 {
            zones.of(key).iter().for_each(|zone| walk(zone.cluster, &mut rank, &mut ranks));
        }
        let mut placed: Vec<Vec<(u32, bool, u64, u32)>> = vec![Vec::new(); wanted.len()];
        let mut failed: Vec<Vec<Op>> = vec![Vec::new(); wanted.len()];
        for i in 0..self.columns.len() as u32 {
            let key = self.part.local(self.keys.dense(self.columns.key[i as usize]));
            let Some(key) = key.filter(|&key| wanted[key as usize]) else { continue };
            let Some(op) = Op::of(self.columns, i) else { continue };
            let value = match op.step {
                exact::Step::Not(_) => {
                    failed[key as usize].push(op);
                    continue;
                }
                exact::Step::Read(value) | exact::Step::Write(value) | exact::Step::Cas(_, value) => value,
            };
            let Some(id) = self.existing(key, value) else { continue };
            if self.clusters.all[id as usize].live() || value == NIL {
                let reads = matches!(op.step, exact::Step::Read(_));
                placed[key as usize].push((rank[id as usize], reads, op.sent, i));
            }
        }
        let wanted = (0..wanted.len() as u32).filter(|&key| wanted[key as usize]);
        for key in wanted {
            let mut entries = std::mem::take(&mut placed[key as usize]);
            nearly_sorted(&mut entries, |entry| *entry);
            let order: Vec<u32> = entries.into_iter().map(|(.., i)| i).collect();
            let failed = std::mem::take(&mut failed[key as usize]);
            match place_failed(self.columns, order, failed) {
                Some(order) => drop(self.shard.orders.insert(self.key_name(key), order)),
                // Not placed in this order; another order may have room.
                None => self.clusters.keys[key as usize].ambiguous = true,
            }
        }
    }
}

/// Puts failed compare-and-sets into an order where the register does not hold what they expected. `None`: one does not fit
/// (it may in another order).
fn place_failed(columns: &Columns, order: Vec<u32>, failed: Vec<Op>) -> Option<Vec<u32>> {
    if failed.is_empty() {
        return Some(order);
    }
    let states = states(columns, &order);
    let sent = |i: u32| columns.sent[i as usize];
    let done = |i: u32| Op::of(columns, i).map_or(u64::MAX, |op| op.done);
    let mut latest_sent = vec![0; order.len() + 1];
    let mut earliest_done = vec![u64::MAX; order.len() + 1];
    for (p, &i) in order.iter().enumerate() {
        latest_sent[p + 1] = latest_sent[p].max(sent(i));
    }
    for (p, &i) in order.iter().enumerate().rev() {
        earliest_done[p] = earliest_done[p + 1].min(done(i));
    }
    let mut places: Vec<(usize, u64, u32)> = Vec::with_capacity(failed.len());
    let mut open = std::collections::BinaryHeap::new();
    let mut floor = 0;
    for op in failed {
        let exact::Step::Not(value) = op.step else { continue };
        // Failed operations that completed before this one was sent come before it in the order too.
        while let Some(std::cmp::Reverse((done, place))) = open.peek().copied() {
            if done >= op.sent {
                break;
            }
            floor = floor.max(place);
            open.pop();
        }
        let low = earliest_done.partition_point(|&done| done < op.sent).max(floor);
        let high = latest_sent.partition_point(|&sent| sent <= op.done) - 1;
        let place = (low..=high).find(|&p| states[p] != value)?;
        open.push(std::cmp::Reverse((op.done, place)));
        places.push((place, op.sent, op.index));
    }
    places.sort_unstable();
    let mut out = Vec::with_capacity(order.len() + places.len());
    let mut places = places.into_iter().peekable();
    for p in 0..=order.len() {
        while let Some((.., index)) = places.next_if(|(place, ..)| *place == p) {
            out.push(index);
        }
        out.extend(order.get(p));
    }
    Some(out)
}

/// The value before the first operation of the order, after it, after the second, ...
fn states(columns: &Columns, order: &[u32]) -> Vec<u64> {
    let mut states = vec![NIL];
    let mut state = NIL;
    for &i in order {
        state = Op::of(columns, i).and_then(|op| op.step.sets()).unwrap_or(state);
        states.push(state);
    }
    states
}
