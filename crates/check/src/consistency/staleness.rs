//! How stale reads were, as two numbers.
//!
//! **Seconds** (Golab, Li & Shah, *Analyzing Consistency Properties for Fun and Profit*, PODC 2011): the least Δ such that the history is linearizable
//! when every read may have been invoked Δ earlier. With unique values it follows from the zones of [`crate::register`]: lengthening the
//! reads shrinks the zones, and the least Δ at which no two conflict is found by bisection, each step `O(n log n)`, on the keys alone that are not
//! linearizable. A compare-and-set counts as a read and a write.
//!
//! **Versions**: the most writes that certainly lie between what a read saw and what it should have seen: each was invoked after somebody had
//! completed an operation on the value seen, and completed before the read was invoked. A lower bound of k - 1 of k-atomicity.

use std::collections::BTreeMap;

use history::{Columns, Function, History, NIL, Outcome};

use super::story::plain;
use crate::model::{Model, Options};
use crate::report::{Anomaly, AnomalyKind, Report};
use crate::verdict::Verdict;

/// Bounded staleness, within [`Options::staleness`]. `O(n log n)`; the seconds are exact where values are unique.
pub static BOUNDED_STALENESS: Model = Model {
    name: "bounded-staleness",
    summary: "no read is staler than `max-staleness`, nor behind by more than `max-versions`; without a bound, tells how stale they were",
    decide,
};

/// The most that is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    /// Nanoseconds.
    pub time_ns: Option<u64>,
    /// Writes that a read may have missed.
    pub versions: Option<u64>,
}

/// How stale the reads of a history were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staleness {
    /// The least Δ, ns; 0 if the history is linearizable.
    pub time_ns: u64,
    /// The most writes that a read certainly missed.
    pub versions: u64,
    /// Operations that need this Δ, as places in the history.
    slowest: Vec<u32>,
    /// The read that missed the most writes.
    furthest: Option<u32>,
}

/// Measures. `O(n log n)`.
///
/// # Errors
/// The reason why nothing can be said: a value was written twice, or was read before it was written, or was never.
pub fn staleness(history: &History) -> Result<Staleness, String> {
    let columns = &history.operations;
    let mut worst = Staleness::default();
    for (key, clusters) in clusters(history)? {
        let Some(pair) = conflict(&clusters, 0) else { continue };
        let (mut low, mut pair, mut high) = (0, pair, clusters.iter().map(|c| c.read).max().unwrap_or(0));
        // Not at `low`, but at `high`.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match conflict(&clusters, middle) {
                Some(found) => (low, pair) = (middle, found),
                None => high = middle,
            }
        }
        if high > worst.time_ns {
            worst.time_ns = high;
            worst.slowest = witness(columns, key, [clusters[pair.0], clusters[pair.1]]);
        }
        missed(columns, key, &clusters, &mut worst);
    }
    Ok(worst)
}

fn decide(history: &History, options: &Options) -> Report {
    let report = Report::new("bounded-staleness", Verdict::Valid, history.len());
    if super::is_linearizable(history, options) {
        return report;
    }
    let unknown = |reason| Report { verdict: Verdict::unknown(reason), ..report.clone() };
    let found = match staleness(history) {
        Ok(found) => found,
        Err(reason) => return unknown(reason),
    };
    let bound = options.staleness;
    let mut anomalies = Vec::new();
    if bound.time_ns.is_some_and(|most| found.time_ns > most) {
        anomalies.push(too_slow(history, &found));
    }
    if bound.versions.is_some_and(|most| found.versions > most) {
        anomalies.extend(too_far(history, &found));
    }
    if !anomalies.is_empty() {
        return Report { verdict: Verdict::Invalid, broken: anomalies.len(), anomalies, ..report };
    }
    if bound == Bound::default() && found.time_ns > 0 {
        let time = show(found.time_ns);
        let missed = found.versions;
        return unknown(format!(
            "no bound was given (`max-staleness`, `max-versions`); reads were up to {time} stale and missed up to {missed} writes"
        ));
    }
    report
}

fn show(time_ns: u64) -> String {
    base::units::show_duration(std::time::Duration::from_nanos(time_ns))
}

