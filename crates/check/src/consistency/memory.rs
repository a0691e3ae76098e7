//! Causal memory (Ahamad, Neiger, Burns, Kohli & Hutto, 1995; CM of Bouajjani et al., POPL 2017): each process can put what it knows into
//! one order that contains the causes and explains *all* its reads, not each of them by itself.
//!
//! Bad patterns beside those of [causal consistency](super::causal): for the reads of one process, a write that comes before a read of
//! another value comes before the write of that value, and what follows must have no cycle (CyclicHB, WriteHBInitRead).

use super::clocks::{Edges, Graph, Reason};
use super::judge_by;
use super::saturate::{Rules, Saturated, saturate};
use super::sessions::Sessions;
use super::story::Refutation;
use crate::limit::Limit;
use crate::model::Model;

/// Causal memory (CM). `O(n k)` where all processes can agree, else at most `O(n k)` a process and round; exact where values are unique.
pub static CAUSAL_MEMORY: Model = Model {
    name: "causal-memory",
    summary: "each process sees all writes in one order that contains causes and effects; concurrent writes in an order of its own",
    decide: |history, options| judge_by(history, options, "causal-memory", refute),
};

fn refute(sessions: &Sessions, limit: &Limit) -> Result<Option<Refutation>, Reason> {
    each_view(sessions, limit, |_| sessions.from.to_vec())
}

/// Whether each process can put all that it knows, ordered by the values in `known`, into an order that explains its reads. If one
/// order is good enough for all, that is the cheapest proof.
pub(super) fn each_view(
    sessions: &Sessions,
    limit: &Limit,
    known: impl Fn(u32) -> Vec<u32>,
) -> Result<Option<Refutation>, Reason> {
    let none = Edges::default();
    let all = Graph { sessions, from: &sessions.from, edges: &none };
    if let Ok(Saturated::Open(_)) = saturate(&all, Rules { reader: None, one_order: false }, limit) {
        return Ok(None);
    }
    for session in 0..sessions.sessions as u32 {
        let from = known(session);
        let graph = Graph { sessions, from: &from, edges: &none };
        if let Saturated::Broken(refutation) =
            saturate(&graph, Rules { reader: Some(session), one_order: false }, limit)?
        {
            return Ok(Some(refutation));
        }
    }
    Ok(None)
}
