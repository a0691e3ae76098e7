//! What each object does, one operation at a time, in place: the definitions by which orders are replayed and witnesses tried. The checkers
//! have their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use history::object::{Action, Call, NOTHING, Objects};

/// An object at some time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// First in, first out.
    Queue(VecDeque<i64>),
    /// Last in, first out.
    Stack(Vec<i64>),
    /// The least first, and how often each is there.
    Least(BTreeMap<i64, u32>),
    /// All elements.
    Set(BTreeSet<i64>),
    /// One element: whether it is there. Whole reads are looked at for this element alone.
    Element(bool),
    /// A number.
    Counter(i128),
    /// Whether it is held, by anybody.
    Lock(bool),
    /// The holder, how often it holds, and how often it may.
    Owned { owner: u32, times: u32, most: u32 },
    /// The holder and the last token.
    Fenced(Option<u32>, i64),
    /// How many permits each process holds, how many are held, how many there are.
    Permits { held: BTreeMap<u32, u32>, all: u32, most: u32 },
    /// A string.
    Text(String),
    /// What each register holds, if it is known; and all others.
    Registers(BTreeMap<i64, i64>, Option<i64>),
}

/// A setting by name.
pub(crate) type Settings = BTreeMap<String, String>;

impl State {
    /// The first state of what a model of a workload promises; `None`: no order can prove that promise.
    pub(crate) fn first(workload: &str, model: &str, settings: &Settings) -> Option<State> {
        let number = |name: &str| settings.get(name).and_then(|text| text.parse::<i64>().ok());
        let owned = |most: u32| State::Owned { owner: 0, times: 0, most };
        if model != "linearizable" {
            return None;
        }
        Some(match workload {
            "fifo-queue" => State::Queue(VecDeque::new()),
            "stack" => State::Stack(Vec::new()),
            "priority-queue" => State::Least(BTreeMap::new()),
            "set" | "comments" => State::Set(BTreeSet::new()),
            "counter" | "pn-counter" => State::Counter(0),
            "mutex" => State::Lock(false),
            "owned-mutex" => owned(1),
            "reentrant-mutex" => owned(number("holds").map_or(u32::MAX, |most| most.clamp(0, u32::MAX.into()) as u32)),
            "fenced-mutex" => State::Fenced(None, NOTHING),
            "semaphore" => {
                let most = number("permits").map_or(2, |most| most.clamp(0, u32::MAX.into()) as u32);
                State::Permits { held: BTreeMap::new(), all: 0, most }
            }
            "kv" => State::Text(String::new()),
            "multi-register" => State::Registers(BTreeMap::new(), number("initial")),
            _ => return None,
        })
    }

    /// Whether one object holds all keys of a history.
    pub(crate) fn spans_keys(&self) -> bool {
        matches!(self, State::Registers(..))
    }

    /// Runs an operation. `false`: it cannot have answered so, or the object knows no such operation.
    pub(crate) fn run(&mut self, history: &Objects, call: &Call) -> bool {
        let ok = call.is_ok();
        match (self, call.action) {
            (State::Queue(queue), Action::Enqueue) => queue.push_back(call.argument),
            (State::Queue(queue), Action::Dequeue) => {
                let first = queue.pop_front().unwrap_or(NOTHING);
                return !ok || first == call.result;
            }
            (State::Stack(stack), Action::Push) => stack.push(call.argument),
            (State::Stack(stack), Action::Pop) => {
                let top = stack.pop().unwrap_or(NOTHING);
                return !ok || top == call.result;
            }
            (State::Least(queue), Action::Enqueue) => *queue.entry(call.argument).or_insert(0) += 1,
            (State::Least(queue), Action::Dequeue) => return take_least(queue, call),
            (State::Set(set), Action::Add) => _ = set.insert(call.argument),
            (State::Set(set), Action::Remove) => _ = set.remove(&call.argument),
            (State::Set(set), Action::Contains) => return !ok || (call.result != 0) == set.contains(&call.argument),
            (State::Set(set), Action::Read) => return !ok || sees(history, call, set),
            (State::Element(there), Action::Add) => *there = true,
            (State::Element(there), Action::Remove) => *there = false,
            (State::Element(there), Action::Contains) => return !ok || (call.result != 0) == *there,
            (State::Counter(sum), Action::Add) => {
                *sum += i128::from(call.argument);
                return !ok || call.result == NOTHING || *sum == i128::from(call.result);
            }
            (State::Counter(sum), Action::Read) => return !ok || *sum == i128::from(call.result),
            (State::Lock(held), Action::Acquire) => return !std::mem::replace(held, true),
            (State::Lock(held), Action::Release) => return std::mem::replace(held, false),
            (State::Registers(known, others), Action::Transact) => return transact(known, *others, history, call),
            (State::Text(text), Action::Put) => *text = words(history, call.argument),
            (State::Text(text), Action::Append) => text.push_str(&words(history, call.argument)),
            (State::Text(text), Action::Get) => return !ok || *text == words(history, call.result),
            (State::Owned { owner, times, most }, action) => return hold(owner, times, *most, action, call.process),
            (State::Fenced(holder, last), action) => return fence(holder, last, action, call),
            (State::Permits { held, all, most }, action) => return permit(held, all, *most, action, call.process),
            _ => return false,
        }
        true
    }
}

