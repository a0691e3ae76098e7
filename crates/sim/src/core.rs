//! The part of a world that knows no protocol: time, queue, network, disks, clocks, operations, trace.
//!
//! Compiled once. It handles slot numbers; the messages themselves stay with the [`Troupe`](crate::troupe::Troupe).

use std::collections::VecDeque;
use std::time::Duration;

use base::{NodeId, Seed, Time};
use history::Completion;
use proto::{Address, Barrier, DiskWrite, Now, Observation, TimerId, Token};

use crate::act::Act;
use crate::choices::{Choices, Stream};
use crate::disk::{Disk, Platter};
use crate::event::{Event, Packed, Who};
use crate::faults::Storm;
use crate::network::{Fate, Links, Network, between};
use crate::operations::Operations;
use crate::queue::{Queue, Ties};
use crate::trace::{Trace, Transcript};
use crate::trigger::Looks;
use crate::troupe::Cast;

/// How a world behaves where no fault says otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the run is repeated from.
    pub seed: Seed,
    /// The network.
    pub network: Network,
    /// The disks of the servers.
    pub disk: Disk,
    /// How far the servers' clocks are from true time at the start.
    pub clocks: Clocks,
    /// How long an operation may take before the runtime gives it up as `info`.
    pub operation_timeout: Duration,
    /// Whether participants are told of lost connections ([`proto::Input::Lost`]), as over TCP.
    pub connections: bool,
    /// Whether simultaneous events happen in the order in which they were caused, instead of in a seeded order.
    pub fifo_ties: bool,
    /// The share of messages that go through their encoding and back, to test the codec.
    pub codec_share: f64,
    /// Whether the content of messages is part of the trace hash (slower; for tests of determinism).
    pub hash_messages: bool,
    /// Whether decisions are written down, so that the run can be replayed from them.
    pub record: bool,
    /// Whether what servers went through is noted, for [`World::coverage`](crate::World::coverage).
    pub coverage: bool,
    /// How much is told in words.
    pub transcript: Transcript,
    /// So many messages and timers within so short a time are a livelock, which is a violation: nobody sees the end of such a run, and its
    /// messages would fill the memory. Zero: any number is right.
    pub livelock: (u32, Duration),
    /// Whether the first violation stops the run. If not, it is kept and the run goes on, to see what clients see of it.
    pub stop_at_violation: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            seed: Seed(1),
            network: Network::reliable(),
            disk: Disk::default(),
            clocks: Clocks::default(),
            operation_timeout: Duration::from_secs(1),
            connections: true,
            fifo_ties: false,
            codec_share: 0.0,
            hash_messages: false,
            record: false,
            coverage: false,
            transcript: Transcript::Off,
            livelock: (0, Duration::ZERO),
            stop_at_violation: true,
        }
    }
}

/// A broken promise: what stops a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The property: `election-safety`.
    pub oracle: String,
    /// When, in simulated time.
    pub at: Time,
    /// The server whose step broke it.
    pub node: NodeId,
    /// What happened, in one sentence.
    pub sentence: String,
    /// What the run is repeated from.
    pub seed: Seed,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Violation { oracle, at, node, sentence, seed } = self;
        write!(f, "{oracle}: {sentence} (step of {node} at {at}, seed {seed})")
    }
}

impl std::error::Error for Violation {}

/// The clock of one node against true time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far the wall clock is ahead, in nanoseconds; negative when behind.
    pub wall_offset_ns: i64,
    /// How much faster both clocks run, in millionths; negative when slower. At least -900 000.
    pub drift_ppm: i32,
}

/// How far the servers' clocks are from true time at the start: each differs at random within these bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// How far wall clocks are ahead, at most.
    pub ahead: Duration,
    /// How much faster or slower clocks run, at most, in millionths.
    pub drift_ppm: u32,
}

