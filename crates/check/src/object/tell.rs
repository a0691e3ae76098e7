//! One operation in a sentence.

use base::Time;
use history::Outcome;
use history::object::{Action, Call, NOTHING, Objects};

/// What a process did and when, as a tired person reads it.
pub fn sentence(history: &Objects, call: &Call) -> String {
    let when = match call.outcome {
        Outcome::Info => format!("asked at {}, and never heard what came of it", Time(call.invoked)),
        _ => format!("from {} to {}", Time(call.invoked), Time(call.completed)),
    };
    let failed = if call.outcome == Outcome::Fail { " in vain" } else { "" };
    format!("p{} {}{failed}, {when}", call.process, deed(history, call))
}

fn deed(history: &Objects, call: &Call) -> String {
    let known = call.is_ok();
    let argument = history.show(call.argument);
    let result = history.show(call.result);
    let elements = history.list(call);
    match call.action {
        Action::Read if call.list.len > 0 || call.result == NOTHING => format!("read {}", list(history, elements)),
        Action::Read => format!("read {result}"),
        Action::Enqueue => format!("enqueued {argument}"),
        Action::Dequeue | Action::Pop if !known => format!("asked to {} a value", call.action),
        Action::Dequeue | Action::Pop if call.result == NOTHING => format!("found nothing to {}", call.action),
        Action::Dequeue => format!("dequeued {result}"),
        Action::Pop => format!("popped {result}"),
        Action::Drain => format!("drained {}", list(history, elements)),
        Action::Push => format!("pushed {argument}"),
        Action::Add => format!("added {argument}"),
        Action::Remove => format!("removed {argument}"),
        Action::Contains if call.result == 1 => format!("found {argument}"),
        Action::Contains => format!("did not find {argument}"),
        Action::Acquire if call.result != NOTHING => format!("acquired with token {result}"),
        Action::Acquire => "acquired".into(),
        Action::Release => "released".into(),
        Action::Generate => format!("was given the id {result}"),
        Action::Transfer => format!("transferred (from, to, amount) {}", list(history, elements)),
        Action::Assign => format!("chose the logs {}", list(history, elements)),
        Action::Inspect => format!("saw {argument} lead term {result}"),
        Action::Watch => format!("saw {}", list(history, elements)),
        Action::Get if !known => "asked to get the string".into(),
        Action::Get => format!("got `{result}`"),
        Action::Put => format!("put `{argument}`"),
        Action::Append => format!("appended `{argument}`"),
        Action::Log => quads(history, elements),
        Action::Transact => triples(history, elements),
    }
}

fn list(history: &Objects, elements: &[i64]) -> String {
    const SHOWN: usize = 12;
    let mut words: Vec<String> = elements.iter().take(SHOWN).map(|&element| history.show(element)).collect();
    if elements.len() > SHOWN {
        words.push(format!("... ({} in all)", elements.len()));
    }
    format!("[{}]", words.join(" "))
}

fn quads(history: &Objects, elements: &[i64]) -> String {
    let show = |value: &i64| history.show(*value);
    let part = |quad: &[i64]| match quad {
        [0, log, offset, v] if *offset == NOTHING => format!("sent {} to log {}", show(v), show(log)),
        [0, log, offset, v] => format!("sent {} to log {} at offset {offset}", show(v), show(log)),
        [_, log, offset, v] => format!("polled {} from log {} at offset {offset}", show(v), show(log)),
        _ => String::new(),
    };
    elements.chunks_exact(4).map(part).collect::<Vec<_>>().join(", ")
}

fn triples(history: &Objects, elements: &[i64]) -> String {
    let show = |value: &i64| history.show(*value);
    let part = |triple: &[i64]| match triple {
        [0, key, v] => format!("read key {}: {}", show(key), show(v)),
        [_, key, v] => format!("wrote key {}: {}", show(key), show(v)),
        _ => String::new(),
    };
    elements.chunks_exact(3).map(part).collect::<Vec<_>>().join(", ")
}