fn take_least(queue: &mut BTreeMap<i64, u32>, call: &Call) -> bool {
    let Some(mut least) = queue.first_entry() else { return !call.is_ok() || call.result == NOTHING };
    let value = *least.key();
    *least.get_mut() -= 1;
    if *least.get() == 0 {
        least.remove();
    }
    !call.is_ok() || value == call.result
}

/// The elements that a whole read saw.
pub(crate) fn elements<'a>(history: &'a Objects, call: &Call) -> &'a [i64] {
    let list = history.list(call);
    if list == [NOTHING] { &[] } else { list }
}

fn sees(history: &Objects, call: &Call, set: &BTreeSet<i64>) -> bool {
    let list = elements(history, call);
    list.len() == set.len() && list.iter().all(|element| set.contains(element))
}

fn hold(owner: &mut u32, times: &mut u32, most: u32, action: Action, process: u32) -> bool {
    let fits = match action {
        Action::Acquire => *times == 0 || *owner == process && *times < most,
        Action::Release => *times > 0 && *owner == process,
        _ => false,
    };
    if fits {
        *owner = process;
        *times = if action == Action::Acquire { *times + 1 } else { *times - 1 };
    }
    if fits && *times == 0 {
        *owner = 0;
    }
    fits
}

fn fence(holder: &mut Option<u32>, last: &mut i64, action: Action, call: &Call) -> bool {
    match action {
        Action::Acquire if holder.is_none() => {
            *holder = Some(call.process);
            if !call.is_ok() || call.result == NOTHING {
                return true;
            }
            call.result > std::mem::replace(last, call.result)
        }
        Action::Release => holder.take() == Some(call.process),
        _ => false,
    }
}

fn permit(held: &mut BTreeMap<u32, u32>, all: &mut u32, most: u32, action: Action, process: u32) -> bool {
    match action {
        Action::Acquire => {
            *held.entry(process).or_insert(0) += 1;
            *all += 1;
            *all <= most
        }
        Action::Release => {
            let Some(times) = held.get_mut(&process) else { return false };
            *times -= 1;
            *all -= 1;
            if *times == 0 {
                held.remove(&process);
            }
            true
        }
        _ => false,
    }
}

/// A string as the history calls it.
pub(crate) fn words(history: &Objects, value: i64) -> String {
    if value == NOTHING { String::new() } else { history.show(value) }
}

/// Reads and writes of several registers. A register of which nothing is known holds what the first read of it finds.
fn transact(known: &mut BTreeMap<i64, i64>, others: Option<i64>, history: &Objects, call: &Call) -> bool {
    for access in history.list(call).chunks_exact(3) {
        let (writes, key, value) = (access[0] == 1, access[1], access[2]);
        if writes {
            known.insert(key, value);
        } else if call.is_ok() && *known.entry(key).or_insert(others.unwrap_or(value)) != value {
            return false;
        }
    }
    true
}
