//! What can befall a world, as data: random faults, scripts and shrinking speak of the same acts.
//!
//! An act does one thing at one instant. What a real testbed can do too (kill, pause, partition, delay, loss) is made through the same
//! [`LinkRule`]s and calls as a plan's faults; the rest is what only a simulated machine suffers: disks that fail, rot or are
//! emptied, clocks that drift and jump, messages that come again much later.

use std::time::Duration;

use base::{NodeId, Time};
use fault::LinkRule;
use proto::{Target, TimerId};
use serde::{Deserialize, Serialize};

use crate::core::Clock;
use crate::disk::Unsynced;
use crate::event::{Event, Who};
use crate::world::World;

/// Directed links: from, to.
pub type Pairs = Vec<(u16, u16)>;

/// One thing that a storm does. A storm is a list of these: what random faults did can be written down, edited and played again.
/// Servers are named by their place, from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A server loses power.
    Crash(u16),
    /// A server loses power; of its unsynced writes, just so many of the first have reached the disk.
    CrashBetween(u16, u32),
    /// It boots with what its disk kept.
    Restart(u16),
    /// Its process stops.
    Pause(u16),
    /// And goes on.
    Resume(u16),
    /// Links carry nothing.
    Cut(Pairs),
    /// Links take so much longer, give or take the second.
    Delay(Pairs, Duration, Duration),
    /// Links lose so many messages of a million.
    Lose(Pairs, u32),
    /// Links do again what they should.
    Mend(Pairs),
    /// An old message arrives again: one of those that the network remembers ([`Network::remembered`](crate::Network::remembered)),
    /// counted round.
    Replay(u32),
    /// What a server says is held back by the network, of one kind of messages.
    Hold(u16, String),
    /// What was held back of it comes.
    Release(u16),
    /// A timer of a server fires late: not before this instant (ns).
    Late(u16, u32, u64),
    /// The clocks of a server run faster by so many millionths.
    Drift(u16, i32),
    /// The wall clock of a server jumps ahead by so many nanoseconds, or back.
    Jump(u16, i64),
    /// The syncs of a server's disk take so many times as long; 1 is usual.
    SlowDisk(u16, u32),
    /// The next sync of a server's disk fails: its actor hears of it, and nothing more becomes durable in this life.
    FailDisk(u16),
    /// A server's disk is full: every sync fails.
    FillDisk(u16),
    /// It has room again; a server that stopped for want of it boots.
    FreeDisk(u16),
    /// Something that a server's disk holds durably, counted round, goes bad: see [`World::is_lost`].
    Rot(u16, u32),
    /// A server loses power, and its disk everything.
    Wipe(u16),
    /// A new machine with an empty disk takes the place and address of a server and boots.
    Replace(u16),
    /// A driven client that has nothing under way asks this server for its next operation.
    Ask(u16),
    /// An operator who has nothing under way asks this server for the next action.
    Administer(u16),
}

impl Act {
    /// The server that it befalls, if it is about one.
    pub fn server(&self) -> Option<u16> {
        match self.clone() {
            Act::Crash(node) | Act::Restart(node) | Act::Pause(node) | Act::Resume(node) => Some(node),
            Act::Drift(node, _) | Act::Jump(node, _) | Act::SlowDisk(node, _) | Act::FailDisk(node) => Some(node),
            Act::FillDisk(node) | Act::FreeDisk(node) | Act::Rot(node, _) | Act::Wipe(node) | Act::Replace(node) => {
                Some(node)
            }
            Act::CrashBetween(node, _) | Act::Hold(node, _) | Act::Release(node) | Act::Late(node, ..) => Some(node),
            Act::Ask(node) | Act::Administer(node) => Some(node),
            Act::Cut(_) | Act::Delay(..) | Act::Lose(..) | Act::Mend(_) | Act::Replay(_) => None,
        }
    }

    /// Whether the actor of its server can notice it by more than the order of its inputs.
    pub(crate) fn is_noticed(&self) -> bool {
        match self {
            Act::Crash(_) | Act::CrashBetween(..) | Act::Restart(_) | Act::Wipe(_) | Act::Replace(_) => true,
            Act::Drift(..) | Act::Jump(..) | Act::FailDisk(_) | Act::FillDisk(_) | Act::FreeDisk(_) | Act::Rot(..) => {
                true
            }
            Act::Pause(_) | Act::Resume(_) | Act::SlowDisk(..) | Act::Hold(..) | Act::Release(_) | Act::Late(..) => {
                false
            }
            Act::Cut(_) | Act::Delay(..) | Act::Lose(..) | Act::Mend(_) | Act::Replay(_) => false,
            Act::Ask(_) | Act::Administer(_) => false,
        }
    }

