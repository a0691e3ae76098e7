//! `assize check --questions TABLE`: every question of a table, each disagreement, and a count by workload.
//!
//! The table is tab-separated, its first line names the columns: `file` (relative to the table), `workload`, `model` (empty: the
//! workload's default), `options` (`key=value`), `verdict`. What cannot be answered is counted and told, never left out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ::check::workload::{Question, Refusal, Workload};
use ::check::{Report, Verdict};
use history::import::{self, Import, ImportOptions};

use super::{all_threads, settings};
use crate::exit::Exit;

/// Asks them all. `invalid` if an answer disagrees, `unknown` if one is missing.
pub fn command(table: &Path, lenient: bool) -> Exit {
    let rows = match std::fs::read_to_string(table).map_err(|error| error.to_string()).and_then(|text| rows(&text)) {
        Ok(rows) => rows,
        Err(message) => {
            eprintln!("error: {}: {message}", table.display());
            return Exit::BadData;
        }
    };
    let start = Instant::now();
    let mut asker = Asker { folder: table.parent().unwrap_or(Path::new("")), lenient, last: None };
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for row in &rows {
        let answer = asker.ask(row);
        let count = counts.entry(format!("{} {}", row.workload, row.model).trim().to_string()).or_default();
        count.add(&answer, row);
        if let Some(problem) = answer.problem(row) {
            println!(
                "{} [{}{}{}]: {problem}",
                row.file,
                row.workload,
                if row.model.is_empty() { "" } else { " " },
                row.model
            );
        }
    }
    finish(&counts, start.elapsed().as_secs_f64())
}

fn finish(counts: &BTreeMap<String, Count>, seconds: f64) -> Exit {
    let width = counts.keys().map(String::len).max().unwrap_or(0);
    let mut all = Count::default();
    for (name, count) in counts {
        println!("{name:width$}   {count}");
        all.agree += count.agree;
        all.disagree += count.disagree;
        all.unknown += count.unknown;
        all.unsupported += count.unsupported;
    }
    println!("{:width$}   {all}, in {seconds:.1} s", "all");
    match all {
        Count { disagree: 0, unknown: 0, unsupported: 0, .. } => Exit::Success,
        Count { disagree: 0, .. } => Exit::Unknown,
        _ => Exit::Invalid,
    }
}

struct Row {
    file: String,
    workload: String,
    model: String,
    options: String,
    verdict: String,
}

fn rows(text: &str) -> Result<Vec<Row>, String> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split('\t').map(str::trim).collect();
    let column = |name: &str| {
        let missing = || format!("1:1: expected a column `{name}` in the first line");
        header.iter().position(|column| *column == name).ok_or_else(missing)
    };
    let places = [column("file")?, column("workload")?, column("model")?, column("options")?, column("verdict")?];
    let mut rows = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let [file, workload, model, options, verdict] =
            places.map(|place| fields.get(place).map_or_else(String::new, |field| field.to_string()));
        if !["valid", "invalid", "unknown"].contains(&verdict.as_str()) {
            return Err(format!("{}:1: expected the verdict `valid`, `invalid` or `unknown`", number + 2));
        }
        rows.push(Row { file, workload, model, options, verdict });
    }
    Ok(rows)
}

/// What came of a question.
enum Answer {
    Report(Report),
    /// The workload or model is not there.
    Unsupported(String),
    /// The file could not be read, or its events mean nothing to the workload.
    Unreadable(String),
}

impl Answer {
    /// What is to be told, if the answer is not the expected one.
    fn problem(&self, row: &Row) -> Option<String> {
        match self {
            Answer::Report(report) if report.verdict.name() == row.verdict => None,
            Answer::Report(report) => {
                let why = match (&report.verdict, report.anomalies.first()) {
                    (Verdict::Unknown { reason }, _) => format!(" ({reason})"),
                    (_, Some(anomaly)) => format!(" ({})", anomaly.title),
                    _ => String::new(),
                };
                Some(format!("{}{why}, expected {}", report.verdict.name(), row.verdict))
            }
            Answer::Unsupported(message) | Answer::Unreadable(message) => Some(message.clone()),
        }
    }
}

#[derive(Default)]
struct Count {
    agree: usize,
    disagree: usize,
    unknown: usize,
    unsupported: usize,
}

impl Count {
    fn add(&mut self, answer: &Answer, row: &Row) {
        match answer {
            Answer::Report(report) if report.verdict.name() == row.verdict => self.agree += 1,
            Answer::Report(report) if matches!(report.verdict, Verdict::Unknown { .. }) => self.unknown += 1,
            Answer::Unsupported(_) => self.unsupported += 1,
            Answer::Report(_) | Answer::Unreadable(_) => self.disagree += 1,
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.agree + self.disagree + self.unknown + self.unsupported;
        write!(f, "{} of {total} agree", self.agree)?;
        for (number, what) in
            [(self.disagree, "disagree"), (self.unknown, "undecided"), (self.unsupported, "unsupported")]
        {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        Ok(())
    }
}

struct Asker<'a> {
    folder: &'a Path,
    lenient: bool,
    /// The last file read: often the next question is of the same.
    last: Option<(PathBuf, Import)>,
}

impl Asker<'_> {
    fn ask(&mut self, row: &Row) -> Answer {
        let Some(workload) = Workload::find(&row.workload) else {
            return Answer::Unsupported(format!("workload `{}` is not supported", row.workload));
        };
        let settings = match settings(&row.options) {
            Ok(settings) => settings,
            Err(message) => return Answer::Unreadable(message),
        };
        let path = self.folder.join(&row.file);
        if self.last.as_ref().is_none_or(|(last, _)| *last != path) {
            match import::open(&path, &ImportOptions { format: None, lenient: self.lenient }) {
                Ok(import) => self.last = Some((path, import)),
                Err(error) => return Answer::Unreadable(error.to_string()),
            }
        }
        let Some((_, import)) = &self.last else { return Answer::Unreadable("nothing was read".to_string()) };
        let model = (!row.model.is_empty()).then(|| row.model.clone());
        match workload.judge(&import.events, &Question { model, settings, options: all_threads() }) {
            Ok(report) => Answer::Report(report),
            Err(Refusal::Unsupported(message)) => Answer::Unsupported(message),
            Err(Refusal::Malformed(wrong)) => Answer::Unreadable(import.malformed(wrong).to_string()),
        }
    }
}
