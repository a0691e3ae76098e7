//! `assize sim`: thousands of whole clusters in virtual time, until one breaks a promise; then its shortest story.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ::sim::Transcript;
use ::sim::explore::{Case, Finding, Level, Run, Scope, Shrunk, shrink};
use base::units::{parse_duration, show_count, show_duration};
use run::Stop;
use run::hunt::{Bag, Hunt};
use system::specimen::{self, SPECIMENS, SpecimenInfo};

use crate::arguments::SimOptions;
use crate::exit::Exit;

mod page;
mod zoo;

/// Events of further runs that shrinking may take: about two seconds.
const SHRINKING: u64 = 4_000_000;

/// A story longer than this is cut in the middle on a terminal; the file has the case, and with it all of it.
const LINES: usize = 60;

/// Hunts, repeats a case, or tries every planted bug.
pub fn command(options: &SimOptions) -> Exit {
    if options.exhaustive.exhaustive {
        return crate::exhaust::command(options);
    }
    let done = match (&options.replay, options.bugs) {
        (Some(file), _) => replay(file, options),
        (None, true) => zoo::zoo(options),
        (None, false) => hunt(options),
    };
    done.unwrap_or_else(|(exit, message)| {
        eprintln!("error: {message}");
        exit
    })
}

type Done = Result<Exit, (Exit, String)>;

fn hunt(options: &SimOptions) -> Done {
    let info = find(options.specimen.as_deref().unwrap_or("raft-kv"))?;
    let stop = Stop::on_signals().map_err(|error| (Exit::Unavailable, format!("signals cannot be caught: {error}")))?;
    let hunt =
        Hunt { runs: options.runs.unwrap_or(u64::MAX), ..hunt_of(info, options, options.bug.as_deref(), &stop)? };
    let live = std::io::stderr().is_terminal() && !options.json;
    let bag = hunt
        .run(&mut |bag| {
            if live {
                eprint!("\r\x1b[K{}", progress(info, bag));
            }
        })
        .map_err(|error| (Exit::Usage, error))?;
    if live {
        eprint!("\r\x1b[K");
    }
    if options.json {
        println!("{}", json(info, &bag));
    } else {
        println!("{}", figures(info.name, &bag));
        bag.missed(info.marks).iter().for_each(|name| println!("  never: {name}"));
    }
    match &bag.found {
        None => {
            let files = Files::of(info, options)?;
            let title = title(info, options);
            let told = page::Told { title: &title, bag: &bag, marks: info.marks, found: None };
            let page = page::write(files.page, &told)?;
            if !options.json {
                println!("VALID · nothing was found");
                println!("  told in {}", page.display());
            }
            Ok(if stop.is_set() { Exit::Interrupted } else { Exit::Success })
        }
        Some((case, finding)) => tell(info, case, finding, &bag, options, &stop),
    }
}

/// Where a hunt leaves what a person may want later.
struct Files {
    case: PathBuf,
    page: PathBuf,
}

impl Files {
    /// Beside the case, if it was said where that goes; else in a folder of the hunt's own.
    fn of(info: &SpecimenInfo, options: &SimOptions) -> Result<Files, (Exit, String)> {
        if let Some(case) = &options.save {
            return Ok(Files { case: case.clone(), page: case.with_extension("html") });
        }
        let bug = options.bug.as_ref().map_or(String::new(), |bug| format!("-{bug}"));
        let folder = Path::new("runs").join(format!("sim-{}{bug}-{}", info.name, options.seed));
        std::fs::create_dir_all(&folder)
            .map_err(|error| (Exit::Unavailable, format!("{}: {error}", folder.display())))?;
        Ok(Files { case: folder.join("case.json"), page: folder.join("report.html") })
    }
}

fn title(info: &SpecimenInfo, options: &SimOptions) -> String {
    let bug = options.bug.as_ref().map_or(String::new(), |bug| format!(" with the bug `{bug}`"));
    format!("A hunt in {}{bug}, from seed {} on", info.name, options.seed)
}

