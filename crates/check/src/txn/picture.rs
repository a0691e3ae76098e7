//! The transactions of a witness as a picture: a card for each with what matters of it, arrows with their kind and key where they form a
//! cycle, and below it the reasons in words. Self-contained SVG without scripts; colours follow the reader's light or dark preference.

use std::fmt::Write;

use history::txn::Transactions;

use super::anomaly::TxnAnomaly;
use super::explain::{reason, show_transaction};
use super::graph::{Edge, EdgeKind};

const WIDTH: f64 = 760.0;
const LINE: f64 = 18.0;
/// Letters in a line below the picture, in a line of a card, and lines of a card.
const COLUMNS: usize = 112;
const LETTERS: usize = 29;
const LINES: usize = 4;
/// Half the width of a card.
const HALF: f64 = 102.0;

const STYLE: &str = "\
.t{font:600 13px system-ui,sans-serif;fill:#1b1f24}.s{font:12px system-ui,sans-serif;fill:#57606a}\
.o{font:12px ui-monospace,monospace;fill:#1b1f24}.n{fill:#f6f8fa;stroke:#8c959f}\
.l{font:600 12px ui-monospace,monospace;text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:5px;stroke-linejoin:round}\
.e{fill:none;stroke-width:2}.e.ww{stroke:#0072b2}.e.wr{stroke:#007a5a}.e.rw{stroke:#cf222e}.e.so{stroke:#9a4f80}\
.e.rt{stroke:#6e7781;stroke-dasharray:5 4}.l.ww{fill:#0072b2}.l.wr{fill:#007a5a}.l.rw{fill:#cf222e}.l.so{fill:#9a4f80}.l.rt{fill:#57606a}\
@media (prefers-color-scheme:dark){.t,.o{fill:#e6edf3}.s{fill:#9da7b1}.n{fill:#161b22;stroke:#57606a}.l{stroke:#0d1117}\
.e.ww{stroke:#56b4e9}.e.wr{stroke:#3fb68b}.e.rw{stroke:#ff7b72}.e.so{stroke:#d99fc4}.e.rt{stroke:#9da7b1}\
.l.ww{fill:#56b4e9}.l.wr{fill:#3fb68b}.l.rw{fill:#ff7b72}.l.so{fill:#d99fc4}.l.rt{fill:#9da7b1}}";

/// Draws the witness of an anomaly.
pub fn svg(transactions: &Transactions, anomaly: &TxnAnomaly) -> String {
    let cards: Vec<Card> = places(anomaly)
        .into_iter()
        .zip(&anomaly.transactions)
        .map(|(centre, t)| Card::new(transactions, anomaly, *t, centre))
        .collect();
    let top = cards.iter().map(|card| card.y + card.half).fold(30.0, f64::max) + 48.0;
    let lines: Vec<String> = below(transactions, anomaly).iter().flat_map(|line| wrap(line)).collect();
    let height = top + LINE * lines.len() as f64 + 6.0;
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" style=\"max-width:100%\">\
         <title>{0}</title><style>{STYLE}</style><defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\" fill=\"context-stroke\"/></marker></defs>\
         <text class=\"t\" x=\"8\" y=\"20\">{0}</text>",
        escape(&anomaly.name())
    );
    for (at, edge) in anomaly.cycle.iter().enumerate().filter(|_| !cards.is_empty()) {
        arrow(&mut out, transactions, edge, &cards[at], &cards[(at + 1) % anomaly.cycle.len()]);
    }
    cards.iter().for_each(|card| card.draw(&mut out));
    for (row, line) in lines.iter().enumerate() {
        let y = top + LINE * row as f64;
        let _ = write!(out, "<text class=\"s\" x=\"8\" y=\"{y:.0}\">{}</text>", escape(line));
    }
    out.push_str("</svg>");
    out
}

/// The centres of the cards: those of a cycle on an ellipse, from its top; others in rows.
fn places(anomaly: &TxnAnomaly) -> Vec<(f64, f64)> {
    // A witness can have transactions beside the cycle's: those are only listed.
    let count = anomaly.cycle.len();
    if count == 0 {
        let place = |at: usize| (WIDTH / 6.0 * (at % 3 * 2 + 1) as f64, 90.0 + 120.0 * (at / 3) as f64);
        return (0..anomaly.transactions.len().min(6)).map(place).collect();
    }
    let (wide, high) = (265.0, if count == 2 { 0.0 } else { 130.0_f64.max(42.0 * count as f64) });
    let begin = if count == 2 { -std::f64::consts::PI } else { -std::f64::consts::FRAC_PI_2 };
    let place = |at: usize| {
        let angle = std::f64::consts::TAU * at as f64 / count as f64 + begin;
        (WIDTH / 2.0 + wide * angle.cos(), 110.0 + high + high * angle.sin())
    };
    (0..count).map(place).collect()
}

/// A transaction in the picture.
struct Card {
    x: f64,
    y: f64,
    /// Half its height.
    half: f64,
    title: String,
    lines: Vec<String>,
}

