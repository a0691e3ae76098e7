//! Watches a check from another thread: its time, its memory, and how far it is.
//!
//! When a limit is reached the checkers are asked to stop, and answer what they know. One that does not hear within a sixteenth of
//! the limit (because it reads a file, or is inside a linear pass) is left behind: what is known is told without it.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ::check::Limit;
use base::units::{parse_duration, parse_size, show_count, show_duration};

use crate::memory;

/// What is being done before anything of a history is.
pub const NOT_BEGUN: &str = "not begun";

/// What the check may take. The texts are as people wrote them.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    time: Option<(Duration, String)>,
    memory: Option<(u64, String)>,
    /// Show no progress.
    pub quiet: bool,
}

impl Limits {
    /// Reads `10s` and `2GB`.
    pub fn parse(time: Option<&str>, memory: Option<&str>, quiet: bool) -> Result<Limits, String> {
        let time = time.map(|text| parse_duration(text).map(|time| (time, text.to_string())));
        let memory = memory.map(|text| parse_size(text).map(|most| (most, text.to_string())));
        Ok(Limits { time: time.transpose()?, memory: memory.transpose()?, quiet })
    }
}

/// What the thread that works is given.
pub struct Teller<T> {
    news: Sender<News<T>>,
    /// To be polled.
    pub limit: Limit,
}

enum News<T> {
    Doing(String),
    Done(T),
}

impl<T> Teller<T> {
    /// Says what is being done: `reading a.jsonl`.
    pub fn doing(&self, what: String) {
        self.limit.progress(0, 0);
        let _ = self.news.send(News::Doing(what));
    }

    /// Hands over one result.
    pub fn done(&self, result: T) {
        let _ = self.news.send(News::Done(result));
    }
}

/// How the work ended.
pub enum Ended {
    /// By itself.
    Finished,
    /// With a panic, which has been printed.
    Crashed,
    /// At a limit; and what was being done then.
    Stopped(String, String),
}

/// Runs `work` on a thread of its own, within limits, and gives each result to `hear`.
pub fn watch<T: Send + 'static>(
    limits: &Limits,
    work: impl FnOnce(&Teller<T>) + Send + 'static,
    mut hear: impl FnMut(T),
) -> Ended {
    let mut watch = Watch::new(limits);
    let (news, inbox) = mpsc::channel();
    let teller = Teller { news, limit: watch.limit.clone() };
    let worker = thread::Builder::new().name("check".into()).stack_size(8 << 20).spawn(move || work(&teller));
    let Ok(worker) = worker else { return Ended::Crashed };
    loop {
        match inbox.recv_timeout(watch.pause()) {
            Ok(News::Doing(what)) => watch.doing = what,
            Ok(News::Done(result)) => {
                watch.clear();
                watch.doing = NOT_BEGUN.into();
                hear(result);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if watch.look() {
            return watch.stopped();
        }
        watch.draw();
    }
    watch.clear();
    match worker.join() {
        Err(_) => Ended::Crashed,
        Ok(()) if watch.limit.exceeded().is_some() => watch.stopped(),
        Ok(()) => Ended::Finished,
    }
}

struct Watch<'a> {
    limits: &'a Limits,
    limit: Limit,
    began: Instant,
    used: u64,
    /// When the check was asked to stop.
    asked: Option<Instant>,
    doing: String,
    /// The next instant at which progress is shown; `None`: never.
    next_line: Option<Duration>,
    terminal: bool,
    drawn: bool,
}

impl<'a> Watch<'a> {
    fn new(limits: &'a Limits) -> Watch<'a> {
        let limit = limits.memory.as_ref().map_or_else(Limit::new, |(most, text)| {
            memory::limit(*most);
            Limit::with_memory(*most, leaked(format!("the memory limit of {text} was reached")))
        });
        let terminal = std::io::stderr().is_terminal();
        let first = every(terminal).max(Duration::from_secs(1));
        Watch {
            limits,
            limit,
            began: Instant::now(),
            used: 0,
            asked: None,
            doing: NOT_BEGUN.into(),
            next_line: (!limits.quiet).then_some(first),
            terminal,
            drawn: false,
        }
    }

    /// Until when nothing can need attention.
    fn pause(&self) -> Duration {
        let elapsed = self.began.elapsed();
        let left = |until: Duration| until.saturating_sub(elapsed);
        let line = self.next_line.map(left);
        let time = self.limits.time.as_ref().map(|(time, _)| left(*time).max(Duration::from_millis(2)));
        let memory = self.limits.memory.as_ref().map(|(most, _)| if self.used * 2 < *most { 4 } else { 1 });
        let memory = memory.map(Duration::from_millis);
        [line, time, memory].into_iter().flatten().min().unwrap_or(Duration::from_secs(3600))
    }

    /// Looks at clock and memory; true: what runs is to be left behind.
    fn look(&mut self) -> bool {
        let mut over = false;
        if let Some((time, text)) = &self.limits.time
            && self.began.elapsed() >= *time
        {
            self.stop(|| format!("the time limit of {text} was reached"));
            over |= self.began.elapsed() >= *time + grace(*time);
        }
        if let Some((most, text)) = &self.limits.memory {
            self.used = memory::resident();
            self.limit.note_used(self.used);
            if let Some(bytes) = memory::refused() {
                let megabytes = bytes / 1_000_000;
                self.stop(|| format!("the memory limit of {text} leaves no room for {megabytes} MB more"));
                over = true;
            } else if self.used >= *most {
                self.stop(|| format!("the memory limit of {text} was reached"));
                over |= self.used >= *most + *most / 32;
            }
        }
        if self.limit.exceeded().is_some() {
            let asked = *self.asked.get_or_insert_with(Instant::now);
            over |= self.limits.memory.is_some() && asked.elapsed() > grace(Duration::MAX);
        }
        over
    }

    fn stop(&self, reason: impl FnOnce() -> String) {
        if self.limit.exceeded().is_none() {
            self.limit.stop(leaked(reason()));
        }
    }

    fn stopped(&mut self) -> Ended {
        self.clear();
        let reason = self.limit.exceeded().unwrap_or("a limit was reached");
        Ended::Stopped(reason.to_string(), self.how_far())
    }

    fn how_far(&self) -> String {
        match self.limit.done() {
            (_, 0) => self.doing.clone(),
            (done, total) => format!("{}, {} % done", self.doing, (done * 100 / total).min(99)),
        }
    }

    /// Shows how far it is: in a terminal ten times a second in one place, elsewhere a line every ten seconds.
    fn draw(&mut self) {
        let elapsed = self.began.elapsed();
        if self.next_line.is_none_or(|next| elapsed < next) {
            return;
        }
        let text = format!("{}, {}", self.how_far(), show_duration(elapsed));
        let mut err = std::io::stderr().lock();
        if self.terminal {
            let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
            self.drawn = true;
        } else {
            let _ = writeln!(err, "{text}");
        }
        self.next_line = Some(elapsed + every(self.terminal));
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A check is stopped once in a process, so the reason may stay for ever.
fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// How often progress is shown.
fn every(terminal: bool) -> Duration {
    if terminal { Duration::from_millis(100) } else { Duration::from_secs(10) }
}

/// How long a check that was asked to stop may take to answer.
fn grace(limit: Duration) -> Duration {
    (limit / 16).clamp(Duration::from_millis(50), Duration::from_secs(1))
}

/// `judging 1 000 operations of a.jsonl`.
pub fn judging(operations: usize, file: &std::path::Path) -> String {
    format!("judging {} operations of {}", show_count(operations as u64), file.display())
}
