//! A run in the simulated world: the same plan, workload, client actors, fault schedule, history and judgement as a real run, in
//! virtual time. One seed gives the same history, byte for byte.
//!
//! One thread does in turn what the threads of a real run do side by side: it lets the world go on until the next thing is due or an
//! operation ends, then sees to faults, to who leads, and to the load.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base::units::show_duration;
use base::{NodeId, ProcessId, Time};
use fault::{Change, InForce, Injection, Selector};
use history::{AdminOperation, Claim, ClockDomain, Completion, ErrorKind, Outcome, Phase, Recorder, Request, Slot};
use load::{Ask, Asker, Counts, Limit, Source, TICK, What, Work};
use measure::Histogram;
use plan::{DurationRange, Table};
use proto::{Target, Token};
use sim::{Disk, Network, Unsynced, World};
use workload::Generator;

use crate::error::RunError;
use crate::faults::{Moment, elections_since, moments, opened};
use crate::journal::Journal;
use crate::operator::{ADMIN, Planned};
use crate::plan::Plan;
use crate::record::{AdminRecord, FaultRecord, LeaderRecord, NodeProblem};
use crate::stop::Stop;

/// The name of this testbed.
pub const NAME: &str = "simulated";

/// The kinds of fault that mean something here.
const FAULTS: &[&str] = &["kill", "pause", "partition", "delay", "loss"];

/// How the world behaves where no fault says otherwise: the section `[simulated]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Surroundings {
    /// How long a message takes.
    pub latency: DurationRange,
    /// The share of messages that are lost.
    pub loss: f64,
    /// How long a sync takes.
    pub sync: DurationRange,
}

impl Default for Surroundings {
    /// A data centre: messages of 50 to 500 us, none lost, syncs of 0.2 to 2 ms.
    fn default() -> Self {
        let us = |min, max| DurationRange { min: Duration::from_micros(min), max: Duration::from_micros(max) };
        Surroundings { latency: us(50, 500), loss: 0.0, sync: us(200, 2_000) }
    }
}

impl Surroundings {
    /// Reads the section. What is wrong is reported to the table.
    pub fn from_plan(table: &Table<'_>) -> Surroundings {
        let Surroundings { latency, loss, sync } = Surroundings::default();
        Surroundings {
            latency: table.or("latency", latency),
            loss: table.or("loss", plan::Share(loss)).0,
            sync: table.or("sync", sync),
        }
    }

    /// Messages on a link keep their order, as on a connection; a crash loses power, and any of the writes that were not synced.
    fn options(&self, plan: &Plan) -> sim::Options {
        let range = |range: DurationRange| (range.min, range.max);
        sim::Options {
            seed: plan.seed.derive("world"),
            network: Network { latency: range(self.latency), loss: self.loss, fifo: true, ..Network::reliable() },
            disk: Disk { sync: range(self.sync), unsynced: Unsynced::Any },
            operation_timeout: plan.client.timeout,
            stop_at_violation: false,
            ..sim::Options::default()
        }
    }
}

/// The world of a plan, before anything was asked.
///
/// # Errors
/// What of the plan has no meaning here, and the way out.
fn world(plan: &Plan) -> Result<World, RunError> {
    let refuse = |what: String, way_out: &str| {
        Err(RunError::Unavailable(format!("testbed `{NAME}` cannot do {what}; {way_out}")))
    };
    let unknown = plan.faults.iter().map(|injection| injection.fault.kind.name).find(|name| !FAULTS.contains(name));
    if let Some(name) = unknown {
        return refuse(format!("`{name}`"), "take the fault out, or choose another testbed");
    }
    if plan.check.stop {
        return refuse("`check.stop`: it checks when the load is over, which is soon".into(), "take it out");
    }
    match plan.system.world(plan.simulated.options(plan)) {
        Some(world) => Ok(world),
        None => refuse(format!("`{}`: only our own protocols are actors", plan.system.name()), "choose `loopback`"),
    }
}

