//! Faults by the clock and by what a node does, and the two-phase trial: safety under faults, then progress without.

use std::time::Duration;

use base::{NodeId, Seed, Time};
use serde::{Deserialize, Serialize};

use crate::act::{Act, Pairs};
use crate::choices::Stream;
use crate::core::{Core, Violation};
use crate::event::{Event, Who};
use crate::network::between;
use crate::trace::Transcript;
use crate::trigger::{Blow, Moment, Trigger, Usurped, focus_of};
use crate::world::World;

/// Mean time between faults of a kind, and how long one lasts (from, to). A mean of zero means never.
pub type Rate = (Duration, (Duration, Duration));

/// Which faults strike, how often and for how long. What the protocol does not promise to survive is left out ([`World::permits`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultMix {
    /// Crashes, and how long a node stays down.
    pub crash: Rate,
    /// Partitions.
    pub partition: Rate,
    /// Pauses.
    pub pause: Rate,
    /// Spells in which the clocks of a server run three times as fast.
    pub drift: Rate,
    /// Jumps of a server's wall clock.
    pub jump: Rate,
    /// Spells in which links of a server, or one direction of them, are slow.
    pub slow_link: Rate,
    /// Spells in which they lose much.
    pub flaky_link: Rate,
    /// Old messages that come again.
    pub replay: Rate,
    /// Spells in which a server's disk is slow.
    pub slow_disk: Rate,
    /// Failing syncs, and how long the server that stops for it stays down.
    pub fail_disk: Rate,
    /// Full disks.
    pub fill_disk: Rate,
    /// Servers that lose their disk, and how long they stay down.
    pub wipe: Rate,
    /// Rot on a server's disk, and after how long the machine is replaced, if the protocol can live with that.
    pub rot: Rate,
    /// The share of steps with a write after which the node crashes, at once or within two syncs: before the write is
    /// durable, or after it. Finds lost promises far sooner than crashes by the clock.
    pub crash_after_write: f64,
    /// What befalls servers when they do something.
    pub triggers: Vec<Trigger>,
    /// Most nodes that are down at once.
    pub most_down: usize,
}

impl FaultMix {
    /// No faults: to be filled in.
    pub fn none() -> Self {
        let never = (Duration::ZERO, (Duration::ZERO, Duration::ZERO));
        FaultMix {
            crash: never,
            partition: never,
            pause: never,
            drift: never,
            jump: never,
            slow_link: never,
            flaky_link: never,
            replay: never,
            slow_disk: never,
            fail_disk: never,
            fill_disk: never,
            wipe: never,
            rot: never,
            crash_after_write: 0.0,
            triggers: Vec::new(),
            most_down: usize::MAX,
        }
    }

    /// A crash about every 2 s (down 50 ms to 1 s), a partition about every 3 s (100 ms to 2 s), a pause about every 5 s
    /// (50 ms to 1 s), and now and then a crash right after a write.
    pub fn rough() -> Self {
        let ms = Duration::from_millis;
        FaultMix {
            crash: (ms(2000), (ms(50), ms(1000))),
            partition: (ms(3000), (ms(100), ms(2000))),
            pause: (ms(5000), (ms(50), ms(1000))),
            crash_after_write: 0.002,
            ..Self::none()
        }
    }

    /// Makes a trigger of `crash_after_write`.
    fn set_trigger_after_write(&mut self, sync: Duration) {
        if self.crash_after_write > 0.0 {
            let (chance, delay, lasts) = (self.crash_after_write, sync * 2, self.crash.1);
            let (when, what) = (Moment::Wrote, Blow::Crash);
            self.triggers.push(Trigger { when, focus: 0, rare: false, what, chance, delay, lasts });
        }
    }

