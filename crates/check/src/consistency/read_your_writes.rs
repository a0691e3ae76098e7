//! Read your writes: a process sees its own last write of a key, or something that it does not have to take for older.

use super::clocks::Reason;
use super::guarantees::{BySession, Stamped};
use super::judge_by;
use super::sessions::{INITIAL, NONE, Sessions};
use super::story::{Argument, Refutation};
use crate::limit::Limit;
use crate::model::Model;

/// Read your writes ([the family](super::guarantees)): all earlier writes of the process are visible to its reads. Linear; exact where values
/// are unique.
pub static READ_YOUR_WRITES: Model = Model {
    name: "read-your-writes",
    summary: "a process sees its own last write of a key, or one of another process",
    decide: |history, options| judge_by(history, options, "read-your-writes", refute),
};

/// Broken by a read of nothing, or of an older write of the process itself, after it wrote the key. Whatever another process wrote may be newer.
fn refute(sessions: &Sessions, _limit: &Limit) -> Result<Option<Refutation>, Reason> {
    let mut latest: Stamped<u32> = Stamped::new(sessions.keys);
    for (session, ops) in BySession::of(sessions).iter() {
        for &op in ops {
            let (key, from) = (sessions.key[op as usize], sessions.from[op as usize]);
            if let Some(own) = latest.get(session, key)
                && from != NONE
            {
                if from == INITIAL {
                    return Ok(Some(forgotten(Argument::new("{0} did not see {1}.", vec![op, own]))));
                }
                if sessions.session[from as usize] == session && from < own {
                    let text = "{0} saw {1}, but the process had replaced that by {2}.";
                    return Ok(Some(forgotten(Argument::new(text, vec![op, from, own]))));
                }
            }
            if sessions.writes[op as usize] {
                latest.set(session, key, op);
            }
        }
    }
    Ok(None)
}

fn forgotten(argument: Argument) -> Refutation {
    Refutation::new("a process did not read its own write", argument)
}
