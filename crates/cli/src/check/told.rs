//! What is told of one history: lines for people, a line of JSON for tools, pictures of the witnesses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::check::{Anomaly, Report, Verdict, picture};
use history::event::{Events, Paired, Value};
use history::{NIL, Operation, Outcome};
use serde::Serialize;

use crate::exit::Exit;

/// A verdict on a file.
pub struct Judged {
    path: PathBuf,
    report: Report,
    seconds: f64,
    /// How many mistakes were let pass, and the first of them.
    skipped: Option<(usize, String)>,
    /// The operations of the witnesses, by their place in the history.
    steps: BTreeMap<u32, Step>,
    /// The certificate that was written or read.
    proven: Option<Proven>,
}

/// A certificate, for people and for tools.
#[derive(Clone, Debug, Serialize)]
pub struct Proven {
    /// Where it is.
    pub file: String,
    /// `order`, `witness`, `anomalies` or `none`.
    pub proof: &'static str,
    /// What it holds.
    #[serde(skip)]
    pub what: String,
    /// Whether it was read and checked again, rather than written.
    pub again: bool,
}

impl Proven {
    /// The same, checked again.
    pub fn again(self) -> Proven {
        Proven { again: true, ..self }
    }
}

/// How to tell it.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// As a line of JSON.
    pub json: bool,
    /// Draw the witnesses into this folder.
    pub draw: Option<PathBuf>,
}

/// An operation of a witness, in the words of the history.
#[derive(Clone, Debug, Serialize)]
struct Step {
    /// Its place among all operations, in order of invocation.
    operation: u32,
    process: u32,
    function: String,
    argument: serde_json::Value,
    result: serde_json::Value,
    outcome: &'static str,
    /// `null` where the history tells no times.
    invoked_ns: Option<u64>,
    /// `null` too if it never completed.
    completed_ns: Option<u64>,
}

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    file: String,
    model: &'a str,
    verdict: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    operations: usize,
    seconds: f64,
    /// Malformed events that `--lenient` let pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<usize>,
    /// The first reason of an `invalid` verdict; `null` otherwise.
    witness: Option<Witness<'a>>,
    /// All of them that are told, the first too.
    anomalies: Vec<Witness<'a>>,
    #[serde(flatten)]
    isolation: Option<Isolation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a Proven>,
}

/// Of transactions: every level and every anomaly.
#[derive(Serialize)]
struct Isolation<'a> {
    levels: BTreeMap<&'a str, &'a str>,
    strongest: &'a [&'static str],
    weakest_violated: &'a [&'static str],
    found: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    name: &'a str,
    count: usize,
    witness: Option<Witness<'a>>,
}

#[derive(Serialize)]
struct Witness<'a> {
    anomaly: &'a str,
    story: &'a [String],
    /// Places of the operations in the history.
    operations: &'a [u32],
    /// The same operations.
    steps: Vec<&'a Step>,
}

impl Judged {
    /// The verdict on a history of ours.
    pub fn own(path: &Path, report: Report, seconds: f64, skipped: Option<(usize, String)>) -> Judged {
        let operations = report.anomalies.iter().flat_map(|found| found.indices.iter().zip(&found.operations));
        let steps = operations.map(|(&place, operation)| (place, Step::of_operation(place, operation))).collect();
        Judged { path: path.to_path_buf(), report, seconds, skipped, steps, proven: None }.or_nothing()
    }

    /// Nothing that was there said anything: what is left of a history when all of it was skipped proves no promise.
    fn or_nothing(mut self) -> Judged {
        if self.report.operations == 0 && self.report.verdict == Verdict::Valid {
            self.report.verdict = Verdict::unknown("there are no operations to judge");
        }
        self
    }

    /// The same, with a certificate.
    pub fn proven(self, proven: Proven) -> Judged {
        Judged { proven: Some(proven), ..self }
    }

