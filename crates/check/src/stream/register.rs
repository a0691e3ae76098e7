//! Registers with compare-and-set while the load runs: the zones of [`crate::register`], told event by event.
//!
//! A value is *seen* at the first completion that proves it was written: `f` of its zone. From then on each completed operation
//! that sees it moves `s`, the latest invocation. Two zones contradict each other exactly if each was seen before the other's `s`
//! (`f(a) < s(b)` and `f(b) < s(a)`), and because `f` is always the present when it is set, only a growing `s` can make it so. A
//! compare-and-set whose value is seen is glued behind the value that it found; both are one zone then. Reads of the first after the
//! second was seen are stale.
//!
//! Let the *watermark* be the oldest invocation under way (operations of unknown outcome do not count). Whoever completes from now on was
//! invoked after it. So a zone that was first seen below the watermark needs no `f` of its own: of all of these only the
//! greatest `s` is kept. And a value that was overwritten, certainly, below the watermark can be forgotten: whoever sees it again is in the
//! wrong, just as one who sees a value that nobody wrote. What stays for each key are the values that were written since, those that
//! may be the present one, and writes of unknown outcome that nobody saw.
//!
//! - A value may be written again after it was forgotten; before, the key becomes undecided.
//! - A failed compare-and-set says that a value was gone. It is exact where the value was certainly seen to go, or not yet
//!   certainly there. Else later sights of the value are contradictions, and if none comes the key stays undecided.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::{Completion, ErrorKind, Function, NIL, Outcome, Request};

use super::open::Open;
use super::zones::Zones;
use super::{Alarm, Progress, Span, Ticket};
use crate::report::AnomalyKind;

/// Linearizability of key-value registers, told event by event. A completion costs the logarithm of how many values of its key were
/// written since the oldest invocation under way; memory holds those, two words of history for each key, and unseen writes of unknown outcome.
#[derive(Debug)]
pub struct Registers {
    keys: Vec<Key>,
    index: HashMap<u32, u32, BuildHasherDefault<Fingerprint>>,
    open: Open<Asked>,
    /// Counts events: their order is all that matters.
    now: u64,
    progress: Progress,
}

/// An operation under way.
#[derive(Debug)]
struct Asked {
    process: u32,
    /// Place in `keys`.
    key: u32,
    function: Function,
    argument: u64,
    expected: u64,
}

/// One register.
#[derive(Debug)]
struct Key {
    name: u32,
    state: State,
    zones: Zones,
    /// Values that can still be seen.
    values: Vec<Value>,
    /// Place of each in `values`, once they are many.
    places: HashMap<u64, u32, BuildHasherDefault<Fingerprint>>,
    /// Look for values to forget when there are so many.
    sweep_at: usize,
    /// A failed compare-and-set was left open.
    unsettled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Followed,
    /// Broken or undecided: nothing is kept.
    Left,
}

/// No rank: not yet.
const NEVER: u64 = u64::MAX;

/// One value of a register.
#[derive(Clone, Copy, Debug)]
struct Value {
    value: u64,
    /// Rank of the write's invocation.
    written: u64,
    /// What the write, a compare-and-set, must have found.
    from: Option<u64>,
    /// The zone: rank of the first completion that proves that its first value was written. `NEVER`: not seen.
    zone: u64,
    /// The same of this value.
    seen: u64,
    /// When the next value of the zone was seen.
    closed: u64,
    /// A failed compare-and-set had found it gone by then.
    gone: u64,
}

/// What contradicts what was told before.
struct Trouble {
    kind: AnomalyKind,
    because: String,
}

type Sight = Result<(), Trouble>;

/// Values of a key that are looked through one by one.
const FEW: usize = 16;

impl Default for Registers {
    fn default() -> Self {
        Registers::new()
    }
}

impl Registers {
    /// Registers that were never written.
    pub fn new() -> Registers {
        let index = HashMap::default();
        Registers { keys: Vec::new(), index, open: Open::new(), now: 0, progress: Progress::default() }
    }

    /// An operation is invoked.
    pub fn invoke(&mut self, process: u32, request: &Request) -> Ticket {
        self.now += 1;
        let place = *self.index.entry(request.key).or_insert(self.keys.len() as u32);
        if place as usize == self.keys.len() {
            self.keys.push(Key::new(request.key));
        }
        let key = &mut self.keys[place as usize];
        let Request { function, argument, expected, .. } = *request;
        if function.is_mutation() && key.state == State::Followed {
            let from = (function == Function::Cas).then_some(expected);
            if !key.write(argument, from, self.now) {
                self.progress.give_up(|| format!("key {}: {argument} is written twice", request.key));
                key.leave();
            }
        }
        self.open.begin(Asked { process, key: place, function, argument, expected }, self.now)
    }

