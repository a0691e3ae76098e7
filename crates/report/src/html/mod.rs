//! The report as one HTML file: no resource from outside, drawn here and complete without JavaScript. The script, when it runs, adds
//! a crosshair, figures under the pointer and zoom.
//!
//! Everything that comes from outside passes [`escape`]; counterexamples are shown as images, in which nothing can run.

mod chart;
mod escape;
mod sections;
mod spectrum;
mod timeline;

use crate::results::{Results, Verdict};
use crate::show;
use escape::escape;

/// The report of a run as a complete HTML document.
pub fn html(results: &Results) -> String {
    let sections = [
        verdict(results),
        sections::objectives(results),
        sections::problems(results),
        chart::over_time(results),
        timeline::faults(results),
        spectrum::spectrum(results),
        sections::outcomes(results),
        sections::resources(results),
        sections::method(results),
        sections::plan(results),
        sections::facts(results),
    ];
    let title = escape(&format!("{}: {}", results.name, show::verdict(results)));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n{}</body>\n</html>\n",
        sections.concat(),
        script(results)
    )
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Nothing is fetched, from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

fn verdict(results: &Results) -> String {
    let about = [&results.name, &results.system, &results.testbed, &results.started];
    let about: Vec<String> = about.into_iter().filter(|text| !text.is_empty()).map(|text| escape(text)).collect();
    // Distrust of the generator has a box of its own.
    let reasons = results.reasons.iter().filter(|reason| !show::is_distrust(results, reason)).cloned();
    let mut told = show::praise(results).into_iter().chain(reasons);
    let lead = told.next().map_or(String::new(), |lead| format!("<p class=\"lead\">{}</p>\n", sentence(&lead)));
    let more: String = told.map(|reason| format!("<li>{}</li>", escape(&reason))).collect();
    let more = if more.is_empty() { more } else { format!("<ul class=\"reasons\">{more}</ul>\n") };
    format!(
        "<header class=\"{}\">\n<p class=\"about\"><b>assize</b> {}</p>\n<h1>{}</h1>\n{lead}{more}{}{}</header>\n",
        tone(results),
        about.iter().map(|text| format!("<span>{text}</span>")).collect::<String>(),
        sentence(&show::verdict(results)),
        trust(results),
        sections::figures(results)
    )
}

/// Good, bad or doubtful: what the exit code says.
fn tone(results: &Results) -> &'static str {
    match (results.exit_code, results.verdict) {
        (1, _) | (_, Verdict::Invalid) => "bad",
        (2, _) | (_, Verdict::Unknown) => "doubt",
        _ => "good",
    }
}

fn trust(results: &Results) -> String {
    if results.trusted || results.untrusted_because.is_empty() {
        return String::new();
    }
    let reason = sentence(&results.untrusted_because);
    format!(
        "<p class=\"callout\"><b>Latency and rate are untrusted.</b> {reason}. Give the load generator a core of its own, stop other \
         work on the machine, or ask for a lower rate. The consistency verdict stands.</p>\n"
    )
}

/// Escaped, with a capital letter in front.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    escape(&(first + chars.as_str()))
}

fn script(results: &Results) -> String {
    if results.series.windows.is_empty() {
        return String::new();
    }
    let data = escape::json_in_html(&chart::data(results).to_string());
    format!("<script type=\"application/json\" id=\"data\">{data}</script>\n<script>\n{SCRIPT}</script>\n")
}
