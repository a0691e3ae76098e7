//! The simulated world: servers and clients of one protocol, and everything around them.

use std::rc::Rc;
use std::time::Duration;

use base::{NodeId, Time};
use fault::{Change, LinkRule};
use history::{Action, AdminOperation, Completion, ErrorKind, Operation, Phase, Request};
use proto::{Address, Barrier, Observation, Protocol, Target, Token};

use crate::act::Act;
use crate::choices::{Choices, Recording};
use crate::core::{Clock, Core, Options, Posted, Violation, Waiting};
use crate::event::{Event, Who};
use crate::steps::{Log, Step};
use crate::trace::{Line, Transcript};
use crate::troupe::{Cast, Cue, Troupe};

/// An operator's action may take so many times as long as an operation: servers have to catch up.
const PATIENCE_OF_OPERATORS: u32 = 4;

/// A whole cluster in one thread, in virtual time. The same seed gives the same run, byte for byte.
///
/// Nothing happens between calls: [`run_for`](Self::run_for) lets time pass, the other methods act at the present instant.
/// A run stops at the first [`Violation`] and goes no further.
pub struct World {
    pub(crate) core: Core,
    pub(crate) cast: Box<dyn Cast>,
    pub(crate) log: Log,
}

impl World {
    /// A world in which `servers` servers of `protocol` boot at time zero. At most 60 000 participants.
    pub fn new<P: Protocol>(protocol: P, servers: usize, options: Options) -> World {
        let choices = Choices::new(options.seed, options.record);
        World::with_choices(protocol, servers, options, choices)
    }

    /// The world of a recording. Given the same protocol, options and calls it repeats the recorded run; after the
    /// recording's end, or when the calls differ, it goes on with choices from the recording's seed.
    pub fn replay<P: Protocol>(protocol: P, servers: usize, options: Options, recording: Recording) -> World {
        World::with_choices(protocol, servers, options, Choices::replay(recording))
    }

    fn with_choices<P: Protocol>(protocol: P, servers: usize, options: Options, choices: Choices) -> World {
        let core = Core::new(servers, options, choices);
        let mut world = World { core, cast: Box::new(Troupe::new(protocol, servers)), log: Log::default() };
        NodeId::all(servers).for_each(|node| world.restart(node));
        world
    }

    // Time.

    /// The present instant of simulated time.
    pub fn now(&self) -> Time {
        self.core.now
    }

    /// Lets time pass. Stops at a violation.
    pub fn run_for(&mut self, span: Duration) -> Result<(), Violation> {
        self.run_to(self.core.now + span)
    }

    /// Lets time pass until `condition` holds (checked after each event), at most for `within`. Says whether it held.
    pub fn run_until(
        &mut self,
        within: Duration,
        mut condition: impl FnMut(&World) -> bool,
    ) -> Result<bool, Violation> {
        let end = self.core.now + within;
        while !condition(self) {
            self.check()?;
            if !self.step(end) {
                self.core.now = end;
                return Ok(false);
            }
        }
        self.check()?;
        Ok(true)
    }

    fn run_to(&mut self, end: Time) -> Result<(), Violation> {
        self.check()?;
        while self.step(end) {
            if self.core.violation.is_some() {
                self.check()?;
            }
        }
        self.core.now = end;
        Ok(())
    }

    fn check(&self) -> Result<(), Violation> {
        match &self.core.violation {
            Some(violation) if self.core.options.stop_at_violation => Err(violation.clone()),
            _ => Ok(()),
        }
    }

    /// The first broken promise, if one was: what stopped the run, unless that is not wanted ([`Options::stop_at_violation`]).
    pub fn violation(&self) -> Option<&Violation> {
        self.core.violation.as_ref()
    }

    // Servers.

    /// How many servers there are, up or down.
    pub fn servers(&self) -> usize {
        self.core.servers
    }

    /// Whether a server is up (a paused one is).
    pub fn is_up(&self, node: NodeId) -> bool {
        self.core.people[node.index()].up
    }

    /// Whether a server's process stands still.
    pub fn is_paused(&self, node: NodeId) -> bool {
        self.core.people[node.index()].paused
    }

    /// What an operator would see of a server; `None` while it is down.
    pub fn observe(&self, node: NodeId) -> Option<Observation> {
        self.cast.observe(node)
    }