/// Carries a plan out, from the boot of its servers to the final reads.
///
/// # Errors
/// What has no meaning in the simulated world; if the servers do not come up; if the run folder cannot be written.
pub fn carry_out(plan: &mut Plan, stop: &Stop, journal: &mut Journal<'_>) -> Result<(), RunError> {
    let mut world = world(plan)?;
    journal.set_now(Time::ZERO);
    let Surroundings { latency, loss, sync } = &plan.simulated;
    let notes = vec![format!(
        "virtual time: latencies and rates are of a simulated network ({} a message, {:.1} % lost) and simulated disks \
         ({} a sync), not of this machine; computing takes no time",
        told(*latency),
        loss * 100.0,
        told(*sync)
    )];
    journal.started(plan, NAME, &notes)?;
    world.watch_completions();
    let clock = ClockDomain { name: NAME.into(), ..ClockDomain::default() };
    let recorder = Recorder::create(&journal.folder().file("history"), 0, &clock)?;
    let processes = (0..plan.client.processes).map(|_| Process { client: world.add_client(), turn: 0 }).collect();
    let operator = Operator { client: world.add_client(), left: VecDeque::new(), open: None };
    let (next_look, next_tick) = (Time::ZERO, Time::ZERO + TICK);
    let mut scene = Scene {
        world,
        plan,
        stop,
        recorder,
        processes,
        under_way: BTreeMap::new(),
        next_index: 0,
        faults: Faults::default(),
        operator,
        leader: None,
        next_look,
        next_tick,
        window: Window::default(),
    };
    scene.play(journal)?;
    let recorded = scene.recorder.finish();
    recorded.map(drop).map_err(|error| RunError::Unavailable(format!("records were lost: {error}")))
}

/// One run under way.
struct Scene<'a> {
    world: World,
    plan: &'a mut Plan,
    stop: &'a Stop,
    recorder: Recorder,
    /// By place: what the load calls a process is a client of the world.
    processes: Vec<Process>,
    under_way: BTreeMap<Token, UnderWay>,
    /// Index of the next operation of the workload.
    next_index: u64,
    faults: Faults,
    operator: Operator,
    leader: Option<(NodeId, u64)>,
    next_look: Time,
    next_tick: Time,
    window: Window,
}

/// Asks for what the plan's `[[admin.at]]` says, each at its time or when the one before is answered.
struct Operator {
    client: u32,
    left: VecDeque<Planned>,
    /// What is asked, since when; again if it certainly did not happen.
    open: Option<(Planned, Time)>,
}

struct Process {
    client: u32,
    /// Which node it asks, under a rotating policy.
    turn: u64,
}

struct UnderWay {
    process: u32,
    due: Time,
    slot: Slot,
    /// Its place in the list that is being asked, if one is.
    place: Option<u32>,
}

/// The schedule as far as it has come.
#[derive(Default)]
struct Faults {
    moments: VecDeque<Moment>,
    /// When the load phase began, from which they count.
    start: Time,
    in_force: InForce,
    open: BTreeMap<u32, Open>,
}

/// A fault in force.
struct Open {
    record: FaultRecord,
    changes: Vec<Change>,
    /// What rules had done on its links before.
    bitten: Vec<(u64, u64)>,
}

/// What happened since the last tick, and since the stage began.
#[derive(Default)]
struct Window {
    asked: u64,
    answered: u64,
    latency: Histogram,
    counts: Counts,
}

/// How often somebody looks who leads.
const LOOK: Duration = Duration::from_millis(10);
/// How long servers may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a fault that aims at the leader waits until there is one.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long one pass of final reads may take.
const FINAL_READS: Duration = Duration::from_secs(5);
/// Final reads that fail are tried again so often, after such a pause.
const FINAL_PASSES: (usize, Duration) = (4, Duration::from_millis(500));

