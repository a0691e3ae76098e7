//! Throughput and latency over time.
//!
//! A plot is an SVG that is stretched to the room there is, with strokes that do not stretch; its labels are HTML placed in
//! percent. So one drawing is sharp on a phone and on a desk, and the script can zoom by changing the SVG's view box. What stands at a time
//! carries that time in `data-a` (and its end in `data-b`).

use serde_json::{Value, json};

use super::escape::escape;
use super::sections::section;
use crate::results::{Fault, Micros, Results, Window};
use crate::show;

pub(crate) fn over_time(results: &Results) -> String {
    if results.series.windows.is_empty() {
        return String::new();
    }
    let frame = Frame::of(results);
    let content = throughput(&frame, results) + &latency(&frame, results);
    let clock = format!(
        "<p class=\"hint\">Seconds on the clock of the run; the load began at {}.</p>\n",
        show::instant(frame.start)
    );
    section("time", "Over time", &(clock + &content))
}

/// What the script needs to show figures under the pointer: one array a column, in order of time.
pub(crate) fn data(results: &Results) -> Value {
    let column = |value: fn(&Window) -> Value| -> Vec<Value> { results.series.windows.iter().map(value).collect() };
    let frame = Frame::of(results);
    json!({
        "begin": frame.start,
        "end": frame.end,
        "start": column(|w| json!(rounded(w.start))),
        "asked": column(|w| json!(rate(w.asked, w).round())),
        "completed": column(|w| json!(rate(w.completed, w).round())),
        "unanswered": column(|w| json!(w.asked.saturating_sub(w.answered))),
        "p50": column(|w| json!(show::micros(w.p50_us))),
        "p99": column(|w| json!(show::micros(w.p99_us))),
        "max": column(|w| json!(show::micros(w.max_us))),
        "faults": results.faults.iter().map(|f| json!([f.start, f.end, format!("#{} {}", f.id, show::fault(f)).chars().map(show::plain).collect::<String>()])).collect::<Vec<_>>(),
    })
}

/// The axis of time that all plots share: the load phase on the clock of the run.
pub(crate) struct Frame {
    /// When the load began.
    pub start: f64,
    /// When it ended.
    pub end: f64,
}

impl Frame {
    pub fn of(results: &Results) -> Frame {
        let start = results.series.windows.first().map_or(results.load_start, |window| window.start);
        let end = results.series.windows.last().map_or(start, |window| window.start + window.seconds);
        Frame { start, end: end.max(start + 1e-3) }
    }

    /// A time as a share of the width, in `0..=1`.
    pub fn share(&self, at: f64) -> f64 {
        let share = (at - self.start) / (self.end - self.start);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// Where something stands: style and data for the script.
    pub fn place(&self, from: f64, to: f64) -> String {
        let (left, right) = (self.share(from), self.share(to));
        format!(
            "data-a=\"{}\" data-b=\"{}\" style=\"left:{:.3}%;width:{:.3}%\"",
            rounded(from),
            rounded(to),
            left * 100.0,
            (right - left).max(0.0) * 100.0
        )
    }

    /// The labels of the axis.
    pub fn axis(&self) -> String {
        let step = nice_step((self.end - self.start) / 6.0);
        let first = (self.start / step - 1e-6).ceil();
        let ticks = (0..50).map(|i| (first + f64::from(i)) * step).take_while(|&at| at <= self.end + step * 1e-6);
        let label = |at: f64| {
            format!("<span data-a=\"{0}\" style=\"left:{1:.3}%\">{0} s</span>", rounded(at), self.share(at) * 100.0)
        };
        format!("<div class=\"x\">{}</div>", ticks.map(label).collect::<String>())
    }

    /// The faults as bands behind a plot.
    fn bands(&self, faults: &[Fault]) -> String {
        let band = |fault: &Fault| {
            let (from, to) = (self.share(fault.start), self.share(fault.end));
            format!(
                "<rect class=\"band\" x=\"{:.2}\" width=\"{:.2}\" height=\"100\"/>",
                from * WIDTH,
                (to - from).max(0.001) * WIDTH
            )
        };
        faults.iter().map(band).collect()
    }

    fn band_labels(&self, faults: &[Fault]) -> String {
        let label = |fault: &Fault| {
            format!(
                "<b {} title=\"{}\">#{}</b>",
                self.place(fault.start, fault.end),
                escape(&show::fault(fault)),
                fault.id
            )
        };
        format!("<div class=\"bands\">{}</div>", faults.iter().map(label).collect::<String>())
    }
}

/// Units of a plot: its view box is `0 0 1000 100`.
const WIDTH: f64 = 1000.0;

struct Plot<'a> {
    name: &'a str,
    title: &'a str,
    key: &'a [(&'a str, &'a str)],
    /// Labels of the vertical axis and their height in `0..=1`.
    scale: Vec<(f64, String)>,
    drawing: String,
}