    /// Whether this ends what `fault` began.
    pub fn undoes(&self, fault: &Act) -> bool {
        match (self, fault) {
            (Act::Restart(a), Act::Crash(b) | Act::CrashBetween(b, _) | Act::Wipe(b) | Act::FailDisk(b)) => a == b,
            (Act::Release(a), Act::Hold(b, _)) => a == b,
            (Act::Resume(a), Act::Pause(b)) | (Act::FreeDisk(a), Act::FillDisk(b)) => a == b,
            (Act::Replace(a), Act::Rot(b, _)) => a == b,
            (Act::Mend(a), Act::Cut(b) | Act::Delay(b, ..) | Act::Lose(b, _)) => a == b,
            (Act::Drift(a, 0), Act::Drift(b, _)) | (Act::SlowDisk(a, 1), Act::SlowDisk(b, _)) => a == b,
            _ => false,
        }
    }
}

impl World {
    /// Does it now, and writes it down.
    pub fn act(&mut self, act: Act) {
        self.core.storm.done.push((self.core.now, act.clone()));
        self.perform(act);
    }

    pub(crate) fn act_out(&mut self, act: Act) {
        match act {
            Act::Crash(node) => self.crash(NodeId(node)),
            Act::Restart(node) => {
                self.core.people[usize::from(node)].disk.spare_next();
                self.restart(NodeId(node));
            }
            Act::CrashBetween(node, kept) => self.crash_between(NodeId(node), kept),
            Act::Pause(node) => self.pause(NodeId(node)),
            Act::Resume(node) => self.resume(NodeId(node)),
            Act::Cut(links) => self.rule(&links, LinkRule::CUT),
            Act::Delay(links, delay, jitter) => self.rule(&links, LinkRule { delay, jitter, ..LinkRule::CLEAR }),
            Act::Lose(links, ppm) => self.rule(&links, LinkRule { loss: f64::from(ppm) / 1e6, ..LinkRule::CLEAR }),
            Act::Mend(links) => self.rule(&links, LinkRule::CLEAR),
            Act::Replay(which) => self.replay_message(which),
            Act::Hold(node, kind) => self.hold(Who(node), kind),
            Act::Release(node) => self.release_held(Who(node)),
            Act::Late(node, timer, until) => self.core.delay_timer(Who(node), TimerId(timer), Time(until)),
            Act::Drift(node, ppm) => self.set_drift(NodeId(node), ppm),
            Act::Jump(node, nanos) => self.jump(NodeId(node), nanos),
            Act::SlowDisk(node, times) => self.slow_disk(NodeId(node), times),
            Act::FailDisk(node) => {
                self.core.people[usize::from(node)].disk.fail_next();
                self.tell(format!("the next sync of {} will fail", NodeId(node)));
            }
            Act::FillDisk(node) => self.fill_disk(NodeId(node), true),
            Act::FreeDisk(node) => self.fill_disk(NodeId(node), false),
            Act::Rot(node, place) => self.rot(NodeId(node), place),
            Act::Wipe(node) => {
                self.crash(NodeId(node));
                self.wipe(NodeId(node));
            }
            Act::Replace(node) => self.replace(NodeId(node)),
            Act::Ask(node) => self.ask(node, false),
            Act::Administer(node) => self.ask(node, true),
        }
    }

    fn crash_between(&mut self, node: NodeId, kept: u32) {
        let disk = &mut self.core.people[node.index()].disk;
        disk.persist(disk.unsynced().min(kept as usize));
        let usual = std::mem::replace(&mut self.core.options.disk.unsynced, Unsynced::Lost);
        self.crash(node);
        self.core.options.disk.unsynced = usual;
    }

    /// Somebody who has nothing under way asks this server, and nobody else first.
    fn ask(&mut self, node: u16, operator: bool) {
        let Some(client) = self.core.operations.idle(operator) else { return };
        if operator {
            let action = self.core.operations.next_action(client);
            action.map(|(action, _)| self.administer(client, action, Target::Node(NodeId(node))));
        } else if let Some((request, target)) = self.core.operations.next_request() {
            let target = match target {
                Target::Only(_) => Target::Only(NodeId(node)),
                Target::Leader | Target::Node(_) => Target::Node(NodeId(node)),
            };
            self.invoke(client, request, target);
        }
    }

    fn hold(&mut self, from: Who, kind: String) {
        self.tell(format!("{kind} of {} is held back", self.core.address(from)));
        self.core.storm.holds.push((from, kind));
    }

    /// What was held back of a server arrives now.
    pub(crate) fn release_held(&mut self, from: Who) {
        if !self.core.storm.holds.iter().any(|(other, _)| *other == from) {
            return;
        }
        self.tell(format!("what was held back of {} comes", self.core.address(from)));
        let storm = &mut self.core.storm;
        storm.holds.retain(|(other, _)| *other != from);
        let of_it = |event: &Event| matches!(event, Event::Deliver { from: sender, .. } if *sender == from);
        let (comes, stays) = std::mem::take(&mut storm.held).into_iter().partition(of_it);
        storm.held = stays;
        let comes: Vec<Event> = comes;
        for (place, event) in comes.into_iter().enumerate() {
            self.core.queue.push(self.core.now + Duration::from_nanos(1 + place as u64), event);
        }
    }

    fn rule(&mut self, links: &[(u16, u16)], rule: LinkRule) {
        if links.is_empty() {
            return;
        }
        for &(from, to) in links {
            self.core.links.set(Who(from), Who(to), (!rule.is_clear()).then_some(rule));
        }
        let what = if rule.is_clear() { "mend".into() } else { rule.to_string() };
        self.tell(format!("{what} {}", show_links(links)));
    }

