//! A cycle of transactions as a picture: transactions on a ring, each edge labelled with its kind and key. Self-contained SVG
//! without scripts; colours follow the reader's light or dark preference.

use std::fmt::Write;

use history::txn::Transactions;

use super::anomaly::TxnAnomaly;
use super::explain::show_transaction;
use super::graph::EdgeKind;

const WIDTH: f64 = 760.0;
const LINE: f64 = 20.0;

const STYLE: &str = "\
.t{font:13px system-ui,sans-serif;fill:#1b1f24}.s{font:12px system-ui,sans-serif;fill:#57606a}\
.n{fill:#f6f8fa;stroke:#57606a;stroke-width:1.5}.ww{stroke:#0072b2}.wr{stroke:#007a5a}.rw{stroke:#cf222e}.so{stroke:#9a4f80}.rt{stroke:#6e7781;stroke-dasharray:5 4}\
.e{fill:none;stroke-width:2}@media (prefers-color-scheme:dark){.t{fill:#e6edf3}.s{fill:#9da7b1}.n{fill:#161b22;stroke:#9da7b1}\
.ww{stroke:#56b4e9}.wr{stroke:#3fb68b}.rw{stroke:#ff7b72}.so{stroke:#d99fc4}.rt{stroke:#9da7b1}}";

/// Draws the witness of an anomaly.
pub fn svg(transactions: &Transactions, anomaly: &TxnAnomaly) -> String {
    // A witness can have transactions beside the cycle's: those are only listed.
    let count = anomaly.cycle.len();
    let radius = if anomaly.cycle.is_empty() { 0.0 } else { 90.0_f64.max(26.0 * count as f64).min(300.0) };
    let top = 50.0 + if radius > 0.0 { 2.0 * radius + 70.0 } else { 0.0 };
    let lines: Vec<String> = if anomaly.cycle.is_empty() {
        anomaly.story.clone()
    } else {
        anomaly.transactions.iter().map(|t| show_transaction(transactions, *t)).collect()
    };
    let height = top + LINE * lines.len() as f64 + 10.0;
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" style=\"max-width:100%\">\
         <title>{0}</title><style>{STYLE}</style><defs><marker id=\"head\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" \
         markerHeight=\"8\" orient=\"auto-start-reverse\"><path d=\"M0 0L8 4L0 8z\" fill=\"context-stroke\"/></marker></defs>\
         <text class=\"t\" x=\"8\" y=\"20\" font-weight=\"600\">{0}</text>",
        escape(&anomaly.name())
    );
    if radius > 0.0 {
        ring(&mut out, transactions, anomaly, radius);
    }
    for (row, line) in lines.iter().enumerate() {
        let y = top + LINE * row as f64;
        let _ = write!(out, "<text class=\"s\" x=\"8\" y=\"{y}\">{}</text>", escape(line));
    }
    out.push_str("</svg>");
    out
}

fn ring(out: &mut String, transactions: &Transactions, anomaly: &TxnAnomaly, radius: f64) {
    let count = anomaly.cycle.len();
    let centre = (WIDTH / 2.0, 70.0 + radius);
    let at = |i: f64, r: f64| {
        let angle = std::f64::consts::TAU * i / count as f64 - std::f64::consts::FRAC_PI_2;
        (centre.0 + r * angle.cos(), centre.1 + r * angle.sin())
    };
    let gap = (26.0 / radius / std::f64::consts::TAU * count as f64).min(0.3);
    for (i, edge) in anomaly.cycle.iter().enumerate() {
        let i = i as f64;
        let (from, to) = (at(i + gap, radius), at(i + 1.0 - gap, radius));
        let label = at(i + 0.5, radius + 26.0);
        let kind = edge.kind();
        let key =
            if matches!(kind, EdgeKind::So | EdgeKind::Rt) { "" } else { &transactions.keys[edge.key() as usize] };
        let _ = write!(
            out,
            "<path class=\"e {kind}\" marker-end=\"url(#head)\" d=\"M{:.1} {:.1}A{radius:.1} {radius:.1} 0 0 1 {:.1} {:.1}\"/>\
             <text class=\"s\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            from.0,
            from.1,
            to.0,
            to.1,
            label.0,
            label.1 + 4.0,
            escape(format!("{} {key}", kind.name()).trim()),
            kind = kind.name(),
        );
    }
    for (i, t) in anomaly.transactions.iter().take(count).enumerate() {
        let (x, y) = at(i as f64, radius);
        let _ = write!(
            out,
            "<circle class=\"n\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"20\"/><text class=\"t\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">T{t}</text>",
            y + 4.5
        );
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
