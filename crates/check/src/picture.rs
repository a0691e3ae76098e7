//! A witness as a picture: a lane per process (and the node it asked), a bar per operation from invocation to completion, values in colour. Arrows lead
//! from an operation that had ended to one that was invoked later, where that decides the contradiction.
//!
//! Self-contained SVG without scripts; colours follow the reader's light or dark preference. The distance of two instants is not to scale
//! when they are far apart, because what matters is which came first; their times stand on the axis.

use std::fmt::Write;

use base::Time;
use history::{Function, NIL, Operation, Outcome};

use crate::explain::{Clash, deed, show_value};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const LANE: f64 = 46.0;
const TOP: f64 = 16.0;
const BAR: f64 = 24.0;
/// Colours per value, chosen to be told apart by most people (Okabe & Ito, 2008) on both grounds.
const COLOURS: usize = 5;

const STYLE: &str = "\
.bg{fill:none}.t{font:13px system-ui,sans-serif;fill:#1b1f24}.s{font:11px system-ui,sans-serif;fill:#57606a}\
.lane{stroke:#d0d7de;stroke-width:1}.tick{stroke:#8c959f;stroke-width:1;stroke-dasharray:2 3}\
.v0{fill:#0072b2}.v1{fill:#d55e00}.v2{fill:#007a5a}.v3{fill:#9a4f80}.v4{fill:#6a5acd}.nil{fill:#6e7781}\
.bar{fill-opacity:.16;stroke-width:2}.b0{stroke:#0072b2}.b1{stroke:#d55e00}.b2{stroke:#007a5a}.b3{stroke:#9a4f80}.b4{stroke:#6a5acd}.bnil{stroke:#6e7781}\
.open{stroke-dasharray:6 4}.why{stroke:#cf222e;stroke-width:2;fill:none}.whyhead{fill:#cf222e}\
@media (prefers-color-scheme:dark){.t{fill:#e6edf3}.s{fill:#9da7b1}.lane{stroke:#30363d}.tick{stroke:#6e7681}\
.v0{fill:#56b4e9}.v1{fill:#f0883e}.v2{fill:#3fb68b}.v3{fill:#d99fc4}.v4{fill:#a99cf0}.nil{fill:#9da7b1}\
.b0{stroke:#56b4e9}.b1{stroke:#f0883e}.b2{stroke:#3fb68b}.b3{stroke:#d99fc4}.b4{stroke:#a99cf0}.bnil{stroke:#9da7b1}.bar{fill-opacity:.22}\
.why{stroke:#ff7b72}.whyhead{fill:#ff7b72}}";

/// An operation as it is drawn.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Whose lane it is in.
    pub process: u32,
    /// Whom it asked, below the name of the lane; may be empty.
    pub node: String,
    /// The invocation.
    pub begin: Time,
    /// The completion; [`Time::MAX`] if it never came.
    pub end: Time,
    /// A few characters beside or inside the bar.
    pub label: String,
    /// A sentence for who points at it.
    pub tip: String,
    /// What it wrote or saw: bars of one value have one colour; grey without.
    pub value: Option<u64>,
}

impl Bar {
    fn of(op: &Operation) -> Bar {
        let value = if op.request.function == Function::Read { op.completion.result } else { op.request.argument };
        Bar {
            process: op.process.0,
            node: op.node.to_string(),
            begin: op.sent,
            end: op.done,
            label: label(op),
            tip: format!("{} on {}: {}", op.process, op.node, deed(op)),
            value: (value != NIL).then_some(value),
        }
    }
}

/// Draws operations of one key, in order of invocation, and why they contradict each other.
pub fn svg(title: &str, operations: &[Operation]) -> String {
    let place = |op: &Operation| operations.iter().position(|other| std::ptr::eq(op, other)).unwrap_or(0);
    let clash = Clash::of(operations);
    let arrows = clash.iter().flat_map(|clash| clash.arrows());
    let arrows: Vec<(usize, usize)> = arrows.map(|(early, late)| (place(early), place(late))).collect();
    with_arrows(title, operations, &arrows)
}