/// A server or client, as the world sees it. What every message and timer asks for comes first, in one line of the cache.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Person {
    pub(crate) up: bool,
    pub(crate) paused: bool,
    /// Counts boots.
    pub(crate) life: u32,
    pub(crate) busy_until: Time,
    /// Invariant: what waits in `waiting` needs a barrier after this one.
    pub(crate) durable: Barrier,
    pub(crate) booted: Time,
    pub(crate) clock: Clock,
    /// How far drift had brought the clocks ahead when `clock` was set, ns.
    ahead_then: i64,
    /// How far ahead they were at boot, which the monotonic clock does not show.
    ahead_at_boot: i64,
    /// When `clock` was set.
    clock_set: Time,
    timers: Vec<TimerState>,
    /// What arrived while it could not take it.
    pub(crate) held: VecDeque<Event>,
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) disk: Platter,
    pub(crate) seen: Observation,
    pub(crate) looks: Looks,
    pub(crate) halted: Option<String>,
}

impl Person {
    /// How far drift has brought its clocks ahead of true time, ns.
    #[inline]
    fn ahead(&self, now: Time) -> i64 {
        if self.clock.drift_ppm == 0 {
            return self.ahead_then;
        }
        let span = i128::from(now.0 - self.clock_set.0);
        self.ahead_then + (span * i128::from(self.clock.drift_ppm) / 1_000_000) as i64
    }
}

/// An answer that waits for the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    Send { after: Barrier, to: Who, kind: &'static str, mail: u32 },
    Complete { after: Barrier, token: Token, completion: Completion },
}

impl Waiting {
    fn after(&self) -> Barrier {
        match self {
            Waiting::Send { after, .. } | Waiting::Complete { after, .. } => *after,
        }
    }
}

/// A timer. Moving it later leaves the queued event, which then finds that its time has not come: heartbeats that
/// push an election timer back cost no queue operation.
#[derive(Clone, Copy, Debug)]
struct TimerState {
    timer: TimerId,
    /// When it fires; `None` when it is not set.
    due: Option<Time>,
    /// The event in the queue that stands for it. Invariant: not after `due`.
    queued: Option<Time>,
}

/// What the network did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It is in the queue.
    Sent,
    /// It is in the queue; a copy of it is to arrive then, too.
    Twice(Time),
    /// It goes nowhere.
    Dropped(&'static str),
}

#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) now: Time,
    pub(crate) servers: usize,
    pub(crate) options: Options,
    pub(crate) queue: Queue,
    pub(crate) choices: Choices,
    pub(crate) links: Links,
    pub(crate) people: Vec<Person>,
    pub(crate) operations: Operations,
    pub(crate) trace: Trace,
    pub(crate) storm: Storm,
    pub(crate) violation: Option<Violation>,
    pub(crate) messages: u64,
    /// How many messages and timers may come before it is asked how long they took, and since when.
    toil: (u32, Time),
    /// Whether an actor has asked to be stopped in this step.
    pub(crate) halting: bool,
}

impl Core {
    pub(crate) fn new(servers: usize, options: Options, mut choices: Choices) -> Self {
        let ties = if options.fifo_ties { Ties::Fifo } else { Ties::Seeded(choices.choose(Stream::TIES, u32::MAX)) };
        let mut core = Core {
            now: Time::ZERO,
            servers,
            queue: Queue::new(ties),
            choices,
            links: Links::new(servers),
            people: Vec::new(),
            operations: Operations::default(),
            trace: Trace::new(options.transcript, options.coverage),
            storm: Storm::default(),
            violation: None,
            messages: 0,
            toil: (options.livelock.0, Time::ZERO),
            halting: false,
            options,
        };
        for _ in 0..servers {
            let who = core.add_person();
            let clock = core.draw_clock();
            core.set_clock(who, clock);
        }
        core
    }

    fn draw_clock(&mut self) -> Clock {
        let Clocks { ahead, drift_ppm } = self.options.clocks;
        let most = i64::from(drift_ppm.min(900_000));
        let wall = between(&mut self.choices, Stream::FAULTS, 0, ahead.as_nanos() as u64) as i64;
        let drift = between(&mut self.choices, Stream::FAULTS, 0, 2 * most as u64) as i64 - most;
        Clock { wall_offset_ns: wall, drift_ppm: drift as i32 }
    }

    /// Makes room for one more participant. It is down.
    pub(crate) fn add_person(&mut self) -> Who {
        self.people.push(Person::default());
        self.links.make_room(self.people.len());
        Who(self.people.len() as u16 - 1)
    }

