//! Sets while the load runs.
//!
//! A set that is asked for single elements is one small object for each element, decided by search. A set that only grows and is read as a whole
//! is exact too: reads must be a chain (of any two, one holds all that the other holds), and each read holds every element that was
//! *known* before it took effect: acknowledged, or seen by a read that had ended. A read takes effect after its own
//! invocation and after those of all its elements. The chain is kept as *groups*: elements that every read holds together.
//! Sets that are asked both ways are left undecided.

use std::collections::BTreeMap;

use history::Outcome;
use history::object::{Action, NOTHING};

use super::Span;
use super::frontier::{Frontier, Small};
use super::object::{Answer, Asked, Follow, Left};

pub(super) struct Set {
    /// How the set is asked, once that is known.
    way: Way,
    elements: BTreeMap<i64, Element>,
    whole: Whole,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Unknown,
    Elements,
    Whole,
}

/// One element. Of a set that is read as a whole only the ranks are used, of one that is asked for elements only the frontier.
struct Element {
    frontier: Frontier<Presence>,
    /// The invocation of its addition.
    added: u64,
    /// When it was first certainly there; `NEVER`: not yet.
    known: u64,
    /// Its group, once a read held it.
    group: Option<usize>,
    /// Operations on it that are under way.
    open: u32,
}

const NEVER: u64 = u64::MAX;

/// An element is in the set or not, and was last the other at some rank.
#[derive(Debug)]
struct Presence;

impl Small for Presence {
    type State = (bool, u64);
    type Call = Action;

    fn step(&self, &(there, otherwise): &(bool, u64), action: &Action, now: u64) -> Option<(bool, u64)> {
        let next = *action == Action::Add;
        Some((next, if next == there { otherwise } else { now }))
    }

    fn covers(&self, one: &(bool, u64), other: &(bool, u64)) -> bool {
        one.0 == other.0 && one.1 >= other.1
    }
}

impl Set {
    pub(super) fn new() -> Set {
        Set { way: Way::Unknown, elements: BTreeMap::new(), whole: Whole::default() }
    }

    fn ask(&mut self, way: Way) -> Result<(), Left> {
        if self.way != Way::Unknown && self.way != way {
            return Err(Left::Undecided("it is asked for elements and read as a whole".to_string()));
        }
        self.way = way;
        Ok(())
    }

    /// An element is added or removed, or its presence asked for.
    fn of_element(&mut self, asked: &Asked, answer: &Answer<'_>, span: Span) -> Result<(), Left> {
        let Some(element) = self.elements.get_mut(&asked.argument) else { return Ok(()) };
        element.open -= 1;
        let frontier = &mut element.frontier;
        let slot = asked.note as usize;
        let possible = match (asked.action, answer.outcome) {
            (Action::Contains, Outcome::Ok) => {
                let there = answer.result == 1;
                frontier.observe(span.now, |state| state.0 == there || state.1 >= span.invoked)?
            }
            (Action::Contains, _) => true,
            (_, Outcome::Ok) => frontier.complete(slot, span.now, |state| Some(*state))?,
            (_, Outcome::Fail) => frontier.fail(slot),
            (_, Outcome::Info) => {
                frontier.give_up(slot);
                true
            }
        };
        let absent = frontier.rests(&(false, NEVER));
        if !possible {
            let because = format!("p{} was told of {}, and no order explains that", asked.process, asked.argument);
            return Err(Left::Broken("no order explains what was seen", because));
        }
        if absent && element.open == 0 {
            self.elements.remove(&asked.argument);
        }
        Ok(())
    }

    fn add(&mut self, value: i64, now: u64) -> Result<i64, Left> {
        let way = self.way;
        let element = self.elements.entry(value).or_insert_with(Element::new);
        if element.added != NEVER && way != Way::Elements {
            return Err(Left::Undecided(format!("{value} is added twice")));
        }
        element.added = now;
        element.begin(Action::Add)
    }
}

impl Element {
    fn new() -> Element {
        Element { frontier: Frontier::new(Presence, (false, 0)), added: NEVER, known: NEVER, group: None, open: 0 }
    }

    fn begin(&mut self, action: Action) -> Result<i64, Left> {
        self.open += 1;
        let slot = if action == Action::Contains { 0 } else { self.frontier.begin(action)? };
        Ok(slot as i64)
    }
}

impl Follow for Set {
    fn begin(&mut self, asked: &Asked, now: u64) -> Result<i64, Left> {
        match asked.action {
            Action::Add => self.add(asked.argument, now),
            Action::Read => self.ask(Way::Whole).map(|()| 0),
            Action::Contains | Action::Remove => {
                self.ask(Way::Elements)?;
                self.elements.entry(asked.argument).or_insert_with(Element::new).begin(asked.action)
            }
            action => Err(Left::Undecided(format!("`{action}` of a set"))),
        }
    }

