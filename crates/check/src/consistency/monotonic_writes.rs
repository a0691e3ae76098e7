//! Monotonic writes: whoever sees a write has seen what its process wrote before it, to whichever key.

use super::clocks::Reason;
use super::guarantees::{BySession, Lanes, Stamped};
use super::judge_by;
use super::sessions::{INITIAL, NONE, Sessions};
use super::story::{Argument, Refutation};
use crate::limit::Limit;
use crate::model::Model;

/// Monotonic writes ([the family](super::guarantees)), for processes whose reads are monotonic: one that may read backwards cannot tell in which
/// order things were written. Linear; exact where values are unique.
pub static MONOTONIC_WRITES: Model = Model {
    name: "monotonic-writes",
    summary: "monotonic reads, and nobody sees a write before what its process had written before it",
    decide: |history, options| judge_by(history, options, "monotonic-writes", refute),
};

fn refute(sessions: &Sessions, _limit: &Limit) -> Result<Option<Refutation>, Reason> {
    let by_session = BySession::of(sessions);
    let lanes = Lanes::of(sessions, &by_session);
    let mut lanes_of_key: Vec<Vec<u32>> = vec![Vec::new(); sessions.keys];
    lanes.first.iter().for_each(|first| lanes_of_key[sessions.key[*first as usize] as usize].push(*first));
    let mut view = View { sessions, seen: Stamped::new(sessions.sessions), growth: Vec::new() };
    let mut last: Stamped<u32> = Stamped::new(sessions.keys);
    for (session, ops) in by_session.iter() {
        view.growth.clear();
        for &op in ops.iter().filter(|op| sessions.from[**op as usize] != NONE) {
            let (key, from) = (sessions.key[op as usize], sessions.from[op as usize]);
            let before = last.get(session, key);
            if from == INITIAL {
                let firsts = lanes_of_key[key as usize].iter();
                let missed = firsts.filter_map(|first| Some((*first, view.shown_by(session, *first)?))).next();
                if let Some((first, shown)) = missed {
                    let text = "{0} showed {1}, so {2} was there, too; but later {3} found nothing.";
                    let ops = vec![shown, sessions.from[shown as usize], first, op];
                    return Ok(Some(disorder(Argument::new(text, ops))));
                }
                continue;
            }
            let newer = lanes.next[from as usize];
            if newer != NONE
                && let Some(shown) = view.shown_by(session, newer)
            {
                let text = "{0} showed {1}, so {2} was there, too; but later {3} saw {4}, which that replaces.";
                let ops = vec![shown, sessions.from[shown as usize], newer, op, from];
                return Ok(Some(disorder(Argument::new(text, ops))));
            }
            if let Some(before) = before.filter(|before| sessions.from[*before as usize] != from)
                && let Some(shown) = view.shown_by(session, from).filter(|shown| *shown <= before)
            {
                let text = "{0} showed {1}, so {2} was there, too, when {3} saw another value: that one is newer. But later {4} saw the former.";
                let ops = vec![shown, sessions.from[shown as usize], from, before, op];
                return Ok(Some(disorder(Argument::new(text, ops))));
            }
            view.show(session, op);
            last.set(session, key, op);
        }
    }
    Ok(None)
}

fn disorder(argument: Argument) -> Refutation {
    Refutation::new("writes of a process were seen out of order", argument)
}

/// How much of each process's writes one process has seen so far.
struct View<'a> {
    sessions: &'a Sessions,
    /// By writing session: the last place of it in `growth`, and one.
    seen: Stamped<u32>,
    /// Reads that showed more of a session than those before: the read, and the place of the one before it of the same session.
    growth: Vec<(u32, u32)>,
}

impl View<'_> {
    fn show(&mut self, session: u32, read: u32) {
        let from = self.sessions.from[read as usize];
        let writer = self.sessions.session[from as usize];
        let place = self.seen.get(session, writer).unwrap_or(NONE);
        if place == NONE || self.sessions.from[self.growth[place as usize].0 as usize] < from {
            self.growth.push((read, place));
            self.seen.set(session, writer, self.growth.len() as u32 - 1);
        }
    }

    /// The first read that showed this write or a later one of its process.
    fn shown_by(&self, session: u32, write: u32) -> Option<u32> {
        let mut place = self.seen.get(session, self.sessions.session[write as usize])?;
        let mut found = None;
        while place != NONE {
            let (read, before) = self.growth[place as usize];
            if self.sessions.from[read as usize] < write {
                break;
            }
            (found, place) = (Some(read), before);
        }
        found
    }
}
