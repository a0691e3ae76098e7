//! Availability, leaders and faults on one axis of time, and what came of each fault.

use super::chart::{Frame, rounded};
use super::escape::{escape, figure};
use super::sections::section;
use super::sentence;
use crate::results::{Fault, Recovery, RecoveryState, Results, Window};
use crate::show;

pub(crate) fn faults(results: &Results) -> String {
    if results.series.windows.is_empty() && results.faults.is_empty() {
        return String::new();
    }
    let lanes = if results.series.windows.is_empty() { String::new() } else { lanes(results) };
    let list: String = results.faults.iter().map(fault).collect();
    let list = if list.is_empty() {
        "<p class=\"muted\">No fault was injected.</p>\n".into()
    } else {
        format!("<ol class=\"faults\">{list}</ol>\n")
    };
    section("faults", "Availability and recovery", &(summary(results) + &lanes + &list))
}

fn summary(results: &Results) -> String {
    let Some(availability) = results.availability else { return String::new() };
    let gap = results.longest_gap.map_or("There was no gap without an <i>ok</i>.".into(), |gap| {
        let (length, start) = (figure(&show::seconds(gap.seconds)), figure(&show::instant(gap.start_seconds)));
        format!("The longest time without an <i>ok</i> while operations were due was <b>{length}</b>, from {start}.")
    });
    format!("<p><b>{}</b> of the operations got an answer. {gap}</p>\n", show::percent(Some(availability)))
}

fn lanes(results: &Results) -> String {
    let frame = Frame::of(results);
    let mut lanes = lane("answered", &availability(&frame, &results.series.windows), "strip");
    if !results.leaders.is_empty() {
        lanes.push_str(&lane("leader", &leaders(&frame, results), "who"));
    }
    for fault in &results.faults {
        lanes.push_str(&lane(&format!("#{}", fault.id), &bar(&frame, fault), "what"));
    }
    format!("<figure class=\"chart\"><div class=\"plot lanes\" data-plot>{lanes}{}</div></figure>\n", frame.axis())
}

fn lane(name: &str, content: &str, class: &str) -> String {
    format!("<div class=\"lane {class}\"><span>{name}</span>{content}</div>\n")
}

/// One cell for each run of windows of the same colour: availability in five steps.
fn availability(frame: &Frame, windows: &[Window]) -> String {
    let mut cells: Vec<(f64, f64, u8)> = Vec::new();
    for window in windows {
        let (from, to, level) = (window.start, window.start + window.seconds, level(window));
        match cells.last_mut() {
            Some(last) if last.2 == level => last.1 = to,
            _ => cells.push((from, to, level)),
        }
    }
    cells.iter().map(|(from, to, level)| format!("<i class=\"a{level}\" {}></i>", frame.place(*from, *to))).collect()
}

/// 4: all were answered; 3: 99 %; 2: 90 %; 1: some; 0: none; 9: nothing was due.
fn level(window: &Window) -> u8 {
    let share = window.answered as f64 / window.asked as f64;
    match share {
        _ if window.asked == 0 => 9,
        share if share >= 1.0 => 4,
        share if share >= 0.99 => 3,
        share if share >= 0.9 => 2,
        share if share > 0.0 => 1,
        _ => 0,
    }
}

fn leaders(frame: &Frame, results: &Results) -> String {
    let ends = results.leaders.iter().skip(1).map(|leader| leader.at).chain([frame.end]);
    let cell = |(leader, end): (&crate::results::Leader, f64)| {
        let title = format!("{} leads in term {} from {}", leader.node, leader.term, show::instant(leader.at));
        format!(
            "<b {} title=\"{}\">{}</b>",
            frame.place(leader.at.max(frame.start), end),
            escape(&title),
            escape(&leader.node)
        )
    };
    results.leaders.iter().zip(ends).filter(|(_, end)| *end > frame.start).map(cell).collect()
}

fn bar(frame: &Frame, fault: &Fault) -> String {
    let until = felt_until(frame, fault);
    let felt = if until > fault.start {
        format!("<i class=\"felt\" {}></i>", frame.place(fault.start, until))
    } else {
        String::new()
    };
    let (side, at) = match frame.share(fault.start) > 0.6 {
        true => ("before", fault.start),
        false => ("after", fault.end.max(until)),
    };
    format!(
        "{felt}<i class=\"force\" {}></i><em class=\"{side}\" data-a=\"{}\" style=\"left:{:.3}%\">{}</em>",
        frame.place(fault.start, fault.end),
        rounded(at),
        frame.share(at) * 100.0,
        escape(&show::fault(fault))
    )
}

/// When the service had recovered; the end of the load if it had not.
fn felt_until(frame: &Frame, fault: &Fault) -> f64 {
    match &fault.recovery {
        Some(Recovery { state: RecoveryState::Recovered, seconds: Some(time), start, .. }) => start + time,
        Some(Recovery { state: RecoveryState::NotRecovered, .. }) => frame.end,
        _ => fault.start,
    }
}

fn fault(fault: &Fault) -> String {
    let evidence: String = fault
        .evidence
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| format!("<li>{}</li>", escape(line)))
        .collect();
    let doubt = if fault.proven { "" } else { " <span class=\"mark unknown\">no evidence that it bit</span>" };
    let class = match fault.recovery.as_ref().map(|recovery| recovery.state) {
        Some(RecoveryState::Recovered) => "",
        Some(RecoveryState::NotRecovered) => " class=\"bad\"",
        _ => " class=\"muted\"",
    };
    let gap = figure(&show::gap(fault.recovery.as_ref()));
    let shared = show::shared(fault);
    let shared = if shared.is_empty() { shared } else { format!(" <small>{}</small>", escape(&shared)) };
    format!(
        "<li><h3><span class=\"number\">#{}</span> {}{doubt}</h3>\
         <dl><div><dt>in force</dt><dd>{}</dd></div><div><dt>recovered after</dt><dd{class}>{}{shared}</dd></div>\
         <div><dt>answered</dt><dd>{}</dd></div><div><dt>longest gap</dt><dd>{gap}</dd></div></dl><ul class=\"evidence\">{evidence}</ul></li>\n",
        fault.id,
        sentence(&show::fault(fault)),
        figure(&format!("{:.1} to {}", fault.start, show::instant(fault.end))),
        figure(&show::recovered(fault.recovery.as_ref())),
        figure(&show::percent(fault.availability))
    )
}