    fn of(&self, kind: Kind) -> Rate {
        match kind {
            Kind::Crash => self.crash,
            Kind::Partition => self.partition,
            Kind::Pause => self.pause,
            Kind::Drift => self.drift,
            Kind::Jump => self.jump,
            Kind::SlowLink => self.slow_link,
            Kind::FlakyLink => self.flaky_link,
            Kind::Replay => self.replay,
            Kind::SlowDisk => self.slow_disk,
            Kind::FailDisk => self.fail_disk,
            Kind::FillDisk => self.fill_disk,
            Kind::Wipe => self.wipe,
            Kind::Rot => self.rot,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Crash,
    Partition,
    Pause,
    Drift,
    Jump,
    SlowLink,
    FlakyLink,
    Replay,
    SlowDisk,
    FailDisk,
    FillDisk,
    Wipe,
    Rot,
}

const KINDS: [Kind; 13] = [
    Kind::Crash,
    Kind::Partition,
    Kind::Pause,
    Kind::Drift,
    Kind::Jump,
    Kind::SlowLink,
    Kind::FlakyLink,
    Kind::Replay,
    Kind::SlowDisk,
    Kind::FailDisk,
    Kind::FillDisk,
    Kind::Wipe,
    Kind::Rot,
];

/// A fault, and what ends it if it does not end by itself.
type Strike = (Act, Option<Act>);

/// How much faster the clocks of a spell run, in millionths.
const FAST: i32 = 2_000_000;
/// How far a wall clock jumps, at most: 10 s.
const FAR: u64 = 10_000_000_000;

/// The faults that are in force, and those to come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Storm {
    mix: Option<FaultMix>,
    /// Counts storms: what an earlier one queued is void.
    round: u32,
    /// What undoes each fault so far.
    pub(crate) reliefs: Vec<Act>,
    /// What was done so far, and when.
    pub(crate) done: Vec<(Time, Act)>,
    /// What a scripted storm does.
    script: Vec<Act>,
    /// Which messages are held back: of whom, and of which kind.
    pub(crate) holds: Vec<(Who, String)>,
    /// Those that were.
    pub(crate) held: Vec<Event>,
    /// The server that hears of the past ([`Blow::Usurp`]), if one does.
    pub(crate) usurped: Usurped,
    /// The links that the last [`Blow::Regroup`] cut.
    pub(crate) parted: Pairs,
    /// Who cannot say anything more at this instant.
    pub(crate) choked: Option<(Who, Time)>,
    /// How often moments of a look were, by a hash of it.
    looks: Vec<u32>,
    /// By trigger: the looks that its moments had, in the order in which they first were.
    known: Vec<Vec<u64>>,
}

/// So many looks are told apart.
const LOOKS: usize = 1024;
/// The first so many of a trigger are numbered in order, the others by a hash.
const NUMBERED: usize = 24;

impl Storm {
    /// Whether servers are watched.
    #[inline]
    pub(crate) fn has_triggers(&self) -> bool {
        !self.triggers().is_empty()
    }

    /// What is set on what servers do.
    #[inline]
    pub(crate) fn triggers(&self) -> &[Trigger] {
        self.mix.as_ref().map_or(&[], |mix| &mix.triggers)
    }

    /// Counts one more moment of a look, and says the how manieth it is.
    pub(crate) fn count_look(&mut self, look: u64) -> u32 {
        self.looks.resize(LOOKS, 0);
        let count = &mut self.looks[look as usize % LOOKS];
        *count += 1;
        *count
    }

    /// Which of eight looks this one is at such a moment, from 1.
    pub(crate) fn number_of_look(&mut self, trigger: usize, look: u64) -> u8 {
        if self.known.len() <= trigger {
            self.known.resize(trigger + 1, Vec::new());
        }
        let known = &mut self.known[trigger];
        let place = known.iter().position(|other| *other == look);
        match place.or_else(|| (known.len() < NUMBERED).then(|| known.push(look)).map(|()| known.len() - 1)) {
            Some(place) => (place % 8) as u8 + 1,
            None => focus_of(look),
        }
    }

    /// The event of a trigger that went off.
    pub(crate) fn trip(&self, who: Who, trigger: usize) -> Event {
        Event::Trip { who, trigger: trigger as u8, round: self.round }
    }

