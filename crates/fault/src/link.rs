use base::{Rng, units};
use std::fmt;
use std::time::Duration;

/// What happens to messages on one directed link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkRule {
    /// Nothing arrives.
    pub cut: bool,
    /// The probability that a message does not arrive, from 0 to 1.
    pub loss: f64,
    /// How long a message is held back.
    pub delay: Duration,
    /// The delay varies by as much in either direction, uniformly; it never falls below 0.
    pub jitter: Duration,
    /// When this rule is taken away, connections that carry the link are reset, as after a cut that outlived them.
    pub reset_on_heal: bool,
}

/// What becomes of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives, this much later than it would have. A link stays first in, first out: whoever delivers holds a
    /// message back until those before it are through.
    Deliver {
        /// The added delay.
        after: Duration,
    },
    /// It is lost.
    Drop,
}

impl LinkRule {
    /// The rule of a healthy link.
    pub const CLEAR: LinkRule =
        LinkRule { cut: false, loss: 0.0, delay: Duration::ZERO, jitter: Duration::ZERO, reset_on_heal: false };

    /// The rule of a cut link.
    pub const CUT: LinkRule = LinkRule { cut: true, ..LinkRule::CLEAR };

    /// Whether messages pass as on a healthy link.
    pub fn is_clear(&self) -> bool {
        !self.cut && self.loss <= 0.0 && self.delay.is_zero() && self.jitter.is_zero()
    }

    /// Decides about one message. Draws from `rng` only what the rule leaves to chance.
    #[inline]
    pub fn fate(&self, rng: &mut Rng) -> Fate {
        if self.cut || (self.loss > 0.0 && rng.chance(self.loss)) {
            return Fate::Drop;
        }
        if self.jitter.is_zero() {
            return Fate::Deliver { after: self.delay };
        }
        let range = self.delay.saturating_sub(self.jitter)..=self.delay.saturating_add(self.jitter);
        Fate::Deliver { after: rng.duration(range) }
    }

    /// Both rules at once, as for two faults that overlap: chances to arrive multiply, delays add up.
    pub fn and(self, other: LinkRule) -> LinkRule {
        LinkRule {
            cut: self.cut || other.cut,
            loss: 1.0 - (1.0 - self.loss) * (1.0 - other.loss),
            delay: self.delay.saturating_add(other.delay),
            jitter: self.jitter.saturating_add(other.jitter),
            reset_on_heal: self.reset_on_heal || other.reset_on_heal,
        }
    }
}

impl fmt::Display for LinkRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cut {
            return f.write_str("cut");
        }
        let mut parts = Vec::new();
        if !self.delay.is_zero() || !self.jitter.is_zero() {
            parts.push(format!("delay {}", units::show_duration(self.delay)));
        }
        if !self.jitter.is_zero() {
            parts.push(format!("jitter {}", units::show_duration(self.jitter)));
        }
        if self.loss > 0.0 {
            parts.push(format!("loss {:.1} %", self.loss * 100.0));
        }
        f.write_str(if parts.is_empty() { "clear".to_owned() } else { parts.join(", ") }.as_str())
    }
}