    /// The first server that says that it leads, with the highest epoch if several do.
    pub fn leader(&self) -> Option<NodeId> {
        let leads = |node: &NodeId| Some((self.observe(*node).filter(|seen| seen.role == "leader")?.epoch, *node));
        NodeId::all(self.core.servers)
            .filter_map(|node| leads(&node))
            .max_by_key(|(epoch, node)| (*epoch, std::cmp::Reverse(*node)))
            .map(|(_, node)| node)
    }

    /// The actor of a server that is up; `None` also when `P` is not the world's protocol.
    pub fn server<P: Protocol>(&self, node: NodeId) -> Option<&P::Server> {
        self.cast.as_any().downcast_ref::<Troupe<P>>()?.server(node)
    }

    /// Why a server stopped by itself ([`proto::Output::Halt`]), if it did since its last boot.
    pub fn halted(&self, node: NodeId) -> Option<&str> {
        self.core.people[node.index()].halted.as_deref()
    }

    /// Cuts the power of a server. Nothing happens to one that is down.
    pub fn crash(&mut self, node: NodeId) {
        if self.is_up(node) {
            let who = Who(node.0);
            self.core.crash(who, &mut *self.cast);
            self.cast.crash(&self.core, who);
        }
    }

    /// Boots a server that is down, with what its disk kept.
    pub fn restart(&mut self, node: NodeId) {
        if self.is_up(node) {
            return;
        }
        let who = Who(node.0);
        if self.core.people[who.index()].life > 0 {
            self.tell(format!("{node} restarts"));
        }
        let disk = match self.core.people[who.index()].disk.recovered() {
            Ok(disk) => disk,
            Err(reason) => {
                self.tell(format!("{node} cannot boot: {reason}"));
                self.core.people[who.index()].halted = Some(reason);
                return;
            }
        };
        self.cast.boot(&mut self.core, who, disk);
        self.stop_if_halted(who);
    }

    /// Empties the disk of a server that is down: the next boot is a first one.
    pub fn wipe(&mut self, node: NodeId) {
        if !self.is_up(node) {
            self.core.people[node.index()].disk.wipe();
            self.tell(format!("the disk of {node} is wiped"));
        }
    }

    /// Stops a server's process without its knowledge (SIGSTOP): inputs wait, clocks and disk go on.
    pub fn pause(&mut self, node: NodeId) {
        if self.is_up(node) && !std::mem::replace(&mut self.core.people[node.index()].paused, true) {
            self.tell(format!("{node} is paused"));
        }
    }

    /// Lets a paused server go on, with everything that waited.
    pub fn resume(&mut self, node: NodeId) {
        if std::mem::replace(&mut self.core.people[node.index()].paused, false) {
            self.tell(format!("{node} goes on"));
            self.take_held(Who(node.0));
        }
    }

    /// Sets the clock of a server: it runs on from where it is, at the new rate. Timers that are set keep their time.
    pub fn set_clock(&mut self, node: NodeId, clock: Clock) {
        let drift_ppm = clock.drift_ppm.max(-900_000);
        self.core.set_clock(Who(node.0), Clock { drift_ppm, ..clock });
    }

    // Links.

    /// Makes a change that the fault vocabulary names, as the real testbeds do.
    pub fn apply(&mut self, change: &Change) {
        match *change {
            Change::Kill(node) => self.crash(node),
            Change::Start(node) => self.restart(node),
            Change::Pause(node) => self.pause(node),
            Change::Resume(node) => self.resume(node),
            Change::Link { from, to, rule } => self.set_link(Address::Node(from), Address::Node(to), rule),
        }
    }

    /// Puts a rule on one direction of a link, in place of the one before; [`LinkRule::CLEAR`] lifts it.
    pub fn set_link(&mut self, from: Address, to: Address, rule: LinkRule) {
        let (from, to) = (Who::at(from, self.core.servers), Who::at(to, self.core.servers));
        self.core.links.set(from, to, (!rule.is_clear()).then_some(rule));
        self.tell(format!("{} -> {}: {rule}", self.core.address(from), self.core.address(to)));
    }

    /// How many messages the rules on one direction of a link have dropped so far, and how many delayed.
    pub fn bitten(&self, from: NodeId, to: NodeId) -> (u64, u64) {
        self.core.links.bitten(Who(from.0), Who(to.0))
    }

    /// Drops the messages of one kind ([`proto::Message::kind`]) on one direction of a link, until healed.
    pub fn drop_kind(&mut self, from: Address, to: Address, kind: &str) {
        let (from, to) = (Who::at(from, self.core.servers), Who::at(to, self.core.servers));
        self.core.links.filter(from, to, kind);
    }

