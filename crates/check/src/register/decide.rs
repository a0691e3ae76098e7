//! The keys of one thread: from clusters to what is wrong with each key.

use std::collections::{BTreeMap, HashMap};

use history::{Columns, NIL};

use crate::certificate::register::Since;
use crate::exact::{self, Op, Search};
use crate::model::Options;
use crate::report::AnomalyKind;

use super::clusters::{Clusters, Index, KeyState, NONE};
use super::keys::{Keys, Part};

/// Decides the keys of one part. `greatest`: of the values written, if those are small.
pub(super) fn decide_shard(
    columns: &Columns,
    keys: &Keys,
    part: Part,
    greatest: Option<usize>,
    options: &Options,
) -> Shard {
    let dense = greatest.map(|greatest| Index::Dense(vec![NONE; greatest + 1]));
    let hashed = || Index::Hashed(HashMap::default());
    let gather = |index| Clusters::gather(columns, keys, part, index);
    let gathered = dense.and_then(|index| gather(index).ok()).or_else(|| gather(hashed()).ok());
    let Some(clusters) = gathered else { return Shard::default() };
    Decider { columns, keys, part, options, clusters, shard: Shard::default() }.decide()
}

/// What was found of the keys of a thread.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) troubles: Vec<Trouble>,
    /// By key, when asked for.
    pub(super) orders: BTreeMap<u32, Vec<u32>>,
    /// Since when each value was there, of the keys that the zones decided, when asked for.
    pub(super) since: Vec<Since>,
}

/// What is wrong with a key.
pub(super) struct Trouble {
    pub(super) key: u32,
    pub(super) what: What,
}

pub(super) enum What {
    /// The operations named are a contradiction.
    Broken(AnomalyKind, Vec<u32>),
    Undecided(String),
}

/// The keys of a thread, half decided: each stage has a file of its own.
pub(super) struct Decider<'a> {
    pub(super) columns: &'a Columns,
    pub(super) keys: &'a Keys,
    pub(super) part: Part,
    pub(super) options: &'a Options,
    pub(super) clusters: Clusters,
    pub(super) shard: Shard,
}

impl Decider<'_> {
    fn decide(mut self) -> Shard {
        let any_cas = self.clusters.keys.iter().any(|key| key.has_cas);
        let next = if any_cas { self.glue() } else { Vec::new() };
        let mut zones = self.zones(&next);
        zones.sort();
        self.sweep(&zones);
        let whole = |key: &KeyState| key.touched && !key.broken && !key.ambiguous;
        let has_failed = self.clusters.keys.iter().any(|key| whole(key) && key.has_failed_cas);
        if has_failed {
            let rows = self.date(&zones, &next);
            self.place_by_dates(&rows);
        }
        let wants_order = |key: &KeyState| whole(key) && (key.misplaced || self.options.certificate);
        if self.clusters.keys.iter().any(wants_order) {
            let wanted: Vec<bool> = self.clusters.keys.iter().map(wants_order).collect();
            self.orders(&zones, &next, &wanted);
        }
        self.search_the_rest();
        self.shard
    }

    pub(super) fn key_name(&self, local: u32) -> u32 {
        let dense = self.part.dense(local);
        self.keys.ranked.as_ref().map_or(dense as u32, |ranked| ranked[dense])
    }

    pub(super) fn break_key(&mut self, key: u32, kind: AnomalyKind, suspects: Vec<u32>) {
        if !std::mem::replace(&mut self.clusters.keys[key as usize].broken, true) {
            let key = self.key_name(key);
            self.shard.troubles.push(Trouble { key, what: What::Broken(kind, suspects) });
        }
    }

    /// Decides by search what the zones could not.
    fn search_the_rest(&mut self) {
        let open = |key: &u32| {
            let state = self.clusters.keys[*key as usize];
            state.ambiguous && !state.broken
        };
        let keys: Vec<u32> = (0..self.clusters.keys.len() as u32).filter(open).collect();
        if !keys.is_empty() {
            self.options.limit.expect((self.columns.len() >> self.part.bits) as u64);
        }
        for key in keys {
            let indices: Vec<u32> = self.operations_of_key(key).collect();
            let ops: Vec<Op> = indices.iter().filter_map(|&i| Op::of(self.columns, i)).collect();
            match exact::search(&ops, NIL, self.options) {
                Search::Order(order) => drop(self.shard.orders.insert(self.key_name(key), order)),
                Search::None { at } => {
                    let suspects = indices.into_iter().filter(|&i| self.columns.sent[i as usize] <= at).collect();
                    self.break_key(key, AnomalyKind::NoOrder, suspects);
                }
                Search::GaveUp { at, reason } => {
                    let key = self.key_name(key);
                    let what = What::Undecided(format!("{reason} at {}; it is consistent up to there", base::Time(at)));
                    self.shard.troubles.push(Trouble { key, what });
                }
            }
        }
    }
}
