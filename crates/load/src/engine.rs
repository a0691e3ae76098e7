//! The event loop.

use std::io;
use std::time::{Duration, Instant};

use base::{NodeId, ProcessId, Seed, Time};
use history::{Claim, Completion, ErrorKind, Outcome, Phase, Recorder, Request};
use measure::Histogram;
use proto::{Target, Token};
use workload::{Generator, Profile};

use crate::machine::{Machine, Punctual};
use crate::network::{Clock, Network};
use crate::options::{Asker, EngineOptions, TargetPolicy};
use crate::processes::{MOST_PROCESSES, Processes, UnderWay, place_of};
use crate::report::{StageReport, TICK, Tick, is_answered, per_second};
use crate::source::{Ask, Source, What};
use crate::stage::{Control, REACTION, Stage, Work};

/// Drives clients over sockets, on the thread that calls [`run`](Engine::run).
///
/// Catch-up policy: an operation that is due while every process is busy is queued and sent as soon as one is free, in order,
/// up to its timeout; then it was never sent. A generator that was late sends at once what it owes.
pub struct Engine {
    network: Network,
    processes: Processes,
    recorder: Option<Recorder>,
    clock: Clock,
    nodes: usize,
    target: TargetPolicy,
    redirects: bool,
    timeout: Duration,
    spin: Duration,
    seed: Seed,
    /// Index of the next operation of a workload: goes on over stages, so that values stay unique.
    next_index: u64,
}

impl Engine {
    /// An engine that has dialled nobody yet. Times count from `epoch`. Without a recorder only figures are kept.
    ///
    /// # Errors
    /// `InvalidInput` when there are no endpoints or processes, or more processes than the connection groups can serve;
    /// otherwise what the kernel says.
    pub fn new(
        mut options: EngineOptions,
        recorder: impl Into<Option<Recorder>>,
        epoch: Instant,
    ) -> io::Result<Engine> {
        let clients = make_clients(&mut options)?;
        let groups = clients.len();
        let clock = Clock(epoch);
        Ok(Engine {
            nodes: options.endpoints.len(),
            network: Network::new(options.endpoints, clients, options.connect_timeout, options.timeout, clock)?,
            processes: Processes::new(options.processes, groups),
            recorder: recorder.into(),
            clock,
            target: options.target,
            redirects: options.redirects,
            timeout: options.timeout,
            spin: options.spin.budget(),
            seed: options.seed.derive("targets"),
            next_index: 0,
        })
    }

    /// Runs one stage to its end. `on_tick` is called every 250 ms on this thread and had better be quick: its time is the
    /// generator's lateness. While it runs, the thread has a higher priority if that is permitted: processes that it started would
    /// inherit it, so start nodes from another thread.
    ///
    /// # Errors
    /// `InvalidInput` when a closed loop wants more processes than there are; otherwise what the kernel says, or why records were lost.
    pub fn run(
        &mut self,
        stage: Stage<'_>,
        control: &Control,
        mut on_tick: impl FnMut(&Tick),
    ) -> io::Result<StageReport> {
        // A closed loop keeps a core busy; only an open one sleeps between arrivals and must wake on time.
        let open = matches!(stage.work, Work::Load { profile: Profile::Open(_), .. });
        let _punctual = Punctual::new(open);
        let before = Machine::now();
        let mut running = Running::new(self, stage)?;
        let outcome = running.run(control, &mut on_tick);
        let mut report = running.report;
        self.next_index += running.source.indices();
        report.machine = Machine::now().since(before);
        outcome.map(|()| report)
    }

    /// The time on the run's clock.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// How many processes ask.
    pub fn processes(&self) -> usize {
        self.processes.count()
    }

    /// Closes all connections and gives back the recorder.
    pub fn finish(self) -> Option<Recorder> {
        self.recorder
    }
}