/// The same for operations of any keys, with arrows from the end of one operation to the beginning of another.
pub fn with_arrows(title: &str, operations: &[Operation], arrows: &[(usize, usize)]) -> String {
    let bars: Vec<Bar> = operations.iter().map(Bar::of).collect();
    draw(title, &bars, arrows)
}

/// Draws bars, in order of invocation, and arrows from the end of one to the beginning of another; the title is for those who cannot see
/// it. Lanes stand in the order of their first operation, so that time runs down as well as to the right.
pub fn draw(title: &str, bars: &[Bar], arrows: &[(usize, usize)]) -> String {
    let axis = Axis::of(bars);
    let mut lanes: Vec<u32> = Vec::new();
    for bar in bars {
        if !lanes.contains(&bar.process) {
            lanes.push(bar.process);
        }
    }
    let height = TOP + LANE * lanes.len() as f64 + 52.0;
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" style=\"max-width:100%\">\
         <title>{0}</title><style>{STYLE}</style>",
        escape(title)
    );
    let bottom = height - 46.0;
    axis.draw(&mut out, bottom);
    let middle = |process: u32| {
        let row = lanes.iter().position(|lane| *lane == process).unwrap_or(0);
        TOP + LANE * row as f64 + LANE / 2.0
    };
    for lane in &lanes {
        let (y, right) = (middle(*lane), WIDTH - RIGHT);
        let _ = write!(
            out,
            "<line class=\"lane\" x1=\"{LEFT}\" y1=\"{y}\" x2=\"{right}\" y2=\"{y}\"/><text class=\"t\" x=\"8\" y=\"{}\">p{lane}</text>\
             <text class=\"s\" x=\"8\" y=\"{}\">{}</text>",
            y - 1.0,
            y + 13.0,
            asked(bars, *lane)
        );
    }
    bars.iter().for_each(|bar| put(&mut out, bar, middle(bar.process), &axis, bars));
    for (early, late) in arrows.iter().filter_map(|(early, late)| bars.get(*early).zip(bars.get(*late))) {
        let (from, to) =
            ((axis.place(early.end), middle(early.process)), (axis.place(late.begin), middle(late.process)));
        arrow(&mut out, from, to);
    }
    out.push_str("</svg>");
    out
}

/// A picture as a file of its own: with a ground, since there is no page around it.
pub fn standalone(svg: &str) -> String {
    const GROUND: &str = "<style>svg{background:#fff}@media (prefers-color-scheme:dark){svg{background:#0d1117}}";
    svg.replacen("<style>", GROUND, 1)
}

/// The nodes that a process asked: `n3`.
fn asked(bars: &[Bar], process: u32) -> String {
    let mut nodes: Vec<&str> = Vec::new();
    for bar in bars.iter().filter(|bar| bar.process == process) {
        if !nodes.contains(&&*bar.node) {
            nodes.push(&bar.node);
        }
    }
    escape(&nodes.join(" "))
}

/// From the end of an operation to the beginning of one that was invoked later: two such arrows are the contradiction.
fn arrow(out: &mut String, from: (f64, f64), to: (f64, f64)) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let base = (to.0 - ux * 9.0, to.1 - uy * 9.0);
    let _ = write!(
        out,
        "<line class=\"why\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
         <path class=\"whyhead\" d=\"M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}Z\"/>",
        from.0,
        from.1,
        base.0,
        base.1,
        to.0,
        to.1,
        base.0 - uy * 5.0,
        base.1 + ux * 5.0,
        base.0 + uy * 5.0,
        base.1 - ux * 5.0
    );
}

fn put(out: &mut String, bar: &Bar, y: f64, axis: &Axis, bars: &[Bar]) {
    let pending = bar.end == Time::MAX;
    let (x1, x2) = (axis.place(bar.begin), if pending { WIDTH - RIGHT } else { axis.place(bar.end) });
    let colour = colour(bar.value, bars);
    let (open, top, width) = (if pending { " open" } else { "" }, y - BAR / 2.0, (x2 - x1).max(3.0));
    let _ = write!(
        out,
        "<rect class=\"bar {v} b{n}{open}\" x=\"{x1:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"4\"><title>{tip}</title></rect>",
        v = colour.fill,
        n = colour.stroke,
        tip = escape(&bar.tip),
    );
    // A label that does not fit inside stands beside the bar, on the side that has room.
    let needed = bar.label.chars().count() as f64 * 7.2;
    let (x, anchor) = if x2 - x1 > needed + 8.0 {
        ((x1 + x2) / 2.0, "middle")
    } else if x2 + needed + 6.0 < WIDTH - RIGHT {
        (x2 + 5.0, "start")
    } else {
        (x1 - 5.0, "end")
    };
    let _ = write!(
        out,
        "<text class=\"t\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
        y + 4.5,
        escape(&bar.label)
    );
}