    /// An operation ends at `at` (told back in the alarm). Returns the first contradiction of its key. An operation of unknown outcome ends when
    /// its client gives up, whatever the history says; a ticket that has ended is ignored.
    pub fn complete(&mut self, ticket: Ticket, completion: &Completion, at: u64) -> Option<Alarm> {
        let (asked, invoked) = self.open.end(ticket)?;
        self.now += 1;
        self.progress.checked += 1;
        let key = &mut self.keys[asked.key as usize];
        if key.state == State::Left {
            return None;
        }
        let unsettled = key.unsettled;
        let sight = key.complete(&asked, completion, Span { invoked, now: self.now });
        key.forget(self.open.watermark(self.now));
        if key.unsettled && !unsettled {
            let reason = || format!("key {}: a failed cas fits only if an unknown write came before it", key.name);
            self.progress.give_up(reason);
        }
        let Trouble { kind, because } = sight.err()?;
        key.leave();
        self.progress.broken += 1;
        Some(Alarm { at, key: key.name, title: kind.title(), because: format!("p{} {because}", asked.process) })
    }

    /// What is known so far. Its verdict is that of everything told: `valid` if it is, with all that is under way counted as unknown.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many entries are kept: operations under way, values and zones.
    pub fn entries(&self) -> usize {
        self.open.len() + self.keys.iter().map(|key| 1 + key.values.len() + key.zones.len()).sum::<usize>()
    }
}

impl Key {
    fn new(name: u32) -> Key {
        let nothing = Value { value: NIL, written: 0, from: None, zone: 0, seen: 0, closed: NEVER, gone: NEVER };
        Key {
            name,
            state: State::Followed,
            zones: Zones::default(),
            values: vec![nothing],
            places: HashMap::default(),
            sweep_at: 4,
            unsettled: false,
        }
    }

    /// Nothing more can be learnt.
    fn leave(&mut self) {
        let unsettled = self.unsettled;
        *self = Key { state: State::Left, values: Vec::new(), unsettled, ..Key::new(self.name) };
    }

    /// A value is about to be written; false if it could still be seen.
    fn write(&mut self, value: u64, from: Option<u64>, now: u64) -> bool {
        if self.find(value).is_some() {
            return false;
        }
        self.values.push(Value { value, written: now, from, zone: NEVER, seen: NEVER, closed: NEVER, gone: NEVER });
        if self.values.len() > FEW {
            self.places.insert(value, self.values.len() as u32 - 1);
        }
        true
    }

    #[inline]
    fn find(&self, value: u64) -> Option<usize> {
        let few = &self.values[..self.values.len().min(FEW)];
        few.iter()
            .position(|known| known.value == value)
            .or_else(|| self.places.get(&value).map(|place| *place as usize))
    }

    fn complete(&mut self, asked: &Asked, completion: &Completion, span: Span) -> Sight {
        let argument = asked.argument;
        match (asked.function, completion.outcome) {
            (_, Outcome::Info) => Ok(()),
            (Function::Read, Outcome::Ok) => {
                self.see(completion.result, span).map_err(|t| t.of(&format!("read {}", shown(completion.result))))
            }
            (Function::Read, Outcome::Fail) => Ok(()),
            (_, Outcome::Ok) => self.see(argument, span).map_err(|t| t.of(&deed(asked))),
            (_, Outcome::Fail) => {
                self.unwrite(argument)?;
                match asked.function == Function::Cas && completion.error == ErrorKind::Precondition {
                    true => self.miss(asked.expected, span),
                    false => Ok(()),
                }
            }
        }
    }

    /// A completed operation saw the value.
    fn see(&mut self, value: u64, span: Span) -> Sight {
        let Some(place) = self.find(value) else {
            let because = "which nobody had written, or which had been overwritten before it was asked".to_string();
            return Err(Trouble { kind: AnomalyKind::PhantomRead, because });
        };
        let fresh = self.values[place].zone == NEVER;
        let latest = if fresh { self.reveal(place, span.now)?.max(span.invoked) } else { span.invoked };
        let Value { zone, closed, gone, .. } = self.values[place];
        if closed < span.invoked {
            let because = "although a compare-and-set had replaced it before that was asked".to_string();
            return Err(Trouble { kind: AnomalyKind::StaleRead, because });
        }
        if gone < span.invoked {
            let because = "although a compare-and-set had failed to find it before that was asked".to_string();
            return Err(Trouble { kind: AnomalyKind::NoOrder, because });
        }
        if self.zones.raise(zone, latest) && self.zones.is_over(zone, latest) {
            let because = "although a later value had been seen before that was asked".to_string();
            return Err(Trouble { kind: AnomalyKind::StaleRead, because });
        }
        Ok(())
    }

