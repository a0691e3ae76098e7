//! An order that is guessed and mended: a proof in near-linear time for nearly every history that has one. That none is found says nothing.
//!
//! Everything runs as late as it may: when it completes, or when something that must run needs it. To run, a transaction needs the versions
//! that it reads, and to overwrite a version, everyone who reads that one must have run. Of two writers that may run, one comes
//! first if it completes before somebody is invoked who reads the other one's version. Where this leads nowhere, somebody cannot run that
//! must, because a version is there too early: its writer is put behind, and the run goes back to where that one ran. In real
//! time that is a few transactions ago.
//!
//! Without real time (or where it need not be kept) completions say in which order to try, and nothing must have been invoked.

use std::collections::BTreeMap;

use history::Outcome;
use history::txn::{NEVER, Transactions};

use super::form::Form;
use super::problem::{Data, times};
use crate::limit::Limit;
use crate::txn::anomaly::Variant;
use crate::txn::graph::Adjacency;
use crate::txn::weak::NOBODY;

const NONE: u32 = u32::MAX;
/// Needs of needs that are followed.
const DEPTH: usize = 1000;
/// Steps for each transaction before it is given up.
const STEPS: usize = 16;

/// Starts (`2 t`) and commits (`2 t + 1`) in an order of this form, if it was found; of registers only.
pub fn schedule(
    transactions: &Transactions,
    data: &Data,
    form: Form,
    variant: Variant,
    limit: &Limit,
) -> Option<Vec<u32>> {
    if !data.edges.is_empty() || form == Form::Parallel {
        return None;
    }
    let steps = Greedy::new(transactions, data, form, variant).run(limit)?;
    match form.split() {
        true => Some(steps),
        false => Some(steps.into_iter().flat_map(|commit| [commit - 1, commit]).collect()),
    }
}

/// Why a step cannot be made: of one of these pairs the first must commit before the second, or nobody knows.
type Stuck = Vec<(u32, u32)>;

/// What must be done first; and if that cannot be, who is there too early.
struct Obstacle {
    step: u32,
    early: u32,
    /// It is only a guess.
    guess: bool,
}

impl Obstacle {
    fn of(step: u32) -> Option<Obstacle> {
        Some(Obstacle { step, early: NOBODY, guess: false })
    }
}

struct Greedy<'a> {
    transactions: &'a Transactions,
    data: &'a Data,
    form: Form,
    /// Whether real time must be kept.
    hard: bool,
    /// The one before in the process, if that order must be kept and real time does not contain it.
    previous: Vec<u32>,
    /// Slots are versions: places in [`Data::writes`], and after them a slot for the initial version of every key.
    written: Adjacency,
    read: Adjacency,
    readers: Adjacency,
    /// By slot: readers that have not started, where to look for the first, and the last invocation of any.
    left: Vec<u32>,
    front: Vec<u32>,
    last_invoked: Vec<u32>,
    /// By key: the slot it holds, who started and will write it, and the slots of writers that were invoked and have not committed.
    current: Vec<u32>,
    holder: Vec<u32>,
    open: Vec<Vec<u32>>,
    /// By step.
    done: Vec<bool>,
    busy: Vec<bool>,
    /// Who must commit before a transaction does, as was found out.
    before: BTreeMap<u32, Vec<u32>>,
    /// Where there were several ways to mend: the pair that was chosen, and those that are left to try.
    choices: Vec<(Option<(u32, u32)>, Stuck)>,
    /// Steps and the event at which each was made; the slots that commits replaced.
    log: Vec<(u32, usize)>,
    replaced: Vec<u32>,
    cursor: usize,
    now: u32,
    steps: usize,
}

