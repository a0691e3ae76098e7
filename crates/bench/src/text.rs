use std::fmt::Write as _;

use history::object::{Action, Call, NOTHING, Objects};
use history::txn::{Kind, Micro, Transactions};
use history::{History, Outcome};

/// A history of registers as Jepsen writes it, without what we know beyond that.
pub fn edn_of_registers(history: &History) -> String {
    let text = history::edn::export(history);
    let plain = |line: &str| line.split_once(", :due ").map_or(line.to_string(), |(event, _)| format!("{event}}}"));
    text.lines().map(|line| plain(line) + "\n").collect()
}

/// A history of an object as Jepsen writes it: an event per line, in EDN.
pub fn edn_of_objects(history: &Objects) -> String {
    let mut events: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * history.len());
    for (call, at) in history.calls.iter().zip(0..) {
        events.extend([(call.invoked, false, at), (call.completed, true, at)]);
    }
    events.sort_unstable();
    let keyed = history.calls.iter().any(|call| call.key != 0);
    let mut text = String::new();
    for (index, (time, ends, at)) in events.into_iter().enumerate() {
        let call = &history.calls[at as usize];
        let word = word(call.outcome, ends);
        let (process, name) = (call.process, call.action.name());
        let value = value(call, ends);
        let value = if keyed { format!("[{} {value}]", call.key) } else { value };
        let time = if time == u64::MAX { history.calls.len() as u64 * 1_000_000 } else { time };
        let _written = writeln!(
            text,
            "{{:type :{word}, :f :{name}, :value {value}, :process {process}, :time {time}, :index {index}}}"
        );
    }
    text
}

fn word(outcome: Outcome, ends: bool) -> &'static str {
    match outcome {
        _ if !ends => "invoke",
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    }
}

fn value(call: &Call, ends: bool) -> String {
    let argument = || if call.argument == NOTHING { "nil".to_string() } else { call.argument.to_string() };
    match call.action {
        Action::Contains => format!("[{} {}]", argument(), if ends && call.result != 0 { "true" } else { "false" }),
        Action::Dequeue | Action::Read if ends && call.is_ok() && call.result != NOTHING => call.result.to_string(),
        _ => argument(),
    }
}

/// The same of transactions.
pub fn edn_of_transactions(history: &Transactions) -> String {
    let mut events: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * history.len());
    for t in 0..history.len() {
        events.extend([(history.sent[t].0, false, t as u32), (history.done[t].0, true, t as u32)]);
    }
    events.sort_unstable();
    let mut text = String::new();
    for (index, (time, ends, t)) in events.into_iter().enumerate() {
        let (word, process) = (word(history.outcome[t as usize], ends), history.process[t as usize]);
        let _written = write!(text, "{{:type :{word}, :f :txn, :value [");
        history.ops(t).iter().for_each(|op| step(&mut text, history, op, ends));
        let _written = writeln!(text, "], :process {process}, :time {time}, :index {index}}}");
    }
    text
}

fn step(text: &mut String, history: &Transactions, op: &Micro, ends: bool) {
    let key = &history.keys[op.key as usize];
    let shown = match op.kind {
        Kind::Append => format!("[:append {key} {}] ", history.value(op.value)),
        Kind::Write => format!("[:w {key} {}] ", history.value(op.value)),
        Kind::Read | Kind::ReadList if !ends => format!("[:r {key} nil] "),
        Kind::Read => format!("[:r {key} {}] ", history.value(op.value)),
        Kind::ReadList => {
            let list: Vec<String> = history.list(op).iter().map(|version| history.value(*version)).collect();
            format!("[:r {key} [{}]] ", list.join(" "))
        }
    };
    text.push_str(&shown);
}
