//! Linearizability of key-value registers with compare-and-set, in linear time when the values written to a key are unique.
//!
//! All operations that see one value form its *cluster*: the write, the reads, the compare-and-set that replaces it. Let `f`
//! be the earliest completion in it and `s` the latest invocation. If `f < s` the register must hold the value from `f` to
//! `s` (a *forward* zone); otherwise it needs the value at one instant between `s` and `f` only (a *backward* zone). The key is
//! linearizable if and only if no read completes before its write is invoked, forward zones do not overlap, and no backward zone
//! lies inside a forward one (Gibbons & Korach, *Testing Shared Memories*, SIAM J. Comput. 26, 1997).
//!
//! - A write with unknown outcome never completes. If nobody saw its value it is left out; else it happened.
//! - A successful compare-and-set glues its cluster behind that of the value it found. Glued clusters form a *chain*, which is
//!   one zone, after its inner order has been checked.
//! - A failed compare-and-set says only what the value was *not*. Each zone is given an instant from which its value was there, and the
//!   compare-and-set one at which another value was. If there is none, it is placed into the order that the zones give; if that fails too,
//!   and whenever a value was written twice, `exact` search decides within its budget.
//! - Histories of reads and writes alone need no zones, if they are linearizable: `single_pass` shows it.
//!
//! Zones touch leniently: an operation that completes at the instant at which another is invoked is concurrent with it.

mod single_pass;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasherDefault;
use std::thread;

use base::Fingerprint;
use history::{Columns, ErrorKind, Function, History, NIL, Outcome};

use crate::certificate::{self, register::Since};
use crate::exact::{self, Op, Search};
use crate::model::Options;
use crate::report::{AnomalyKind, Report};
use crate::sort::nearly_sorted;
use crate::verdict::Verdict;
use crate::witness;

/// Decides linearizability, key by key (it is a local property), on `options.threads` threads. Linear in the history, but for
/// keys that need the exact search.
pub fn linearizable(history: &History, options: &Options) -> Report {
    let columns = &history.operations;
    let keys = Keys::of(columns);
    let bits = options.threads.clamp(1, 64).min(keys.count.max(1)).next_power_of_two().trailing_zeros();
    let parts: Vec<Part> = (0..1 << bits).map(|shard| Part { shard, bits }).collect();
    if !options.certificate {
        let shown = in_parallel(&parts, |part| single_pass::shows(columns, &keys, part));
        if shown.into_iter().all(|shown| shown) {
            let doubt = if options.recheck { certificate::values::refute(columns, None) } else { None };
            let verdict = doubt.map_or(Verdict::Valid, Verdict::bug);
            return Report::new("linearizable", verdict, history.len());
        }
    }
    let greatest = greatest_dense(columns);
    let mut decided = in_parallel(&parts, |part| decide_shard(columns, &keys, part, greatest, options));
    let valid = decided.iter().all(|shard| shard.troubles.is_empty());
    let doubt = if options.recheck && valid { refute(columns, &decided) } else { None };
    let order = options.certificate.then(|| {
        let mut orders = BTreeMap::new();
        decided.iter_mut().for_each(|shard| orders.append(&mut shard.orders));
        orders.into_values().flatten().collect()
    });
    let mut troubles: Vec<Trouble> = decided.into_iter().flat_map(|shard| shard.troubles).collect();
    troubles.sort_by_key(|trouble| trouble.key);
    let report = judge(history, troubles, order, options);
    match doubt {
        Some(doubt) => Report::new(report.model, Verdict::bug(doubt), report.operations),
        None => report,
    }
}