impl Card {
    /// With the micro-operations on keys of its arrows, and how many others there are.
    fn new(transactions: &Transactions, anomaly: &TxnAnomaly, t: u32, (x, y): (f64, f64)) -> Card {
        let data = |edge: &&Edge| !matches!(edge.kind(), EdgeKind::So | EdgeKind::Rt);
        let mine = |edge: &&Edge| edge.from == t || edge.to == t;
        let keys: Vec<u32> = anomaly.cycle.iter().filter(mine).filter(data).map(|edge| edge.key()).collect();
        let ops = transactions.ops(t);
        let mut lines: Vec<String> = (ops.iter())
            .filter(|op| keys.is_empty() || keys.contains(&op.key))
            .map(|op| shorten(&transactions.show(op)))
            .collect();
        lines.truncate(if lines.len() == ops.len() && ops.len() <= LINES { LINES } else { LINES - 1 });
        if lines.len() < ops.len() {
            lines.push(format!("... {} more", ops.len() - lines.len()));
        }
        let process = transactions.process[t as usize];
        let title = if transactions.anonymous { format!("T{t}") } else { format!("T{t} · process {process}") };
        Card { x, y, half: (30.0 + 16.0 * lines.len() as f64) / 2.0, title, lines }
    }

    fn draw(&self, out: &mut String) {
        let (left, top) = (self.x - HALF, self.y - self.half);
        let _ = write!(
            out,
            "<rect class=\"n\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\"/>\
             <text class=\"t\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            HALF * 2.0,
            self.half * 2.0,
            left + 10.0,
            top + 19.0,
            escape(&self.title)
        );
        for (row, line) in self.lines.iter().enumerate() {
            let (x, y) = (left + 10.0, top + 37.0 + 16.0 * row as f64);
            let _ = write!(out, "<text class=\"o\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(line));
        }
    }

    /// Where a line from the centre towards a point leaves the card.
    fn border(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let (dx, dy) = (x - self.x, y - self.y);
        let share = ((HALF + 4.0) / dx.abs().max(0.1)).min((self.half + 4.0) / dy.abs().max(0.1)).min(1.0);
        (self.x + dx * share, self.y + dy * share)
    }
}

/// From card to card, bent outwards.
fn arrow(out: &mut String, transactions: &Transactions, edge: &Edge, from: &Card, to: &Card) {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let length = dx.hypot(dy).max(1.0);
    let bend = if dy.abs() < 1.0 { 90.0 } else { 26.0 };
    // To the left of a walk around the ellipse is outside.
    let (nx, ny) = (dy / length, -dx / length);
    let via = ((from.x + to.x) / 2.0 + nx * bend, (from.y + to.y) / 2.0 + ny * bend);
    let (begin, end) = (from.border(via), to.border(via));
    let middle = ((begin.0 + end.0) / 4.0 + via.0 / 2.0, (begin.1 + end.1) / 4.0 + via.1 / 2.0);
    let kind = edge.kind();
    let key = if matches!(kind, EdgeKind::So | EdgeKind::Rt) { "" } else { &transactions.keys[edge.key() as usize] };
    let _ = write!(
        out,
        "<path class=\"e {kind}\" marker-end=\"url(#head)\" d=\"M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}\"/>\
         <text class=\"l {kind}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        begin.0,
        begin.1,
        via.0,
        via.1,
        end.0,
        end.1,
        middle.0,
        middle.1 + 4.0,
        escape(format!("{} {key}", kind.name()).trim()),
        kind = kind.name(),
    );
}

/// What stands below the cards: of a cycle the reasons of its arrows and what their names mean, and whoever has no card.
fn below(transactions: &Transactions, anomaly: &TxnAnomaly) -> Vec<String> {
    if anomaly.cycle.is_empty() {
        return anomaly.story.clone();
    }
    let tell = |edge: &Edge| format!("T{} must precede T{}: {}", edge.from, edge.to, reason(transactions, edge));
    let mut lines: Vec<String> = anomaly.cycle.iter().map(tell).collect();
    let others = anomaly.transactions.iter().skip(anomaly.cycle.len());
    lines.extend(others.map(|t| show_transaction(transactions, *t)));
    let mut kinds: Vec<EdgeKind> = anomaly.cycle.iter().map(|edge| edge.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let meaning = |kind: &EdgeKind| match kind {
        EdgeKind::Ww => "ww: overwritten by",
        EdgeKind::Wr => "wr: read by",
        EdgeKind::Rw => "rw: read before it was overwritten by",
        EdgeKind::So => "so: in the same process before",
        EdgeKind::Rt => "rt: completed before the invocation of",
    };
    lines.push(kinds.iter().map(meaning).collect::<Vec<_>>().join(" · "));
    lines
}

/// The middle of a text left out if it is too long for a card.
fn shorten(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() <= LETTERS {
        return text.to_string();
    }
    let (front, back) = (letters[..LETTERS - 11].iter(), letters[letters.len() - 9..].iter());
    front.chain(&[' ', '…']).chain(back).collect()
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.len() - 1;
        if lines[line].chars().count() + word.chars().count() >= COLUMNS {
            lines.push("    ".to_string());
        } else if !lines[line].is_empty() {
            lines[line].push(' ');
        }
        let line = lines.len() - 1;
        lines[line].push_str(word);
    }
    lines
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
