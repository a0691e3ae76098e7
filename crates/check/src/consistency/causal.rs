//! Causal consistency: whoever sees something has seen everything that caused it.
//!
//! Causes are what the process did before and whose values it saw, transitively. With unique values the definitions of Bouajjani,
//! Enea, Guerraoui & Hamza (*On Verifying Causal Consistency*, POPL 2017) come down to bad patterns. Causal consistency (CC) forbids a
//! cycle of causes (CyclicCO), a value from nowhere (ThinAirRead), the initial value where a write is among the causes
//! (WriteCOInitRead), and a value that another write among the causes had replaced (WriteCORead). Causal *convergence* (CCv) also
//! wants one order of all concurrent writes, by which everybody picks the latest that he knows (CyclicCF).
//!
//! A compare-and-set is a read and a write in one. That it is atomic is no matter of causality: two may replace the same value.

use super::clocks::{Edges, Graph, Reason};
use super::judge_by;
use super::saturate::once;
use super::sessions::Sessions;
use super::story::Refutation;
use crate::limit::Limit;
use crate::model::Model;

/// Causal consistency (CC). `O(n k)` with k processes at a time; exact where values are unique.
pub static CAUSAL: Model = Model {
    name: "causal",
    summary: "whoever sees a value has seen everything that caused it, and nothing that was replaced among its causes",
    decide: |history, options| judge_by(history, options, "causal", consistent),
};

/// Causal convergence (CCv, "causal+"). `O(n k)`; exact where values are unique.
pub static CAUSAL_CONVERGENCE: Model = Model {
    name: "causal-convergence",
    summary: "causal, and all agree on the order of concurrent writes: replicas that know the same show the same",
    decide: |history, options| judge_by(history, options, "causal-convergence", convergent),
};

fn consistent(sessions: &Sessions, _limit: &Limit) -> Result<Option<Refutation>, Reason> {
    once(&Graph { sessions, from: &sessions.from, edges: &Edges::default() }, false)
}

fn convergent(sessions: &Sessions, _limit: &Limit) -> Result<Option<Refutation>, Reason> {
    once(&Graph { sessions, from: &sessions.from, edges: &Edges::default() }, true)
}
