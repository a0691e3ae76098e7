//! The summary at the end of a run, as a person reads it in a terminal: the verdict, why, the figures, where to go on.

use base::units::show_count;

use crate::results::{Anomaly, ErrorCount, Objective, Results, Severity, Standing, Verdict};
use crate::show;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// With ANSI escapes.
    On,
    /// Plain text.
    Off,
}

/// The summary, in lines no wider than `width` where words allow it (commands and paths are never broken).
///
/// Control characters in texts from outside are replaced, so that no node's log can move the cursor.
pub fn terminal(results: &Results, width: usize, colour: Colour) -> String {
    let mut page = Page { out: String::new(), width: width.clamp(40, 120), colour };
    verdict(&mut page, results);
    objectives(&mut page, results);
    figures(&mut page, results);
    faults(&mut page, results);
    problems(&mut page, results);
    notes(&mut page, results);
    ending(&mut page, results);
    page.out
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";
const GREEN: &str = "1;32";
const YELLOW: &str = "1;33";

fn verdict(page: &mut Page, results: &Results) {
    let colour = match (results.exit_code, results.verdict) {
        (1, _) | (_, Verdict::Invalid) => RED,
        (2, _) | (_, Verdict::Unknown) => YELLOW,
        _ => GREEN,
    };
    page.blank();
    let mut line = page.paint(colour, &show::verdict(results).to_uppercase());
    let mut parts = vec![&results.name, &results.system, &results.testbed];
    parts.dedup();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        line.push_str(&page.paint(DIM, " · "));
        line.push_str(&clean(part));
    }
    line.push_str(&page.paint(DIM, &format!(" · seed {}", results.seed)));
    page.line(&line);
    show::praise(results).iter().chain(&results.reasons).for_each(|reason| page.wrapped(2, reason));
}

fn objectives(page: &mut Page, results: &Results) {
    if results.objectives.is_empty() && results.checks.is_empty() {
        return;
    }
    page.heading("checks and objectives");
    let mut table = Table::new(&[Align::Left; 5]);
    for check in &results.checks {
        let (word, colour) = match check.verdict {
            Verdict::Valid => ("valid", GREEN),
            Verdict::Unknown => ("unknown", YELLOW),
            Verdict::Invalid => ("INVALID", RED),
        };
        table.row([(word, colour), (&check.model, ""), ("", ""), ("", ""), (&show::check(check), DIM)]);
    }
    // A model that was checked stands there already.
    let checked = |objective: &&Objective| results.checks.iter().any(|check| check.model == objective.name);
    for objective in results.objectives.iter().filter(|objective| !checked(objective)) {
        let (word, colour) = match objective.standing {
            Standing::Met => ("met", GREEN),
            Standing::Unknown => ("unknown", YELLOW),
            Standing::Missed => ("MISSED", RED),
        };
        let untrusted = objective.reason.starts_with("untrusted");
        let reason = if untrusted { "untrusted" } else { &objective.reason };
        table.row([
            (word, colour),
            (&objective.name, ""),
            (&objective.measured, BOLD),
            (&objective.target, DIM),
            (reason, DIM),
        ]);
    }
    page.table(table);
}

fn figures(page: &mut Page, results: &Results) {
    page.heading("figures");
    let mut table = Table::new(&[Align::Left; 2]);
    let mut row = |name: &str, value: String| table.row([(name, DIM), (&value, "")]);
    row("operations", operations(results));
    row("rate", format!("{} asked, {} achieved", show::rate(results.rate.asked), show::rate(results.rate.achieved)));
    row("latency", latency(results));
    row("availability", availability(results));
    if results.elections > 0 {
        row("elections", show_count(results.elections));
    }
    if !results.errors.is_empty() {
        let error = |error: &ErrorCount| format!("{} {}", show_count(error.count), error.kind);
        row("errors", results.errors.iter().map(error).collect::<Vec<_>>().join(", "));
    }
    if let Some(resources) = &results.resources {
        row("resources", show::resources(resources));
    }
    page.table(table);
}

fn operations(results: &Results) -> String {
    let operations = &results.operations;
    let [all, ok, fail, info] = [operations.asked(), operations.ok, operations.fail, operations.info].map(show_count);
    format!("{all}: {ok} ok, {fail} fail, {info} info")
}

fn latency(results: &Results) -> String {
    let latency = &results.latency_us;
    let [p50, p99, p999] = [latency.p50, latency.p99, latency.p999].map(show::micros);
    let untrusted = if results.trusted { "" } else { " (untrusted)" };
    format!("p50 {p50}, p99 {p99}, p99.9 {p999}{untrusted}")
}

fn availability(results: &Results) -> String {
    let gap = results
        .longest_gap
        .map_or("none".into(), |gap| format!("{} at {}", show::seconds(gap.seconds), show::instant(gap.start_seconds)));
    format!("{} answered, longest gap without an ok {gap}", show::percent(results.availability))
}