    /// Whether this storm still goes on.
    pub(crate) fn is_round(&self, round: u32) -> bool {
        self.round == round
    }
}

/// A run in two phases: faults for a while, then none and a demand for progress.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What strikes in the first phase.
    pub faults: FaultMix,
    /// How long it lasts.
    pub storm: Duration,
    /// How long after it every driven client may take until an operation that it invoked in the calm ends `ok`.
    pub progress_within: Duration,
}

/// Why a trial failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A promise was broken.
    Unsafe(Violation),
    /// Nothing was broken, but after the faults some clients got no answer in time.
    Stuck {
        /// The clients without progress, from 0.
        clients: Vec<u32>,
        /// How long they waited.
        waited: Duration,
        /// What the run is repeated from.
        seed: Seed,
    },
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Unsafe(violation) => violation.fmt(f),
            Failure::Stuck { clients, waited, seed } => {
                let waited = base::units::show_duration(*waited);
                write!(f, "no progress: {} clients got no `ok` in {waited} without faults (seed {seed})", clients.len())
            }
        }
    }
}

impl std::error::Error for Failure {}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Failure::Unsafe(violation)
    }
}

impl World {
    /// Runs a trial. The world must have driven clients ([`World::drive`]), whose load must outlast it.
    pub fn trial(&mut self, trial: &Trial) -> Result<(), Failure> {
        self.begin_storm(trial.faults.clone());
        self.run_for(trial.storm)?;
        self.calm();
        let calm = self.now();
        let done = self.run_until(trial.progress_within, progress_check(calm))?;
        if done {
            return Ok(());
        }
        let clients = self.core.operations.without_progress(calm);
        Err(Failure::Stuck { clients, waited: trial.progress_within, seed: self.core.options.seed })
    }

    /// Lets faults strike from now on.
    pub fn begin_storm(&mut self, mut mix: FaultMix) {
        mix.set_trigger_after_write(self.core.options.disk.sync.1);
        self.core.storm.mix = Some(mix);
        self.core.storm.round += 1;
        (0..KINDS.len() as u8).for_each(|kind| self.schedule_strike(kind));
    }

    /// Does each of these things at its time: a storm that was written down.
    pub fn play_storm(&mut self, acts: &[(Time, Act)]) {
        for (at, act) in acts {
            let index = self.core.storm.script.len() as u32;
            self.core.storm.script.push(act.clone());
            self.core.queue.push((*at).max(self.core.now), Event::Act { index });
        }
    }

    /// What the storm has done so far, in a form that [`play_storm`](Self::play_storm) does again.
    pub fn storm_so_far(&self) -> &[(Time, Act)] {
        &self.core.storm.done
    }

    /// Ends all faults, those made by hand too: links are healed, paused nodes go on, dead ones restart, clocks run as they should.
    pub fn calm(&mut self) {
        let storm = &mut self.core.storm;
        (storm.mix, storm.round) = (None, storm.round + 1);
        storm.reliefs.clear();
        storm.usurped = Usurped::default();
        storm.parted.clear();
        storm.script.clear();
        self.heal();
        for node in NodeId::all(self.core.servers) {
            self.release_held(Who(node.0));
            self.perform(Act::Drift(node.0, 0));
            self.slow_disk(node, 1);
            self.core.people[node.index()].disk.spare_next();
            self.perform(Act::FreeDisk(node.0));
            self.resume(node);
            self.perform(Act::Restart(node.0));
        }
    }

    /// Lets other faults strike from now on. Those in force end when they would have.
    pub(crate) fn change_storm(&mut self, mut mix: FaultMix) {
        mix.set_trigger_after_write(self.core.options.disk.sync.1);
        let Some(before) = self.core.storm.mix.replace(mix) else { return };
        self.core.storm.known.clear(); // they were of other triggers
        // Kinds that struck before have an event under way, which finds the new rate.
        let new = |kind: &u8| before.of(KINDS[usize::from(*kind)]).0.is_zero();
        (0..KINDS.len() as u8).filter(new).for_each(|kind| self.schedule_strike(kind));
    }

