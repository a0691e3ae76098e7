//! Operations on objects as a picture: what stands beside their bars.

use base::Time;
use history::Outcome;
use history::object::{Action, Call, NEVER, NOTHING, Objects};

use super::tell::sentence;
use crate::picture::{Bar, draw};

/// Most characters of a label.
const LABEL: usize = 26;

/// Draws the calls at these places, in order of invocation.
pub(super) fn svg(history: &Objects, title: &str, places: &[u32]) -> String {
    let calls = places.iter().filter_map(|&i| history.calls.get(i as usize));
    let bars: Vec<Bar> = calls.map(|call| bar(history, call)).collect();
    draw(title, &bars, &[])
}

fn bar(history: &Objects, call: &Call) -> Bar {
    let value = [call.argument, call.result].into_iter().find(|value| *value != NOTHING);
    // What happened, nobody knows when, ended with the history.
    let never = call.completed >= NEVER - 1;
    Bar {
        process: call.process,
        node: String::new(),
        begin: Time(call.invoked),
        end: if never { Time::MAX } else { Time(call.completed) },
        label: label(history, call),
        tip: sentence(history, call),
        value: value.map(|value| value as u64),
    }
}

/// `enqueue 4`, `dequeue 4`, `read [1 2]`; with `?` for unknown and `✗` for failed.
fn label(history: &Objects, call: &Call) -> String {
    let show = |value: i64| if value == NOTHING { "∅".to_string() } else { history.show(value) };
    let list = history.list(call);
    let what = match call.action {
        Action::Transact if !list.is_empty() => joined(list.chunks_exact(3).map(|part| access(part, &show))),
        Action::Log => joined(list.chunks_exact(4).map(|part| record(part, &show))),
        Action::Contains if call.result == 1 => format!("has {}", show(call.argument)),
        Action::Contains => format!("has not {}", show(call.argument)),
        Action::Transact => format!("write {}", show(call.argument)),
        Action::Release => call.action.to_string(),
        Action::Acquire if call.result == NOTHING => call.action.to_string(),
        action if !list.is_empty() => format!("{action} [{}]", joined(list.iter().map(|value| show(*value)))),
        action if call.argument != NOTHING => format!("{action} {}", show(call.argument)),
        action if call.is_ok() => format!("{action} {}", show(call.result)),
        action => action.to_string(),
    };
    let what = if what.chars().count() > LABEL { what.chars().take(LABEL - 1).chain(['…']).collect() } else { what };
    match call.outcome {
        Outcome::Ok => what,
        Outcome::Fail => format!("{what} ✗"),
        Outcome::Info => format!("{what} ?"),
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

/// `w x=1`
fn access(part: &[i64], show: &dyn Fn(i64) -> String) -> String {
    format!("{} {}={}", if part[0] == 0 { "r" } else { "w" }, show(part[1]), show(part[2]))
}

/// `poll 0@3=7`: the log, the offset and the value.
fn record(part: &[i64], show: &dyn Fn(i64) -> String) -> String {
    format!("{} {}@{}={}", if part[0] == 0 { "send" } else { "poll" }, show(part[1]), show(part[2]), show(part[3]))
}
