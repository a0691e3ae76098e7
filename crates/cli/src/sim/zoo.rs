//! Every planted bug, and how soon it is found: by the full hunt, or for the table also by lesser ones and by exhaustive search.
//!
//! What was measured is kept line by line in a file, so that a zoo that was interrupted goes on where it stopped.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::sim::exhaust::{Limits, climb};
use ::sim::explore::{Level, Shrunk, shrink};
use base::units::parse_duration;
use proto::{Bug, Parameters};
use run::Stop;
use run::hunt::{Hunt, thread_cpu};
use system::specimen::{SPECIMENS, SpecimenInfo};

use crate::arguments::SimOptions;
use crate::exit::Exit;

use super::{Done, SHRINKING, hunt_of};

mod table;

/// How a bug is looked for: the columns of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hunt(Level),
    Exhaustive,
}

/// In the order in which they are measured: what matters most comes first, should there be no time for all.
const WAYS: [(Way, &str); 5] = [
    (Way::Hunt(Level::Guided), "guided"),
    (Way::Hunt(Level::Triggers), "triggers"),
    (Way::Hunt(Level::Swarm), "swarm"),
    (Way::Hunt(Level::Clock), "clock"),
    (Way::Exhaustive, "exhaustive"),
];

/// How much processor time a hunt may take if nothing is said.
const LIMIT: Duration = Duration::from_secs(20);

/// How many states exhaustive search sees in one scope at first, and how many times as many each time it begins again.
const STATES: (u64, u64) = (20_000, 4);

/// A hunt of one bug from one base seed.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Row {
    specimen: String,
    bug: String,
    level: String,
    base: u32,
    /// Processor time until it was found, in seconds; none if it was not.
    seconds: Option<f64>,
    /// The oracle or model that found it.
    by: Option<String>,
    /// Steps of the shortest story, and the seconds of processor time that shrinking took.
    steps: Option<usize>,
    shrinking: Option<f64>,
}

/// Hunts every planted bug (of one specimen, if named) from several base seeds, and tells how soon each was found.
pub fn zoo(options: &SimOptions) -> Done {
    let stop = Stop::on_signals().map_err(|error| (Exit::Unavailable, format!("signals cannot be caught: {error}")))?;
    let file = options.save.clone().unwrap_or_else(|| PathBuf::from("sim-bugs.jsonl"));
    let mut rows = read(&file);
    let ways = if options.table.is_some() { &WAYS[..] } else { &WAYS[..1] };
    println!("{:<16} {:<26} {:<10} {:>4} {:>10} {:>6}  by", "specimen", "bug", "way", "base", "seconds", "steps");
    'all: for base in 0..options.bases {
        for (way, name) in ways {
            // There is nothing random in exhaustive search.
            let once = *way == Way::Exhaustive && base > 0;
            for (info, bug) in bugs(options).filter(|_| !once) {
                if rows.iter().any(|row| row.is(info.name, bug.name, name, base)) {
                    continue;
                }
                let row = measure(options, info, bug.name, (*way, name), base, &stop)?;
                if stop.is_set() {
                    break 'all;
                }
                println!("{}", row.line());
                append(&file, &row)?;
                rows.push(row);
            }
        }
    }
    // Whoever interrupts it has the page of what was measured so far.
    let done = summary(options, &rows)?;
    Ok(if stop.is_set() { Exit::Interrupted } else { done })
}

/// The figures of the full hunt; the table, if it is wanted.
fn summary(options: &SimOptions, rows: &[Row]) -> Done {
    println!("\n{:<16} {:<26} {:>7} {:>10} {:>6}  by", "specimen", "bug", "found", "median", "steps");
    for (info, bug) in bugs(options) {
        println!("{}", Summary::of(rows, info.name, bug.name, "guided").line(info.name, bug.name));
    }
    if let Some(file) = &options.table {
        std::fs::write(file, table::page(rows, options))
            .map_err(|error| (Exit::Unavailable, format!("{}: {error}", file.display())))?;
    }
    let chosen: BTreeSet<(&str, &str)> = bugs(options).map(|(info, bug)| (info.name, bug.name)).collect();
    let guided = rows.iter().filter(|row| row.level == "guided" && row.base < options.bases);
    let guided = guided.filter(|row| chosen.contains(&(&row.specimen, &row.bug)));
    let all: Vec<Option<f64>> = guided.map(|row| row.seconds).collect();
    println!("{}", total(&all));
    Ok(if all.iter().all(Option::is_some) { Exit::Success } else { Exit::Invalid })
}

fn bugs(options: &SimOptions) -> impl Iterator<Item = (&'static SpecimenInfo, &'static Bug)> {
    let chosen = options.specimen.as_deref().and_then(super::known);
    let one = options.bug.clone();
    let specimens = SPECIMENS.iter().filter(move |info| chosen.is_none_or(|chosen| chosen.name == info.name));
    let all = specimens.flat_map(|info| info.bugs.iter().map(move |bug| (info, bug)));
    all.filter(move |(_, bug)| one.as_deref().is_none_or(|one| one == bug.name))
}

