//! Transactions that append to lists and read them, strictly serializable, while the load runs.
//!
//! Every so many completions the transactions that are kept are checked by [`crate::txn`]. If they are in order, that gives a serial
//! order of them that keeps real time, and its beginning can be cut off: whoever is still under way, or will come, was invoked after
//! everything in it had ended. What is left of it is the *base* of each list: its length and a hash. A read that
//! does not begin with the base is a contradiction; what follows the base is checked with the rest.
//!
//! Appends that nobody has read yet have an order only by real time. Those cut off become the *loose* end of the base, in the order found; if a
//! read shows another one later, the stream is undecided. A cut never divides loose appends to one list that may go either way round.
//!
//! An alarm comes with the next check after the completion that made it certain, and names that completion.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use base::{Fingerprint, Time};
use history::Outcome;
use history::txn::{Builder, Kind, Transactions};

use super::open::Open;
use super::{Alarm, Progress, Ticket};
use crate::txn::{TxnReport, check_transactions};
use crate::verdict::Verdict;

/// One step of a transaction, as it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Appends a value, unique in its list.
    Append {
        /// To which list.
        key: u32,
        /// What.
        value: i64,
    },
    /// Reads a whole list.
    Read {
        /// Which.
        key: u32,
    },
}

/// List-append transactions, told event by event.
#[derive(Debug)]
pub struct Appends {
    every: usize,
    open: Open<u64>,
    now: u64,
    /// Transactions that are not cut off, by the rank of their invocation.
    kept: BTreeMap<u64, Kept>,
    bases: HashMap<u32, Base, BuildHasherDefault<Fingerprint>>,
    /// Completions since the last check.
    fresh: Vec<u64>,
    /// How many transactions the last check left.
    rest: usize,
    /// What was under way at the last check was invoked from here on. What ended before can be cut off; later, so that appends
    /// have been read by then.
    watermark: u64,
    over: bool,
    progress: Progress,
}

/// A transaction.
#[derive(Debug)]
struct Kept {
    process: u32,
    steps: Vec<Step>,
    /// Rank, time and outcome of its end.
    ended: Option<(u64, u64, Outcome)>,
    /// What its reads returned: how much was cut off in front, and the rest.
    lists: Vec<(usize, Vec<i64>)>,
}

/// The part of a list that all transactions cut off have written.
#[derive(Debug, Default)]
struct Base {
    length: usize,
    hash: Fingerprint,
    loose: Vec<i64>,
}

/// Most transactions that are kept.
const MOST: usize = 200_000;
const NEVER: u64 = u64::MAX;

/// Whose append an element is: key and value.
type Element = (u32, i64);

impl Default for Appends {
    fn default() -> Self {
        Appends::new(512)
    }
}

impl Appends {
    /// Empty lists. They are checked after so many completions, or half as many as had to be kept, if that is more.
    pub fn new(every: usize) -> Appends {
        Appends {
            every,
            open: Open::new(),
            now: 0,
            kept: BTreeMap::new(),
            bases: HashMap::default(),
            fresh: Vec::new(),
            rest: 0,
            watermark: 0,
            over: false,
            progress: Progress::default(),
        }
    }

    /// A transaction is invoked.
    pub fn invoke(&mut self, process: u32, steps: &[Step]) -> Ticket {
        self.now += 1;
        if !self.over {
            let kept = Kept { process, steps: steps.to_vec(), ended: None, lists: Vec::new() };
            self.kept.insert(self.now, kept);
        }
        self.open.begin(self.now, self.now)
    }

    /// A transaction ends at `at`, with what its reads returned, in order. Returns the first contradiction, of this completion or an earlier one; its
    /// key says nothing.
    pub fn complete(&mut self, ticket: Ticket, outcome: Outcome, lists: &[&[i64]], at: u64) -> Option<Alarm> {
        let (invoked, _) = self.open.end(ticket)?;
        self.now += 1;
        self.progress.checked += 1;
        let kept = self.kept.get_mut(&invoked).filter(|_| !self.over)?;
        kept.ended = Some((self.now, at, outcome));
        self.fresh.push(self.now);
        let misread = if outcome == Outcome::Ok { self.read(invoked, lists) } else { Ok(()) };
        match misread {
            Err(Some(because)) => self.check().or_else(|| self.alarm(at, "stale or divergent read", because)),
            Err(None) => {
                self.give_up("appends that nobody read for long were seen in another order than the one found".into());
                None
            }
            Ok(()) if self.fresh.len() >= self.every.max(self.rest / 2) => self.check(),
            Ok(()) => None,
        }
    }

