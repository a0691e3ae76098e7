//! Isolation of transactions: which levels hold, which are violated, and why.
//!
//! - [`check_transactions`]: a history against every level at once gives a [`TxnReport`].
//! - [`LEVELS`]: the registry of levels; [`Class`]: the anomalies that they forbid.
//! - `schedule`: an order that explains every read proves all levels at once, in linear time; what follows is for histories without one.
//! - `append`: what list-append transactions say about the order of versions; [`register`]: the same of registers; `facts`: the form in which a workload says it.
//! - `graph`: dependencies and how far they can be ordered; `cycles`: what stands in the way.
//! - [`solve`]: a search for the order of versions where the data does not tell it.
//! - `doubt`: levels that nothing contradicts and nothing proves.
//! - `statements`: levels that look inside a transaction; `updates`: one that looks at which of them write.
//! - [`weak`]: read committed, read atomic and causal consistency without the order of versions.
//! - [`explain`]: a cycle in sentences; `picture`: as an SVG.

pub(crate) mod anomaly;
pub(crate) mod append;
pub(crate) mod cycles;
mod doubt;
pub mod explain;
pub(crate) mod facts;
pub(crate) mod graph;
pub mod level;
pub(crate) mod picture;
pub mod register;
pub(crate) mod schedule;
pub mod solve;
pub(crate) mod statements;
pub(crate) mod updates;
pub mod weak;

use std::collections::{BTreeMap, BTreeSet};

use history::txn::{Kind, Transactions};

pub use anomaly::{Class, TxnAnomaly, Variant};
pub use graph::{Edge, EdgeKind};
pub use level::{LEVELS, Level};

use crate::certificate;
use crate::limit::Limit;
use crate::model::Options;
use crate::report::{Anomaly, AnomalyKind, Isolation, IsolationAnomaly, Report};
use crate::verdict::{BUG, Verdict};
use facts::Facts;

/// What is known about the levels of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct TxnReport {
    /// Every level and whether it holds, as in [`LEVELS`].
    pub levels: Vec<(&'static Level, Verdict)>,
    /// The anomalies found, worst first: a witness of each cycle's class, the first few of the others.
    pub anomalies: Vec<TxnAnomaly>,
    /// How many anomalies of each name were seen. Of cycles, one.
    pub counts: BTreeMap<String, usize>,
    /// Transactions judged.
    pub transactions: usize,
    /// An order that explains everything, if there is one that keeps real time: the certificate.
    pub order: Option<Vec<u32>>,
}

impl TxnReport {
    /// Whether a level holds.
    pub fn verdict(&self, level: &str) -> Verdict {
        let found = self.levels.iter().find(|(l, _)| l.name == level);
        found.map_or(Verdict::unknown(format!("no level `{level}`")), |(_, verdict)| verdict.clone())
    }

