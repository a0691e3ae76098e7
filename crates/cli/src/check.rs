//! `assize check`: the verdict on recorded histories, a line each, and the worst as exit code.

use std::path::{Path, PathBuf};
use std::time::Instant;

use check::{Model, Options, Report, Verdict};
use history::{History, Origin};
use serde::Serialize;

use crate::exit::Exit;
use crate::run::worse;
use crate::{history_failed, list};

/// Judges each of the histories.
pub fn command(paths: &[PathBuf], model: &str, json: bool) -> Exit {
    let Some(model) = Model::find(model) else {
        eprintln!("error: there is no model `{model}`; {}", list::models_hint(model));
        return Exit::Usage;
    };
    let mut worst = Exit::Success;
    for path in paths {
        let exit = match judge(path, model) {
            Ok(judged) => {
                judged.print(json);
                judged.exit()
            }
            Err(exit) => exit,
        };
        worst = if is_verdict(worst) && is_verdict(exit) { worse(worst, exit) } else { hardest(worst, exit) };
    }
    worst
}

fn is_verdict(exit: Exit) -> bool {
    matches!(exit, Exit::Success | Exit::Invalid | Exit::Unknown)
}

/// A file that cannot be read weighs more than any verdict: the question was not answered.
fn hardest(a: Exit, b: Exit) -> Exit {
    if is_verdict(a) { b } else { a }
}

struct Judged {
    path: PathBuf,
    report: Report,
    seconds: f64,
}

fn judge(path: &Path, model: &'static Model) -> Result<Judged, Exit> {
    let history = History::open(path).map_err(|error| history_failed(&error))?;
    let own_run = matches!(history.origin, Origin::Records(_));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    let report = check::check(&history, model, &Options { threads, own_run, ..Options::default() });
    Ok(Judged { path: path.to_path_buf(), report, seconds: start.elapsed().as_secs_f64() })
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
    /// The first reason of an `invalid` verdict; `null` otherwise.
    witness: Option<Witness<'a>>,
}

#[derive(Serialize)]
struct Witness<'a> {
    anomaly: &'a str,
    story: &'a [String],
    operations: &'a [u32],
}

impl Judged {
    fn exit(&self) -> Exit {
        crate::exit_of(self.report.verdict.exit_code())
    }

    fn print(&self, json: bool) {
        if json {
            let text = serde_json::to_string(&self.line()).expect("plain data serialises");
            println!("{text}");
            return;
        }
        let operations = base::units::show_count(self.report.operations as u64);
        let milliseconds = self.seconds * 1e3;
        let file = self.path.display();
        println!(
            "{file}: {} {} ({operations} operations, {milliseconds:.1} ms)",
            self.report.model, self.report.verdict
        );
        for anomaly in &self.report.anomalies {
            println!("  {}", anomaly.title);
            anomaly.story.iter().for_each(|sentence| println!("    {sentence}"));
        }
        let hidden = self.report.broken.saturating_sub(self.report.anomalies.len());
        if hidden > 0 {
            println!("  and {hidden} more");
        }
    }

    fn line(&self) -> Line<'_> {
        let reason = match &self.report.verdict {
            Verdict::Unknown { reason } => Some(reason.as_str()),
            _ => None,
        };
        let witness = self.report.anomalies.first().map(|anomaly| Witness {
            anomaly: &anomaly.title,
            story: &anomaly.story,
            operations: &anomaly.indices,
        });
        Line {
            file: self.path.display().to_string(),
            model: self.report.model,
            verdict: self.report.verdict.name(),
            reason,
            operations: self.report.operations,
            seconds: self.seconds,
            witness,
        }
    }
}
