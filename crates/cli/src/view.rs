//! What a run looks like while it goes on: a block that is drawn again in a terminal, plain lines elsewhere.

use base::units::{show_count, show_duration};
use console::{Term, style};
use run::{Event, Tick};
use std::time::Duration;

/// Shows events as they come.
pub trait View {
    /// Shows one.
    fn show(&mut self, event: &Event);
}

/// A terminal: what happened scrolls by, and below it stands how it is going.
pub struct Live {
    term: Term,
    title: String,
    seconds: f64,
    tick: Tick,
    phase: String,
    in_force: Vec<(u32, String)>,
    drawn: usize,
}

impl Live {
    /// A view on standard output.
    pub fn new() -> Live {
        Live {
            term: Term::buffered_stdout(),
            title: String::new(),
            seconds: 0.0,
            tick: Tick::default(),
            phase: "deploy".into(),
            in_force: Vec::new(),
            drawn: 0,
        }
    }

    fn draw(&mut self, news: Option<String>) {
        let width = usize::from(self.term.size().1).max(40);
        let _ = self.term.clear_last_lines(self.drawn);
        if let Some(news) = news {
            let _ = self.term.write_line(&news);
        }
        let lines = self.block(width);
        for line in &lines {
            let _ = self.term.write_line(&console::truncate_str(line, width, "…"));
        }
        self.drawn = lines.len();
        let _ = self.term.flush();
    }

    fn block(&self, width: usize) -> Vec<String> {
        let tick = &self.tick;
        let share = if self.seconds > 0.0 { (tick.at / self.seconds).clamp(0.0, 1.0) } else { 0.0 };
        let bar_width = width.saturating_sub(40).min(40);
        let full = (share * bar_width as f64) as usize;
        let bar = format!("{}{}", "━".repeat(full), style("─".repeat(bar_width - full)).dim());
        let faults: Vec<&str> = self.in_force.iter().map(|(_, text)| text.as_str()).collect();
        let faults = if faults.is_empty() { style("none".to_string()).dim() } else { style(faults.join(", ")).red() };
        vec![
            format!("{} {bar} {:>5.1} s  {}", style(&self.title).bold(), tick.at, style(&self.phase).cyan()),
            format!(
                "  rate    {:>6.0}/s asked  {:>6.0}/s achieved   p50 {:>8}   p99 {:>8}",
                tick.asked,
                tick.achieved,
                latency(tick.p50_us),
                latency(tick.p99_us)
            ),
            format!("  ended   {}", outcomes(tick)),
            format!("  check   {}", checked(tick).unwrap_or_else(|| "after the load".into())),
            format!("  faults  {faults}"),
        ]
    }
}

impl View for Live {
    fn show(&mut self, event: &Event) {
        match event {
            Event::Started { plan, seconds, .. } => {
                self.title = plan.clone();
                self.seconds = *seconds;
            }
            Event::Tick(tick) => self.tick = tick.clone(),
            Event::Phase { phase, .. } => self.phase = phase.clone(),
            Event::FaultBegan { id, fault, .. } => self.in_force.push((*id, fault.clone())),
            Event::FaultEnded { id, .. } => self.in_force.retain(|(known, _)| known != id),
            _ => {}
        }
        let news = match event {
            Event::Tick(_) | Event::Phase { .. } | Event::Finished { .. } => None,
            other => line(other).map(|line| style(line).dim().to_string()),
        };
        self.draw(news);
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.term.clear_last_lines(self.drawn);
        let _ = self.term.flush();
    }
}

/// Lines: what happened, and every few seconds how it is going.
pub struct Plain {
    next_tick: f64,
}

/// Seconds between two lines of figures.
const PLAIN_PERIOD: f64 = 5.0;

impl Plain {
    /// A view on standard output.
    pub fn new() -> Plain {
        Plain { next_tick: 0.0 }
    }
}

impl View for Plain {
    fn show(&mut self, event: &Event) {
        if let Event::Tick(tick) = event {
            if tick.at < self.next_tick {
                return;
            }
            self.next_tick = tick.at + PLAIN_PERIOD;
        }
        if let Some(line) = line(event) {
            println!("{line}");
        }
    }
}

/// One event as one line; `None` for what the summary tells.
fn line(event: &Event) -> Option<String> {
    let at = |at: &f64| format!("{at:>6.1} s  ");
    Some(match event {
        Event::Started { plan, seed, system, testbed, nodes, folder, .. } => {
            let what = if plan == system { String::new() } else { format!(" of {system}") };
            format!("{plan}: {nodes} nodes{what} on {testbed}, seed {seed}\nrun folder {folder}")
        }
        Event::Note { text } => format!("note: {text}"),
        Event::Ready { seconds } => format!("all nodes serve after {seconds:.2} s"),
        Event::Phase { at: when, phase } => format!("{}{phase}", at(when)),
        Event::Tick(tick) => format!(
            "{}{:.0}/s asked, {:.0}/s achieved, p50 {}, p99 {}; {}{}",
            at(&tick.at),
            tick.asked,
            tick.achieved,
            latency(tick.p50_us),
            latency(tick.p99_us),
            outcomes(tick),
            checked(tick).map(|text| format!("; {text}")).unwrap_or_default()
        ),
        Event::Admin { at: when, action } => format!("{}operator: {action}", at(when)),
        Event::Leader { at: when, node, epoch } => format!("{}{node} leads, epoch {epoch}", at(when)),
        Event::FaultBegan { at: when, fault, .. } => format!("{}fault: {fault}", at(when)),
        Event::FaultEnded { at: when, fault, evidence, .. } if evidence.is_empty() => {
            format!("{}healed: {fault}; NOTHING PROVES THAT IT BIT", at(when))
        }
        Event::FaultEnded { at: when, fault, .. } => format!("{}healed: {fault}", at(when)),
        Event::Violation { at: when, key, kind, because } => {
            format!("{}VIOLATION: {kind} of key {key}: {because}", at(when))
        }
        Event::Stopped { at: when, reason } => format!("{}stopped: {reason}", at(when)),
        Event::Finished { .. } => return None,
    })
}

fn outcomes(tick: &Tick) -> String {
    let mut text =
        format!("{} ok, {} fail, {} info", show_count(tick.ok), show_count(tick.fail), show_count(tick.info));
    if !tick.errors.is_empty() {
        let errors: Vec<String> = tick.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        text.push_str(&format!(" ({})", errors.join(", ")));
    }
    text
}

/// What the check that goes on meanwhile has seen.
fn checked(tick: &Tick) -> Option<String> {
    let checked = show_count(tick.checked?);
    Some(match tick.broken {
        0 => format!("checked {checked} operations, no violation so far"),
        1 => format!("checked {checked} operations, 1 key VIOLATED"),
        keys => format!("checked {checked} operations, {keys} keys VIOLATED"),
    })
}

fn latency(micros: Option<f64>) -> String {
    micros.map_or_else(|| "-".to_string(), |micros| show_duration(Duration::from_nanos((micros * 1e3) as u64)))
}
