//! PRAM, or pipelined RAM consistency (Lipton & Sandberg, 1988), also called FIFO consistency: each process can put its own operations and the writes
//! of all others into one order that keeps the order of each process and explains its own reads. What others read does not count, so
//! causes do not travel over a third process.

use super::clocks::Reason;
use super::judge_by;
use super::memory::each_view;
use super::sessions::{NONE, Sessions};
use super::story::Refutation;
use crate::limit::Limit;
use crate::model::Model;

/// PRAM. `O(n k)` where all processes can agree, else at most `O(n k)` a process and round; exact where values are unique.
pub static PRAM: Model = Model {
    name: "pram",
    summary: "each process sees the writes of every other in the order in which that one wrote them",
    decide: |history, options| judge_by(history, options, "pram", refute),
};

fn refute(sessions: &Sessions, limit: &Limit) -> Result<Option<Refutation>, Reason> {
    each_view(sessions, limit, |session| {
        let own = |(op, from): (usize, &u32)| if sessions.session[op] == session { *from } else { NONE };
        sessions.from.iter().enumerate().map(own).collect()
    })
}