/// `w 4`, `r 4`, `cas 4→5`; with `?` for unknown and `✗` for failed.
fn label(op: &Operation) -> String {
    let (argument, expected) = (short(op.request.argument), short(op.request.expected));
    let what = match op.request.function {
        Function::Read => format!("r {}", short(op.completion.result)),
        Function::Write => format!("w {argument}"),
        Function::Cas => format!("cas {expected}→{argument}"),
    };
    match op.completion.outcome {
        Outcome::Ok => what,
        Outcome::Fail => format!("{what} ✗"),
        Outcome::Info => format!("{what} ?"),
    }
}

fn short(value: u64) -> String {
    if value == NIL { "∅".to_string() } else { show_value(value) }
}

struct Colour {
    fill: String,
    stroke: String,
}

fn colour(value: Option<u64>, bars: &[Bar]) -> Colour {
    let Some(value) = value else { return Colour { fill: "nil".into(), stroke: "nil".into() } };
    let mut values: Vec<u64> = bars.iter().filter_map(|bar| bar.value).collect();
    values.sort_unstable();
    values.dedup();
    let place = values.iter().position(|&v| v == value).unwrap_or(0) % COLOURS;
    Colour { fill: format!("v{place}"), stroke: place.to_string() }
}

/// Where instants are drawn: every instant at which something begins or ends has its place; gaps are compressed.
struct Axis {
    places: Vec<(Time, f64)>,
}

impl Axis {
    fn of(bars: &[Bar]) -> Axis {
        let mut times: Vec<Time> =
            bars.iter().flat_map(|bar| [bar.begin, bar.end]).filter(|t| *t != Time::MAX).collect();
        times.sort_unstable();
        times.dedup();
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1].since(pair[0]).as_secs_f64()).collect();
        let total: f64 = gaps.iter().sum();
        // Half of the width is shared equally, half in proportion, so that order is always visible.
        let room = WIDTH - LEFT - RIGHT - 60.0;
        let equal = room / 2.0 / gaps.len().max(1) as f64;
        let mut x = LEFT + 10.0;
        let mut places = Vec::with_capacity(times.len());
        for (i, time) in times.iter().enumerate() {
            if i > 0 {
                x += equal + if total > 0.0 { room / 2.0 * gaps[i - 1] / total } else { 0.0 };
            }
            places.push((*time, x));
        }
        Axis { places }
    }

    fn place(&self, time: Time) -> f64 {
        let at = self.places.partition_point(|(t, _)| *t < time);
        self.places.get(at).or(self.places.last()).map_or(LEFT, |(_, x)| *x)
    }

    /// A dotted line per instant, and its time below, in two rows where they would collide.
    fn draw(&self, out: &mut String, bottom: f64) {
        let start = self.places.first().map_or(Time::ZERO, |(time, _)| *time);
        let mut ends = [f64::MIN; 2];
        for (i, (time, x)) in self.places.iter().enumerate() {
            let top = TOP - 8.0;
            let _ = write!(out, "<line class=\"tick\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>");
            let text =
                if i == 0 { format!("{:.6} s", time.seconds()) } else { format!("+{}", offset(time.since(start))) };
            let half = text.len() as f64 * 3.2;
            let Some(row) = (0..2).find(|&row| ends[row] < x - half) else { continue };
            ends[row] = x + half + 4.0;
            let y = bottom + 16.0 + 14.0 * row as f64;
            let _ = write!(out, "<text class=\"s\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{text}</text>");
        }
    }
}

fn offset(span: std::time::Duration) -> String {
    base::units::show_duration(span)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
