//! A queue, first in, first out, while the load runs: the conditions of [`crate::object::queue`].
//!
//! - Whoever dequeues a value that is not in the queue, or no more, is in the wrong.
//! - When `b` is dequeued, every `a` whose enqueue had ended before that of `b` began, and which is still there, is *overdue*: a dequeue
//!   that was under way at that moment must have taken it. There must be one for each, which ends as dequeues end otherwise.
//! - A dequeue that found nothing needs an instant at which no value was certainly in the queue. That is known once everything
//!   that was under way then has ended, so it is judged so much later, and left undecided if a dequeue of unknown outcome may have
//!   emptied the queue.
//!
//! Values leave memory when they are dequeued and their enqueue has ended.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::hash::BuildHasherDefault;

use base::Fingerprint;
use history::Outcome;
use history::object::{Action, NOTHING};

use super::Span;
use super::object::{Answer, Asked, Follow, Left};

pub(super) struct Queue {
    values: HashMap<i64, Value, BuildHasherDefault<Fingerprint>>,
    /// Values that are there and not overdue, by the rank at which their enqueue ended.
    waiting: BTreeMap<u64, i64>,
    /// Overdue values by rank, when they became so.
    overdue: BTreeMap<u64, u64>,
    /// Invocations of the dequeues under way, those of unknown outcome among them.
    dequeues: BTreeSet<u64>,
    fullness: Fullness,
    /// A dequeue found nothing, and a dequeue of unknown outcome may be why.
    doubtful: bool,
}

struct Value {
    enqueued: u64,
    /// When the enqueue ended.
    there: Option<u64>,
    /// It was dequeued while the enqueue was under way.
    gone: bool,
}

/// When values were certainly in the queue, up to the watermark.
#[derive(Default)]
struct Fullness {
    /// Changes that lie ahead: at this rank, so many more or less, or a dequeue that began at some rank found nothing.
    ahead: BinaryHeap<Reverse<(u64, Change)>>,
    count: u64,
    /// The last rank up to which no value was certainly there.
    empty_until: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    More,
    Less,
    FoundNothing { since: u64 },
}

impl Queue {
    pub(super) fn new() -> Queue {
        Queue {
            values: HashMap::default(),
            waiting: BTreeMap::new(),
            overdue: BTreeMap::new(),
            dequeues: BTreeSet::new(),
            fullness: Fullness::default(),
            doubtful: false,
        }
    }

    fn enqueue_ended(&mut self, value: i64, outcome: Outcome, now: u64) -> Result<(), Left> {
        let Some(known) = self.values.get_mut(&value) else { return Ok(()) };
        match outcome {
            Outcome::Fail if known.gone => {
                Err(Left::Broken("phantom value", format!("{value} was dequeued, and its enqueue failed")))
            }
            Outcome::Fail => {
                self.values.remove(&value);
                Ok(())
            }
            Outcome::Ok if !known.gone => {
                known.there = Some(now);
                self.waiting.insert(now, value);
                self.fullness.ahead.push(Reverse((now, Change::More)));
                Ok(())
            }
            Outcome::Info if !known.gone => Ok(()),
            _ => {
                self.values.remove(&value);
                Ok(())
            }
        }
    }

    fn dequeued(&mut self, value: i64, span: Span) -> Result<(), Left> {
        let Some(known) = self.values.get_mut(&value).filter(|known| !known.gone) else {
            let because = format!("{value} was dequeued, and it was not in the queue: never, or no more");
            return Err(Left::Broken("phantom value", because));
        };
        let enqueued = known.enqueued;
        match known.there {
            Some(there) => {
                self.values.remove(&value);
                self.waiting.remove(&there);
                if self.overdue.remove(&there).is_some_and(|deadline| deadline < span.invoked) {
                    let because = format!("{value} should have been dequeued before, and still was there");
                    return Err(Left::Broken("out of order", because));
                }
                self.fullness.ahead.push(Reverse((span.invoked.max(there), Change::Less)));
            }
            None => known.gone = true,
        }
        while let Some(first) = self.waiting.first_entry().filter(|first| *first.key() < enqueued) {
            self.overdue.insert(first.remove_entry().0, span.now);
        }
        Ok(())
    }

    /// Every overdue value needs a dequeue of its own, that was invoked before it was overdue (Hall's condition).
    fn is_possible(&self) -> bool {
        if self.overdue.len() > self.dequeues.len() {
            return false;
        }
        let mut deadlines: Vec<u64> = self.overdue.values().copied().collect();
        deadlines.sort_unstable();
        deadlines.iter().zip(self.dequeues.iter()).all(|(deadline, invoked)| invoked < deadline)
    }
}

impl Fullness {
    /// Goes on to the watermark. Returns the first dequeue that found nothing though some value was there all the time.
    fn advance(&mut self, watermark: u64) -> Option<u64> {
        let mut wrong = None;
        while let Some(Reverse((rank, change))) =
            self.ahead.peek().copied().filter(|Reverse((rank, _))| *rank < watermark)
        {
            self.ahead.pop();
            if self.count == 0 {
                self.empty_until = rank;
            }
            match change {
                Change::More => self.count += 1,
                Change::Less => {
                    self.count -= 1;
                    self.empty_until = if self.count == 0 { rank } else { self.empty_until };
                }
                Change::FoundNothing { since } if self.empty_until < since => wrong = wrong.or(Some(rank)),
                Change::FoundNothing { .. } => {}
            }
        }
        wrong
    }
}

impl Follow for Queue {
    fn begin(&mut self, asked: &Asked, now: u64) -> Result<i64, Left> {
        match asked.action {
            Action::Enqueue => {
                let value = Value { enqueued: now, there: None, gone: false };
                match self.values.insert(asked.argument, value) {
                    Some(_) => Err(Left::Undecided(format!("{} is enqueued twice", asked.argument))),
                    None => Ok(0),
                }
            }
            Action::Dequeue => {
                self.dequeues.insert(now);
                Ok(0)
            }
            action => Err(Left::Undecided(format!("`{action}` of a queue"))),
        }
    }

    fn end(&mut self, asked: &Asked, answer: &Answer<'_>, span: Span) -> Result<(), Left> {
        if asked.action == Action::Enqueue {
            return self.enqueue_ended(asked.argument, answer.outcome, span.now);
        }
        if answer.outcome == Outcome::Info {
            return Ok(());
        }
        self.dequeues.remove(&span.invoked);
        if answer.is_ok() && answer.result == NOTHING {
            self.fullness.ahead.push(Reverse((span.now, Change::FoundNothing { since: span.invoked })));
        } else if answer.is_ok() {
            self.dequeued(answer.result, span)?;
        }
        if self.is_possible() {
            return Ok(());
        }
        let because = "a value was passed over, and no dequeue under way can have taken it".to_string();
        Err(Left::Broken("lost value", because))
    }

    fn settle(&mut self, watermark: u64) -> Result<(), Left> {
        let Some(found) = self.fullness.advance(watermark) else { return Ok(()) };
        if self.dequeues.first().is_some_and(|unknown| *unknown < found) {
            self.doubtful = true;
            return Ok(());
        }
        let because = "a dequeue found nothing, but all the time some value was in the queue".to_string();
        Err(Left::Broken("not empty", because))
    }

    fn doubt(&self) -> Option<&'static str> {
        self.doubtful.then_some("whether the queue was empty depends on what dequeues of unknown outcome took")
    }

    fn entries(&self) -> usize {
        let kept = self.values.len() + self.waiting.len() + self.overdue.len() + self.dequeues.len();
        kept + self.fullness.ahead.len()
    }
}
