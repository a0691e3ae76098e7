//! Strings that are put, appended to and read, one for each key: by search.
//!
//! Appends do not commute, so `c` of them at once would have `c!` results. But only what somebody read can be told apart: a state is a
//! node in the tree of all beginnings of what was read, and everything else is one state, `LOST`, in which every read fails until the next
//! put. Where nothing is put, the string only grows and must pass through the longest that was read, so that an append which
//! leads elsewhere is impossible. So the order of appends is read off the reads, and the search has little to choose.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::object::{Action, Call, NOTHING, Objects};

use super::needs::shrink_with_needs;
use super::search::{Asked, conclude, interval};
use super::{Exactness, Findings, Object, Part, each_key};
use crate::model::Options;
use crate::sequential::{Interval, Linearized, SequentialModel, linearize};

/// A store of strings.
pub static KV: Object = Object {
    name: "kv",
    summary: "a get returns what was put last and appended since, linearizably; every key begins empty",
    exactness: Exactness::Exact,
    decide: |history, options| each_key(history, options, &|part| of_key(part, options)),
};

fn of_key(part: Part<'_>, options: &Options) -> Findings {
    let history = part.history;
    let places: Vec<usize> = part.happened().map(|(i, _)| i).collect();
    options.limit.expect(places.len() as u64);
    let search = |places: &[usize]| {
        let intervals: Vec<Interval<Asked, Vec<i64>>> =
            places.iter().map(|&i| interval(history, &history.calls[i], false)).collect();
        linearize(&Strings::of(history, places), &intervals, options)
    };
    let contradicts = |some: &[u32]| {
        let some: Vec<usize> = some.iter().map(|&i| places[i as usize]).collect();
        matches!(search(&some), Linearized::Contradiction { .. })
    };
    let shrink = || shrink_with_needs(&sources(history, &places), contradicts);
    let found = match search(&places) {
        // The search knows what will be read. Others know it when the last read has returned.
        Linearized::Contradiction { operation, .. } => {
            let ends = places.iter().map(|&i| &history.calls[i]).filter(|call| is_get(call)).map(|call| call.completed);
            Linearized::Contradiction { at: ends.max().unwrap_or(0), operation }
        }
        found => found,
    };
    conclude(found, &places, part.name(), shrink)
}

fn is_get(call: &Call) -> bool {
    call.action == Action::Get && call.is_ok()
}

/// What each get needs: the strings that it may have come from.
fn sources(history: &Objects, places: &[usize]) -> Vec<Vec<u32>> {
    let written = |i: usize| (history.calls[i].action != Action::Get).then(|| text(history, history.calls[i].argument));
    let pieces: Vec<Option<String>> = places.iter().map(|&i| written(i)).collect();
    let of = |&i: &usize| {
        if !is_get(&history.calls[i]) {
            return Vec::new();
        }
        let seen = text(history, history.calls[i].result);
        let inside = |(_, piece): &(usize, &Option<String>)| piece.as_ref().is_some_and(|piece| seen.contains(piece));
        pieces.iter().enumerate().filter(inside).map(|(i, _)| i as u32).collect()
    };
    places.iter().map(of).collect()
}

fn text(history: &Objects, value: i64) -> String {
    if value == NOTHING { String::new() } else { history.show(value) }
}

/// The empty string.
const EMPTY: u32 = 0;
/// Every string that is no beginning of one that was read.
const LOST: u32 = u32::MAX;

/// One string.
struct Strings {
    /// The tree: from node and byte to node.
    steps: HashMap<(u32, u8), u32, BuildHasherDefault<Fingerprint>>,
    /// What the values of the history are called.
    texts: BTreeMap<i64, String>,
    /// What is read or put: its node.
    wholes: BTreeMap<i64, u32>,
    /// The longest that was read, if nothing is put.
    longest: Option<u32>,
}

impl Strings {
    fn of(history: &Objects, places: &[usize]) -> Strings {
        let calls = || places.iter().map(|&i| &history.calls[i]);
        let values = calls().map(|call| if is_get(call) { call.result } else { call.argument });
        let texts: BTreeMap<i64, String> = values.map(|value| (value, text(history, value))).collect();
        let mut model = Strings { steps: HashMap::default(), texts, wholes: BTreeMap::new(), longest: None };
        let mut longest = (0, EMPTY);
        for value in calls().filter(|call| is_get(call)).map(|call| call.result) {
            let node = model.grow(value);
            longest = longest.max((model.texts[&value].len(), node));
            model.wholes.insert(value, node);
        }
        let mut puts = calls().filter(|call| call.action == Action::Put).map(|call| call.argument).peekable();
        model.longest = puts.peek().is_none().then_some(longest.1);
        for value in puts {
            let node = model.walk(EMPTY, value);
            model.wholes.insert(value, node);
        }
        model
    }

    /// Adds what was read to the tree.
    fn grow(&mut self, value: i64) -> u32 {
        let Strings { steps, texts, .. } = self;
        texts[&value].bytes().fold(EMPTY, |node, byte| {
            let next = steps.len() as u32 + 1;
            *steps.entry((node, byte)).or_insert(next)
        })
    }

    fn walk(&self, from: u32, value: i64) -> u32 {
        let step = |node, byte| self.steps.get(&(node, byte)).copied();
        self.texts[&value].bytes().try_fold(from, step).unwrap_or(LOST)
    }
}

impl SequentialModel for Strings {
    /// A node of the tree.
    type State = u32;
    type Call = Asked;
    type Answer = Vec<i64>;

    fn initial(&self) -> u32 {
        EMPTY
    }

    fn step(&self, state: &u32, call: &Asked, answer: Option<&Vec<i64>>) -> Option<u32> {
        match call.1 {
            Action::Put => self.wholes.get(&call.2).copied(),
            Action::Append => {
                let next = self.walk(*state, call.2);
                let astray = next == LOST && self.longest.is_some_and(|longest| *state != longest && *state != LOST);
                (!astray).then_some(next)
            }
            Action::Get => answer.is_none_or(|seen| self.wholes.get(&seen[0]) == Some(state)).then_some(*state),
            _ => None,
        }
    }

    fn is_read(&self, call: &Asked, _answer: Option<&Vec<i64>>) -> bool {
        call.1 == Action::Get
    }

    fn overwrites(&self, call: &Asked, _answer: Option<&Vec<i64>>) -> bool {
        call.1 == Action::Put
    }
}