    /// The value is seen for the first time, so it was written. If a compare-and-set wrote it, so was what that found, and so on. Returns the
    /// latest invocation of all these writes.
    fn reveal(&mut self, place: usize, now: u64) -> Result<u64, Trouble> {
        let Value { from: None, written, .. } = self.values[place] else { return self.reveal_chain(place, now) };
        let value = &mut self.values[place];
        (value.zone, value.seen) = (now, now);
        self.zones.push(now, written);
        Ok(written)
    }

    fn reveal_chain(&mut self, place: usize, now: u64) -> Result<u64, Trouble> {
        let mut path = vec![place];
        let mut zone = NEVER;
        while let Some(from) = self.values[path[path.len() - 1]].from {
            let Some(before) = self.find(from) else {
                let because =
                    format!("which needs {}, and nobody had written that, or it had been overwritten", shown(from));
                return Err(Trouble { kind: AnomalyKind::PhantomRead, because });
            };
            if path.contains(&before) {
                let because = "which needs itself to have been written before".to_string();
                return Err(Trouble { kind: AnomalyKind::CasCycle, because });
            }
            if self.values[before].closed != NEVER {
                let because = format!("but {} had been replaced by another compare-and-set", shown(from));
                return Err(Trouble { kind: AnomalyKind::LostUpdate, because });
            }
            path.push(before);
            zone = self.values[before].zone;
            if zone != NEVER {
                break;
            }
        }
        let latest = path.iter().map(|&i| self.values[i].written).max().unwrap_or(0);
        if zone == NEVER {
            zone = now;
            self.zones.push(zone, latest);
        }
        self.glue(&path, zone, now)?;
        Ok(latest)
    }

    /// Puts the values of a path, last first, into a zone.
    fn glue(&mut self, path: &[usize], zone: u64, now: u64) -> Sight {
        for (i, &place) in path.iter().enumerate().rev() {
            let value = &mut self.values[place];
            value.zone = zone;
            value.seen = value.seen.min(now);
            if i == 0 {
                continue;
            }
            value.closed = now;
            let gone = value.gone;
            if gone < self.values[path[i - 1]].written {
                let because = "although one that failed before had not found what this one found".to_string();
                return Err(Trouble { kind: AnomalyKind::NoOrder, because });
            }
        }
        Ok(())
    }

    /// A write certainly did not happen.
    fn unwrite(&mut self, value: u64) -> Sight {
        let Some(place) = self.find(value) else { return Ok(()) };
        if self.values[place].zone != NEVER {
            let because = format!("failed to write {}, which had been seen", shown(value));
            return Err(Trouble { kind: AnomalyKind::AbortedRead, because });
        }
        self.values.swap_remove(place);
        self.find_places();
        Ok(())
    }

    /// A compare-and-set did not find the value, at some instant of its span.
    fn miss(&mut self, value: u64, span: Span) -> Sight {
        let Some(place) = self.find(value) else { return Ok(()) };
        let Value { zone, seen, closed, .. } = self.values[place];
        // It may not have been there yet, or it was certainly replaced by now.
        if seen >= span.invoked || closed != NEVER || self.zones.is_over(zone, span.now) {
            return Ok(());
        }
        if self.zones.is_last(zone) && self.values.iter().all(|value| value.zone != NEVER) {
            let because =
                format!("did not find {}, which had been seen, and nothing can have replaced it", shown(value));
            return Err(Trouble { kind: AnomalyKind::NoOrder, because });
        }
        let gone = &mut self.values[place].gone;
        *gone = span.now.min(*gone);
        self.unsettled = true;
        Ok(())
    }

    /// Forgets what no later event can see without a contradiction.
    fn forget(&mut self, watermark: u64) {
        if self.state == State::Left {
            return;
        }
        self.zones.settle(watermark);
        if self.values.len() < self.sweep_at {
            return;
        }
        let zones = &self.zones;
        self.values.retain(|value| {
            let over = value.zone != NEVER && (value.closed < watermark || zones.is_done(value.zone));
            !over
        });
        self.sweep_at = 2 * self.values.len() + 4;
        self.find_places();
    }

    fn find_places(&mut self) {
        self.places.clear();
        for (place, value) in self.values.iter().enumerate().skip(FEW) {
            self.places.insert(value.value, place as u32);
        }
    }
}

impl Trouble {
    fn of(self, deed: &str) -> Trouble {
        Trouble { because: format!("{deed}, {}", self.because), ..self }
    }
}

fn deed(asked: &Asked) -> String {
    match asked.function {
        Function::Cas => format!("replaced {} by {}", shown(asked.expected), shown(asked.argument)),
        _ => format!("wrote {}", shown(asked.argument)),
    }
}

fn shown(value: u64) -> String {
    if value == NIL { "nothing".to_string() } else { value.to_string() }
}