impl Scene<'_> {
    fn play(&mut self, journal: &mut Journal<'_>) -> Result<(), RunError> {
        self.wait_ready(journal)?;
        let phases = self.plan.phases;
        if !phases.warmup.is_zero() {
            self.phase("warm-up", journal)?;
            self.load(Phase::Warmup, phases.warmup, journal)?;
        }
        self.faults.start = self.world.now();
        self.faults.moments = moments(&self.plan.faults).into();
        self.operator.left = self.plan.admin.clone().into();
        journal.set_now(self.world.now());
        journal.load_began(self.world.now())?;
        self.load(Phase::Load, phases.load, journal)?;
        journal.metrics.gauges = self.gauges();
        while !self.faults.moments.is_empty() || !self.operator.left.is_empty() || self.operator.open.is_some() {
            self.idle(LOOK, journal)?;
        }
        if phases.final_reads {
            self.phase("settle", journal)?;
            self.idle(phases.settle, journal)?;
            self.read_back(journal)?;
        }
        journal.metrics.problems = self.problems();
        let broken = self.world.violation().map(ToString::to_string);
        journal.metrics.oracles = Some(broken.unwrap_or_default());
        journal.set_now(self.world.now());
        Ok(())
    }

    fn phase(&mut self, name: &str, journal: &mut Journal<'_>) -> Result<(), RunError> {
        journal.set_now(self.world.now());
        journal.phase(name)
    }

    /// As a real run does: every server must know of an epoch.
    fn wait_ready(&mut self, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let nodes = self.plan.system.nodes();
        let limit = self.world.now() + START_LIMIT;
        // One that is no member has nothing to wait for.
        let spare = |seen: &proto::Observation| seen.gauges.contains(&("member", 0));
        let serves = |world: &World, node| world.observe(node).is_some_and(|seen| seen.epoch > 0 || spare(&seen));
        while let Some(node) = NodeId::all(nodes).find(|node| !serves(&self.world, *node)) {
            if self.world.now() >= limit {
                let why = self.world.halted(node).unwrap_or("it knows of no leader");
                return Err(RunError::Unavailable(format!("{node} did not come up in {START_LIMIT:?}: {why}")));
            }
            self.idle(LOOK, journal)?;
        }
        journal.set_now(self.world.now());
        journal.tell(crate::Event::Ready { seconds: self.world.now().seconds() })
    }

    fn load(&mut self, phase: Phase, length: Duration, journal: &mut Journal<'_>) -> Result<(), RunError> {
        // The generator and the profile leave the plan for the time, so that the rest of it can be asked meanwhile.
        let mut generator = std::mem::replace(&mut self.plan.generator, Box::new(NoGenerator));
        let profile = self.plan.profile.clone();
        let work = Work::Load { profile: &profile, generator: &mut *generator, limit: Limit::Time(length) };
        let done = self.stage(phase, work, journal).map(drop);
        self.plan.generator = generator;
        done
    }

    /// Reads every key that was written on every node. What fails is asked again: only answers count.
    fn read_back(&mut self, journal: &mut Journal<'_>) -> Result<(), RunError> {
        self.phase("final reads", journal)?;
        let nodes = self.plan.system.nodes();
        let reads = self.plan.generator.final_reads();
        let mut left: Vec<(Request, Target)> =
            reads.iter().flat_map(|read| NodeId::all(nodes).map(|node| (*read, Target::Only(node)))).collect();
        let asked = left.len() as u64;
        let (passes, pause) = FINAL_PASSES;
        for pass in 0..passes {
            if left.is_empty() {
                break;
            }
            if pass > 0 {
                self.idle(pause, journal)?;
            }
            let work = Work::List { requests: &left, within: FINAL_READS };
            let answered = self.stage(Phase::Final, work, journal)?;
            let kept = left.iter().zip(&answered).filter(|(_, answered)| !**answered);
            left = kept.map(|(read, _)| *read).collect();
        }
        journal.metrics.final_reads = (asked, asked - left.len() as u64);
        Ok(())
    }

    /// Lets time pass while nobody asks anything.
    fn idle(&mut self, span: Duration, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let end = self.world.now() + span;
        while self.world.now() < end {
            self.look(journal)?;
            self.pass(end.min(self.next_look).min(self.faults.next()));
        }
        self.look(journal)
    }

    /// Asks what a stage wants, until all of it is over. Says which entries of a list were answered `ok`.
    fn stage(&mut self, phase: Phase, work: Work<'_>, journal: &mut Journal<'_>) -> Result<Vec<bool>, RunError> {
        self.world.set_phase(phase);
        self.window = Window::default();
        self.next_tick = self.world.now() + TICK;
        let (start, listed) =
            (self.world.now(), if let Work::List { requests, .. } = &work { requests.len() } else { 0 });
        let (mut source, generator) = Source::of(work, start, self.next_index, self.processes.len())
            .map_err(|error| RunError::Unavailable(error.to_string()))?;
        let mut stage = Stage { phase, start, generator, ok: vec![false; listed] };
        loop {
            let now = self.world.now();
            self.look(journal)?;
            self.ask_all(&mut source, &mut stage, now);
            while let Some(token) = self.world.take_completed() {
                self.end(token, &mut source, &mut stage);
            }
            self.ask_all(&mut source, &mut stage, now);
            if self.world.has_completed() {
                continue;
            }
            if now >= self.next_tick {
                self.tick(&source, &stage, journal)?;
            }
            if source.is_over(now) && self.under_way.is_empty() {
                break;
            }
            let timeout = self.plan.client.timeout;
            let due =
                [source.next(), source.oldest().map(|due| due + timeout), Some(source.end()).filter(|end| *end > now)];
            let wake = due.into_iter().flatten().min().unwrap_or(Time::MAX);
            self.pass(wake.min(self.next_look).min(self.next_tick).min(self.faults.next()));
        }
        self.next_index += source.indices();
        Ok(stage.ok)
    }

    /// Lets time pass until then, or until an operation ends.
    fn pass(&mut self, until: Time) {
        let span = until.since(self.world.now());
        let passed = self.world.run_until(span, World::has_completed);
        debug_assert!(passed.is_ok(), "a violation does not stop this world");
    }

    fn ask_all(&mut self, source: &mut Source<'_>, stage: &mut Stage<'_>, now: Time) {
        self.window.asked += source.admit(now);
        let timeout = self.plan.client.timeout.as_nanos() as u64;
        while let Some((index, due)) = now.0.checked_sub(timeout).and_then(|at| source.give_up(Time(at))) {
            self.never_sent(index, due, stage);
        }
        while let Some(ask) = source.take(now) {
            self.ask(ask, stage);
        }
    }

    fn ask(&mut self, ask: Ask, stage: &mut Stage<'_>) {
        let now = self.world.now();
        let (request, target, place) = match ask.what {
            What::Scheduled(index) | What::Again(index) => {
                (stage.request(index), self.target(index, ask.process), None)
            }
            What::Listed { place, request, target } => (request, target, Some(place)),
        };
        let client = self.processes[ask.process as usize].client;
        let Some(token) = self.world.invoke(client, request, target) else { return };
        let Some(operation) = self.world.operation(token) else { return };
        let scheduled = matches!(ask.what, What::Scheduled(_));
        let due = if scheduled { ask.ready } else { now };
        self.window.asked += u64::from(!scheduled);
        let (process, node) = (operation.process, operation.node);
        let slot = self.recorder.claim(&Claim { process, node, request, due, sent: now, phase: stage.phase });
        self.under_way.insert(token, UnderWay { process: ask.process, due, slot, place });
    }

    fn target(&self, index: u64, process: u32) -> Target {
        let client = &self.plan.client;
        // The seed that a real run's engine takes.
        let seed = self.plan.seed.derive("targets").derive("targets");
        let asker = Asker { index, process, turn: self.processes[process as usize].turn };
        client.target.target(seed, asker, self.plan.system.nodes(), client.redirects)
    }

    fn never_sent(&mut self, index: u64, due: Time, stage: &mut Stage<'_>) {
        let request = stage.request(index);
        // Nobody asked it: the record carries an id that no process has.
        let (process, node, sent) = (ProcessId(u32::MAX), NodeId(0), self.world.now());
        self.recorder.never_sent(&Claim { process, node, request, due, sent, phase: stage.phase });
        self.window.latency.record_infinite();
        self.window.counts.add(&Completion::fail(ErrorKind::NeverSent));
    }

    /// Writes down how an operation ended; its process is free again.
    fn end(&mut self, token: Token, source: &mut Source<'_>, stage: &mut Stage<'_>) {
        let (Some(under_way), Some(operation)) = (self.under_way.remove(&token), self.world.operation(token)) else {
            return;
        };
        let (completion, now) = (operation.completion, self.world.now());
        self.recorder.complete(under_way.slot, now, completion);
        let answered = load::is_answered(&completion);
        self.processes[under_way.process as usize].turn += u64::from(!answered);
        self.window.counts.add(&completion);
        if answered {
            self.window.answered += 1;
            self.window.latency.record(now.since(under_way.due).as_nanos() as u64);
        } else {
            self.window.latency.record_infinite();
        }
        if let Some(place) = under_way.place {
            stage.ok[place as usize] = completion.outcome == Outcome::Ok;
        }
        source.freed(under_way.process, now);
    }

    fn tick(&mut self, source: &Source<'_>, stage: &Stage<'_>, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let now = self.world.now();
        let window = now.since(self.next_tick) + TICK;
        let per_second = |count: u64| count as f64 / window.as_secs_f64();
        let tick = load::Tick {
            phase: stage.phase,
            at: now,
            elapsed: now.since(stage.start),
            window,
            asked_per_s: per_second(self.window.asked),
            achieved_per_s: per_second(self.window.answered),
            p50: self.window.latency.percentile(0.5),
            p99: self.window.latency.percentile(0.99),
            counts: self.window.counts.clone(),
            in_flight: self.under_way.len(),
            queued: source.queued(),
        };
        self.window = Window { counts: std::mem::take(&mut self.window.counts), ..Window::default() };
        self.next_tick = now + TICK;
        journal.set_now(now);
        journal.tick(&tick, None)
    }

    // Faults, and who leads.

    /// Sees to what is due beside the load.
    fn look(&mut self, journal: &mut Journal<'_>) -> Result<(), RunError> {
        if self.stop.is_set() {
            return Err(RunError::Interrupted { folder: journal.folder().path().display().to_string() });
        }
        let now = self.world.now();
        journal.set_now(now);
        if now >= self.next_look {
            self.next_look = now + LOOK;
            self.watch_leader(journal)?;
            self.administer(now, journal)?;
        }
        while self.faults.next() <= now {
            let Some(Moment { begins, injection, .. }) = self.faults.moments.pop_front() else { break };
            if begins { self.begin(injection, journal)? } else { self.finish(injection.id, journal)? }
        }
        Ok(())
    }

    fn administer(&mut self, now: Time, journal: &mut Journal<'_>) -> Result<(), RunError> {
        if self.world.is_waiting(self.operator.client) {
            return Ok(());
        }
        if let Some((planned, since)) = self.operator.open {
            let done = self.world.admin_history().pop().filter(|done| done.action == planned.action);
            let Some(done) = done else { return Ok(()) };
            if done.completion.outcome != Outcome::Fail || now.since(since) >= ADMIN {
                self.operator.open = None;
                let whole = AdminOperation { sent: since, ..done };
                journal.administered(&AdminRecord::of(&whole))?;
            } else {
                self.world.administer(self.operator.client, planned.action, Target::Leader);
            }
        } else if self.operator.left.front().is_some_and(|planned| self.faults.start + planned.at <= now)
            && let Some(planned) = self.operator.left.pop_front()
        {
            self.operator.open = Some((planned, now));
            self.world.administer(self.operator.client, planned.action, Target::Leader);
        }
        Ok(())
    }

    fn watch_leader(&mut self, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let leads = self.leader_now();
        if leads.is_some() && leads != self.leader {
            let (node, epoch) = leads.unwrap_or_default();
            let change = LeaderRecord { at_ns: self.world.now().nanos(), node: node.to_string(), epoch };
            journal.leader(&change)?;
            journal.metrics.leaders.push(change);
            self.leader = leads;
        }
        Ok(())
    }

    /// Who leads and can be seen to: a node that stands still answers nobody.
    fn leader_now(&self) -> Option<(NodeId, u64)> {
        let awake = NodeId::all(self.plan.system.nodes()).filter(|node| !self.world.is_paused(*node));
        let leads =
            awake.filter_map(|node| Some((node, self.world.observe(node).filter(|seen| seen.role == "leader")?.epoch)));
        leads.max_by_key(|(node, epoch)| (*epoch, std::cmp::Reverse(*node)))
    }

    fn begin(&mut self, injection: Injection, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let now = self.world.now();
        let leader = self.leader_now().map(|(node, _)| node);
        let waits = injection.fault.target == Selector::Leader && leader.is_none();
        if waits && self.leader.is_some() && now < self.faults.start + injection.at + PATIENCE {
            let at = now.since(self.faults.start) + LOOK;
            self.faults.moments.push_front(Moment { at, begins: true, injection });
            return Ok(());
        }
        let changes = injection.resolve(&fault::Cluster::new(self.plan.system.nodes(), leader));
        let mut record = opened(&injection, &changes, now);
        let bitten = links(&changes).map(|(from, to)| self.world.bitten(from, to)).collect();
        let made = self.faults.in_force.begin(injection.id, &changes);
        made.iter().for_each(|change| self.world.apply(change));
        let proofs: Vec<(String, bool)> = made.iter().filter_map(|change| self.proof(change)).collect();
        record.proven = !changes.is_empty() && proofs.iter().all(|(_, holds)| *holds);
        record.evidence = proofs.into_iter().map(|(text, _)| text).collect();
        journal.fault_began(&record)?;
        self.faults.open.insert(injection.id, Open { record, changes, bitten });
        Ok(())
    }

    fn finish(&mut self, id: u32, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let undone = self.faults.in_force.end(id);
        undone.iter().for_each(|change| self.world.apply(change));
        let Some(Open { mut record, changes, bitten }) = self.faults.open.remove(&id) else { return Ok(()) };
        let mut bit = false;
        for ((from, to), (dropped, delayed)) in links(&changes).zip(bitten) {
            let (now_dropped, now_delayed) = self.world.bitten(from, to);
            let (dropped, delayed) = (now_dropped - dropped, now_delayed - delayed);
            if dropped + delayed > 0 {
                bit = true;
                record.evidence.push(format!("{from} -> {to}: {dropped} messages dropped, {delayed} delayed"));
            }
        }
        for (text, holds) in undone.iter().filter_map(|change| self.proof(change)) {
            record.proven &= holds;
            record.evidence.push(text);
        }
        record.proven &= bit || links(&changes).next().is_none();
        record.end_ns = self.world.now().nanos();
        record.evidence.extend(elections_since(&journal.metrics.leaders, record.start_ns));
        journal.fault_ended(&record)
    }

    /// What can be seen of a change to a process, and whether it is as it should be. Links show it when they are mended.
    fn proof(&self, change: &Change) -> Option<(String, bool)> {
        let (node, is, text) = match *change {
            Change::Kill(node) => (node, !self.world.is_up(node), "is down"),
            Change::Start(node) => (node, self.world.is_up(node), "is up"),
            Change::Pause(node) => (node, self.world.is_paused(node), "stands still"),
            Change::Resume(node) => (node, !self.world.is_paused(node), "goes on"),
            Change::Link { .. } => return None,
        };
        Some((format!("{node} {}{text}", if is { "" } else { "not as it should be: it " }), is))
    }

    /// Nodes that ended although no fault ended them.
    fn problems(&self) -> Vec<NodeProblem> {
        let halted = NodeId::all(self.plan.system.nodes()).filter_map(|node| Some((node, self.world.halted(node)?)));
        let problem = |(node, why): (NodeId, &str)| NodeProblem {
            node: node.to_string(),
            text: format!("ended by itself: {why}"),
            evidence: Vec::new(),
            survived: false,
        };
        halted.map(problem).collect()
    }

    fn gauges(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let seen = NodeId::all(self.plan.system.nodes()).filter_map(|node| Some((node, self.world.observe(node)?)));
        let gauges =
            |gauges: Vec<(&'static str, u64)>| gauges.into_iter().map(|(name, value)| (name.to_string(), value));
        seen.map(|(node, seen)| (node.to_string(), gauges(seen.gauges).collect())).collect()
    }
}