    /// The levels that hold and are contained in no other that holds.
    pub fn strongest(&self) -> Vec<&'static Level> {
        let holds: Vec<&Level> =
            self.levels.iter().filter(|(_, verdict)| *verdict == Verdict::Valid).map(|(level, _)| *level).collect();
        let top = |level: &&&'static Level| !holds.iter().any(|other| other != *level && other.contains(level));
        holds.iter().filter(top).copied().collect()
    }

    /// The levels that are violated and contain no other that is.
    pub fn weakest_violated(&self) -> Vec<&'static Level> {
        let broken: Vec<&Level> =
            self.levels.iter().filter(|(_, verdict)| *verdict == Verdict::Invalid).map(|(level, _)| *level).collect();
        let bottom = |level: &&&'static Level| !broken.iter().any(|other| other != *level && level.contains(other));
        broken.iter().filter(bottom).copied().collect()
    }

    /// The answer to one question: whether `level` holds, with the anomalies that it forbids.
    pub fn answer(&self, transactions: &Transactions, level: &str) -> Report {
        let (name, verdict) = match Level::find(level) {
            Some(level) => (level.name, self.verdict(level.name)),
            None => ("", self.verdict(level)),
        };
        let forbidden = |anomaly: &&TxnAnomaly| {
            Level::find(level).is_some_and(|level| level.forbids(anomaly.class, anomaly.variant))
        };
        let evidence: Vec<TxnAnomaly> = self.anomalies.iter().filter(forbidden).cloned().collect();
        let told = evidence.iter().filter(|anomaly| !self.told_otherwise(anomaly));
        let anomalies: Vec<Anomaly> = told.map(|found| tell(transactions, found)).collect();
        let order = self.order.clone();
        let isolation = Some(Box::new(Isolation { evidence, ..self.isolation(transactions) }));
        let broken = anomalies.len();
        Report { broken, anomalies, order, isolation, ..Report::new(name, verdict, self.transactions) }
    }

    /// All levels and anomalies, in words.
    fn isolation(&self, transactions: &Transactions) -> Isolation {
        let names = |levels: Vec<&'static Level>| levels.into_iter().map(|level| level.name).collect();
        let found = |(name, count): (&String, &usize)| IsolationAnomaly {
            name: name.clone(),
            count: *count,
            witness: self.anomalies.iter().find(|found| found.name() == *name).map(|found| tell(transactions, found)),
        };
        Isolation {
            levels: self.levels.iter().map(|(level, verdict)| (level.name, verdict.clone())).collect(),
            strongest: names(self.strongest()),
            weakest_violated: names(self.weakest_violated()),
            found: self.counts.iter().map(found).collect(),
            evidence: Vec::new(),
        }
    }

    /// Whether an anomaly is a special look at transactions that another, of a more usual name, consists of.
    fn told_otherwise(&self, anomaly: &TxnAnomaly) -> bool {
        let members = |anomaly: &TxnAnomaly| anomaly.transactions.iter().copied().collect::<BTreeSet<u32>>();
        let other = |other: &TxnAnomaly| !other.class.is_aspect() && members(other) == members(anomaly);
        anomaly.class.is_aspect() && self.anomalies.iter().any(other)
    }

    /// Replays the order; if it does not hold, what rests on it becomes `unknown`.
    fn replay(&mut self, transactions: &Transactions) {
        let doubt = self.order.as_ref().and_then(|order| certificate::transaction::refute_order(transactions, order));
        if let Some(doubt) = doubt {
            self.order = None;
            // An order that leaves some versions open proves nothing, and nothing was concluded from it.
            let timed = self.verdict("strict-serializable") == Verdict::Valid;
            let concluded = timed || self.verdict("strong-session-serializable") == Verdict::Valid;
            let valid = self.levels.iter_mut().filter(|(_, verdict)| concluded && *verdict == Verdict::Valid);
            valid.for_each(|(_, verdict)| *verdict = Verdict::bug(&doubt));
        }
    }

    /// The first anomaly that a level forbids.
    pub fn why(&self, level: &Level) -> Option<&TxnAnomaly> {
        self.anomalies.iter().find(|anomaly| level.forbids(anomaly.class, anomaly.variant))
    }
}

fn tell(transactions: &Transactions, found: &TxnAnomaly) -> Anomaly {
    Anomaly {
        kind: AnomalyKind::Isolation,
        title: found.name(),
        story: found.story.clone(),
        operations: Vec::new(),
        indices: found.transactions.clone(),
        drawing: Some(picture::svg(transactions, found)),
    }
}

/// Decides every level of [`LEVELS`]. Linear in micro-operations and list elements if everything is fine and versions are ordered;
/// see [`weak`] and `cycles` for the rest.
///
/// Of registers, read committed, read atomic and causal contain session order, as in the axioms of Biswas & Enea.
pub fn check_transactions(transactions: &Transactions) -> TxnReport {
    check_transactions_with(transactions, &Options::default())
}

/// The same within `options.limit`: levels that are not decided when it stops the check are `unknown`.
pub fn check_transactions_with(transactions: &Transactions, options: &Options) -> TxnReport {
    let mut found = match schedule::schedule(transactions) {
        Some(order) => report(transactions, Facts::default(), Undecided::default(), Some(order)),
        None => search(transactions, options),
    };
    if options.recheck {
        found.replay(transactions);
    }
    found
}