fn make_clients(options: &mut EngineOptions) -> io::Result<Vec<Box<dyn proto::client::Client>>> {
    let invalid = |message: String| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    if options.endpoints.is_empty() || options.endpoints.len() > usize::from(u16::MAX) {
        return invalid("the engine needs endpoints, one per node".into());
    }
    if !(1..=MOST_PROCESSES).contains(&options.processes) {
        return invalid(format!("`processes` must be between 1 and {MOST_PROCESSES}"));
    }
    let first = (options.clients)(0);
    let each = first.concurrency().max(1);
    let needed = options.processes.div_ceil(each);
    let groups = options.connections.unwrap_or(needed).min(options.processes);
    if groups < needed {
        let processes = options.processes;
        return invalid(format!(
            "{processes} processes need at least {needed} connections: this client has at most {each} under way on one"
        ));
    }
    let mut clients = vec![first];
    clients.extend((1..groups).map(|group| (options.clients)(group)));
    Ok(clients)
}

/// One stage under way.
struct Running<'e, 's> {
    engine: &'e mut Engine,
    source: Source<'s>,
    generator: Option<&'s mut dyn Generator>,
    phase: Phase,
    drain: Duration,
    report: StageReport,
    window: Window,
    /// What is read now cannot have been readable before.
    readable_since: Time,
}

/// What happened since the last tick.
struct Window {
    since: Time,
    asked: u64,
    answered: u64,
    latency: Histogram,
}

impl Window {
    fn clear(&mut self, now: Time) {
        (self.since, self.asked, self.answered) = (now, 0, 0);
        self.latency.clear();
    }
}

impl<'e, 's> Running<'e, 's> {
    fn new(engine: &'e mut Engine, stage: Stage<'s>) -> io::Result<Self> {
        let start = engine.clock.now();
        let (base, count) = (engine.next_index, engine.processes.count());
        let listed = if let Work::List { requests, .. } = &stage.work { requests.len() } else { 0 };
        let (source, generator) = Source::of(stage.work, start, base, count)?;
        let window = Window { since: start, asked: 0, answered: 0, latency: Histogram::new() };
        let report = StageReport::new(stage.phase, start, listed);
        let (phase, drain) = (stage.phase, stage.drain);
        Ok(Running { engine, source, generator, phase, drain, report, window, readable_since: start })
    }

    fn run(&mut self, control: &Control, on_tick: &mut dyn FnMut(&Tick)) -> io::Result<()> {
        let mut drained_by = Time::MAX;
        let mut awake = self.engine.clock.now();
        loop {
            let now = self.engine.clock.now();
            self.advance(now)?;
            if control.is_stopped() {
                self.source.stop(now);
            }
            if control.is_aborted() || now >= drained_by {
                self.abandon_all(now)?;
            }
            if drained_by == Time::MAX && self.source.is_over(now) {
                self.report.ended = self.source.end().min(now);
                drained_by = now + self.drain;
            }
            if self.engine.processes.under_way() == 0 && drained_by < Time::MAX {
                break;
            }
            if now.since(self.window.since) >= TICK {
                self.tick(now, on_tick)?;
            }
            let slept_from = self.engine.clock.now();
            let wake = self.next_wake(now).min(drained_by);
            let events = self.sleep(slept_from, wake)?;
            let woken = self.engine.clock.now();
            self.readable_since = if was_asleep(slept_from, woken) { woken } else { awake };
            awake = woken;
            // All answers are read before anything else is asked: their times must not wait for writes.
            for event in 0..events {
                self.engine.network.handle(event)?;
                self.collect();
            }
        }
        let now = self.engine.clock.now();
        self.report.drained = now;
        // Rates over a few milliseconds would say nothing.
        if now.since(self.window.since) >= TICK / 5 { self.tick(now, on_tick) } else { self.check_recorder() }
    }

    /// Everything that time alone brings about, then what can be asked.
    fn advance(&mut self, now: Time) -> io::Result<()> {
        self.engine.network.fire(now)?;
        self.engine.network.settle()?;
        self.collect();
        while let Some(token) = self.engine.processes.expire(now) {
            self.abandon(token, now, ErrorKind::Timeout)?;
        }
        self.ask_all(now)
    }

