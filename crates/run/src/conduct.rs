//! The flow of a real run: deploy, warm up, load while faults happen, heal, settle, read everything back, stop, judge.
//!
//! Threads beside the conductor: the load engine, the faults, the monitor that watches who leads, and the check that goes on meanwhile. They tell the
//! conductor what happens; it alone writes the event stream. Whatever ends the run, the testbed is taken down, and the registry's
//! guard undoes the rest.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant, SystemTime};

use base::{NodeId, Seed, Time};
use fault::Injection;
use history::{ClockDomain, Outcome, Phase, Recorder, Request};
use load::{Control, Engine, EngineOptions, Limit, Stage, StageReport, Work};
use proto::Target;
use report::Results;
use system::System;
use testbed::{Guard, Registry};
use workload::{Generator, Profile};

use crate::deploy::Cluster;
use crate::error::RunError;
use crate::event::Event;
use crate::faults::{Injector, Told};
use crate::folder::Folder;
use crate::journal::Journal;
use crate::meter::Meter;
use crate::monitor::View;
use crate::online::{self, Finding, Standing, Violation};
use crate::operator::{ADMIN, Operator, Planned};
use crate::plan::{Check, Phases, Plan, TestbedKind};
use crate::record::{AdminRecord, LeaderRecord, NodeProblem, Usage};
use crate::stop::Stop;

/// What to run and where to put it.
pub struct Order<'a> {
    /// The plan.
    pub plan: Plan,
    /// Where run folders go.
    pub runs: &'a Path,
    /// The user wants to stop.
    pub stop: &'a Stop,
    /// The arguments that started it, for the record.
    pub command: Vec<String>,
}

/// Runs a plan and judges it. Everything that was started is stopped when this returns.
///
/// # Errors
/// If the run could not be carried out; a bad verdict is not an error.
pub fn conduct(order: Order<'_>, emit: &mut dyn FnMut(&Event)) -> Result<Results, RunError> {
    let registry = Registry::open()?;
    let swept = registry.sweep()?;
    let mut plan = order.plan;
    let (folder, guard) = enter(&registry, order.runs, &plan)?;
    folder.write("plan.toml", plan.effective.as_bytes())?;
    let mut journal = Journal::open(&plan, folder, order.command, emit)?;
    for swept in swept {
        journal.note(format!("cleaned up after an earlier run: {swept}"))?;
    }
    let done = match plan.testbed {
        TestbedKind::Simulated => crate::simulated::carry_out(&mut plan, order.stop, &mut journal),
        _ => carry_out(&mut plan, &guard, order.stop, &mut journal),
    };
    drop(guard);
    journal.save(done.is_ok())?;
    journal.folder().close();
    done?;
    journal.phase("check")?;
    let results = crate::judge::judge(journal.folder())?;
    if results.verdict == report::Verdict::Valid {
        journal.folder().remove_data();
    }
    let verdict = results.verdict.name().into();
    journal.tell(Event::Finished { verdict, exit_code: results.exit_code, folder: results.folder.clone() })?;
    Ok(results)
}

