//! A refutation: the operations that contradict a model and the argument, and how both are told and drawn.

use history::{Function, History, Operation, Outcome};

use crate::explain::show_value;
use crate::report::{Anomaly, AnomalyKind};

/// Why a history cannot be one of the model. Operations are places in the sessions that were judged.
#[derive(Clone, Debug)]
pub(super) struct Refutation {
    /// The kind of contradiction.
    pub title: &'static str,
    /// One after the other; the last is the contradiction.
    pub arguments: Vec<Argument>,
}

/// One step of an argument.
#[derive(Clone, Debug)]
pub(super) struct Argument {
    /// A sentence with the places `{0}`, `{1}`, ... of operations and `{path}`.
    text: &'static str,
    ops: Vec<u32>,
    /// Operations, each of which comes before the next.
    path: Vec<u32>,
}

impl Refutation {
    pub fn new(title: &'static str, contradiction: Argument) -> Refutation {
        Refutation { title, arguments: vec![contradiction] }
    }

    /// All operations that it names, ascending.
    pub fn operations(&self) -> Vec<u32> {
        let mut ops: Vec<u32> =
            self.arguments.iter().flat_map(|argument| argument.ops.iter().chain(&argument.path)).copied().collect();
        ops.sort_unstable();
        ops.dedup();
        ops
    }
}

impl Argument {
    pub fn new(text: &'static str, ops: Vec<u32>) -> Argument {
        Argument { text, ops, path: Vec::new() }
    }

    pub fn along(text: &'static str, ops: Vec<u32>, path: Vec<u32>) -> Argument {
        Argument { text, ops, path }
    }

    /// When no choice of who saw whose value is any good.
    pub fn nothing_fits() -> Argument {
        Argument::new("Whoever wrote what was seen, what these processes did cannot be put in order.", Vec::new())
    }

    /// A write that comes before a read of another value comes before the write of that value.
    pub fn before(path: Vec<u32>, from: u32) -> Argument {
        let ends = [path.first(), path.last()].into_iter().flatten().copied();
        let ops = ends.chain([from]).collect();
        Argument::along("{0} comes before {1} ({path}), which did not see it: so it comes before {2}.", ops, path)
    }

    /// A read comes before the write that replaced what it saw.
    pub fn after(path: Vec<u32>, read: u32) -> Argument {
        let ends = [path.first(), path.last()].into_iter().flatten().copied();
        let ops = ends.chain([read]).collect();
        Argument::along(
            "{0} comes before {1} ({path}): so {2}, which saw the former, comes before the latter.",
            ops,
            path,
        )
    }

    /// A read of the initial value comes before every write.
    pub fn before_first(read: u32, write: u32) -> Argument {
        Argument::new("{0} comes before {1}, because it found nothing.", vec![read, write])
    }

    /// Operations, each of which would have to come before the next, and the last before the first.
    pub fn cycle(path: Vec<u32>) -> Argument {
        Argument::along(
            "Each of these would have to come before the next, and all before themselves: {path}.",
            vec![],
            path,
        )
    }

    /// A read found nothing although a write comes before it.
    pub fn missed(path: Vec<u32>) -> Argument {
        let ops = [path.first(), path.last()].into_iter().flatten().copied().collect();
        Argument::along("{0} comes before {1} ({path}), which found nothing all the same.", ops, path)
    }

    /// A read saw what had been replaced in its past.
    pub fn stale(forth: Vec<u32>, back: Vec<u32>) -> Argument {
        let ops = [forth.first(), back.first(), back.last()].into_iter().flatten().copied().collect();
        let text = "{0} comes before {1}, and that before {2}, which saw the former all the same: {path}.";
        let mut path = forth;
        path.extend(back.into_iter().skip(1));
        Argument::along(text, ops, path)
    }
}

