//! A link that loses some of what it carries.

use crate::change::Change;
use crate::fault::{Action, Context};
use crate::link::LinkRule;
use crate::registry::{Kind, Need};
use plan::Share;
use plan::reference::field;
use std::fmt;
use std::sync::Arc;

/// Some messages to and from the targets do not arrive.
pub static LOSS: Kind = Kind {
    name: "loss",
    about: "a share of the messages to and from the node does not arrive, each decided on its own",
    effect: "whole messages are lost, as with datagrams; under TCP a packet filter's loss shows as delay instead",
    reveals: "protocols that count on every message: a lost reply that is never asked for again, a missing retry",
    evidence: "messages were dropped on a link with loss",
    needs: &[Need::LinkRules],
    options: &[field(
        "loss",
        "share",
        "`20%`; 1 to 40 % in a random schedule",
        "the probability that a message does not arrive",
    )],
    read: |table| {
        let Share(share) = table.or("loss", Share(0.2));
        Some(Arc::new(Loss { share }))
    },
    draw: |table, rng| {
        let drawn = Share(rng.within(1..=40) as f64 / 100.0);
        let Share(share) = table.get("loss").unwrap_or(drawn);
        Some(Arc::new(Loss { share }))
    },
};

/// Loses messages to and from the targets.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// The probability that a message is lost, from 0 to 1.
    pub share: f64,
}

impl Action for Loss {
    fn changes(&self, context: &mut Context<'_>) -> Vec<Change> {
        context.on_links(LinkRule { loss: self.share, ..LinkRule::CLEAR })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "loss {:.0} %", self.share * 100.0)
    }
}