impl Plot<'_> {
    fn render(&self, frame: &Frame, faults: &[Fault]) -> String {
        let Plot { name, title, drawing, .. } = self;
        let key: String = self.key.iter().map(|(class, word)| format!("<li class=\"{class}\">{word}</li>")).collect();
        let lines: String = self
            .scale
            .iter()
            .map(|(at, _)| format!("<path class=\"grid\" d=\"M0 {0:.2}H{WIDTH}\"/>", flip(*at)))
            .collect();
        let labels: String = self
            .scale
            .iter()
            .map(|(at, label)| format!("<span style=\"bottom:{:.2}%\">{}</span>", at * 100.0, escape(label)))
            .collect();
        format!(
            "<figure class=\"chart\"><figcaption><h3>{title}</h3><ul class=\"key\">{key}</ul></figcaption>\n\
             <div class=\"plot {name}\" data-plot><svg viewBox=\"0 0 {WIDTH} 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{title} over time\">\
             {}{lines}{drawing}</svg>{}<div class=\"y\">{labels}</div>{}</div></figure>\n",
            frame.bands(faults),
            frame.band_labels(faults),
            frame.axis()
        )
    }
}

/// A backlog that drains is many times the load for a moment; the plot ends at this multiple of what was asked, so that the load
/// itself stays legible, and marks what goes beyond.
const MOST_OF_ASKED: f64 = 2.0;

fn throughput(frame: &Frame, results: &Results) -> String {
    let windows = &results.series.windows;
    let asked = windows.iter().map(|w| rate(w.asked, w)).fold(1.0, f64::max);
    let most = windows.iter().map(|w| rate(w.completed, w)).fold(asked, f64::max);
    let step = nice_step(most.min(asked * MOST_OF_ASKED) / 4.0);
    let top = (most.min(asked * MOST_OF_ASKED) / step).ceil() * step;
    let scale = (0..).map(|i| f64::from(i) * step).take_while(|&at| at <= top * 1.0001);
    let scale = scale.map(|at| (at / top, base::units::show_count(at as u64))).collect();
    let steps = |value: fn(&Window) -> u64| -> Vec<(f64, f64, f64)> {
        windows.iter().map(|w| (w.start, w.start + w.seconds, (rate(value(w), w) / top).min(1.0))).collect()
    };
    let completed = steps(|w| w.completed);
    let unanswered = steps(|w| w.asked.saturating_sub(w.answered));
    let beyond = windows.iter().filter(|w| rate(w.completed, w) > top);
    let drawing = format!(
        "<path class=\"fill ok\" d=\"{0}\"/><path class=\"fill lost\" d=\"{1}\"/><path class=\"line ok\" d=\"{2}\"/><path class=\"line asked\" d=\"{3}\"/>{4}",
        area(frame, &completed),
        area(frame, &unanswered),
        stairs(frame, &completed),
        stairs(frame, &steps(|w| w.asked)),
        beyond.map(|w| arrow(frame.share(w.start + w.seconds / 2.0))).collect::<String>()
    );
    let up_to = format!("up to {}", show::rate(most));
    let mut key = vec![("ok", "ok"), ("asked", "asked"), ("lost", "no answer"), ("fault", "fault")];
    if most > top {
        key.push(("beyond", &up_to));
    }
    let plot = Plot { name: "throughput", title: "Throughput, operations per second", key: &key, scale, drawing };
    plot.render(frame, &results.faults)
}

/// Says that a line goes on beyond the top.
fn arrow(at: f64) -> String {
    let x = at * WIDTH;
    format!("<path class=\"beyond\" d=\"M{:.1} 4L{x:.1} 0L{:.1} 4Z\"/>", x - 5.0, x + 5.0)
}

