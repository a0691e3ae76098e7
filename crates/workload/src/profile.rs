use std::time::Duration;

use crate::Arrivals;

/// When operations are asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// Open loop: operations are due by a schedule, whether the system keeps up or not. Latency counts from the due time.
    Open(Arrivals),
    /// Closed loop: each process asks again when it has been answered. Latency is service time and hides stalls: a
    /// slow system is asked less.
    Closed {
        /// How many processes ask.
        processes: usize,
        /// How long a process waits after an answer.
        think: Duration,
    },
}

impl Profile {
    /// Open loop at a fixed rate, evenly spaced.
    pub fn constant(rate: f64) -> Self {
        Profile::Open(Arrivals::constant(rate))
    }

    /// Closed loop without think time.
    pub fn closed(processes: usize) -> Self {
        Profile::Closed { processes, think: Duration::ZERO }
    }

    /// The operations asked for within the first `span`; `None` in a closed loop, which asks for as many as are answered.
    pub fn asked_by(&self, span: Duration) -> Option<f64> {
        match self {
            Profile::Open(arrivals) => Some(arrivals.asked_by(span)),
            Profile::Closed { .. } => None,
        }
    }
}
