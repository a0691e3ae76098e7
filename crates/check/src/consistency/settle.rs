//! Whose value an operation saw where that is not certain: values written more than once, and compare-and-sets that say only what
//! the value was not. A history keeps a model if some choice does; choices are tried one by one, and given up as soon as those made are a
//! contradiction.

use super::clocks::Reason;
use super::sessions::{INITIAL, Sessions, shows};
use super::story::Refutation;
use crate::limit::Limit;
use history::NIL;

/// What is certain: whose values were seen, and which operations happened.
pub(super) fn certain(sessions: &Sessions) -> (Vec<u32>, Vec<bool>) {
    let choice = Choice::certain(sessions);
    (choice.from, choice.kept)
}

/// Judges sessions in which every operation saw a certain value, or one that says nothing.
pub(super) type Refute = fn(&Sessions, &Limit) -> Result<Option<Refutation>, Reason>;

/// What was found.
pub(super) enum Settled {
    /// Some choice keeps the model.
    Kept,
    /// Where no choice had to be made, the argument; else all of it.
    Broken(Option<Refutation>),
    /// The work ran out.
    Undecided(Reason),
}

/// Looks for a choice that keeps the model. `work` is the number of operations that may be judged, over all choices.
pub(super) fn settle(sessions: &Sessions, refute: Refute, limit: &Limit, work: usize) -> Settled {
    let judged = |sessions: &Sessions| match refute(sessions, limit) {
        Ok(None) => Settled::Kept,
        Ok(refuted) => Settled::Broken(refuted),
        Err(reason) => Settled::Undecided(reason),
    };
    let mut search = Search { sessions, refute, limit, work };
    let start = Choice::certain(sessions);
    if !sessions.unsettled.is_empty() {
        return match search.extend(&start) {
            Ok(true) => Settled::Kept,
            Ok(false) => Settled::Broken(None),
            Err(reason) => Settled::Undecided(reason),
        };
    }
    if start.kept.iter().all(|kept| *kept) {
        return judged(sessions);
    }
    match judged(&sessions.settled(&start.from, &start.kept)) {
        // Its operations are those of the smaller sessions.
        Settled::Broken(_) => Settled::Broken(None),
        other => other,
    }
}

#[derive(Clone)]
struct Choice {
    from: Vec<u32>,
    /// Which operations happened.
    kept: Vec<bool>,
    /// What happened and has no choice yet; the next one last.
    open: Vec<u32>,
}

struct Search<'a> {
    sessions: &'a Sessions,
    refute: Refute,
    limit: &'a Limit,
    work: usize,
}

impl Choice {
    /// What needs no choice.
    fn certain(sessions: &Sessions) -> Choice {
        let mut kept = vec![true; sessions.len()];
        sessions.optional.iter().for_each(|op| kept[*op as usize] = false);
        let open: Vec<u32> =
            sessions.unsettled.iter().map(|(op, _)| *op).filter(|op| kept[*op as usize]).rev().collect();
        let mut choice = Choice { from: sessions.from.clone(), kept, open };
        if !sessions.optional.is_empty() {
            let sure: Vec<u32> = (0..sessions.len() as u32).filter(|op| choice.kept[*op as usize]).collect();
            sure.into_iter().for_each(|op| choice.happened(sessions, sessions.from[op as usize]));
        }
        choice
    }

    /// What was seen happened, and so did what that saw.
    fn happened(&mut self, sessions: &Sessions, op: u32) {
        let mut op = op;
        while op < INITIAL && !std::mem::replace(&mut self.kept[op as usize], true) {
            if sessions.sight(op).is_some() {
                return self.open.push(op);
            }
            op = self.from[op as usize];
        }
    }
}

impl Search<'_> {
    /// Whether a choice can be completed.
    fn extend(&mut self, choice: &Choice) -> Result<bool, Reason> {
        let Some(left) = self.work.checked_sub(self.sessions.len() + 1) else {
            return Err(format!("too many ways in which {} values can have been seen", self.sessions.unsettled.len()));
        };
        self.work = left;
        let settled = self.sessions.settled(&choice.from, &choice.kept);
        if (self.refute)(&settled, self.limit)?.is_some() {
            return Ok(false);
        }
        let Some(&op) = choice.open.last() else { return Ok(true) };
        let Some(sight) = self.sessions.sight(op) else { return Ok(false) };
        let mut makers = self.sessions.makers(op, sight);
        // What was written before the operation is the likelier choice.
        makers.sort_by_key(|maker| *maker > op);
        makers.extend(shows(sight, NIL).then_some(INITIAL));
        for maker in makers {
            let mut next = choice.clone();
            next.open.pop();
            next.from[op as usize] = maker;
            next.happened(self.sessions, maker);
            if self.extend(&next)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
