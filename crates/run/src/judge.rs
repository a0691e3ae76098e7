//! From a run folder to results: everything after the load is a function of the folder, so the same judgement can be had again.

use std::path::Path;
use std::time::{Duration, Instant};

use base::Time;
use check::{LostWrite, Model, Options};
use history::{History, OpenError};
use measure::{Disturbance, Figures, Loop, Measurement, Span, Trust};
use report::{Command, Fact, Results, Severity, Verdict};

use crate::error::RunError;
use crate::folder::Folder;
use crate::record::{AdminRecord, FaultRecord, LeaderRecord, Metrics, RunRecord, Usage};

/// Judges a run folder and writes `results.json`, `report.html` and `junit.xml` into it.
///
/// # Errors
/// If the history cannot be read or a file cannot be written.
pub fn judge(folder: &Folder) -> Result<Results, RunError> {
    let results = results_of(folder)?;
    folder.write("results.json", report::json(&results).as_bytes())?;
    folder.write("report.html", report::html(&results).as_bytes())?;
    folder.write("junit.xml", report::junit(&results).as_bytes())?;
    Ok(results)
}

/// Judges a run folder and writes nothing.
///
/// # Errors
/// If the history or the plan cannot be read.
pub fn results_of(folder: &Folder) -> Result<Results, RunError> {
    Ok(Case::open(folder)?.results())
}

/// Everything that is known of a run.
struct Case {
    folder: Folder,
    record: RunRecord,
    plan_text: String,
    objectives: Vec<measure::Objective>,
    history: History,
    faults: Vec<FaultRecord>,
    admin: Vec<AdminRecord>,
    /// Missing if the run was killed.
    metrics: Option<Metrics>,
}

impl Case {
    fn open(folder: &Folder) -> Result<Case, RunError> {
        let damaged = || RunError::History(format!("`{}` is damaged", folder.file("run.json").display()));
        let record: RunRecord = folder.read_json("run.json").ok_or_else(damaged)?;
        let plan_text = std::fs::read_to_string(folder.file("plan.toml"))?;
        let source = crate::plan::Source { name: "plan.toml", text: &plan_text, ..Default::default() };
        let objectives = crate::plan::read(&source)?.objectives;
        let history = History::open(folder.path()).map_err(history_error)?;
        let faults = folder.read_lines("faults.jsonl");
        let admin = folder.read_lines("admin.jsonl");
        let metrics = folder.read_json("metrics.json");
        Ok(Case { folder: folder.clone(), record, plan_text, objectives, history, faults, admin, metrics })
    }

    fn results(&self) -> Results {
        let mut results = self.facts();
        results.faults = self.faults.iter().map(Case::fault).collect();
        let (check, seconds) = self.check();
        let measured = self.measure();
        let trust = self.trust();
        let lateness = self.metrics.as_ref().map(|metrics| metrics.lateness.clone()).unwrap_or_default();
        results.measured(&measured, &lateness, &trust);
        results.resources =
            self.metrics.as_ref().and_then(|metrics| metrics.usage.as_ref()).map(|usage| resources(usage, &measured));
        results.checks = vec![model_check(&check, seconds), self.nodes_check()];
        results.checks.extend(self.oracles_check());
        results.anomalies = check.anomalies.iter().map(|found| anomaly(&check, found)).collect();
        let lost = self.lost_writes();
        let models = [(check.model.to_string(), decided(&check.verdict))];
        let lost_writes = lost.as_ref().map(|lost| lost.len() as u64);
        let figures = Figures { measured: &measured, trust: &trust, lost_writes, models: &models };
        results.objectives = self.objectives.iter().map(|objective| objective.judge(&figures).into()).collect();
        results.problems = self.problems(&results, &lost.unwrap_or_default());
        if !self.record.complete {
            results.reasons.push("the run did not come to its end".into());
        }
        if self.record.stopped_ns.is_some() && check.verdict != check::Verdict::Invalid {
            let reason =
                "a violation ended the run that the check of the whole history does not find (a bug in assize)";
            results.reasons.push(reason.into());
        }
        let undone = self.admin.iter().filter(|done| done.outcome != "ok");
        results.reasons.extend(undone.map(|done| format!("the operator asked for {}", done.told())));
        results.conclude();
        results
    }

    fn check(&self) -> (check::Report, f64) {
        let named = self.objectives.iter().find_map(|objective| match objective {
            measure::Objective::Model(name) => Model::find(name),
            _ => None,
        });
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let options = Options { threads, own_run: true, recheck: true, ..Options::default() };
        let start = Instant::now();
        let report = check::check(&self.history, named.unwrap_or(&check::LINEARIZABLE), &options);
        (report, start.elapsed().as_secs_f64())
    }