    fn end(&mut self, asked: &Asked, answer: &Answer<'_>, span: Span) -> Result<(), Left> {
        if asked.action == Action::Read {
            return if answer.is_ok() { self.whole.read(&mut self.elements, answer.list, span) } else { Ok(()) };
        }
        if asked.action == Action::Add && self.way != Way::Elements {
            self.whole.added(&mut self.elements, asked.argument, answer.outcome, span.now)?;
        }
        if self.way == Way::Whole { Ok(()) } else { self.of_element(asked, answer, span) }
    }

    fn settle(&mut self, _watermark: u64) -> Result<(), Left> {
        Ok(())
    }

    fn doubt(&self) -> Option<&'static str> {
        None
    }

    fn entries(&self) -> usize {
        let of_element = |element: &Element| if self.way == Way::Whole { 1 } else { element.frontier.entries() };
        self.elements.values().map(of_element).sum::<usize>() + self.whole.groups.len()
    }
}

/// What reads of the whole set say.
#[derive(Default)]
struct Whole {
    /// When elements became known, in order.
    known: Vec<u64>,
    /// How many elements each group has. A read holds all groups up to one, and nothing of those behind.
    groups: Vec<usize>,
}

impl Whole {
    fn added(
        &mut self,
        elements: &mut BTreeMap<i64, Element>,
        value: i64,
        outcome: Outcome,
        now: u64,
    ) -> Result<(), Left> {
        let Some(element) = elements.get_mut(&value) else { return Ok(()) };
        match outcome {
            Outcome::Ok => self.learn(element, now),
            Outcome::Info => {}
            Outcome::Fail if element.group.is_some() => {
                let because = format!("the addition of {value} failed, and a read had seen it");
                return Err(Left::Broken("phantom element", because));
            }
            Outcome::Fail => drop(elements.remove(&value)),
        }
        Ok(())
    }

    fn learn(&mut self, element: &mut Element, now: u64) {
        if element.known == NEVER {
            element.known = now;
            self.known.push(now);
        }
    }

    /// A read of the whole set ended.
    fn read(&mut self, elements: &mut BTreeMap<i64, Element>, list: &[i64], span: Span) -> Result<(), Left> {
        let list = if list == [NOTHING] { &[] } else { list };
        let mut seen = list.to_vec();
        seen.sort_unstable();
        if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Left::Broken("duplicate", format!("{} is in one read twice", twice[0])));
        }
        let mut effect = span.invoked;
        for value in &seen {
            let Some(element) = elements.get(value).filter(|element| element.added != NEVER) else {
                let because = format!("{value} was seen, but nobody had tried to add it");
                return Err(Left::Broken("phantom element", because));
            };
            effect = effect.max(element.added);
        }
        let wanted = self.known.partition_point(|known| *known < effect);
        let held = seen.iter().filter(|value| elements[*value].known < effect).count();
        if held < wanted {
            let because = format!("a read does not see {} elements that were there before", wanted - held);
            return Err(Left::Broken("stale read", because));
        }
        self.fit(elements, &seen)?;
        for value in &seen {
            if let Some(element) = elements.get_mut(value) {
                self.learn(element, span.now);
            }
        }
        Ok(())
    }

    /// Puts a read into the chain: all of some groups, perhaps a part of the next, nothing of the others.
    fn fit(&mut self, elements: &mut BTreeMap<i64, Element>, seen: &[i64]) -> Result<(), Left> {
        let mut counts = vec![0; self.groups.len()];
        let mut fresh = 0;
        for value in seen {
            match elements[value].group {
                Some(group) => counts[group] += 1,
                None => fresh += 1,
            }
        }
        let whole = counts.iter().zip(&self.groups).take_while(|(count, size)| count == size).count();
        let part = counts.get(whole).copied().unwrap_or(0);
        if counts[whole..].iter().skip(1).any(|count| *count > 0) || (fresh > 0 && whole < self.groups.len()) {
            let because = "neither of two reads sees all that the other sees".to_string();
            return Err(Left::Broken("reads that disagree", because));
        }
        if part > 0 {
            self.split(elements, seen, whole, part);
        } else if fresh > 0 {
            self.groups.push(fresh);
            let group = self.groups.len() - 1;
            for value in seen {
                if let Some(element) = elements.get_mut(value) {
                    element.group.get_or_insert(group);
                }
            }
        }
        Ok(())
    }

    /// What was seen of a group becomes a group of its own, before the rest.
    fn split(&mut self, elements: &mut BTreeMap<i64, Element>, seen: &[i64], group: usize, part: usize) {
        self.groups.insert(group, part);
        self.groups[group + 1] -= part;
        for (value, element) in elements {
            match &mut element.group {
                Some(of) if *of > group => *of += 1,
                Some(of) if *of == group && seen.binary_search(value).is_err() => *of += 1,
                _ => {}
            }
        }
    }
}
