use std::time::Duration;

use base::Rng;

/// What happens to traffic on one directed link. The default lets everything through.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkRule {
    /// Nothing gets through, and nobody is told.
    pub cut: bool,
    /// Probability that a frame or packet is lost.
    pub loss: f64,
    /// Added to the time on the link.
    pub delay: Duration,
    /// Added on top: uniform between zero and this.
    pub jitter: Duration,
}

/// What becomes of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It arrives this much later.
    Deliver {
        /// Time added.
        after: Duration,
    },
    /// It never arrives.
    Drop,
}

impl LinkRule {
    /// Decides over one frame.
    pub fn fate(&self, rng: &mut Rng) -> Fate {
        if self.cut || (self.loss > 0.0 && rng.chance(self.loss)) {
            return Fate::Drop;
        }
        let jitter = if self.jitter.is_zero() { Duration::ZERO } else { rng.duration(Duration::ZERO..=self.jitter) };
        Fate::Deliver { after: self.delay + jitter }
    }
}
