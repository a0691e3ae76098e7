//! Every planted bug, and how soon it is found: by the full hunt, or for the table also by lesser ones.
//!
//! What was measured is kept line by line in a file, so that a zoo that was interrupted goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::sim::explore::{Level, Shrunk, shrink};
use base::units::parse_duration;
use run::Stop;
use run::hunt::Hunt;
use system::specimen::{SPECIMENS, SpecimenInfo};

use crate::arguments::SimOptions;
use crate::exit::Exit;

use super::{Done, SHRINKING, hunt_of};

/// What is measured of a bug, in order of the table's columns.
const LEVELS: [(Level, &str); 4] =
    [(Level::Clock, "clock"), (Level::Swarm, "swarm"), (Level::Triggers, "triggers"), (Level::Guided, "guided")];

/// How much processor time a hunt may take if nothing is said.
const LIMIT: Duration = Duration::from_secs(20);

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
    let levels = if options.table.is_some() { &LEVELS[..] } else { &LEVELS[3..] };
    println!("{:<16} {:<26} {:>7} {:>10} {:>6}  by", "specimen", "bug", "found", "median", "steps");
    for (info, bug) in bugs(options) {
        for (level, name) in levels {
            for base in 0..options.bases {
                if rows.iter().any(|row| row.is(info.name, bug, name, base)) {
                    continue;
                }
                let row = measure(options, info, bug, (*level, name), base, &stop)?;
                if stop.is_set() {
                    return Ok(Exit::Interrupted);
                }
                append(&file, &row)?;
                rows.push(row);
            }
        }
        println!("{}", Summary::of(&rows, info.name, bug, "guided").line(info.name, bug));
    }
    if let Some(table) = &options.table {
        std::fs::write(table, page(&rows, options))
            .map_err(|error| (Exit::Unavailable, format!("{}: {error}", table.display())))?;
    }
    let chosen: BTreeSet<(&str, &str)> = bugs(options).map(|(info, bug)| (info.name, bug)).collect();
    let guided = rows.iter().filter(|row| row.level == "guided" && chosen.contains(&(&row.specimen, &row.bug)));
    let all: Vec<Option<f64>> = guided.map(|row| row.seconds).collect();
    println!("{}", total(&all));
    Ok(if all.iter().all(Option::is_some) { Exit::Success } else { Exit::Invalid })
}

fn bugs(options: &SimOptions) -> impl Iterator<Item = (&'static SpecimenInfo, &'static str)> {
    let chosen = options.specimen.as_deref().and_then(super::known);
    let one = options.bug.clone();
    let specimens = SPECIMENS.iter().filter(move |info| chosen.is_none_or(|chosen| chosen.name == info.name));
    let all = specimens.flat_map(|info| info.bugs.iter().map(move |bug| (info, bug.name)));
    all.filter(move |(_, bug)| one.as_deref().is_none_or(|one| one == *bug))
}

fn measure(
    options: &SimOptions,
    info: &'static SpecimenInfo,
    bug: &str,
    (level, name): (Level, &str),
    base: u32,
    stop: &Stop,
) -> Result<Row, (Exit, String)> {
    let mut hunt: Hunt<'_> = hunt_of(info, options, Some(bug), stop)?;
    hunt.scope.level = level;
    hunt.first_seed = options.seed.wrapping_add(u64::from(base) << 32);
    hunt.cpu = options.time.as_deref().map_or(Ok(LIMIT), parse_duration).map_err(|error| (Exit::Usage, error))?;
    hunt.time = Duration::MAX;
    let bag = hunt.run(&mut |_| {}).map_err(|error| (Exit::Usage, error))?;
    let mut row = Row {
        specimen: info.name.into(),
        bug: bug.into(),
        level: name.into(),
        base,
        seconds: bag.found.as_ref().map(|_| bag.cpu.as_secs_f64()),
        by: bag.found.as_ref().map(|(_, finding)| finding.by.clone()),
        steps: None,
        shrinking: None,
    };
    if let (Some((case, finding)), Level::Guided) = (&bag.found, level) {
        let before = run::hunt::thread_cpu();
        let Shrunk { run, .. } = shrink(case, finding, info, SHRINKING).map_err(|error| (Exit::Usage, error))?;
        row.steps = Some(run.steps.len()).filter(|steps| *steps > 0);
        row.shrinking = Some((run::hunt::thread_cpu().saturating_sub(before)).as_secs_f64());
    }
    Ok(row)
}

impl Row {
    fn is(&self, specimen: &str, bug: &str, level: &str, base: u32) -> bool {
        (self.specimen.as_str(), self.bug.as_str(), self.level.as_str(), self.base) == (specimen, bug, level, base)
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

/// The page of all planted bugs.
fn page(rows: &[Row], options: &SimOptions) -> String {
    let (limit, bases) = (options.time.clone().unwrap_or_else(|| "20s".into()), options.bases);
    let mut text = format!(
        "# Planted bugs, and how soon each is found\n\n\
         `assize sim --bugs --table docs/bugs.md --for {limit} --bases {bases}` measures and writes this page. Every bug is one switch in one of our own \
         specimens, and happened somewhere (`assize list systems` cites where). A cell is the median of the seconds of processor time until an \
         oracle or a checker found it, from {bases} base seeds; a hunt is given up after {limit}. `no`: from no seed; `(1 of 3)`: from some.\n\n\
         - *clock*: crashes, partitions and pauses at random instants, the same mix in every run;\n\
         - *swarm*: every run leaves most kinds of fault out, and has conditions of its own;\n\
         - *triggers*: and faults placed by what an actor does;\n\
         - *guided*: and runs that begin again in states that few runs reached. This is what `assize sim` does;\n\
         - *exhaustive*: search of all states of a small cluster;\n\
         - *steps*: inputs of actors in the shortest story (median).\n\n"
    );
    let known: BTreeMap<(&str, &str), &str> =
        SPECIMENS.iter().flat_map(|info| info.bugs.iter().map(move |bug| ((info.name, bug.name), bug.about))).collect();
    for info in SPECIMENS {
        text.push_str(&format!("## {}\n\n| bug | clock | swarm | triggers | guided | exhaustive | steps | found by |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n", info.name));
        for bug in info.bugs {
            let of = |level| Summary::of(rows, info.name, bug.name, level);
            let (guided, about) = (of("guided"), known[&(info.name, bug.name)]);
            text.push_str(&format!(
                "| `{}`: {about} | {} | {} | {} | {} | - | {} | {} |\n",
                bug.name,
                of("clock").cell(),
                of("swarm").cell(),
                of("triggers").cell(),
                guided.cell(),
                guided.steps(),
                guided.by(),
            ));
        }
        text.push('\n');
    }
    for (_, name) in LEVELS {
        let all: Vec<Option<f64>> = rows.iter().filter(|row| row.level == name).map(|row| row.seconds).collect();
        text.push_str(&format!("{name}: {}\n\n", total(&all)));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
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