fn faults(page: &mut Page, results: &Results) {
    if results.faults.is_empty() {
        return;
    }
    page.heading("faults");
    use Align::{Left, Right};
    let mut table = Table::new(&[Right, Left, Right, Right, Right, Right, Right, Left]);
    let header = ["", "", "from", "until", "answered", "recovered", "longest gap", ""];
    table.row(header.map(|text| (text, DIM)));
    for fault in &results.faults {
        let (from, until) = (show::instant(fault.start), show::instant(fault.end));
        let answered = show::percent(fault.availability);
        let recovered = show::recovered(fault.recovery.as_ref());
        let gap = show::gap(fault.recovery.as_ref());
        let shared = show::shared(fault);
        let last = if fault.proven { (shared.as_str(), DIM) } else { ("no evidence", YELLOW) };
        let id = format!("#{}", fault.id);
        let what = show::fault(fault);
        table.row([
            (&id, DIM),
            (&what, ""),
            (&from, ""),
            (&until, ""),
            (&answered, ""),
            (&recovered, BOLD),
            (&gap, ""),
            last,
        ]);
    }
    page.table(table);
}

/// Problems that are told in full: after these a tired person has understood.
const MOST_PROBLEMS: usize = 3;

fn problems(page: &mut Page, results: &Results) {
    if results.problems.is_empty() && results.anomalies.is_empty() {
        return;
    }
    page.heading("problems");
    for problem in results.problems.iter().take(MOST_PROBLEMS) {
        let colour = if problem.severity == Severity::Minor { YELLOW } else { RED };
        let severity = page.paint(colour, problem.severity.name());
        page.line(&format!("  {severity}  {}", clean(&problem.title)));
        problem.evidence.iter().for_each(|evidence| page.wrapped(4, evidence));
        let stories = results.anomalies.iter().filter(|a| a.title == problem.title && a.story != problem.evidence);
        stories.for_each(|anomaly| story(page, anomaly));
        // The commands at the end repeat the whole run.
        if results.repeat.iter().all(|command| command.command != problem.repeat) {
            page.command(4, &problem.repeat);
        }
    }
    let hidden = results.problems.len().saturating_sub(MOST_PROBLEMS);
    if hidden > 0 {
        page.line(&format!("  and {hidden} more, in the report"));
    }
    let told = |anomaly: &&Anomaly| results.problems.iter().any(|problem| problem.title == anomaly.title);
    for anomaly in results.anomalies.iter().filter(|anomaly| !told(anomaly)) {
        page.line(&format!("  {}", page.paint(BOLD, &clean(&anomaly.title))));
        story(page, anomaly);
    }
}

fn story(page: &mut Page, anomaly: &Anomaly) {
    anomaly.story.iter().for_each(|line| page.wrapped(4, line));
}

fn notes(page: &mut Page, results: &Results) {
    if !results.notes.is_empty() {
        page.heading("notes");
        results.notes.iter().for_each(|note| page.wrapped(2, note));
    }
}

fn ending(page: &mut Page, results: &Results) {
    page.blank();
    if !results.folder.is_empty() {
        page.line(&format!("  report  {}/report.html", clean(&results.folder)));
    }
    for command in &results.repeat {
        let what = page.paint(DIM, &format!("# {}", clean(&command.what)));
        page.line(&format!("  $ {}  {what}", clean(&command.command)));
    }
}

fn clean(text: &str) -> String {
    text.chars().map(show::plain).collect()
}

struct Page {
    out: String,
    width: usize,
    colour: Colour,
}

impl Page {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour == Colour::Off || code.is_empty() || text.is_empty() {
            text.into()
        } else {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn blank(&mut self) {
        self.line("");
    }

    fn heading(&mut self, text: &str) {
        self.blank();
        let text = self.paint(BOLD, text);
        self.line(&text);
    }

    fn command(&mut self, indent: usize, command: &str) {
        if !command.is_empty() {
            let text = self.paint(DIM, &format!("$ {}", clean(command)));
            self.line(&format!("{:indent$}{text}", ""));
        }
    }

    fn wrapped(&mut self, indent: usize, text: &str) {
        let text = clean(text);
        let mut line = String::new();
        for word in text.split_whitespace() {
            let room = line.is_empty() || indent + width(&line) + 1 + width(word) <= self.width;
            if !room {
                self.line(&format!("{:indent$}{line}", ""));
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&format!("{:indent$}{line}", ""));
    }

    /// Prints a table; a last column that does not fit goes on in its own column.
    fn table(&mut self, table: Table) {
        let widths = table.widths();
        for row in &table.rows {
            let mut line = String::from(" ");
            for (i, (text, colour)) in row.iter().enumerate() {
                let pad = " ".repeat(widths[i] - width(text));
                let painted = self.paint(colour, text);
                match table.align[i] {
                    Align::Left => line.push_str(&format!(" {painted}{pad} ")),
                    Align::Right => line.push_str(&format!(" {pad}{painted} ")),
                }
            }
            self.line(&line);
        }
    }
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

struct Table {
    align: Vec<Align>,
    rows: Vec<Vec<(String, &'static str)>>,
}

impl Table {
    fn new(align: &[Align]) -> Table {
        Table { align: align.to_vec(), rows: Vec::new() }
    }

    fn row<const N: usize>(&mut self, cells: [(&str, &'static str); N]) {
        self.rows.push(cells.iter().map(|(text, colour)| (clean(text), *colour)).collect());
    }

    fn widths(&self) -> Vec<usize> {
        let of_column = |i: usize| self.rows.iter().map(|row| width(&row[i].0)).max().unwrap_or(0);
        (0..self.align.len()).map(of_column).collect()
    }
}

/// Columns that a text takes, one a character: names here are Latin.
fn width(text: &str) -> usize {
    text.chars().count()
}
