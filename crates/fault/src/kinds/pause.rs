//! The long garbage collection, the live migration, the overloaded host: a process that stands still and does not know.

use crate::change::Change;
use crate::fault::{Action, Context};
use crate::registry::{Kind, Need};
use std::fmt;
use std::sync::Arc;

/// SIGSTOP, and SIGCONT when the fault ends.
pub static PAUSE: Kind = Kind {
    name: "pause",
    about: "the node's processes stand still (SIGSTOP) and go on when the fault ends (SIGCONT)",
    effect: "nothing is lost: sockets stay open, peers see silence instead of a reset, and the node wakes up with \
             messages, timers and a belief in its own leadership that are all out of date",
    reveals: "stale reads by a leader that was replaced while it slept, leases that trust a clock, lost updates by a \
              lock holder whose lock expired",
    evidence: "the process was seen in state stopped",
    needs: &[Need::ProcessControl],
    options: &[],
    read: |_| Some(Arc::new(Pause)),
    draw: |_, _| Some(Arc::new(Pause)),
};

/// SIGSTOP to every target.
#[derive(Clone, Copy, Debug)]
pub struct Pause;

impl Action for Pause {
    fn changes(&self, context: &mut Context<'_>) -> Vec<Change> {
        context.targets.iter().map(|node| Change::Pause(*node)).collect()
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pause")
    }
}
