//! The parts of the report that are words and tables.

use base::units::show_count;

use super::escape::{escape, svg_address};
use super::sentence;
use crate::results::{Anomaly, Fact, Function, Micros, Objective, Operations, Problem, Results, Standing};
use crate::show;

/// The figures that everybody asks for first.
pub(crate) fn figures(results: &Results) -> String {
    if results.operations.asked() == 0 {
        return String::new();
    }
    let latency = &results.latency_us;
    let gap = results.longest_gap.map_or("none".into(), |gap| show::seconds(gap.seconds));
    let asked = format!("of {} asked", show::rate(results.rate.asked));
    let note = |latency| match (latency, results.trusted) {
        (_, false) => "untrusted".to_string(),
        (Some(Micros::Never), true) => "too many without answer".to_string(),
        _ => String::new(),
    };
    let mut figures = vec![
        ("Operations", show_count(results.operations.asked()), format!("{} ok", show_count(results.operations.ok))),
        ("Rate", show::rate(results.rate.achieved), asked),
        ("p50", show::micros(latency.p50), note(latency.p50)),
        ("p99", show::micros(latency.p99), note(latency.p99)),
        ("p99.9", show::micros(latency.p999), note(latency.p999)),
        ("Availability", show::percent(results.availability), format!("longest gap {}", gap.replace(' ', "\u{a0}"))),
    ];
    if results.elections > 0 {
        figures.push(("Elections", show_count(results.elections), String::new()));
    }
    let cell = |(name, value, note): (&str, String, String)| {
        format!("<div><dt>{name}</dt><dd>{}</dd><dd class=\"note\">{}</dd></div>", unit(&value), escape(&note))
    };
    format!("<dl class=\"figures\">{}</dl>\n", figures.into_iter().map(cell).collect::<String>())
}

/// A figure with its unit set smaller.
fn unit(value: &str) -> String {
    let end = value.rfind(|c: char| c.is_ascii_digit()).map_or(0, |i| i + 1);
    let (number, unit) = value.split_at(end);
    let unit = unit.trim_start().replace("us", "µs");
    let space = if unit.starts_with('/') { "" } else { " " };
    if number.is_empty() || unit.is_empty() {
        escape(value)
    } else {
        format!("{}<small>{space}{unit}</small>", escape(number))
    }
}

pub(crate) fn objectives(results: &Results) -> String {
    let mut rows = String::new();
    for check in &results.checks {
        let told = [check.reason.clone(), show::check(check)];
        let note = told.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        rows.push_str(&row(check.verdict.name(), check.verdict.name(), &check.model, "", "", &note));
    }
    // A model that was checked stands there already.
    let checked = |objective: &&Objective| results.checks.iter().any(|check| check.model == objective.name);
    for objective in results.objectives.iter().filter(|objective| !checked(objective)) {
        let class = match objective.standing {
            Standing::Met => "valid",
            Standing::Unknown => "unknown",
            Standing::Missed => "invalid",
        };
        let word = objective.standing.name();
        // The reason for distrust is the same for all and stands at the top.
        let reason = if objective.reason.starts_with("untrusted") { "untrusted" } else { &objective.reason };
        rows.push_str(&row(class, word, &objective.name, &objective.measured, &objective.target, reason));
    }
    section("objectives", "Checks and objectives", &rows_or_nothing(&rows, "objectives"))
}

fn row(class: &str, word: &str, name: &str, measured: &str, target: &str, note: &str) -> String {
    format!(
        "<tr><td><span class=\"mark {class}\">{word}</span></td><th scope=\"row\">{}</th><td class=\"number\">{}</td>\
         <td class=\"muted\">{}</td><td class=\"muted wide\">{}</td></tr>\n",
        escape(name),
        escape(measured),
        escape(target),
        escape(note)
    )
}

fn rows_or_nothing(rows: &str, class: &str) -> String {
    if rows.is_empty() {
        "<p class=\"muted\">None.</p>\n".into()
    } else {
        format!("<div class=\"scroll\"><table class=\"{class}\"><tbody>\n{rows}</tbody></table></div>\n")
    }
}