    /// What was found.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The verdict on an imported history. Places in witnesses are places in [`Events::operations`].
    pub fn imported(
        path: &Path,
        events: &Events,
        report: Report,
        seconds: f64,
        skipped: Option<(usize, String)>,
    ) -> Judged {
        let found = report.isolation.iter().flat_map(|isolation| &isolation.found).filter_map(|it| it.witness.as_ref());
        let places: Vec<u32> = report.anomalies.iter().chain(found).flat_map(|it| it.indices.iter().copied()).collect();
        let mut steps = BTreeMap::new();
        if let (false, Ok(operations)) = (places.is_empty(), events.operations()) {
            let known = places.into_iter().filter(|&place| (place as usize) < operations.len());
            steps.extend(known.map(|place| (place, Step::of_event(place, &operations.get(place as usize)))));
        }
        Judged { path: path.to_path_buf(), report, seconds, skipped, steps, proven: None }.or_nothing()
    }

    /// What a limit left undecided, before it was known what was to be decided.
    pub fn not(path: &Path, reason: String) -> Judged {
        Judged::own(path, Report::new("", Verdict::unknown(reason), 0), 0.0, None)
    }

    /// Prints and draws it, and says how to exit.
    pub fn tell(&self, telling: &Telling) -> Exit {
        if telling.json {
            println!("{}", serde_json::to_string(&self.line()).expect("plain data serialises"));
        } else {
            self.print();
        }
        let drawn = telling.draw.as_ref().map_or(Ok(()), |folder| self.draw(folder, !telling.json));
        match drawn {
            Ok(()) if self.report.verdict.is_bug() => Exit::Bug,
            Ok(()) => crate::exit_of(self.report.verdict.exit_code()),
            Err(error) => {
                eprintln!("error: cannot draw: {error}");
                Exit::NoInput
            }
        }
    }

    fn print(&self) {
        if self.report.model.is_empty() {
            println!("{}: {}", self.path.display(), self.report.verdict);
            return;
        }
        let operations = operations(self.report.operations);
        let milliseconds = self.seconds * 1e3;
        let file = self.path.display();
        println!("{file}: {} {} ({operations}, {milliseconds:.1} ms)", self.report.model, self.report.verdict);
        if let Some((count, first)) = &self.skipped {
            let s = if *count == 1 { "" } else { "s" };
            println!("  {count} malformed event{s} skipped, the first: {first}");
        }
        self.print_isolation();
        for anomaly in &self.report.anomalies {
            println!("  {}", anomaly.title);
            anomaly.story.iter().for_each(|sentence| println!("    {sentence}"));
        }
        let hidden = self.report.broken.saturating_sub(self.report.anomalies.len());
        if hidden > 0 {
            println!("  and {hidden} more");
        }
        if let Some(Proven { file, what, again, .. }) = &self.proven {
            println!("  {} {file}: {what}", if *again { "checked again by the certificate" } else { "certificate" });
        }
    }

    fn print_isolation(&self) {
        let Some(isolation) = &self.report.isolation else { return };
        let list = |names: &[&str]| if names.is_empty() { "none".to_string() } else { names.join(", ") };
        let (strongest, weakest) = (list(&isolation.strongest), list(&isolation.weakest_violated));
        println!("  strongest that hold: {strongest}; weakest violated: {weakest}");
        if !isolation.found.is_empty() {
            let show = |count| if count > 1 { format!(" ({count})") } else { String::new() };
            let found = isolation.found.iter().map(|found| format!("{}{}", found.name, show(found.count)));
            println!("  anomalies: {}", found.collect::<Vec<_>>().join(", "));
        }
    }

    /// A file for each witness that is told, named after the history.
    fn draw(&self, folder: &Path, tell: bool) -> std::io::Result<()> {
        let name = self.path.to_string_lossy().replace(['/', '\\', ' '], "-");
        for (number, anomaly) in self.report.anomalies.iter().enumerate() {
            std::fs::create_dir_all(folder)?;
            let path = folder.join(format!("{}-{}.svg", name.trim_start_matches(['.', '-']), number + 1));
            std::fs::write(&path, picture::standalone(&anomaly.svg()))?;
            if tell {
                println!("  drawn: {}", path.display());
            }
        }
        Ok(())
    }