    /// Nothing more comes: checks what was not checked yet.
    pub fn finish(&mut self) -> Option<Alarm> {
        if self.over {
            return None;
        }
        let found = self.check();
        if let (false, Verdict::Unknown { reason }) = (self.over, verdict(&self.judge(NEVER))) {
            self.give_up(reason);
        }
        found
    }

    /// What is known so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many entries are kept: operations under way, transactions, and lists.
    pub fn entries(&self) -> usize {
        self.open.len() + self.kept.len() + self.bases.len()
    }

    fn alarm(&mut self, at: u64, title: &'static str, because: String) -> Option<Alarm> {
        self.leave();
        self.progress.broken += 1;
        Some(Alarm { at, key: 0, title, because })
    }

    fn give_up(&mut self, reason: String) {
        self.leave();
        self.progress.give_up(|| reason);
    }

    fn leave(&mut self) {
        self.over = true;
        self.kept.clear();
        self.bases.clear();
    }

    /// Cuts off what the base says of the lists that were read. The error is the reason; `None`: it cannot be decided.
    fn read(&mut self, invoked: u64, lists: &[&[i64]]) -> Result<(), Option<String>> {
        let Some(kept) = self.kept.get_mut(&invoked) else { return Ok(()) };
        let reads = kept.steps.iter().filter_map(|step| match step {
            Step::Read { key } => Some(*key),
            Step::Append { .. } => None,
        });
        for (key, list) in reads.zip(lists) {
            let skip = match self.bases.get_mut(&key) {
                Some(base) => base.cut(key, list)?,
                None => 0,
            };
            kept.lists.push((skip, list[skip..].to_vec()));
        }
        Ok(())
    }

    /// Checks all that is kept, and cuts off what can be.
    fn check(&mut self) -> Option<Alarm> {
        let report = self.judge(NEVER);
        match verdict(&report) {
            Verdict::Invalid => return self.first_wrong(),
            Verdict::Valid => {
                if let Some(order) = &report.order {
                    self.cut(order);
                }
            }
            Verdict::Unknown { .. } => {}
        }
        self.watermark = self.open.watermark(self.now);
        self.fresh.clear();
        self.rest = self.kept.len();
        if self.kept.len() > MOST {
            self.give_up(format!("more than {MOST} transactions must be kept"));
        }
        None
    }

    /// The completion that makes it wrong: everything before is not.
    fn first_wrong(&mut self) -> Option<Alarm> {
        let wrong = |rank: &u64| verdict(&self.judge(*rank)) == Verdict::Invalid;
        let first = self.fresh.partition_point(|rank| !wrong(rank)).min(self.fresh.len() - 1);
        let rank = self.fresh[first];
        let at = self.kept.values().find_map(|kept| kept.ended.filter(|(ended, ..)| *ended == rank)).map_or(0, |e| e.1);
        let report = self.judge(rank);
        let why = crate::txn::Level::find(LEVEL).and_then(|level| report.why(level));
        let because = why.map_or_else(String::new, |found| format!("{}: {}", found.name(), found.story.join("; ")));
        self.alarm(at, "not strictly serializable", because)
    }

    /// What is known of the transactions kept, after the event of this rank.
    fn judge(&self, rank: u64) -> TxnReport {
        check_transactions(&self.transactions(rank))
    }

    fn transactions(&self, rank: u64) -> Transactions {
        let mut builder = Builder::new(true);
        for (&invoked, kept) in self.kept.range(..rank) {
            let ended = kept.ended.filter(|(ended, ..)| *ended <= rank);
            let (end, _, outcome) = ended.unwrap_or((0, 0, Outcome::Info));
            builder.begin(kept.process, invoked, Time(invoked));
            let mut lists = kept.lists.iter();
            for step in &kept.steps {
                match *step {
                    Step::Append { key, value } => {
                        let key = builder.key(&key.to_string());
                        let version = builder.version(key, value);
                        builder.append(version);
                    }
                    Step::Read { key: list } => {
                        let key = builder.key(&list.to_string());
                        match lists.next().filter(|_| outcome == Outcome::Ok) {
                            Some((skipped, rest)) => {
                                let more = self.bases.get(&list).map_or(0, Base::total).saturating_sub(*skipped);
                                let rest = rest.get(more..).unwrap_or(&[]);
                                let rest: Vec<u32> = rest.iter().map(|value| builder.version(key, *value)).collect();
                                builder.read_list(key, &rest);
                            }
                            None => builder.unread(Kind::ReadList, key),
                        }
                    }
                }
            }
            builder.end(end, Time(end), outcome);
        }
        builder.finish().unwrap_or_default()
    }