/// What stands in the way of a schedule.
fn search(transactions: &Transactions, options: &Options) -> TxnReport {
    let lists = is_list_append(transactions);
    let (mut facts, mut reads) = if lists {
        (append::facts(transactions), None)
    } else {
        let (facts, reads) = register::facts(transactions);
        (facts, Some(reads))
    };
    let limit = &options.limit;
    let (mut undecided, mut loose) = (Vec::new(), false);
    let placed = ordered(transactions, &facts);
    // An order with every version in its place proves the weak levels too; nothing else that takes long comes before them.
    if placed.is_err() || facts.unordered.is_some() {
        let reads = reads.get_or_insert_with(|| append::reads(transactions, &facts));
        weak_levels(transactions, &mut facts, reads, &mut undecided, (lists, limit));
    }
    if let Err(placed) = &placed {
        let cycles = cycles::cycles(transactions, &facts.live, placed, &facts.edges, limit);
        let because = |class: Class| match limit.exceeded() {
            Some(reason) => format!("{reason} before this level was decided"),
            None => format!("the search for {} ran out of its budget", class.name()),
        };
        undecided.extend(cycles.undecided.into_iter().map(|(class, variant)| (class, variant, because(class))));
        loose = is_loose(&facts, &cycles.components);
        cycles.found.into_iter().for_each(|found| note_cycle(transactions, &mut facts, found));
    }
    if options.recheck {
        refute_anomalies(transactions, &mut facts);
    }
    let open = facts.unordered.is_some() || loose;
    let mut order = placed.ok();
    if open && facts.ambiguous.is_none() {
        let data = match &reads {
            Some(reads) if !lists => solve::Data::of_registers(&facts, reads),
            _ => solve::Data::of_lists(transactions, &facts),
        };
        order = unordered(transactions, &mut facts, &data, &mut undecided, options);
    }
    report(transactions, facts, Undecided { classes: undecided, open }, order)
}

/// Whether the order of two versions that nobody read can matter: only if their writers are on cycles together. All others may be put in an
/// order of the components without making a new cycle.
fn is_loose(facts: &Facts, components: &[(u32, u32)]) -> bool {
    let component = |t: u32| components.binary_search_by_key(&t, |(t, _)| *t).ok().map(|at| components[at].1);
    facts.unread.chunk_by(|a, b| a.0 == b.0).any(|group| {
        let mut here: Vec<u32> = group.iter().filter_map(|(_, writer)| component(*writer)).collect();
        here.sort_unstable();
        here.windows(2).any(|pair| pair[0] == pair[1])
    })
}

/// Shows every anomaly again from the history. One that cannot be shown is forgotten, and whatever no other forbids becomes `unknown`.
///
/// A search for an order of versions comes later: its distinction of cases is taken as told. So are cycles through versions that contradict
/// themselves, which show nothing: those versions are an anomaly of their own.
fn refute_anomalies(transactions: &Transactions, facts: &mut Facts) {
    let nonsense = [Class::FutureRead, Class::CyclicVersions, Class::Internal, Class::OwnWriteMissed];
    if facts.counts.keys().any(|(class, _)| nonsense.contains(class)) {
        return;
    }
    let found = std::mem::take(&mut facts.direct);
    for anomaly in found {
        match certificate::cycle::refute(transactions, &anomaly) {
            None => facts.direct.push(anomaly),
            Some(doubt) => {
                facts.counts.remove(&(anomaly.class, anomaly.variant));
                facts.ambiguous = Some(format!("{}: {doubt} {BUG}", anomaly.name()));
            }
        }
    }
}

/// The levels that need the order of versions where it is not known: a search for one. An order of transactions if it keeps real time.
fn unordered(
    transactions: &Transactions,
    facts: &mut Facts,
    data: &solve::Data,
    undecided: &mut Vec<(Class, Variant, String)>,
    options: &Options,
) -> Option<Vec<u32>> {
    let broken = |level: &Level| facts.counts.keys().any(|(class, variant)| level.forbids(*class, *variant));
    let levels: Vec<&'static Level> = LEVELS.iter().filter(|level| !broken(level)).collect();
    let effort = solve::Effort { steps: options.budget as u64 * STEPS, limit: options.limit.clone() };
    let decided = solve::decide(transactions, data, &levels, &effort);
    for (form, variant, anomaly) in decided.broken {
        facts.counts.insert((form.class(), variant), 1);
        facts.direct.push(anomaly);
    }
    undecided.extend(decided.unknown);
    decided.order
}

/// Steps of a search for an order of versions, for each unit of [`Options::budget`]: seconds rather than minutes by default.
const STEPS: u64 = 1000;