    fn line(&self) -> Line<'_> {
        let reason = match &self.report.verdict {
            Verdict::Unknown { reason } => Some(reason.as_str()),
            _ => None,
        };
        Line {
            file: self.path.display().to_string(),
            model: self.report.model,
            verdict: self.report.verdict.name(),
            reason,
            operations: self.report.operations,
            seconds: self.seconds,
            skipped: self.skipped.as_ref().map(|(count, _)| *count),
            witness: self.report.anomalies.first().map(|anomaly| self.witness(anomaly)),
            anomalies: self.report.anomalies.iter().map(|anomaly| self.witness(anomaly)).collect(),
            isolation: self.isolation(),
            certificate: self.proven.as_ref(),
        }
    }

    fn isolation(&self) -> Option<Isolation<'_>> {
        let isolation = self.report.isolation.as_ref()?;
        let found = isolation.found.iter().map(|found| Found {
            name: &found.name,
            count: found.count,
            witness: found.witness.as_ref().map(|anomaly| self.witness(anomaly)),
        });
        Some(Isolation {
            levels: isolation.levels.iter().map(|(name, verdict)| (*name, verdict.name())).collect(),
            strongest: &isolation.strongest,
            weakest_violated: &isolation.weakest_violated,
            found: found.collect(),
        })
    }

    fn witness<'a>(&'a self, anomaly: &'a Anomaly) -> Witness<'a> {
        Witness {
            anomaly: &anomaly.title,
            story: &anomaly.story,
            operations: &anomaly.indices,
            steps: anomaly.indices.iter().filter_map(|place| self.steps.get(place)).collect(),
        }
    }
}

impl Step {
    fn of_operation(place: u32, operation: &Operation) -> Step {
        let value = |value: u64| if value == NIL { serde_json::Value::Null } else { value.into() };
        let (request, outcome) = (&operation.request, operation.completion.outcome);
        let argument = match request.function {
            history::Function::Cas => serde_json::Value::Array(vec![value(request.expected), value(request.argument)]),
            _ => value(request.argument),
        };
        Step {
            operation: place,
            process: operation.process.0,
            function: request.function.name().to_string(),
            argument,
            result: value(operation.completion.result),
            outcome: outcome.name(),
            invoked_ns: Some(operation.sent.0),
            completed_ns: (outcome != Outcome::Info).then_some(operation.done.0),
        }
    }

    fn of_event(place: u32, pair: &Paired<'_>) -> Step {
        let completed = pair.complete.filter(|_| pair.outcome != Outcome::Info);
        Step {
            operation: place,
            process: pair.process,
            function: pair.function.to_string(),
            argument: json(pair.invoke.value),
            result: completed
                .filter(|_| pair.outcome == Outcome::Ok)
                .map_or(serde_json::Value::Null, |it| json(it.value)),
            outcome: pair.outcome.name(),
            invoked_ns: pair.invoke.time,
            completed_ns: completed.and_then(|event| event.time),
        }
    }
}

/// `1 operation`, `1 000 operations`.
pub fn operations(count: usize) -> String {
    format!("{} operation{}", base::units::show_count(count as u64), if count == 1 { "" } else { "s" })
}

/// A value as JSON; names are texts.
fn json(value: Value<'_>) -> serde_json::Value {
    if let Some(number) = value.integer() {
        number.into()
    } else if let Some(word) = value.word() {
        word.into()
    } else if value.is_sequence() {
        value.items().map(json).collect()
    } else if value.is_map() {
        value.pairs().map(|(key, value)| (key.to_string(), json(value))).collect()
    } else {
        serde_json::Value::Null
    }
}
