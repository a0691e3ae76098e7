use base::{NodeId, ProcessId, Time};
use history::{Completion, ErrorKind, Function, History, NIL, Operation, Outcome, Phase, Request};

/// Reads a history drawn as on a whiteboard: a line per process, time runs to the right, a column is a millisecond.
///
/// ```text
/// p0: [w x=1]   [w x=2 ?]
/// p1:         [r x=1]     [cas x=1->3]
/// p2:             [r x=nil]    [w y=5 !]  [final r x=3]
/// ```
///
/// `[` is the invocation, `]` the completion. `?` makes the outcome unknown, `!` a failure (a failed `cas` found another value).
/// Keys are numbered in order of appearance. Panics on anything else: it is for tests.
pub fn timeline(text: &str) -> History {
    let mut keys: Vec<String> = Vec::new();
    let mut operations = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (process, lane) = line.split_once(':').unwrap_or_else(|| panic!("`{line}` has no `p0:`"));
        let process = process.trim().strip_prefix('p').and_then(|digits| digits.parse().ok());
        let process = ProcessId(process.unwrap_or_else(|| panic!("`{line}` does not begin with `p0:`")));
        let mut at = 0;
        while let Some(open) = lane[at..].find('[').map(|i| at + i) {
            let close = open + lane[open..].find(']').unwrap_or_else(|| panic!("`{line}` has no `]` at its end"));
            let span = (millisecond(open), millisecond(close));
            operations.push(operation(process, &lane[open + 1..close], span, &mut keys));
            at = close + 1;
        }
    }
    History::from_operations(operations)
}

fn millisecond(column: usize) -> Time {
    Time(column as u64 * 1_000_000)
}

fn operation(process: ProcessId, text: &str, (sent, done): (Time, Time), keys: &mut Vec<String>) -> Operation {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let phase = if words.first() == Some(&"final") { Phase::Final } else { Phase::Load };
    words.retain(|word| *word != "final");
    let outcome = match words.last() {
        Some(&"?") => Outcome::Info,
        Some(&"!") => Outcome::Fail,
        _ => Outcome::Ok,
    };
    let (key, value) =
        words.get(1).and_then(|word| word.split_once('=')).unwrap_or_else(|| panic!("`{text}` has no `x=1`"));
    let key = keys.iter().position(|known| known == key).unwrap_or_else(|| {
        keys.push(key.to_string());
        keys.len() - 1
    }) as u32;
    let (request, result) = match words[0] {
        "r" => (Request::read(key), number(value)),
        "w" => (Request::write(key, number(value)), NIL),
        "cas" => {
            let (old, new) = value.split_once("->").unwrap_or_else(|| panic!("`{text}` has no `x=1->2`"));
            (Request::cas(key, number(old), number(new)), NIL)
        }
        other => panic!("`{other}` is none of r, w and cas"),
    };
    let completion = match (outcome, request.function) {
        (Outcome::Ok, _) => Completion::ok(result),
        (Outcome::Fail, Function::Cas) => Completion::fail(ErrorKind::Precondition),
        (Outcome::Fail, _) => Completion::fail(ErrorKind::Other),
        (Outcome::Info, _) => Completion::info(ErrorKind::Timeout),
    };
    let done = if outcome == Outcome::Info { Time::MAX } else { done };
    Operation { process, node: NodeId(0), request, due: sent, sent, done, completion, phase }
}

fn number(text: &str) -> u64 {
    if text == "nil" { NIL } else { text.parse().unwrap_or_else(|_| panic!("`{text}` is no value")) }
}