impl Faults {
    /// When the next one begins or ends.
    fn next(&self) -> Time {
        self.moments.front().map_or(Time::MAX, |moment| self.start + moment.at)
    }
}

/// What a stage asks, and what came of it.
struct Stage<'s> {
    phase: Phase,
    start: Time,
    generator: Option<&'s mut dyn Generator>,
    ok: Vec<bool>,
}

impl Stage<'_> {
    fn request(&mut self, index: u64) -> Request {
        self.generator.as_mut().expect("a load has a generator").request(index)
    }
}

/// Stands in the plan while its generator is at work.
struct NoGenerator;

impl Generator for NoGenerator {
    fn request(&mut self, _index: u64) -> Request {
        Request::read(0)
    }

    fn final_reads(&self) -> Vec<Request> {
        Vec::new()
    }
}

/// The links that a fault changes.
fn links(changes: &[Change]) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
    changes.iter().filter_map(|change| match *change {
        Change::Link { from, to, .. } => Some((from, to)),
        _ => None,
    })
}

fn told(range: DurationRange) -> String {
    format!("{} to {}", show_duration(range.min), show_duration(range.max))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fault::{Action, Context, Fault, Kind, Need};

    use super::*;
    use crate::plan::{Source, read};

    fn plan(set: &[(&str, &str)]) -> Plan {
        let text = "[system]\nkind = 'raft-kv'\n[workload]\nkind = 'register'\n[load]\nrate = '10/s'\n[faults]\n";
        let set: Vec<(String, String)> = set.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        read(&Source { name: "my.toml", text, set: &set, seed: Some(1) }).unwrap_or_else(|wrong| panic!("{wrong}"))
    }

    fn refused(plan: &Plan) -> String {
        world(plan).map(drop).expect_err("it has no meaning here").to_string()
    }

    #[derive(Debug)]
    struct Quake;

    impl std::fmt::Display for Quake {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("quake")
        }
    }

    impl Action for Quake {
        fn changes(&self, _context: &mut Context<'_>) -> Vec<Change> {
            Vec::new()
        }
    }

    static QUAKE: Kind = Kind {
        name: "quake",
        about: "",
        effect: "",
        reveals: "",
        evidence: "",
        needs: &[Need::Root],
        options: &[],
        read: |_| Some(Arc::new(Quake)),
        draw: |_, _| Some(Arc::new(Quake)),
    };

    #[test]
    fn what_has_no_meaning_here_is_refused_by_name() {
        let mut quaking = plan(&[]);
        assert!(world(&quaking).is_ok());
        let fault = Fault { kind: &QUAKE, action: Arc::new(Quake), target: Selector::All };
        let (at, lasts) = (Duration::ZERO, Duration::from_secs(1));
        quaking.faults.push(Injection { id: 1, at, lasts, fault, seed: base::Seed(1) });
        assert!(refused(&quaking).contains("cannot do `quake`"), "{}", refused(&quaking));
        assert!(refused(&plan(&[("check.stop", "first-violation")])).contains("`check.stop`"));
        assert!(refused(&plan(&[("system.kind", "etcd")])).contains("`etcd`"));
    }

    #[test]
    fn a_volatile_disk_syncs_late() {
        let plan = plan(&[("system.disk", "volatile:50ms"), ("simulated.latency", "1ms")]);
        let mut world = world(&plan).unwrap_or_else(|refused| panic!("{refused}"));
        let client = world.add_client();
        world.run_until(Duration::from_secs(5), |world| world.leader().is_some()).expect("correct");
        world.invoke(client, Request::write(0, 1), Target::Leader);
        let asked = world.now();
        world.run_until(Duration::from_secs(5), |world| !world.is_waiting(client)).expect("correct");
        assert!(world.now().since(asked) > Duration::from_millis(50));
    }
}