/// Tells and draws a refutation of a witness; `indices` are the places of its operations in the history.
pub(super) fn anomaly(history: &History, refutation: &Refutation, indices: &[u32]) -> Anomaly {
    let operations: Vec<Operation> = indices.iter().map(|&i| history.operations.get(i as usize)).collect();
    let mut keys: Vec<u32> = operations.iter().map(|op| op.request.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let teller = Teller { history, operations: &operations, keyed: keys.len() > 1 };
    let mut story = teller.sessions();
    story.extend(refutation.arguments.iter().map(|argument| teller.sentence(argument)));
    let names: Vec<String> = keys.iter().map(|key| history.key_name(*key)).collect();
    let title = format!("{}, {} {}", refutation.title, if teller.keyed { "keys" } else { "key" }, names.join(" and "));
    let arrows = teller.arrows(refutation);
    let drawing = Some(crate::picture::with_arrows(&title, &operations, &arrows));
    let kind = AnomalyKind::Object(refutation.title);
    Anomaly { kind, title, story, operations, indices: indices.to_vec(), drawing }
}

/// An anomaly of these operations (places in the history) that one sentence explains; `{0}`, `{1}`, ... in it stand for those named.
pub(super) fn plain(
    history: &History,
    kind: AnomalyKind,
    title: &str,
    told: &str,
    named: &[usize],
    operations: impl IntoIterator<Item = usize>,
) -> Anomaly {
    let mut indices: Vec<u32> = operations.into_iter().map(|i| i as u32).collect();
    indices.sort_unstable();
    indices.dedup();
    let operations: Vec<Operation> = indices.iter().map(|&i| history.operations.get(i as usize)).collect();
    let teller = Teller { history, operations: &operations, keyed: false };
    let mut story = teller.sessions();
    let mut sentence = told.to_string();
    for (place, i) in named.iter().enumerate() {
        let op = indices.binary_search(&(*i as u32)).unwrap_or(usize::MAX);
        sentence = sentence.replace(&format!("{{{place}}}"), &teller.name(op as u32));
    }
    story.push(sentence);
    let key = operations.first().map_or(0, |op| op.request.key);
    let title = format!("{title}, key {}", history.key_name(key));
    let drawing = Some(crate::picture::with_arrows(&title, &operations, &[]));
    Anomaly { kind, title, story, operations, indices, drawing }
}

struct Teller<'a> {
    history: &'a History,
    operations: &'a [Operation],
    /// Whether there are several keys.
    keyed: bool,
}

impl Teller<'_> {
    /// A sentence for each process: what it did, one thing after another.
    fn sessions(&self) -> Vec<String> {
        let mut processes: Vec<u32> = Vec::new();
        for op in self.operations {
            if !processes.contains(&op.process.0) {
                processes.push(op.process.0);
            }
        }
        let deeds = |process: &u32| {
            let own = self.operations.iter().filter(|op| op.process.0 == *process);
            let deeds: Vec<String> = own.map(|op| self.deed(op)).collect();
            format!("p{process} {}.", deeds.join(", then "))
        };
        processes.iter().map(deeds).collect()
    }

    /// `wrote 1 to key x at 0.001000 s`.
    fn deed(&self, op: &Operation) -> String {
        let at = format!("at {:.6} s", op.sent.seconds());
        format!("{}{} {at}", crate::explain::deed(op), self.key(op))
    }

    fn key(&self, op: &Operation) -> String {
        if !self.keyed {
            return String::new();
        }
        let joint = if op.request.function == Function::Write { "to" } else { "at" };
        format!(" {joint} key {}", self.history.key_name(op.request.key))
    }

    /// `p0's write of 1`.
    fn name(&self, op: u32) -> String {
        let Some(op) = self.operations.get(op as usize) else { return String::new() };
        let request = &op.request;
        let what = match request.function {
            Function::Read => format!("read of {}", show_value(op.completion.result)),
            Function::Write => format!("write of {}", show_value(request.argument)),
            Function::Cas if op.completion.outcome == Outcome::Fail => {
                format!("failed compare-and-set of {}", show_value(request.expected))
            }
            Function::Cas => {
                format!("replacement of {} by {}", show_value(request.expected), show_value(request.argument))
            }
        };
        format!("{}'s {what}{}", op.process, self.key(op))
    }

    fn sentence(&self, argument: &Argument) -> String {
        let mut text = argument.text.to_string();
        for (i, op) in argument.ops.iter().enumerate() {
            text = text.replace(&format!("{{{i}}}"), &self.name(*op));
        }
        let path: Vec<String> = argument.path.iter().map(|op| self.name(*op)).collect();
        if path.len() > 2 && argument.path != argument.ops {
            text.replace("{path}", &path.join(" → "))
        } else {
            text.replace(" ({path})", "").replace(": {path}", "").replace("{path}", &path.join(" → "))
        }
    }

    /// The steps of the contradiction that lead from one process to another.
    fn arrows(&self, refutation: &Refutation) -> Vec<(usize, usize)> {
        let Some(last) = refutation.arguments.last() else { return Vec::new() };
        let path = if last.path.is_empty() { &last.ops } else { &last.path };
        let steps = path.windows(2).map(|pair| (pair[0] as usize, pair[1] as usize));
        let process = |i: usize| self.operations.get(i).map(|op| op.process);
        steps.filter(|(a, b)| process(*a) != process(*b)).collect()
    }
}
