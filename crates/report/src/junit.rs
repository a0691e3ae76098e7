//! JUnit XML, as CI servers read it: a test case for every check, every objective and the evidence of every fault.
//!
//! What is broken or missed is a `failure`; what is unknown is an `error`, because no CI server may count it as passed.

use crate::results::{Check, Fault, Objective, Results, Standing, Verdict};
use crate::show;

/// The results as a JUnit XML document.
pub fn junit(results: &Results) -> String {
    let suites = [
        ("check", results.checks.iter().map(of_check).collect::<Vec<Case>>()),
        ("objectives", results.objectives.iter().map(of_objective).collect()),
        ("faults", results.faults.iter().map(of_fault).collect()),
    ];
    let all: Vec<&Case> = suites.iter().flat_map(|(_, cases)| cases).collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str(&format!(
        "<testsuites name=\"{}\" {} time=\"{:.3}\">\n",
        escape(&results.name),
        totals(&all),
        finite(results.seconds)
    ));
    for (name, cases) in suites.iter().filter(|(_, cases)| !cases.is_empty()) {
        suite(&mut xml, name, cases, results);
    }
    xml.push_str("</testsuites>\n");
    xml
}

struct Case {
    name: String,
    seconds: f64,
    outcome: Outcome,
}

enum Outcome {
    Passed(String),
    Failed(String),
    Unknown(String),
}

fn of_check(check: &Check) -> Case {
    let text = format!("{}: {}", check.verdict.name(), either(&check.reason, &show::check(check)));
    let outcome = match check.verdict {
        Verdict::Valid => Outcome::Passed(text),
        Verdict::Unknown => Outcome::Unknown(text),
        Verdict::Invalid => Outcome::Failed(text),
    };
    Case { name: check.model.clone(), seconds: check.seconds, outcome }
}

fn of_objective(objective: &Objective) -> Case {
    let mut text = format!("{}: {}, wanted {}", objective.standing.name(), objective.measured, objective.target);
    if !objective.reason.is_empty() {
        text.push_str(&format!(" ({})", objective.reason));
    }
    let outcome = match objective.standing {
        Standing::Met => Outcome::Passed(text),
        Standing::Unknown => Outcome::Unknown(text),
        Standing::Missed => Outcome::Failed(text),
    };
    Case { name: objective.name.clone(), seconds: 0.0, outcome }
}

fn of_fault(fault: &Fault) -> Case {
    let evidence = fault.evidence.join("\n");
    let outcome = if fault.proven {
        Outcome::Passed(evidence)
    } else {
        Outcome::Unknown(format!("nothing proves that it bit\n{evidence}"))
    };
    Case { name: format!("#{} {}", fault.id, show::fault(fault)), seconds: fault.end - fault.start, outcome }
}

fn suite(xml: &mut String, name: &str, cases: &[Case], results: &Results) {
    let all: Vec<&Case> = cases.iter().collect();
    let seconds: f64 = cases.iter().map(|case| finite(case.seconds)).sum();
    xml.push_str(&format!("  <testsuite name=\"{name}\" {} time=\"{seconds:.3}\">\n", totals(&all)));
    xml.push_str(&format!("    <properties><property name=\"seed\" value=\"{}\"/></properties>\n", results.seed));
    for case in cases {
        xml.push_str(&format!(
            "    <testcase classname=\"{}.{name}\" name=\"{}\" time=\"{:.3}\">{}</testcase>\n",
            escape(&results.name),
            escape(&case.name),
            finite(case.seconds),
            body(&case.outcome, results)
        ));
    }
    xml.push_str("  </testsuite>\n");
}

fn body(outcome: &Outcome, results: &Results) -> String {
    let element = |name: &str, text: &str| {
        let first = escape(text.lines().next().unwrap_or(""));
        format!("<{name} message=\"{first}\" type=\"{name}\">{}</{name}>", escape(&story(text, results)))
    };
    match outcome {
        Outcome::Passed(text) => format!("<system-out>{}</system-out>", escape(text)),
        Outcome::Failed(text) => element("failure", text),
        Outcome::Unknown(text) => element("error", text),
    }
}

/// The text with what a reader of a failed job wants next: the counterexamples and how to repeat.
fn story(text: &str, results: &Results) -> String {
    let mut lines = vec![text.to_string()];
    for anomaly in results.anomalies.iter().filter(|anomaly| text.starts_with("invalid") && !anomaly.title.is_empty()) {
        lines.push(format!("\n{}", anomaly.title));
        lines.extend(anomaly.story.iter().cloned());
    }
    lines.extend(results.repeat.iter().map(|command| format!("\n{}: {}", command.what, command.command)));
    lines.join("\n")
}

fn totals(cases: &[&Case]) -> String {
    let failures = cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed(_))).count();
    let errors = cases.iter().filter(|case| matches!(case.outcome, Outcome::Unknown(_))).count();
    format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"", cases.len())
}

fn either<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn finite(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds.max(0.0) } else { 0.0 }
}

/// Escapes markup and replaces what XML 1.0 forbids even when escaped (section 2.2: most control characters).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