    fn schedule_strike(&mut self, kind: u8) {
        let Some(mix) = &self.core.storm.mix else { return };
        let mean = mix.of(KINDS[usize::from(kind)]).0.as_nanos() as u64;
        if mean > 0 {
            let after = between(&mut self.core.choices, Stream::FAULTS, 0, 2 * mean);
            let round = self.core.storm.round;
            self.core.queue.push(self.core.now + Duration::from_nanos(after), Event::Strike { kind, round });
        }
    }

    pub(crate) fn strike(&mut self, kind: u8, round: u32) {
        if self.core.storm.round != round {
            return;
        }
        let strike = self.choose_strike(KINDS[usize::from(kind)]);
        if let Some((act, relief)) = strike.filter(|(act, _)| self.permits(act)) {
            self.act(act);
            relief.into_iter().for_each(|relief| self.schedule_relief(relief, KINDS[usize::from(kind)]));
        }
        self.schedule_strike(kind);
    }

    fn schedule_relief(&mut self, relief: Act, kind: Kind) {
        let Some(mix) = &self.core.storm.mix else { return };
        self.relieve(relief, mix.of(kind).1);
    }

    /// Ends a fault when it has lasted.
    pub(crate) fn relieve(&mut self, relief: Act, (least, most): (Duration, Duration)) {
        let lasts = between(&mut self.core.choices, Stream::FAULTS, least.as_nanos() as u64, most.as_nanos() as u64);
        let (fault, round) = (self.core.storm.reliefs.len() as u32, self.core.storm.round);
        self.core.storm.reliefs.push(relief);
        self.core.queue.push(self.core.now + Duration::from_nanos(lasts), Event::Relent { fault, round });
    }

    /// Undoes one fault.
    pub(crate) fn relent(&mut self, fault: u32, round: u32) {
        if self.core.storm.round == round {
            self.act(self.core.storm.reliefs[fault as usize].clone());
        }
    }

    /// The next act of a scripted storm, unless that is over.
    pub(crate) fn play(&mut self, index: u32) {
        if let Some(act) = self.core.storm.script.get(index as usize).cloned() {
            self.act(act);
        }
    }

    fn choose_strike(&mut self, kind: Kind) -> Option<Strike> {
        if kind == Kind::Partition {
            return self.choose_cut();
        }
        let node = self.victim();
        let NodeId(n) = node;
        let fast = self.bearable_drift(FAST);
        let mut draw = |least: u64, most: u64| between(&mut self.core.choices, Stream::FAULTS, least, most);
        match kind {
            Kind::Crash => self.may_crash(node).then_some((Act::Crash(n), Some(Act::Restart(n)))),
            Kind::Pause => self.is_up(node).then_some((Act::Pause(n), Some(Act::Resume(n)))),
            Kind::Drift => Some((Act::Drift(n, fast), Some(Act::Drift(n, 0)))),
            Kind::Jump => Some((Act::Jump(n, draw(0, 2 * FAR) as i64 - FAR as i64), None)),
            Kind::SlowLink => {
                let delay = Duration::from_millis(draw(5, 500));
                let links = self.links_of_one(node);
                Some((Act::Delay(links.clone(), delay, delay / 2), Some(Act::Mend(links))))
            }
            Kind::FlakyLink => {
                let ppm = draw(50_000, 600_000) as u32;
                let links = self.links_of_one(node);
                Some((Act::Lose(links.clone(), ppm), Some(Act::Mend(links))))
            }
            Kind::Replay => Some((Act::Replay(draw(0, 1 << 16) as u32), None)),
            Kind::SlowDisk => Some((Act::SlowDisk(n, draw(2, 40) as u32), Some(Act::SlowDisk(n, 1)))),
            Kind::FailDisk => Some((Act::FailDisk(n), Some(Act::Restart(n)))),
            Kind::FillDisk => Some((Act::FillDisk(n), Some(Act::FreeDisk(n)))),
            Kind::Wipe if draw(0, 2) == 0 => Some((Act::Wipe(n), Some(Act::Restart(n)))),
            Kind::Wipe => Some((Act::Replace(n), None)),
            Kind::Rot => {
                let act = Act::Rot(n, draw(0, 1 << 16) as u32);
                let replace = Some(Act::Replace(n)).filter(|replace| self.permits(replace));
                Some((act, replace))
            }
            Kind::Partition => None,
        }
    }

