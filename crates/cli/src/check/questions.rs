//! `assize check --questions TABLE`: every question of a table, each disagreement, and a count by workload.
//!
//! The table is tab-separated, its first line names the columns: `file` (relative to the table), `workload`, `model` (empty: the
//! workload's default), `options` (`key=value`), `verdict`. What cannot be answered is counted and told, never left out.
//!
//! A table can be wrong. A correction names a question, the verdict that is right, and why; an answer that is so is told with that
//! reason and counted apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ::check::workload::{Question, Refusal, Workload};
use ::check::{Options, Report, Verdict};
use history::import::{self, Import, ImportOptions};

use super::watch::{self, Ended, Limits, Teller};
use super::{all_threads, settings};
use crate::exit::Exit;

/// Corrections of public tables and test data.
const CORRECTIONS: &str = include_str!("../../../../corpus/corrections.tsv");

/// Asks them all, each within the limits. `invalid` if an answer disagrees, `unknown` if one is missing.
pub fn command(table: &Path, corrections: Option<&Path>, lenient: bool, limits: &Limits) -> Exit {
    let (rows, corrections) = match read(table, rows).and_then(|rows| Ok((rows, corrections_of(corrections)?))) {
        Ok(read) => read,
        Err(message) => {
            eprintln!("error: {message}");
            return Exit::BadData;
        }
    };
    let start = Instant::now();
    let mut asker = Asker { folder: table.parent().unwrap_or(Path::new("")).to_path_buf(), lenient, last: None };
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for row in &rows {
        let answer = ask_within(limits, &mut asker, row);
        let correction = corrections.iter().find(|correction| correction.is_of(row));
        let standing = answer.standing(row, correction);
        let name = format!("{} {}", row.workload, row.model).trim().to_string();
        if standing != Standing::Agrees {
            println!("{} [{name}]: {}", row.file, answer.told(row));
        }
        if let (Standing::Corrected, Some(correction)) = (standing, correction) {
            println!("  corrected: {}", correction.reason);
        }
        counts.entry(name).or_default().of[standing as usize] += 1;
    }
    finish(&counts, start.elapsed().as_secs_f64())
}

fn read<T>(table: &Path, parse: fn(&str) -> Result<T, String>) -> Result<T, String> {
    let text = std::fs::read_to_string(table).map_err(|error| error.to_string());
    text.and_then(|text| parse(&text)).map_err(|message| format!("{}: {message}", table.display()))
}

fn corrections_of(table: Option<&Path>) -> Result<Vec<Correction>, String> {
    table.map_or_else(|| corrections(CORRECTIONS), |table| read(table, corrections))
}

fn finish(counts: &BTreeMap<String, Count>, seconds: f64) -> Exit {
    let width = counts.keys().map(String::len).max().unwrap_or(0);
    let mut all = Count::default();
    for (name, count) in counts {
        println!("{name:width$}   {count}");
        all.of.iter_mut().zip(count.of).for_each(|(all, more)| *all += more);
    }
    println!("{:width$}   {all}, in {seconds:.1} s", "all");
    if all.of[Standing::Disagrees as usize] > 0 {
        Exit::Invalid
    } else if all.of[Standing::Undecided as usize] + all.of[Standing::Unsupported as usize] > 0 {
        Exit::Unknown
    } else {
        Exit::Success
    }
}

/// Asks on a thread of its own. A question that does not hear a limit is left behind with all that was read for it.
fn ask_within(limits: &Limits, asker: &mut Asker, row: &Row) -> Answer {
    let next = Asker { folder: asker.folder.clone(), last: None, ..*asker };
    let mut asking = std::mem::replace(asker, next);
    let (row, mut heard) = (row.clone(), None);
    let work = move |teller: &Teller<(Answer, Asker)>| {
        let answer = asking.ask(&row, teller);
        teller.done((answer, asking));
    };
    let ended = watch::watch(limits, work, |told| heard = Some(told));
    match (heard, ended) {
        (Some((answer, asked)), _) => {
            *asker = asked;
            answer
        }
        (None, Ended::Stopped(reason, doing)) => {
            Answer::Report(Box::new(Report::new("", Verdict::unknown(format!("{reason}: {doing}")), 0)))
        }
        (None, _) => Answer::Unreadable("the check ended without an answer (a bug in assize)".to_string()),
    }
}

#[derive(Clone)]
struct Row {
    file: String,
    workload: String,
    model: String,
    options: String,
    verdict: String,
}

fn rows(text: &str) -> Result<Vec<Row>, String> {
    let row = |[file, workload, model, options, verdict]: [String; 5]| Row { file, workload, model, options, verdict };
    Ok(table(text, ["file", "workload", "model", "options", "verdict"])?.into_iter().map(row).collect())
}

/// What is wrong in a table.
struct Correction {
    /// The end of the file's path.
    file: String,
    workload: String,
    model: String,
    /// The right verdict.
    verdict: String,
    reason: String,
}

impl Correction {
    fn is_of(&self, row: &Row) -> bool {
        Path::new(&row.file).ends_with(&self.file) && self.workload == row.workload && self.model == row.model
    }
}