    /// Cuts off the beginning of a serial order.
    fn cut(&mut self, order: &[u32]) {
        let ranks: Vec<u64> = self.kept.keys().copied().collect();
        let seen = self.seen();
        let before = |rank: &u64| self.certain(*rank, &seen) < self.watermark;
        let order: Vec<u64> = order.iter().map(|at| ranks[*at as usize]).take_while(before).collect();
        let part = self.undivided(&order, &seen);
        for rank in &order[..part] {
            let Some(kept) = self.kept.remove(rank) else { continue };
            for (key, value) in kept.appends() {
                let base = self.bases.entry(key).or_default();
                match seen.contains_key(&(key, value)) {
                    true => base.extend(value),
                    false => base.loose.push(value),
                }
            }
        }
        let watermark = self.watermark;
        self.kept.retain(|_, kept| !matches!(kept.ended, Some((end, _, Outcome::Fail)) if end < watermark));
    }

    /// The elements that reads have seen, and the first end of such a read.
    fn seen(&self) -> HashMap<Element, u64, BuildHasherDefault<Fingerprint>> {
        let mut seen: HashMap<Element, u64, BuildHasherDefault<Fingerprint>> = HashMap::default();
        for kept in self.kept.values() {
            let Some((end, ..)) = kept.ended else { continue };
            let reads = kept.steps.iter().filter_map(|step| match step {
                Step::Read { key } => Some(*key),
                Step::Append { .. } => None,
            });
            for (key, (_, rest)) in reads.zip(&kept.lists) {
                for value in rest {
                    let first = seen.entry((key, *value)).or_insert(end);
                    *first = end.min(*first);
                }
            }
        }
        seen
    }

    /// When a transaction had certainly happened: its own end, or that of a read of what it appended.
    fn certain(&self, rank: u64, seen: &HashMap<Element, u64, BuildHasherDefault<Fingerprint>>) -> u64 {
        let kept = &self.kept[&rank];
        match kept.ended {
            Some((end, _, Outcome::Ok)) => end,
            _ => kept.appends().filter_map(|element| seen.get(&element).copied()).min().unwrap_or(NEVER),
        }
    }

    /// How much of an order can be cut off: no append that nobody read may stay behind which could come before one that goes.
    fn undivided(&self, order: &[u64], seen: &HashMap<Element, u64, BuildHasherDefault<Fingerprint>>) -> usize {
        let mut part = order.len();
        loop {
            let gone: std::collections::BTreeSet<u64> = order[..part].iter().copied().collect();
            let mut first: BTreeMap<u32, u64> = BTreeMap::new();
            let stays =
                |rank: &u64, kept: &Kept| !gone.contains(rank) && matches!(kept.ended, None | Some((.., Outcome::Ok)));
            for (rank, kept) in self.kept.iter().filter(|(rank, kept)| stays(rank, kept)) {
                for (key, _) in kept.appends().filter(|element| !seen.contains_key(element)) {
                    first.entry(key).or_insert(*rank);
                }
            }
            let divided = |rank: &u64| {
                let unread = |element: &Element| !seen.contains_key(element);
                let late = |(key, _): Element| first.get(&key).is_some_and(|f| *f < self.certain(*rank, seen));
                self.kept[rank].appends().filter(unread).any(late)
            };
            match order[..part].iter().position(divided) {
                Some(place) => part = place,
                None => return part,
            }
        }
    }
}

/// The level that is promised.
const LEVEL: &str = "strict-serializable";

fn verdict(report: &TxnReport) -> Verdict {
    report.verdict(LEVEL)
}

impl Kept {
    fn appends(&self) -> impl Iterator<Item = Element> + '_ {
        self.steps.iter().filter_map(|step| match step {
            Step::Append { key, value } => Some((*key, *value)),
            Step::Read { .. } => None,
        })
    }
}

impl Base {
    fn total(&self) -> usize {
        self.length + self.loose.len()
    }

    fn extend(&mut self, value: i64) {
        self.length += 1;
        self.hash.write_u64(value as u64);
    }

    /// How much of a list that was read is the base. The error is the reason why it does not begin with that; `None`: it may.
    fn cut(&mut self, key: u32, list: &[i64]) -> Result<usize, Option<String>> {
        let mut hash = Fingerprint::default();
        list.iter().take(self.length).for_each(|value| hash.write_u64(*value as u64));
        if list.len() < self.length || hash != self.hash {
            let because = format!("a read of {key} does not begin with what the list certainly held before");
            return Err(Some(because));
        }
        let rest = &list[self.length..];
        if rest.starts_with(&self.loose) {
            std::mem::take(&mut self.loose).into_iter().for_each(|value| self.extend(value));
            return Ok(self.length);
        }
        match self.loose.iter().find(|value| !rest.contains(value)) {
            Some(lost) => Err(Some(format!("a read of {key} does not see {lost}, which was acknowledged before"))),
            None => Err(None),
        }
    }
}