impl<'a> Greedy<'a> {
    fn new(transactions: &'a Transactions, data: &'a Data, form: Form, variant: Variant) -> Greedy<'a> {
        let (count, keys, versions) = (transactions.len(), transactions.keys.len(), data.writes.len() as u32);
        let reads = reads(data);
        let slots = versions as usize + keys;
        let pairs = data.writes.iter().zip(0u32..);
        let (mut left, mut last_invoked) = (vec![0; slots], vec![0; slots]);
        for (reader, slot) in &reads {
            left[*slot as usize] += 1;
            let last = &mut last_invoked[*slot as usize];
            *last = transactions.invoked[*reader as usize].max(*last);
        }
        let hard = variant == Variant::Realtime && transactions.timed;
        Greedy {
            transactions,
            data,
            form,
            hard,
            previous: if hard || variant == Variant::Plain { Vec::new() } else { previous(transactions, data) },
            written: Adjacency::new(count, pairs.map(|((_, writer), slot)| (*writer, slot))),
            read: Adjacency::new(count, reads.iter().copied()),
            readers: Adjacency::new(slots, reads.iter().map(|(reader, slot)| (*slot, *reader))),
            left,
            front: vec![0; slots],
            last_invoked,
            current: (versions..slots as u32).collect(),
            holder: vec![NONE; keys],
            open: vec![Vec::new(); keys],
            done: vec![false; count * 2],
            busy: vec![false; count * 2],
            before: BTreeMap::new(),
            choices: Vec::new(),
            log: Vec::with_capacity(data.members.len() * if form.split() { 2 } else { 1 }),
            replaced: Vec::with_capacity(data.writes.len()),
            cursor: 0,
            now: 0,
            steps: STEPS * (data.members.len() + 64),
        }
    }

    fn run(mut self, limit: &Limit) -> Option<Vec<u32>> {
        let (events, last) = self.events();
        let mut polled = 0u32;
        while let Some((now, t, completion)) = events.get(self.cursor).copied() {
            self.now = now;
            polled += 1;
            if polled.is_multiple_of(4096) && limit.exceeded().is_some() {
                return None;
            }
            if !completion {
                self.invoke(t);
                self.cursor += 1;
                continue;
            }
            match self.demand(t * 2 + 1, 0) {
                Err(stuck) if self.hard || self.cursor >= last => self.mend(stuck)?,
                _ => self.cursor += 1, // Who could not run is tried again at the end.
            }
        }
        Some(self.log.into_iter().map(|(step, _)| step).collect())
    }

    /// Place in time, transaction, whether it completes; in the end everyone completes, from the second of the answer on.
    fn events(&self) -> (Vec<(u32, u32, bool)>, usize) {
        let members = &self.data.members;
        let mut events: Vec<(u32, u32, bool)> = Vec::with_capacity(members.len() * 3);
        if self.transactions.timed {
            for t in members {
                events.push((self.transactions.invoked[*t as usize], *t, false));
                events.push((self.transactions.completed[*t as usize], *t, true));
            }
            events.retain(|(at, ..)| *at != NEVER);
            events.sort_unstable();
        } else {
            let mut order: Vec<(u64, u32)> =
                times(self.transactions, members).into_iter().zip(members.iter().copied()).collect();
            order.sort_unstable();
            events.extend(order.into_iter().map(|(_, t)| (0, t, true)));
        }
        let last = events.len();
        events.extend(members.iter().map(|t| (NEVER, *t, true)));
        (events, last)
    }

    fn invoke(&mut self, t: u32) {
        for at in self.written.range(t) {
            let slot = self.written.at(at).0;
            let key = self.key(slot);
            if !self.done[t as usize * 2 + 1] && !self.open[key].contains(&slot) {
                self.open[key].push(slot);
            }
        }
    }

    fn key(&self, slot: u32) -> usize {
        match self.data.writes.get(slot as usize) {
            Some((key, _)) => *key as usize,
            None => slot as usize - self.data.writes.len(),
        }
    }

    fn writer(&self, slot: u32) -> u32 {
        self.data.writes.get(slot as usize).map_or(NOBODY, |(_, writer)| *writer)
    }

    /// Makes a step, and before it whatever it needs.
    fn demand(&mut self, step: u32, depth: usize) -> Result<(), Stuck> {
        let step = if self.form.split() { step } else { step | 1 };
        if self.done[step as usize] {
            return Ok(());
        }
        let early = self.hard && self.transactions.invoked[step as usize / 2] > self.now;
        if early || self.busy[step as usize] || depth > DEPTH || self.steps == 0 {
            return Err(Stuck::new());
        }
        self.steps -= 1;
        self.busy[step as usize] = true;
        let cleared = self.clear(step, depth);
        self.busy[step as usize] = false;
        cleared?;
        self.make(step);
        Ok(())
    }

    fn clear(&mut self, step: u32, depth: usize) -> Result<(), Stuck> {
        let mut guessing = true;
        while let Some(obstacle) = self.obstacle(step, guessing) {
            if obstacle.step == NONE {
                return Err(Stuck::new());
            }
            match self.demand(obstacle.step, depth + 1) {
                Ok(()) => {}
                Err(_) if obstacle.guess => guessing = false,
                Err(mut stuck) => {
                    stuck.extend(Some((step / 2, obstacle.early)).filter(|(_, early)| *early != NOBODY));
                    return Err(stuck);
                }
            }
        }
        Ok(())
    }

    /// What a step must wait for.
    fn obstacle(&mut self, step: u32, guessing: bool) -> Option<Obstacle> {
        let (t, commits, split) = (step / 2, step % 2 == 1, self.form.split());
        if split && commits && !self.done[step as usize - 1] {
            return Obstacle::of(step - 1);
        }
        if !(split && commits) {
            let start = self.before_start(t);
            if start.is_some() {
                return start;
            }
        }
        // Of two writers of a key, one must have committed before the other starts.
        if commits || self.form == Form::Snapshot {
            let known = self.before.get(&t).and_then(|known| known.iter().find(|p| !self.done[**p as usize * 2 + 1]));
            if let Some(p) = known {
                return Obstacle::of(p * 2 + 1);
            }
        }
        if commits { self.before_commit(t, guessing) } else { None }
    }

    fn before_start(&self, t: u32) -> Option<Obstacle> {
        let committed = |t: u32| self.done[t as usize * 2 + 1];
        if let Some(previous) = self.previous.get(t as usize).filter(|p| **p != NONE && !committed(**p)) {
            return Obstacle::of(previous * 2 + 1);
        }
        if let Some(slot) = self.read.targets(t).find(|slot| self.current[self.key(*slot)] != *slot) {
            let writer = self.writer(slot);
            return Obstacle::of(if writer == NOBODY || committed(writer) { NONE } else { writer * 2 + 1 });
        }
        let mut holders = self.written.targets(t).map(|slot| self.holder[self.key(slot)]);
        let holder = holders.find(|holder| *holder != NONE && *holder != t);
        holder.and_then(|holder| Obstacle::of(holder * 2 + 1))
    }

    fn before_commit(&mut self, t: u32, guessing: bool) -> Option<Obstacle> {
        for at in self.written.range(t) {
            let slot = self.written.at(at).0;
            let key = self.key(slot);
            if let Some(reader) = self.waiting(self.current[key], t) {
                return Some(Obstacle { step: reader * 2, early: self.writer(self.current[key]), guess: false });
            }
            let mut writers = self.open[key].iter().map(|other| self.writer(*other)).filter(|other| *other != t);
            if let Some(other) = writers.find(|other| guessing && self.precedes(*other, slot)) {
                return Some(Obstacle { step: other * 2 + 1, early: NOBODY, guess: true });
            }
        }
        None
    }

    /// Whether a writer that was invoked completed before a reader of this other version was.
    fn precedes(&self, writer: u32, slot: u32) -> bool {
        let (invoked, completed) = (&self.transactions.invoked, &self.transactions.completed);
        invoked[writer as usize] <= self.now && completed[writer as usize] < self.last_invoked[slot as usize]
    }

    /// A reader of a version that has not started, other than `t`.
    fn waiting(&mut self, slot: u32, t: u32) -> Option<u32> {
        let range = self.readers.range(slot);
        let front = &mut self.front[slot as usize];
        while self.left[slot as usize] > 0 && self.done[self.readers.at(range.start + *front as usize).0 as usize * 2] {
            *front += 1;
        }
        if self.left[slot as usize] == 0 {
            return None;
        }
        let rest = range.start + *front as usize..range.end;
        rest.map(|at| self.readers.at(at).0).find(|reader| *reader != t && !self.done[*reader as usize * 2])
    }

    fn make(&mut self, step: u32) {
        let t = step / 2;
        self.log.push((step, self.cursor));
        if step.is_multiple_of(2) || !self.form.split() {
            self.done[t as usize * 2] = true;
            self.read.targets(t).for_each(|slot| self.left[slot as usize] -= 1);
            if self.form == Form::Snapshot {
                self.hold(t, t);
            }
        }
        if step % 2 == 1 {
            self.done[step as usize] = true;
            for at in self.written.range(t) {
                let slot = self.written.at(at).0;
                let key = self.key(slot);
                self.replaced.push(std::mem::replace(&mut self.current[key], slot));
                self.open[key].retain(|open| *open != slot);
            }
            if self.form == Form::Snapshot {
                self.hold(t, NONE);
            }
        }
    }

    fn hold(&mut self, t: u32, holder: u32) {
        for at in self.written.range(t) {
            let key = self.key(self.written.at(at).0);
            self.holder[key] = holder;
        }
    }

    /// Puts the first of these pairs in order that was not tried yet; if there is none, tries the next one where the last choice was.
    fn mend(&mut self, mut stuck: Stuck) -> Option<()> {
        stuck.retain(|(earlier, later)| earlier != later && !self.knows(*earlier, *later));
        stuck.reverse();
        self.choices.push((None, stuck));
        while self.steps > 0 {
            let (chosen, others) = self.choices.last_mut()?;
            if let Some((_, later)) = chosen.take() {
                self.before.entry(later).or_default().pop();
            }
            let Some((earlier, later)) = others.pop() else {
                self.choices.pop();
                continue;
            };
            *chosen = Some((earlier, later));
            self.before.entry(later).or_default().push(earlier);
            self.go_back(later);
            return Some(());
        }
        None
    }

    fn knows(&self, earlier: u32, later: u32) -> bool {
        self.before.get(&later).is_some_and(|known| known.contains(&earlier))
    }

    /// To before a transaction committed; where writers must not overlap: started.
    fn go_back(&mut self, later: u32) {
        let until = if self.form == Form::Snapshot { later * 2 } else { later * 2 + 1 };
        while self.done[until as usize] {
            let Some((step, cursor)) = self.log.pop() else { return };
            self.steps = self.steps.saturating_sub(1);
            self.unmake(step);
            self.cursor = cursor;
        }
    }

    fn unmake(&mut self, step: u32) {
        let t = step / 2;
        if step % 2 == 1 {
            self.done[step as usize] = false;
            for at in self.written.range(t).rev() {
                let slot = self.written.at(at).0;
                let key = self.key(slot);
                self.current[key] = self.replaced.pop().unwrap_or(NONE);
                self.open[key].push(slot);
            }
            if self.form == Form::Snapshot {
                self.hold(t, t);
            }
        }
        if step.is_multiple_of(2) || !self.form.split() {
            self.done[t as usize * 2] = false;
            for slot in self.read.targets(t) {
                self.left[slot as usize] += 1;
                self.front[slot as usize] = 0;
            }
            if self.form == Form::Snapshot {
                self.hold(t, NONE);
            }
        }
    }
}

/// Reader and slot of every read.
fn reads(data: &Data) -> Vec<(u32, u32)> {
    let mut slot = 0;
    let version = |(key, writer, reader): &(u32, u32, u32)| {
        while data.writes.get(slot).is_some_and(|written| *written < (*key, *writer)) {
            slot += 1;
        }
        let slot = if *writer == NOBODY { data.writes.len() + *key as usize } else { slot };
        (*reader, slot as u32)
    };
    data.reads.iter().map(version).collect()
}

/// The transaction of its process that precedes each.
fn previous(transactions: &Transactions, data: &Data) -> Vec<u32> {
    let mut previous = vec![NONE; transactions.len()];
    let mut last: BTreeMap<u32, u32> = BTreeMap::new();
    for t in &data.members {
        let process = transactions.process[*t as usize];
        previous[*t as usize] = last.get(&process).copied().unwrap_or(NONE);
        if transactions.outcome[*t as usize] == Outcome::Ok {
            last.insert(process, *t);
        }
    }
    previous
}