/// What each part gives, each on a thread of its own.
fn in_parallel<T: Send>(parts: &[Part], decide: impl Fn(Part) -> T + Sync) -> Vec<T> {
    if let [part] = parts {
        return vec![decide(*part)];
    }
    thread::scope(|scope| {
        let handles: Vec<_> = parts.iter().map(|part| scope.spawn(|| decide(*part))).collect();
        let joined = handles.into_iter().map(|handle| handle.join());
        joined.map(|decided| decided.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Why what the shards found does not prove that every key is linearizable, if so: keys with an order are shown by that, those with failed
/// compare-and-sets by the times of their values, all others by the order of their values.
fn refute(columns: &Columns, decided: &[Shard]) -> Option<String> {
    let order: Vec<u32> = decided.iter().flat_map(|shard| shard.orders.values()).flatten().copied().collect();
    let rows: Vec<Since> = decided.iter().flat_map(|shard| shard.since.iter().copied()).collect();
    let ordered: BTreeSet<u32> = decided.iter().flat_map(|shard| shard.orders.keys().copied()).collect();
    let dated: BTreeSet<u32> = rows.iter().map(|row| row.key).filter(|key| !ordered.contains(key)).collect();
    let by_order = || certificate::register::refute_orders(columns, &order, |key| ordered.contains(&key));
    let by_times = || certificate::register::refute(columns, &rows, |key| dated.contains(&key));
    let elsewhere = |key| ordered.contains(&key) || dated.contains(&key);
    let some = (!ordered.is_empty() || !dated.is_empty()).then_some(&elsewhere as &dyn Fn(u32) -> bool);
    let doubt = (!ordered.is_empty()).then(by_order).flatten();
    let doubt = doubt.or_else(|| (!dated.is_empty()).then(by_times).flatten());
    doubt.or_else(|| certificate::values::refute(columns, some))
}

/// Turns troubles into a verdict. A witness that is no contradiction alone is a bug of ours and makes the key unknown.
fn judge(history: &History, troubles: Vec<Trouble>, order: Option<Vec<u32>>, options: &Options) -> Report {
    let mut verdict = Verdict::Valid;
    let mut anomalies = Vec::new();
    let mut broken = 0;
    let mut undecided = 0;
    for trouble in troubles {
        let found = match trouble.what {
            What::Undecided(reason) => Err(reason),
            What::Broken(..) if anomalies.len() >= options.anomalies.max(1) => Ok(None),
            What::Broken(kind, suspects) => witness::confirm(history, kind, &suspects).map(Some),
        };
        match found {
            Ok(anomaly) => {
                broken += 1;
                verdict = Verdict::Invalid;
                anomalies.extend(anomaly);
            }
            Err(reason) => {
                undecided += 1;
                if undecided == 1 {
                    verdict =
                        verdict.merge(Verdict::unknown(format!("key {}: {reason}", history.key_name(trouble.key))));
                }
            }
        }
    }
    if let (Verdict::Unknown { reason }, true) = (&mut verdict, undecided > 1) {
        reason.push_str(&format!(" (and {} more keys)", undecided - 1));
    }
    let order = order.filter(|_| verdict == Verdict::Valid);
    Report { anomalies, broken, order, ..Report::new("linearizable", verdict, history.len()) }
}

/// What is wrong with a key.
struct Trouble {
    key: u32,
    what: What,
}

enum What {
    /// The operations named are a contradiction.
    Broken(AnomalyKind, Vec<u32>),
    Undecided(String),
}

#[derive(Default)]
struct Shard {
    troubles: Vec<Trouble>,
    /// By key, when asked for.
    orders: BTreeMap<u32, Vec<u32>>,
    /// Since when each value was there, of the keys that the zones decided, when asked for.
    since: Vec<Since>,
}

/// Keys as dense numbers: their own when those are dense enough, else their rank.
struct Keys {
    count: usize,
    ranked: Option<Vec<u32>>,
}

impl Keys {
    fn of(columns: &Columns) -> Keys {
        let greatest = columns.key.iter().fold(0, |greatest, &key| greatest.max(key as usize + 1));
        if greatest <= columns.len() * 4 + 1024 {
            return Keys { count: greatest, ranked: None };
        }
        let mut ranked = columns.key.clone();
        ranked.sort_unstable();
        ranked.dedup();
        Keys { count: ranked.len(), ranked: Some(ranked) }
    }

    #[inline]
    fn dense(&self, key: u32) -> u32 {
        match &self.ranked {
            None => key,
            Some(ranked) => ranked.binary_search(&key).unwrap_or(0) as u32,
        }
    }
}

/// The keys of one thread: those whose dense number has `shard` in its lowest `bits`.
#[derive(Clone, Copy)]
struct Part {
    shard: usize,
    bits: u32,
}

impl Part {
    #[inline]
    fn local(self, dense: u32) -> Option<u32> {
        (dense as usize & ((1 << self.bits) - 1) == self.shard).then_some(dense >> self.bits)
    }

    /// Every operation on its keys, with the local number of its key. Which thread a key belongs to is as good as random, so nothing branches
    /// on it.
    #[inline]
    fn operations<E>(
        self,
        columns: &Columns,
        keys: &Keys,
        mut see: impl FnMut(usize, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.bits == 0 {
            return (0..columns.len()).try_for_each(|i| see(i, keys.dense(columns.key[i])));
        }
        let mut mine = [(0, 0); 1024];
        for start in (0..columns.len()).step_by(mine.len()) {
            let mut count = 0;
            for i in start..(start + mine.len()).min(columns.len()) {
                let dense = keys.dense(columns.key[i]);
                mine[count] = (i, dense >> self.bits);
                count += usize::from(self.local(dense).is_some());
            }
            mine[..count].iter().try_for_each(|(i, key)| see(*i, *key))?;
        }
        Ok(())
    }

    fn count(self, keys: usize) -> usize {
        (keys + (1 << self.bits) - 1 - self.shard) >> self.bits
    }

    /// The dense number of a local one.
    fn dense(self, local: u32) -> usize {
        (local as usize) << self.bits | self.shard
    }
}

const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// The value before the first write.
    Initial,
    Nobody,
    Failed,
    Pending,
    Ok,
}

/// All operations that see one value.
#[derive(Clone, Copy)]
struct Cluster {
    /// Earliest completion.
    f: u64,
    /// Latest invocation.
    s: u64,
    /// The write, as an index into the history.
    write: u32,
    /// The dense local key.
    key: u32,
    /// The cluster of the value that the write, a compare-and-set, found.
    from: u32,
    writer: Writer,
    /// Whether a read, or a compare-and-set that happened, saw the value.
    seen: bool,
}

impl Cluster {
    fn new(key: u32, writer: Writer) -> Cluster {
        let f = if writer == Writer::Initial { 0 } else { u64::MAX };
        Cluster { f, s: 0, write: NONE, key, from: NONE, writer, seen: false }
    }

    #[inline]
    fn live(&self) -> bool {
        self.writer == Writer::Ok || self.seen
    }
}

/// Finds the cluster of a value.
enum Index {
    /// By value, when values are dense and unique over all keys, as those of our own workloads are.
    Dense(Vec<u32>),
    /// By key and value.
    Hashed(HashMap<(u32, u64), u32, BuildHasherDefault<Fingerprint>>),
}

/// Two keys share a value, or one was read that nobody wrote: start again with the other index.
struct NotDense;

struct Clusters {
    all: Vec<Cluster>,
    index: Index,
    keys: Vec<KeyState>,
}

#[derive(Clone, Copy, Default)]
struct KeyState {
    /// How many values it had, beside the initial one.
    values: u32,
    touched: bool,
    /// A value was written twice, or the initial one was written: clusters mean nothing.
    ambiguous: bool,
    has_cas: bool,
    has_failed_cas: bool,
    /// A failed compare-and-set does not fit the times of the values that were chosen; it may fit others.
    misplaced: bool,
    broken: bool,
}

impl Clusters {
    /// One pass over the history.
    fn gather(columns: &Columns, keys: &Keys, part: Part, index: Index) -> Result<Clusters, NotDense> {
        let count = part.count(keys.count);
        let mut all = Vec::with_capacity(count + (columns.len() >> (part.bits + 1)) + 16);
        all.extend((0..count as u32).map(|key| Cluster::new(key, Writer::Initial)));
        let mut clusters = Clusters { all, index, keys: vec![KeyState::default(); count] };
        part.operations(columns, keys, |i, key| clusters.add(columns, i, key))?;
        Ok(clusters)
    }

    #[inline]
    fn add(&mut self, columns: &Columns, i: usize, key: u32) -> Result<(), NotDense> {
        let (sent, done, outcome) = (columns.sent[i], columns.done[i], columns.outcome[i]);
        match columns.function[i] {
            Function::Read => {
                if outcome == Outcome::Ok {
                    let id = self.cluster_of(key, columns.result[i])?;
                    let cluster = &mut self.all[id as usize];
                    cluster.f = cluster.f.min(done);
                    cluster.s = cluster.s.max(sent);
                    cluster.seen = true;
                }
            }
            Function::Write => {
                self.write(key, columns.argument[i], i, sent, done, outcome)?;
            }
            Function::Cas => self.cas(columns, i, key)?,
        }
        Ok(())
    }

    fn cas(&mut self, columns: &Columns, i: usize, key: u32) -> Result<(), NotDense> {
        let outcome = columns.outcome[i];
        if outcome == Outcome::Fail && columns.error[i] == ErrorKind::Precondition {
            self.keys[key as usize].has_failed_cas = true;
        }
        if outcome == Outcome::Fail {
            // What it expected may be any value: it is looked up when it is placed.
            return self.write(key, columns.argument[i], i, columns.sent[i], columns.done[i], outcome).map(drop);
        }
        let from = self.cluster_of(key, columns.expected[i])?;
        let id = self.write(key, columns.argument[i], i, columns.sent[i], columns.done[i], outcome)?;
        self.keys[key as usize].has_cas = true;
        self.all[id as usize].from = from;
        self.all[from as usize].seen |= outcome == Outcome::Ok;
        Ok(())
    }

    #[inline]
    fn write(
        &mut self,
        key: u32,
        value: u64,
        i: usize,
        sent: u64,
        done: u64,
        outcome: Outcome,
    ) -> Result<u32, NotDense> {
        let id = self.cluster_of(key, value)?;
        let cluster = &mut self.all[id as usize];
        let fresh = matches!(cluster.writer, Writer::Nobody | Writer::Failed);
        match outcome {
            Outcome::Fail if fresh => {
                cluster.writer = Writer::Failed;
                cluster.write = i as u32;
            }
            Outcome::Fail => {}
            _ if !fresh => self.keys[key as usize].ambiguous = true,
            _ => {
                cluster.writer = if outcome == Outcome::Ok { Writer::Ok } else { Writer::Pending };
                cluster.write = i as u32;
                cluster.s = cluster.s.max(sent);
                if outcome == Outcome::Ok {
                    cluster.f = cluster.f.min(done);
                }
            }
        }
        Ok(id)
    }

    #[inline(always)]
    fn cluster_of(&mut self, key: u32, value: u64) -> Result<u32, NotDense> {
        self.keys[key as usize].touched = true;
        if value == NIL {
            return Ok(key);
        }
        let fresh = self.all.len() as u32;
        let id = match &mut self.index {
            Index::Dense(ids) => match ids.get_mut(value as usize) {
                Some(id) => {
                    if *id == NONE {
                        *id = fresh;
                    }
                    *id
                }
                // Greater than everything written: nobody wrote it.
                None => return Err(NotDense),
            },
            Index::Hashed(ids) => *ids.entry((key, value)).or_insert(fresh),
        };
        if id == fresh {
            self.all.push(Cluster::new(key, Writer::Nobody));
            self.keys[key as usize].values += 1;
        } else if self.all[id as usize].key != key {
            return Err(NotDense);
        }
        Ok(id)
    }
}

/// The greatest value written, if values are dense.
fn greatest_dense(columns: &Columns) -> Option<usize> {
    // NIL becomes 0, so that reads do not count.
    let greatest = columns.argument.iter().fold(0, |greatest, &value| value.wrapping_add(1).max(greatest));
    let room = columns.len() as u64 * 4 + 1024;
    (greatest <= room).then_some(greatest as usize)
}

fn decide_shard(columns: &Columns, keys: &Keys, part: Part, greatest: Option<usize>, options: &Options) -> Shard {
    let dense = greatest.map(|greatest| Index::Dense(vec![NONE; greatest + 1]));
    let hashed = || Index::Hashed(HashMap::default());
    let gather = |index| Clusters::gather(columns, keys, part, index);
    let gathered = dense.and_then(|index| gather(index).ok()).or_else(|| gather(hashed()).ok());
    let Some(clusters) = gathered else { return Shard::default() };
    Decider { columns, keys, part, options, clusters, shard: Shard::default() }.decide()
}

/// When a value, or a chain of values, must be there.
#[derive(Clone, Copy, Default)]
struct Zone {
    low: u64,
    high: u64,
    /// The first cluster of the chain.
    cluster: u32,
    forward: bool,
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
struct Zones {
    /// Those of a key stand together, with room for as many as it had values.
    all: Vec<Zone>,
    /// Of each key, where its zones begin and end.
    bounds: Vec<(u32, u32)>,
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

    fn sort(&mut self) {
        for &(start, end) in &self.bounds {
            nearly_sorted(&mut self.all[start as usize..end as usize], Zone::rank);
        }
    }

    /// Those of a key.
    #[inline]
    fn of(&self, key: u32) -> &[Zone] {
        let (start, end) = self.bounds[key as usize];
        &self.all[start as usize..end as usize]
    }
}

struct Decider<'a> {
    columns: &'a Columns,
    keys: &'a Keys,
    part: Part,
    options: &'a Options,
    clusters: Clusters,
    shard: Shard,
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

    fn key_name(&self, local: u32) -> u32 {
        let dense = self.part.dense(local);
        self.keys.ranked.as_ref().map_or(dense as u32, |ranked| ranked[dense])
    }

    fn break_key(&mut self, key: u32, kind: AnomalyKind, suspects: Vec<u32>) {
        if !std::mem::replace(&mut self.clusters.keys[key as usize].broken, true) {
            let key = self.key_name(key);
            self.shard.troubles.push(Trouble { key, what: What::Broken(kind, suspects) });
        }
    }

    /// Joins the clusters of compare-and-sets that happened into chains: returns the successor of each, and leaves the zone of
    /// the whole chain in its head. Members keep `from`, so that they are told from heads.
    fn glue(&mut self) -> Vec<u32> {
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

    /// The zones of every key that is whole so far; breaks keys whose reads cannot be explained at all.
    fn zones(&mut self, next: &[u32]) -> Zones {
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
    fn sweep(&mut self, zones: &Zones) {
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

    /// All operations that see one of these values.
    fn operations_of(&self, ids: &[u32]) -> Vec<u32> {
        let mut wanted = ids.to_vec();
        wanted.sort_unstable();
        self.operations_where(self.clusters.all[ids[0] as usize].key, |id| wanted.binary_search(&id).is_ok())
    }

    fn operations_of_chains(&self, heads: &[u32]) -> Vec<u32> {
        let head_of = |mut id: u32| {
            while self.clusters.all[id as usize].from != NONE && self.clusters.all[id as usize].live() {
                id = self.clusters.all[id as usize].from;
            }
            id
        };
        self.operations_where(self.clusters.all[heads[0] as usize].key, |id| heads.contains(&head_of(id)))
    }

    fn operations_where(&self, key: u32, mut wanted: impl FnMut(u32) -> bool) -> Vec<u32> {
        let mut found = Vec::new();
        let mut known: BTreeMap<u32, bool> = BTreeMap::new();
        let mut check = |id: Option<u32>| id.is_some_and(|id| *known.entry(id).or_insert_with(|| wanted(id)));
        for i in self.operations_of_key(key) {
            let (columns, at) = (self.columns, i as usize);
            let of_value = |value| self.existing(key, value);
            let found_one = match columns.function[at] {
                Function::Read => columns.outcome[at] == Outcome::Ok && check(of_value(columns.result[at])),
                Function::Write => check(of_value(columns.argument[at])),
                Function::Cas => check(of_value(columns.argument[at])) || check(of_value(columns.expected[at])),
            };
            if found_one {
                found.push(i);
            }
        }
        found
    }

    fn existing(&self, key: u32, value: u64) -> Option<u32> {
        if value == NIL {
            return Some(key);
        }
        match &self.clusters.index {
            // What was not seen may be the value of another key.
            Index::Dense(ids) => {
                let id = ids.get(value as usize).copied().filter(|id| *id != NONE)?;
                (self.clusters.all[id as usize].key == key).then_some(id)
            }
            Index::Hashed(ids) => ids.get(&(key, value)).copied(),
        }
    }

    fn operations_of_key(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let name = self.key_name(key);
        self.columns.key.iter().enumerate().filter(move |(_, k)| **k == name).map(|(i, _)| i as u32)
    }

    /// The order that the zones give, for the wanted keys: clusters in order of their zones, in each the write first and then
    /// its reads. Failed compare-and-sets are placed into it.
    fn orders(&mut self, zones: &Zones, next: &[u32], wanted: &[bool]) {
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

    /// Since when each value was there, of the keys that the zones decide: a forward zone from its beginning on, a backward one as soon as no
    /// other value must be there. Returns the row of each cluster, if there are compare-and-sets to be placed.
    fn date(&mut self, zones: &Zones, next: &[u32]) -> Vec<u32> {
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
    fn place_by_dates(&mut self, rows: &[u32]) {
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

/// A cluster and all that were glued behind it.
fn downstream(id: u32, next: &[u32]) -> Vec<u32> {
    let mut ids = vec![id];
    let mut id = next.get(id as usize).copied().unwrap_or(NONE);
    while id != NONE && id != ids[0] {
        ids.push(id);
        id = next[id as usize];
    }
    ids
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
