//! A run of steps as a space-time diagram (Lamport 1978): a lane a participant, time runs down, an arrow a message.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::act::Act;
use crate::explore::run::Run;
use crate::explore::steps::Told;
use crate::steps::{Step, sender_of};

/// Between two lanes, in pixels.
const LANE: usize = 170;
/// Between two steps.
const ROW: usize = 26;
/// Above the first step, and beside the first lane.
const MARGIN: usize = 70;

/// Draws the steps of a run in a world of so many servers, as one SVG. Every step has a row of its own: what is lower is later, but not by how
/// much. Servers and clients that do nothing are left out.
pub fn diagram(servers: usize, run: &Run) -> String {
    let lanes = Lanes::of(servers, run);
    let height = MARGIN + ROW * (run.steps.len() + 2);
    let width = MARGIN * 2 + LANE * lanes.of.len().max(1) + 160;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<style>{STYLE}</style>\n\
         <defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
         <path d=\"M0 0 8 4 0 8z\" class=\"head\"/></marker></defs>\n<rect width=\"100%\" height=\"100%\" class=\"page\"/>\n"
    );
    lanes.draw(&mut svg, height);
    operations(&mut svg, &lanes, run);
    let rows: BTreeMap<u32, usize> = run.steps.iter().enumerate().map(|(row, told)| (told.stage.id, row)).collect();
    for (row, told) in run.steps.iter().enumerate() {
        step(&mut svg, &lanes, &rows, row, told);
    }
    if let Some(finding) = &run.finding {
        let y = y(run.steps.len()) + 8;
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{y}\" class=\"finding\">{}: {}</text>",
            MARGIN / 2,
            finding.by,
            escape(&cut(&finding.sentence, 150))
        );
    }
    svg.push_str("</svg>\n");
    svg
}

const STYLE: &str = ".page{fill:#fff}.lane{stroke:#b8c0cc;stroke-width:1.5}.down{stroke:#fff;stroke-width:4;stroke-dasharray:3 5}\
    .name{font-weight:600;text-anchor:middle;fill:#1c2430}.message{stroke:#2f6fb5;stroke-width:1.5;marker-end:url(#head)}.head{fill:#2f6fb5}\
    .kind{fill:#2f6fb5;text-anchor:middle;font-size:11px}.note{fill:#3c4654;font-size:11px}.note,.kind{paint-order:stroke;stroke:#fff;stroke-width:3px}.dot{fill:#1c2430}.time{fill:#8a94a3;font-size:10px;text-anchor:end}\
    .crash{stroke:#c22f2f;stroke-width:2.5}.boot{fill:#2b8a4b}.bar{fill:#e8b84a;fill-opacity:.45}.finding{fill:#c22f2f;font-weight:600}";

/// Where each participant is drawn.
struct Lanes {
    servers: usize,
    of: BTreeMap<u16, usize>,
}

impl Lanes {
    fn of(servers: usize, run: &Run) -> Lanes {
        let present: BTreeSet<u16> = run.steps.iter().flat_map(|told| participants(servers, told)).collect();
        Lanes { servers, of: present.into_iter().enumerate().map(|(lane, who)| (who, lane)).collect() }
    }

    fn x(&self, who: u16) -> usize {
        MARGIN + 40 + LANE * self.of.get(&who).copied().unwrap_or(0)
    }

    fn name(&self, who: u16) -> String {
        match usize::from(who).checked_sub(self.servers) {
            None => format!("n{}", who + 1),
            Some(client) => format!("c{}", client + 1),
        }
    }

    fn draw(&self, svg: &mut String, height: usize) {
        for who in self.of.keys() {
            let x = self.x(*who);
            let _ = writeln!(
                svg,
                "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\" class=\"lane\"/>",
                MARGIN - 20,
                height - ROW
            );
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{}\" class=\"name\">{}</text>", MARGIN - 30, self.name(*who));
        }
    }
}

/// Whom a step concerns.
fn participants(servers: usize, told: &Told) -> Vec<u16> {
    match (&told.stage.step, told.message) {
        (_, Some((_, from, to, _))) => vec![from, to],
        (Step::Invoke(client, _) | Step::Administer(client, ..) | Step::GiveUp(client), _) => {
            vec![(servers + *client as usize) as u16]
        }
        (Step::Timer(who, _) | Step::Sync(who, _) | Step::Told(who) | Step::Lost(who, ..), _) => vec![*who],
        (Step::Act(act, ..), _) => act.server().into_iter().collect(),
        (Step::Deliver(..), None) => Vec::new(),
    }
}

fn y(row: usize) -> usize {
    MARGIN + ROW * row
}

/// Bars from asking to the answer, or to the end.
fn operations(svg: &mut String, lanes: &Lanes, run: &Run) {
    for (row, told) in run.steps.iter().enumerate() {
        let (Step::Invoke(client, _) | Step::Administer(client, ..)) = told.stage.step else { continue };
        let ends = run.steps.iter().skip(row).position(|later| later.completed.contains(&client));
        let end = ends.map_or(run.steps.len(), |after| row + after);
        let x = lanes.x((lanes.servers + client as usize) as u16);
        let height = (ROW * (end - row)).max(6);
        let _ =
            writeln!(svg, "<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"{height}\" class=\"bar\"/>", x - 6, y(row));
    }
}

fn step(svg: &mut String, lanes: &Lanes, rows: &BTreeMap<u32, usize>, row: usize, told: &Told) {
    let y = y(row);
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" class=\"time\">{:.1} ms</text>",
        MARGIN - 4,
        y + 4,
        told.at as f64 / 1e6
    );
    let Some(who) = participants(lanes.servers, told).last().copied() else { return };
    let x = lanes.x(who);
    match (&told.stage.step, told.message) {
        (_, Some((name, from, to, kind))) => {
            let start = rows.get(&sender_of(name)).map_or(y.saturating_sub(ROW), |row| self::y(*row));
            let (x1, x2) = (lanes.x(from), lanes.x(to));
            let _ = writeln!(svg, "<line x1=\"{x1}\" y1=\"{start}\" x2=\"{x2}\" y2=\"{y}\" class=\"message\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" class=\"kind\">{}</text>",
                (x1 + 3 * x2) / 4,
                (start + 3 * y) / 4 - 5,
                escape(kind)
            );
        }
        (Step::Act(Act::Crash(_) | Act::CrashBetween(..) | Act::Wipe(_), ..), _) => {
            let _ = writeln!(svg, "<path d=\"M{} {}l14 14m0 -14l-14 14\" class=\"crash\"/>", x - 7, y - 7);
        }
        (Step::Act(Act::Restart(_) | Act::Replace(_), ..), _) => {
            let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"6\" class=\"boot\"/>");
        }
        _ => {
            let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" class=\"dot\"/>");
        }
    }
    let note = note(told);
    if !note.is_empty() {
        let _ =
            writeln!(svg, "<text x=\"{}\" y=\"{}\" class=\"note\">{}</text>", x + 10, y + 4, escape(&cut(&note, 60)));
    }
}

/// The most telling line of a step: what came of it, rather than that it happened. The participant's own name says nothing in its own lane.
fn note(told: &Told) -> String {
    let lines = || told.lines.iter().map(|line| line.text.as_str());
    let text = lines().rfind(|text| !text.contains(" → n") && !text.contains(" → c") || text.contains("ok "));
    let text = text.unwrap_or_default();
    text.split_once(": ").map_or(text, |(name, rest)| if name.len() <= 3 { rest } else { text }).to_owned()
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