    /// Nodes must not end by themselves, nor panic.
    fn nodes_check(&self) -> report::Check {
        let fatal = |metrics: &Metrics| metrics.problems.iter().filter(|p| !p.survived).cloned().collect::<Vec<_>>();
        let problems = self.metrics.as_ref().map(fatal);
        let verdict = match &problems {
            None => Verdict::Unknown,
            Some(problems) if problems.is_empty() => Verdict::Valid,
            Some(_) => Verdict::Invalid,
        };
        let told = problems.map(|all| all.iter().map(|p| format!("{} {}", p.node, p.text)).collect::<Vec<_>>());
        let reason = told.map_or("the run did not end".into(), |told| told.join("; "));
        report::Check { model: "nodes stay up".into(), verdict, reason, ..report::Check::default() }
    }

    /// Of a simulated run: no invariant of the protocol was broken at any step.
    fn oracles_check(&self) -> Option<report::Check> {
        let reason = self.metrics.as_ref()?.oracles.clone()?;
        let verdict = if reason.is_empty() { Verdict::Valid } else { Verdict::Invalid };
        Some(report::Check { model: "invariants of the protocol".into(), verdict, reason, ..report::Check::default() })
    }

    /// The load phase; a run that was killed before it has an empty one.
    fn span(&self) -> Span {
        let start = self.load_start();
        let length = if self.record.load_start_ns.is_some() { self.record.load_length_ns } else { 0 };
        Span { start, end: start + Duration::from_nanos(length) }
    }

    fn load_start(&self) -> Time {
        Time(self.record.load_start_ns.unwrap_or(0))
    }

    fn measure(&self) -> Measurement {
        let disturbance =
            |fault: &FaultRecord| Disturbance { id: fault.id, start: Time(fault.start_ns), end: Time(fault.end_ns) };
        let faults: Vec<Disturbance> = self.faults.iter().map(disturbance).collect();
        let mode = if self.record.closed_loop { Loop::Closed } else { Loop::Open };
        Measurement::of(&self.history, self.span(), &faults, mode)
    }

    fn trust(&self) -> Trust {
        match &self.metrics {
            Some(Metrics { untrusted: Some(reason), .. }) => Trust::Untrusted(reason.clone()),
            Some(_) => Trust::Trusted,
            None => Trust::Untrusted("the run did not end, so the generator's lateness is not known".into()),
        }
    }

    /// `None` if no final read was answered, or the run was stopped before: then nobody can say.
    fn lost_writes(&self) -> Option<Vec<LostWrite>> {
        let (asked, answered) = self.metrics.as_ref()?.final_reads;
        if self.record.stopped_ns.is_some() {
            return None;
        }
        (asked == 0 || answered > 0).then(|| check::lost_writes(&self.history))
    }

    fn facts(&self) -> Results {
        let record = &self.record;
        let fact = |(name, value): &(String, String)| Fact::new(name, value);
        let folder = short_path(self.folder.path());
        let metrics = self.metrics.clone().unwrap_or_default();
        let exact = record.testbed == crate::simulated::NAME;
        let repeats = if exact { "repeat it exactly" } else { "repeat the schedule (not the interleaving)" };
        let repeat = vec![
            Command::new(repeats, format!("assize run {folder}/plan.toml")),
            Command::new("judge it again", format!("assize check {folder}")),
            Command::new("look at the history", format!("assize export {folder} --format edn")),
        ];
        let mut notes = record.notes.clone();
        notes.extend(self.admin.iter().map(|done| format!("the operator asked for {}", done.told())));
        let (asked, answered) = metrics.final_reads;
        if answered < asked {
            notes.push(format!("{} of {asked} final reads got no answer", asked - answered));
        }
        Results {
            seed: record.seed,
            run: record.run.clone(),
            name: record.plan.clone(),
            folder,
            system: record.system.clone(),
            testbed: record.testbed.clone(),
            nodes: base::NodeId::all(record.nodes).map(|node| node.to_string()).collect(),
            started: crate::folder::rfc3339(record.started_unix),
            seconds: record.seconds,
            elections: self.elections(&metrics),
            leaders: metrics.leaders.iter().map(Case::leader).collect(),
            notes,
            repeat,
            versions: record.versions.iter().map(fact).collect(),
            machine: record.machine.iter().map(fact).collect(),
            plan: self.plan_text.clone(),
            ..Results::default()
        }
    }

    /// Changes of leader in the load phase. The first leader that was seen is none.
    fn elections(&self, metrics: &Metrics) -> u64 {
        let later = metrics.leaders.iter().skip(1);
        later.filter(|leader| leader.at_ns >= self.load_start().nanos()).count() as u64
    }

    fn leader(leader: &LeaderRecord) -> report::Leader {
        report::Leader { at: Time(leader.at_ns).seconds(), node: leader.node.clone(), term: leader.epoch }
    }