/// A line while the hunt goes on.
fn progress(info: &SpecimenInfo, bag: &Bag) -> String {
    let missed = bag.missed(info.marks);
    let seconds = bag.took.as_secs_f64().max(1e-9);
    format!(
        "{}: {} runs, {} events/s, {} edges; {} of {} rare paths not taken{}",
        info.name,
        show_count(bag.runs),
        show_count((bag.events as f64 / seconds) as u64),
        show_count(bag.edges as u64),
        missed.len(),
        info.marks.len(),
        missed.first().map_or(String::new(), |first| format!(", as: {first}")),
    )
}

fn hunt_of<'a>(
    info: &'static SpecimenInfo,
    options: &SimOptions,
    bug: Option<&str>,
    stop: &'a Stop,
) -> Result<Hunt<'a>, (Exit, String)> {
    let usage = |message: String| (Exit::Usage, message);
    let mut scope = Scope::default();
    if options.whole {
        scope.level = Level::Triggers;
    }
    if !options.nodes.is_empty() {
        scope.nodes = options.nodes.clone();
    }
    for text in &options.set {
        let (name, value) =
            text.split_once('=').ok_or_else(|| usage(format!("expected `name=value`, not `{text}`")))?;
        scope.parameters.insert(name.trim().into(), value.trim().into());
    }
    if let Some(bug) = bug {
        scope.parameters.insert("bug".into(), bug.into());
        // A bug that costs liveness only is found by `progress`, all others long before.
        let by_progress = |planted: &&proto::Bug| planted.name == bug && planted.caught_by.contains("progress");
        if !info.bugs.iter().any(|planted| by_progress(&planted)) {
            scope.calm = Duration::ZERO;
        }
    }
    let time = options.time.as_deref().map(|text| parse_duration(text).map_err(usage)).transpose()?;
    let threads = options.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let time = time.unwrap_or(if options.runs.is_some() || options.until_marks {
        Duration::MAX
    } else {
        Duration::from_secs(10)
    });
    Ok(Hunt {
        specimen: info,
        scope,
        first_seed: options.seed,
        runs: u64::MAX,
        time,
        cpu: Duration::MAX,
        until_marks: options.until_marks,
        threads,
        stop,
    })
}

/// The specimen of this name, or the only one whose name begins with it: `raft`.
fn known(name: &str) -> Option<&'static SpecimenInfo> {
    let mut like = SPECIMENS.iter().filter(|info| info.name.starts_with(name));
    let only = like.next().filter(|_| like.next().is_none());
    specimen::find(name).or(only)
}

fn find(name: &str) -> Result<&'static SpecimenInfo, (Exit, String)> {
    known(name).ok_or_else(|| {
        let known: Vec<&str> = SPECIMENS.iter().map(|info| info.name).collect();
        (Exit::Usage, format!("there is no specimen `{name}`; there are {}", known.join(", ")))
    })
}

/// Shrinks what was found, keeps it and tells it.
fn tell(
    info: &'static SpecimenInfo,
    case: &Case,
    finding: &Finding,
    bag: &Bag,
    options: &SimOptions,
    stop: &Stop,
) -> Done {
    let Files { case: file, page } = Files::of(info, options)?;
    // Before anything that takes time: whoever has enough of it loses nothing.
    keep(&file, info.name, case)?;
    if !options.json {
        println!("INVALID · {}: {}", finding.by, finding.sentence);
    }
    let began = Instant::now();
    let shrunk = shrink(case, finding, info, SHRINKING, &|| stop.is_set()).map_err(|error| (Exit::Usage, error))?;
    let took = began.elapsed();
    keep(&file, info.name, &shrunk.case)?;
    let found = Some((finding, &shrunk, file.as_path()));
    let page = page::write(page, &page::Told { title: &title(info, options), bag, marks: info.marks, found })?;
    if !options.json {
        println!(
            "  seed {}, shrunk in {} runs and {} to {}",
            case.seed,
            shrunk.tries,
            show_duration(took),
            size(&shrunk),
        );
        if stop.is_set() {
            println!("  interrupted: there may be a shorter story");
        }
        story(&shrunk);
        println!("  told and drawn in {}", page.display());
        println!("  $ assize sim --replay {}", file.display());
    }
    Ok(Exit::Invalid)
}

fn size(shrunk: &Shrunk) -> String {
    let Shrunk { case, run, .. } = shrunk;
    match run.steps.len() {
        0 => format!("{} servers, {} clients, {} faults", case.nodes, case.clients, run.acts.len()),
        steps => format!("{steps} steps of {} servers", case.nodes),
    }
}