/// What was found, each with its proof; a counterexample is drawn where it is told. The first is open, the others unfold.
pub(crate) fn problems(results: &Results) -> String {
    let mut articles: Vec<String> = results.problems.iter().map(|one| problem(results, one)).collect();
    let told = |anomaly: &&Anomaly| results.problems.iter().any(|problem| problem.title == anomaly.title);
    articles.extend(results.anomalies.iter().filter(|anomaly| !told(anomaly)).map(untold));
    let content = if articles.is_empty() { "<p class=\"muted\">None.</p>\n".into() } else { articles.concat() };
    section("problems", "Problems found", &content)
}

fn problem(results: &Results, problem: &Problem) -> String {
    let anomaly = results.anomalies.iter().find(|anomaly| anomaly.title == problem.title);
    let first = results.problems.first().is_some_and(|first| first.id == problem.id);
    let proof = match anomaly {
        Some(anomaly) => counterexample(anomaly),
        None => list("ul", &problem.evidence),
    };
    let repeat = if problem.repeat.is_empty() { String::new() } else { command(&problem.repeat) };
    let open = if first || anomaly.is_none() { " open" } else { "" };
    format!(
        "<article class=\"problem\"><details{open}><summary><h3><span class=\"mark {0}\">{0}</span> {1}</h3>\
         <span class=\"id\">{2}</span></summary>{proof}{repeat}</details></article>\n",
        problem.severity.name(),
        sentence(&problem.title),
        escape(&problem.id)
    )
}

fn untold(anomaly: &Anomaly) -> String {
    format!("<article class=\"problem\"><h3>{}</h3>{}</article>\n", sentence(&anomaly.title), counterexample(anomaly))
}

/// The story and the picture.
fn counterexample(anomaly: &Anomaly) -> String {
    let mut content = list("ol", &anomaly.story);
    if !anomaly.svg.is_empty() {
        let alt = escape(&anomaly.story.join(" "));
        let address = svg_address(&anomaly.svg);
        content.push_str(&format!(
            "<figure class=\"picture\"><div class=\"scroll\"><img alt=\"{alt}\" src=\"{address}\"></div><figcaption>A lane for each \
             process, with the node that it asked; a bar from invocation to answer, <b>w</b> write and <b>r</b> read. Arrows lead from an \
             operation that had ended to one that began later. Long gaps are compressed.</figcaption></figure>"
        ));
    }
    content.push_str(&format!("<p class=\"muted\">Breaks the model <b>{}</b>.</p>", escape(&anomaly.model)));
    content
}

fn list(kind: &str, lines: &[String]) -> String {
    let items: String = lines.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
    format!("<{kind} class=\"story\">{items}</{kind}>")
}

pub(crate) fn outcomes(results: &Results) -> String {
    if results.operations.asked() == 0 {
        return String::new();
    }
    let content = format!("{}{}{}", bar(&results.operations), functions(results), errors(results));
    section("outcomes", "Outcomes", &content)
}

/// What the load phase cost, node by node.
pub(crate) fn resources(results: &Results) -> String {
    let Some(resources) = &results.resources else { return String::new() };
    let cpu = |seconds: Option<f64>| seconds.map_or("-".into(), |seconds| format!("{seconds:.2} s"));
    let row = |name: &str, seconds: String, syncs: String| {
        let name = escape(name);
        format!(
            "<tr><th scope=\"row\">{name}</th><td class=\"number\">{seconds}</td><td class=\"number\">{syncs}</td></tr>\n"
        )
    };
    let count = |syncs: Option<u64>| syncs.map_or("-".into(), show_count);
    let mut rows: String =
        resources.nodes.iter().map(|node| row(&node.node, cpu(node.cpu_seconds), count(node.syncs))).collect();
    rows.push_str(&row("assize", cpu(Some(resources.bench_cpu_seconds)), String::new()));
    let content = format!(
        "<p class=\"what\">In the load phase: {}.</p>\n<div class=\"scroll\"><table class=\"figures-by\"><thead><tr><th></th>\
         <th scope=\"col\">CPU time</th><th scope=\"col\">syncs</th></tr></thead><tbody>{rows}</tbody></table></div>\n",
        escape(&show::resources(resources))
    );
    section("resources", "Resources", &content)
}