    /// Sends what is due and can be sent, then lets the bytes leave together.
    fn ask_all(&mut self, now: Time) -> io::Result<()> {
        let due = self.source.admit(now);
        self.asked(due);
        // A queued operation gets its whole time: given up when its timeout has passed since it was due.
        while let Some((index, due)) =
            now.0.checked_sub(self.timeout_nanos()).and_then(|at| self.source.give_up(Time(at)))
        {
            self.never_sent(index, due, now);
        }
        while let Some(ask) = self.source.take(now) {
            self.ask(ask)?;
        }
        self.report.most_queued = self.report.most_queued.max(self.source.queued());
        self.engine.network.settle()?;
        self.collect();
        Ok(())
    }

    fn timeout_nanos(&self) -> u64 {
        self.engine.timeout.as_nanos() as u64
    }

    fn ask(&mut self, ask: Ask) -> io::Result<()> {
        let (request, target, place) = match ask.what {
            What::Scheduled(index) | What::Again(index) => (self.request(index), self.target(index, ask.process), None),
            What::Listed { place, request, target } => (request, target, Some(place)),
        };
        let engine = &mut *self.engine;
        let process = engine.processes.get(ask.process);
        let (group, id, free_since) = (process.group, process.id, process.free_since);
        let token = engine.processes.token(ask.process);
        let sent = engine.clock.now();
        let scheduled = matches!(ask.what, What::Scheduled(_));
        let due = if scheduled { ask.ready } else { sent };
        let written = engine.network.invoke(group, sent, token, &request, target);
        let node = written.unwrap_or(asked_node(target));
        let claim = Claim { process: id, node, request, due, sent, phase: self.phase };
        let slot = engine.recorder.as_mut().map(|recorder| recorder.claim(&claim));
        engine.processes.begin(ask.process, UnderWay { due, sent, slot, place }, sent + engine.timeout);
        engine.network.carry_out(group, sent)?;
        let could = free_since.max(ask.ready);
        self.report.lateness.record(sent.since(could).as_nanos() as u64);
        self.report.waiting.record(could.since(ask.ready).as_nanos() as u64);
        self.asked(u64::from(!scheduled));
        Ok(())
    }

    fn asked(&mut self, count: u64) {
        self.report.asked += count;
        self.window.asked += count;
    }

    fn request(&mut self, index: u64) -> Request {
        let generator = self.generator.as_mut().expect("a load has a generator");
        generator.request(index)
    }

    fn target(&self, index: u64, process: u32) -> Target {
        let engine = &*self.engine;
        let asker = Asker { index, process, turn: engine.processes.get(process).turn };
        engine.target.target(engine.seed, asker, engine.nodes, engine.redirects)
    }

    /// Takes in what the clients completed.
    fn collect(&mut self) {
        let mut completed = std::mem::take(&mut self.engine.network.completed);
        for one in completed.drain(..) {
            self.end(one.token, one.completion, one.done);
        }
        self.engine.network.completed = completed;
    }

    fn end(&mut self, token: Token, completion: Completion, done: Time) {
        let answered = is_answered(&completion);
        let unknown = completion.outcome == Outcome::Info;
        let Some((process, operation)) = self.engine.processes.end(token, done, unknown, !answered) else { return };
        if let (Some(recorder), Some(slot)) = (&mut self.engine.recorder, operation.slot) {
            recorder.complete(slot, done, completion);
        }
        self.count(&completion, Some(done.since(operation.due)));
        if answered {
            self.report.service.record(done.since(operation.sent).as_nanos() as u64);
            self.report.answered_in_time += u64::from(done <= self.source.end());
            self.report.read_lag.record(done.since(self.readable_since).as_nanos() as u64);
        }
        if let Some(place) = operation.place {
            self.report.answers[place as usize] = Some(completion);
        }
        self.source.freed(process, done);
    }