    /// All links of a server, or one direction of them.
    pub(crate) fn links_of_one(&mut self, node: NodeId) -> Pairs {
        let shape = self.core.choices.choose(Stream::FAULTS, 3);
        let others = NodeId::all(self.core.servers).filter(|other| *other != node);
        let out: Pairs = others.map(|other| (node.0, other.0)).collect();
        directions(out, shape)
    }

    /// One node alone, a random split, or one direction of either; or a single link.
    fn choose_cut(&mut self) -> Option<Strike> {
        let (shape, victim) = (self.core.choices.choose(Stream::FAULTS, 5), self.victim());
        if shape == 4 {
            let other = self.other_than(victim);
            let cut = vec![(victim.0, other.0), (other.0, victim.0)];
            return Some((Act::Cut(cut.clone()), Some(Act::Mend(cut))));
        }
        let all: Vec<NodeId> = NodeId::all(self.core.servers).collect();
        let (inside, outside): (Vec<NodeId>, Vec<NodeId>) = match shape {
            1 => all.into_iter().partition(|_| self.core.choices.choose(Stream::FAULTS, 2) == 1),
            _ => all.into_iter().partition(|node| *node == victim),
        };
        let out: Pairs = inside.iter().flat_map(|a| outside.iter().map(move |b| (a.0, b.0))).collect();
        let cut = directions(out, shape.saturating_sub(1));
        (!cut.is_empty()).then(|| (Act::Cut(cut.clone()), Some(Act::Mend(cut))))
    }

    /// Another server; itself if there is none.
    pub(crate) fn other_than(&mut self, node: NodeId) -> NodeId {
        let others = self.core.servers as u32 - 1;
        let step = 1 + self.core.choices.choose(Stream::FAULTS, others);
        NodeId((u32::from(node.0) + step.min(others)) as u16 % self.core.servers as u16)
    }

    fn victim(&mut self) -> NodeId {
        NodeId(self.core.choices.choose(Stream::FAULTS, self.core.servers as u32) as u16)
    }

    pub(crate) fn may_crash(&self, node: NodeId) -> bool {
        let down = NodeId::all(self.core.servers).filter(|node| !self.is_up(*node)).count();
        self.is_up(node) && self.core.storm.mix.as_ref().is_some_and(|mix| down < mix.most_down)
    }
}

impl Core {
    pub(crate) fn tell_dropped(&mut self, from: Who, to: Who, told: &str, why: &str) {
        if self.trace.tells(Transcript::Story) {
            let text = format!("{} ⇥ {}  {told}  ({why})", self.address(from), self.address(to));
            self.trace.say(self.now, text);
        }
    }
}

/// Links as they are (1), backwards (2), or both ways (0).
fn directions(out: Pairs, shape: u32) -> Pairs {
    match shape {
        1 => out,
        2 => out.into_iter().map(|(a, b)| (b, a)).collect(),
        _ => out.into_iter().flat_map(|(a, b)| [(a, b), (b, a)]).collect(),
    }
}

/// Whether every driven client got an `ok` for something it asked since `calm`. Looked at once a simulated millisecond.
fn progress_check(calm: Time) -> impl FnMut(&World) -> bool {
    let mut next = calm;
    move |world| {
        if world.now() < next {
            return false;
        }
        next = world.now() + Duration::from_millis(1);
        world.core.operations.without_progress(calm).is_empty()
    }
}
