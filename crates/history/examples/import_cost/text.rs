//! Histories as texts, for measuring importers.

use std::collections::VecDeque;
use std::fmt::Write;

use base::{Rng, Seed};

/// What a history in a text is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads and writes of one register.
    Register,
    /// Transactions of four micro-operations on a hundred lists, each given up after 32 appends.
    ListAppend,
    /// Transactions of four micro-operations on a thousand registers.
    RwRegister,
    /// Enqueues and dequeues of a queue.
    Queue,
    /// Additions to a set, and twenty reads of all of it.
    Set,
}

impl Kind {
    /// Every kind, with its name.
    pub const ALL: [(&str, Kind); 5] = [
        ("register", Kind::Register),
        ("list-append", Kind::ListAppend),
        ("rw-register", Kind::RwRegister),
        ("queue", Kind::Queue),
        ("set", Kind::Set),
    ];
}

const PROCESSES: u64 = 20;

/// A valid history of so many operations as Jepsen writes it, an event per line, in EDN or (`json`) JSON. Twenty processes; an
/// operation takes effect when it completes.
pub fn jepsen(kind: Kind, operations: u64, json: bool) -> String {
    let mut writer = Writer { rng: Rng::new(Seed(1).derive("text")), json, out: String::new(), events: 0, clock: 0 };
    let mut object = Object { kind, operations, ..Object::default_of(kind) };
    let mut open: Vec<Option<Asked>> = (0..PROCESSES).map(|_| None).collect();
    let (mut begun, mut ended) = (0, 0);
    while ended < operations {
        let process = writer.rng.below(PROCESSES);
        match open[process as usize].take() {
            Some(asked) => {
                ended += 1;
                let value = object.complete(&asked, json);
                writer.event("ok", process, asked.function, &value);
            }
            None if begun < operations => {
                begun += 1;
                let asked = object.ask(begun, &mut writer.rng, json);
                writer.event("invoke", process, asked.function, &asked.shown);
                open[process as usize] = Some(asked);
            }
            None => {}
        }
    }
    writer.out
}

struct Writer {
    rng: Rng,
    json: bool,
    out: String,
    events: u64,
    clock: u64,
}

impl Writer {
    fn event(&mut self, kind: &str, process: u64, function: &str, value: &str) {
        let (index, time) = (self.events, self.clock);
        self.events += 1;
        self.clock += 1 + self.rng.below(20_000);
        let _ = if self.json {
            writeln!(
                self.out,
                "{{\"index\":{index},\"time\":{time},\"type\":\"{kind}\",\"process\":{process},\"f\":\"{function}\",\"value\":{value}}}"
            )
        } else {
            writeln!(
                self.out,
                "{{:index {index}, :time {time}, :type :{kind}, :process {process}, :f :{function}, :value {value}}}"
            )
        };
    }
}

/// An invocation under way.
struct Asked {
    function: &'static str,
    shown: String,
    value: u64,
    /// Key, and whether it writes.
    micro: Vec<(u64, bool)>,
}

/// What the operations are on, and its state.
struct Object {
    kind: Kind,
    operations: u64,
    register: Option<u64>,
    queue: VecDeque<u64>,
    set: Vec<u64>,
    lists: std::collections::BTreeMap<u64, Vec<u64>>,
    live: Vec<(u64, u32)>,
    next_key: u64,
}

impl Object {
    fn default_of(kind: Kind) -> Object {
        let keys = if kind == Kind::RwRegister { 1000 } else { 100 };
        Object {
            kind,
            operations: 0,
            register: None,
            queue: VecDeque::new(),
            set: Vec::new(),
            lists: std::collections::BTreeMap::new(),
            live: (0..keys).map(|key| (key, 0)).collect(),
            next_key: keys,
        }
    }