fn corrections(text: &str) -> Result<Vec<Correction>, String> {
    let correction =
        |[file, workload, model, verdict, reason]: [String; 5]| Correction { file, workload, model, verdict, reason };
    Ok(table(text, ["file", "workload", "model", "verdict", "reason"])?.into_iter().map(correction).collect())
}

/// The fields of these columns, line by line. The column `verdict` must hold one.
fn table<const N: usize>(text: &str, columns: [&str; N]) -> Result<Vec<[String; N]>, String> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or("").split('\t').map(str::trim).collect();
    let mut places = [0; N];
    for (place, column) in places.iter_mut().zip(columns) {
        let missing = || format!("1:1: expected a column `{column}` in the first line");
        *place = header.iter().position(|name| *name == column).ok_or_else(missing)?;
    }
    let mut rows = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let row = places.map(|place| fields.get(place).map_or_else(String::new, |field| field.to_string()));
        let is_verdict = |field: &String| ["valid", "invalid", "unknown"].contains(&field.as_str());
        if !columns.iter().zip(&row).all(|(column, field)| *column != "verdict" || is_verdict(field)) {
            return Err(format!("{}:1: expected the verdict `valid`, `invalid` or `unknown`", number + 2));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// What came of a question.
enum Answer {
    Report(Box<Report>),
    /// The workload or model is not there.
    Unsupported(String),
    /// The file could not be read, or its events mean nothing to the workload.
    Unreadable(String),
}

/// How an answer compares with the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Agrees,
    /// It is not the table's, but a correction's.
    Corrected,
    Disagrees,
    Undecided,
    Unsupported,
}

impl Answer {
    fn standing(&self, row: &Row, correction: Option<&Correction>) -> Standing {
        match self {
            Answer::Report(report) if report.verdict.name() == row.verdict => Standing::Agrees,
            Answer::Report(report) if correction.is_some_and(|right| right.verdict == report.verdict.name()) => {
                Standing::Corrected
            }
            Answer::Report(report) if matches!(report.verdict, Verdict::Unknown { .. }) => Standing::Undecided,
            Answer::Unsupported(_) => Standing::Unsupported,
            Answer::Report(_) | Answer::Unreadable(_) => Standing::Disagrees,
        }
    }

    /// The answer, and what was expected.
    fn told(&self, row: &Row) -> String {
        match self {
            Answer::Report(report) => {
                let why = match (&report.verdict, report.anomalies.first()) {
                    (Verdict::Unknown { reason }, _) => format!(" ({reason})"),
                    (_, Some(anomaly)) => format!(" ({})", anomaly.title),
                    _ => String::new(),
                };
                format!("{}{why}, expected {}", report.verdict.name(), row.verdict)
            }
            Answer::Unsupported(message) | Answer::Unreadable(message) => message.clone(),
        }
    }
}

/// How many answers of each [`Standing`].
#[derive(Default)]
struct Count {
    of: [usize; 5],
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [agree, corrected, disagree, undecided, unsupported] = self.of;
        write!(f, "{agree} of {} agree", self.of.iter().sum::<usize>())?;
        let others =
            [(corrected, "corrected"), (disagree, "disagree"), (undecided, "undecided"), (unsupported, "unsupported")];
        others.iter().filter(|(number, _)| *number > 0).try_for_each(|(number, what)| write!(f, ", {number} {what}"))
    }
}

struct Asker {
    folder: PathBuf,
    lenient: bool,
    /// The last file read: often the next question is of the same.
    last: Option<(PathBuf, Import)>,
}

impl Asker {
    fn ask(&mut self, row: &Row, teller: &Teller<(Answer, Asker)>) -> Answer {
        let Some(workload) = Workload::find(&row.workload) else {
            return Answer::Unsupported(format!("workload `{}` is not supported", row.workload));
        };
        let settings = match settings(&row.options) {
            Ok(settings) => settings,
            Err(message) => return Answer::Unreadable(message),
        };
        let path = self.folder.join(&row.file);
        if self.last.as_ref().is_none_or(|(last, _)| *last != path) {
            teller.doing(format!("reading {}", row.file));
            match import::open(&path, &ImportOptions { format: None, lenient: self.lenient }) {
                Ok(import) => self.last = Some((path, import)),
                Err(error) => return Answer::Unreadable(error.to_string()),
            }
        }
        let Some((_, import)) = &self.last else { return Answer::Unreadable("nothing was read".to_string()) };
        let model = (!row.model.is_empty()).then(|| row.model.clone());
        let options = Options { limit: teller.limit.clone(), ..all_threads() };
        teller.doing(watch::judging(import.events.len(), Path::new(&row.file)));
        match workload.judge(&import.events, &Question { model, settings, options }) {
            Ok(report) => Answer::Report(Box::new(report)),
            Err(Refusal::Unsupported(message)) => Answer::Unsupported(message),
            Err(Refusal::Malformed(wrong)) => Answer::Unreadable(import.malformed(wrong).to_string()),
        }
    }
}