    /// Starts the clocks of a participant's next life and gives the seed of its random stream.
    pub(crate) fn begin_life(&mut self, who: Who) -> Seed {
        let person = &mut self.people[who.index()];
        person.up = true;
        person.life += 1;
        person.booted = self.now;
        person.ahead_at_boot = person.ahead(self.now);
        person.durable = Barrier::NONE;
        person.halted = None;
        Seed(u64::from(self.choices.choose(Stream::boot(who.0), u32::MAX)))
    }

    /// Whether a participant can take an input now.
    #[inline]
    pub(crate) fn is_ready(&self, who: Who) -> bool {
        let person = &self.people[who.index()];
        person.up && !person.paused && person.busy_until <= self.now
    }

    pub(crate) fn address(&self, who: Who) -> Address {
        who.address(self.servers)
    }

    /// What the clocks of a participant show.
    #[inline]
    pub(crate) fn clocks(&self, who: Who) -> Now {
        let person = &self.people[who.index()];
        let ahead = person.ahead(self.now);
        let since_boot = Time(self.now.0 - person.booted.0);
        Now {
            monotonic: Time(since_boot.0.saturating_add_signed(ahead - person.ahead_at_boot)),
            wall: Time(self.now.0.saturating_add_signed(ahead + person.clock.wall_offset_ns)),
        }
    }

    /// Sets the clock of a participant. What drift has gained so far stays: a clock runs on from where it is.
    pub(crate) fn set_clock(&mut self, who: Who, clock: Clock) {
        let now = self.now;
        let person = &mut self.people[who.index()];
        person.ahead_then = person.ahead(now);
        (person.clock, person.clock_set) = (clock, now);
    }

    /// Looks at what it takes to hand something to a participant and to send what it answers.
    #[inline]
    pub(crate) fn touch(&self, who: Who) -> u64 {
        self.people[who.index()].busy_until.0 ^ self.choices.touch(Stream::network(who.0))
    }

    // What actors ask for.

    /// Sends a message: decides its fate and queues it.
    #[inline]
    pub(crate) fn post(&mut self, from: Who, to: Who, kind: &'static str, mail: u32) -> Posted {
        if to.index() >= self.people.len() {
            return Posted::Dropped("nobody there");
        }
        self.messages += 1;
        self.toil(from);
        if self.storm.has_triggers() {
            self.links.note_kind(from, kind);
            if self.says(from, to, kind) {
                return Posted::Dropped("cut short");
            }
        }
        let leaves = self.now.max(self.people[from.index()].busy_until);
        match self.links.fate(&self.options.network, &mut self.choices, from, to, kind, leaves) {
            Fate::Arrives(at) => {
                self.leaves(from, to);
                self.queue.push_packed(at, Packed::delivery(from, to, mail));
                Posted::Sent
            }
            Fate::Twice(first, second) => {
                self.leaves(from, to);
                self.queue.push(first, Event::Deliver { from, to, mail });
                Posted::Twice(second)
            }
            Fate::Lost => Posted::Dropped("lost"),
            Fate::Cut => Posted::Dropped("dropped"),
        }
    }

    /// Counts what keeps a run going.
    #[inline]
    fn toil(&mut self, who: Who) {
        self.toil.0 = self.toil.0.wrapping_sub(1);
        if self.toil.0 == 0 {
            self.look_at_toil(who);
        }
    }

    #[cold]
    fn look_at_toil(&mut self, who: Who) {
        let ((most, span), took) = (self.options.livelock, self.now.since(self.toil.1));
        self.toil = (most, self.now);
        if most > 0 && took < span {
            let took = base::units::show_duration(took);
            self.violate("livelock", who, format!("{most} messages and timers within {took}, and no end of it"));
        }
    }

    /// A message is under way: its sender may want to know whether it was.
    #[inline]
    pub(crate) fn leaves(&mut self, from: Who, to: Who) {
        if self.options.connections {
            self.links.leaves(from, to);
        }
    }

    /// Holds an answer until its barrier.
    pub(crate) fn wait(&mut self, who: Who, answer: Waiting) {
        self.people[who.index()].waiting.push_back(answer);
    }

