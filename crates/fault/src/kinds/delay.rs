//! A slow link: the far data centre, the full buffer.

use crate::change::Change;
use crate::fault::{Action, Context};
use crate::link::LinkRule;
use crate::registry::{Kind, Need};
use base::units::show_duration;
use plan::reference::field;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Messages to and from the targets arrive later.
pub static DELAY: Kind = Kind {
    name: "delay",
    about: "messages to and from the node arrive later, in the order in which they were sent",
    effect: "round trips grow by twice the delay; timeouts that were chosen for a fast network fire",
    reveals: "elections without a failure, pipelines that stall, leases and time-outs shorter than a round trip",
    evidence: "messages were held back on a link that was slowed",
    needs: &[Need::LinkRules],
    options: &[
        field("delay", "duration", "`50ms`; 10 to 200 ms in a random schedule", "how long each message is held back"),
        field(
            "jitter",
            "duration",
            "`0ms`; up to half the delay in a random schedule",
            "by how much the delay varies in either direction",
        ),
    ],
    read: |table| {
        let delay = table.or("delay", Duration::from_millis(50));
        Some(Arc::new(Delay { delay, jitter: table.or("jitter", Duration::ZERO) }))
    },
    draw: |table, rng| {
        let drawn = rng.duration(Duration::from_millis(10)..=Duration::from_millis(200));
        let delay = table.get("delay").unwrap_or(drawn);
        let jitter = rng.duration(Duration::ZERO..=delay / 2);
        Some(Arc::new(Delay { delay, jitter: table.get("jitter").unwrap_or(jitter) }))
    },
};

/// Holds back every message to and from the targets.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// How long.
    pub delay: Duration,
    /// By how much it varies in either direction.
    pub jitter: Duration,
}

impl Action for Delay {
    fn changes(&self, context: &mut Context<'_>) -> Vec<Change> {
        context.on_links(LinkRule { delay: self.delay, jitter: self.jitter, ..LinkRule::CLEAR })
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "delay {}", show_duration(self.delay))?;
        if self.jitter.is_zero() { Ok(()) } else { write!(f, " ± {}", show_duration(self.jitter)) }
    }
}