    fn fault(fault: &FaultRecord) -> report::Fault {
        report::Fault {
            id: fault.id,
            kind: fault.kind.clone(),
            target: fault.target.clone(),
            nodes: fault.nodes.clone(),
            start: Time(fault.start_ns).seconds(),
            end: Time(fault.end_ns).seconds(),
            evidence: fault.evidence.clone(),
            proven: fault.proven,
            ..report::Fault::default()
        }
    }

    fn problems(&self, results: &Results, lost: &[LostWrite]) -> Vec<report::Problem> {
        let repeat = results.repeat.first().map(|command| command.command.clone()).unwrap_or_default();
        let problem = |severity, title: String, evidence| report::Problem {
            id: slug(&title),
            severity,
            title,
            evidence,
            repeat: repeat.clone(),
        };
        let mut problems: Vec<report::Problem> = Vec::new();
        if !lost.is_empty() {
            let told = lost.iter().take(5).map(|lost| self.lost_write(lost)).collect();
            problems.push(problem(Severity::Critical, format!("{} acknowledged writes are lost", lost.len()), told));
        }
        for anomaly in &results.anomalies {
            problems.push(problem(Severity::Critical, anomaly.title.clone(), anomaly.story.clone()));
        }
        for node in self.metrics.iter().flat_map(|metrics| &metrics.problems) {
            let severity = if node.survived { Severity::Minor } else { Severity::Critical };
            problems.push(problem(severity, format!("{} {}", node.node, node.text), node.evidence.clone()));
        }
        for fault in &results.faults {
            let lasting = |recovery: &report::Recovery| recovery.state == report::RecoveryState::NotRecovered;
            // A run that was ended before its time says nothing of recovery.
            if self.record.stopped_ns.is_none() && fault.recovery.as_ref().is_some_and(lasting) {
                let title =
                    format!("no recovery from fault {}: {} of {}", fault.id, fault.kind, fault.nodes.join(", "));
                let told = format!("watched from {:.1} s to the end of the load", fault.start);
                problems.push(problem(Severity::Major, title, vec![told]));
            }
        }
        problems
    }

    fn lost_write(&self, lost: &LostWrite) -> String {
        let columns = &self.history.operations;
        let (write, read) = (columns.get(lost.write as usize), columns.get(lost.read as usize));
        let found = match read.completion.result {
            history::NIL => "nothing".to_string(),
            value => value.to_string(),
        };
        format!(
            "key {}: {} wrote {} and was told ok at {}, but the final read on {} found {found}",
            self.history.key_name(lost.key),
            write.process,
            write.request.argument,
            write.done,
            read.node
        )
    }
}

/// What the load phase cost, for each operation that it brought about.
fn resources(usage: &Usage, measured: &Measurement) -> report::Resources {
    let nodes = usage.nodes.iter().map(|(node, usage)| report::NodeResources {
        node: node.clone(),
        cpu_seconds: usage.cpu_ns.map(|nanos| nanos as f64 / 1e9),
        syncs: usage.syncs,
    });
    let writes = measured.functions.iter().filter(|(function, _)| function.is_mutation());
    let written = writes.map(|(_, figures)| figures.outcomes.ok).sum();
    let (generator, bench) = (usage.generator_cpu_ns as f64 / 1e9, usage.bench_cpu_ns as f64 / 1e9);
    report::Resources::new(nodes.collect(), generator, bench, measured.outcomes.ok, written)
}

fn model_check(check: &check::Report, seconds: f64) -> report::Check {
    let reason = match &check.verdict {
        check::Verdict::Unknown { reason } => reason.clone(),
        check::Verdict::Invalid => match check.anomalies.first() {
            Some(first) if check.broken > 1 => format!("{}, and {} keys more", first.title, check.broken - 1),
            Some(first) => first.title.clone(),
            None => String::new(),
        },
        check::Verdict::Valid => String::new(),
    };
    let verdict = match &check.verdict {
        check::Verdict::Valid => Verdict::Valid,
        check::Verdict::Unknown { .. } => Verdict::Unknown,
        check::Verdict::Invalid => Verdict::Invalid,
    };
    report::Check { model: check.model.to_string(), verdict, reason, operations: check.operations as u64, seconds }
}

fn anomaly(check: &check::Report, found: &check::Anomaly) -> report::Anomaly {
    report::Anomaly {
        model: check.model.to_string(),
        title: found.title.clone(),
        story: found.story.clone(),
        svg: found.svg(),
    }
}

fn decided(verdict: &check::Verdict) -> Option<bool> {
    match verdict {
        check::Verdict::Valid => Some(true),
        check::Verdict::Invalid => Some(false),
        check::Verdict::Unknown { .. } => None,
    }
}

fn history_error(error: OpenError) -> RunError {
    if error.is_missing() { RunError::NotFound(error.to_string()) } else { RunError::History(error.to_string()) }
}

/// Words joined by hyphens: stable ids from titles.
fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// The path as people type it: relative to where they are, if it is below.
pub(crate) fn short_path(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short.unwrap_or_else(|| path.to_path_buf()).display().to_string()
}