/// What was not decided.
#[derive(Default)]
struct Undecided {
    classes: Vec<(Class, Variant, String)>,
    /// Whether the data leaves the order of some versions open.
    open: bool,
}

fn note_cycle(transactions: &Transactions, facts: &mut Facts, found: cycles::Found) {
    if facts.counts.insert((found.class, found.variant), 1).is_none() {
        facts.direct.push(explain::explain(transactions, found));
    }
}

/// Causal consistency; and if it does not hold, read atomic and read committed (of lists: monotonic atomic view).
fn weak_levels(
    transactions: &Transactions,
    facts: &mut Facts,
    reads: &weak::Reads,
    undecided: &mut Vec<(Class, Variant, String)>,
    (lists, limit): (bool, &Limit),
) {
    use weak::Weak::{Causal, ReadAtomic, ReadCommitted};
    let known: Vec<Edge> = facts.edges.iter().copied().filter(|edge| lists && edge.kind() == EdgeKind::Ww).collect();
    // Of lists, the order of processes makes a variant of its own.
    let alone = lists.then(|| reads.without_sessions());
    let alone = alone.as_ref().unwrap_or(reads);
    let causal = if lists { Variant::Process } else { Variant::Plain };
    let vanished = if lists { Class::VanishedTransaction } else { Class::G1c };
    for (reads, level, class, variant) in [
        (reads, Causal, Class::StaleCausal, causal),
        (alone, ReadAtomic, Class::FracturedRead, Variant::Plain),
        (alone, ReadCommitted, vanished, Variant::Plain),
    ] {
        if let Some(reason) = limit.exceeded() {
            undecided.push((class, variant, format!("{reason} before this level was decided")));
            continue;
        }
        match weak::violation(reads, level, &known) {
            Some(cycle) => note_cycle(transactions, facts, cycles::Found { class, variant, cycle }),
            None => return, // The others ask for less.
        }
    }
}

/// Histories without intervals need the order of each process as edges; real time contains it elsewhere.
fn ordered(transactions: &Transactions, facts: &Facts) -> Result<Vec<u32>, Vec<bool>> {
    if transactions.timed {
        return graph::order(transactions, &facts.live, &facts.edges);
    }
    let mut edges = facts.edges.clone();
    let mut last = BTreeMap::new();
    for t in (0..transactions.len() as u32).filter(|t| facts.live[*t as usize]) {
        let before = last.insert(transactions.process[t as usize], t);
        edges.extend(before.map(|before| Edge::new(EdgeKind::So, before, t, 0)));
    }
    graph::order(transactions, &facts.live, &edges)
}

fn report(transactions: &Transactions, facts: Facts, undecided: Undecided, order: Option<Vec<u32>>) -> TxnReport {
    let mut anomalies = facts.direct;
    anomalies.sort_by_key(|anomaly| (anomaly.class, anomaly.variant));
    let broken: Vec<(Class, Variant)> = facts.counts.keys().copied().collect();
    let decide = |level: &'static Level| {
        if broken.iter().any(|(class, variant)| level.forbids(*class, *variant)) {
            return Verdict::Invalid;
        }
        if let Some(reason) = &facts.ambiguous {
            return Verdict::unknown(reason.clone());
        }
        match undecided.classes.iter().find(|(class, variant, _)| level.forbids(*class, *variant)) {
            Some((.., reason)) => Verdict::unknown(reason.clone()),
            None => Verdict::Valid,
        }
    };
    let mut levels: Vec<(&'static Level, Verdict)> = LEVELS.iter().map(|level| (level, decide(level))).collect();
    if undecided.open {
        doubt::searched(&mut levels);
    }
    doubt::unrecorded(transactions, &mut levels);
    let name =
        |(class, variant)| TxnAnomaly { class, variant, story: vec![], transactions: vec![], cycle: vec![] }.name();
    let counts = facts.counts.iter().map(|(what, count)| (name(*what), *count)).collect();
    let clean = broken.is_empty();
    TxnReport { levels, anomalies, counts, transactions: transactions.len(), order: order.filter(|_| clean) }
}

/// Whether any transaction works on lists, rather than registers.
pub fn is_list_append(transactions: &Transactions) -> bool {
    transactions.ops.iter().any(|op| matches!(op.kind, Kind::Append | Kind::ReadList))
}