fn too_slow(history: &History, found: &Staleness) -> Anomaly {
    let told = format!("Only if reads may be {} old do these operations fit into one order.", show(found.time_ns));
    let witness = found.slowest.iter().map(|i| *i as usize);
    plain(history, AnomalyKind::StaleRead, &format!("reads were {} stale", show(found.time_ns)), &told, &[], witness)
}

fn too_far(history: &History, found: &Staleness) -> Option<Anomaly> {
    let columns = &history.operations;
    let read = found.furthest? as usize;
    let writes = (0..columns.len()).filter(|&i| {
        columns.key[i] == columns.key[read]
            && columns.function[i].is_mutation()
            && columns.outcome[i] == Outcome::Ok
            && columns.done[i] < columns.sent[read]
            && columns.argument[i] != columns.result[read]
    });
    let latest = writes.max_by_key(|&i| columns.sent[i])?;
    let told =
        format!("{{0}} missed {} writes that had completed before it was invoked, {{1}} the last.", found.versions);
    let own = (0..columns.len()).find(|&i| {
        columns.key[i] == columns.key[read]
            && columns.function[i].is_mutation()
            && columns.argument[i] == columns.result[read]
    });
    let title = format!("a read missed {} writes", found.versions);
    Some(plain(history, AnomalyKind::StaleRead, &title, &told, &[read, latest], own.into_iter().chain([latest, read])))
}

/// All operations on one value.
#[derive(Clone, Copy)]
struct Cluster {
    value: u64,
    /// Invocation of the write; 0 for the initial value.
    written: u64,
    /// Earliest completion.
    first: u64,
    /// Latest invocation of a read; 0 if there is none.
    read: u64,
    /// Whether somebody wrote or read it for certain.
    counts: bool,
}

impl Cluster {
    fn new(value: u64) -> Cluster {
        let ever = if value == NIL { 0 } else { u64::MAX };
        Cluster { value, written: ever, first: ever, read: 0, counts: value == NIL }
    }
}

fn clusters(history: &History) -> Result<BTreeMap<u32, Vec<Cluster>>, String> {
    let columns = &history.operations;
    let mut clusters: BTreeMap<(u32, u64), Cluster> = BTreeMap::new();
    for i in 0..columns.len() {
        let (key, function, outcome) = (columns.key[i], columns.function[i], columns.outcome[i]);
        if outcome == Outcome::Ok && function != Function::Write {
            let seen = if function == Function::Read { columns.result[i] } else { columns.expected[i] };
            let cluster = clusters.entry((key, seen)).or_insert(Cluster::new(seen));
            cluster.first = cluster.first.min(columns.done[i]);
            cluster.read = cluster.read.max(columns.sent[i]);
            cluster.counts = true;
        }
        if function.is_mutation() && outcome != Outcome::Fail {
            let value = columns.argument[i];
            let cluster = clusters.entry((key, value)).or_insert(Cluster::new(value));
            if cluster.written != u64::MAX {
                return Err(format!("key {}: a value was written twice", history.key_name(key)));
            }
            cluster.written = columns.sent[i];
            if outcome == Outcome::Ok {
                cluster.first = cluster.first.min(columns.done[i]);
                cluster.counts = true;
            }
        }
    }
    let mut keys: BTreeMap<u32, Vec<Cluster>> = BTreeMap::new();
    for ((key, _), cluster) in clusters.into_iter().filter(|(_, cluster)| cluster.counts) {
        if cluster.written > cluster.first {
            return Err(format!("key {}: a value was read that nobody had begun to write", history.key_name(key)));
        }
        keys.entry(key).or_default().push(cluster);
    }
    Ok(keys)
}

/// Two clusters, neither of which can come before the other when reads may have been invoked `slack` earlier.
fn conflict(clusters: &[Cluster], slack: u64) -> Option<(usize, usize)> {
    let latest = |c: &Cluster| c.written.max(c.read.saturating_sub(slack));
    let mut zones: Vec<(u64, bool, u64, usize)> = clusters
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let (first, latest) = (c.first, latest(c));
            (first.min(latest), first < latest, first.max(latest), i)
        })
        .collect();
    zones.sort_unstable();
    let (mut until, mut holder) = (0, usize::MAX);
    for (low, forward, high, cluster) in zones {
        if holder != usize::MAX && (if forward { low } else { high }) < until {
            return Some((holder, cluster));
        }
        if forward && high > until {
            (until, holder) = (high, cluster);
        }
    }
    None
}