    pub(crate) fn set_drift(&mut self, node: NodeId, drift_ppm: i32) {
        let clock = self.core.people[node.index()].clock;
        if clock.drift_ppm != drift_ppm {
            self.set_clock(node, Clock { drift_ppm, ..clock });
            self.tell(format!("the clock of {node} runs {} % fast", drift_ppm / 10_000));
        }
    }

    fn jump(&mut self, node: NodeId, nanos: i64) {
        let clock = self.core.people[node.index()].clock;
        self.set_clock(node, Clock { wall_offset_ns: clock.wall_offset_ns.saturating_add(nanos), ..clock });
        let way = if nanos < 0 { "back" } else { "ahead" };
        let span = base::units::show_duration(Duration::from_nanos(nanos.unsigned_abs()));
        self.tell(format!("the wall clock of {node} jumps {way} by {span}"));
    }

    pub(crate) fn slow_disk(&mut self, node: NodeId, times: u32) {
        let disk = &mut self.core.people[node.index()].disk;
        if disk.set_slowness(times) {
            let text = if times <= 1 { "is as fast as usual".into() } else { format!("is {times} times slower") };
            self.tell(format!("the disk of {node} {text}"));
        }
    }

    pub(crate) fn fill_disk(&mut self, node: NodeId, full: bool) {
        if !self.core.people[node.index()].disk.set_full(full) {
            return;
        }
        self.tell(format!("the disk of {node} {}", if full { "is full" } else { "has room again" }));
        if !full && self.halted(node).is_some() {
            self.restart(node);
        }
    }

    fn rot(&mut self, node: NodeId, place: u32) {
        if let Some(what) = self.core.people[node.index()].disk.rot(place) {
            self.tell(format!("on the disk of {node}, {what} goes bad"));
        }
    }

    fn replace(&mut self, node: NodeId) {
        self.crash(node);
        self.tell(format!("a new machine takes the place of {node}"));
        self.core.people[node.index()].disk.wipe();
        self.set_clock(node, Clock::default());
        self.restart(node);
    }

    /// Brings an old message once more, as if a switch had kept it.
    fn replay_message(&mut self, which: u32) {
        let Some((from, to, mail)) = self.core.links.remembered(which) else { return };
        let copy = self.cast.copy(mail);
        self.core.queue.push(self.core.now, Event::Deliver { from, to, mail: copy });
        self.core.leaves(from, to);
        self.tell(format!("an old message of {} to {} comes again", self.core.address(from), self.core.address(to)));
    }

    /// Whether something that the server had made durable is unreadable, so that it cannot boot (or could not, if it crashed now):
    /// the checksums of its log find it, and the runtime does not start a server with less than it promised to keep. Only
    /// another disk helps ([`Act::Replace`]), if the protocol can live with that ([`proto::Survives`]).
    pub fn is_lost(&self, node: NodeId) -> bool {
        self.core.people[node.index()].disk.is_rotten()
    }
}

/// The atlas of faults: what may still befall, given what did.
impl World {
    /// So much drift, or the most that the protocol must bear.
    pub(crate) fn bearable_drift(&self, ppm: i32) -> i32 {
        ppm.min(i32::try_from(self.cast.survives().drift_ppm).unwrap_or(i32::MAX))
    }

    /// Whether an act keeps the faults within what the protocol promises to survive. Counts every server that ever lost something durable,
    /// also one that has caught up since: nobody can see that from outside.
    pub fn permits(&self, act: &Act) -> bool {
        let survives = self.cast.survives();
        let damaged = |node: u16, also: fn(&Act) -> bool| {
            let mut nodes: Vec<u16> =
                self.core.storm.done.iter().filter(|(_, act)| also(act)).filter_map(|(_, act)| act.server()).collect();
            nodes.push(node);
            nodes.sort_unstable();
            nodes.dedup();
            nodes.len()
        };
        let forgets = |act: &Act| matches!(act, Act::Wipe(_) | Act::Replace(_));
        let damages = |act: &Act| matches!(act, Act::Wipe(_) | Act::Replace(_) | Act::Rot(..));
        match *act {
            Act::Wipe(node) | Act::Replace(node) => {
                damaged(node, forgets) <= survives.wiped && damaged(node, damages) <= survives.lost
            }
            Act::Rot(node, _) => damaged(node, damages) <= survives.lost,
            Act::Drift(_, ppm) => ppm.unsigned_abs() <= survives.drift_ppm,
            Act::Replay(_) => survives.replays,
            _ => true,
        }
    }
}

/// Links as a story tells them: both directions of a link once, as `n1 - n2`.
fn show_links(links: &[(u16, u16)]) -> String {
    let show = |&(from, to): &(u16, u16)| match links.contains(&(to, from)) {
        true if from < to => Some(format!("{} - {}", NodeId(from), NodeId(to))),
        true => None,
        false => Some(format!("{} -> {}", NodeId(from), NodeId(to))),
    };
    links.iter().filter_map(show).collect::<Vec<_>>().join(", ")
}
