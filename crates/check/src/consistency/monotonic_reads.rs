//! Monotonic reads: a process never goes back to a version that it has left.

use super::clocks::Reason;
use super::guarantees::{BySession, Lanes, Stamped};
use super::judge_by;
use super::sessions::{INITIAL, NONE, Sessions};
use super::story::{Argument, Refutation};
use crate::limit::Limit;
use crate::model::Model;

/// Monotonic reads ([the family](super::guarantees)): what is visible to a read stays visible to the later ones of its process. Linear; exact where
/// values are unique.
pub static MONOTONIC_READS: Model = Model {
    name: "monotonic-reads",
    summary: "no process reads a version again that it has seen replaced, or one that its writer wrote earlier",
    decide: |history, options| judge_by(history, options, "monotonic-reads", refute),
};

fn refute(sessions: &Sessions, _limit: &Limit) -> Result<Option<Refutation>, Reason> {
    let by_session = BySession::of(sessions);
    let lanes = Lanes::of(sessions, &by_session);
    // By key: the last read that saw a write. By lane: the one that saw the latest write of it.
    let mut last: Stamped<u32> = Stamped::new(sessions.keys);
    let mut newest: Stamped<u32> = Stamped::new(lanes.first.len());
    for (session, ops) in by_session.iter() {
        for &op in ops.iter().filter(|op| sessions.from[**op as usize] != NONE) {
            let (key, from) = (sessions.key[op as usize], sessions.from[op as usize]);
            let before = last.get(session, key);
            if from == INITIAL {
                let Some(before) = before else { continue };
                return Ok(Some(back(Argument::new(
                    "{0} found a value, and later {1} found nothing.",
                    vec![before, op],
                ))));
            }
            let lane = lanes.of[from as usize];
            let left = before.filter(|before| sessions.from[*before as usize] != from);
            if let Some((left, newer)) = left.zip(newest.get(session, lane)) {
                let seen = sessions.from[newer as usize];
                if seen == from {
                    let text = "{0} and {2} saw the same value, but {1} between them another: so each would have to replace the other.";
                    return Ok(Some(back(Argument::new(text, vec![newer, left, op]))));
                }
                if seen > from {
                    let text = "{0} saw {1}, and later {2} saw {3}, which the same process had written before that.";
                    return Ok(Some(back(Argument::new(text, vec![newer, seen, op, from]))));
                }
            }
            last.set(session, key, op);
            newest.set(session, lane, op);
        }
    }
    Ok(None)
}

fn back(argument: Argument) -> Refutation {
    Refutation::new("a process read backwards", argument)
}
