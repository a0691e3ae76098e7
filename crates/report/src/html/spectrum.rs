//! The latency spectrum: latency against the share of operations that took no longer, on an axis that gives p90, p99 and p99.9 equal room
//! (Gil Tene's percentile plot).

use super::chart::{LogScale, flip};
use super::escape::escape;
use super::sections::section;
use crate::results::{Micros, Results, SpectrumPoint};
use crate::show;

pub(crate) fn spectrum(results: &Results) -> String {
    let Some(scale) = LogScale::of(results.spectrum.iter().map(|point| point.latency_us)) else { return String::new() };
    let axis = Axis::of(&results.spectrum);
    let grid: String =
        scale.labels().iter().map(|(at, _)| format!("<path class=\"grid\" d=\"M0 {:.2}H1000\"/>", flip(*at))).collect();
    let ticks = axis.ticks();
    let columns: String =
        ticks.iter().map(|(at, _)| format!("<path class=\"grid\" d=\"M{:.1} 0V100\"/>", at * 1000.0)).collect();
    let y: String = scale
        .labels()
        .iter()
        .map(|(at, label)| format!("<span style=\"bottom:{:.2}%\">{label}</span>", at * 100.0))
        .collect();
    let x: String =
        ticks.iter().map(|(at, label)| format!("<span style=\"left:{:.2}%\">{label}</span>", at * 100.0)).collect();
    let content = format!(
        "<figure class=\"chart\"><div class=\"plot spectrum\"><svg viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"latency spectrum\">{}{grid}{columns}<path class=\"line p99\" d=\"{}\"/></svg><div class=\"y\">{y}</div><div class=\"x\">{x}</div>{}</div>\
         <figcaption class=\"under\">Share of operations that took no longer. The axis gives each nine equal room.</figcaption></figure>\n",
        never(results, &axis),
        path(results, &axis, &scale),
        label(results, &axis)
    );
    section("spectrum", "Latency spectrum", &(content + &percentiles(results)))
}

/// The horizontal axis: `log(1 / (1 - quantile))`, cut where one operation is left.
struct Axis {
    /// The share of operations that the last point before the end leaves.
    least: f64,
}

impl Axis {
    fn of(points: &[SpectrumPoint]) -> Axis {
        let least = points.iter().map(|point| 1.0 - point.quantile).filter(|&slower| slower > 0.0).reduce(f64::min);
        Axis { least: least.unwrap_or(0.5).min(0.5) }
    }

    fn share(&self, quantile: f64) -> f64 {
        let slower = (1.0 - quantile).max(self.least);
        (slower.ln() / self.least.ln()).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<(f64, &'static str)> {
        let ticks = [
            (0.5, "50 %"),
            (0.9, "90"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.9999, "99.99"),
            (0.99999, "99.999"),
            (0.999999, "99.9999"),
        ];
        ticks
            .into_iter()
            .filter(|(quantile, _)| 1.0 - quantile >= self.least)
            .map(|(q, label)| (self.share(q), label))
            .collect()
    }
}

fn path(results: &Results, axis: &Axis, scale: &LogScale) -> String {
    let mut path = String::new();
    for point in results.spectrum.iter().filter(|point| point.latency_us != Micros::Never) {
        let command = if path.is_empty() { 'M' } else { 'L' };
        path.push_str(&format!(
            "{command}{:.1} {:.2}",
            axis.share(point.quantile) * 1000.0,
            flip(scale.height(point.latency_us))
        ));
    }
    path
}

/// Where operations got no answer.
fn first_never(results: &Results) -> Option<f64> {
    results.spectrum.iter().find(|point| point.latency_us == Micros::Never).map(|point| point.quantile)
}

fn never(results: &Results, axis: &Axis) -> String {
    first_never(results).map_or(String::new(), |quantile| {
        let from = axis.share(quantile) * 1000.0;
        format!("<rect class=\"lost\" x=\"{from:.1}\" width=\"{:.1}\" height=\"100\"/>", 1000.0 - from)
    })
}

/// Stands in the region of no answer, or before it when that is too narrow.
fn label(results: &Results, axis: &Axis) -> String {
    first_never(results).map_or(String::new(), |quantile| {
        let from = axis.share(quantile) * 100.0;
        let place = if from < 80.0 { format!("left:{from:.2}%") } else { format!("right:{:.2}%", 100.0 - from) };
        format!("<span class=\"no-answer\" style=\"{place}\">no answer</span>")
    })
}

fn percentiles(results: &Results) -> String {
    let rows =
        [("from when it was due", &results.latency_us), ("answered, from when it was sent", &results.service_us)];
    let row = |(name, l): (&str, &crate::results::LatencyUs)| {
        let cells: String = [l.p50, l.p90, l.p99, l.p999, l.max, l.mean]
            .map(|micros| format!("<td class=\"number\">{}</td>", escape(&show::micros(micros))))
            .concat();
        format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>")
    };
    let head: String =
        ["", "p50", "p90", "p99", "p99.9", "max", "mean"].map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    format!(
        "<div class=\"scroll\"><table class=\"figures-by\"><thead><tr>{head}</tr></thead><tbody>{}</tbody></table></div>\n",
        rows.map(row).concat()
    )
}
