//! Objects other than registers, key by key: what all of their checkers have in common.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::Outcome;
use history::object::Action;

use super::open::Open;
use super::{Alarm, Progress, Span, Ticket};
use super::{counter, lock, queue, set};

/// An object told event by event: see [`Calls::of`].
pub struct Calls {
    make: Make,
    keys: Vec<Kept>,
    index: HashMap<u32, u32, BuildHasherDefault<Fingerprint>>,
    open: Open<Asked>,
    now: u64,
    progress: Progress,
}

/// What is kept of one key.
struct Kept {
    key: u32,
    /// `None`: broken or undecided.
    object: Option<Box<dyn Follow>>,
    /// That it will not be decided was told.
    doubted: bool,
}

/// One object of one key.
pub(super) trait Follow {
    /// An operation is invoked at rank `now`. Returns what is to be remembered of it.
    fn begin(&mut self, asked: &Asked, now: u64) -> Result<i64, Left>;

    /// It ends.
    fn end(&mut self, asked: &Asked, answer: &Answer<'_>, span: Span) -> Result<(), Left>;

    /// Everything that will end from now on was invoked after `watermark`, except for what has an unknown outcome.
    fn settle(&mut self, watermark: u64) -> Result<(), Left>;

    /// Why this object will not be decided, even if no contradiction comes.
    fn doubt(&self) -> Option<&'static str>;

    /// How many entries are kept.
    fn entries(&self) -> usize;
}

/// An operation under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) process: u32,
    key: u32,
    pub(super) action: Action,
    pub(super) argument: i64,
    /// What the object wanted to remember.
    pub(super) note: i64,
}

/// What came of an operation.
pub(super) struct Answer<'a> {
    pub(super) outcome: Outcome,
    pub(super) result: i64,
    pub(super) list: &'a [i64],
}

impl Answer<'_> {
    pub(super) fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}

/// Why an object is not followed any more.
#[derive(Debug)]
pub(super) enum Left {
    /// A contradiction: title and reason.
    Broken(&'static str, String),
    /// It left the case that can be followed.
    Undecided(String),
}

/// Makes what follows one object.
type Make = fn() -> Box<dyn Follow>;

/// The objects that can be told event by event: the names of [`crate::OBJECTS`].
const OBJECTS: &[(&str, Make)] = &[
    ("fifo-queue", || Box::new(queue::Queue::new())),
    ("linearizable-set", || Box::new(set::Set::new())),
    ("linearizable-counter", || Box::new(counter::Counter::new())),
    ("mutex", || Box::new(lock::lock(lock::Kind::Mutex))),
    ("owned-mutex", || Box::new(lock::lock(lock::Kind::Owned { most: 1 }))),
    ("reentrant-mutex", || Box::new(lock::lock(lock::Kind::Owned { most: u32::MAX }))),
    ("fenced-mutex", || Box::new(lock::lock(lock::Kind::Fenced))),
    ("semaphore", || Box::new(lock::lock(lock::Kind::Semaphore { permits: 2 }))),
];

impl Calls {
    /// A stream of the object of this name in [`crate::OBJECTS`]; `None` if it can only be judged afterwards.
    pub fn of(name: &str) -> Option<Calls> {
        let (_, make) = OBJECTS.iter().find(|(known, _)| *known == name)?;
        let (index, open, progress) = (HashMap::default(), Open::new(), Progress::default());
        Some(Calls { make: *make, keys: Vec::new(), index, open, now: 0, progress })
    }

    /// The names of all objects that can be told event by event.
    pub fn names() -> impl Iterator<Item = &'static str> {
        OBJECTS.iter().map(|(name, _)| *name)
    }

    /// An operation is invoked. Arguments mean what they mean in [`history::object::Call`].
    pub fn invoke(&mut self, process: u32, key: u32, action: Action, argument: i64) -> Ticket {
        self.now += 1;
        let place = *self.index.entry(key).or_insert(self.keys.len() as u32);
        if place as usize == self.keys.len() {
            self.keys.push(Kept { key, object: Some((self.make)()), doubted: false });
        }
        let mut asked = Asked { process, key: place, action, argument, note: 0 };
        if let Some(object) = &mut self.keys[place as usize].object {
            match object.begin(&asked, self.now) {
                Ok(note) => asked.note = note,
                Err(left) => drop(self.leave(place, left, 0)),
            }
        }
        self.open.begin(asked, self.now)
    }

    /// An operation ends at `at`, with the list that came back, if any. Returns the first contradiction of its key. An operation of unknown outcome
    /// ends when its client gives up; a ticket that has ended is ignored.
    pub fn complete(&mut self, ticket: Ticket, outcome: Outcome, result: i64, list: &[i64], at: u64) -> Option<Alarm> {
        let (asked, invoked) = self.open.end(ticket)?;
        self.now += 1;
        self.progress.checked += 1;
        let span = Span { invoked, now: self.now };
        let watermark = self.open.watermark(self.now);
        let object = self.keys[asked.key as usize].object.as_mut()?;
        let ended = object.end(&asked, &Answer { outcome, result, list }, span);
        let ended = ended.and_then(|()| object.settle(watermark));
        self.tell_doubt(asked.key);
        self.leave(asked.key, ended.err()?, at)
    }

    fn tell_doubt(&mut self, place: u32) {
        let Kept { key, object: Some(object), doubted } = &mut self.keys[place as usize] else { return };
        if let Some(reason) = object.doubt().filter(|_| !*doubted) {
            *doubted = true;
            self.progress.give_up(|| format!("key {key}: {reason}"));
        }
    }

    fn leave(&mut self, place: u32, left: Left, at: u64) -> Option<Alarm> {
        let Kept { key, object, .. } = &mut self.keys[place as usize];
        *object = None;
        match left {
            Left::Broken(title, because) => {
                self.progress.broken += 1;
                Some(Alarm { at, key: *key, title, because })
            }
            Left::Undecided(reason) => {
                self.progress.give_up(|| format!("key {key}: {reason}"));
                None
            }
        }
    }

    /// Nothing more comes: what was waited for is judged as it is. Returns the contradictions that this shows.
    pub fn finish(&mut self, at: u64) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for place in 0..self.keys.len() as u32 {
            let Some(object) = &mut self.keys[place as usize].object else { continue };
            let settled = object.settle(u64::MAX);
            self.tell_doubt(place);
            if let Err(left) = settled {
                alarms.extend(self.leave(place, left, at));
            }
        }
        alarms
    }

    /// What is known so far.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many entries are kept: operations under way, and what each object remembers.
    pub fn entries(&self) -> usize {
        let of_key = |kept: &Kept| 1 + kept.object.as_ref().map_or(0, |object| object.entries());
        self.open.len() + self.keys.iter().map(of_key).sum::<usize>()
    }
}