    /// The next answer whose barrier has come.
    pub(crate) fn next_released(&mut self, who: Who) -> Option<Waiting> {
        let person = &mut self.people[who.index()];
        // Barriers of one life only grow, and `send_now` never waits: the first is the next.
        if person.waiting.front()?.after() <= person.durable { person.waiting.pop_front() } else { None }
    }

    pub(crate) fn write(&mut self, who: Who, write: DiskWrite) {
        self.people[who.index()].disk.write(write);
    }

    /// Begins a sync of what a step wrote, unless one is under way.
    pub(crate) fn sync(&mut self, who: Who) {
        let person = &mut self.people[who.index()];
        if !person.disk.start_sync() {
            return;
        }
        let is_client = who.index() >= self.servers;
        let ends = if is_client {
            self.now // a client has no disk: its writes are durable at once
        } else {
            let took = self.options.disk.sync_time(&mut self.choices, Stream::disk(who.0));
            self.now + took * person.disk.slowness()
        };
        self.queue.push(ends, Event::Synced { who, life: person.life });
        if !is_client {
            self.moment_of_sync(who, ends);
        }
    }

    pub(crate) fn set_timer(&mut self, who: Who, timer: TimerId, after: Duration) {
        self.toil(who);
        let person = &mut self.people[who.index()];
        let drift = person.clock.drift_ppm;
        let after = match drift {
            0 => after,
            _ => Duration::from_nanos((after.as_nanos() * 1_000_000 / (1_000_000 + i128::from(drift)) as u128) as u64),
        };
        let due = self.now + after;
        let state = find(&mut person.timers, timer);
        state.due = Some(due);
        if state.queued.is_none_or(|queued| queued > due) {
            state.queued = Some(due);
            self.queue.push(due, Event::Timer { who, timer });
        }
    }

    /// When a timer will fire, if it is set.
    pub(crate) fn timer_due(&self, who: Who, timer: TimerId) -> Option<Time> {
        self.people.get(who.index())?.timers.iter().find(|state| state.timer == timer)?.due
    }

    /// Lets a timer that is set fire no sooner than then.
    pub(crate) fn delay_timer(&mut self, who: Who, timer: TimerId, until: Time) {
        let state = find(&mut self.people[who.index()].timers, timer);
        if state.due.is_some_and(|due| due < until) {
            state.due = Some(until);
        }
    }

    pub(crate) fn cancel_timer(&mut self, who: Who, timer: TimerId) {
        find(&mut self.people[who.index()].timers, timer).due = None;
    }

    /// Whether a timer whose event has come is to fire. If it was moved, its event is queued again.
    #[inline]
    pub(crate) fn timer_fires(&mut self, who: Who, timer: TimerId, queued: Time) -> bool {
        let state = find(&mut self.people[who.index()].timers, timer);
        if state.queued != Some(queued) {
            return false; // the timer was moved earlier, or belonged to an earlier life
        }
        state.queued = None;
        match state.due {
            Some(due) if due > self.now => {
                state.queued = Some(due);
                self.queue.push(due, Event::Timer { who, timer });
                false
            }
            Some(_) => self.fires_now(who, timer),
            None => false,
        }
    }

    /// The time of a timer has come: it fires, unless a fault lets it tie with another server's.
    fn fires_now(&mut self, who: Who, timer: TimerId) -> bool {
        let until = if self.storm.has_triggers() && who.index() < self.servers { self.tie(who, timer) } else { None };
        let state = find(&mut self.people[who.index()].timers, timer);
        state.due = until;
        let Some(until) = until else { return true };
        state.queued = Some(until);
        self.queue.push(until, Event::Timer { who, timer });
        self.storm.done.push((Time(self.now.0 - 1), Act::Late(who.0, timer.0, until.0)));
        false
    }

    /// Whether a timer whose event waited (pause, service time) is to fire now that its participant is back.
    pub(crate) fn late_timer_fires(&mut self, who: Who, timer: TimerId) -> bool {
        match find(&mut self.people[who.index()].timers, timer).queued {
            Some(queued) if queued <= self.now => self.timer_fires(who, timer, queued),
            _ => false, // it was set anew in the meantime, and has an event of its own
        }
    }

