//! Faults placed by what an actor does, not by the clock.
//!
//! Two rare things that must coincide (a crash, and a window of a few milliseconds after one write of one server) hardly ever do when
//! both are placed by the clock. A [`Trigger`] makes the coincidence one event with a probability of its own: *when* an actor does
//! something, *what* befalls it. What an actor does is read from outside, from the inputs it takes, the writes it makes and what it
//! shows ([`proto::Actor::standing`], [`proto::Actor::features`]), so that a trigger knows no protocol.
//!
//! What a trigger does is an [`Act`] at an instant like any other, so a script of acts repeats it without the trigger.

use std::ops::Range;
use std::time::Duration;

use base::{NodeId, Time, mix};
use proto::TimerId;
use serde::{Deserialize, Serialize};

use crate::act::{Act, Pairs};
use crate::choices::Stream;
use crate::core::{Core, Person};
use crate::event::Who;
use crate::network::between;
use crate::world::World;

/// What befalls a server when it does something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// What it does.
    pub when: Moment,
    /// Of eight looks that such moments have (which role was taken, which message came, ...), in the order in which they first were, the one
    /// that counts, from 1; 0 for all.
    pub focus: u8,
    /// Whether it strikes the more seldom, the more often a moment of the same look has been: what happens all the time befalls a
    /// server no more often than what happens now and then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rare: bool,
    /// What befalls it.
    pub what: Blow,
    /// With which probability.
    pub chance: f64,
    /// At once in half of the cases; up to so much later in the others.
    pub delay: Duration,
    /// How long it lasts (from, to).
    pub lasts: (Duration, Duration),
}

/// Something that an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    /// It wrote something durable: its messages that need not wait are out, the write is not on disk.
    Wrote,
    /// It wrote several things in one step.
    WroteMore,
    /// Its writes have reached the disk, and nobody was told.
    Synced,
    /// Its abstract state changed.
    Turned,
    /// Its role or epoch changed.
    Epoch,
    /// It took a role that no other server has in its epoch or a later one.
    Alone,
    /// A timer of it is about to fire.
    Timer,
    /// It took any input; what counts is what that did to it.
    Step,
    /// It took any input; what counts is the kind of input.
    Heard,
    /// It sends a message to another server; what counts is the kind of message.
    Said,
}

/// What befalls a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blow {
    /// It crashes.
    Crash,
    /// It crashes, and of its unsynced writes just the first ones reach the disk.
    CrashBetween,
    /// It crashes in the middle of what it says: that message, and what it would have said in the same step after it, goes nowhere.
    Choke,
    /// Its disk is slow.
    SlowDisk,
    /// It is paused.
    Pause,
    /// It is cut off, in both directions or one.
    Isolate,
    /// It and one other server are cut off from each other, and from nobody else.
    Part,
    /// Servers fall apart into two groups; those that the last such blow parted are together again.
    Regroup,
    /// It is cut off in what it says, while what is said to it takes long.
    Deafen,
    /// The clocks of all others run fast.
    Outrun,
    /// What is said to it comes later and later; when it has got used to that, what it says is lost, and the clocks of all others run fast:
    /// it goes on hearing of the past, while the others go on without it.
    Usurp,
    /// Another server crashes.
    CrashOther,
    /// All servers crash, as when the power of a building fails.
    CrashAll,
    /// Its timer fires late, in the same instant as another server's.
    Tie,
    /// An old message comes to it again.
    Replay,
    /// Many old messages come to it again.
    Echo,
    /// Whoever has nothing under way asks it for something, now.
    Ask,
    /// An operator who has nothing under way asks it for something, now.
    Administer,
    /// What it says is held back, of one kind of messages.
    Hold,
    /// Whatever is held back comes.
    Release,
}

/// How much faster the clocks of the others run, in millionths.
const FAST: i32 = 2_000_000;

/// How many old messages come at once.
const ECHO: u32 = 8;

/// So many times as long a slow disk takes.
const SLOW: u32 = 8;

/// So many times of a look are rare.
const RARE: u32 = 3;

/// A server that hears of the past: what was planned for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usurped {
    /// Which of the storm's reliefs.
    plan: Range<usize>,
    /// The links on which it hears.
    delayed: Pairs,
    /// When what it says begins to be lost.
    cut: Time,
    /// When it is all over.
    over: Time,
}

/// What a server showed after its last step, to see what changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    features: u64,
    /// Role and epoch.
    standing: (&'static str, u64),
}

/// A server's step, as seen from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Stands for the kind of input.
    pub(crate) input: u32,
    /// The abstract state after it.
    pub(crate) features: u64,
    /// How many things it wrote.
    pub(crate) writes: u32,
}

impl Core {
    /// Whether anybody wants to know what servers do.
    #[inline]
    pub(crate) fn watches(&self) -> bool {
        self.storm.has_triggers() || self.options.coverage
    }

