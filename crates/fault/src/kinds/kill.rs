//! The crash of a process: the oldest fault, and the one that every system claims to survive.

use crate::change::Change;
use crate::fault::{Action, Context};
use crate::registry::{Kind, Need};
use std::fmt;
use std::sync::Arc;

/// `kill -9`, and a restart when the fault ends.
pub static KILL: Kind = Kind {
    name: "kill",
    about: "the node's processes are killed with SIGKILL; the node is started again when the fault ends",
    effect: "memory and unsent messages are gone, the page cache is not: what was written but not synced survives, \
             unless the system runs on a volatile disk",
    reveals: "acknowledged writes that were only in memory, a vote or term that was forgotten, recovery that \
              replays too much or too little",
    evidence: "the process was seen dead, and alive under another id afterwards",
    needs: &[Need::ProcessControl],
    options: &[],
    read: |_| Some(Arc::new(Kill)),
    draw: |_, _| Some(Arc::new(Kill)),
};

/// SIGKILL to every target.
#[derive(Clone, Copy, Debug)]
pub struct Kill;

impl Action for Kill {
    fn changes(&self, context: &mut Context<'_>) -> Vec<Change> {
        context.targets.iter().map(|node| Change::Kill(*node)).collect()
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kill")
    }
}
