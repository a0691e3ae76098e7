//! `assize check`: the verdict on recorded histories, a line each, and the worst as exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ::check::certificate::Subject;
use ::check::workload::{self, Question, Refusal, WORKLOADS, Workload};
use ::check::{LINEARIZABLE, Model, Options};
use history::import::{self, Format, Import, ImportOptions};
use history::{History, Origin};

use crate::arguments::CheckOptions;
use crate::exit::Exit;
use crate::run::worse;
use crate::{history_failed, list};
use told::{Judged, Telling};
use watch::{Ended, Limits, Teller};

mod certificates;
mod questions;
mod told;
mod watch;

/// Judges each of the histories.
pub fn command(paths: &[PathBuf], options: &CheckOptions) -> Exit {
    let limits = match Limits::parse(options.time_limit.as_deref(), options.memory_limit.as_deref(), options.quiet) {
        Ok(limits) => limits,
        Err(message) => {
            eprintln!("error: {message}");
            return Exit::Usage;
        }
    };
    if let Some(table) = &options.questions {
        return questions::command(table, options.corrections.as_deref(), options.lenient, &limits);
    }
    let wanted = match Wanted::of(paths, options) {
        Ok(wanted) => wanted,
        Err(message) => {
            eprintln!("error: {message}");
            return Exit::Usage;
        }
    };
    let telling = Telling { json: options.json, draw: options.draw.clone() };
    let mut exits = Vec::new();
    let mut hear = |judged: Result<Judged, Exit>| {
        exits.push(judged.map_or_else(|exit| exit, |judged| judged.tell(&telling)));
    };
    let files = paths.to_vec();
    let ended = watch::watch(&limits, move |teller| wanted.judge_all(&files, teller), &mut hear);
    match ended {
        Ended::Finished => {}
        Ended::Crashed => exits.push(Exit::Bug),
        Ended::Stopped(reason, doing) => {
            for (at, path) in paths.iter().enumerate().skip(exits.len()) {
                let doing = if at == exits.len() { &doing } else { watch::NOT_BEGUN };
                exits.push(Judged::not(path, format!("{reason}: {doing}")).tell(&telling));
            }
        }
    }
    exits.into_iter().fold(Exit::Success, worst)
}

/// What is asked, by names that exist.
struct Wanted {
    import: ImportOptions,
    workload: Option<&'static Workload>,
    question: Question,
    /// Where to write the certificate of the verdict.
    certify: Option<PathBuf>,
    /// The certificate to check again, in place of the history.
    certificate: Option<PathBuf>,
}

impl Wanted {
    fn of(paths: &[PathBuf], options: &CheckOptions) -> Result<Wanted, String> {
        let (certify, certificate) = (options.certify.clone(), options.certificate.clone());
        if paths.len() != 1 && (certify.is_some() || certificate.is_some()) {
            return Err("a certificate is of one history: name one file or run".to_string());
        }
        if let Some(model) = &options.model
            && Model::find(model).is_none()
            && !WORKLOADS.iter().any(|workload| workload.models.contains(&model.as_str()))
        {
            return Err(format!("there is no model `{model}`; {}", list::models_hint(model)));
        }
        let format = options.format.as_deref().map(|name| Format::find(name).ok_or_else(|| no_format(name)));
        let workload = options.workload.as_deref().map(|name| Workload::find(name).ok_or_else(|| no_workload(name)));
        let settings = options.settings.iter().map(|text| setting(text)).collect::<Result<_, _>>()?;
        Ok(Wanted {
            import: ImportOptions { format: format.transpose()?, lenient: options.lenient },
            workload: workload.transpose()?,
            question: Question {
                model: options.model.clone(),
                settings,
                options: Options { certificate: certify.is_some(), ..all_threads() },
            },
            certify,
            certificate,
        })
    }

    /// Judges one after the other until a limit is reached.
    fn judge_all(mut self, paths: &[PathBuf], teller: &Teller<Result<Judged, Exit>>) {
        self.question.options.limit = teller.limit.clone();
        for path in paths {
            if teller.limit.exceeded().is_some() {
                return;
            }
            teller.doing(format!("reading {}", path.display()));
            let judged = self.judge(path, &|operations| teller.doing(watch::judging(operations, path)));
            teller.done(judged);
        }
    }

    fn judge(&self, path: &Path, judging: &dyn Fn(usize)) -> Result<Judged, Exit> {
        let imported = match self.import.format {
            Some(format) => format.has_events(),
            None => path.is_file() && import::format_of(path).map_err(|error| history_failed(&error))?.has_events(),
        };
        match (&self.certificate, imported) {
            (Some(certificate), imported) => self.judge_again(path, certificate, imported, judging),
            (None, true) => self.judge_import(path, judging),
            (None, false) => self.judge_own(path, judging),
        }
    }

    /// By a certificate alone.
    fn judge_again(&self, path: &Path, file: &Path, imported: bool, judging: &dyn Fn(usize)) -> Result<Judged, Exit> {
        let certificate = certificates::read(file)?;
        let subject = if imported {
            let import = import::open(path, &self.import).map_err(|error| history_failed(&error))?;
            let workload = Workload::find(&certificate.workload);
            let workload = workload.ok_or_else(|| told(file, Exit::BadData, &no_workload(&certificate.workload)))?;
            Subject::of(&import.events, workload).map_err(|refusal| refused(path, &import, refusal))?
        } else {
            Subject::Registers(Box::new(self.read_own(path)?.0))
        };
        judging(subject.len());
        certificates::judge(path, file, &subject, &certificate)
    }

