//! A hunt as files that a person opens: a page with its figures, what it reached, and what it found; and the diagram of that alone.

use std::path::{Path, PathBuf};

use ::sim::explore::{Finding, Shrunk, diagram};
use base::units::{show_count, show_duration};
use run::hunt::Bag;

use crate::exit::Exit;

/// What a page tells.
pub struct Told<'a> {
    /// What was hunted, in words.
    pub title: &'a str,
    /// What the hunt did.
    pub bag: &'a Bag,
    /// The names of the rare paths that its actors speak of.
    pub marks: &'static [&'static str],
    /// What was found, the shortest story of it, and the file of that case.
    pub found: Option<(&'a Finding, &'a Shrunk, &'a Path)>,
}

/// Writes the page to `FILE`, and the diagram of what was found beside the case. Says which page to open. Stories that are not made of
/// steps (nobody makes progress) have no diagram.
pub fn write(file: PathBuf, told: &Told<'_>) -> Result<PathBuf, (Exit, String)> {
    let found = match told.found {
        Some((finding, shrunk, case)) => find(finding, shrunk, case)?,
        None => "<h1 class=\"valid\">VALID · nothing was found</h1>".into(),
    };
    let page = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <p class=\"quiet\">{title}</p>{found}<h2>What it took</h2>{figures}{marks}<h2>Coverage</h2>{coverage}",
        title = escape(told.title),
        figures = figures(told.bag),
        marks = marks(told),
        coverage = coverage(told.bag),
    );
    save(&file, &page)?;
    Ok(file)
}

fn find(finding: &Finding, shrunk: &Shrunk, case: &Path) -> Result<String, (Exit, String)> {
    let steps = shrunk.run.steps.len();
    let mut picture = String::new();
    if steps > 0 {
        let drawn = diagram(shrunk.case.nodes, &shrunk.run);
        save(&case.with_extension("svg"), &drawn)?;
        picture = format!("<h2>Space and time</h2><div class=\"picture\">{drawn}</div>");
    }
    let story: String = shrunk.run.story.iter().map(|line| format!("{line}\n")).collect();
    Ok(format!(
        "<h1>INVALID · {by}</h1><p>{sentence}</p><p>{steps} steps in a cluster of {nodes}. To see it again: \
         <code>assize sim --replay {file} --step</code></p>{picture}<h2>Story</h2><pre>{story}</pre>",
        by = escape(&finding.by),
        sentence = escape(&finding.sentence),
        nodes = shrunk.case.nodes,
        file = escape(&case.display().to_string()),
        story = escape(&story),
    ))
}

fn figures(bag: &Bag) -> String {
    let (took, cpu) = (bag.took.as_secs_f64().max(1e-9), bag.cpu.as_secs_f64().max(1e-9));
    let rows = [
        ("runs", show_count(bag.runs)),
        ("further futures of rare states", show_count(bag.futures)),
        ("time", show_duration(bag.took)),
        ("processor time", show_duration(bag.cpu)),
        ("simulated", show_duration(bag.simulated)),
        ("simulated seconds per CPU-second", format!("{:.0}", bag.simulated.as_secs_f64() / cpu)),
        ("events", show_count(bag.events)),
        ("events per second", show_count((bag.events as f64 / took) as u64)),
        ("events per CPU-second", show_count((bag.events as f64 / cpu) as u64)),
        ("messages", show_count(bag.messages)),
        ("operations of clients", show_count(bag.operations)),
    ];
    let row = |(name, value): &(&str, String)| format!("<tr><th>{name}</th><td>{value}</td></tr>");
    format!("<table>{}</table>", rows.iter().map(row).collect::<String>())
}

/// Which rare paths were taken: silence about the others says nothing.
fn marks(told: &Told<'_>) -> String {
    if told.marks.is_empty() {
        return String::new();
    }
    let missed = told.bag.missed(told.marks);
    let item = |name: &&str| match missed.contains(name) {
        true => format!("<li class=\"missed\">never: {}</li>", escape(name)),
        false => format!("<li>{}</li>", escape(name)),
    };
    format!(
        "<h2>Rare paths: {} of {} taken</h2><ul>{}</ul>",
        told.marks.len() - missed.len(),
        told.marks.len(),
        told.marks.iter().map(item).collect::<String>(),
    )
}

/// Edges between abstract states over the runs, as a line.
fn coverage(bag: &Bag) -> String {
    let (width, height) = (640.0, 160.0);
    let (runs, edges) = (bag.runs.max(1) as f64, bag.edges.max(1) as f64);
    let point = |&(at, seen): &(u64, usize)| {
        format!("{:.1},{:.1}", at as f64 / runs * width, height * (1.0 - seen as f64 / edges))
    };
    let line: Vec<String> = [(0, 0)].iter().chain(&bag.growth).map(point).collect();
    format!(
        "<p>{} edges between abstract states of servers. The line shows how many were known after how many of the {} runs: while it \
         climbs, the hunt still sees new things.</p><svg viewBox=\"-4 -4 {} {}\" width=\"{width}\"><polyline points=\"{}\" fill=\"none\" \
         stroke=\"#2f6fc2\" stroke-width=\"2\"/><path d=\"M0 0V{height}H{width}\" fill=\"none\" stroke=\"#9aa5b1\"/></svg>",
        show_count(bag.edges as u64),
        show_count(bag.runs),
        width + 8.0,
        height + 8.0,
        line.join(" "),
    )
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2430}\
    h1{color:#c22f2f;font-size:1.5rem}h1.valid{color:#2a7d46}h2{font-size:1.1rem}pre{font-size:13px;background:#f4f6f9;padding:1rem;overflow:auto}\
    .picture{overflow:auto;border:1px solid #d9dee6}.quiet,.missed{color:#5a6573}table{border-collapse:collapse}\
    th{font-weight:normal;text-align:left;padding-right:2rem}td{text-align:right;font-variant-numeric:tabular-nums}ul{columns:2}";

fn save(file: &Path, text: &str) -> Result<(), (Exit, String)> {
    std::fs::write(file, text).map_err(|error| (Exit::Unavailable, format!("{}: {error}", file.display())))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
