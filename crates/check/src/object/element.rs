//! Elements of a set, each by itself. Linear where an element is added at most once and removed at most once; what that does not
//! explain is searched.
//!
//! Say an element is added at `a`, within `[ai, ar]`, and removed at `r`, within `[ri, rr]`; what never happened happens at infinity. If
//! `a` comes first, whoever found it ended no earlier than `a` and began no later than `r`, and whoever did not began no later than `a` or
//! ended no earlier than `r`: the latest `a` and the earliest `r` that those who found it allow are best. If `r` comes first it changes nothing.

use history::object::{Action, Call, NEVER};

use super::model::Set;
use super::search::decide as search;
use super::values::Values;
use super::{Findings, Part};
use crate::model::Options;

/// Decides a set without whole reads.
pub(super) fn each_element(part: Part<'_>, options: &Options) -> Findings {
    let mut values = Values::new(part.places.len());
    let mut elements: Vec<Element> = Vec::new();
    // The element of each operation, so that the second pass need not look it up.
    let mut numbers: Vec<u32> = Vec::with_capacity(part.places.len());
    for (_, call) in part.happened() {
        let number = values.number(call.argument);
        if number == elements.len() {
            elements.push(Element::default());
        }
        elements[number].gather(call);
        numbers.push(number as u32);
    }
    elements.iter_mut().for_each(Element::place);
    for ((_, call), number) in part.happened().zip(&numbers) {
        if call.action == Action::Contains && call.is_ok() && call.result == 0 {
            elements[*number as usize].was_absent(call);
        }
    }
    let mut open: Vec<Vec<u32>> = vec![Vec::new(); elements.len()];
    if elements.iter().all(Element::is_explained) {
        return Findings::default();
    }
    for ((i, _), number) in part.happened().zip(&numbers) {
        if !elements[*number as usize].is_explained() {
            open[*number as usize].push(i as u32);
        }
    }
    let mut findings = Findings::default();
    for places in open.iter().filter(|places| !places.is_empty()) {
        findings.extend(search(Part { places, ..part }, options, &Set, false));
    }
    findings
}

/// What is known of an element.
struct Element {
    /// `[ai, ar]` and `[ri, rr]`.
    add: (u64, u64),
    remove: (u64, u64),
    /// How often it was added and removed: more than once is for the search.
    adds: u32,
    removes: u32,
    /// Of those who found it, the earliest end and the latest beginning.
    found_end: u64,
    found_begin: u64,
    /// Whether an order explains it in which it is added first, or removed first.
    add_first: bool,
    remove_first: bool,
}

impl Default for Element {
    fn default() -> Element {
        let never = (NEVER, NEVER);
        Element {
            add: never,
            remove: never,
            adds: 0,
            removes: 0,
            found_end: NEVER,
            found_begin: 0,
            add_first: false,
            remove_first: false,
        }
    }
}

impl Element {
    fn gather(&mut self, call: &Call) {
        match call.action {
            Action::Add => {
                self.add = (call.invoked, call.completed);
                self.adds += 1;
            }
            Action::Remove => {
                self.remove = (call.invoked, call.completed);
                self.removes += 1;
            }
            Action::Contains if call.is_ok() && call.result != 0 => {
                self.found_end = self.found_end.min(call.completed);
                self.found_begin = self.found_begin.max(call.invoked);
            }
            _ => {}
        }
    }

    /// The latest that it can have been added.
    fn added(&self) -> u64 {
        self.add.1.min(self.found_end)
    }

    /// The earliest that it can have been removed.
    fn removed(&self) -> u64 {
        self.remove.0.max(self.found_begin)
    }

    fn place(&mut self) {
        let once = self.adds <= 1 && self.removes <= 1;
        let (added, removed) = (self.added(), self.removed());
        self.add_first = once && added >= self.add.0 && removed <= self.remove.1 && self.add.0 <= self.remove.1;
        self.remove_first = once && added >= self.add.0.max(self.remove.0);
    }

    fn was_absent(&mut self, call: &Call) {
        self.add_first &= call.invoked <= self.added() || call.completed >= self.removed();
        self.remove_first &= call.invoked <= self.added();
    }

    fn is_explained(&self) -> bool {
        self.add_first || self.remove_first
    }
}