    pub(crate) fn busy(&mut self, who: Who, span: Duration) {
        let person = &mut self.people[who.index()];
        person.busy_until = self.now.max(person.busy_until) + span;
        self.queue.push(person.busy_until, Event::Wake { who });
    }

    /// Ends an operation; a driven client goes on thinking. An operation that is over already stays as it is.
    pub(crate) fn complete(&mut self, token: Token, completion: Completion) {
        let Some(client) = self.operations.complete(token, completion, self.now) else { return };
        if self.trace.tells(Transcript::Story) {
            let text = self.operations.told_completion(token);
            self.trace.say(self.now, text);
        }
        if let Some(think) = self.operations.think(client) {
            let (least, most) = (think.0.as_nanos() as u64, think.1.as_nanos() as u64);
            let span = between(&mut self.choices, Stream::LOAD, least, most);
            self.queue.push(self.now + Duration::from_nanos(span), Event::Think { client });
        }
    }

    /// An actor cannot go on. The world stops its node when the step is over.
    pub(crate) fn halt(&mut self, who: Who, reason: String) {
        self.people[who.index()].halted = Some(reason);
        self.halting = true;
    }

    // What befalls participants.

    /// Power is lost: memory, timers and what waited are gone; the disk keeps what it must and what the choices say.
    /// Messages that only the dead knew are given back to `cast`.
    pub(crate) fn crash(&mut self, who: Who, cast: &mut dyn Cast) {
        let person = &mut self.people[who.index()];
        let unsynced = person.disk.unsynced();
        let lost = person.disk.crash(self.options.disk.unsynced, &mut self.choices, Stream::disk(who.0));
        person.up = false;
        person.paused = false;
        person.busy_until = Time::ZERO;
        person.seen = Observation::default();
        person.looks = Looks::default();
        person.timers.clear();
        for answer in person.waiting.drain(..) {
            if let Waiting::Send { mail, .. } = answer {
                cast.free(mail);
            }
        }
        for event in person.held.drain(..) {
            if let Event::Deliver { mail, .. } = event {
                cast.free(mail);
            }
        }
        self.break_connections(who);
        if self.trace.tells(Transcript::Story) {
            let who = self.address(who);
            let text = match (unsynced, lost) {
                (0, _) => format!("{who} crashes"),
                _ => format!("{who} crashes, its disk loses {lost} of {unsynced} unsynced writes"),
            };
            self.trace.say(self.now, text);
        }
    }

    /// Whoever has a connection to `who` hears that it broke, unless a cut keeps the news away.
    fn break_connections(&mut self, who: Who) {
        if !self.options.connections {
            return;
        }
        for peer in (0..self.people.len() as u16).map(Who).filter(|peer| *peer != who) {
            let open = self.links.set_open(peer, who, false) | self.links.set_open(who, peer, false);
            if open && !self.links.is_cut(who, peer) {
                self.notify_lost(peer, who, false);
            }
        }
    }

    /// Tells `who`, a little later, that its connection to `peer` is lost.
    pub(crate) fn notify_lost(&mut self, who: Who, peer: Who, unsent: bool) {
        let after = self.options.network.latency.0;
        self.queue.push(self.now + after, Event::Lost { who, peer, unsent });
    }

    /// A message came to a server that is down: the sender's kernel is refused.
    pub(crate) fn refuse(&mut self, from: Who, to: Who) {
        if self.options.connections && !self.links.is_cut(to, from) {
            let unsent = self.links.close(from, to);
            self.notify_lost(from, to, unsent);
        }
    }

    pub(crate) fn violate(&mut self, oracle: &str, who: Who, sentence: String) {
        if self.violation.is_none() {
            let (at, seed) = (self.now, self.options.seed);
            self.violation = Some(Violation { oracle: oracle.to_owned(), at, node: NodeId(who.0), sentence, seed });
        }
    }
}

fn find(timers: &mut Vec<TimerState>, timer: TimerId) -> &mut TimerState {
    // Actors have a handful of timers: a scan is faster than a map.
    let place = timers.iter().position(|state| state.timer == timer).unwrap_or_else(|| {
        timers.push(TimerState { timer, due: None, queued: None });
        timers.len() - 1
    });
    &mut timers[place]
}