/// The operations that give two clusters their ends, and their writes.
fn witness(columns: &Columns, key: u32, pair: [Cluster; 2]) -> Vec<u32> {
    let mut witness = Vec::new();
    for cluster in pair {
        let of = |i: &usize| columns.key[*i] == key && columns.outcome[*i] != Outcome::Fail;
        let sets = |i: &usize| columns.function[*i].is_mutation() && columns.argument[*i] == cluster.value;
        let sees = |i: &usize| match columns.function[*i] {
            Function::Read => columns.outcome[*i] == Outcome::Ok && columns.result[*i] == cluster.value,
            Function::Cas => columns.outcome[*i] == Outcome::Ok && columns.expected[*i] == cluster.value,
            Function::Write => false,
        };
        let all = || (0..columns.len()).filter(of);
        witness.extend(all().find(sets));
        witness.extend(all().filter(|i| sets(i) || sees(i)).min_by_key(|&i| columns.done[i]));
        witness.extend(all().filter(sees).max_by_key(|&i| columns.sent[i]));
    }
    witness.into_iter().map(|i| i as u32).collect()
}

/// The reads of a key that missed the most writes. `O(n log n)`.
fn missed(columns: &Columns, key: u32, clusters: &[Cluster], worst: &mut Staleness) {
    let seen: BTreeMap<u64, u64> = clusters.iter().map(|cluster| (cluster.value, cluster.first)).collect();
    let of_key = |i: &usize| columns.key[*i] == key && columns.outcome[*i] == Outcome::Ok;
    let mut writes: Vec<(u64, u64)> = (0..columns.len())
        .filter(|i| of_key(i) && columns.function[*i].is_mutation())
        .map(|i| (columns.done[i], columns.sent[i]))
        .collect();
    writes.sort_unstable();
    let mut invoked: Vec<u64> = writes.iter().map(|(_, sent)| *sent).collect();
    invoked.sort_unstable();
    let mut reads: Vec<usize> =
        (0..columns.len()).filter(|i| of_key(i) && columns.function[*i] == Function::Read).collect();
    reads.sort_by_key(|&i| columns.sent[i]);
    let mut counts = Counts::new(invoked.len());
    let mut completed = writes.into_iter().peekable();
    for read in reads {
        while let Some((_, sent)) = completed.next_if(|(done, _)| *done < columns.sent[read]) {
            counts.add(invoked.partition_point(|other| *other < sent));
        }
        let Some(first) = seen.get(&columns.result[read]) else { continue };
        let later = counts.from(invoked.partition_point(|sent| sent <= first));
        if later > worst.versions {
            (worst.versions, worst.furthest) = (later, Some(read as u32));
        }
    }
}

/// Counts by place, and how many there are from a place on (Fenwick, 1994).
struct Counts {
    tree: Vec<u64>,
    total: u64,
}

impl Counts {
    fn new(places: usize) -> Counts {
        Counts { tree: vec![0; places + 1], total: 0 }
    }

    fn add(&mut self, place: usize) {
        self.total += 1;
        let mut at = place + 1;
        while at < self.tree.len() {
            self.tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn from(&self, place: usize) -> u64 {
        let (mut at, mut below) = (place, 0);
        while at > 0 {
            below += self.tree[at];
            at &= at - 1;
        }
        self.total - below
    }
}

/// Reads the bounds among settings: `max-staleness` and `max-versions`.
///
/// # Errors
/// What is wrong with one of them.
pub fn bound(settings: &BTreeMap<String, String>) -> Result<Bound, String> {
    let time = settings.get("max-staleness").map(|text| {
        let span = base::units::parse_duration(text).map_err(|error| format!("`max-staleness`: {error}"))?;
        Ok::<u64, String>(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
    });
    let versions = settings
        .get("max-versions")
        .map(|text| text.parse().map_err(|_| format!("`max-versions` expects a number, not `{text}`")));
    Ok(Bound { time_ns: time.transpose()?, versions: versions.transpose()? })
}
