//! What the conductor writes down while a run goes on: the event stream, and the files of the run folder.

use std::time::{Instant, SystemTime};

use base::Time;
use load::StageReport;
use measure::{Latency, Trust};

use crate::error::RunError;
use crate::event::{Event, Tick};
use crate::folder::{Folder, Lines};
use crate::online::Violation;
use crate::plan::Plan;
use crate::record::{AdminRecord, FORMAT, FaultRecord, LeaderRecord, Metrics, RunRecord};

/// The run's own record, written as it goes: a kill loses nothing that was told.
pub struct Journal<'a> {
    folder: Folder,
    record: RunRecord,
    /// What cannot be computed again from the records.
    pub metrics: Metrics,
    events: Lines,
    faults: Lines,
    admin: Option<Lines>,
    in_force: Vec<(u32, String)>,
    violations: usize,
    emit: &'a mut dyn FnMut(&Event),
    epoch: Instant,
    /// The run's clock, if it is not this machine's.
    virtual_now: Option<Time>,
}

/// Violations that are told in the report; the check of the whole history tells the others.
const TOLD_VIOLATIONS: usize = 3;

impl<'a> Journal<'a> {
    /// Begins the record of a run.
    pub fn open(
        plan: &Plan,
        folder: Folder,
        command: Vec<String>,
        emit: &'a mut dyn FnMut(&Event),
    ) -> Result<Journal<'a>, RunError> {
        let mut versions = vec![("assize".to_string(), env!("CARGO_PKG_VERSION").to_string())];
        versions.extend(plan.system.versions());
        versions.dedup();
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let record = RunRecord {
            format: FORMAT,
            run: folder.id(),
            plan: plan.name.clone(),
            seed: plan.seed.0,
            system: plan.system.name().to_string(),
            nodes: plan.system.nodes(),
            command,
            versions,
            machine: crate::machine::describe(),
            started_unix: unix.as_secs(),
            closed_loop: matches!(plan.profile, workload::Profile::Closed { .. }),
            load_length_ns: plan.phases.load.as_nanos() as u64,
            ..RunRecord::default()
        };
        folder.write_json("run.json", &record)?;
        let (events, faults) = (folder.append("events.jsonl")?, folder.append("faults.jsonl")?);
        let metrics = Metrics::default();
        let (in_force, violations, epoch) = (Vec::new(), 0, Instant::now());
        let admin = if plan.admin.is_empty() { None } else { Some(folder.append("admin.jsonl")?) };
        let virtual_now = None;
        Ok(Journal { folder, record, metrics, events, faults, admin, in_force, violations, emit, epoch, virtual_now })
    }

    /// The run folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// When the run's clock started.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// The run's clock is virtual, and shows this.
    pub fn set_now(&mut self, now: Time) {
        self.virtual_now = Some(now);
    }

    fn now(&self) -> Time {
        self.virtual_now.unwrap_or_else(|| Time(self.epoch.elapsed().as_nanos() as u64))
    }

    /// Says where the system will run, and what a reader should know of that.
    pub fn started(&mut self, plan: &Plan, testbed: &str, notes: &[String]) -> Result<(), RunError> {
        self.record.testbed = testbed.to_string();
        self.save_record()?;
        self.tell(Event::Started {
            run: self.folder.id(),
            folder: crate::judge::short_path(self.folder.path()),
            plan: plan.name.clone(),
            seed: plan.seed.0,
            system: plan.system.name().to_string(),
            testbed: testbed.to_string(),
            nodes: plan.system.nodes(),
            seconds: plan.phases.total().as_secs_f64(),
        })?;
        for note in notes.iter().chain(&plan.warnings) {
            self.note(note.clone())?;
        }
        Ok(())
    }

    /// Tells something that a reader should know, now and in the report.
    pub fn note(&mut self, text: String) -> Result<(), RunError> {
        self.record.notes.push(text.clone());
        self.save_record()?;
        self.tell(Event::Note { text })
    }

    /// A phase begins.
    pub fn phase(&mut self, name: &str) -> Result<(), RunError> {
        let at = self.now().seconds();
        self.tell(Event::Phase { at, phase: name.to_string() })
    }

    /// The load phase begins: what is measured starts here.
    pub fn load_began(&mut self, at: Time) -> Result<(), RunError> {
        self.record.load_start_ns = Some(at.nanos());
        self.save_record()?;
        self.tell(Event::Phase { at: at.seconds(), phase: "load".into() })
    }

    /// The load phase is over.
    pub fn load_ended(&mut self, report: &StageReport) {
        if self.record.stopped_ns.is_some() {
            self.record.load_length_ns = report.ended.since(report.started).as_nanos() as u64;
            if report.asked == 0 {
                self.metrics.untrusted = Some("the run was ended before the load".into());
                return;
            }
        }
        self.metrics.lateness = report.lateness.clone();
        self.metrics.generator = report.machine.to_string();
        if let (false, Trust::Untrusted(reason)) = (self.record.closed_loop, report.trust()) {
            self.metrics.untrusted = Some(reason);
        }
    }

    /// How the load goes.
    /// `checked`: operations checked so far, and broken keys.
    pub fn tick(&mut self, tick: &load::Tick, checked: Option<(u64, u64)>) -> Result<(), RunError> {
        let micros = |latency: Option<Latency>| latency.map(Latency::micros).filter(|micros| micros.is_finite());
        let counts = &tick.counts;
        self.tell(Event::Tick(Tick {
            at: tick.at.seconds(),
            phase: tick.phase.name().to_string(),
            asked: tick.asked_per_s,
            achieved: tick.achieved_per_s,
            p50_us: micros(tick.p50),
            p99_us: micros(tick.p99),
            ok: counts.ok,
            fail: counts.fail + counts.never_sent,
            info: counts.info,
            errors: counts.errors().map(|(kind, count)| (kind.to_string(), count)).collect(),
            in_flight: tick.in_flight as u64,
            queued: tick.queued as u64,
            faults: self.in_force.iter().map(|(_, text)| text.clone()).collect(),
            checked: checked.map(|(checked, _)| checked),
            broken: checked.map_or(0, |(_, broken)| broken),
        }))
    }

    /// A promise was broken. The first few are told in the report too.
    pub fn violation(&mut self, found: &Violation) -> Result<(), RunError> {
        let Violation { at, key, title, because } = found;
        if self.violations < TOLD_VIOLATIONS {
            self.record.notes.push(format!("found while the load ran, at {at}: {title} of key {key}: {because}"));
            self.save_record()?;
        }
        self.violations += 1;
        let (at, kind) = (at.seconds(), title.to_string());
        self.tell(Event::Violation { at, key: *key, kind, because: because.clone() })
    }

    /// The run ends before its time, because of what was found at `found`.
    pub fn stopped(&mut self, found: Time) -> Result<(), RunError> {
        let at = self.now();
        let load = self.record.load_start_ns.map(Time).filter(|start| *start <= found);
        let within = load.map_or("in the warm-up".into(), |start| {
            format!("{:.1} s into the load", found.since(start).as_secs_f64())
        });
        let reason = format!("the first violation, found at {found}, {within}, ended the run (`check.stop`)");
        self.record.stopped_ns = Some(at.nanos());
        self.record.notes.push(reason.clone());
        self.save_record()?;
        self.tell(Event::Stopped { at: at.seconds(), reason })
    }

    /// Another node leads.
    pub fn leader(&mut self, change: &LeaderRecord) -> Result<(), RunError> {
        let at = Time(change.at_ns).seconds();
        self.tell(Event::Leader { at, node: change.node.clone(), epoch: change.epoch })
    }

    /// A fault is in force.
    pub fn fault_began(&mut self, fault: &FaultRecord) -> Result<(), RunError> {
        let text = described(fault);
        self.in_force.push((fault.id, text.clone()));
        self.tell(Event::FaultBegan { at: Time(fault.start_ns).seconds(), id: fault.id, fault: text })
    }

    /// A fault is undone.
    pub fn fault_ended(&mut self, fault: &FaultRecord) -> Result<(), RunError> {
        self.in_force.retain(|(id, _)| *id != fault.id);
        self.faults.push(fault)?;
        let evidence = if fault.proven { fault.evidence.clone() } else { Vec::new() };
        let at = Time(fault.end_ns).seconds();
        self.tell(Event::FaultEnded { at, id: fault.id, fault: described(fault), evidence })
    }

    /// An operator's action was answered.
    pub fn administered(&mut self, done: &AdminRecord) -> Result<(), RunError> {
        if let Some(admin) = &mut self.admin {
            admin.push(done)?;
        }
        let at = self.now().seconds();
        self.tell(Event::Admin { at, action: done.told() })
    }

    /// Writes an event down and shows it.
    pub fn tell(&mut self, event: Event) -> Result<(), RunError> {
        self.events.push(&event)?;
        (self.emit)(&event);
        Ok(())
    }

    /// Writes what the threads have gathered; `complete` if every phase was gone through.
    pub fn save(&mut self, complete: bool) -> Result<(), RunError> {
        self.record.complete = complete;
        self.record.seconds = self.epoch.elapsed().as_secs_f64();
        self.folder.write_json("metrics.json", &self.metrics)?;
        self.save_record()
    }

    fn save_record(&self) -> Result<(), RunError> {
        Ok(self.folder.write_json("run.json", &self.record)?)
    }
}

fn described(fault: &FaultRecord) -> String {
    if fault.nodes.is_empty() || fault.nodes == [fault.target.clone()] {
        fault.text.clone()
    } else {
        format!("{} ({})", fault.text, fault.nodes.join(", "))
    }
}