    /// A server took a step.
    pub(crate) fn watch(&mut self, who: Who, seen: Seen, standing: impl FnOnce() -> (&'static str, u64)) {
        let looks = &mut self.people[who.index()].looks;
        let before = std::mem::replace(&mut looks.features, seen.features);
        let edge = mix(mix(u64::from(seen.input), before), seen.features);
        if self.options.coverage {
            self.trace.covers(edge, self.now);
        }
        let turned = before != seen.features;
        // An epoch is promised to somebody, so it changes with a write.
        if turned || seen.writes > 0 {
            self.look_for_epoch(who, standing());
        }
        if !self.storm.has_triggers() {
            return;
        }
        self.moment(who, Moment::Step, edge);
        self.moment(who, Moment::Heard, u64::from(seen.input));
        if seen.writes > 0 {
            self.moment(who, Moment::Wrote, u64::from(seen.input));
        }
        if seen.writes > 1 {
            self.moment(who, Moment::WroteMore, u64::from(seen.input));
        }
        if turned {
            self.moment(who, Moment::Turned, mix(before, seen.features));
        }
    }

    fn look_for_epoch(&mut self, who: Who, now: (&'static str, u64)) {
        let looks = &mut self.people[who.index()].looks;
        let (role, epoch) = std::mem::replace(&mut looks.standing, now);
        let same_role = is_same(role, now.0);
        if !same_role || epoch != now.1 {
            if self.options.coverage {
                let shape = self.shape();
                self.trace.covers(shape, self.now);
            }
            self.moment(who, Moment::Epoch, mix(word(role), word(now.0)));
        }
        let like = |other: &&Person| is_same(other.looks.standing.0, now.0) && other.looks.standing.1 >= now.1;
        if !same_role && self.people[..self.servers].iter().filter(like).count() == 1 {
            self.moment(who, Moment::Alone, word(now.0));
        }
    }

    /// A number for who has which role, in the latest epoch or an earlier one, whichever servers they are.
    fn shape(&self) -> u64 {
        let servers = &self.people[..self.servers];
        let latest = servers.iter().map(|server| server.looks.standing.1).max().unwrap_or(0);
        let of_one = |server: &Person| {
            let (role, epoch) = server.looks.standing;
            let age = latest - epoch;
            mix(word(role), age.min(2) << 1 | u64::from(server.up))
        };
        servers.iter().fold(self.servers as u64, |sum, server| sum.wrapping_add(of_one(server)))
    }

    /// A server sends a message to another. Says whether it cannot finish.
    #[inline]
    pub(crate) fn says(&mut self, from: Who, to: Who, kind: &'static str) -> bool {
        let listens = self.storm.triggers().iter().any(|trigger| trigger.when == Moment::Said);
        if listens && from.index().max(to.index()) < self.servers {
            self.moment(from, Moment::Said, word(kind));
        }
        self.storm.choked == Some((from, self.now))
    }

    /// Something happened that triggers may be set on.
    fn moment(&mut self, who: Who, when: Moment, look: u64) {
        for index in 0..self.storm.triggers().len() {
            if let Some(mut after) = self.pull(index, when, look) {
                if when == Moment::Said && self.storm.triggers()[index].what == Blow::Choke {
                    (self.storm.choked, after) = (Some((who, self.now)), Duration::ZERO);
                }
                // A nanosecond later: acts happen between events, and a script must find the same gap.
                self.queue.push(self.now + after + Duration::from_nanos(1), self.storm.trip(who, index));
            }
        }
    }

    /// Whether a trigger goes off, and how long after the moment it strikes.
    fn pull(&mut self, index: usize, when: Moment, look: u64) -> Option<Duration> {
        let trigger = self.storm.triggers().get(index)?;
        let &Trigger { focus, rare, delay, mut chance, .. } = trigger;
        if trigger.when != when || (focus > 0 && self.storm.number_of_look(index, look) != focus) {
            return None;
        }
        if rare {
            let before = self.storm.count_look(mix(look, index as u64));
            chance *= f64::from(RARE) / f64::from(RARE.max(before));
        }
        if !self.choices.flip(Stream::FAULTS, chance) {
            return None;
        }
        let later = !delay.is_zero() && self.choices.choose(Stream::FAULTS, 2) == 1;
        let after = if later { between(&mut self.choices, Stream::FAULTS, 0, delay.as_nanos() as u64) } else { 0 };
        Some(Duration::from_nanos(after))
    }

    /// A sync of so many writes has begun and will end then: a crash just before that is one after the writes and before the news.
    pub(crate) fn moment_of_sync(&mut self, who: Who, ends: Time) {
        for index in 0..self.storm.triggers().len() {
            if ends > self.now && self.pull(index, Moment::Synced, 0).is_some() {
                self.queue.push(Time(ends.0 - 1), self.storm.trip(who, index));
            }
        }
    }

    /// A timer is about to fire: until when it is held so that it ties with another server's, if it is.
    pub(crate) fn tie(&mut self, who: Who, timer: TimerId) -> Option<Time> {
        let index = self.storm.triggers().iter().position(|trigger| trigger.when == Moment::Timer)?;
        let within = self.storm.triggers()[index].lasts.1;
        self.pull(index, Moment::Timer, u64::from(timer.0))?;
        let others = (0..self.servers as u16).map(Who).filter(|other| *other != who && self.people[other.index()].up);
        let dues: Vec<Time> = others.filter_map(|other| self.timer_due(other, timer)).collect();
        let later = dues.into_iter().filter(|due| *due > self.now && *due <= self.now + within);
        let later: Vec<Time> = later.collect();
        (!later.is_empty()).then(|| later[self.choices.choose(Stream::FAULTS, later.len() as u32) as usize])
    }
}

impl World {
    /// A trigger that went off strikes.
    pub(crate) fn trip(&mut self, who: Who, trigger: u8) {
        let Some(Trigger { what, lasts, .. }) = self.core.storm.triggers().get(usize::from(trigger)).cloned() else {
            return;
        };
        if !self.is_up(NodeId(who.0)) {
            return;
        }
        if what == Blow::Usurp {
            return self.usurp(who.0, lasts);
        }
        for (act, relief) in self.blow(who, what) {
            if self.permits(&act) {
                self.act(act);
                relief.into_iter().for_each(|relief| self.relieve(relief, lasts));
            }
        }
    }

    /// In small steps: a gap would tell it that something is wrong. One at a time, since it takes calm all around; but who seemed to be alone in
    /// its role, and was not for long, is let go for another.
    fn usurp(&mut self, node: u16, (least, most): (Duration, Duration)) {
        let (now, begun) = (self.core.now, self.core.storm.usurped.clone());
        if now >= begun.cut && now < begun.over {
            return;
        }
        if now < begun.cut {
            begun.plan.for_each(|place| self.core.storm.reliefs[place] = Act::Mend(Vec::new()));
            self.act(Act::Mend(begun.delayed));
        }
        let first = self.core.storm.reliefs.len();
        let step = Duration::from_millis(20 << self.core.choices.choose(Stream::FAULTS, 3));
        let steps = 1 + self.core.choices.choose(Stream::FAULTS, 6);
        let others = NodeId::all(self.core.servers).map(|other| other.0).filter(|other| *other != node);
        let (to, from): (Pairs, Pairs) = others.map(|other| ((node, other), (other, node))).unzip();
        for late in 1..=steps {
            let after = step * (late - 1);
            self.relieve(Act::Delay(from.clone(), step * late, Duration::ZERO), (after, after));
        }
        let used_to_it = step * (steps + 1);
        self.relieve(Act::Cut(to.clone()), (used_to_it, used_to_it));
        // It lasts until all that was under way has come.
        let ends = used_to_it + step * steps;
        self.act(Act::Drift(node, 0));
        for (act, relief) in self.outrun(node) {
            self.relieve(act, (used_to_it, used_to_it));
            relief.into_iter().for_each(|relief| self.relieve(relief, (ends + least, ends + most)));
        }
        self.relieve(Act::Mend(from.clone()), (ends + least, ends + most));
        self.relieve(Act::Mend(to), (ends + least, ends + most));
        let plan = first..self.core.storm.reliefs.len();
        self.core.storm.usurped = Usurped { plan, delayed: from, cut: now + used_to_it, over: now + ends + most };
    }

    /// What a blow comes to: acts, and what ends each.
    fn blow(&mut self, who: Who, what: Blow) -> Vec<(Act, Option<Act>)> {
        let node = who.0;
        match what {
            Blow::Crash | Blow::CrashBetween | Blow::Choke if !self.may_crash(NodeId(node)) => Vec::new(),
            Blow::Crash | Blow::Choke => vec![(Act::Crash(node), Some(Act::Restart(node)))],
            Blow::SlowDisk => vec![(Act::SlowDisk(node, SLOW), Some(Act::SlowDisk(node, 1)))],
            Blow::CrashBetween => {
                let unsynced = self.core.people[who.index()].disk.unsynced() as u32;
                let kept = self.core.choices.choose(Stream::FAULTS, unsynced + 1);
                vec![(Act::CrashBetween(node, kept), Some(Act::Restart(node)))]
            }
            Blow::Pause => vec![(Act::Pause(node), Some(Act::Resume(node)))],
            Blow::Isolate => {
                let links = self.links_of_one(NodeId(node));
                vec![(Act::Cut(links.clone()), Some(Act::Mend(links)))]
            }
            Blow::Part => {
                let other = self.other_than(NodeId(node));
                let links = vec![(node, other.0), (other.0, node)];
                vec![(Act::Cut(links.clone()), Some(Act::Mend(links)))]
            }
            Blow::Regroup => self.regroup(node),
            Blow::Deafen => self.deafen(node),
            Blow::Outrun => self.outrun(node),
            Blow::Usurp => Vec::new(), // takes its time
            Blow::CrashOther => {
                let others = NodeId::all(self.core.servers).filter(|other| other.0 != node && self.may_crash(*other));
                let others: Vec<NodeId> = others.collect();
                let which = self.core.choices.choose(Stream::FAULTS, others.len() as u32) as usize;
                others.get(which).map(|other| (Act::Crash(other.0), Some(Act::Restart(other.0)))).into_iter().collect()
            }
            Blow::CrashAll => {
                let crash = |node: NodeId| (Act::Crash(node.0), Some(Act::Restart(node.0)));
                NodeId::all(self.core.servers).filter(|node| self.is_up(*node)).map(crash).collect()
            }
            Blow::Ask => vec![(Act::Ask(node), None)],
            Blow::Administer => vec![(Act::Administer(node), None)],
            Blow::Tie => Vec::new(), // strikes before the timer fires, not after
            Blow::Replay => {
                let which = self.core.choices.choose(Stream::FAULTS, 1 << 16);
                vec![(Act::Replay(self.core.links.remembered_for(who, which)), None)]
            }
            Blow::Echo => {
                let first = self.core.choices.choose(Stream::FAULTS, 1 << 16);
                let which = |place| self.core.links.remembered_for(who, first + ECHO * place);
                (0..ECHO).map(which).map(|which| (Act::Replay(which), None)).collect()
            }
            Blow::Hold => {
                let kinds = self.core.links.kinds().len() as u32;
                let kind = self.core.choices.choose(Stream::FAULTS, kinds) as usize;
                let kind = self.core.links.kinds().get(kind).map(|kind| (*kind).to_owned());
                kind.map(|kind| (Act::Hold(node, kind), Some(Act::Release(node)))).into_iter().collect()
            }
            Blow::Release => NodeId::all(self.core.servers).map(|node| (Act::Release(node.0), None)).collect(),
        }
    }

    /// Servers at random on its side, and all others.
    fn regroup(&mut self, node: u16) -> Vec<(Act, Option<Act>)> {
        let servers = self.core.servers as u16;
        let mut same = |other: u16| other == node || self.core.choices.choose(Stream::FAULTS, 2) == 1;
        let mut sides: (Vec<u16>, Vec<u16>) = (0..servers).partition(|other| same(*other));
        if sides.1.is_empty() {
            sides = sides.0.into_iter().partition(|other| *other == node);
        }
        let across = sides.0.iter().flat_map(|a| sides.1.iter().flat_map(|b| [(*a, *b), (*b, *a)]));
        let cut: Pairs = across.collect();
        let before = std::mem::replace(&mut self.core.storm.parted, cut.clone());
        vec![(Act::Mend(before), None), (Act::Cut(cut.clone()), Some(Act::Mend(cut)))]
    }

    /// The clocks of all others run fast, as far as the protocol must bear.
    fn outrun(&self, node: u16) -> Vec<(Act, Option<Act>)> {
        let fast = self.bearable_drift(FAST);
        let others = NodeId::all(self.core.servers).filter(|other| other.0 != node);
        others.map(|other| (Act::Drift(other.0, fast), Some(Act::Drift(other.0, 0)))).collect()
    }

    /// What it says goes nowhere, what is said to it comes late, some of it later than the rest: it goes on believing what was true.
    fn deafen(&mut self, node: u16) -> Vec<(Act, Option<Act>)> {
        let late = Duration::from_millis(25 << self.core.choices.choose(Stream::FAULTS, 5));
        let others = NodeId::all(self.core.servers).map(|other| other.0).filter(|other| *other != node);
        let (to, from): (Pairs, Pairs) = others.map(|other| ((node, other), (other, node))).unzip();
        vec![(Act::Delay(from.clone(), late, late), Some(Act::Mend(from))), (Act::Cut(to.clone()), Some(Act::Mend(to)))]
    }
}

/// Whether two words of the program are the same. Mostly they are one and the same, and the letters need not be looked at.
#[inline]
fn is_same(a: &'static str, b: &'static str) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// Which of eight groups a look is of, from 1.
pub(crate) fn focus_of(look: u64) -> u8 {
    (mix(look, 0) % 8) as u8 + 1
}

/// A number for a word.
pub(crate) fn word(text: &str) -> u64 {
    text.bytes().fold(0, |sum, byte| mix(sum, u64::from(byte)))
}
