//! Counters while the load runs: the bounds and the order of [`crate::object::counter`].
//!
//! A read sees at least what a read before it saw, and what was added between the two; and at most what had been asked for before it
//! ended. The first is known when it is invoked: of earlier reads (and the start, where nothing was there) one counts as long
//! as none before it can demand as much. The second may shrink: an increment that was under way when the read ended can fail later. So a read keeps
//! the *slack* between both until everything that was under way with it has ended; of two reads only the one with less slack or
//! the one that ended earlier counts.
//!
//! Exact for increments of one that answer nothing. Other amounts are bounded, which is necessary; they leave the counter undecided.

use history::object::{Action, NOTHING};

use super::Span;
use super::object::{Answer, Asked, Follow, Left};

pub(super) struct Counter {
    /// Certainly added.
    added: i64,
    /// Asked for and not failed.
    asked: i64,
    /// Earlier reads by the rank of their end, and what each demands by now: both grow.
    floors: Vec<(u64, i64)>,
    /// Reads that a failure can still contradict, by the rank of their end and how much may fail: both grow.
    reads: Vec<(u64, i64)>,
    /// Something else than increments of one was asked.
    other: bool,
}

impl Counter {
    pub(super) fn new() -> Counter {
        Counter { added: 0, asked: 0, floors: vec![(0, 0)], reads: Vec::new(), other: false }
    }

    fn see(&mut self, value: i64, floor: i64, now: u64) -> Result<(), Left> {
        if value < floor {
            return Err(Left::Broken(
                "counter too low",
                format!("{value} was read, and {floor} had been there before"),
            ));
        }
        let slack = self.asked - value;
        if slack < 0 {
            let because = format!("{value} was read, and at most {} can have been added by then", self.asked);
            return Err(Left::Broken("counter too high", because));
        }
        if value > self.floor() {
            self.floors.push((now, value));
        }
        // A later read that allows no more failures than an earlier one makes that one superfluous.
        while self.reads.last().is_some_and(|(_, earlier)| *earlier >= slack) {
            self.reads.pop();
        }
        if slack < self.asked - self.added {
            self.reads.push((now, slack));
        }
        Ok(())
    }

    fn floor(&self) -> i64 {
        self.floors.last().map_or(0, |(_, demanded)| *demanded)
    }

    /// An increment that was invoked at `invoked` did happen: after every read that had ended by then.
    fn add(&mut self, amount: i64, invoked: u64) {
        self.added += amount;
        let until = self.floors.partition_point(|(ended, _)| *ended < invoked);
        self.floors[..until].iter_mut().for_each(|(_, demanded)| *demanded += amount);
        let mut most = i64::MIN;
        self.floors.retain(|(_, demanded)| {
            let more = *demanded > most;
            most = most.max(*demanded);
            more
        });
    }

    /// An increment that was invoked at `invoked` did not happen.
    fn fail(&mut self, amount: i64, invoked: u64) -> Result<(), Left> {
        self.asked -= amount;
        let from = self.reads.partition_point(|(ended, _)| *ended < invoked);
        self.reads[from..].iter_mut().for_each(|(_, slack)| *slack -= amount);
        if self.reads[from..].iter().any(|(_, slack)| *slack < 0) {
            return Err(Left::Broken("counter too high", "what was read needs an increment that failed".to_string()));
        }
        Ok(())
    }
}

impl Follow for Counter {
    fn begin(&mut self, asked: &Asked, _now: u64) -> Result<i64, Left> {
        match asked.action {
            Action::Read => Ok(self.floor()),
            Action::Add if asked.argument >= 0 => {
                self.other |= asked.argument != 1;
                let sum = self.asked.checked_add(asked.argument);
                self.asked = sum.ok_or_else(|| Left::Undecided("it leaves the numbers".to_string()))?;
                Ok(0)
            }
            Action::Add => Err(Left::Undecided("it is decremented".to_string())),
            action => Err(Left::Undecided(format!("`{action}` of a counter"))),
        }
    }

    fn end(&mut self, asked: &Asked, answer: &Answer<'_>, span: Span) -> Result<(), Left> {
        match (asked.action, answer.outcome) {
            (Action::Add, history::Outcome::Fail) => self.fail(asked.argument, span.invoked),
            (Action::Add, history::Outcome::Ok) => {
                self.add(asked.argument, span.invoked);
                self.other |= answer.result != NOTHING;
                Ok(())
            }
            (Action::Read, history::Outcome::Ok) if answer.result != NOTHING => {
                self.see(answer.result, asked.note, span.now)
            }
            _ => Ok(()),
        }
    }

    fn settle(&mut self, watermark: u64) -> Result<(), Left> {
        let settled = self.reads.partition_point(|(ended, _)| *ended < watermark);
        self.reads.drain(..settled);
        // All that is added from now on comes after these: the one that demands most will always do so.
        let settled = self.floors.partition_point(|(ended, _)| *ended < watermark);
        self.floors.drain(..settled.saturating_sub(1));
        Ok(())
    }

    fn doubt(&self) -> Option<&'static str> {
        self.other.then_some("not all increments are of one, and answer nothing")
    }

    fn entries(&self) -> usize {
        self.reads.len() + self.floors.len()
    }
}