    fn ask(&mut self, number: u64, rng: &mut Rng, json: bool) -> Asked {
        let nil = if json { "null" } else { "nil" };
        let even = rng.chance(0.5);
        let plain = |function, shown: String| Asked { function, shown, value: number, micro: Vec::new() };
        match self.kind {
            Kind::Register if even => plain("write", number.to_string()),
            Kind::Register => plain("read", nil.to_string()),
            Kind::Queue if even => plain("enqueue", number.to_string()),
            Kind::Queue => plain("dequeue", nil.to_string()),
            Kind::Set if number.is_multiple_of((self.operations / 20).max(2)) => plain("read", nil.to_string()),
            Kind::Set => plain("add", number.to_string()),
            Kind::ListAppend | Kind::RwRegister => {
                let micro: Vec<(u64, bool)> = (0..4).map(|_| (self.key(rng), rng.chance(0.5))).collect();
                let micro = self.counted(micro);
                let mut asked = Asked { function: "txn", shown: String::new(), value: number, micro };
                asked.shown = self.show(&asked, json, |_, _| nil.to_string());
                asked
            }
        }
    }

    fn key(&self, rng: &mut Rng) -> u64 {
        rng.below(self.live.len() as u64)
    }

    /// Turns places among the live keys into keys; a list is replaced when it was written 32 times, and no transaction writes a key twice.
    fn counted(&mut self, micro: Vec<(u64, bool)>) -> Vec<(u64, bool)> {
        let mut written = Vec::new();
        let mut out = Vec::with_capacity(micro.len());
        for (place, write) in micro {
            let (key, count) = &mut self.live[place as usize];
            let write = write && !written.contains(&*key);
            out.push((*key, write));
            if write {
                written.push(*key);
                *count += 1;
                if *count == 32 && self.kind == Kind::ListAppend {
                    (*key, *count) = (self.next_key, 0);
                    self.next_key += 1;
                }
            }
        }
        out
    }

    fn show(&self, asked: &Asked, json: bool, mut read: impl FnMut(usize, u64) -> String) -> String {
        let write = if self.kind == Kind::ListAppend { "append" } else { "w" };
        let (quote, colon, separator) = if json { ("\"", "", ",") } else { ("", ":", " ") };
        let mut shown = String::from("[");
        for (i, (key, writes)) in asked.micro.iter().enumerate() {
            let comma = if i > 0 { separator } else { "" };
            let (name, value) = if *writes { (write, asked.value.to_string()) } else { ("r", read(i, *key)) };
            let _ = write!(shown, "{comma}[{quote}{colon}{name}{quote}{separator}{key}{separator}{value}]");
        }
        shown + "]"
    }

    fn complete(&mut self, asked: &Asked, json: bool) -> String {
        let or_nil =
            |value: Option<u64>| value.map_or(if json { "null" } else { "nil" }.to_string(), |v| v.to_string());
        match asked.function {
            "write" => {
                self.register = Some(asked.value);
                asked.shown.clone()
            }
            "read" if self.kind == Kind::Register => or_nil(self.register),
            "read" if json => list(&self.set, ",", "[", "]"),
            "read" => list(&self.set, " ", "#{", "}"),
            "add" => {
                self.set.push(asked.value);
                asked.shown.clone()
            }
            "enqueue" => {
                self.queue.push_back(asked.value);
                asked.shown.clone()
            }
            "dequeue" => or_nil(self.queue.pop_front()),
            _ => self.transact(asked, json),
        }
    }

    fn transact(&mut self, asked: &Asked, json: bool) -> String {
        let mut reads = Vec::new();
        for (key, write) in &asked.micro {
            let versions = self.lists.entry(*key).or_default();
            if *write {
                if self.kind == Kind::RwRegister {
                    versions.clear();
                }
                versions.push(asked.value);
            }
            let last = || versions.last().map_or(if json { "null" } else { "nil" }.to_string(), u64::to_string);
            reads.push(match self.kind {
                Kind::ListAppend => list(versions, if json { "," } else { " " }, "[", "]"),
                _ => last(),
            });
        }
        self.show(asked, json, |i, _| std::mem::take(&mut reads[i]))
    }
}

fn list(values: &[u64], separator: &str, open: &str, close: &str) -> String {
    let mut out = String::with_capacity(values.len() * 8 + 4);
    out.push_str(open);
    for (i, value) in values.iter().enumerate() {
        let _ = write!(out, "{}{value}", if i > 0 { separator } else { "" });
    }
    out + close
}