fn bar(operations: &Operations) -> String {
    let all = operations.asked() as f64;
    let parts = [("ok", operations.ok), ("fail", operations.fail), ("info", operations.info)];
    let fills: String = parts
        .iter()
        .map(|(name, count)| format!("<i class=\"{name}\" style=\"width:{:.3}%\"></i>", *count as f64 / all * 100.0))
        .collect();
    let key: String = parts
        .iter()
        .map(|(name, count)| {
            let share = show::percent(Some(*count as f64 / all));
            format!(
                "<li class=\"{name}\"><b>{name}</b> {} <span class=\"muted\">{share}</span></li>",
                show_count(*count)
            )
        })
        .collect();
    format!("<div class=\"bar\">{fills}</div><ul class=\"key\">{key}</ul>\n")
}

fn functions(results: &Results) -> String {
    let row = |function: &Function| {
        let Function { name, operations: o, latency_us: l } = function;
        let counts = [o.asked(), o.ok, o.fail, o.info].map(show_count);
        let cells = counts.into_iter().chain([l.p50, l.p99, l.p999, l.max].map(show::micros));
        let cells: String = cells.map(|cell| format!("<td class=\"number\">{cell}</td>")).collect();
        format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", escape(name))
    };
    let head = ["", "asked", "ok", "fail", "info", "p50", "p99", "p99.9", "max"];
    let head: String = head.iter().map(|name| format!("<th scope=\"col\">{name}</th>")).collect();
    let rows: String = results.functions.iter().map(row).collect();
    format!(
        "<div class=\"scroll\"><table class=\"figures-by\"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>\n"
    )
}

fn errors(results: &Results) -> String {
    let most = results.errors.iter().map(|error| error.count).max().unwrap_or(0).max(1) as f64;
    let rows: String = results
        .errors
        .iter()
        .map(|error| {
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"wide\"><i class=\"meter\" style=\"width:{:.2}%\"></i></td></tr>\n",
                escape(&error.kind),
                show_count(error.count),
                error.count as f64 / most * 100.0
            )
        })
        .collect();
    if rows.is_empty() { rows } else { format!("<h3>Errors by kind</h3>{}", rows_or_nothing(&rows, "errors")) }
}

pub(crate) fn plan(results: &Results) -> String {
    if results.plan.is_empty() {
        return String::new();
    }
    section(
        "plan",
        "Plan, as executed",
        &format!("<pre class=\"scroll\"><code>{}</code></pre>\n", escape(&results.plan)),
    )
}

/// How to go on, and what someone needs to disagree: seed, versions, machine.
pub(crate) fn facts(results: &Results) -> String {
    let commands: String = results
        .repeat
        .iter()
        .map(|repeat| format!("<p class=\"what\">{}</p>{}", sentence(&repeat.what), command(&repeat.command)))
        .collect();
    let run = [
        Fact::new("seed", results.seed.to_string()),
        Fact::new("run", &results.run),
        Fact::new("started", &results.started),
        Fact::new("duration", show::seconds(results.seconds)),
        Fact::new("nodes", results.nodes.join(" ")),
    ];
    let known = run.iter().chain(&results.versions).chain(&results.machine).filter(|fact| !fact.value.is_empty());
    let facts: String = known
        .map(|fact| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(&fact.name), escape(&fact.value)))
        .collect();
    section("repeat", "Repeat it", &format!("{commands}<dl class=\"facts\">{facts}</dl>\n"))
}

/// What the figures mean and what was left out.
pub(crate) fn method(results: &Results) -> String {
    let notes: String = results.notes.iter().map(|note| format!("<li>{}</li>", sentence(note))).collect();
    let late = show::micros(results.lateness_us.p99);
    let content = format!(
        "<ul>{notes}<li>Latency counts from when an operation was due, not from when it was sent; without an answer it is infinite and \
         counts in every percentile.</li><li>Recovery time counts from a fault's start until goodput is at least 90 % and p99 at most \
         twice of the 2 s before it, for 2 s. Faults that overlap, or begin before the recovery from another, share one.</li>\
         <li>The longest gap is the longest time without an <i>ok</i> while operations were due.</li>\
         <li>The load generator's own lateness was {} at the 99th percentile; above 1 ms or a tenth of the reported p99 a run is \
         untrusted.</li></ul>\n",
        escape(&late)
    );
    section("method", "Notes", &content)
}

fn command(text: &str) -> String {
    format!("<pre class=\"scroll command\"><code>{}</code></pre>", escape(text))
}

pub(crate) fn section(id: &str, title: &str, content: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{title}</h2>\n{content}</section>\n")
}