fn story(shrunk: &Shrunk) {
    let lines = &shrunk.run.story;
    let hidden = lines.len().saturating_sub(LINES);
    lines.iter().take(LINES / 4).for_each(|line| println!("  {line}"));
    if hidden > 0 {
        println!("              ... {hidden} lines more ...");
    }
    lines.iter().skip(LINES / 4 + hidden).for_each(|line| println!("  {line}"));
    if let Some(finding) = &shrunk.run.finding {
        println!("  ⇒ {}: {}", finding.by, finding.sentence);
    }
}

/// A case on disk.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    format: u32,
    specimen: String,
    case: Case,
}

const FORMAT: u32 = 2;

fn keep(file: &Path, specimen: &str, case: &Case) -> Result<(), (Exit, String)> {
    let kept = Kept { format: FORMAT, specimen: specimen.into(), case: case.clone() };
    let text = serde_json::to_string_pretty(&kept).map_err(|error| (Exit::Bug, error.to_string()))?;
    std::fs::write(file, text).map_err(|error| (Exit::Unavailable, format!("{}: {error}", file.display())))
}

fn replay(file: &Path, options: &SimOptions) -> Done {
    let text =
        std::fs::read_to_string(file).map_err(|error| (Exit::NoInput, format!("{}: {error}", file.display())))?;
    let bad = |what: String| (Exit::BadData, format!("{}: {what}", file.display()));
    let kept: Kept = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    if kept.format != FORMAT {
        return Err(bad(format!("written in format {}; this assize reads format {FORMAT}", kept.format)));
    }
    let info = find(&kept.specimen)?;
    let level = if options.full { Transcript::Full } else { Transcript::Kinds };
    let run = kept.case.run(info, level).map_err(bad)?;
    if options.step && std::io::stdin().is_terminal() && !run.steps.is_empty() {
        walk(&run);
    } else {
        run.story.iter().for_each(|line| println!("{line}"));
    }
    println!("{} events, trace {:016x}", show_count(run.events), run.hash);
    match run.finding {
        Some(finding) => {
            println!("INVALID · {}: {}", finding.by, finding.sentence);
            Ok(Exit::Invalid)
        }
        None => {
            println!("VALID · nothing was found");
            Ok(Exit::Success)
        }
    }
}

/// Shows one step after another, each when Enter is pressed.
fn walk(run: &Run) {
    for (number, told) in run.steps.iter().enumerate() {
        println!("step {} of {}", number + 1, run.steps.len());
        told.lines.iter().for_each(|line| println!("{line}"));
        if std::io::stdin().read_line(&mut String::new()).is_err() {
            return;
        }
    }
}

fn figures(name: &str, bag: &Bag) -> String {
    let seconds = bag.took.as_secs_f64().max(1e-9);
    format!(
        "{name}: {} runs and {} futures in {}; {} events, {} events/s; {:.0} simulated seconds, {:.0} per CPU-second; {} operations; {} edges between states",
        show_count(bag.runs),
        show_count(bag.futures),
        show_duration(bag.took),
        show_count(bag.events),
        show_count((bag.events as f64 / seconds) as u64),
        bag.simulated.as_secs_f64(),
        bag.simulated.as_secs_f64() / bag.cpu.as_secs_f64().max(1e-9),
        show_count(bag.operations),
        show_count(bag.edges as u64),
    )
}

fn json(info: &SpecimenInfo, bag: &Bag) -> String {
    let found = bag.found.as_ref().map(
        |(case, finding)| serde_json::json!({ "seed": case.seed, "by": finding.by, "sentence": finding.sentence }),
    );
    serde_json::json!({
        "specimen": info.name,
        "verdict": if found.is_some() { "invalid" } else { "valid" },
        "runs": bag.runs,
        "futures": bag.futures,
        "events": bag.events,
        "messages": bag.messages,
        "operations": bag.operations,
        "simulated_seconds": bag.simulated.as_secs_f64(),
        "seconds": bag.took.as_secs_f64(),
        "cpu_seconds": bag.cpu.as_secs_f64(),
        "edges": bag.edges,
        "never": bag.missed(info.marks),
        "found": found,
    })
    .to_string()
}