    fn read_own(&self, path: &Path) -> Result<(History, Option<(usize, history::OpenError)>), Exit> {
        let read =
            if self.import.lenient { History::open_lenient(path) } else { History::open(path).map(|h| (h, None)) };
        read.map_err(|error| history_failed(&error))
    }

    /// A run of ours, or its export.
    fn judge_own(&self, path: &Path, judging: &dyn Fn(usize)) -> Result<Judged, Exit> {
        let name = self.question.model.as_deref().unwrap_or(LINEARIZABLE.name);
        let Some(model) = Model::find(name) else {
            return Err(told(path, Exit::Usage, &format!("registers cannot be held against `{name}`")));
        };
        let (history, skipped) = self.read_own(path)?;
        let skipped = skipped.map(|(count, first)| (count, first.to_string()));
        judging(history.len());
        let own_run = matches!(history.origin, Origin::Records(_));
        let staleness = ::check::consistency::bound(&self.question.settings);
        let staleness = staleness.map_err(|message| told(path, Exit::Usage, &message))?;
        let start = Instant::now();
        let options = Options { own_run, staleness, ..self.question.options.clone() };
        let report = ::check::check(&history, model, &options);
        let judged = Judged::own(path, report, start.elapsed().as_secs_f64(), skipped);
        self.certified(judged, "register", || Ok(Subject::Registers(Box::new(history))))
    }

    fn judge_import(&self, path: &Path, judging: &dyn Fn(usize)) -> Result<Judged, Exit> {
        let import = import::open(path, &self.import).map_err(|error| history_failed(&error))?;
        let workload = match self.workload {
            Some(workload) => workload,
            None => recognised(&import).map_err(|message| told(path, Exit::Usage, &message))?,
        };
        judging(import.events.len());
        let start = Instant::now();
        let report =
            workload.judge(&import.events, &self.question).map_err(|refusal| refused(path, &import, refusal))?;
        let seconds = start.elapsed().as_secs_f64();
        let skipped = import.first_skipped.as_ref().map(|first| (import.skipped, first.to_string()));
        let judged = Judged::imported(path, &import.events, report, seconds, skipped);
        let subject = || Subject::of(&import.events, workload).map_err(|refusal| refused(path, &import, refusal));
        self.certified(judged, workload.name, subject)
    }

    /// With the certificate, if one is wanted.
    fn certified(
        &self,
        judged: Judged,
        workload: &str,
        subject: impl FnOnce() -> Result<Subject, Exit>,
    ) -> Result<Judged, Exit> {
        let Some(file) = &self.certify else { return Ok(judged) };
        let proven = certificates::write(file, &subject()?, workload, &self.question, judged.report())?;
        Ok(judged.proven(proven))
    }
}

fn refused(path: &Path, import: &Import, refusal: Refusal) -> Exit {
    match refusal {
        Refusal::Malformed(wrong) => history_failed(&import.malformed(wrong)),
        Refusal::Unsupported(message) => told(path, Exit::Usage, &message),
    }
}

fn recognised(import: &Import) -> Result<&'static Workload, String> {
    if import.events.is_empty() {
        let skipped = import.first_skipped.as_ref().map(|first| format!("; the first mistake is {first}"));
        return Err(format!("no event is left to judge{}", skipped.unwrap_or_default()));
    }
    let Some(name) = workload::recognise(&import.events) else {
        let functions: Vec<&str> = import.events.functions().collect();
        let known = WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ");
        let (functions, are) = (functions.join("`, `"), if functions.len() == 1 { "is" } else { "are" });
        return Err(format!("`{functions}` {are} of no known workload; name one with `--workload`: {known}"));
    };
    Workload::find(name).ok_or_else(|| format!("this is a history of `{name}`, which cannot be judged yet"))
}

fn told(path: &Path, exit: Exit, message: &str) -> Exit {
    eprintln!("error: {}: {message}", path.display());
    exit
}

fn no_format(name: &str) -> String {
    let known = Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ");
    format!("there is no format `{name}`; there are {known}")
}

fn no_workload(name: &str) -> String {
    let known = WORKLOADS.iter().map(|workload| workload.name).collect::<Vec<_>>().join(", ");
    format!("there is no workload `{name}`; there are {known}")
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("expected `key=value`, not `{text}`"))?;
    Ok((key.trim().to_string(), value.trim().to_string()))
}

/// The settings of one field: separated by commas or spaces.
fn settings(text: &str) -> Result<BTreeMap<String, String>, String> {
    text.split([',', ' ']).filter(|part| !part.is_empty()).map(setting).collect()
}

fn all_threads() -> Options {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Options { threads, recheck: true, ..Options::default() }
}

fn is_verdict(exit: Exit) -> bool {
    matches!(exit, Exit::Success | Exit::Invalid | Exit::Unknown)
}

/// A file that cannot be read weighs more than any verdict: the question was not answered.
fn worst(a: Exit, b: Exit) -> Exit {
    match (is_verdict(a), is_verdict(b)) {
        (true, true) => worse(a, b),
        (true, false) => b,
        (false, _) => a,
    }
}