fn latency(frame: &Frame, results: &Results) -> String {
    let windows = &results.series.windows;
    let all = windows.iter().flat_map(|w| [w.p50_us, w.p99_us, w.max_us]).flatten();
    let Some(scale) = LogScale::of(all) else { return String::new() };
    let line = |value: fn(&Window) -> Option<Micros>| {
        let points: Vec<Option<(f64, f64)>> =
            windows.iter().map(|w| value(w).map(|micros| (w.start + w.seconds / 2.0, scale.height(micros)))).collect();
        polyline(frame, &points)
    };
    let never = windows.iter().filter(|w| w.max_us == Some(Micros::Never));
    let never: String = never
        .map(|w| {
            let (from, to) = (frame.share(w.start), frame.share(w.start + w.seconds));
            format!(
                "<rect class=\"never\" x=\"{:.2}\" width=\"{:.2}\" height=\"2.5\"/>",
                from * WIDTH,
                (to - from) * WIDTH
            )
        })
        .collect();
    let drawing = format!(
        "{never}<path class=\"line max\" d=\"{}\"/><path class=\"line p99\" d=\"{}\"/><path class=\"line p50\" d=\"{}\"/>",
        line(|w| w.max_us),
        line(|w| w.p99_us),
        line(|w| w.p50_us)
    );
    let key = [("p50", "p50"), ("p99", "p99"), ("max", "max"), ("lost", "some got no answer"), ("fault", "fault")];
    let plot = Plot {
        name: "latency",
        title: "Latency, by when operations were due",
        key: &key,
        scale: scale.labels(),
        drawing,
    };
    plot.render(frame, &results.faults)
}

/// A logarithmic axis of latencies in whole decades, with room on top for what was never answered.
pub(crate) struct LogScale {
    low: f64,
    high: f64,
}

/// The share of the height above the highest finite latency.
const HEADROOM: f64 = 0.06;

impl LogScale {
    pub fn of(latencies: impl Iterator<Item = Micros>) -> Option<LogScale> {
        let finite: Vec<f64> =
            latencies.filter_map(Micros::finite).filter(|&micros| (1e-3..1e15).contains(&micros)).collect();
        let low = finite.iter().copied().reduce(f64::min)?.log10().floor();
        let high = finite.iter().copied().reduce(f64::max)?.log10().ceil();
        Some(LogScale { low, high: high.max(low + 1.0) })
    }

    /// The height in `0..=1`.
    pub fn height(&self, micros: Micros) -> f64 {
        let Some(micros) = micros.finite() else { return 1.0 };
        let share = (micros.max(1e-3).log10() - self.low) / (self.high - self.low);
        share.clamp(0.0, 1.0) * (1.0 - HEADROOM)
    }

    pub fn labels(&self) -> Vec<(f64, String)> {
        let decades = (self.low as i32)..=(self.high as i32);
        decades.map(|decade| (self.height(Micros::Finite(10f64.powi(decade))), decade_name(decade))).collect()
    }
}

fn decade_name(decade: i32) -> String {
    let (unit, zero) = match decade {
        6.. => ("s", 6),
        3..=5 => ("ms", 3),
        0..=2 => ("µs", 0),
        _ => ("ns", -3),
    };
    format!("{} {unit}", 10f64.powi(decade - zero))
}

pub(crate) fn rate(count: u64, window: &Window) -> f64 {
    if window.seconds > 0.0 { count as f64 / window.seconds } else { 0.0 }
}

pub(crate) fn flip(height: f64) -> f64 {
    (1.0 - height) * 100.0
}

/// Milliseconds are enough on an axis.
pub(crate) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

/// 1, 2 or 5 times a power of ten, no smaller than `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-3).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&step| step >= least * 0.999)
        .unwrap_or(10.0 * power)
}

fn stairs(frame: &Frame, steps: &[(f64, f64, f64)]) -> String {
    let mut path = String::new();
    for (i, (from, to, height)) in steps.iter().enumerate() {
        let command = if i == 0 { 'M' } else { 'L' };
        path.push_str(&format!(
            "{command}{:.1} {:.2}H{:.1}",
            frame.share(*from) * WIDTH,
            flip(*height),
            frame.share(*to) * WIDTH
        ));
    }
    path
}

fn area(frame: &Frame, steps: &[(f64, f64, f64)]) -> String {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return String::new() };
    let path = stairs(frame, steps);
    format!("{path}L{:.1} 100H{:.1}Z", frame.share(last.1) * WIDTH, frame.share(first.0) * WIDTH)
}

fn polyline(frame: &Frame, points: &[Option<(f64, f64)>]) -> String {
    let mut path = String::new();
    let mut command = 'M';
    for point in points {
        match point {
            None => command = 'M',
            Some((at, height)) => {
                path.push_str(&format!("{command}{:.1} {:.2}", frame.share(*at) * WIDTH, flip(*height)));
                command = 'L';
            }
        }
    }
    path
}
