//! Whether the load generator was at fault.
//!
//! *Lateness* is the time from when an operation was due to when it was sent. Its part that is the generator's own (it was not
//! running, or busy, although a process and a connection were free) distorts what is measured: a starved generator
//! looks exactly like a slow server. The part spent waiting for a free process is the system's and counts as latency.

use std::time::Duration;

use crate::histogram::{Histogram, Latency};

/// More lateness than this at the 99th percentile makes any latency untrusted.
pub const LIMIT: Duration = Duration::from_millis(1);
/// So does more than this share of the reported p99.
pub const LIMIT_SHARE: f64 = 0.1;

/// Whether latencies and rates can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// They can.
    Trusted,
    /// They cannot, for this reason.
    Untrusted(String),
}

impl Trust {
    /// Whether they can.
    pub fn is_trusted(&self) -> bool {
        *self == Trust::Trusted
    }
}

/// Judges the generator: its own lateness against the latency that is reported. A run is untrusted when the p99 of the
/// lateness is more than [`LIMIT_SHARE`] of the reported p99, or more than [`LIMIT`].
pub fn trust(lateness: &Histogram, latency: &Histogram) -> Trust {
    let Some(late) = lateness.percentile(0.99) else {
        return Trust::Untrusted("the load generator sent nothing, so its lateness is not known".into());
    };
    let Some(reported) = latency.percentile(0.99) else {
        return Trust::Untrusted("no operation was due, so there is no latency".into());
    };
    if late > Latency::from(LIMIT) {
        let limit = Latency::from(LIMIT);
        return Trust::Untrusted(format!("the load generator was late: p99 {late} (the limit is {limit})"));
    }
    if late.micros() > reported.micros() * LIMIT_SHARE {
        let share = LIMIT_SHARE * 100.0;
        return Trust::Untrusted(format!(
            "the load generator was late: p99 {late}, more than {share} % of the reported p99 of {reported}"
        ));
    }
    Trust::Trusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always(nanos: u64) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.record(nanos);
        histogram
    }

    fn told(lateness: &Histogram, latency: &Histogram) -> String {
        match trust(lateness, latency) {
            Trust::Trusted => "trusted".into(),
            Trust::Untrusted(reason) => reason,
        }
    }

    #[test]
    fn a_late_generator_is_not_believed() {
        assert_eq!(told(&always(90_000), &always(1_000_000)), "trusted");
        assert_eq!(
            told(&always(200_000), &always(1_000_000)),
            "the load generator was late: p99 200 us, more than 10 % of the reported p99 of 1.00 ms"
        );
        assert_eq!(
            told(&always(1_100_000), &always(1_000_000_000)),
            "the load generator was late: p99 1.10 ms (the limit is 1.00 ms)"
        );
    }

    #[test]
    fn a_dead_server_does_not_excuse_a_late_generator_and_silence_is_not_trust() {
        let mut dead = Histogram::new();
        dead.record_infinite();
        assert_eq!(told(&always(900_000), &dead), "trusted");
        assert!(!trust(&always(2_000_000), &dead).is_trusted());
        assert!(!trust(&Histogram::new(), &always(1)).is_trusted());
        assert!(!trust(&always(1), &Histogram::new()).is_trusted());
    }
}