fn measure(
    options: &SimOptions,
    info: &'static SpecimenInfo,
    bug: &str,
    (way, name): (Way, &str),
    base: u32,
    stop: &Stop,
) -> Result<Row, (Exit, String)> {
    let usage = |message: String| (Exit::Usage, message);
    let limit = options.time.as_deref().map_or(Ok(LIMIT), parse_duration).map_err(usage)?;
    let mut row = Row {
        specimen: info.name.into(),
        bug: bug.into(),
        level: name.into(),
        base,
        seconds: None,
        by: None,
        steps: None,
        shrinking: None,
    };
    let Way::Hunt(level) = way else {
        search(&mut row, info, bug, limit).map_err(usage)?;
        return Ok(row);
    };
    let mut hunt: Hunt<'_> = hunt_of(info, options, Some(bug), stop)?;
    hunt.scope.level = level;
    hunt.first_seed = options.seed.wrapping_add(u64::from(base) << 32);
    (hunt.cpu, hunt.time) = (limit, Duration::MAX);
    let bag = hunt.run(&mut |_| {}).map_err(usage)?;
    let Some((case, finding)) = &bag.found else { return Ok(row) };
    (row.seconds, row.by) = (Some(bag.cpu.as_secs_f64()), Some(finding.by.clone()));
    if level == Level::Guided {
        let before = thread_cpu();
        let Shrunk { run, .. } = shrink(case, finding, info, SHRINKING, &|| stop.is_set()).map_err(usage)?;
        row.steps = Some(run.steps.len()).filter(|steps| *steps > 0);
        row.shrinking = Some(thread_cpu().saturating_sub(before).as_secs_f64());
    }
    Ok(row)
}

/// Searches every state of small scopes: at first few of each scope, then more.
fn search(row: &mut Row, info: &'static SpecimenInfo, bug: &str, limit: Duration) -> Result<(), String> {
    let parameters: Parameters = [("bug".to_string(), bug.to_string())].into();
    let (before, mut states) = (thread_cpu(), STATES.0);
    loop {
        let limits = Limits { states, bytes: 2 << 30, ..Limits::default() };
        let found = climb(|scope| info.cluster(&parameters, scope), &limits)?;
        let took = thread_cpu().saturating_sub(before);
        if let Some(counterexample) = found.and_then(|(_, report)| report.counterexample) {
            (row.seconds, row.by) = (Some(took.as_secs_f64()), Some(counterexample.broken.property));
            row.steps = Some(counterexample.steps);
            return Ok(());
        }
        // The next round takes a few times as long as all so far.
        if took * 3 > limit {
            return Ok(());
        }
        states *= STATES.1;
    }
}

impl Row {
    fn is(&self, specimen: &str, bug: &str, level: &str, base: u32) -> bool {
        (self.specimen.as_str(), self.bug.as_str(), self.level.as_str(), self.base) == (specimen, bug, level, base)
    }

    fn line(&self) -> String {
        let seconds = self.seconds.map_or("no".into(), |seconds| format!("{seconds:.2}"));
        let steps = self.steps.map_or("-".into(), |steps| steps.to_string());
        let Row { specimen, bug, level, base, by, .. } = self;
        let by = by.as_deref().unwrap_or("-");
        format!("{specimen:<16} {bug:<26} {level:<10} {base:>4} {seconds:>10} {steps:>6}  {by}")
    }
}

/// What is said of a bug at one level.
struct Summary {
    seconds: Vec<Option<f64>>,
    by: BTreeSet<String>,
    steps: Vec<usize>,
}

impl Summary {
    fn of(rows: &[Row], specimen: &str, bug: &str, level: &str) -> Summary {
        let rows: Vec<&Row> =
            rows.iter().filter(|row| row.specimen == specimen && row.bug == bug && row.level == level).collect();
        Summary {
            seconds: rows.iter().map(|row| row.seconds).collect(),
            by: rows.iter().filter_map(|row| row.by.clone()).collect(),
            steps: rows.iter().filter_map(|row| row.steps).collect(),
        }
    }

    fn found(&self) -> usize {
        self.seconds.iter().flatten().count()
    }

    fn by(&self) -> String {
        self.by.iter().cloned().collect::<Vec<_>>().join(", ")
    }

    fn steps(&self) -> String {
        let mut steps = self.steps.clone();
        steps.sort_unstable();
        steps.get(steps.len() / 2).map_or("-".into(), usize::to_string)
    }

    fn line(&self, specimen: &str, bug: &str) -> String {
        let found = format!("{} of {}", self.found(), self.seconds.len());
        let median = at(&self.seconds, 0.5).map_or("-".into(), |median| format!("{median:.2} s"));
        format!("{specimen:<16} {bug:<26} {found:>7} {median:>10} {:>6}  {}", self.steps(), self.by())
    }

    /// A cell of the table: the median, and how often if not always.
    fn cell(&self) -> String {
        let (found, all) = (self.found(), self.seconds.len());
        match at(&self.seconds, 0.5) {
            _ if all == 0 => "-".into(),
            Some(median) if found == all => format!("{median:.2}"),
            Some(median) => format!("{median:.2} ({found} of {all})"),
            None if found > 0 => format!("({found} of {all})"),
            None => "no".into(),
        }
    }
}

/// The time within which this share of the hunts found something; none if fewer did.
fn at(seconds: &[Option<f64>], share: f64) -> Option<f64> {
    let mut found: Vec<f64> = seconds.iter().flatten().copied().collect();
    found.sort_by(f64::total_cmp);
    found.get(((seconds.len() as f64 * share).ceil() as usize).max(1) - 1).copied()
}

fn total(all: &[Option<f64>]) -> String {
    let show = |share| at(all, share).map_or("more than the limit".into(), |time| format!("{time:.2} s"));
    format!("found {} of {}, median {}, p90 {}", all.iter().flatten().count(), all.len(), show(0.5), show(0.9))
}

fn read(file: &Path) -> Vec<Row> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn append(file: &Path, row: &Row) -> Result<(), (Exit, String)> {
    let failed = |error: String| (Exit::Unavailable, format!("{}: {error}", file.display()));
    let line = serde_json::to_string(row).map_err(|error| (Exit::Bug, error.to_string()))?;
    let mut file =
        std::fs::File::options().create(true).append(true).open(file).map_err(|error| failed(error.to_string()))?;
    writeln!(file, "{line}").map_err(|error| failed(error.to_string()))
}