    fn count(&mut self, completion: &Completion, latency: Option<Duration>) {
        self.report.counts.add(completion);
        match latency.filter(|_| is_answered(completion)) {
            Some(latency) => {
                let nanos = latency.as_nanos() as u64;
                self.report.latency.record(nanos);
                self.window.latency.record(nanos);
                self.window.answered += 1;
            }
            None => {
                self.report.latency.record_infinite();
                self.window.latency.record_infinite();
            }
        }
    }

    fn never_sent(&mut self, index: u64, due: Time, now: Time) {
        let request = self.request(index);
        // Nobody asked it: the record carries an id that no process has.
        let process = ProcessId(u32::MAX);
        let claim = Claim { process, node: NodeId(0), request, due, sent: now, phase: self.phase };
        if let Some(recorder) = &mut self.engine.recorder {
            recorder.never_sent(&claim);
        }
        self.count(&Completion::fail(ErrorKind::NeverSent), None);
    }

    fn abandon(&mut self, token: Token, now: Time, error: ErrorKind) -> io::Result<()> {
        let group = self.engine.processes.get(place_of(token)).group;
        self.end(token, Completion::info(error), now);
        self.engine.network.abandon(group, now, token)
    }

    /// Gives up on everything that is queued or under way.
    fn abandon_all(&mut self, now: Time) -> io::Result<()> {
        self.source.stop(now);
        while let Some((index, due)) = self.source.give_up(Time::MAX) {
            self.never_sent(index, due, now);
        }
        for token in self.engine.processes.tokens() {
            self.abandon(token, now, ErrorKind::Abandoned)?;
        }
        self.engine.network.settle()
    }

    fn next_wake(&mut self, now: Time) -> Time {
        let engine = &mut *self.engine;
        let end = Some(self.source.end()).filter(|&end| end > now);
        let expiry = self.source.oldest().map(|due| due + engine.timeout);
        let timers = [self.source.next(), engine.processes.next_deadline(), engine.network.next_timer(), expiry, end];
        let first = timers.into_iter().flatten().min().unwrap_or(Time::MAX);
        first.min(now + REACTION).min(self.window.since + TICK)
    }

    /// Sleeps until `wake` or until something can be read. Returns the number of events.
    fn sleep(&mut self, now: Time, wake: Time) -> io::Result<usize> {
        let spin = if self.source.next() == Some(wake) { self.engine.spin } else { Duration::ZERO };
        let events = self.engine.network.wait(wake.since(now).saturating_sub(spin))?;
        if events > 0 || spin.is_zero() {
            return Ok(events);
        }
        while self.engine.clock.now() < wake {
            let events = self.engine.network.wait(Duration::ZERO)?;
            if events > 0 {
                return Ok(events);
            }
        }
        Ok(0)
    }

    fn check_recorder(&self) -> io::Result<()> {
        match self.engine.recorder.as_ref().and_then(Recorder::failure) {
            Some(failure) => Err(io::Error::new(failure.kind(), format!("operations were not recorded: {failure}"))),
            None => Ok(()),
        }
    }

    fn tick(&mut self, now: Time, on_tick: &mut dyn FnMut(&Tick)) -> io::Result<()> {
        self.check_recorder()?;
        let window = now.since(self.window.since);
        on_tick(&Tick {
            phase: self.phase,
            at: now,
            elapsed: now.since(self.report.started),
            window,
            asked_per_s: per_second(self.window.asked, window),
            achieved_per_s: per_second(self.window.answered, window),
            p50: self.window.latency.percentile(0.5),
            p99: self.window.latency.percentile(0.99),
            counts: self.report.counts.clone(),
            in_flight: self.engine.processes.under_way(),
            queued: self.source.queued(),
        });
        self.window.clear(now);
        Ok(())
    }
}

/// The node that a target names; the first one for a leader that is not known yet.
fn asked_node(target: Target) -> NodeId {
    match target {
        Target::Node(node) | Target::Only(node) => node,
        Target::Leader => NodeId(0),
    }
}

/// Whether a wait was one: nothing could be read when it began, or it would have come back at once.
fn was_asleep(from: Time, until: Time) -> bool {
    until.since(from) > Duration::from_micros(10)
}