/// Makes the run folder and enters the run under its name. Another run of the same plan and seed may have entered under that name in
/// the same second, with its folder elsewhere; a second later the name is another.
fn enter(registry: &Registry, runs: &Path, plan: &Plan) -> Result<(Folder, Guard), RunError> {
    loop {
        let folder = Folder::create(runs, &plan.name, plan.seed.0)?;
        match registry.register(&folder.id(), folder.path()) {
            Ok(guard) => return Ok((folder, guard)),
            Err(_) if registry.living()?.iter().any(|(run, ..)| *run == folder.id()) => {
                std::fs::remove_dir_all(folder.path())?;
                std::thread::sleep(Duration::from_secs(1));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn carry_out(plan: &mut Plan, guard: &Guard, stop: &Stop, journal: &mut Journal<'_>) -> Result<(), RunError> {
    let cluster = Cluster::prepare(plan, guard, journal.folder())?;
    journal.started(plan, cluster.name, &cluster.notes)?;
    let view = View::default();
    let scene = Scene {
        system: &*plan.system,
        faults: &plan.faults,
        admin: &plan.admin,
        profile: &plan.profile,
        phases: plan.phases,
        check: plan.check,
        standing: Standing::default(),
        cluster: &cluster,
        view: &view,
        meter: Meter::new(&*plan.system, &cluster, &view),
        over: AtomicBool::new(false),
        control: Control::new(),
        stop,
        epoch: journal.epoch(),
    };
    let options = scene.engine_options(&plan.client, plan.seed);
    let done = scene.play(options, &mut *plan.generator, journal);
    cluster.heal();
    journal.metrics.leaders = view.leaders();
    journal.metrics.gauges = view.gauges();
    journal.metrics.problems = scene.problems();
    cluster.stop(scene.system);
    done
}

/// What the threads of a run share.
struct Scene<'a> {
    system: &'a dyn System,
    faults: &'a [Injection],
    admin: &'a [Planned],
    profile: &'a Profile,
    phases: Phases,
    check: Check,
    /// What the check that goes on meanwhile knows.
    standing: Standing,
    cluster: &'a Cluster,
    view: &'a View,
    meter: Meter<'a>,
    /// The monitor may end.
    over: AtomicBool,
    control: Control,
    stop: &'a Stop,
    epoch: Instant,
}

/// What the threads tell the conductor.
enum Message {
    Phase(&'static str),
    LoadBegan(Time),
    Tick(load::Tick),
    Leader(LeaderRecord),
    Fault(Told),
    Admin(AdminRecord),
    Load(Box<StageReport>, Option<Usage>),
    FinalReads(u64, u64),
    Found(Finding),
    Over(Result<(), String>),
}

/// The load engine's ends of the channels to the others.
struct Cues {
    /// The load phase begins: faults count from here.
    begin: Sender<Instant>,
    /// All faults are over and healed, and the operator is done.
    healed: Receiver<()>,
    tell: Sender<Message>,
}

/// Ends the threads of a run when the conductor leaves the scene, also by a panic: the scope waits for them.
struct Halt<'a>(&'a Scene<'a>);

impl Drop for Halt<'_> {
    fn drop(&mut self) {
        self.0.control.abort();
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// Tells the conductor when a thread panics; it would wait for the others until the load is over, or for ever.
struct Alarm<'a>(&'a Sender<Message>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.send(Message::Over(Err("a thread of the run panicked".into())));
        }
    }
}

/// How long answers are waited for when a stage ends, beyond the operations' own timeout.
const DRAIN: Duration = Duration::from_secs(1);
/// How long one pass of final reads may take.
const FINAL_READS: Duration = Duration::from_secs(5);
/// Final reads that fail are tried again so often: a node may still be catching up.
const FINAL_PASSES: usize = 4;

impl Scene<'_> {
    fn play(
        &self,
        options: EngineOptions,
        generator: &mut dyn Generator,
        journal: &mut Journal<'_>,
    ) -> Result<(), RunError> {
        let recorder = Recorder::create(&journal.folder().file("history"), 0, &clock_domain(self.epoch))?;
        std::thread::scope(|scope| {
            let _halt = Halt(self);
            let starting = scope.spawn(|| {
                self.cluster.clients.enter()?;
                self.cluster.start_all(self.system, self.stop)
            });
            let took = starting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            journal.tell(Event::Ready { seconds: took.as_secs_f64() })?;
            let (tell, messages) = mpsc::channel();
            let (begin, began) = mpsc::channel();
            let (heal, healed) = mpsc::channel();
            let (to_monitor, to_faults, found) = (tell.clone(), tell.clone(), tell.clone());
            if self.check.online {
                let tail = recorder.tail();
                scope.spawn(move || {
                    let told = &mut |finding| drop(found.send(Message::Found(finding)));
                    online::watch(tail, &self.standing, &self.over, told);
                });
            }
            scope.spawn(move || {
                let _alarm = Alarm(&to_monitor);
                self.monitor(&to_monitor);
            });
            scope.spawn(move || {
                let _alarm = Alarm(&to_faults);
                self.inject(&began, &heal, &to_faults);
            });
            scope.spawn(move || self.watch_meter());
            scope.spawn(move || {
                let cues = Cues { begin, healed, tell };
                let _alarm = Alarm(&cues.tell);
                let done = self.load(options, recorder, generator, &cues);
                let _ = cues.tell.send(Message::Over(done));
            });
            self.listen(&messages, journal)
        })
    }

    /// Writes down what the threads tell until the load is over or the user wants to stop.
    fn listen(&self, messages: &Receiver<Message>, journal: &mut Journal<'_>) -> Result<(), RunError> {
        loop {
            if self.stop.is_set() {
                return Err(RunError::Interrupted { folder: journal.folder().path().display().to_string() });
            }
            let message = match messages.recv_timeout(Duration::from_millis(50)) {
                Ok(message) => message,
                Err(mpsc::RecvTimeoutError::Timeout) => continue,
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(died()),
            };
            match message {
                Message::Phase(name) => journal.phase(name)?,
                Message::LoadBegan(at) => {
                    panic_if_asked("conductor");
                    journal.load_began(at)?;
                }
                Message::Tick(tick) => journal.tick(&tick, self.check.online.then(|| self.standing.get()))?,
                Message::Found(finding) => self.found(finding, journal)?,
                Message::Leader(change) => journal.leader(&change)?,
                Message::Fault(Told::Began(fault)) => journal.fault_began(&fault)?,
                Message::Fault(Told::Ended(fault)) => journal.fault_ended(&fault)?,
                Message::Admin(done) => journal.administered(&done)?,
                Message::Load(report, usage) => {
                    journal.load_ended(&report);
                    journal.metrics.usage = usage;
                }
                Message::FinalReads(asked, answered) => journal.metrics.final_reads = (asked, answered),
                Message::Over(done) => return done.map_err(RunError::Unavailable),
            }
        }
    }

    /// The check that goes on meanwhile says something. The first violation ends the run if the plan wants it.
    fn found(&self, finding: Finding, journal: &mut Journal<'_>) -> Result<(), RunError> {
        let violation: Violation = match finding {
            Finding::GaveUp(reason) => {
                let text = format!("not checked while the load runs, only afterwards: {reason}");
                return journal.note(text);
            }
            Finding::Violation(violation) => violation,
        };
        journal.violation(&violation)?;
        if self.check.stop && !self.control.is_stopped() {
            journal.stopped(violation.at)?;
            self.control.stop();
            // The faults heal what is in force and end; so do the other threads.
            self.over.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn monitor(&self, tell: &Sender<Message>) {
        if self.cluster.clients.enter().is_ok() {
            let over = || self.over.load(Ordering::Relaxed);
            let mut told = |change| {
                panic_if_asked("monitor");
                drop(tell.send(Message::Leader(change)));
            };
            self.view.watch(self.system, &self.cluster.site, self.epoch, &over, &mut told);
        }
    }

    fn watch_meter(&self) {
        // Without faults nothing restarts, and asking would only cost the system time.
        if !self.faults.is_empty() && self.cluster.clients.enter().is_ok() {
            self.meter.watch(&|| self.over.load(Ordering::Relaxed));
        }
    }

    fn inject(&self, began: &Receiver<Instant>, healed: &Sender<()>, tell: &Sender<Message>) {
        let Ok(start) = began.recv() else { return };
        let injector = Injector {
            system: self.system,
            cluster: self.cluster,
            view: self.view,
            epoch: self.epoch,
            stop: self.stop,
            over: &self.over,
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _alarm = Alarm(tell);
                self.administer(start, tell);
            });
            injector.run(self.faults, start, &mut |told| drop(tell.send(Message::Fault(told))));
        });
        let _ = healed.send(());
    }

    /// What the operator asks for, each at its time or when the one before is answered.
    fn administer(&self, start: Instant, tell: &Sender<Message>) {
        if self.admin.is_empty() || self.cluster.clients.enter().is_err() {
            return;
        }
        let over = || self.stop.is_set() || self.over.load(Ordering::Relaxed);
        let client = self.system.client(u32::MAX, &self.cluster.site);
        let mut operator = Operator::new(client, self.system.endpoints(&self.cluster.site), self.epoch);
        for planned in self.admin {
            while Instant::now() < start + planned.at && !over() {
                operator.idle();
                std::thread::sleep(Duration::from_millis(10));
            }
            if over() {
                return;
            }
            let done = operator.perform(planned.action, ADMIN, &over);
            let _ = tell.send(Message::Admin(AdminRecord::of(&done)));
        }
    }

    fn engine_options(&self, settings: &load::Settings, seed: Seed) -> EngineOptions {
        // Made ahead: the engine's factory may not borrow the system. It takes as many as it needs.
        let groups = settings.connections.unwrap_or(settings.processes).min(settings.processes) as u32;
        let clients = (0..groups).map(|group| self.system.client(group, &self.cluster.site));
        let mut clients: Vec<_> = clients.map(Some).collect();
        let make = move |group: usize| clients[group].take().expect("each group's client is made once");
        let mut options = EngineOptions::new(self.system.endpoints(&self.cluster.site), make);
        settings.apply(&mut options);
        options.seed = seed.derive("targets");
        options
    }

    /// The load engine's part, on its own thread: warm-up, load, and after the heal the final reads.
    fn load(
        &self,
        options: EngineOptions,
        recorder: Recorder,
        generator: &mut dyn Generator,
        cues: &Cues,
    ) -> Result<(), String> {
        self.cluster.clients.enter().map_err(|error| error.to_string())?;
        let mut engine = Engine::new(options, recorder, self.epoch).map_err(|error| error.to_string())?;
        if !self.phases.warmup.is_zero() {
            let _ = cues.tell.send(Message::Phase("warm-up"));
            self.stage(&mut engine, Phase::Warmup, self.phases.warmup, generator, cues)?;
        }
        self.meter.begin();
        let _ = cues.tell.send(Message::LoadBegan(engine.now()));
        let _ = cues.begin.send(Instant::now());
        panic_if_asked("load");
        let report = self.stage(&mut engine, Phase::Load, self.phases.load, generator, cues)?;
        let usage = self.meter.end(report.machine.cpu);
        let _ = cues.tell.send(Message::Load(Box::new(report), usage));
        let _ = cues.healed.recv();
        if self.phases.final_reads && !self.control.is_stopped() {
            self.settle(cues);
            self.read_back(&mut engine, generator, cues)?;
        }
        engine.finish().map_or(Ok(0), Recorder::finish).map(drop).map_err(|error| format!("records were lost: {error}"))
    }

    fn stage(
        &self,
        engine: &mut Engine,
        phase: Phase,
        length: Duration,
        generator: &mut dyn Generator,
        cues: &Cues,
    ) -> Result<StageReport, String> {
        let work = Work::Load { profile: self.profile, generator, limit: Limit::Time(length) };
        let stage = Stage { phase, work, drain: DRAIN };
        let on_tick = |tick: &load::Tick| drop(cues.tell.send(Message::Tick(tick.clone())));
        engine.run(stage, &self.control, on_tick).map_err(|error| format!("the load engine failed: {error}"))
    }

    fn settle(&self, cues: &Cues) {
        let _ = cues.tell.send(Message::Phase("settle"));
        let end = Instant::now() + self.phases.settle;
        while Instant::now() < end && !self.control.is_stopped() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Reads every key that was written on every node. What fails is asked again: only answers count.
    fn read_back(&self, engine: &mut Engine, generator: &dyn Generator, cues: &Cues) -> Result<(), String> {
        let _ = cues.tell.send(Message::Phase("final reads"));
        let nodes = || NodeId::all(self.system.nodes());
        let reads = generator.final_reads();
        let mut left: Vec<(Request, Target)> =
            reads.iter().flat_map(|read| nodes().map(|node| (*read, Target::Only(node)))).collect();
        let asked = left.len() as u64;
        for pass in 0..FINAL_PASSES {
            if left.is_empty() || self.control.is_stopped() {
                break;
            }
            if pass > 0 {
                std::thread::sleep(Duration::from_millis(500));
            }
            let work = Work::List { requests: &left, within: FINAL_READS };
            let stage = Stage { phase: Phase::Final, work, drain: DRAIN };
            let report = engine.run(stage, &self.control, |_: &load::Tick| ()).map_err(|error| error.to_string())?;
            let failed = |answer: &Option<history::Completion>| !answer.is_some_and(|a| a.outcome == Outcome::Ok);
            let kept = left.iter().zip(&report.answers).filter(|(_, answer)| failed(answer));
            left = kept.map(|(read, _)| *read).collect();
        }
        let _ = cues.tell.send(Message::FinalReads(asked, asked - left.len() as u64));
        Ok(())
    }

    /// Nodes that ended although no fault ended them, and panics in their logs.
    fn problems(&self) -> Vec<NodeProblem> {
        let mut problems = Vec::new();
        for node in NodeId::all(self.system.nodes()) {
            let Some(mut testbed) = self.cluster.testbed() else { break };
            let log = self.cluster.site.node_folder(node).join("log");
            let findings = testbed::scan_log(&log).unwrap_or_default();
            let evidence: Vec<String> = findings.iter().map(|found| told(&log, found)).collect();
            if let Some(exit) = testbed.exit_status(node).filter(|_| !testbed.is_running(node)) {
                let text = format!("ended by itself with {exit}");
                problems.push(NodeProblem { node: node.to_string(), text, evidence, survived: false });
            } else if !evidence.is_empty() {
                let survived = findings.iter().all(|found| found.kind == testbed::FindingKind::Exception);
                let what = if survived { "an exception" } else { "a panic" };
                let text = format!("has {what} in its log");
                problems.push(NodeProblem { node: node.to_string(), text, evidence, survived });
            }
        }
        problems
    }
}

/// A finding and where it is.
fn told(log: &Path, found: &testbed::Finding) -> String {
    format!("{}:{}: {}", crate::judge::short_path(log), found.line, found.text)
}

/// This process' monotonic clock, counted from the run's epoch.
fn clock_domain(epoch: Instant) -> ClockDomain {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch_unix_ns = unix.saturating_sub(epoch.elapsed()).as_nanos() as u64;
    ClockDomain { epoch_unix_ns, ..ClockDomain::default() }
}

/// Panics where a test of the clean-up asks for it (`ASSIZE_TEST_PANIC=load`). A release build has no such hook.
fn panic_if_asked(place: &str) {
    if cfg!(debug_assertions) && std::env::var_os("ASSIZE_TEST_PANIC").is_some_and(|asked| asked == place) {
        panic!("asked to, in {place}");
    }
}

fn died() -> RunError {
    RunError::Unavailable("a thread of the run died; please report this with what was printed above".into())
}
