//! Locks and semaphores while the load runs, by search: their states are few.

use history::Outcome;
use history::object::{Action, NOTHING};

use super::Span;
use super::frontier::{Frontier, Small};
use super::object::{Answer, Asked, Follow, Left};

/// Which lock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Anyone may release it.
    Mutex,
    /// Its holder may take it so often, and releases it as often.
    Owned { most: u32 },
    /// Its holder releases it, and each has a greater token.
    Fenced,
    /// So many permits may be held.
    Semaphore { permits: u32 },
}

/// Who holds it, how often, in order; and the last token.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    by: Vec<(u32, u32)>,
    token: i64,
}

/// Nobody in particular.
const ANYONE: u32 = 0;

impl Small for Kind {
    type State = Held;
    type Call = (u32, Action);

    fn step(&self, held: &Held, &(process, action): &(u32, Action), _now: u64) -> Option<Held> {
        let process = if matches!(self, Kind::Mutex) { ANYONE } else { process };
        let mut next = held.clone();
        let place = next.by.binary_search_by_key(&process, |(holder, _)| *holder);
        if action == Action::Release {
            let place = place.ok()?;
            next.by[place].1 -= 1;
            if next.by[place].1 == 0 {
                next.by.remove(place);
            }
            return Some(next);
        }
        let times: u32 = held.by.iter().map(|(_, times)| times).sum();
        let free = match *self {
            Kind::Mutex | Kind::Fenced => times == 0,
            Kind::Owned { most } => times == 0 || (place.is_ok() && times < most),
            Kind::Semaphore { permits } => times < permits,
        };
        match place {
            Ok(place) => next.by[place].1 += 1,
            Err(place) => next.by.insert(place, (process, 1)),
        }
        free.then_some(next)
    }

    fn covers(&self, one: &Held, other: &Held) -> bool {
        one.by == other.by && one.token <= other.token
    }
}

pub(super) struct Lock {
    frontier: Frontier<Kind>,
    kind: Kind,
}

pub(super) fn lock(kind: Kind) -> Lock {
    let nobody = Held { by: Vec::new(), token: NOTHING };
    Lock { frontier: Frontier::new(kind, nobody), kind }
}

impl Follow for Lock {
    fn begin(&mut self, asked: &Asked, _now: u64) -> Result<i64, Left> {
        if !matches!(asked.action, Action::Acquire | Action::Release) {
            return Err(Left::Undecided(format!("`{}` of a lock", asked.action)));
        }
        if matches!(self.kind, Kind::Fenced) && self.frontier.calls().any(|(process, _)| *process == asked.process) {
            // Its token would have to be known before it comes.
            return Err(Left::Undecided(format!("p{} does two things at once", asked.process)));
        }
        self.frontier.begin((asked.process, asked.action)).map(|slot| slot as i64)
    }

    fn end(&mut self, asked: &Asked, answer: &Answer<'_>, span: Span) -> Result<(), Left> {
        let slot = asked.note as usize;
        let token = match (self.kind, asked.action) {
            (Kind::Fenced, Action::Acquire) => answer.result,
            _ => NOTHING,
        };
        let answered = |held: &Held| match token {
            NOTHING => Some(held.clone()),
            token => (token > held.token).then(|| Held { token, ..held.clone() }),
        };
        let possible = match answer.outcome {
            Outcome::Ok => self.frontier.complete(slot, span.now, answered)?,
            Outcome::Fail => self.frontier.fail(slot),
            Outcome::Info => {
                self.frontier.give_up(slot);
                true
            }
        };
        if possible {
            return Ok(());
        }
        let what = if answer.is_ok() { "ended" } else { "failed" };
        let token = if token == NOTHING { String::new() } else { format!(" with token {token}") };
        let because = format!("p{} {what} `{}`{token}, and no order explains that", asked.process, asked.action);
        Err(Left::Broken("no order explains what was seen", because))
    }

    fn settle(&mut self, _watermark: u64) -> Result<(), Left> {
        Ok(())
    }

    fn doubt(&self) -> Option<&'static str> {
        None
    }

    fn entries(&self) -> usize {
        self.frontier.entries()
    }
}
