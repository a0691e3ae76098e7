//! `assize run`: one run or many, and what is printed of them.

use std::io::{IsTerminal, Write};
use std::path::Path;

use run::plan::Source;
use run::{Event, Order, RunError, Stop};

use crate::arguments::RunOptions;
use crate::exit::Exit;
use crate::view::{Live, Plain, View};
use crate::{exit_of, failed};

/// The plan that is run when none is named.
const DEFAULT: &str = "plans/raft-kv.toml";

/// Runs a plan once, or as often as asked.
pub fn command(plan: Option<&str>, options: &RunOptions) -> Exit {
    let (name, text) = match plan_text(plan.unwrap_or(DEFAULT)) {
        Ok(found) => found,
        Err(error) => return failed(&error),
    };
    let set = match overrides(&options.set) {
        Ok(set) => set,
        Err(text) => {
            eprintln!("error: {text}");
            return Exit::Usage;
        }
    };
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => {
            eprintln!("error: signals cannot be caught: {error}");
            return Exit::Unavailable;
        }
    };
    let series = Series { name: &name, text: &text, set: &set, options, stop: &stop };
    if options.times.is_some() || options.until_invalid { series.many() } else { series.once(options.seed, true) }
}

/// Runs of one plan.
struct Series<'a> {
    name: &'a str,
    text: &'a str,
    set: &'a [(String, String)],
    options: &'a RunOptions,
    stop: &'a Stop,
}

impl Series<'_> {
    fn once(&self, seed: Option<u64>, summary: bool) -> Exit {
        let source = Source { name: self.name, text: self.text, set: self.set, seed };
        let plan = match run::plan::read(&source) {
            Ok(plan) => plan,
            Err(diagnostics) => return failed(&RunError::Plan(diagnostics)),
        };
        let command = std::env::args().collect();
        let order = Order { plan, runs: &self.options.runs, stop: self.stop, command };
        let mut view = self.view();
        let done = run::conduct(order, &mut |event: &Event| view.show(event));
        drop(view);
        match done {
            Ok(results) => {
                if !self.options.json {
                    self.summarize(&results, summary);
                }
                exit_of(results.exit_code)
            }
            Err(error) => failed(&error),
        }
    }

    fn view(&self) -> Box<dyn View> {
        if self.options.json {
            Box::new(Json)
        } else if self.options.quiet {
            Box::new(Quiet)
        } else if std::io::stdout().is_terminal() {
            Box::new(Live::new())
        } else {
            Box::new(Plain::new())
        }
    }

    fn summarize(&self, results: &report::Results, whole: bool) {
        if self.options.quiet || !whole {
            let reason = results.reasons.first().map(|reason| format!(": {reason}")).unwrap_or_default();
            println!("{} seed {}{reason}", results.verdict.name(), results.seed);
            return;
        }
        let terminal = std::io::stdout().is_terminal();
        let width = if terminal { usize::from(console::Term::stdout().size().1) } else { 100 };
        let colour = if terminal && console::colors_enabled() { report::Colour::On } else { report::Colour::Off };
        print!("{}", report::terminal(&with_program(results), width, colour));
    }

    /// Many runs, with seeds that follow each other; ends with the worst, and says how often each verdict came.
    fn many(&self) -> Exit {
        let first = self.options.seed.unwrap_or(1);
        let times = self.options.times.map_or(u64::MAX, u64::from);
        let mut counts = [0u64; 3];
        let mut worst = Exit::Success;
        for seed in (first..).take(times as usize) {
            let exit = self.once(Some(seed), false);
            match exit {
                Exit::Success => counts[0] += 1,
                Exit::Invalid => counts[1] += 1,
                Exit::Unknown => counts[2] += 1,
                _ => return exit,
            }
            worst = worse(worst, exit);
            if self.options.until_invalid && exit == Exit::Invalid {
                break;
            }
        }
        if !self.options.json {
            let [good, invalid, unknown] = counts;
            println!(
                "{} runs: {good} good, {invalid} invalid or short of an objective, {unknown} unknown",
                good + invalid + unknown
            );
        }
        worst
    }
}

/// The same results, with commands that work when they are pasted: `assize` is called as it was called now, unless it is installed.
fn with_program(results: &report::Results) -> report::Results {
    let mut results = results.clone();
    let called = std::env::args().next().unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).any(|folder| folder.join("assize").is_file());
    if installed || !called.contains('/') {
        return results;
    }
    for command in &mut results.repeat {
        if let Some(rest) = command.command.strip_prefix("assize ") {
            command.command = format!("{called} {rest}");
        }
    }
    let repeat = results.repeat.first().map(|command| command.command.clone()).unwrap_or_default();
    results.problems.iter_mut().filter(|problem| !problem.repeat.is_empty()).for_each(|p| p.repeat.clone_from(&repeat));
    results
}

/// 1 before 2 before 0.
pub fn worse(a: Exit, b: Exit) -> Exit {
    let rank = |exit: Exit| match exit {
        Exit::Success => 0,
        Exit::Unknown => 1,
        Exit::Invalid => 2,
        _ => 3,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Name and text of a plan: a file, or the name of a built-in plan.
pub fn plan_text(name: &str) -> Result<(String, String), RunError> {
    match std::fs::read_to_string(name) {
        Ok(text) => Ok((name.to_string(), text)),
        Err(error) => match run::plans::find(name) {
            Some(plan) => Ok((format!("{}.toml", plan.name), plan.text.to_string())),
            None if Path::new(name).exists() => Err(RunError::Io(error)),
            None => Err(RunError::NotFound(unknown_plan(name))),
        },
    }
}

fn unknown_plan(name: &str) -> String {
    let names = || run::plans::PLANS.iter().map(|plan| plan.name);
    let help = match plan::nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`assize list plans` shows the built-in ones".to_string(),
    };
    format!("there is no plan `{name}`, neither a file nor a built-in one; {help}")
}

/// Takes `KEY=VALUE` apart.
pub fn overrides(set: &[String]) -> Result<Vec<(String, String)>, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_string(), value.trim().to_string())),
        _ => Err(format!("`--set {text}` has no value; write it like `--set load.rate=2k/s`")),
    };
    set.iter().map(pair).collect()
}

/// The event stream, one JSON object a line.
struct Json;

impl View for Json {
    fn show(&mut self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
    }
}

/// Nothing until the verdict.
struct Quiet;

impl View for Quiet {
    fn show(&mut self, _event: &Event) {}
}