    /// Cuts every link between servers of different groups, both ways. A server in no group keeps its links, and so do
    /// clients.
    pub fn partition(&mut self, groups: &[Vec<NodeId>]) {
        for (i, group) in groups.iter().enumerate() {
            for other in groups.iter().skip(i + 1) {
                for (a, b) in group.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
                    self.core.links.set(Who(a.0), Who(b.0), Some(LinkRule::CUT));
                    self.core.links.set(Who(b.0), Who(a.0), Some(LinkRule::CUT));
                }
            }
        }
        self.tell(format!("partition {}", show_groups(groups)));
    }

    /// Lifts every rule, filter and partition.
    pub fn heal(&mut self) {
        self.core.links.heal();
        self.tell("the network is healed".into());
    }

    /// Changes how the network behaves from now on.
    pub fn network_mut(&mut self) -> &mut crate::Network {
        &mut self.core.options.network
    }

    // Clients.

    /// Adds a client, and gives its number.
    pub fn add_client(&mut self) -> u32 {
        let who = self.core.add_person();
        self.cast.add_client(&mut self.core, who);
        self.core.operations.add_client()
    }

    /// Asks a client to do an operation. `None` if it has one under way, or there is no such client.
    pub fn invoke(&mut self, client: u32, request: Request, target: Target) -> Option<Token> {
        let who = Who::at(Address::Client(client), self.core.servers);
        if who.index() >= self.core.people.len() || self.core.operations.is_open(client) {
            return None;
        }
        let token = self.core.operations.claim(client, request, target, self.core.now);
        if self.core.trace.tells(Transcript::Story) {
            let text = self.core.operations.told_invocation(token);
            self.tell(text);
        }
        let deadline = self.core.now + self.core.options.operation_timeout;
        self.core.queue.push(deadline, Event::Deadline { operation: token.0 });
        self.note_invocation(client, &request, target);
        self.cast.step(&mut self.core, who, Cue::Invoke(token), false);
        Some(token)
    }

    /// Asks a client to do what an operator asks for. `None` if it has something under way, or there is no such client.
    pub fn administer(&mut self, client: u32, action: Action, target: Target) -> Option<Token> {
        let who = Who::at(Address::Client(client), self.core.servers);
        if who.index() >= self.core.people.len() || self.core.operations.is_open(client) {
            return None;
        }
        let token = self.core.operations.claim_action(client, action, target, self.core.now);
        if self.core.trace.tells(Transcript::Story) {
            let text = self.core.operations.told_invocation(token);
            self.tell(text);
        }
        let deadline = self.core.now + self.core.options.operation_timeout * PATIENCE_OF_OPERATORS;
        self.core.queue.push(deadline, Event::Deadline { operation: token.0 });
        self.note_action(client, action, target);
        self.cast.step(&mut self.core, who, Cue::Invoke(token), false);
        Some(token)
    }

    /// Lets a client of its own, beside others, ask for these actions, one after another, with a pause before each.
    pub fn operate(&mut self, pause: (Duration, Duration), actions: Vec<(Action, Target)>) {
        let client = self.add_client();
        self.core.operations.operate(client, pause, actions);
        self.core.queue.push(self.core.now + pause.0, Event::Think { client });
    }

    /// Whether a client has an operation under way.
    pub fn is_waiting(&self, client: u32) -> bool {
        self.core.operations.is_open(client)
    }

    /// Remembers operations that end from now on, for [`take_completed`](Self::take_completed).
    pub fn watch_completions(&mut self) {
        self.core.operations.watch();
    }

    /// Whether an operation has ended that was not taken yet.
    pub fn has_completed(&self) -> bool {
        self.core.operations.has_completed()
    }

    /// The operation that ended first among those not taken yet.
    pub fn take_completed(&mut self) -> Option<Token> {
        self.core.operations.take_completed()
    }

    /// How many operations are under way.
    pub fn under_way(&self) -> usize {
        self.core.operations.under_way()
    }

    /// Adds `clients` clients, each of which does one operation after another, thinking in between for a time within
    /// `think`. Operation `index` of the run is `source(index)`; `None` ends the load.
    pub fn drive(
        &mut self,
        clients: usize,
        think: (Duration, Duration),
        source: impl Fn(u64) -> Option<(Request, Target)> + 'static,
    ) {
        let clients: Vec<u32> = (0..clients).map(|_| self.add_client()).collect();
        self.core.operations.drive(&clients, think, Rc::new(source));
        clients.iter().for_each(|&client| self.core.queue.push(self.core.now, Event::Think { client }));
    }

    /// Driven clients ask nothing more. Operations under way go on.
    pub fn stop_load(&mut self) {
        self.core.operations.stop();
    }

    /// Says which part of the run operations belong to from now on. It begins with [`Phase::Load`].
    pub fn set_phase(&mut self, phase: Phase) {
        self.core.operations.set_phase(phase);
    }

    /// An operation as it stands: `info` while it is under way.
    pub fn operation(&self, token: Token) -> Option<Operation> {
        self.core.operations.get(token)
    }

    /// All operations so far, in order of invocation. Those under way are `info`.
    pub fn history(&self) -> Vec<Operation> {
        self.core.operations.history()
    }

    /// All that operators asked for so far, in order of invocation.
    pub fn admin_history(&self) -> Vec<AdminOperation> {
        self.core.operations.admin_history()
    }

    // What happened.

    /// Hash of everything that happened: equal for equal runs, and almost surely different for others.
    pub fn trace_hash(&self) -> u64 {
        self.core.trace.hash()
    }

    /// Which edges between abstract states servers went over, as numbers below 2^16, if [`Options::coverage`] asks for them. An edge
    /// is a kind of input, and what [`proto::Actor::features`] said before and after it. With the instant of the first time (ns).
    pub fn coverage(&self) -> &[(u16, u64)] {
        self.core.trace.edges()
    }

    /// Which rare paths actors took: a bit for each of the protocol's marks ([`proto::Protocol::marks`]).
    pub fn marks(&self) -> u64 {
        self.core.trace.marks()
    }

    /// How many events happened: inputs handed to actors, and things that befell the world.
    pub fn events(&self) -> u64 {
        self.core.trace.events
    }

    /// How many messages were sent, including those that were lost.
    pub fn messages(&self) -> u64 {
        self.core.messages
    }

    /// How many messages are under way or wait for a disk.
    pub fn messages_under_way(&self) -> usize {
        self.cast.mail() - self.core.links.memories()
    }

    /// The lines told since the last call.
    pub fn take_transcript(&mut self) -> Vec<Line> {
        self.core.trace.take_lines()
    }

    /// Tells more, or less, from now on.
    pub fn set_transcript(&mut self, level: Transcript) {
        self.core.trace.set_level(level);
    }

    /// Draws anew from here on: another future of the same past.
    pub fn fork(&mut self, salt: u64) {
        self.core.choices.reseed(salt);
    }

    /// A copy of this world as it stands, which goes on as this one would. `None` if an actor or an oracle cannot be copied
    /// ([`proto::Actor::fork`], [`proto::Oracle::fork`]).
    pub fn copy(&self) -> Option<World> {
        Some(World { core: self.core.clone(), cast: self.cast.copy_all()?, log: self.log.clone() })
    }

    /// The decisions so far. Empty streams unless the world records ([`Options::record`]) or replays.
    pub fn recording(&self) -> Recording {
        self.core.choices.recording()
    }

    // One event.

    /// The next event, if it happens at `end` or before. Says whether one did.
    #[inline]
    fn step(&mut self, end: Time) -> bool {
        let Some((at, packed)) = self.core.queue.pop_until(end) else { return false };
        self.core.now = at;
        if self.core.queue.dawns() {
            self.cast.warm(&self.core);
        }
        match packed.as_delivery() {
            Some((from, to, mail)) => self.arrive(from, to, mail),
            None => self.happen(packed.unpack()),
        }
        true
    }

    /// A message comes.
    #[inline]
    fn arrive(&mut self, from: Who, to: Who, mail: u32) {
        let event = Event::Deliver { from, to, mail };
        self.core.trace.event(self.core.now, event.words());
        if !self.core.storm.holds.is_empty() && self.is_held_back(from, mail) {
            return self.core.storm.held.push(event);
        }
        if self.core.options.connections {
            self.core.links.arrives(from, to);
        }
        if self.core.is_ready(to) { self.deliver(from, to, mail, false) } else { self.put_off(to, event) }
    }

    /// Anything else.
    fn happen(&mut self, event: Event) {
        self.core.trace.event(self.core.now, event.words());
        match event.recipient() {
            Some(who) if !self.core.is_ready(who) => self.put_off(who, event),
            _ => self.handle(event, false),
        }
    }

    /// Whether a fault keeps a message that has come.
    fn is_held_back(&self, from: Who, mail: u32) -> bool {
        let kind = self.cast.kind(mail);
        self.core.storm.holds.iter().any(|(sender, held)| *sender == from && held == kind)
    }

    /// An input for someone who cannot take it now: it waits, or is lost on the dead.
    pub(crate) fn put_off(&mut self, who: Who, event: Event) {
        if self.core.people[who.index()].up {
            return self.core.people[who.index()].held.push_back(event);
        }
        if let Event::Deliver { from, to, mail } = event {
            self.note(|world| world.delivery(from, to, mail));
            self.tell_message(from, to, mail, "  (down)");
            self.cast.free(mail);
            self.core.refuse(from, to);
        }
    }

    /// Hands a message over.
    #[inline(always)]
    fn deliver(&mut self, from: Who, to: Who, mail: u32, more: bool) {
        self.log.more = more;
        if self.core.options.connections {
            self.core.links.set_open(from, to, true);
        }
        if self.core.trace.tells(Transcript::Kinds) {
            self.tell_message(from, to, mail, "");
        }
        self.note(|world| world.delivery(from, to, mail));
        self.cast.deliver(&mut self.core, from, to, mail, more);
        if self.core.halting {
            self.stop_if_halted(to);
        }
    }

    pub(crate) fn handle(&mut self, event: Event, more: bool) {
        self.log.more = more;
        match event {
            Event::Deliver { from, to, mail } => self.deliver(from, to, mail, more),
            Event::Timer { who, timer } => {
                if self.core.timer_fires(who, timer, self.core.now) {
                    self.fire(who, timer, more);
                }
            }
            Event::Synced { who, life } => self.synced(who, life),
            Event::Durable { who, barrier, life } if self.core.people[who.index()].life == life => {
                self.durable(who, barrier, more);
            }
            Event::DiskFailed { who, life } if self.core.people[who.index()].life == life => {
                let error = self.core.people[who.index()].disk.error();
                self.tell(format!("{}: disk failed: {error}", self.core.address(who)));
                self.cue(who, Cue::DiskFailed(error), more);
            }
            Event::Durable { .. } | Event::DiskFailed { .. } => {}
            Event::Lost { who, peer, unsent } => {
                self.note(|_| Step::Lost(who.0, peer.0, unsent));
                self.cue(who, Cue::Lost { peer, unsent }, more);
            }
            Event::Wake { who } => self.take_held(who),
            Event::Deadline { operation } => self.deadline(Token(operation)),
            Event::Think { client } => self.think(client),
            Event::Strike { kind, round } => self.strike(kind, round),
            Event::Trip { who, trigger, round } if self.core.storm.is_round(round) => self.trip(who, trigger),
            Event::Trip { .. } => {}
            Event::Relent { fault, round } => self.relent(fault, round),
            Event::Act { index } => self.play(index),
        }
    }

    #[inline]
    pub(crate) fn fire(&mut self, who: Who, timer: proto::TimerId, more: bool) {
        self.tell_fully(who, || format!("timer {}", timer.0));
        self.log.more = more;
        self.note(|_| Step::Timer(who.0, timer.0));
        self.cue(who, Cue::Timer(timer), more);
    }

    #[inline]
    fn cue(&mut self, who: Who, cue: Cue, more: bool) {
        self.cast.step(&mut self.core, who, cue, more);
        if self.core.halting {
            self.stop_if_halted(who);
        }
    }

    #[cold]
    fn stop_if_halted(&mut self, who: Who) {
        if std::mem::take(&mut self.core.halting) && who.index() < self.core.servers {
            let reason = self.core.people[who.index()].halted.as_deref().unwrap_or_default();
            let text = format!("{} stops: {reason}", self.core.address(who));
            self.tell(text);
            if !self.log.played {
                self.perform(Act::Crash(who.0));
            }
        }
    }

    /// The disk goes on while its node's process is paused; only the news waits.
    pub(crate) fn synced(&mut self, who: Who, life: u32) {
        let person = &self.core.people[who.index()];
        if person.life != life || !person.up {
            return;
        }
        self.log.more = false;
        self.note(|world| Step::Sync(who.0, world.core.is_ready(who)));
        let person = &mut self.core.people[who.index()];
        let outcome = person.disk.finish_sync();
        self.core.sync(who);
        match outcome {
            Ok(barrier) if self.core.is_ready(who) => self.durable(who, barrier, false),
            Ok(barrier) => self.put_off(who, Event::Durable { who, barrier, life }),
            Err(()) if self.core.is_ready(who) => self.handle(Event::DiskFailed { who, life }, false),
            Err(()) => self.put_off(who, Event::DiskFailed { who, life }),
        }
    }

    /// A server hears how much is durable, and what waited for that goes out.
    fn durable(&mut self, who: Who, barrier: Barrier, more: bool) {
        self.tell_fully(who, || format!("durable up to write {}", barrier.0));
        self.core.people[who.index()].durable = barrier;
        self.release(who);
        self.cue(who, Cue::Durable(barrier), more);
    }

    /// Sends and completes what waited for the disk.
    fn release(&mut self, who: Who) {
        while let Some(answer) = self.core.next_released(who) {
            match answer {
                Waiting::Complete { token, completion, .. } => self.core.complete(token, completion),
                Waiting::Send { to, kind, mail, .. } => match self.post(who, to, kind, mail) {
                    Posted::Sent => {}
                    Posted::Twice(at) => {
                        let mail = self.cast.copy(mail);
                        self.core.queue.push(at, Event::Deliver { from: who, to, mail });
                    }
                    Posted::Dropped(why) => {
                        if self.core.trace.tells(Transcript::Story) {
                            let told = self.cast.describe(mail, self.core.trace.tells(Transcript::Full));
                            self.core.tell_dropped(who, to, &told, why);
                        }
                        self.cast.free(mail);
                    }
                },
            }
        }
    }

    /// Sends a message that waited for the disk. Only now may the network remember it: what a crash keeps from being sent was never said.
    fn post(&mut self, from: Who, to: Who, kind: &'static str, mail: u32) -> Posted {
        if self.core.links.keeps(&self.core.options.network, &mut self.core.choices, from, to) {
            let copy = self.cast.copy(mail);
            if let Some(forgotten) = self.core.links.memorise(from, to, copy) {
                self.cast.free(forgotten);
            }
        }
        self.core.post(from, to, kind, mail)
    }

    /// Hands over what waited, one input after another, until the participant is busy again or nothing waits.
    fn take_held(&mut self, who: Who) {
        while self.core.is_ready(who)
            && let Some(event) = self.core.people[who.index()].held.pop_front()
        {
            let more = !self.core.people[who.index()].held.is_empty();
            // A timer's event was queued for an earlier instant: judge it by that.
            match event {
                Event::Timer { who, timer } => self.late_timer(who, timer, more),
                Event::Durable { .. } | Event::DiskFailed { .. } => {
                    self.note(|_| Step::Told(who.0));
                    self.handle(event, more);
                }
                event => self.handle(event, more),
            }
        }
    }

    fn late_timer(&mut self, who: Who, timer: proto::TimerId, more: bool) {
        if self.core.late_timer_fires(who, timer) {
            self.fire(who, timer, more);
        }
    }

    pub(crate) fn deadline(&mut self, token: Token) {
        let Some(client) = self.core.operations.client_of_open(token) else { return };
        let who = Who::at(Address::Client(client), self.core.servers);
        self.note(|_| Step::GiveUp(client));
        self.core.complete(token, Completion::info(ErrorKind::Timeout));
        self.cue(who, Cue::Abandon(token), false);
    }

    fn think(&mut self, client: u32) {
        if self.core.operations.is_operator(client) {
            if let Some((action, target)) = self.core.operations.next_action(client) {
                self.administer(client, action, target);
            }
        } else if let Some((request, target)) = self.core.operations.next_request() {
            self.invoke(client, request, target);
        }
    }

    // Telling.

    pub(crate) fn tell(&mut self, text: String) {
        if self.core.trace.tells(Transcript::Story) {
            self.core.trace.say(self.core.now, text);
        }
    }

    fn tell_fully(&mut self, who: Who, text: impl FnOnce() -> String) {
        if self.core.trace.tells(Transcript::Full) {
            let text = format!("{}: {}", self.core.address(who), text());
            self.core.trace.say(self.core.now, text);
        }
    }

    fn tell_message(&mut self, from: Who, to: Who, mail: u32, note: &str) {
        if self.core.trace.tells(Transcript::Story) {
            let told = self.cast.describe(mail, self.core.trace.tells(Transcript::Full));
            let (from, to) = (self.core.address(from), self.core.address(to));
            let arrow = if note.is_empty() { "→" } else { "⇥" };
            self.tell(format!("{from} {arrow} {to}  {told}{note}"));
        }
    }
}

fn show_groups(groups: &[Vec<NodeId>]) -> String {
    let group = |nodes: &Vec<NodeId>| nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(" ");
    groups.iter().map(group).collect::<Vec<_>>().join(" | ")
}
